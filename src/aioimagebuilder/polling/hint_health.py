"""Whether hints can be relied on, judged by what polls find. No I/O and no clock.

EventBridge delivers Image Builder's events on a best effort basis, and a queue that stays empty does not show
whether its rule works. So each change that a poll finds is compared with what hints have announced. A change
that no hint announces within ten seconds of the poll is a miss. Hints are proven by two changes in a row that
they announced in time, and not any more by a miss, after which it takes ten: where one event is lost, others
are, and each loss makes a wait late. After two misses, or an error of the queue, the queue is left alone for
a while, which doubles each time.
"""

from __future__ import annotations

import math
from typing import Final

TIMELY: Final = 10.0
"""Seconds after a poll found a change within which a hint has to announce it."""

_PROVEN_BY: Final = 2
_MAXIMUM_MISSES: Final = 2
# So many changes in a row that were announced make earlier misses forgotten, and prove hints again.
_FORGETS_MISSES_AFTER: Final = 10
# A hint that no poll has confirmed by then is forgotten: the template's queue keeps messages for as long.
_FORGETS_HINTS_AFTER: Final = 300.0
_SHORTEST_PAUSE: Final = 10.0
_LONGEST_PAUSE: Final = 900.0

Change = tuple[str, str]
"""A status, and the ARN of the image that reached it."""


class HintHealth:
    """The score of the hints of one client.

    Attributes:
        in_time: The number of changes that were announced in time since the last miss.
        misses: The number of changes that were not.
        paused_until: The time until which the queue is left alone; it may have passed.
    """

    def __init__(self) -> None:
        self.in_time = 0
        self.misses = 0
        self.paused_until = -math.inf
        self._pauses = 0
        self._proven_by = _PROVEN_BY
        self._hints: dict[Change, float] = {}
        self._unannounced: dict[Change, float] = {}

    @property
    def is_proven(self) -> bool:
        """Whether hints can be relied on for now."""
        return self.in_time >= self._proven_by

    @property
    def awaited_until(self) -> float:
        """When the last change that polls have found has to be announced; minus infinity for none."""
        return max(self._unannounced.values(), default=-math.inf)

    def announced(self, change: Change, now: float, *, is_awaited: bool) -> None:
        """Record that a hint has announced a change.

        Args:
            change: The change.
            now: The time.
            is_awaited: Whether a poll may find it.
        """
        if self._unannounced.pop(change, None) is not None:
            self._succeeded()
        elif is_awaited:
            self._hints.pop(change, None)
            self._hints[change] = now

    def found(self, change: Change, now: float) -> None:
        """Record that a poll has found a change while hints were received."""
        if self._hints.pop(change, None) is not None:
            self._succeeded()
        else:
            self._unannounced.setdefault(change, now + TIMELY)

    def expire(self, now: float) -> bool:
        """Count what was not announced in time, and return whether that starts a pause."""
        self._hints = _after(now - _FORGETS_HINTS_AFTER, self._hints)
        awaited = _after(now, self._unannounced)
        if missed := len(self._unannounced) - len(awaited):
            self._unannounced = awaited
            self.in_time = 0
            self.misses += missed
            self._proven_by = _FORGETS_MISSES_AFTER
        if self.misses < _MAXIMUM_MISSES:
            return False
        self.pause(now)
        return True

    def pause(self, now: float) -> None:
        """Leave the queue alone for a while, and start again afterwards without proof."""
        self.paused_until = now + min(_LONGEST_PAUSE, _SHORTEST_PAUSE * 2.0**self._pauses)
        self._pauses += self.paused_until - now < _LONGEST_PAUSE
        self.in_time = self.misses = 0
        self.forget()

    def forget(self) -> None:
        """Forget what was announced and found, since hints are not received for some time."""
        self._hints.clear()
        self._unannounced.clear()

    def _succeeded(self) -> None:
        self.in_time += 1
        if self.in_time >= _FORGETS_MISSES_AFTER:
            self.misses = self._pauses = 0
            self._proven_by = _PROVEN_BY


def _after(start: float, times: dict[Change, float]) -> dict[Change, float]:
    """Return the entries after `start`. They are in the order of their times."""
    if next(iter(times.values()), math.inf) > start:
        return times
    return {change: time for change, time in times.items() if time > start}
