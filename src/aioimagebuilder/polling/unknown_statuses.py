"""Statuses that nobody knows, each told of once."""

from __future__ import annotations

import logging
from typing import Final

from ..models.executions import Execution
from ..models.redaction import one_line

__all__ = ["UnknownStatuses"]

_log: Final = logging.getLogger("aioimagebuilder")
_MAXIMUM: Final = 100


class UnknownStatuses:
    """The statuses, newer than this library, that a client has met."""

    def __init__(self) -> None:
        self._met: set[str] = set()

    def warn_of(self, execution: Execution) -> None:
        """Log that the status of `execution` is not known, unless that is known already."""
        if execution.status is None or execution.status.is_known:
            return
        # Untrusted, and of any length: neither the log nor this client's memory is to be filled with it.
        word = one_line(execution.status)
        if word not in self._met and len(self._met) < _MAXIMUM:
            self._met.add(word)
            _log.warning(
                "%s %s has the status %r, which this library does not know: taken as running",
                execution.kind.value,
                one_line(execution.id),
                word,
            )
