"""Virtual time for many small worlds: an event loop that never asks the operating system for anything."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import anyio

T = TypeVar("T")

# The main task, and trio's own two: its root, and the one that takes what other threads hand in.
_TASKS_OF_TRIO: Final = 3
# In one instant there is an end to what is left to do.
_MOST_PASSES: Final = 100_000


class _NoSelector(selectors.SelectSelector):
    """Instead of sleeping until the next timer, moves the clock there. No socket is ever ready."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._passes = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("deadlock: every task waits for something that no timer will bring")
        self._passes = 0 if timeout > 0 else self._passes + 1
        if self._passes > _MOST_PASSES:
            # Whoever closes the event loop needs some of it yet.
            self._passes = 0
            raise RuntimeError("livelock: there is always something to do, and no time passes")
        self.now += max(0.0, timeout)
        return []


class _VirtualEventLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _NoSelector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def run_reproducibly(backend: str, seed: int, main: Callable[[], Awaitable[T]]) -> T:
    """Run `main` on virtual time, with all chance in it drawn from `seed`: the library's, and trio's."""
    random.seed(seed)
    options: dict[str, Any]
    if backend == "trio":
        import trio.testing  # noqa: PLC0415 - most of those who run on asyncio do not import it
        from trio._core import _run as trio_run  # noqa: PLC0415

        trio_run._ALLOW_DETERMINISTIC_SCHEDULING = True
        trio_run._r.seed(seed)
        options = {"clock": trio.testing.MockClock(autojump_threshold=0)}
    else:
        options = {"loop_factory": _VirtualEventLoop}
    return anyio.run(main, backend=backend, backend_options=options)


def clock(backend: str) -> Callable[[], float]:
    """Get the clock of the event loop that runs."""
    return anyio.current_time if backend == "trio" else asyncio.get_running_loop().time


def leftovers(backend: str) -> str | None:
    """Tell what tasks and timers are left beside the one that asks; ``None`` if there are none."""
    if backend == "trio":
        import trio  # noqa: PLC0415 - see above

        others = trio.lowlevel.current_statistics().tasks_living - _TASKS_OF_TRIO
        return f"{others} tasks" if others else None
    loop = asyncio.get_running_loop()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    if tasks:
        return f"tasks: {sorted(task.get_name() for task in tasks)}"
    timers = [handle for handle in loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
    return f"timers: {timers}" if timers else None
