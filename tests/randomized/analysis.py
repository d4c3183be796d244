"""Queries on the history of a scenario: what was delivered when, and which calls read which execution."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter

from randomized.executions import ScriptedExecution
from randomized.faults import PERMANENT_CODES, THROTTLE_CODES
from randomized.kinds import IMAGE
from randomized.runner import History
from randomized.service import Call
from randomized.waiters import Record

# Times that differ by less are equal: a sum of floats depends on the order of the terms.
TOLERANCE = 1e-6
# With more awaited executions than this, the retries for some of them delay the polls of the others.
_CONTENTION_THRESHOLD = 3


@dataclass(frozen=True, slots=True)
class Delivery:
    """When a state was delivered to the library, and its index."""

    at: float
    index: int


@dataclass(frozen=True, slots=True)
class WaitPeriod:
    """The period in which one waiter waited for one execution.

    Attributes:
        start: When it started to wait.
        end: When the wait ended at the latest.
        is_certain: Whether the wait ended exactly then. It may have ended earlier by an error that a
            cancelled `wait_all` or `as_completed` did not raise, or that a slow consumer has yet to receive,
            by a delivery at the time of its start, or by an end that a list has shown.
    """

    start: float
    end: float
    is_certain: bool


class Analysis:
    """Answers queries on one history."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.scenario = history.scenario
        self._calls: dict[tuple[str, str | None], list[Call]] = {}
        for call in history.calls:
            self._calls.setdefault((call.operation, call.argument), []).append(call)
        self._terminal_deliveries = {
            each.identifier: [Delivery(at, n) for at, n in each.deliveries if each.states[n].is_terminal]
            for each in self.scenario.executions.values()
        }
        self._wait_periods: dict[str, list[WaitPeriod]] = {}
        for record in history.records:
            for identifier in set(record.waiter.identifiers):
                period = self._wait_period(record, identifier)
                self._wait_periods.setdefault(identifier, []).append(period)
        for periods in self._wait_periods.values():
            periods.sort(key=attrgetter("start"))
        self._own_faults: dict[str, list[tuple[float, float]]] = {}
        self._faults = _faults_of(history.calls)
        self._throttles = _faults_of(call for call in history.calls if call.error in THROTTLE_CODES)

    def _wait_period(self, record: Record, identifier: str) -> WaitPeriod:
        results = record.results.get(identifier, ())
        end = self.scenario.horizon if record.ended is None else record.ended
        end = min([end, *(result.received_at for result in results)])
        # A terminal state ends the wait, even if a slow consumer receives it later. But a response at the
        # time of the start may have come before it.
        execution = self.scenario.executions[identifier]
        terminal = self.first_terminal(execution, record.started + TOLERANCE, end)
        terminal_at_start = self.first_terminal(execution, record.started - TOLERANCE, record.started)
        end = end if terminal is None else terminal.at
        has_result = identifier in record.results or record.waiter.method in {"wait", "watch"}
        # The end that a list has shown is the result if the Get of the whole fails.
        was_listed = any(record.started - TOLERANCE <= at < end for at, _ in execution.listed_ends)
        is_certain = has_result and not record.waiter.pause and terminal_at_start is None and not was_listed
        return WaitPeriod(record.started, end, is_certain)

    def calls_for(self, execution: ScriptedExecution) -> list[Call]:
        """Return the Gets and lists that read an execution."""
        operation = execution.kind.list[0]
        calls = [*self.gets_of(execution)]
        if execution.parent is not None:
            calls += self._calls.get((operation, execution.parent), ())
        if execution.kind is IMAGE:
            calls += self._calls.get((operation, None), ())
        return calls

    def gets_of(self, execution: ScriptedExecution) -> list[Call]:
        """Return the Gets of an execution."""
        return self._calls.get((execution.kind.get[0], execution.identifier), [])

    def permanent_errors_of(self, execution: ScriptedExecution) -> list[float]:
        """Return when Gets of an execution were answered by an error that no retry changes."""
        return [call.answered_at or 0.0 for call in self.gets_of(execution) if call.error in PERMANENT_CODES]

    def has_response(self, since: float, until: float) -> bool:
        """Return whether a call was sent, and answered without an error, between two times."""
        answered = (
            each for each in self.history.calls if each.error is None and each.answered_at is not None
        )
        return any(since < call.sent_at and (call.answered_at or 0.0) < until for call in answered)

    def cadence_of(self, record: Record) -> tuple[float, float]:
        """Return the min_delay and max_delay of a waiter."""
        return record.waiter.cadence or self.scenario.cadence

    def image_of(self, execution: ScriptedExecution) -> ScriptedExecution | None:
        """Return the image that an execution is, or runs in; ``None`` for none, or an unknown one."""
        found: ScriptedExecution | None = execution
        while found is not None and found.kind is not IMAGE:
            found = self.scenario.executions.get(found.parent or "")
        return found

    def hints_of(self, execution: ScriptedExecution) -> int:
        """Return the number of messages that name the image of an execution."""
        image, hints = self.image_of(execution), self.scenario.hints
        return 0 if image is None or hints is None else hints.named[image.identifier]

    def wait_periods_of(self, execution: ScriptedExecution) -> list[WaitPeriod]:
        """Return the wait periods of an execution, ordered by their start."""
        return self._wait_periods.get(execution.identifier, [])

    def awaited_since(self, record: Record, execution: ScriptedExecution) -> float:
        """Return since when an execution had been awaited without interruption when a waiter started."""
        start = record.started
        for period in reversed(self.wait_periods_of(execution)):
            if period.start < start <= period.end + TOLERANCE:
                start = period.start
        return start

    @property
    def awaited_count(self) -> int:
        """The number of executions that were awaited."""
        return len(self._wait_periods)

    def seconds_awaited(self, execution: ScriptedExecution) -> float:
        """Return the total time for which an execution was awaited."""
        total, until = 0.0, -1.0
        for period in self.wait_periods_of(execution):
            total += max(0.0, period.end - max(period.start, until))
            until = max(until, period.end)
        return total

    def first_terminal(self, execution: ScriptedExecution, since: float, until: float) -> Delivery | None:
        """Return the first terminal state that was delivered between two times, both included."""
        deliveries = self._terminal_deliveries[execution.identifier]
        position = bisect_left(deliveries, since, key=attrgetter("at"))
        if position < len(deliveries) and deliveries[position].at < until + TOLERANCE:
            return deliveries[position]
        return None

    def deliveries(self, execution: ScriptedExecution, since: float, until: float) -> list[Delivery]:
        """Return the states that were delivered between two times, both included."""
        first = bisect_left(execution.deliveries, (since - TOLERANCE, -1))
        last = bisect_left(execution.deliveries, (until + TOLERANCE, -1))
        return [Delivery(at, index) for at, index in execution.deliveries[first:last]]

    def last_fault_end(self, execution: ScriptedExecution, until: float) -> float | None:
        """Return when the last fault that affected an execution before a time ended; ``None`` for no fault.

        A throttle affects all executions. With many of them, so does every fault, since retries need permits.
        """
        shared = self._faults if self.awaited_count > _CONTENTION_THRESHOLD else self._throttles
        position = bisect_right(shared, until, key=lambda each: each[0])
        ends = [end for _, end in shared[max(0, position - 1) : position]]
        ends += [end for start, end in self._faults_affecting(execution) if start <= until]
        return min(max(ends), until) if ends else None

    def _faults_affecting(self, execution: ScriptedExecution) -> list[tuple[float, float]]:
        if execution.identifier not in self._own_faults:
            self._own_faults[execution.identifier] = _faults_of(self.calls_for(execution))
        return self._own_faults[execution.identifier]


def _faults_of(calls: Iterable[Call]) -> list[tuple[float, float]]:
    """Return for each call with a fault when it was sent, and when the last fault up to then ended."""
    faults: list[tuple[float, float]] = []
    end = 0.0
    for call in calls:
        if call.answered_at is None or call.error is not None or call.is_degraded:
            end = max(end, call.answered_at or call.cancelled_at or call.sent_at)
            faults.append((call.sent_at, end))
    return faults
