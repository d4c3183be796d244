"""What a world's history shows: who was told what when, and which calls asked about whom."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter

from randomized.executions import Truth
from randomized.faults import REFUSALS, THROTTLES
from randomized.kinds import IMAGE
from randomized.runner import History
from randomized.service import Call
from randomized.waiters import Record

# Times that differ by less are the same: sums of floats do not commute.
SAME = 1e-6
# In a crowd the tries of some take the turns of the others.
_CROWD = 3


@dataclass(frozen=True, slots=True)
class Delivery:
    """A state that the service told the library.

    Attributes:
        at: when.
        index: which state of the truth.
    """

    at: float
    index: int


@dataclass(frozen=True, slots=True)
class Stay:
    """One waiter's interest in one execution.

    Attributes:
        began: when it began to wait.
        left: when that wait was over.
        is_certain: whether it was not over sooner, with an error that a cancelled gathering kept to itself,
            or that a slow consumer has yet to see, or with what was told at the moment in which it began.
    """

    began: float
    left: float
    is_certain: bool


class Evidence:
    """Answers questions about one history."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.world = history.world
        self._calls: dict[tuple[str, str | None], list[Call]] = {}
        for call in history.calls:
            self._calls.setdefault((call.operation, call.argument), []).append(call)
        self._terminal: dict[str, list[Delivery]] = {
            truth.identifier: [
                Delivery(at, index) for at, index in truth.deliveries if truth.states[index].is_terminal
            ]
            for truth in self.world.executions.values()
        }
        self._stays: dict[str, list[Stay]] = {}
        for record in history.records:
            for identifier in set(record.waiter.identifiers):
                self._stays.setdefault(identifier, []).append(self._stay(record, identifier))
        for stays in self._stays.values():
            stays.sort(key=attrgetter("began"))
        self._own_troubles: dict[str, list[tuple[float, float]]] = {}
        self._troubles = _troubles(history.calls)
        self._throttles = _troubles(call for call in history.calls if call.error in THROTTLES)

    def _stay(self, record: Record, identifier: str) -> Stay:
        left = self.world.horizon if record.ended is None else record.ended
        left = min([left, *(end.at for end in record.ends.get(identifier, ()))])
        # Nobody waits past a terminal state, however long a slow consumer leaves it lying.
        # But what was told at the very moment in which it began may have come too soon for it.
        truth = self.world.executions[identifier]
        told = self.first_terminal(truth, record.began + SAME, left)
        told_then = self.first_terminal(truth, record.began - SAME, record.began)
        left = left if told is None else told.at
        is_told = identifier in record.ends or record.waiter.verb in {"wait", "watch"}
        return Stay(record.began, left, is_told and not record.waiter.pause and told_then is None)

    def calls_about(self, truth: Truth) -> list[Call]:
        """Get the calls that asked about an execution, alone or with others."""
        listing = truth.kind.lists[0]
        found = [*self._calls.get((truth.kind.get[0], truth.identifier), ())]
        if truth.parent is not None:
            found += self._calls.get((listing, truth.parent), ())
        if truth.kind is IMAGE:
            found += self._calls.get((listing, None), ())
        return found

    def gets_of(self, truth: Truth) -> list[Call]:
        """Get the calls that asked about an execution alone."""
        return self._calls.get((truth.kind.get[0], truth.identifier), [])

    def refusals_of(self, truth: Truth) -> list[Call]:
        """Get the calls that asked about an execution alone, and got an answer that no retry would change."""
        return [call for call in self.gets_of(truth) if call.error in REFUSALS]

    def was_let_in(self, since: float, until: float) -> bool:
        """Whether the service answered a call that was sent between two times."""
        return any(
            since < call.began and call.ended is not None and call.ended < until and call.error is None
            for call in self.history.calls
        )

    def cadence_of(self, record: Record) -> tuple[float, float]:
        """Get the min_delay and max_delay of a waiter."""
        return record.waiter.cadence or self.world.cadence

    def stays_for(self, truth: Truth) -> list[Stay]:
        """Get who waited for an execution, from when to when, the first who began first."""
        return self._stays.get(truth.identifier, [])

    def life_of(self, record: Record, truth: Truth) -> float:
        """Get since when at the earliest somebody has been waiting for it without a pause."""
        began = record.began
        for stay in reversed(self.stays_for(truth)):
            if stay.began < began <= stay.left + SAME:
                began = stay.began
        return began

    def awaited(self) -> int:
        """Get how many executions somebody waits for."""
        return len(self._stays)

    def seconds_awaited(self, truth: Truth) -> float:
        """Get for how long somebody waited for an execution."""
        total, until = 0.0, -1.0
        for stay in self.stays_for(truth):
            total += max(0.0, stay.left - max(stay.began, until))
            until = max(until, stay.left)
        return total

    def first_terminal(self, truth: Truth, since: float, until: float) -> Delivery | None:
        """Get the first terminal state that was told from one time to another, both included."""
        told = self._terminal[truth.identifier]
        place = bisect_left(told, since, key=attrgetter("at"))
        return told[place] if place < len(told) and told[place].at < until + SAME else None

    def deliveries(self, truth: Truth, since: float, until: float) -> list[Delivery]:
        """Get what was told of an execution from one time to another, both included."""
        first = bisect_left(truth.deliveries, (since - SAME, -1))
        last = bisect_left(truth.deliveries, (until + SAME, -1))
        return [Delivery(at, index) for at, index in truth.deliveries[first:last]]

    def last_trouble(self, truth: Truth, until: float) -> float | None:
        """Get when the last fault that an execution met before that time was over; ``None`` if it met none.

        All meet a throttle; and in a crowd all that fails, since its tries take turns from the others.
        """
        shared = self._troubles if self.awaited() > _CROWD else self._throttles
        place = bisect_right(shared, until, key=lambda each: each[0])
        times = [over for _, over in shared[max(0, place - 1) : place]]
        times += [over for began, over in self._troubles_of(truth) if began <= until]
        return min(max(times), until) if times else None

    def _troubles_of(self, truth: Truth) -> list[tuple[float, float]]:
        if truth.identifier not in self._own_troubles:
            self._own_troubles[truth.identifier] = _troubles(self.calls_about(truth))
        return self._own_troubles[truth.identifier]


def _troubles(calls: Iterable[Call]) -> list[tuple[float, float]]:
    """Get when each call began that met a fault, and when the last of those up to then was over."""
    found: list[tuple[float, float]] = []
    over = 0.0
    for call in calls:
        if call.ended is None or call.error is not None or call.is_late:
            over = max(over, call.ended or call.given_up or call.began)
            found.append((call.began, over))
    return found
