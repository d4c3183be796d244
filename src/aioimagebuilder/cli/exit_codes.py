"""The exit codes of the command line, and how errors and outcomes map to them."""

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


class ExitCode(IntEnum):
    """The exit codes, as documented in `--help` and docs/command-line.md."""

    SUCCEEDED = 0
    FAILED = 1
    USAGE = 2
    CANCELLED = 3
    NOT_OBSERVED = 4
    WAITING_STEP = 5
    INTERNAL_ERROR = 70
    NOT_WRITTEN = 74
    TIMED_OUT = 124
    INTERRUPTED = 130
    OUTPUT_CLOSED = 141
    TERMINATED = 143


# The first match wins, so subclasses come before their bases.
_ERRORS: Final[Mapping[type[ImageBuilderError], ExitCode]] = {
    ExecutionCancelledError: ExitCode.CANCELLED,
    ExecutionFailedError: ExitCode.FAILED,
    WaitTimeoutError: ExitCode.TIMED_OUT,
    WaitingForActionError: ExitCode.WAITING_STEP,
    ImageBuilderError: ExitCode.NOT_OBSERVED,
}
_OUTCOMES: Final[Mapping[Outcome | None, ExitCode]] = {
    Outcome.SUCCEEDED: ExitCode.SUCCEEDED,
    Outcome.SKIPPED: ExitCode.SUCCEEDED,
    Outcome.FAILED: ExitCode.FAILED,
    Outcome.CANCELLED: ExitCode.CANCELLED,
}
_MOST_SEVERE_FIRST: Final = (
    ExitCode.FAILED,
    ExitCode.CANCELLED,
    ExitCode.NOT_OBSERVED,
    ExitCode.WAITING_STEP,
    ExitCode.TIMED_OUT,
    ExitCode.SUCCEEDED,
)


def exit_code_of_error(error: ImageBuilderError) -> ExitCode:
    """Return the exit code of an error; for a group, the most severe one."""
    if isinstance(error, WaitGroupError):
        return most_severe(exit_code_of_error(each) for each in error.errors)
    return next(code for kind, code in _ERRORS.items() if isinstance(error, kind))


def exit_code_of_outcome(outcome: Outcome | None) -> ExitCode:
    """Return the exit code of an outcome; ``None`` (still running) counts as timed out."""
    return _OUTCOMES.get(outcome, ExitCode.TIMED_OUT)


def most_severe(codes: Iterable[ExitCode]) -> ExitCode:
    """Return the most severe of several exit codes; success if there are none."""
    return min(codes, key=_MOST_SEVERE_FIRST.index, default=ExitCode.SUCCEEDED)
