"""How soon an execution is polled again: by Smithy's waiter backoff, or by a forecast of its end."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal, Protocol
from weakref import WeakKeyDictionary

from .build_observer import BuildObserver
from .forecast import NextPoll
from .schedule import Delay, smithy_delay
from .subscriptions import Target

PaceName = Literal["smithy", "forecast"]
"""The names of the paces."""

# The mean lateness to aim for, in min_delays. That of Smithy's backoff with its default delays is 2.05; the
# difference makes up for builds that end by surprise.
_LATENESS: Final = 1.7


class Pace(Protocol):
    """Decides how soon an execution is polled again, and which first."""

    def delay(self, target: Target, siblings: Sequence[Target], now: float) -> Delay:
        """Return the delay before the next poll of an execution that has just been polled.

        Args:
            target: The execution.
            siblings: The executions that are always read by the same call, including itself.
            now: The time.
        """
        ...

    def most_urgent(self, targets: Iterable[Target], now: float) -> Target | None:
        """Return which of the executions that are due is polled first; ``None``: the one due longest."""
        ...


class SmithyPace:
    """Smithy's waiter backoff: exponential from `min_delay` to `max_delay`, with jitter.

    Args:
        jitter: Returns a random number from 0 to 1.
    """

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        self._jitter = jitter

    def delay(self, target: Target, siblings: Sequence[Target], now: float) -> Delay:
        """Return the delay before the next poll."""
        return smithy_delay(target.history.polls, target.cadence, self._jitter)

    def most_urgent(self, targets: Iterable[Target], now: float) -> Target | None:
        """Return ``None``: the one that has been due longest is polled first."""
        return None


class ForecastPace:
    """Polls often when the end is likely, and seldom when it is not.

    Where nothing is known, and where an execution refutes its history, it is Smithy's waiter backoff.

    Args:
        observer: Knows when executions are expected to end.
        fallback: Decides where nothing is known.
    """

    def __init__(self, observer: BuildObserver, fallback: Pace) -> None:
        self._observer = observer
        self._fallback = fallback
        self._forecasts: WeakKeyDictionary[Target, NextPoll] = WeakKeyDictionary()
        # How many polls each second would be ideal, relative to others.
        self._densities: WeakKeyDictionary[Target, float] = WeakKeyDictionary()

    def delay(self, target: Target, siblings: Sequence[Target], now: float) -> Delay:
        """Return the delay before the next poll."""
        cadence = target.cadence
        expected = self._observer.expectation(target, now)
        if expected is None or self._observer.is_refuted(target):
            self._forecasts.pop(target, None)
            delay = self._fallback.delay(target, siblings, now)
            self._densities[target] = 1 / delay.seconds
            return delay
        self._forecasts[target] = expected.next_poll(_LATENESS * cadence.min_delay)
        # The hazards of all that one call reads add up, and a delay is the inverse of the root of a hazard.
        polls = [self._forecasts[each] for each in siblings if each in self._forecasts]
        inverse_squares = [max(each.delay, cadence.min_delay) ** -2 for each in polls]
        seconds = min(max(sum(inverse_squares) ** -0.5, cadence.min_delay), cadence.longest_delay)
        self._densities[target] = math.sqrt(sum(each.hazard for each in polls))
        # Others that the same call may read draw it forward, but not so far that it would be wasted.
        return Delay(seconds, max(seconds / 2, cadence.min_delay), seconds)

    def most_urgent(self, targets: Iterable[Target], now: float) -> Target | None:
        """Return the execution that is the most overdue, where calls are scarce.

        The same mean lateness for each execution, as of a single one, would spend them on what is not
        predictable. The least mean lateness of all has densities in the ratio of the roots of the hazards.
        """
        return max(targets, key=lambda each: self._urgency(each, now), default=None)

    def _urgency(self, target: Target, now: float) -> float:
        waited = now - target.history.seen_at
        # None starves, however likely the end of others is.
        if waited >= 2 * target.cadence.longest_delay:
            return math.inf
        return waited * self._densities.get(target, 1.0)


def create_pace(name: PaceName, observer: BuildObserver) -> Pace:
    """Return the pace of this name."""
    return SmithyPace() if name == "smithy" else ForecastPace(observer, SmithyPace())
