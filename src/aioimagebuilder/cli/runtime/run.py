"""Running a command: its output, progress, errors, signals and exit code."""

from __future__ import annotations

import logging
import math
import shlex
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, cast

import anyio
import click

from ...errors import ImageBuilderError
from ..exit_codes import ExitCode, exit_code_of_error
from ..options import Display, WaitOptions
from ..render.bugs import describe_bug, first_error, format_bug
from ..render.escaping import escape
from ..render.messages import format_record, message_of
from ..render.results import error_members
from . import github_actions
from .output import Output
from .protection import protect
from .reporter import LiveReporter, Reporter, reporter_for

Body = Callable[["Invocation"], Awaitable[ExitCode]]

_SIGNALS: Final = {
    signal.SIGINT: (ExitCode.INTERRUPTED, "Interrupted"),
    signal.SIGTERM: (ExitCode.TERMINATED, "Terminated"),
}


class Invocation:
    """The context of a running command.

    Attributes:
        output: writes results to standard output.
        reporter: writes progress and messages to standard error.
        awaited: what the command waits for, and what its wait can be resumed with.
        cancels_at: when a cancellation at AWS may be requested, by the monotonic clock.
        interruption_note: what an interruption means, for a command that may have changed something.
    """

    def __init__(self, output: Output, reporter: Reporter) -> None:
        self.output = output
        self.reporter = reporter
        self.awaited: Sequence[str] = ()
        self.cancels_at: float = math.inf
        self.interruption_note: str = ""
        self._resuming_command = "wait"
        self._is_in_group = False

    def begin_wait(self, identifiers: Sequence[str], title: str, *, command: str = "wait") -> None:
        """Record what is awaited from now on, and group the following progress in the log of a CI system.

        Args:
            identifiers: the executions.
            title: the title of the group. Untrusted text.
            command: the command that resumes the wait.
        """
        self.awaited, self._resuming_command = identifiers, command
        self.reporter.has_several = len(identifiers) > 1
        if github_actions.is_running():
            self._is_in_group = True
            self.reporter.print_message(github_actions.format_group(escape(title)))

    def end_group(self) -> None:
        """End the current group, if any."""
        if self._is_in_group:
            self._is_in_group = False
            self.reporter.print_message(github_actions.END_GROUP)

    def print_resume_command(self, introduction: str, identifiers: Sequence[str]) -> None:
        """Print the command line that resumes the wait for some of the executions."""
        self.reporter.print_message(introduction)
        self.reporter.print_message(f"  {resume_command(self._resuming_command, identifiers)}")

    def report_error(self, error: ImageBuilderError) -> ExitCode:
        """Write an error to both streams and return its exit code."""
        self.output.emit("error", error_members(error))
        self.print_error([escape(message_of(error))])
        return exit_code_of_error(error)

    def report_bug(self, error: Exception) -> ExitCode:
        """Write an unexpected exception to both streams and return its exit code."""
        self.end_group()
        code = ExitCode.INTERNAL_ERROR
        for line in format_bug(error):
            self.reporter.print_message(line)
        if self.awaited:
            self.print_resume_command("What it waited for continues at AWS. To resume, run:", self.awaited)
        with suppress(BrokenPipeError):
            self.output.release()
            name = type(first_error(error)).__name__
            members = {"error": name, "message": describe_bug(error), "exit_code": code}
            self.output.emit("error", members)
        return code

    def report_interruption(self, number: signal.Signals) -> ExitCode:
        """Print what a signal ended, and return its exit code."""
        self.end_group()
        code, word = _SIGNALS[number]
        if not self.awaited:
            self.reporter.print_message(f"{word}. {self.interruption_note}".rstrip())
        elif time.monotonic() >= self.cancels_at:
            note = "A cancellation was requested at AWS, or may have been. To see the outcome, run:"
            self.print_resume_command(f"{word}. {note}", self.awaited)
        else:
            self.print_resume_command(f"{word}. Nothing was cancelled at AWS. To resume, run:", self.awaited)
        return code

    def print_error(
        self, lines: Sequence[str], title: str = "EC2 Image Builder", *, shown: int | None = None
    ) -> None:
        """Print an error to standard error, and as an annotation in a CI system.

        Args:
            lines: the message as escaped text.
            title: the title of the annotation. Untrusted text.
            shown: how many of the lines to print; ``None`` for all. The annotation contains all.
        """
        self.reporter.print_message(f"Error: {lines[0]}")
        for line in lines[1:shown]:
            self.reporter.print_message(line)
        if github_actions.is_running():
            self.reporter.print_message(github_actions.format_error(escape(title), "\n".join(lines)))


