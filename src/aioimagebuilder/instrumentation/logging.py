"""The library's own logging: a hook that writes events to the logger ``aioimagebuilder``."""

from __future__ import annotations

import logging
from typing import Final

from .events import Event, Notice, OutageBegan, OutageEnded, PollFinished, StateChanged

logger: Final = logging.getLogger("aioimagebuilder")

_MAXIMUM_UNKNOWN_STATUSES: Final = 100


class LoggingHook:
    """Logs what concerns an operator. An unknown status is logged once."""

    def __init__(self) -> None:
        self._unknown_statuses: set[str] = set()

    def __call__(self, event: Event) -> None:
        """Log the event, if it is one of those that are logged."""
        match event:
            case Notice():
                logger.log(event.level, "%s", event.text, exc_info=event.error)
            case PollFinished() if event.retry_in is not None:
                logger.info("%s Retrying in %.1f s.", event.error, event.retry_in)
            case StateChanged() if not event.is_known:
                self._warn_of_unknown_status(event)
            case OutageBegan():
                logger.warning("No call has succeeded for %.0f s: %s", event.duration, event.error)
            case OutageEnded():
                logger.warning("The service responds again after %.0f s", event.duration)

    def _warn_of_unknown_status(self, event: StateChanged) -> None:
        # The service decides what it sends: neither the log nor memory is to be filled with it.
        known = self._unknown_statuses
        if event.status not in known and len(known) < _MAXIMUM_UNKNOWN_STATUSES:
            known.add(event.status)
            what = f"{event.kind.capitalize()} {event.id}"
            logger.warning(
                "%s has the unknown status %r, which is treated as not terminal", what, event.status
            )
