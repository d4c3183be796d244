"""Programs that end while waits are open exit promptly, with their own exit code and without warnings."""

import signal
import subprocess
import sys
import textwrap
import time

import pytest

from aioimagebuilder.testing import Simulator

TIMEOUT = 5.0

# Each program opens a client with `ARGUMENTS` and waits for `EXECUTION`, which never ends.
INTERRUPTED = {
    "asyncio": """
        import asyncio, signal, sys
        from aioimagebuilder import ImageBuilder

        async def main():
            async with ImageBuilder(**ARGUMENTS) as ib, asyncio.TaskGroup() as tasks:
                for _ in range(3):
                    tasks.create_task(ib.wait(EXECUTION, timeout=None))
                async for _ in ib.watch(EXECUTION):
                    pass

        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            sys.exit("interrupted")
    """,
    "trio": """
        import signal, sys, trio
        from aioimagebuilder import ImageBuilder

        async def main():
            async with ImageBuilder(**ARGUMENTS) as ib:
                await ib.wait_all([EXECUTION], timeout=None)

        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            trio.run(main)
        except KeyboardInterrupt:
            sys.exit("interrupted")
    """,
    "blocking": """
        import signal, sys
        from aioimagebuilder.blocking import ImageBuilder

        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with ImageBuilder(**ARGUMENTS) as ib:
                for _ in ib.as_completed([EXECUTION], timeout=None):
                    pass
        except KeyboardInterrupt:
            sys.exit("interrupted")
    """,
}

EXITING = {
    "asyncio": """
        import asyncio, sys
        from aioimagebuilder import ImageBuilder

        async def main():
            async with ImageBuilder(**ARGUMENTS) as ib, asyncio.TaskGroup() as tasks:
                tasks.create_task(ib.wait(EXECUTION, timeout=None))
                async for _ in ib.watch(EXECUTION):
                    sys.exit(3)

        asyncio.run(main())
    """,
    "trio": """
        import sys, trio
        from aioimagebuilder import ImageBuilder

        async def main():
            async with ImageBuilder(**ARGUMENTS) as ib:
                async for _ in ib.watch(EXECUTION):
                    sys.exit(3)

        trio.run(main)
    """,
    "blocking": """
        import sys
        from aioimagebuilder.blocking import ImageBuilder

        with ImageBuilder(**ARGUMENTS) as ib:
            for _ in ib.watch(EXECUTION):
                sys.exit(3)
    """,
    "blocking-never-closed": """
        import sys
        from aioimagebuilder.blocking import ImageBuilder

        ib = ImageBuilder(**ARGUMENTS).__enter__()
        watch = ib.watch(EXECUTION)
        next(watch)
        sys.exit(3)
    """,
    "blocking-deleted": """
        import sys, threading
        from aioimagebuilder.blocking import ImageBuilder

        ib = ImageBuilder(**ARGUMENTS).__enter__()
        ib.get_workflow_execution(EXECUTION)
        del ib
        sys.exit(3 if threading.active_count() == 1 else "the thread of the client still runs")
    """,
    "daemon-threads-sharing-client": """
        import sys, threading
        from aioimagebuilder.blocking import ImageBuilder

        ib = ImageBuilder(**ARGUMENTS).__enter__()
        for _ in range(2):
            threading.Thread(target=ib.wait, args=[EXECUTION], kwargs={"timeout": None}, daemon=True).start()
        ib.get_workflow_execution(EXECUTION)
        sys.exit(3)
    """,
    "daemon-threads": """
        import sys, threading, time
        from aioimagebuilder.blocking import ImageBuilder

        def work(seen):
            with ImageBuilder(**ARGUMENTS) as ib:
                for _ in ib.watch(EXECUTION):
                    seen.set()

        seen = [threading.Event(), threading.Event()]
        for each in seen:
            threading.Thread(target=work, args=[each], daemon=True).start()
        for each in seen:
            each.wait()
        sys.exit(3)
    """,
    "asyncio-loop-closed": """
        import asyncio, gc, sys
        from aioimagebuilder import ImageBuilder

        async def main():
            ib = await ImageBuilder(**ARGUMENTS).__aenter__()
            task = asyncio.ensure_future(ib.wait(EXECUTION, timeout=None))
            watch = ib.watch(EXECUTION)
            await anext(watch)
            return ib, task, watch

        loop = asyncio.new_event_loop()
        references = loop.run_until_complete(main())
        loop.close()
        sys.exit(3)
    """,
    "trio-run-ended": """
        import sys, trio
        from aioimagebuilder import ImageBuilder

        async def main():
            ib = await ImageBuilder(**ARGUMENTS).__aenter__()
            watch = ib.watch(EXECUTION)
            await anext(watch)
            return ib, watch

        references = trio.run(main)
        sys.exit(3)
    """,
}


@pytest.fixture
def start(simulator: Simulator):
    """Start a program in another process."""
    execution = simulator.add_execution("workflow_execution", [("RUNNING", None)])
    arguments = {**simulator.client_arguments, "min_delay": 0.05}

    def start(text: str) -> subprocess.Popen:
        constants = f"ARGUMENTS = {arguments!r}\nEXECUTION = {execution!r}\n"
        # HTTP clients warn if a program does not close them, as some of these programs do not.
        command = [sys.executable, "-W", "error", "-W", "ignore::ResourceWarning"]
        return subprocess.Popen(
            [*command, "-c", constants + textwrap.dedent(text)], stderr=subprocess.PIPE, text=True
        )

    return start


@pytest.mark.posix
@pytest.mark.parametrize("name", INTERRUPTED)
def test_ctrl_c_ends_open_waits_at_once(simulator: Simulator, start, name):
    with start(INTERRUPTED[name]) as process:
        while not simulator.call_count():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, stderr) == (1, "interrupted\n")


@pytest.mark.parametrize("name", EXITING)
def test_exit_with_open_waits_keeps_exit_code(start, name):
    with start(EXITING[name]) as process:
        try:
            _, stderr = process.communicate(timeout=2 * TIMEOUT)
        finally:
            process.kill()
    assert (process.returncode, stderr) == (3, "")
