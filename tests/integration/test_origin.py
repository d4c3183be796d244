"""A client that is used in a fork of its process, or in another event loop: a clear error, and no hang."""

import os
import subprocess
import sys
import textwrap
from contextlib import AsyncExitStack

import anyio
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.httpxsession import HttpxSession
from aiobotocore.session import get_session

from aioimagebuilder import ImageBuilder
from aioimagebuilder.testing import Simulator

from .conftest import CADENCE

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
OTHER_LOOP = "opened in another event loop"


@pytest.fixture
def execution(simulator: Simulator) -> str:
    return simulator.add_execution("workflow_execution", [("RUNNING", None)])


USES = {
    "wait": "ib.wait(execution, timeout=1)",
    "get": "ib.get_workflow_execution(execution)",
    "watch": "next(ib.watch(execution, timeout=1))",
    "next": "next(watch)",
    "list": "next(ib.list_waiting_workflow_steps())",
    "close": "ib.close()",
    "close_iterator": "watch.close()",
    "exit": "ib.__exit__(None, None, None)",
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform cannot fork")
@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_fork_that_uses_a_blocking_client_raises_at_once(simulator: Simulator, execution: str, use: str):
    program = f"""
        import os
        from aioimagebuilder.blocking import ImageBuilder

        execution = {execution!r}
        with ImageBuilder(**{dict(simulator.client_arguments)!r}) as ib:
            watch = ib.watch(execution, timeout=10)
            next(watch)
            child = os.fork()
            if child == 0:
                try:
                    {use}
                except RuntimeError as error:
                    print(f"child: {{error}}", flush=True)
                # The interpreter ends as usual, with the clients that the child has inherited.
                raise SystemExit(7)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            print(status, ib.get_workflow_execution(execution).status)
    """
    result = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "child: This ImageBuilder was opened in process " in result.stdout, result.stderr
    assert "is a fork of it" in result.stdout
    # The exit code of the child is that of the error which `with` raises, since it cannot close the client.
    assert result.stdout.splitlines()[-1].endswith(" RUNNING"), result.stderr


async def _use(ib: ImageBuilder, execution: str) -> None:
    """Use a client of another event loop in every way."""
    with anyio.fail_after(10):
        for use in (
            lambda: ib.wait(execution, timeout=None),
            lambda: ib.wait_all([execution], timeout=None),
            lambda: anext(aiter(ib.watch(execution))),
            lambda: anext(aiter(ib.as_completed([execution], timeout=None))),
            lambda: ib.get_workflow_execution(execution),
            lambda: anext(aiter(ib.list_waiting_workflow_steps())),
            lambda: ib.diagnose(execution),
            ib.aclose,
        ):
            with pytest.raises(RuntimeError, match=OTHER_LOOP):
                await use()


@BACKENDS
@pytest.mark.parametrize("other_backend", ["asyncio", "trio"])
def test_use_in_another_thread_s_event_loop_raises_at_once(simulator, execution, backend, other_backend):
    async def main() -> None:
        async with ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
            watch = ib.watch(execution)
            await anext(watch)

            async def use() -> None:
                await _use(ib, execution)
                with pytest.raises(RuntimeError, match=OTHER_LOOP):
                    await anext(watch)

            await anyio.to_thread.run_sync(lambda: anyio.run(use, backend=other_backend))
            # The client still works in its own.
            assert (await ib.get_workflow_execution(execution)).status == "RUNNING"

    anyio.run(main, backend=backend)


@BACKENDS
def test_use_in_a_later_event_loop_raises_at_once(simulator, execution, backend):
    """A module-level client that is opened by one asyncio.run(), and used by the next."""
    clients = []

    async def open_client() -> None:
        client = await stack.enter_async_context(get_session().create_client("imagebuilder", **arguments))
        clients.append(await ImageBuilder(client=client, **CADENCE).__aenter__())
        await clients[0].get_workflow_execution(execution)
        # Leaves no socket open, which would be a warning.
        await stack.aclose()

    stack = AsyncExitStack()
    config = AioConfig(http_session_cls=HttpxSession)
    arguments = {**simulator.client_arguments, "config": config}
    anyio.run(open_client, backend=backend)
    anyio.run(_use, clients[0], execution, backend=backend)
