"""Progress on standard error: a live view on a terminal, and plain lines elsewhere."""

from __future__ import annotations

import os
import time
from typing import Final, TextIO

import anyio
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from ..build_state import BuildState
from ..durations import format_duration
from ..options import Display, WaitOptions
from ..render.live import RenderContext, render_live_view
from ..render.plain import format_changes, format_heartbeat
from ..render.symbols import symbols_for
from .service_clock import ServiceClock

_FRAME_SECONDS: Final = 0.125


class Reporter:
    """A reporter of messages and warnings, without progress: for commands that do not wait.

    Args:
        stream: standard error.

    Attributes:
        has_several: whether several executions are reported, so that every line has to name one.
        idle_text: what is awaited while nothing runs. Escaped text.
        shows_progress: whether progress is shown.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.shows_progress: bool = False
        self.has_several: bool = False
        self.idle_text: str = "waiting for the first response"

    def update(self, state: BuildState) -> None:
        """Report a new state of an execution."""

    def print_progress(self, line: str) -> None:
        """Print a line of progress."""

    def warn(self, line: str) -> None:
        """Print a warning of the library."""
        self.print_message(line)

    async def run(self) -> None:
        """Show progress until cancelled."""
        await anyio.sleep_forever()

    def print_message(self, line: str) -> None:
        """Print a line that is not progress, such as an error."""
        self._stream.write(f"{line}\n")
        self._stream.flush()


class QuietReporter(Reporter):
    """A reporter of messages only, for ``--quiet``."""

    def warn(self, line: str) -> None:
        """Print nothing."""


class PlainReporter(Reporter):
    """A reporter of plain lines: one on each change, and every `heartbeat` seconds without one."""

    def __init__(self, stream: TextIO, clock: ServiceClock, heartbeat: float) -> None:
        super().__init__(stream)
        self.shows_progress = True
        self._clock = clock
        self._heartbeat = heartbeat
        self._start = time.monotonic()
        self._states: dict[str, BuildState] = {}
        self._has_printed = anyio.Event()

    def update(self, state: BuildState) -> None:
        self._clock.observe(state.latest_time)
        before = self._states.get(state.execution.id)
        for line in format_changes(
            before, state, self._clock.wall_time(), is_one_of_several=self.has_several
        ):
            self.print_progress(line)
        self._states[state.execution.id] = state

    def print_progress(self, line: str) -> None:
        self.print_message(f"[{format_duration(time.monotonic() - self._start):>7}] {line}")
        self._has_printed.set()
        self._has_printed = anyio.Event()

    def warn(self, line: str) -> None:
        self.print_progress(line)

    async def run(self) -> None:
        while True:
            with anyio.move_on_after(self._heartbeat) as scope:
                await self._has_printed.wait()
            if scope.cancelled_caught:
                self._print_heartbeat()

    def _print_heartbeat(self) -> None:
        now, wall_time = self._clock.now(), self._clock.wall_time()
        lines = [
            format_heartbeat(each, now, wall_time)
            for each in self._states.values()
            if not each.execution.is_terminal
        ]
        for line in lines or [self.idle_text]:
            self.print_progress(line)


class LiveReporter(Reporter):
    """A reporter that redraws a live view on a terminal."""

    def __init__(self, stream: TextIO, clock: ServiceClock, *, no_color: bool) -> None:
        super().__init__(stream)
        self.shows_progress = True
        self._clock = clock
        self._symbols = symbols_for(stream.encoding)
        self._states: dict[str, BuildState] = {}
        self._start = time.monotonic()
        self._console = Console(
            file=stream, no_color=no_color or None, highlight=False, emoji=False, markup=False
        )

    def update(self, state: BuildState) -> None:
        self._clock.observe(state.latest_time)
        self._states[state.execution.id] = state

    def print_progress(self, line: str) -> None:
        self.print_message(line)

    def print_message(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)

    async def run(self) -> None:
        with Live(
            console=self._console,
            get_renderable=self._render,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        ) as live:
            while True:
                live.refresh()
                await anyio.sleep(_FRAME_SECONDS)

    def _render(self) -> RenderableType:
        frame = int((time.monotonic() - self._start) / _FRAME_SECONDS)
        if not self._states:
            symbol = self._symbols.running[frame % len(self._symbols.running)]
            return Text(f"{symbol} {self.idle_text}")
        width, height = self._console.size
        context = RenderContext(
            now=self._clock.now(),
            wall_time=self._clock.wall_time(),
            width=width,
            height=height,
            symbols=self._symbols,
            frame=frame,
        )
        return render_live_view(list(self._states.values()), context)


def reporter_for(
    stream: TextIO, display: Display, options: WaitOptions | None, *, shares_terminal: bool
) -> Reporter:
    """Return the reporter that suits the stream and the options.

    Args:
        stream: standard error.
        display: the display options.
        options: the options of a command that waits; ``None`` for one that does not.
        shares_terminal: whether results go to the same terminal, where a live view would garble them.
    """
    if display.quiet:
        return QuietReporter(stream)
    if options is None:
        return Reporter(stream)
    clock = ServiceClock(options.time_scale)
    is_live = stream.isatty() and os.environ.get("TERM") not in {None, "", "dumb", "unknown"}
    if is_live and not shares_terminal:
        return LiveReporter(stream, clock, no_color=display.no_color)
    return PlainReporter(stream, clock, options.heartbeat)
