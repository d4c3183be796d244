"""A pytest plugin that provides the fixture ``imagebuilder_simulator``.

pytest loads it by its entry point in every project that has this library installed. To keep that cheap, moto
is imported only when the fixture is first used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .simulator import Simulator


@pytest.fixture(scope="session")
def imagebuilder_simulator_server() -> Iterator[Simulator]:
    """Run one simulator for the whole session, at 60 simulated seconds per second."""
    from . import Simulator  # noqa: PLC0415

    with Simulator(time_scale=60.0) as simulator:
        yield simulator


@pytest.fixture
def imagebuilder_simulator(imagebuilder_simulator_server: Simulator) -> Simulator:
    """Return a simulator without state from earlier tests; its `client_arguments` connect a client."""
    imagebuilder_simulator_server.reset()
    return imagebuilder_simulator_server
