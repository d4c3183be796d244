from collections.abc import Awaitable, Callable

import pytest

from virtual_time import run_virtually


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[], Awaitable[object]]], object]:
    """Run an async function on virtual time, on each event loop."""
    return lambda main: run_virtually(request.param, main)
