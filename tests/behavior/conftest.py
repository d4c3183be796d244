import random
from collections.abc import Awaitable, Callable
from importlib.util import find_spec

import pytest

from support.virtual_time import run_virtually

HAS_TRIO = find_spec("trio") is not None


@pytest.fixture(params=["asyncio", "trio"] if HAS_TRIO else ["asyncio"])
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[], Awaitable[object]]], object]:
    """Run an async function on virtual time, on each event loop, with the same jitter in each session."""
    random.seed(request.node.nodeid)
    return lambda main: run_virtually(request.param, main)
