"""When each target is polled next, and the sleep until the first of them."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator

from ..aws.event_loops import Signal
from .subscriptions import Target

__all__ = ["Agenda"]


class Agenda:
    """Targets by the time at which they are due, on the clock of `anyio.current_time`."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Target]] = []
        self._order = itertools.count()
        self._woken: Signal | None = None
        self._sleeping_until = math.inf

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, target: Target, due: float) -> bool:
        """Take in when `target` is due, and tell whether that is before the sleep ends."""
        target.due = due
        heapq.heappush(self._entries, (due, next(self._order), target))
        return due < self._sleeping_until

    def take_due(self, now: float) -> Iterator[Target]:
        """Take out those that are due, the longest due first."""
        while self._entries and self._entries[0][0] <= now:
            due, _, target = heapq.heappop(self._entries)
            # Otherwise left over from before it was put in anew.
            if target.due == due:
                target.due = -math.inf
                yield target

    async def rest(self) -> None:
        """Sleep until something is due, or `wake` is called."""
        self._sleeping_until = self._entries[0][0] if self._entries else math.inf
        self._woken = Signal()
        await self._woken.wait(self._sleeping_until)
        self._woken = None
        self._sleeping_until = math.inf

    def wake(self) -> None:
        """End the sleep, to look at the agenda anew."""
        if self._woken is not None:
            self._woken.set()
