"""A token bucket: so many calls per second, and so many at once."""

from __future__ import annotations

import time
from collections.abc import Callable


class TokenBucket:
    """Lets calls through at a rate.

    Args:
        rate: Calls per real second.
        burst: Calls that may come at once after a rest; the rate (at least 1) if not given.
        monotonic: Where real seconds come from.

    Raises:
        ValueError: The rate or the burst is not positive.
    """

    def __init__(
        self, rate: float, burst: float | None = None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        if rate <= 0 or (burst is not None and burst < 1):
            raise ValueError("a rate limit needs a positive rate and a burst of one call at least")
        self.rate = rate
        self.burst = max(1.0, rate) if burst is None else burst
        self._monotonic = monotonic
        self._tokens = self.burst
        self._filled_at = monotonic()

    def take(self) -> bool:
        """Whether a call may pass now."""
        now = self._monotonic()
        self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
