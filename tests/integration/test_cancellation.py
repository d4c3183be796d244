"""Opening, waiting and closing cancelled at each step, with real connections."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio
import pytest
from aiobotocore.config import AioConfig

from aioimagebuilder import ImageBuilder
from aioimagebuilder.testing import Simulator
from support.stepping import Steps

from .conftest import CADENCE, CLIENTS
from .fault_proxy import HostileProxy

Clients = Callable[[], ImageBuilder]


async def _ran(steps: Steps, run: Coroutine[Any, Any, object]) -> bool:
    """Whether it ran to its end; if not, the cancellation came through."""
    result = await steps.run(run)
    # Not each step can be cancelled: HTTP clients shield some of theirs.
    assert (result is None) == steps.scope.cancelled_caught
    return result is not None


async def _open(make: Clients, execution: str, steps: Steps) -> None:
    ib = make()
    if await _ran(steps, ib.__aenter__()):
        await ib.get_workflow_execution(execution)
        await ib.aclose()


async def _wait(make: Clients, execution: str, steps: Steps) -> None:
    async with make() as ib:
        await _ran(steps, ib.wait(execution, timeout=30))


async def _start(make: Clients, execution: str, steps: Steps) -> None:
    async with make() as ib:
        await _ran(steps, ib.get_workflow_execution(execution))
        # What was cancelled in the middle of a connection is no harm to the next call.
        assert (await ib.get_workflow_execution(execution)).id == execution


async def _close(make: Clients, execution: str, steps: Steps) -> None:
    ib = make()
    async with anyio.create_task_group() as tasks:
        await ib.__aenter__()
        tasks.start_soon(_wait_in_vain, ib, execution)
        await ib.get_workflow_execution(execution)
        await steps.run(ib.aclose())
    with pytest.raises(RuntimeError, match="not open"):
        await ib.get_workflow_execution(execution)


async def _wait_in_vain(ib: ImageBuilder, execution: str) -> None:
    with pytest.raises(Exception, match="the client was closed"):
        await ib.wait(execution, timeout=None)


@pytest.mark.parametrize(("backend", "options"), CLIENTS)
@pytest.mark.parametrize("act", [_open, _wait, _start, _close], ids=lambda act: act.__name__.strip("_"))
def test_what_is_cancelled_at_any_step_leaves_no_connection_and_no_task(
    simulator: Simulator, act: Callable[..., Awaitable[None]], backend, options
):
    schedule = [("RUNNING", None)] if act is _close else [("RUNNING", 30.0), ("COMPLETED", None)]

    async def main(make: Clients) -> None:
        async def steps_of(cancel_at: int | None) -> int:
            execution = simulator.add_execution("workflow_execution", schedule)
            steps = Steps(cancel_at)
            await act(make, execution, steps)
            if backend == "asyncio":
                assert asyncio.all_tasks() == {asyncio.current_task()}
            return steps.count

        for cancel_at in range(1, await steps_of(None) + 1):
            await steps_of(cancel_at)

    with HostileProxy(simulator.endpoint_url) as proxy:

        def make() -> ImageBuilder:
            arguments = {**simulator.client_arguments, "endpoint_url": proxy.endpoint_url}
            return ImageBuilder(**arguments, **CADENCE, config=AioConfig(**options))

        anyio.run(main, make, backend=backend)
        assert not proxy.has_connections()
    # What was dropped unclosed warns as it is collected, and warnings are errors.
    gc.collect()
