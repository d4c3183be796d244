"""Opening, waiting, reading and closing, cancelled at each step, with real connections."""

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
from .fault_proxy import FaultProxy

CreateClient = Callable[[], ImageBuilder]


async def _completes(steps: Steps, run: Coroutine[Any, Any, object]) -> bool:
    """Return whether `run` completed; if it did not, check that the cancellation was propagated."""
    result = await steps.run(run)
    # Some steps cannot be cancelled: HTTP clients shield them.
    assert (result is None) == steps.scope.cancelled_caught
    return result is not None


async def _open(create: CreateClient, execution: str, steps: Steps) -> None:
    ib = create()
    if await _completes(steps, ib.__aenter__()):
        await ib.get_workflow_execution(execution)
        await ib.aclose()


async def _wait(create: CreateClient, execution: str, steps: Steps) -> None:
    async with create() as ib:
        await _completes(steps, ib.wait(execution, timeout=30))


async def _get(create: CreateClient, execution: str, steps: Steps) -> None:
    async with create() as ib:
        await _completes(steps, ib.get_workflow_execution(execution))
        # A connection whose request was cancelled does not affect the next call.
        assert (await ib.get_workflow_execution(execution)).id == execution


async def _close(create: CreateClient, execution: str, steps: Steps) -> None:
    ib = create()
    async with anyio.create_task_group() as tasks:
        await ib.__aenter__()
        tasks.start_soon(_wait_until_closed, ib, execution)
        await ib.get_workflow_execution(execution)
        await steps.run(ib.aclose())
    with pytest.raises(RuntimeError, match="not open"):
        await ib.get_workflow_execution(execution)


async def _wait_until_closed(ib: ImageBuilder, execution: str) -> None:
    with pytest.raises(Exception, match="the client was closed"):
        await ib.wait(execution, timeout=None)


@pytest.mark.parametrize(("backend", "options"), CLIENTS)
@pytest.mark.parametrize("call", [_open, _wait, _get, _close], ids=lambda call: call.__name__.strip("_"))
def test_cancellation_at_any_step_leaves_no_connection_or_task(
    simulator: Simulator, call: Callable[..., Awaitable[None]], backend, options
):
    schedule = [("RUNNING", None)] if call is _close else [("RUNNING", 30.0), ("COMPLETED", None)]

    async def main(create: CreateClient) -> None:
        async def run_once(cancel_at: int | None) -> int:
            execution = simulator.add_execution("workflow_execution", schedule)
            steps = Steps(cancel_at)
            await call(create, execution, steps)
            if backend == "asyncio":
                assert asyncio.all_tasks() == {asyncio.current_task()}
            return steps.count

        for cancel_at in range(1, await run_once(None) + 1):
            await run_once(cancel_at)

    with FaultProxy(simulator.endpoint_url) as proxy:

        def create() -> ImageBuilder:
            arguments = {**simulator.client_arguments, "endpoint_url": proxy.endpoint_url}
            return ImageBuilder(**arguments, **CADENCE, config=AioConfig(**options))

        anyio.run(main, create, backend=backend)
        assert not proxy.has_connections()
    # Unclosed resources warn when they are collected, and warnings are errors.
    gc.collect()
