"""Waiting for an execution with its progress shown, and reporting the result."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, Literal, TypedDict

import anyio
import click

from ...client import ImageBuilder
from ...errors import ExecutionFailedError, ImageBuilderError, WaitError
from ...models.diagnosis import Diagnosis
from ...models.executions import Execution, Image
from ...models.identifiers import Identifier, parse_arn
from ...waiting.options import WaitOptions as Choices
from ...waiting.options import WaitSettings, parse_cadence
from ..build_state import BuildState, label_of
from ..exit_codes import ExitCode, exit_code_of_error, exit_code_of_outcome, most_severe
from ..options import WaitOptions
from ..render.escaping import escape
from ..render.messages import message_of
from ..render.results import (
    artifacts_of,
    diagnosis_members,
    error_members,
    format_diagnosis,
    format_result,
    result_members,
    result_of,
    structure_members,
)
from . import github_actions
from .follow import OnState, follow
from .run import Invocation

_WORDS: Final[Mapping[ExitCode, str]] = {
    ExitCode.SUCCEEDED: "succeeded",
    ExitCode.FAILED: "failed",
    ExitCode.CANCELLED: "cancelled",
    ExitCode.NOT_OBSERVED: "could not be observed",
    ExitCode.WAITING_STEP: "have a waiting step",
    ExitCode.TIMED_OUT: "timed out",
}


@dataclass(frozen=True)
class WaitResult:
    """The result of a wait.

    Attributes:
        identifier: the id or ARN that was waited for.
        execution: the last state seen, if any.
        error: why the wait did not succeed; ``None`` if it did.
        diagnosis: why the execution failed, if it did and a diagnosis was possible.
    """

    identifier: str
    execution: Execution | None
    error: ImageBuilderError | None = None
    diagnosis: Diagnosis | None = None

    @classmethod
    def of_error(
        cls, identifier: str, error: ImageBuilderError, diagnosis: Diagnosis | None = None
    ) -> WaitResult:
        """Return the result of a wait that raised an error."""
        execution = error.execution if isinstance(error, WaitError) else None
        return cls(identifier, execution, error, diagnosis)

    @property
    def error_lines(self) -> Sequence[str]:
        """The error as lines of escaped text: its message, or the whole diagnosis."""
        if self.diagnosis is not None:
            return format_diagnosis(self.diagnosis)
        return [] if self.error is None else [escape(message_of(self.error))]

    @property
    def label(self) -> str:
        """The display name. Untrusted text."""
        return self.identifier if self.execution is None else label_of(self.execution)

    @property
    def line(self) -> str:
        """The result as a line of escaped text with columns separated by tabs."""
        return format_result(self.identifier, self.execution, self.error)

    @property
    def exit_code(self) -> ExitCode:
        """The exit code."""
        if self.error is not None:
            return exit_code_of_error(self.error)
        return exit_code_of_outcome(self.execution.outcome if self.execution else None)

    @property
    def has_ended(self) -> bool:
        """Whether the execution has ended, and not only the wait."""
        execution = self.execution
        return execution is not None and execution.is_terminal and self.exit_code != ExitCode.NOT_OBSERVED


class WaitArguments(TypedDict):
    """The keyword arguments of `ImageBuilder.wait` that depend on the options."""

    timeout: float | None
    on_timeout: Literal["leave", "cancel"]
    on_waiting_step: Literal["ignore", "raise"]


def wait_arguments(options: WaitOptions) -> WaitArguments:
    """Return the keyword arguments of `ImageBuilder.wait` for the options."""
    # "ignore", because the progress already shows waiting steps.
    on_waiting_step: Literal["ignore", "raise"] = "raise" if options.on_waiting_step == "raise" else "ignore"
    return {"timeout": options.timeout, "on_timeout": options.on_timeout, "on_waiting_step": on_waiting_step}


def deadline_of(options: WaitOptions) -> float:
    """Return the deadline of a command that begins now, on the event loop's clock; infinity for none."""
    return math.inf if options.timeout is None else anyio.current_time() + options.timeout


def with_deadline(options: WaitOptions, deadline: float) -> WaitOptions:
    """Return the options of a wait that begins now and ends at `deadline`."""
    seconds = max(0.0, deadline - anyio.current_time())
    return replace(options, timeout=None if seconds == math.inf else seconds)


def check_options(options: WaitOptions, identifiers: Iterable[str] = ()) -> None:
    """Check the options of a wait before anything is sent.

    Raises:
        click.UsageError: an option is invalid, or does not apply to one of the executions.
    """
    arguments = wait_arguments(options)
    timeout = arguments["timeout"]
    choices: Choices = {
        "on_timeout": arguments["on_timeout"],
        "on_waiting_step": arguments["on_waiting_step"],
    }
    try:
        cadence = parse_cadence(options.min_delay, options.max_delay, options.pace)
        WaitSettings.parse(cadence, timeout, choices, map(Identifier.parse, identifiers))
    except ValueError as error:
        raise click.UsageError(message_of(error)) from None


