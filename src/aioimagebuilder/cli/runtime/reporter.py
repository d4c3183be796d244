"""Progress on standard error: live on a terminal, plain lines elsewhere, nothing where it is not wanted."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Final, TextIO

import anyio
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from ..build_state import BuildState
from ..durations import shown_duration
from ..options import Display, Waiting
from ..render.live import Look, live_view
from ..render.plain import changes, still
from ..render.symbols import symbols_for
from .service_clock import ServiceClock

__all__ = ["LiveReporter", "PlainReporter", "QuietReporter", "Reporter", "reporter_for"]

_FRAME: Final = 0.125


class Reporter:
    """Shows no progress, but what is said and warned of: for commands that do not wait.

    Args:
        stream: standard error.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def update(self, state: BuildState) -> None:
        """Show the new state of an execution."""

    def note(self, line: str) -> None:
        """Show a line of progress."""

    def warn(self, line: str) -> None:
        """Show what the library warns of."""
        self.say(line)

    async def run(self) -> None:
        """Show what there is to show, until it is cancelled."""
        await anyio.sleep_forever()

    def say(self, line: str) -> None:
        """Show a line that is no progress: an error, or what to do now."""
        # Whoever closed standard error does not want to know.
        with contextlib.suppress(BrokenPipeError):
            self._stream.write(f"{line}\n")
            self._stream.flush()


class QuietReporter(Reporter):
    """Shows nothing but what is said: for ``--quiet``."""

    def warn(self, line: str) -> None:
        """Show nothing."""


class PlainReporter(Reporter):
    """Shows a line on each change, and one each `heartbeat` seconds while nothing changes."""

    def __init__(self, stream: TextIO, clock: ServiceClock, heartbeat: float) -> None:
        super().__init__(stream)
        self._clock = clock
        self._heartbeat = heartbeat
        self._began = time.monotonic()
        self._states: dict[str, BuildState] = {}
        self._spoke = anyio.Event()

    def update(self, state: BuildState) -> None:
        self._clock.learn(state.newest_time)
        for line in changes(self._states.get(state.execution.id), state):
            self.note(line)
        self._states[state.execution.id] = state

    def note(self, line: str) -> None:
        self.say(f"[{shown_duration(time.monotonic() - self._began):>7}] {line}")
        self._spoke.set()
        self._spoke = anyio.Event()

    def warn(self, line: str) -> None:
        self.note(line)

    async def run(self) -> None:
        while True:
            with anyio.move_on_after(self._heartbeat) as silence:
                await self._spoke.wait()
            if silence.cancelled_caught:
                self._say_what_runs()

    def _say_what_runs(self) -> None:
        now = self._clock.now()
        lines = [still(each, now) for each in self._states.values() if not each.execution.is_terminal]
        for line in lines or ["waiting for the first answer"]:
            self.note(line)


class LiveReporter(Reporter):
    """Shows a view that moves, on a terminal."""

    def __init__(self, stream: TextIO, clock: ServiceClock, *, no_color: bool) -> None:
        super().__init__(stream)
        self._clock = clock
        self._symbols = symbols_for(stream.encoding)
        self._states: dict[str, BuildState] = {}
        self._began = time.monotonic()
        self._console = Console(
            file=stream, no_color=no_color or None, highlight=False, emoji=False, markup=False
        )

    def update(self, state: BuildState) -> None:
        self._clock.learn(state.newest_time)
        self._states[state.execution.id] = state

    def note(self, line: str) -> None:
        self.say(line)

    def say(self, line: str) -> None:
        # Above the view, or after it.
        self._console.print(Text(line), soft_wrap=True)

    async def run(self) -> None:
        with Live(
            console=self._console,
            get_renderable=self._view,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        ) as live:
            while True:
                live.refresh()
                await anyio.sleep(_FRAME)

    def _view(self) -> RenderableType:
        beat = int((time.monotonic() - self._began) / _FRAME)
        width, height = self._console.size
        look = Look(now=self._clock.now(), width=width, height=height, symbols=self._symbols, beat=beat)
        if not self._states:
            return Text(f"{self._symbols.running[beat % len(self._symbols.running)]} asking the service")
        return live_view(list(self._states.values()), look)


def reporter_for(
    stream: TextIO, display: Display, waiting: Waiting | None, *, shares_terminal: bool
) -> Reporter:
    """Get the reporter that fits where standard error goes.

    Args:
        stream: standard error.
        display: what the options say.
        waiting: the options of a command that waits; ``None`` for one that does not.
        shares_terminal: whether results come to the same terminal meanwhile; a live view would break them.
    """
    if display.quiet:
        return QuietReporter(stream)
    if waiting is None:
        return Reporter(stream)
    clock = ServiceClock(waiting.time_scale)
    is_live = stream.isatty() and os.environ.get("TERM") not in {None, "", "dumb", "unknown"}
    if is_live and not shares_terminal:
        return LiveReporter(stream, clock, no_color=display.no_color)
    return PlainReporter(stream, clock, waiting.heartbeat)
