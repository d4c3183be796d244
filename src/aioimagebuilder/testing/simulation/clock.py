"""One simulated clock: wall time multiplied by a scale, plus jumps."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime


class SimulatedClock:
    """A clock that tells simulated seconds since the epoch.

    Args:
        scale: Simulated seconds per real second; 0 stops the clock, so that only `advance` moves it.
        start: Simulated time now; the real time if not given.
        monotonic: Where real seconds come from.
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
        """Get simulated seconds since the epoch."""
        with self._lock:
            return self._now()

    def set_scale(self, scale: float) -> None:
        """Let the clock run this fast from now on.

        Raises:
            ValueError: The scale is negative.
        """
        if scale < 0:
            raise ValueError("a clock cannot run backwards: the time scale must not be negative")
        with self._lock:
            self._base, self._since = self._now(), self._monotonic()
            self._scale = scale

    def advance(self, seconds: float) -> None:
        """Jump this many simulated seconds forward.

        Raises:
            ValueError: The number is negative.
        """
        if seconds < 0:
            raise ValueError("a clock cannot run backwards: advance by a positive number of seconds")
        with self._lock:
            self._base += seconds

    def _now(self) -> float:
        return self._base + (self._monotonic() - self._since) * self._scale


def stamp(at: float) -> str:
    """Get a time as workflow, step and image members show it: ``2026-09-09T19:12:23.175Z``.

    A time that never comes is the empty text; nobody will see it.
    """
    if at == math.inf:
        return ""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
