"""Virtual time on both event loops: hours of waiting pass in milliseconds, and always the same way."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from aioimagebuilder.aws.event_loops import running_trio

T = TypeVar("T")


class _VirtualSelector(selectors.DefaultSelector):
    """Instead of sleeping until the next timer, moves the clock there."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("deadlock: every task waits for something that no timer will bring")
            self.now += timeout
        return ready


class VirtualEventLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _VirtualSelector()
        super().__init__(self._virtual)
        # asyncio runs a timer that is due within so much. Its own nanosecond is lost in the rounding once the
        # clock has come to months, and a timer that is due would wait for ever.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._virtual.now

    def jump(self, seconds: float) -> None:
        self._virtual.now += seconds


def run_virtually(backend: str, main: Callable[[], Awaitable[T]]) -> T:
    """Run `main` on `backend` with a clock that jumps to the next timer whenever nothing else can run."""
    options: dict[str, object]
    if backend == "asyncio":
        options = {"loop_factory": VirtualEventLoop}
    else:
        from trio.testing import MockClock  # noqa: PLC0415 - it may not be installed: see .ci/test_supply

        options = {"clock": MockClock(autojump_threshold=0)}
    return anyio.run(main, backend=backend, backend_options=options)


def jump(seconds: float) -> None:
    """Let the clock jump while nothing runs, as it does for a machine that sleeps."""
    if (trio := running_trio()) is not None:
        trio.lowlevel.current_clock().jump(seconds)
    else:
        asyncio.get_running_loop().jump(seconds)
