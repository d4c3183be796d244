from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import tenacity
from aiobotocore.httpxsession import HttpxSession

from aioimagebuilder import Backoff, ImageBuilder
from aioimagebuilder.testing import Simulator

# Ten minutes of a build pass in 0.6 seconds.
TIME_SCALE = 1000.0
CADENCE = {"min_delay": 0.02, "max_delay": 0.05}
# The default strategies, scaled down like the cadence.
BACKOFF = Backoff(
    throttled=tenacity.wait_random_exponential(multiplier=0.1, max=0.5),
    transient=tenacity.wait_random_exponential(multiplier=0.05, max=0.5),
)

# Every event loop with every HTTP client that runs on it: anyio's backend, and options of `AioConfig`.
CLIENTS = [
    pytest.param("asyncio", {}, id="asyncio-aiohttp"),
    pytest.param("asyncio", {"http_session_cls": HttpxSession}, id="asyncio-httpx2"),
    pytest.param("trio", {}, id="trio-httpx2"),
]


@pytest.fixture
def simulator(imagebuilder_simulator: Simulator) -> Simulator:
    imagebuilder_simulator.set_time_scale(TIME_SCALE)
    return imagebuilder_simulator


@pytest_asyncio.fixture
async def ib(simulator: Simulator) -> AsyncIterator[ImageBuilder]:
    async with ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
        yield ib
