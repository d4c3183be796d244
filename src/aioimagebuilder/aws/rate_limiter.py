"""One call rate for all calls of a client: reduced by throttles, raised while calls succeed and are wanted.

AWS documents no limit for this service, and the limit is shared with others of the account. So it is
discovered like the capacity of a network by TCP: slow start up to the rate at which the last throttle came,
additive increase above it, multiplicative decrease on a throttle. Clients that share an account converge to
equal shares.

The state has no clock and does no I/O; only `acquire` is asynchronous.
"""

from __future__ import annotations

import math
from typing import Final

import anyio

_INITIAL_RATE: Final = 5.0
_MINIMUM_RATE: Final = 0.2
_MAXIMUM_RATE: Final = 1000.0
# The permits that may be used at once after a pause, in seconds of the current rate.
_BURST: Final = 1.0
# Slow start: the factor by which the rate grows per second, up to the threshold.
_SLOW_START: Final = 1.5
# Above it: the growth per second, in calls per second. Each discovery of the limit costs a throttle, which a
# client at ten calls a second meets every eight seconds. An equal step for all clients leads to equal shares.
_INCREASE: Final = 0.2
_DECREASE: Final = 0.85


class RateLimiter:
    """A token bucket whose rate follows what the service permits."""

    def __init__(self) -> None:
        self._rate = _INITIAL_RATE
        self._threshold = math.inf
        self._next_free = -math.inf
        self._last_decrease = -math.inf
        self._succeeded_since_decrease = True
        self._is_saturated = False
        self._paused_until = -math.inf
        self._queue = anyio.Lock()

    @property
    def rate(self) -> float:
        """The current rate in calls per second."""
        return self._rate

    @property
    def paused_until(self) -> float:
        """The time until which the server asked not to be called; it may have passed."""
        return self._paused_until

    async def acquire(self, *, respects_pause: bool = True) -> None:
        """Wait for a permit for one call, in the order of the requests.

        Args:
            respects_pause: Whether to wait until `paused_until` first.
        """
        while respects_pause and anyio.current_time() < self._paused_until:  # noqa: ASYNC110 - a time
            # It may be extended meanwhile.
            await anyio.sleep_until(self._paused_until)
        async with self._queue:
            now, before = anyio.current_time(), self._next_free
            delay = self.reserve(now) - now
            after = self._next_free
            try:
                if delay > 0:
                    await anyio.sleep(delay)
            except BaseException:
                # A cancelled call does not use its permit. A throttle may have moved the next one.
                if self._next_free == after:
                    self._next_free = before
                raise

    def reserve(self, now: float) -> float:
        """Take the next permit, and return the time from which it is valid."""
        permit = max(self._next_free, now - _BURST)
        self._next_free = permit + 1 / self._rate
        self._is_saturated = permit > now
        return max(permit, now)

    def succeeded(self) -> None:
        """Record a call that was not throttled. The rate grows if more calls were wanted than it allowed."""
        self._succeeded_since_decrease = True
        if not self._is_saturated:
            return
        if self._rate < self._threshold:
            grown = self._rate * (1 + (_SLOW_START - 1) / max(self._rate, 1.0))
            self._rate = min(grown, max(self._threshold, self._rate))
        else:
            self._rate += _INCREASE / self._rate
        self._rate = min(self._rate, _MAXIMUM_RATE)

    def throttled(self, now: float, *, sent: float, retry_after: float | None = None) -> None:
        """Record a call that was throttled. The rate is reduced once for each burst of throttles.

        Args:
            now: The time of the response.
            sent: The time of the request. One sent before the last reduction contains no new information.
            retry_after: The seconds for which the server asks not to be called.
        """
        if sent >= self._last_decrease:
            self._rate = max(self._rate * _DECREASE, _MINIMUM_RATE)
            if self._succeeded_since_decrease:
                # During a series of throttles the rate falls further; slow start returns it to this one.
                self._threshold = self._rate
            self._last_decrease = now
            self._succeeded_since_decrease = False
        # Permits saved for a burst are void as well: the service has just said that there are none.
        self._next_free = max(self._next_free, now + 1 / self._rate)
        self._paused_until = max(self._paused_until, now + (retry_after or 0.0))
