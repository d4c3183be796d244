"""Fixtures of the randomized tests."""

import gc

import pytest


@pytest.fixture(autouse=True)
def _collect_garbage_after_test():
    # Scenarios free all of their objects at once, so collections during a test only cost time.
    gc.disable()
    yield
    gc.enable()
    gc.collect()
