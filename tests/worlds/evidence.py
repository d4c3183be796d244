"""What a world's history shows: who was told what when, and which calls asked about whom."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from worlds.faults import REFUSALS
from worlds.kinds import IMAGE
from worlds.running import History
from worlds.service import Call
from worlds.truth import Truth
from worlds.waiters import Record

# Times that differ by less are the same: sums of floats do not commute.
SAME = 1e-6


@dataclass(frozen=True, slots=True)
class Delivery:
    """A state that the service told the library.

    Attributes:
        at: when.
        index: which state of the truth.
    """

    at: float
    index: int


class Evidence:
    """Answers questions about one history."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.world = history.world
        self._calls: dict[tuple[str, str | None], list[Call]] = {}
        for call in history.calls:
            self._calls.setdefault((call.operation, call.argument), []).append(call)
        self._lives: dict[str, list[tuple[float, float]]] = {}
        for record in history.records:
            until = self.world.horizon if record.ended is None else record.ended
            for identifier in set(record.waiter.identifiers):
                self._lives.setdefault(identifier, []).append((record.began, until))
        self._troubles = sorted(self._trouble_times())

    def _trouble_times(self) -> list[float]:
        lasting = [fault.ends for fault in self.world.faults if fault.name != "refused lists"]
        return lasting + [
            call.ended or call.given_up or call.began
            for call in self.history.calls
            if call.ended is None or call.error is not None or call.is_late
        ]

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

    def life_of(self, record: Record, identifier: str) -> float:
        """Get since when at the earliest somebody has been waiting for it without a pause."""
        began = record.began
        for since, until in sorted(self._lives[identifier], reverse=True):
            if since < began <= until + SAME:
                began = since
        return began

    def awaited(self) -> int:
        """Get how many executions somebody waits for."""
        return len(self._lives)

    def seconds_awaited(self, identifier: str) -> float:
        """Get for how long somebody waited for an execution."""
        total, until = 0.0, -1.0
        for began, ended in sorted(self._lives.get(identifier, ())):
            total += max(0.0, ended - max(began, until))
            until = max(until, ended)
        return total

    def first_terminal(self, truth: Truth, since: float, until: float) -> Delivery | None:
        """Get the first terminal state that was told after one time, and up to another."""
        for each in self.deliveries(truth, since + SAME, until):
            if truth.states[each.index].is_terminal:
                return each
        return None

    def deliveries(self, truth: Truth, since: float, until: float) -> list[Delivery]:
        """Get what was told of an execution from one time to another, both included."""
        first = bisect_left(truth.deliveries, (since - SAME, -1))
        last = bisect_left(truth.deliveries, (until + SAME, -1))
        return [Delivery(at, index) for at, index in truth.deliveries[first:last]]

    def last_trouble(self, until: float) -> float | None:
        """Get when the last fault before that time was over; ``None`` if there was none."""
        if any(fault.begins <= until < fault.ends for fault in self.world.faults):
            return until
        place = bisect_right(self._troubles, until)
        return self._troubles[place - 1] if place else None