def resume_command(command: str, identifiers: Iterable[str]) -> str:
    """Return the command line that continues the wait with the options of the current command.

    Args:
        command: the command to resume with.
        identifiers: the ids and ARNs to wait for.
    """
    context = click.get_current_context()
    root = context.find_root().command
    target = root.get_command(context, command) if isinstance(root, click.Group) else None
    accepted = {param.name for param in (target.params if target else ())}
    words = ["aioimagebuilder", command]
    for param in context.command.params:
        source = context.get_parameter_source(param.name or "")
        is_explicit = source is click.core.ParameterSource.COMMANDLINE
        # What was awaited by --next is an image by now.
        if isinstance(param, click.Option) and is_explicit and param.name in accepted - {"next_of"}:
            words.append(param.opts[0])
            if not param.is_flag:
                words.append(_format_value(param, context.params[param.name or ""]))
    return shlex.join([*words, *identifiers])


def run(body: Body, display: Display, options: WaitOptions | None = None) -> ExitCode:
    """Run the body of a command and return its exit code.

    Args:
        body: the coroutine function to run.
        display: the display options.
        options: the options of a command that waits; ``None`` shows no progress.

    Raises:
        click.UsageError: the arguments are invalid.
    """
    shares_terminal = display.output == "json" and sys.stdout.isatty()
    reporter = reporter_for(sys.stderr, display, options, shares_terminal=shares_terminal)
    invocation = Invocation(Output(sys.stdout, display.output), reporter)
    if isinstance(invocation.reporter, LiveReporter) and sys.stdout.isatty():
        invocation.output.hold()
    try:
        with _logging_to(invocation.reporter):
            return anyio.run(_run_body, body, invocation)
    except BrokenPipeError:
        return ExitCode.OUTPUT_CLOSED
    except KeyboardInterrupt:
        # A second Ctrl-C, or one on Windows, which has no signal receiver.
        return invocation.report_interruption(signal.SIGINT)
    except click.ClickException:
        raise
    except Exception as error:  # noqa: BLE001 - a bug has an exit code of its own
        return invocation.report_bug(error)


async def _run_body(body: Body, invocation: Invocation) -> ExitCode:
    outcome: ExitCode | click.ClickException | BrokenPipeError | ImageBuilderError | None = None
    received: list[signal.Signals] = []

    async def cancel_on_signal() -> None:
        with anyio.open_signal_receiver(*_SIGNALS) as signals:
            async for number in signals:
                received.append(number)
                tasks.cancel_scope.cancel()
                return

    # Errors are reported after the live view has ended, and outside the task group, which would wrap them.
    async with anyio.create_task_group() as tasks:
        if sys.platform != "win32":
            tasks.start_soon(cancel_on_signal)
        tasks.start_soon(protect, invocation.reporter.run)
        try:
            outcome = await body(invocation)
        except* (click.ClickException, BrokenPipeError, ImageBuilderError) as group:
            outcome = cast("click.ClickException | BrokenPipeError | ImageBuilderError", first_error(group))
        tasks.cancel_scope.cancel()
    invocation.end_group()
    invocation.output.release()
    if outcome is None:
        return invocation.report_interruption(received[0])
    if isinstance(outcome, ImageBuilderError):
        return invocation.report_error(outcome)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _format_value(param: click.Option, value: object) -> str:
    # Durations were parsed into seconds, and "none" into None.
    if isinstance(value, float) and param.type is click.STRING:
        return f"{value:.3f}".rstrip("0").rstrip(".") + "s"
    return "none" if value is None else str(value)


class _ReporterHandler(logging.Handler):
    """A handler that passes log records to the reporter: each is one line, and the live view stays intact."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__(logging.WARNING)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        self._reporter.warn(f"Warning: {format_record(record)}")


@contextmanager
def _logging_to(reporter: Reporter) -> Iterator[None]:
    # The root, since botocore, aiohttp and asyncio have loggers too: without a handler, their records would
    # be printed as they are.
    logger = logging.getLogger()
    handler = _ReporterHandler(reporter)
    logger.addHandler(handler)
    logging.captureWarnings(capture=True)
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        logger.removeHandler(handler)
