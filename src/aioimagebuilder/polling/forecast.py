"""How long something still takes, from how long it took before. No I/O and no clock.

Durations are lognormal, with an unknown mean and spread. The prior of the spread is worth four observations
of 25 %; with it, the logarithm of the next duration follows Student's t distribution. A tenth of all
executions is expected to end at any time instead: early failures, and surprises.

A forecast also says when to poll. To poll at the density √(k·h), where h is the hazard (the chance to end
now, if it still runs), finds an end with the fewest polls for a mean lateness: Keller, "Optimum Checking
Schedules for Systems Subject to Random Failure", Management Science 21 (1974).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from statistics import fmean
from typing import Final, NamedTuple

from . import student_t

MINIMUM_DURATIONS: Final = 2
"""With fewer durations there is no forecast."""

SURPRISES: Final = 0.1
"""The share of executions that end at any time: early failures, and other surprises."""

_PRIOR_SPREAD: Final = 0.25
_PRIOR_WEIGHT: Final = 4
# A duration is beyond what is usual if fewer executions than this took as long, or as short.
_UNUSUAL: Final = 0.05
_SHORTEST: Final = 1.0
# Rounding makes a delay zero where the time is huge.
_SHORTEST_DELAY: Final = 0.001
_LONGEST: Final = 1e12
# The times at which the hazard is known, and between which it is interpolated.
_TIMES: Final = 200
_SCALES: Final = 8.0


class NextPoll(NamedTuple):
    """When to poll next.

    Attributes:
        delay: The seconds until then.
        hazard: The hazard until then: the square of the mean of its root.
    """

    delay: float
    hazard: float


class Forecast:
    """The distribution of a duration, in seconds.

    Args:
        durations: The durations of comparable executions that succeeded, at least `MINIMUM_DURATIONS`.
        surprises: The share of executions that end at any time.

    Attributes:
        usual: The median of executions without surprises.

    Raises:
        ValueError: There are too few durations.
    """

    def __init__(self, durations: Sequence[float], *, surprises: float = SURPRISES) -> None:
        if len(durations) < MINIMUM_DURATIONS:
            raise ValueError(f"A forecast needs {MINIMUM_DURATIONS} durations, not {len(durations)}.")
        logarithms = [math.log(min(max(each, _SHORTEST), _LONGEST)) for each in durations]
        count = len(logarithms)
        self._center = fmean(logarithms)
        self._freedom = _PRIOR_WEIGHT + count - 1
        squares = sum((each - self._center) ** 2 for each in logarithms)
        variance = (_PRIOR_WEIGHT * _PRIOR_SPREAD**2 + squares) / self._freedom
        self._scale = math.sqrt(variance * (1 + 1 / count))
        self.usual: float = math.exp(self._center)
        self._surprises = surprises
        self._polls: _PollSchedule | None = None

    def usual_survival(self, seconds: float) -> float:
        """Return the share of executions without surprises that take longer than this."""
        return student_t.survival(self._deviation(seconds), self._freedom)

    def survival(self, seconds: float) -> float:
        """Return the share of all executions that take longer than this."""
        usual = (1 - self._surprises) * self.usual_survival(seconds)
        return usual + self._surprises * math.exp(-seconds / self.usual)

    def density(self, seconds: float) -> float:
        """Return the probability density of this duration."""
        background = self._surprises * math.exp(-seconds / self.usual) / self.usual
        if seconds < _SHORTEST:
            return background
        usual = student_t.density(self._deviation(seconds), self._freedom) / (self._scale * seconds)
        return (1 - self._surprises) * usual + background

    def hazard(self, seconds: float) -> float:
        """Return the chance to end within the next second, of an execution that has taken this long."""
        return self.density(seconds) / self.survival(seconds)

    def quantile(self, share: float, elapsed: float = 0.0) -> float:
        """Return the duration that a share of executions does not exceed.

        Args:
            share: The share, of the executions that take longer than `elapsed`.
            elapsed: For how long it has run.
        """
        target = (1 - share) * self.survival(elapsed)
        low, high = max(elapsed, 0.0), max(elapsed, self.usual)
        while self.survival(high) > target:
            low, high = high, 2 * high
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.survival(middle) > target else (low, middle)
        return high

    def is_unusual(self, shortest: float, longest: float) -> bool:
        """Return whether a duration in this range differs from what is usual, wherever it is in the range."""
        return self.usual_survival(longest) > 1 - _UNUSUAL or self.usual_survival(shortest) < _UNUSUAL

    def next_poll(self, elapsed: float, lateness: float) -> NextPoll:
        """Return when to poll next.

        Args:
            elapsed: For how long it has run.
            lateness: The mean time from an end to the poll that finds it, in seconds.
        """
        if self._polls is None:
            self._polls = _PollSchedule(self)
        return self._polls.next_poll(elapsed, lateness)

    def times(self) -> list[float]:
        """Return times between which its hazard changes little."""
        width = min(_SCALES * self._scale, 10.0)
        steps = (2 * each / (_TIMES - 1) - 1 for each in range(_TIMES))
        return [0.0, *(math.exp(self._center + width * step) for step in steps)]

    def _deviation(self, seconds: float) -> float:
        return (math.log(max(seconds, _SHORTEST)) - self._center) / self._scale


class _PollSchedule:
    """The integral of √h over time, by which the delay of a poll is looked up."""

    def __init__(self, forecast: Forecast) -> None:
        self._times = forecast.times()
        densities = [forecast.density(each) for each in self._times]
        survivals = [forecast.survival(each) for each in self._times]
        roots = [math.sqrt(f / s) for f, s in zip(densities, survivals, strict=True)]
        self._integral = [0.0, *accumulate(_areas(self._times, roots))]
        self._last_root = roots[-1]
        # An end at time t is found 1 / (2 √(k·h(t))) late on average; all of them, this integral / (2 √k).
        products = [math.sqrt(f * s) for f, s in zip(densities, survivals, strict=True)]
        self._mean_lateness = sum(_areas(self._times, products)) / 2

    def next_poll(self, elapsed: float, lateness: float) -> NextPoll:
        # √k · ∫ √h dt = 1, with the k for which the mean lateness is the given one.
        step = lateness / self._mean_lateness
        delay = max(self._time_at(self._integral_at(elapsed) + step) - elapsed, _SHORTEST_DELAY)
        return NextPoll(delay, (step / delay) ** 2)

    def _integral_at(self, time: float) -> float:
        at = bisect_right(self._times, time) - 1
        if at >= len(self._times) - 1:
            return self._integral[-1] + (time - self._times[-1]) * self._last_root
        share = (time - self._times[at]) / (self._times[at + 1] - self._times[at])
        return self._integral[at] + share * (self._integral[at + 1] - self._integral[at])

    def _time_at(self, integral: float) -> float:
        at = bisect_right(self._integral, integral) - 1
        if at >= len(self._integral) - 1:
            return self._times[-1] + (integral - self._integral[-1]) / self._last_root
        share = (integral - self._integral[at]) / (self._integral[at + 1] - self._integral[at])
        return self._times[at] + share * (self._times[at + 1] - self._times[at])


def _areas(times: Sequence[float], values: Sequence[float]) -> list[float]:
    return [
        (after - before) * (one + other) / 2
        for (before, after), (one, other) in zip(pairwise(times), pairwise(values), strict=True)
    ]
