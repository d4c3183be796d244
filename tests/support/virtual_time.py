"""Virtual time on both event loops: hours of waiting pass in milliseconds, deterministically."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from aioimagebuilder.aws.event_loops import running_trio

T = TypeVar("T")


class _VirtualSelector(selectors.DefaultSelector):
    """Moves the clock to the next timer instead of sleeping until then."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("deadlock: all tasks wait, and no timer is pending")
            self.now += timeout
        return ready


class VirtualEventLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _VirtualSelector()
        super().__init__(self._virtual)
        # asyncio runs timers that are due within this resolution. After months, its default of a nanosecond
        # is below the precision of a float, and a due timer would never run.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._virtual.now

    def jump(self, seconds: float) -> None:
        self._virtual.now += seconds


def run_virtually(backend: str, main: Callable[[], Awaitable[T]]) -> T:
    """Run `main` on `backend` with a clock that jumps to the next timer whenever all tasks wait."""
    options: dict[str, object]
    if backend == "asyncio":
        options = {"loop_factory": VirtualEventLoop}
    else:
        from trio.testing import MockClock  # noqa: PLC0415 - optional, see .ci/test_supply

        options = {"clock": MockClock(autojump_threshold=0)}
    return anyio.run(main, backend=backend, backend_options=options)


def jump(seconds: float) -> None:
    """Advance the clock without running anything, as on a machine that was suspended."""
    if (trio := running_trio()) is not None:
        trio.lowlevel.current_clock().jump(seconds)
    else:
        asyncio.get_running_loop().jump(seconds)
