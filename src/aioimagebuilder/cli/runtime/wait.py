"""A wait with its progress shown, and how it is told how it ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

from ...client import ImageBuilder
from ...diagnosis import Diagnosis
from ...errors import ExecutionFailedError, ImageBuilderError, WaitError
from ...models.executions import Execution
from ...models.identifiers import parse_arn
from ..build_state import BuildState, label_of
from ..exit_codes import ExitCode, exit_code_of_error, exit_code_of_outcome, gravest
from ..options import Waiting
from ..render.escaping import escaped
from ..render.results import ended_line, ended_members, error_members, made_by
from . import github_actions
from .follow import Report, follow
from .run import Invocation

__all__ = ["Ending", "await_ending", "conclude", "conclude_build", "options_of", "tell"]


@dataclass(frozen=True)
class Ending:
    """How a wait has ended.

    Attributes:
        identifier: what was waited for.
        seen: the last state seen, if there is one.
        error: why it did not end well; ``None`` if it did.
        diagnosis: why it failed, if it did and that could be found out.
    """

    identifier: str
    seen: Execution | None
    error: ImageBuilderError | None = None
    diagnosis: Diagnosis | None = None

    @classmethod
    def of_error(
        cls, identifier: str, error: ImageBuilderError, diagnosis: Diagnosis | None = None
    ) -> Ending:
        """Get the ending that an error of a wait is."""
        seen = error.execution if isinstance(error, WaitError) else None
        return cls(identifier, seen, error, diagnosis)

    @property
    def account(self) -> Sequence[str]:
        """What there is to say of the error: a line, or all lines of the diagnosis. Escaped."""
        if self.diagnosis is not None:
            return [escaped(line) for line in self.diagnosis.report().splitlines()]
        return [] if self.error is None else [escaped(str(self.error))]

    @property
    def label(self) -> str:
        """What people call it. Untrusted text."""
        return self.identifier if self.seen is None else label_of(self.seen)

    @property
    def line(self) -> str:
        """The line of text that tells of it, its columns divided by tabs."""
        return ended_line(self.identifier, self.seen, self.error)

    @property
    def exit_code(self) -> ExitCode:
        """The exit code that tells of it."""
        if self.error is not None:
            return exit_code_of_error(self.error)
        return exit_code_of_outcome(self.seen.outcome if self.seen else None)

    @property
    def has_ended(self) -> bool:
        """Whether the execution itself has ended, rather than the wait alone."""
        return self.seen is not None and self.seen.is_terminal and self.exit_code != ExitCode.NOT_OBSERVED


def tell(invocation: Invocation, ending: Ending, *texts: str) -> None:
    """Write the result of a wait that has ended.

    Args:
        invocation: where to.
        ending: what to tell.
        texts: the result as lines of text.
    """
    if ending.has_ended and ending.seen is not None:
        diagnosis = {} if ending.diagnosis is None else {"diagnosis": ending.diagnosis.as_dict()}
        members = {**ended_members(ending.seen, ending.exit_code), **diagnosis}
        invocation.output.emit("ended", members, *texts)
    elif ending.error is not None:
        invocation.output.emit("error", error_members(ending.error), *texts)


def conclude(invocation: Invocation, endings: Sequence[Ending]) -> ExitCode:
    """Tell the errors and write the summary of the CI job, when all waits are over, and get the exit code."""
    invocation.end_group()
    for each in endings:
        if each.error is not None:
            invocation.tell(each.account, each.label)
    if github_actions.is_running():
        _summarize(endings)
    return gravest(each.exit_code for each in endings)


def conclude_build(invocation: Invocation, ending: Ending) -> ExitCode:
    """Tell what a build has made, or why it made nothing, and get the exit code."""
    region = arn.region if (arn := parse_arn(ending.identifier)) else None
    made = made_by(ending.seen, region=region) if ending.seen else []
    tell(invocation, ending, *map(escaped, made))
    return conclude(invocation, [ending])


class Options(TypedDict):
    """The keywords of the client's waits that the options of a command are."""

    timeout: float | None
    on_timeout: Literal["leave", "cancel"]
    on_waiting_step: Literal["ignore", "raise"]


def options_of(waiting: Waiting) -> Options:
    """Get the keywords of the client's waits that the options of a command are."""
    # What waits for a person is seen in the progress: the client need not report it, too.
    on_waiting_step: Literal["ignore", "raise"] = "raise" if waiting.on_waiting == "raise" else "ignore"
    return {"timeout": waiting.timeout, "on_timeout": waiting.on_timeout, "on_waiting_step": on_waiting_step}


async def await_ending(
    invocation: Invocation,
    ib: ImageBuilder,
    identifier: str,
    waiting: Waiting,
    *,
    ending: Callable[[], Awaitable[Execution]] | None = None,
    report: Report | None = None,
) -> Ending:
    """Get how an execution ended, with its progress shown until then.

    Args:
        invocation: where progress goes.
        ib: the open client.
        identifier: the execution.
        waiting: how long to wait.
        ending: waits for the end; the client's own wait if ``None``.
        report: is told each state, beside the progress.
    """

    def show(state: BuildState) -> None:
        invocation.reporter.update(state)
        if report is not None:
            report(state)

    async def wait() -> Execution:
        return await ib.wait(identifier, **options_of(waiting))

    try:
        seen = await follow(ib, identifier, ending or wait, show, min_delay=waiting.min_delay)
    except ExecutionFailedError as error:
        return Ending.of_error(identifier, error, await _diagnosis(ib, identifier))
    except ImageBuilderError as error:
        return Ending.of_error(identifier, error)
    return Ending(identifier, seen)


async def _diagnosis(ib: ImageBuilder, identifier: str) -> Diagnosis | None:
    try:
        return await ib.diagnose(identifier)
    except ImageBuilderError:
        # The error stands without it.
        return None


def _summarize(endings: Sequence[Ending]) -> None:
    rows = [
        (
            each.label,
            str(each.seen.status) if each.seen else "not seen",
            str(each.error) if each.error else ", ".join(made_by(each.seen) if each.seen else ()),
        )
        for each in endings
    ]
    head = ("execution", "status", "result")
    github_actions.append_to_summary(github_actions.summary_table("EC2 Image Builder", head, rows))
    for each in endings:
        if each.diagnosis is not None:
            github_actions.append_to_summary(github_actions.preformatted(each.account))
