"""The simulated clock: real time multiplied by a scale, plus advances."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime


class SimulatedClock:
    """A clock of simulated time.

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
        if scale < 0:
            raise ValueError("a clock cannot run backwards: the time scale must not be negative")
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
        """Set the number of simulated seconds per real second.

        Raises:
            ValueError: The scale is negative.
        """
        if scale < 0:
            raise ValueError("a clock cannot run backwards: the time scale must not be negative")
        with self._lock:
            self._base, self._since = self._now(), self._monotonic()
            self._scale = scale

    def advance(self, seconds: float) -> None:
        """Advance the clock by a number of simulated seconds.

        Raises:
            ValueError: The number is negative.
        """
        if seconds < 0:
            raise ValueError("a clock cannot run backwards: the number of seconds must not be negative")
        with self._lock:
            self._base += seconds

    def _now(self) -> float:
        return self._base + (self._monotonic() - self._since) * self._scale


def format_time(at: float) -> str:
    """Format a time as in members of workflows, steps and images: ``2026-09-09T19:12:23.175Z``.

    An infinite time becomes an empty string, which is never returned to a caller.
    """
    if at == math.inf:
        return ""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
