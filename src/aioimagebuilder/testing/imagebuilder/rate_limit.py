"""A token bucket that limits the call rate."""

from __future__ import annotations

import time
from collections.abc import Callable


class TokenBucket:
    """A token bucket.

    Args:
        rate: Calls per real second.
        burst: Capacity of the bucket; defaults to the rate, but at least 1.
        monotonic: Source of real time in seconds.
    """

    def __init__(
        self, rate: float, burst: float | None = None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.rate = rate
        self.burst = max(1.0, rate) if burst is None else burst
        self._monotonic = monotonic
        self._tokens = self.burst
        self._filled_at = monotonic()

    def take(self) -> bool:
        """Take a token and return whether there was one."""
        now = self._monotonic()
        self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
