"""The simulated clock: real time multiplied by a scale, plus advances."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

END_OF_TIME = 221_845_392_000.0
"""The last simulated time, the start of the year 9000; clients parse no time after the year 9999."""


class SimulatedClock:
    """A clock of simulated time, which stops at `END_OF_TIME`.

    Args:
        scale: Simulated seconds per real second; at 0 only `advance` moves the clock.
        start: Initial simulated time in seconds since the epoch; defaults to the real time.
        monotonic: Source of real time in seconds.
    """

    def __init__(
        self,
        *,
        scale: float = 1.0,
        start: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._scale = scale
        self._base = time.time() if start is None else start
        self._since = monotonic()
        self._lock = threading.Lock()

    @property
    def scale(self) -> float:
        """Simulated seconds per real second."""
        return self._scale

    def now(self) -> float:
        """Return the simulated time in seconds since the epoch."""
        with self._lock:
            return self._now()

    def set_scale(self, scale: float) -> None:
        """Set the number of simulated seconds per real second."""
        with self._lock:
            self._base, self._since = self._now(), self._monotonic()
            self._scale = scale

    def advance(self, seconds: float) -> None:
        """Advance the clock by a number of simulated seconds."""
        with self._lock:
            self._base += seconds

    def _now(self) -> float:
        return min(END_OF_TIME, self._base + (self._monotonic() - self._since) * self._scale)


def format_time(at: float) -> str:
    """Format a time as in members of workflows, steps and images: ``2026-09-09T19:12:23.175Z``.

    An infinite time becomes an empty string, which is never returned to a caller, nor is one after the end.
    """
    if at == math.inf:
        return ""
    text = datetime.fromtimestamp(min(at, END_OF_TIME), UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
