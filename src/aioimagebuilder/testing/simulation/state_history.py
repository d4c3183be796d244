"""What one thing looks like over time: a list of changes, looked up by bisection."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import Any

Members = dict[str, Any]
"""Members of an answer by their wire names."""


class Track:
    """The states of one thing, each from its time on.

    A state, once made, is never altered, so that readers may share it.
    """

    __slots__ = ("states", "times")

    def __init__(self) -> None:
        self.times: list[float] = []
        self.states: list[Members] = []

    def change(self, when: float, /, **members: object) -> None:
        """Alter these members at this time (``None`` takes a member away); times must not go back."""
        last = self.states[-1] if self.states else {}
        state = {name: value for name, value in {**last, **members}.items() if value is not None}
        self.times.append(when)
        self.states.append(state)

    def at(self, now: float) -> Members | None:
        """Get the members at this time; ``None`` before the thing exists."""
        index = bisect_right(self.times, now)
        return self.states[index - 1] if index else None

    def cut(self, when: float) -> None:
        """Forget every change at this time or later."""
        index = bisect_left(self.times, when)
        del self.times[index:], self.states[index:]

    @property
    def begins(self) -> float:
        """When the thing comes into being."""
        return self.times[0]

    @property
    def ends(self) -> float:
        """When the last change happens."""
        return self.times[-1]


@dataclass(slots=True)
class Row:
    """One execution: its id, what it looks like over time, and the rows under it (a workflow's steps)."""

    identifier: str
    track: Track
    children: list[Row] = field(default_factory=list)