async def wait_for_result(
    invocation: Invocation,
    ib: ImageBuilder,
    identifier: str,
    options: WaitOptions,
    *,
    wait: Callable[[], Awaitable[Execution]] | None = None,
    on_state: OnState | None = None,
) -> WaitResult:
    """Wait for an execution to end, with its progress shown, and return the result.

    Args:
        invocation: the running command.
        ib: an open client.
        identifier: the execution.
        options: the wait options.
        wait: waits for the end; the default is `ImageBuilder.wait`.
        on_state: called with each new state.
    """

    def report(state: BuildState) -> None:
        invocation.reporter.update(state)
        if on_state is not None:
            on_state(state)

    async def default_wait() -> Execution:
        return await ib.wait(identifier, **wait_arguments(options))

    if options.on_timeout == "cancel" and options.timeout is not None:
        invocation.cancels_at = min(invocation.cancels_at, time.monotonic() + options.timeout)
    try:
        execution = await follow(
            ib,
            identifier,
            wait or default_wait,
            report,
            min_delay=options.min_delay,
            estimate=options.has_real_time and (invocation.reporter.shows_progress or on_state is not None),
        )
    except ExecutionFailedError as error:
        return WaitResult.of_error(identifier, error, await _diagnose(ib, identifier))
    except ImageBuilderError as error:
        return WaitResult.of_error(identifier, error)
    return WaitResult(identifier, execution)


def announce_image(invocation: Invocation, image: str, pipeline_arn: str) -> None:
    """Report an image that a pipeline makes, on both streams."""
    invocation.reporter.print_progress(f"New image {escape(image)}")
    invocation.output.emit("started", {"id": image, "pipeline": pipeline_arn})


def emit_result(invocation: Invocation, result: WaitResult, *lines: str) -> None:
    """Write a result to standard output, as a JSON event or as lines of text."""
    if result.has_ended and result.execution is not None:
        diagnosis = {} if result.diagnosis is None else {"diagnosis": diagnosis_members(result.diagnosis)}
        members = {**result_members(result.execution, result.exit_code), **diagnosis}
        invocation.output.emit("ended", members, *lines)
    elif result.error is not None:
        invocation.output.emit("error", error_members(result.error), *lines)


def finish(invocation: Invocation, results: Sequence[WaitResult]) -> ExitCode:
    """Print the errors, write the job summary of a CI system, and return the exit code."""
    invocation.end_group()
    failures = [each for each in results if each.error is not None]
    has_several = len(invocation.awaited) > 1
    for each in failures:
        # Of several executions, the first line of each: many reports would hide the other results.
        invocation.print_error(each.error_lines, each.label, shown=1 if has_several else None)
        if has_several and each.diagnosis is not None:
            invocation.reporter.print_message(f"  aioimagebuilder why {escape(each.identifier)}")
    if has_several and failures:
        invocation.reporter.print_message(_summary(invocation.awaited, results))
    unfinished = [
        each.identifier for each in results if each.exit_code is ExitCode.TIMED_OUT and not each.has_ended
    ]
    if unfinished and invocation.awaited:
        invocation.print_resume_command("To resume the wait, run:", unfinished)
    write_summary(invocation, results)
    return most_severe(each.exit_code for each in results)


def write_summary(invocation: Invocation, results: Sequence[WaitResult]) -> None:
    """Write the job summary of a CI system, if there is one."""
    if github_actions.is_running():
        with _warning_if_unwritable(invocation, "The job summary"):
            _write_summary(results)


def set_step_outputs(invocation: Invocation, outputs: Mapping[str, str]) -> None:
    """Set outputs of the step of a CI system, if it is one."""
    if github_actions.is_running():
        with _warning_if_unwritable(invocation, "The outputs of the step"):
            github_actions.set_outputs(outputs)


@contextmanager
def _warning_if_unwritable(invocation: Invocation, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        invocation.reporter.print_message(f"Warning: {what} could not be written: {error.strerror}.")


def _summary(awaited: Sequence[str], results: Sequence[WaitResult]) -> str:
    counts = Counter(_WORDS[each.exit_code] for each in results)
    counts["not awaited to the end"] = len(awaited) - len(results)
    words = (*_WORDS.values(), "not awaited to the end")
    return f"Of {len(awaited)} executions: " + ", ".join(
        f"{counts[word]} {word}" for word in words if counts[word]
    )


def finish_build(invocation: Invocation, result: WaitResult) -> ExitCode:
    """Write the artifacts of a build, or why it has none, and return the exit code."""
    region = arn.region if (arn := parse_arn(result.identifier)) else None
    artifacts = artifacts_of(result.execution, region=region) if result.execution else []
    emit_result(invocation, result, *map(escape, artifacts))
    code = finish(invocation, [result])
    set_step_outputs(invocation, _step_outputs(result, artifacts, code))
    return code


def _step_outputs(result: WaitResult, artifacts: Sequence[str], code: ExitCode) -> dict[str, str]:
    image = result.execution if artifacts and isinstance(result.execution, Image) else None
    amis = image.amis if image else ()
    return {
        "outcome": result_of(result.execution, result.error),
        "exit-code": str(int(code)),
        "status": str(result.execution.status) if result.execution else "",
        "message": escape(message_of(result.error)) if result.error else "",
        "ami": artifacts[0] if amis else "",
        "amis": json.dumps([structure_members(ami) for ami in amis]),
        "image-uris": json.dumps(image.image_uris if image else []),
    }


async def _diagnose(ib: ImageBuilder, identifier: str) -> Diagnosis | None:
    try:
        return await ib.diagnose(identifier)
    except ImageBuilderError:
        # A failed diagnosis must not hide the error.
        return None


def _write_summary(results: Sequence[WaitResult]) -> None:
    rows = [
        (
            each.label,
            str(each.execution.status) if each.execution else "not seen",
            message_of(each.error)
            if each.error
            else ", ".join(artifacts_of(each.execution) if each.execution else ()),
        )
        for each in results
    ]
    header = ("execution", "status", "result")
    github_actions.append_to_summary(github_actions.format_table("EC2 Image Builder", header, rows))
    for each in results:
        if each.diagnosis is not None:
            github_actions.append_to_summary(github_actions.format_preformatted(each.error_lines))
