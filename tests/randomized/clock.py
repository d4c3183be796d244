"""Virtual time for many small scenarios: an event loop without system calls, and with reproducible chance."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import anyio

T = TypeVar("T")

# The main task and trio's own two: the root task and the one that runs callbacks of other threads.
_TASKS_OF_TRIO: Final = 3
_MAXIMUM_PASSES_WITHOUT_TIME: Final = 100_000


class _VirtualSelector(selectors.SelectSelector):
    """Advances the clock to the next timer instead of sleeping. No socket is ever ready."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._passes = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("deadlock: every task waits, and there is no timer")
        self._passes = 0 if timeout > 0 else self._passes + 1
        if self._passes > _MAXIMUM_PASSES_WITHOUT_TIME:
            # Closing the event loop takes some passes as well.
            self._passes = 0
            raise RuntimeError("livelock: there is always a task to run, and time does not advance")
        self.now += max(0.0, timeout)
        return []


class _VirtualEventLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _VirtualSelector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def run_reproducibly(backend: str, seed: int, main: Callable[[], Awaitable[T]]) -> T:
    """Run `main` on virtual time, with the random numbers of the library and of trio drawn from `seed`."""
    random.seed(seed)
    options: dict[str, Any]
    if backend == "trio":
        import trio.testing  # noqa: PLC0415 - not needed on asyncio
        from trio._core import _run as trio_run  # noqa: PLC0415

        trio_run._ALLOW_DETERMINISTIC_SCHEDULING = True
        trio_run._r.seed(seed)
        options = {"clock": trio.testing.MockClock(autojump_threshold=0)}
    else:
        options = {"loop_factory": _VirtualEventLoop}
    return anyio.run(main, backend=backend, backend_options=options)


def event_loop_clock(backend: str) -> Callable[[], float]:
    """Return the clock of the running event loop."""
    return anyio.current_time if backend == "trio" else asyncio.get_running_loop().time


def describe_leftovers(backend: str) -> str | None:
    """Return which tasks and timers exist besides the current task; ``None`` if there are none."""
    if backend == "trio":
        import trio  # noqa: PLC0415 - not needed on asyncio

        others = trio.lowlevel.current_statistics().tasks_living - _TASKS_OF_TRIO
        return f"{others} tasks" if others else None
    loop = asyncio.get_running_loop()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    if tasks:
        return f"tasks: {sorted(task.get_name() for task in tasks)}"
    timers = [handle for handle in loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
    return f"timers: {timers}" if timers else None
