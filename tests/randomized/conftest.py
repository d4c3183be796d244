"""What all tests of worlds share."""

import gc

import pytest


@pytest.fixture(autouse=True)
def _no_collections_within():
    # What a world leaves is garbage all at once.
    gc.disable()
    yield
    gc.enable()
    gc.collect()
