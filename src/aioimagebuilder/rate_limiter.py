"""One call rate for all that a client does: cut on a throttle, regrown while calls succeed.

AWS documents no call rate of this service, and others share the account's. So it is found out: additive
increase, multiplicative decrease, as TCP does. The core has no clock and no I/O; `acquire` is its one
async face.
"""

from __future__ import annotations

from typing import Final

import anyio

__all__ = ["RateLimiter"]

_INITIAL_RATE: Final = 10.0
_MINIMUM_RATE: Final = 0.2
_MAXIMUM_RATE: Final = 200.0
_BURST_SECONDS: Final = 1.0
_INCREASE: Final = 0.25
_DECREASE: Final = 0.5
_CUT_INTERVAL: Final = 1.0


class RateLimiter:
    """A token bucket whose rate follows what the service lets through."""

    def __init__(self) -> None:
        self._rate = _INITIAL_RATE
        self._next_free: float | None = None
        self._last_cut = float("-inf")

    @property
    def rate(self) -> float:
        """The calls a second that are let through now."""
        return self._rate

    def reserve(self, now: float) -> float:
        """Get the time at which the next call may go, and take that place in the queue."""
        earliest = now - _BURST_SECONDS
        start = earliest if self._next_free is None else max(self._next_free, earliest)
        self._next_free = start + 1 / self._rate
        return max(start, now)

    def succeeded(self) -> None:
        """Tell that a call was let through: the rate grows."""
        self._rate = min(self._rate + _INCREASE, _MAXIMUM_RATE)

    def throttled(self, now: float, retry_after: float | None = None) -> None:
        """Tell that a call was throttled: the rate is cut, once for each burst of throttles.

        Args:
            now: the time of the answer.
            retry_after: seconds for which the server asks to be left alone.
        """
        if now - self._last_cut >= _CUT_INTERVAL:
            self._last_cut = now
            self._rate = max(self._rate * _DECREASE, _MINIMUM_RATE)
        # What was saved up for a burst is void, too: the service has just said that there is no room.
        pause = max(1 / self._rate, retry_after or 0.0)
        self._next_free = max(self._next_free or now, now + pause)

    async def acquire(self) -> None:
        """Wait for this call's turn. A caller that is cancelled meanwhile has used its turn up."""
        now = anyio.current_time()
        if (delay := self.reserve(now) - now) > 0:
            await anyio.sleep(delay)
