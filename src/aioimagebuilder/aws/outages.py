"""Times in which no call succeeds: told of, since whoever waits would otherwise see nothing at all."""

from __future__ import annotations

import logging
import math
from typing import Final

from ..errors import OperationError

__all__ = ["Outage"]

_log: Final = logging.getLogger("aioimagebuilder")

# What passes sooner is not worth a word; what lasts is told of again.
_PATIENCE: Final = 10.0
_REMINDER: Final = 300.0


class Outage:
    """Since when no call of a client has succeeded; logged as a warning once that is long."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._told_next = math.inf
        self._was_told = False

    @property
    def is_on(self) -> bool:
        """Whether the newest call has failed in a way that may pass."""
        return self._since is not None

    def failed(self, error: OperationError, now: float) -> None:
        """Take in that a call has failed in a way that may pass."""
        if self._since is None:
            self._since = now
            self._told_next = now + _PATIENCE
        if now >= self._told_next:
            _log.warning("No call has succeeded for %.0f s: %s", now - self._since, error)
            self._told_next = now + _REMINDER
            self._was_told = True

    def answered(self, now: float) -> None:
        """Take in that the service has answered."""
        if self._was_told and self._since is not None:
            _log.warning("The service answers again, after %.0f s", now - self._since)
        self._since = None
        self._was_told = False
