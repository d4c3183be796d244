"""When to poll next, and what a read means for those who wait. No I/O, and no clock of its own.

The delay between polls is the Smithy waiter law: exponential from `min_delay` to `max_delay`, jittered,
never past the deadline; and one last poll falls on the deadline itself. A poll that would come within
`min_delay` of the deadline is left out for that last one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from ..errors import (
    ClientException,
    InvalidParameterValueException,
    InvalidRequestException,
    OperationError,
    ResourceNotFoundException,
)
from ..models.executions import Execution

__all__ = ["Cadence", "History", "Seconds", "delay_before_poll", "next_poll", "seconds"]

Seconds = float | timedelta

# 2.0 ** 1024 is beyond a float; max_delay is passed long before.
_MOST_DOUBLINGS: Final = 1000
# How an id that the service does not know, or not know yet, may be answered: the model leaves it open.
_MAYBE_NOT_FOUND: Final = (
    ResourceNotFoundException,
    InvalidRequestException,
    InvalidParameterValueException,
    ClientException,
)


def seconds(value: Seconds, name: str, *, minimum: float = 0.0) -> float:
    """Get `value` in seconds.

    Raises:
        TypeError: it is neither a number nor a timedelta.
        ValueError: it is less than `minimum`, or not a number of seconds at all.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be seconds or a timedelta, not {type(value).__name__}.")
    if not (minimum <= value < math.inf):
        raise ValueError(f"{name} must be a finite number of seconds of at least {minimum:g}, not {value}.")
    return float(value)


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often to poll: the two bounds of the Smithy waiter law, in seconds.

    Raises:
        ValueError: a bound is not positive, or the lower is above the upper.
    """

    min_delay: float = 5.0
    max_delay: float = 30.0

    def __post_init__(self) -> None:
        if not 0 < self.min_delay <= self.max_delay:
            raise ValueError(
                "Delays must be 0 < min_delay <= max_delay, "
                f"not min_delay={self.min_delay:g}, max_delay={self.max_delay:g}."
            )

    def fastest(self, other: Cadence) -> Cadence:
        """Get the cadence that serves both."""
        if self.min_delay <= other.min_delay and self.max_delay <= other.max_delay:
            return self
        return Cadence(min(self.min_delay, other.min_delay), min(self.max_delay, other.max_delay))


def delay_before_poll(attempt: int, cadence: Cadence, random: Callable[[], float]) -> float:
    """Get the seconds between poll number `attempt` (from 1) and the next, by the Smithy law.

    Args:
        attempt: the polls made so far.
        cadence: the bounds.
        random: gives a number from 0 to 1.
    """
    return cadence.min_delay + random() * (_longest_delay(attempt, cadence) - cadence.min_delay)


def _longest_delay(attempt: int, cadence: Cadence) -> float:
    # For a wait of days 2 ** (attempt - 1) would overflow.
    return min(cadence.max_delay, cadence.min_delay * 2.0 ** min(attempt - 1, _MOST_DOUBLINGS))


def next_poll(
    now: float,
    attempt: int,
    cadence: Cadence,
    deadline: float,
    random: Callable[[], float],
    meeting: float | None = None,
) -> float:
    """Get the time of the next poll: by the law, but not past the deadline, nor just before it.

    Args:
        now: the time of the poll that was made.
        attempt: the polls made so far.
        cadence: the bounds.
        deadline: the nearest deadline of those who wait.
        random: gives a number from 0 to 1.
        meeting: when others are polled who can be read together with this one. It is met if the law lets it.
    """
    if meeting is not None and now + cadence.min_delay <= meeting <= now + _longest_delay(attempt, cadence):
        due = meeting
    else:
        due = now + delay_before_poll(attempt, cadence, random)
    return due if deadline - due > cadence.min_delay else deadline


@dataclass(slots=True)
class History:
    """What was learned of one execution since somebody began to wait for it.

    Attributes:
        started: when that was.
        seen: its newest state; ``None`` if none was seen.
        furthest: its newest state that has a place in its course, as an unknown status has not.
        seen_at: when that was read.
        polls: reads made, answered or not.
        throttles: how many of them were throttled.
        error: why the newest read failed; ``None`` if it did not.
        failed_at: when a read last failed.
        withheld: the newest read, if it was the old end of an execution that was asked to run again.
    """

    started: float
    seen: Execution | None = None
    furthest: Execution | None = None
    seen_at: float = field(default=-math.inf)
    polls: int = 0
    throttles: int = 0
    error: OperationError | None = None
    failed_at: float = field(default=-math.inf)
    withheld: Execution | None = None

    @property
    def is_unread(self) -> bool:
        """Whether no read was answered yet."""
        return self.seen is None and self.withheld is None

    def expect_rerun(self) -> None:
        """Take in that the execution was asked to run again: it may step back."""
        self.seen = self.furthest = None

    def withhold(self, execution: Execution, now: float) -> None:
        """Take in a read that tells of an end from before the execution was asked to run again."""
        self.error = None
        self.seen_at = now
        self.withheld = execution

    def take(self, execution: Execution, now: float) -> bool:
        """Take a read in, and tell whether it is news: a change, and not a stale step back."""
        self.error = self.withheld = None
        self.seen_at = now
        if execution == self.seen or (self.furthest and execution.steps_back_from(self.furthest)):
            return False
        self.seen = execution
        if execution.status is not None and execution.status.is_known:
            self.furthest = execution
        return True

    def fail(self, error: OperationError, now: float, *, is_throttle: bool) -> None:
        """Take in that a read failed."""
        self.error = error
        self.failed_at = now
        self.throttles += is_throttle

    def is_contradicted_by(self, execution: Execution) -> bool:
        """Whether a list tells of an end with less done than was seen before: a Get should confirm it."""
        if self.seen is None or not execution.is_terminal:
            return False
        before, now = self.seen.progress.steps_done, execution.progress.steps_done
        return before is not None and now is not None and now < before

    def is_final(self, error: OperationError, now: float, not_found_grace: float) -> bool:
        """Whether a read that tenacity gave up on ends the wait.

        An id that was never seen may be too young for the service to know: it has `not_found_grace`
        seconds.
        """
        young = self.is_unread and now - self.started < not_found_grace
        return not (young and isinstance(error, _MAYBE_NOT_FOUND))

    def is_blind(self, now: float, cadence: Cadence) -> bool:
        """Whether nothing true can be said of the present: no read has come for two polls' time."""
        return now - self.seen_at > 2 * cadence.max_delay
