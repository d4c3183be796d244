"""The history of an object's states."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import Any

Members = dict[str, Any]
"""Members of a request or response by their wire names."""


class StateHistory:
    """The states of an object by time, found by bisection.

    States are shared between readers and must not be modified.
    """

    __slots__ = ("states", "times")

    def __init__(self) -> None:
        self.times: list[float] = []
        self.states: list[Members] = []

    def change(self, when: float, /, **members: object) -> None:
        """Set members at a time not before the last change; ``None`` removes a member."""
        last = self.states[-1] if self.states else {}
        state = {name: value for name, value in {**last, **members}.items() if value is not None}
        self.times.append(when)
        self.states.append(state)

    def at(self, now: float) -> Members | None:
        """Return the members at a time, or ``None`` before the first change."""
        index = bisect_right(self.times, now)
        return self.states[index - 1] if index else None

    def truncate(self, when: float) -> None:
        """Remove every change at or after a time."""
        index = bisect_left(self.times, when)
        del self.times[index:], self.states[index:]

    @property
    def start(self) -> float:
        """The time of the first change."""
        return self.times[0]

    @property
    def end(self) -> float:
        """The time of the last change."""
        return self.times[-1]


@dataclass(slots=True)
class Row:
    """An execution: its id, its history, and its children (the steps of a workflow)."""

    identifier: str
    history: StateHistory
    children: list[Row] = field(default_factory=list)
