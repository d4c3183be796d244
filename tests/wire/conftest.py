from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from aioimagebuilder import ImageBuilder
from aioimagebuilder.testing import Simulator

# Quick polls of quick builds: ten minutes pass in two thirds of a second.
TIME_SCALE = 1000.0
CADENCE = {"min_delay": 0.02, "max_delay": 0.05}


@pytest.fixture
def simulator(imagebuilder_simulator: Simulator) -> Simulator:
    imagebuilder_simulator.set_time_scale(TIME_SCALE)
    return imagebuilder_simulator


@pytest_asyncio.fixture
async def ib(simulator: Simulator) -> AsyncIterator[ImageBuilder]:
    async with ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
        yield ib
