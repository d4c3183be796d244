"""What the command line tells a script: one number for each way in which it can end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final

from ..errors import (
    ExecutionCancelledError,
    ExecutionFailedError,
    ImageBuilderError,
    WaitGroupError,
    WaitingForActionError,
    WaitTimeoutError,
)
from ..models.statuses import Outcome

__all__ = ["ExitCode", "exit_code_of_error", "exit_code_of_outcome", "gravest"]


class ExitCode(IntEnum):
    """The exit codes, as the help and the README tell them."""

    SUCCEEDED = 0
    FAILED = 1
    USAGE = 2
    CANCELLED = 3
    NOT_OBSERVED = 4
    WAITS_FOR_A_PERSON = 5
    TIMED_OUT = 124
    INTERRUPTED = 130
    OUTPUT_CLOSED = 141
    TERMINATED = 143


# The first that fits wins, so what is special stands before what is general.
_ERRORS: Final[Mapping[type[ImageBuilderError], ExitCode]] = {
    ExecutionCancelledError: ExitCode.CANCELLED,
    ExecutionFailedError: ExitCode.FAILED,
    WaitTimeoutError: ExitCode.TIMED_OUT,
    WaitingForActionError: ExitCode.WAITS_FOR_A_PERSON,
    ImageBuilderError: ExitCode.NOT_OBSERVED,
}
_OUTCOMES: Final[Mapping[Outcome | None, ExitCode]] = {
    Outcome.SUCCEEDED: ExitCode.SUCCEEDED,
    Outcome.SKIPPED: ExitCode.SUCCEEDED,
    Outcome.FAILED: ExitCode.FAILED,
    Outcome.CANCELLED: ExitCode.CANCELLED,
}
# Of several executions that ended in several ways, the first of these is told.
_GRAVEST_FIRST: Final = (
    ExitCode.FAILED,
    ExitCode.CANCELLED,
    ExitCode.NOT_OBSERVED,
    ExitCode.WAITS_FOR_A_PERSON,
    ExitCode.TIMED_OUT,
    ExitCode.SUCCEEDED,
)


def exit_code_of_error(error: ImageBuilderError) -> ExitCode:
    """Get the exit code for an error; that of the gravest for a group."""
    if isinstance(error, WaitGroupError):
        return gravest(exit_code_of_error(each) for each in error.errors)
    return next(code for kind, code in _ERRORS.items() if isinstance(error, kind))


def exit_code_of_outcome(outcome: Outcome | None) -> ExitCode:
    """Get the exit code for what became of an execution; one that still runs was not seen to its end."""
    return _OUTCOMES.get(outcome, ExitCode.TIMED_OUT)


def gravest(codes: Iterable[ExitCode]) -> ExitCode:
    """Get the one exit code that tells of several."""
    return min(codes, key=_GRAVEST_FIRST.index, default=ExitCode.SUCCEEDED)
