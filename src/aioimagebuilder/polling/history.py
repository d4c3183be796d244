"""The history of one execution: whether a read is news, stale, or from before a retry. No I/O, no clock."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from ..errors import (
    ClientException,
    InvalidParameterValueException,
    InvalidRequestException,
    OperationError,
    ResourceNotFoundException,
)
from ..models.executions import Execution, Image
from ..models.identifiers import Identifier
from ..models.kinds import KINDS
from ..models.statuses import ImageStatus
from .schedule import Cadence

# The errors for an id that the service does not know, or not yet; the model does not specify them.
_NOT_FOUND_ERRORS: Final = (
    ResourceNotFoundException,
    InvalidRequestException,
    InvalidParameterValueException,
    ClientException,
)
_RETRIABLE_STATUSES: Final = frozenset({ImageStatus.FAILED, ImageStatus.CANCELLED})

# A read may be older than the hint that caused it: the event precedes the state that reads return.
_LOOKS_AGAIN_AFTER: Final = 2.0

RERUN_GRACE_PERIOD: Final = 120.0
"""Seconds after RetryImage during which a read may return the state from before it."""


@dataclass(slots=True)
class History:
    """What is known of an execution since somebody started to wait for it.

    Attributes:
        started: When that was.
        seen: The newest state; ``None`` if none was seen.
        furthest: The newest state whose status is known, and can be compared with others.
        seen_at: When the newest state was read.
        polls: The number of reads, answered or not.
        throttles: The number of reads that were throttled.
        error: The error of the newest read; ``None`` if it succeeded.
        failed_at: When a read last failed.
        withheld: The newest read, if it returned the state from before a retry.
        poll: The id of the newest poll that was answered, in events; empty without hooks.
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
    poll: str = ""

    @property
    def is_unread(self) -> bool:
        """Whether no read has succeeded yet."""
        return self.seen is None and self.withheld is None

    def expect_rerun(self) -> None:
        """Prepare for a retry of the execution: an earlier state is not stale then."""
        self.seen = self.furthest = None

    def withhold(self, execution: Execution, now: float) -> None:
        """Record a read that returned the state from before a retry."""
        self.error = None
        self.seen_at = now
        self.withheld = execution

    def record(self, execution: Execution, now: float) -> bool:
        """Record a read, and return whether it is news: a change, and not stale."""
        self.error = self.withheld = None
        self.seen_at = now
        if execution == self.seen or (self.furthest and execution.is_older_than(self.furthest)):
            return False
        self.seen = execution
        if execution.status is not None and execution.status.is_known:
            self.furthest = execution
        return True

    def record_failure(self, error: OperationError, now: float, *, is_throttle: bool) -> None:
        """Record a read that failed."""
        self.error = error
        self.failed_at = now
        self.throttles += is_throttle

    def is_contradicted_by(self, execution: Execution) -> bool:
        """Return whether a list contains a terminal state with fewer finished steps than seen before."""
        if self.seen is None or not execution.is_terminal:
            return False
        before, now = self.seen.progress.steps_done, execution.progress.steps_done
        return before is not None and now is not None and now < before

    def is_final(self, error: OperationError, now: float, not_found_grace: float) -> bool:
        """Return whether an error that is not retried ends the wait.

        The service may not know a new id yet: an id that was never read has `not_found_grace` seconds.
        """
        is_new = self.is_unread and now - self.started < not_found_grace
        return not (is_new and isinstance(error, _NOT_FOUND_ERRORS))

    def has_reached(self, status: str) -> bool:
        """Return whether the newest state has this status, or one that follows it."""
        if self.seen is None or self.seen.status is None:
            return False
        ranks = KINDS[self.seen.kind].ranks
        return self.seen.status == status or ranks.get(self.seen.status, -1) >= ranks.get(status, math.inf)

    def is_outdated(self, now: float, cadence: Cadence) -> bool:
        """Return whether the present state is unknown: no read has succeeded for the time of two polls."""
        return now - self.seen_at > 2 * cadence.longest_delay


@dataclass(slots=True)
class Announcement:
    """What a hint said of an execution, until reads have shown it.

    Attributes:
        status: The status that it has reached; ``None`` if the hint did not say.
        received_at: When the hint was received.
        reads: The number of reads that have started since then.
        is_settled: Whether reads have shown it, or enough of them were made.
    """

    status: str | None
    received_at: float
    reads: int = 0
    is_settled: bool = False

    def next_read(self, read_started: float, now: float, min_delay: float) -> float:
        """Return when another read is due after one that did not show it; infinity if none is.

        Args:
            read_started: When that read started.
            now: The time.
            min_delay: The minimum delay between two polls.
        """
        if read_started < self.received_at:
            return now
        self.reads += 1
        return now + min(_LOOKS_AGAIN_AFTER, min_delay) if self.reads == 1 else math.inf


@dataclass(slots=True)
class _Rerun:
    until: float
    before: Execution | None

    def precedes(self, execution: Execution, now: float) -> bool:
        if now >= self.until or execution.status not in _RETRIABLE_STATUSES:
            return False
        if self.before is None:
            self.before = execution
        return _end_of(execution) == _end_of(self.before)


class Reruns:
    """Executions that this client has recently asked the service to retry.

    RetryImage runs a FAILED or CANCELLED image again in place, under the same ARN. Reads lag behind, so the
    image may still read as FAILED for a while. A wait for the retry must not return that state, and must not
    hang either if the retry ends like the first run.

    So a terminal state is attributed to the first run as long as status, reason and failure context are the
    same: the failure context names the workflow execution and step that failed, which are new ones in a
    retry. After `RERUN_GRACE_PERIOD` it is accepted: it is true by then in either case. A terminal state that
    cannot be retried is accepted at once.
    """

    def __init__(self) -> None:
        self._reruns: dict[Identifier, _Rerun] = {}

    def expect(self, identifier: Identifier, before: Execution | None, now: float) -> None:
        """Record that `identifier` is being retried.

        Args:
            identifier: The execution.
            before: Its state before; if ``None``, the first terminal state that is read.
            now: The time.
        """
        self._reruns = {each: rerun for each, rerun in self._reruns.items() if rerun.until > now}
        if before is not None and before.status not in _RETRIABLE_STATUSES:
            before = None
        self._reruns[identifier] = _Rerun(now + RERUN_GRACE_PERIOD, before)

    def precedes(self, identifier: Identifier, execution: Execution, now: float) -> bool:
        """Return whether a read returned the state from before a retry."""
        rerun = self._reruns.get(identifier)
        return rerun is not None and rerun.precedes(execution, now)


def _end_of(execution: Execution) -> object:
    # Lists contain less of an image than GetImage, but its whole state.
    return execution.state if isinstance(execution, Image) else (execution.status, execution.reason)
