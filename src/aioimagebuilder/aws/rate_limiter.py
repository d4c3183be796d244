"""One call rate for all that a client does: cut on a throttle, regrown while calls succeed and are wanted.

AWS documents no call rate of this service, and others share the account's. So it is found out, as TCP finds
out what a network carries: slow start up to where a throttle was last met, additive increase from there on,
multiplicative decrease on a throttle. Clients that share an account so come to equal shares.

The core has no clock and no I/O; `acquire` is its one async face.
"""

from __future__ import annotations

import math
from typing import Final

import anyio

from .event_loops import current_time

__all__ = ["RateLimiter"]

_INITIAL_RATE: Final = 5.0
_MINIMUM_RATE: Final = 0.2
_MAXIMUM_RATE: Final = 1000.0
# What may go at once after a pause, in seconds of the present rate.
_BURST: Final = 1.0
# Slow start: the factor by which the rate grows in a second, up to the threshold.
_SLOW_START: Final = 1.5
# Beyond it: what the rate grows by in a second, in calls a second. Finding the limit costs a throttle each
# time, so a client of ten calls a second does it every eight seconds. One step for all makes fair shares.
_INCREASE: Final = 0.2
_DECREASE: Final = 0.85


class RateLimiter:
    """A token bucket whose rate follows what the service lets through."""

    def __init__(self) -> None:
        self._rate = _INITIAL_RATE
        self._threshold = math.inf
        self._next_free = -math.inf
        self._last_cut = -math.inf
        self._succeeded_since_cut = True
        self._is_wanted = False
        self._queue = anyio.Lock()

    @property
    def rate(self) -> float:
        """The calls a second that are let through now."""
        return self._rate

    def reserve(self, now: float) -> float:
        """Get the time at which the next call may go, and take that turn."""
        turn = max(self._next_free, now - _BURST)
        self._next_free = turn + 1 / self._rate
        self._is_wanted = turn > now
        return max(turn, now)

    def succeeded(self) -> None:
        """Tell that a call was let through: the rate grows, if more calls were wanted than it allowed."""
        self._succeeded_since_cut = True
        if not self._is_wanted:
            return
        if self._rate < self._threshold:
            grown = self._rate * (1 + (_SLOW_START - 1) / max(self._rate, 1.0))
            self._rate = min(grown, max(self._threshold, self._rate))
        else:
            self._rate += _INCREASE / self._rate
        self._rate = min(self._rate, _MAXIMUM_RATE)

    def throttled(self, now: float, *, sent: float, retry_after: float | None = None) -> None:
        """Tell that a call was throttled: the rate is cut, once for each burst of throttles.

        Args:
            now: the time of the answer.
            sent: when the call went. One that was on its way when the rate was cut tells nothing new.
            retry_after: seconds for which the server asks to be left alone.
        """
        if sent >= self._last_cut:
            self._rate = max(self._rate * _DECREASE, _MINIMUM_RATE)
            if self._succeeded_since_cut:
                # In a storm of throttles the rate falls further; this is where slow start takes it back to.
                self._threshold = self._rate
            self._last_cut = now
            self._succeeded_since_cut = False
        # What was saved up for a burst is void, too: the service has just said that there is no room.
        self._next_free = max(self._next_free, now + max(1 / self._rate, retry_after or 0.0))

    def try_acquire(self, now: float) -> bool:
        """Take a turn if there is one at once and nobody queues for it, and tell whether it was taken."""
        if self._queue.locked() or self._next_free > now:
            return False
        self.reserve(now)
        return True

    async def acquire(self) -> None:
        """Wait for this call's turn; whoever asked first has the first."""
        async with self._queue:
            now = current_time()
            if (delay := self.reserve(now) - now) > 0:
                await anyio.sleep(delay)
