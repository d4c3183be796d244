"""Running a command: its output, progress, errors, signals and exit code."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

import anyio
import click

from ...errors import ImageBuilderError
from ..exit_codes import ExitCode, exit_code_of_error
from ..options import Display, WaitOptions
from ..render.escaping import escape
from ..render.messages import message_of, translate_message
from ..render.results import error_members
from . import github_actions
from .output import Output
from .reporter import LiveReporter, Reporter, reporter_for

E = TypeVar("E", bound=BaseException)
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
        resume_command: resumes the command if it is interrupted; ``None`` if there is nothing to resume.
    """

    def __init__(self, output: Output, reporter: Reporter) -> None:
        self.output = output
        self.reporter = reporter
        self.resume_command: str | None = None
        self._is_in_group = False

    def report_error(self, error: ImageBuilderError) -> ExitCode:
        """Write an error to both streams and return its exit code."""
        self.output.emit("error", error_members(error))
        self.print_error([escape(message_of(error))])
        return exit_code_of_error(error)

    def print_error(self, lines: Sequence[str], title: str = "EC2 Image Builder") -> None:
        """Print an error to standard error, and as an annotation in a CI system.

        Args:
            lines: the message as escaped text.
            title: the title of the annotation. Untrusted text.
        """
        self.reporter.print_message(f"Error: {lines[0]}")
        for line in lines[1:]:
            self.reporter.print_message(line)
        if github_actions.is_running():
            self.reporter.print_message(github_actions.format_error(escape(title), "\n".join(lines)))

    def begin_group(self, title: str) -> None:
        """Group the following progress in the log of a CI system."""
        if github_actions.is_running():
            self._is_in_group = True
            self.reporter.print_message(github_actions.format_group(escape(title)))

    def end_group(self) -> None:
        """End the current group, if any."""
        if self._is_in_group:
            self._is_in_group = False
            self.reporter.print_message(github_actions.END_GROUP)


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
        if isinstance(param, click.Option) and is_explicit and param.name in accepted:
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
        with _warnings_reported_by(invocation.reporter):
            return anyio.run(_run_body, body, invocation)
    except BrokenPipeError:
        # The interpreter flushes standard output on exit, which would fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OUTPUT_CLOSED
    except KeyboardInterrupt:
        # A second Ctrl-C, or one on Windows, which has no signal receiver.
        return _report_interruption(invocation, signal.SIGINT)


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
        tasks.start_soon(invocation.reporter.run)
        try:
            outcome = await body(invocation)
        except* (click.ClickException, BrokenPipeError, ImageBuilderError) as group:
            outcome = _first_error(group)
        tasks.cancel_scope.cancel()
    invocation.end_group()
    invocation.output.release()
    if outcome is None:
        return _report_interruption(invocation, received[0])
    if isinstance(outcome, ImageBuilderError):
        return invocation.report_error(outcome)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _format_value(param: click.Option, value: object) -> str:
    # Durations were parsed into seconds, and "none" into None.
    if isinstance(value, float) and param.type is click.STRING:
        return f"{value:g}s"
    return "none" if value is None else str(value)


def _first_error(group: BaseExceptionGroup[E]) -> E:
    error = group.exceptions[0]
    return _first_error(error) if isinstance(error, BaseExceptionGroup) else error


def _report_interruption(invocation: Invocation, number: signal.Signals) -> ExitCode:
    invocation.end_group()
    code, word = _SIGNALS[number]
    if invocation.resume_command is None:
        invocation.reporter.print_message(f"{word}.")
    else:
        invocation.reporter.print_message(f"{word}. Nothing was cancelled at AWS. To resume, run:")
        invocation.reporter.print_message(f"  {invocation.resume_command}")
    return code


class _ReporterHandler(logging.Handler):
    """A handler that passes log records to the reporter, which keeps the live view intact."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__(logging.WARNING)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        self._reporter.warn(f"Warning: {escape(translate_message(record.getMessage()))}")


@contextmanager
def _warnings_reported_by(reporter: Reporter) -> Iterator[None]:
    logger = logging.getLogger("aioimagebuilder")
    handler = _ReporterHandler(reporter)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
