"""An estimate of the service's clock, for elapsed times.

The local clock may be off by minutes, and a simulator's clock runs fast. The only certainty is that the
service's clock is past every timestamp that it has reported.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class ServiceClock:
    """A clock that is never behind the timestamps of the service.

    Args:
        time_scale: seconds of the service per local second; 1 except for a simulator.
        wall: returns the local time.
        monotonic: returns the seconds of a monotonic clock.
    """

    def __init__(
        self,
        time_scale: float = 1.0,
        *,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._time_scale = time_scale
        self._wall = wall
        self._monotonic = monotonic
        self._latest: tuple[datetime, float] | None = None

    def observe(self, timestamp: datetime | None) -> None:
        """Record a timestamp of the service."""
        if timestamp is not None and timestamp > self.now():
            self._latest = (timestamp, self._monotonic())

    def wall_time(self) -> datetime:
        """Return the time of this machine."""
        return self._wall()

    def now(self) -> datetime:
        """Return the estimated time of the service."""
        wall = self._wall()
        if self._latest is None:
            return wall
        timestamp, observed_at = self._latest
        try:
            elapsed = timedelta(seconds=(self._monotonic() - observed_at) * self._time_scale)
            return max(wall, timestamp + elapsed)
        except OverflowError:
            # A timestamp in the year 9999.
            return timestamp
