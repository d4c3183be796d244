"""The service's own clock, as far as its answers tell it: how long something has been running there.

The clock of this machine may be wrong by minutes, and that of a simulator runs fast. What is certain is that
the service is past every time that it has told.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

__all__ = ["ServiceClock"]


class ServiceClock:
    """Tells the time at the service.

    Args:
        time_scale: how many seconds pass there in one of ours; 1 but for a simulator.
        wall: this machine's own time.
        monotonic: seconds of a clock that nobody sets.
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
        self._ahead: tuple[datetime, float] | None = None

    def learn(self, told: datetime | None) -> None:
        """Take note of a time that the service has told."""
        if told is not None and told > self.now():
            self._ahead = (told, self._monotonic())

    def now(self) -> datetime:
        """Get the time at the service."""
        wall = self._wall()
        if self._ahead is None:
            return wall
        told, at = self._ahead
        return max(wall, told + timedelta(seconds=(self._monotonic() - at) * self._time_scale))
