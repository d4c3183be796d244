"""What the simulator does by itself, at simulated times: transitions of images, their events, schedules.

An action is performed as of its own time: a build that was scheduled for last night starts last night, and
its transitions are due from then on. The agenda is run before every call of any service, and by a thread of
the server at the time of the next action.
"""

from __future__ import annotations

import heapq
import itertools
import math
import threading
from collections.abc import Callable

from ..simulation.clock import SimulatedClock

Action = Callable[[], object]


class Agenda:
    """Actions by the simulated time at which they are due; the caller holds the lock of the control.

    Args:
        clock: The simulated clock.
        changed: Set whenever the next action becomes due earlier.
    """

    def __init__(self, clock: SimulatedClock, changed: threading.Event) -> None:
        self._clock = clock
        self._changed = changed
        self._actions: list[tuple[float, int, Action]] = []
        self._numbers = itertools.count()
        self._performing: float | None = None

    def now(self) -> float:
        """Return the time of the action that is being performed, or else the simulated time."""
        return self._clock.now() if self._performing is None else self._performing

    @property
    def next_due(self) -> float:
        """The time of the next action; infinite if there is none."""
        # A copy, since other threads ask without the lock.
        first = self._actions[:1]
        return first[0][0] if first else math.inf

    def is_due(self) -> bool:
        """Return whether an action is due."""
        return bool(self._actions) and self.next_due <= self._clock.now()

    def schedule(self, at: float, action: Action) -> None:
        """Schedule an action; one at an infinite time is never performed."""
        if at == math.inf:
            return
        is_next = at < self.next_due
        heapq.heappush(self._actions, (at, next(self._numbers), action))
        if is_next:
            self._changed.set()

    def perform_due(self) -> None:
        """Perform every action that is due, in the order of their times, each as of its time."""
        while self._performing is None and self.is_due():
            self._performing, _, action = heapq.heappop(self._actions)
            try:
                action()
            finally:
                self._performing = None
