"""Clients in async fixtures of every scope, which pytest-asyncio opens and closes in different tasks."""

import pytest
import pytest_asyncio

from aioimagebuilder import ImageBuilder
from aioimagebuilder.testing import Simulator

from .conftest import CADENCE

SCOPES = ("function", "class", "module", "package", "session")


def _fixture(scope: str):
    @pytest_asyncio.fixture(scope=scope, loop_scope=scope)
    async def fixture(imagebuilder_simulator_server: Simulator):
        async with ImageBuilder(**imagebuilder_simulator_server.client_arguments, **CADENCE) as ib:
            yield ib

    return fixture


function_ib, class_ib, module_ib, package_ib, session_ib = map(_fixture, SCOPES)


@pytest.fixture
def scoped_ib(request: pytest.FixtureRequest, scope: str) -> ImageBuilder:
    return request.getfixturevalue(f"{scope}_ib")


@pytest.mark.parametrize(
    "scope", [pytest.param(scope, marks=pytest.mark.asyncio(loop_scope=scope)) for scope in SCOPES]
)
async def test_client_in_fixture_of_any_scope_can_wait(scoped_ib: ImageBuilder, simulator: Simulator):
    for _ in range(2):
        execution = simulator.add_execution("workflow_execution", [("RUNNING", 20.0), ("COMPLETED", None)])
        assert (await scoped_ib.wait(execution, timeout=30)).status == "COMPLETED"
