"""How waits have ended, and how that is told: the result, the error, and the summary of a CI job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...diagnosis import Diagnosis
from ...errors import ImageBuilderError, WaitError
from ...models.executions import Execution
from ..build_state import label_of
from ..exit_codes import ExitCode, exit_code_of_error, exit_code_of_outcome, gravest
from ..render.escaping import escaped
from ..render.results import ended_line, ended_members, error_members, made_by
from . import github_actions
from .run import Invocation

__all__ = ["Ending", "conclude", "tell"]


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
