"""One run of a command: its result, its progress, its errors, its signals, and its exit code."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

import anyio
import click

from ...errors import ImageBuilderError
from ..exit_codes import ExitCode, exit_code_of_error
from ..options import Display, Waiting
from ..render.escaping import escaped
from ..render.results import error_members
from . import github_actions
from .output import Output
from .reporter import LiveReporter, Reporter, reporter_for

__all__ = ["Invocation", "run"]

E = TypeVar("E", bound=BaseException)
Body = Callable[["Invocation"], Awaitable[ExitCode]]

_SIGNALS: Final = {
    signal.SIGINT: (ExitCode.INTERRUPTED, "Interrupted"),
    signal.SIGTERM: (ExitCode.TERMINATED, "Terminated"),
}


class Invocation:
    """What a command works with.

    Attributes:
        output: standard output.
        reporter: standard error.
        resume: the command that goes on where this one was interrupted; ``None`` if nothing would go on.
    """

    def __init__(self, output: Output, reporter: Reporter) -> None:
        self.output = output
        self.reporter = reporter
        self.resume: str | None = None
        self._is_in_group = False

    def fail(self, error: ImageBuilderError) -> ExitCode:
        """Tell an error, on both streams, and get its exit code."""
        self.output.emit("error", error_members(error))
        self.tell([escaped(str(error))])
        return exit_code_of_error(error)

    def tell(self, lines: Sequence[str], title: str = "EC2 Image Builder") -> None:
        """Tell what went wrong on standard error, and in the CI system's list of errors.

        Args:
            lines: what to say, escaped.
            title: of what. Untrusted text.
        """
        self.reporter.say(f"Error: {lines[0]}")
        for line in lines[1:]:
            self.reporter.say(line)
        if github_actions.is_running():
            self.reporter.say(github_actions.error_annotation(escaped(title), "\n".join(lines)))

    def begin_group(self, title: str) -> None:
        """Put the progress that comes now into one group of the CI system's log."""
        if github_actions.is_running():
            self._is_in_group = True
            self.reporter.say(github_actions.group(escaped(title)))

    def end_group(self) -> None:
        """End the group, if there is one."""
        if self._is_in_group:
            self._is_in_group = False
            self.reporter.say(github_actions.END_OF_GROUP)


def run(body: Body, display: Display, waiting: Waiting | None = None) -> ExitCode:
    """Run the body of a command, and get its exit code.

    Args:
        body: does the work.
        display: what is shown, and how.
        waiting: the options of a command that waits; one that does not shows no progress.

    Raises:
        click.UsageError: what was asked for makes no sense.
    """
    shares_terminal = display.output == "json" and sys.stdout.isatty()
    reporter = reporter_for(sys.stderr, display, waiting, shares_terminal=shares_terminal)
    invocation = Invocation(Output(sys.stdout, display.output), reporter)
    if isinstance(invocation.reporter, LiveReporter) and sys.stdout.isatty():
        invocation.output.hold()
    try:
        with _warnings_shown_by(invocation.reporter):
            return anyio.run(_run, body, invocation)
    except BrokenPipeError:
        # The interpreter flushes standard output at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OUTPUT_CLOSED
    except KeyboardInterrupt:
        # A second Ctrl-C, or one on Windows, where signals reach the interpreter alone.
        return _interrupted(invocation, signal.SIGINT)


async def _run(body: Body, invocation: Invocation) -> ExitCode:
    outcome: ExitCode | click.ClickException | BrokenPipeError | ImageBuilderError | None = None
    received: list[signal.Signals] = []

    async def heed_signals() -> None:
        with anyio.open_signal_receiver(*_SIGNALS) as signals:
            async for number in signals:
                received.append(number)
                tasks.cancel_scope.cancel()
                return

    # Told when the live view is over, and outside the task group, which would wrap what is raised.
    async with anyio.create_task_group() as tasks:
        if sys.platform != "win32":
            tasks.start_soon(heed_signals)
        tasks.start_soon(invocation.reporter.run)
        try:
            outcome = await body(invocation)
        except* (click.ClickException, BrokenPipeError, ImageBuilderError) as group:
            outcome = _first(group)
        tasks.cancel_scope.cancel()
    invocation.end_group()
    invocation.output.release()
    if outcome is None:
        return _interrupted(invocation, received[0])
    if isinstance(outcome, ImageBuilderError):
        return invocation.fail(outcome)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _first(group: BaseExceptionGroup[E]) -> E:
    """Get an error out of the task groups that it was raised through."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _interrupted(invocation: Invocation, number: signal.Signals) -> ExitCode:
    invocation.end_group()
    code, word = _SIGNALS[number]
    if invocation.resume is None:
        invocation.reporter.say(f"{word}.")
    else:
        invocation.reporter.say(
            f"{word}. Nothing was cancelled at AWS, and what runs there goes on. To wait on:"
        )
        invocation.reporter.say(f"  {invocation.resume}")
    return code


class _ReporterHandler(logging.Handler):
    """Shows what the library warns of beside the progress, not across it."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__(logging.WARNING)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        self._reporter.warn(f"Warning: {escaped(record.getMessage())}")


@contextmanager
def _warnings_shown_by(reporter: Reporter) -> Iterator[None]:
    log = logging.getLogger("aioimagebuilder")
    handler = _ReporterHandler(reporter)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
