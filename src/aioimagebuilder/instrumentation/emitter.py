"""How events reach the hooks of a client."""

from __future__ import annotations

import inspect
import logging
import secrets
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from ..models.redaction import one_line, redact_chain
from .events import Event, Notice, OnEvent
from .logging import LoggingHook, logger

_MAXIMUM_REPORTED: Final = 100


def parse_hooks(on_event: OnEvent | Iterable[OnEvent] | None) -> tuple[OnEvent, ...]:
    """Return the hooks in the argument `on_event` of a client.

    Raises:
        TypeError: It is neither a function, nor several, nor ``None``; or one is a coroutine function.
    """
    if on_event is None:
        return ()
    hooks = (on_event,) if callable(on_event) or not isinstance(on_event, Iterable) else tuple(on_event)
    for hook in hooks:
        _check_hook(hook)
    return hooks


def _check_hook(hook: object) -> None:
    if not callable(hook) or isinstance(hook, type):
        raise TypeError(f"on_event must be a function or several, or instances of a hook, not {hook!r}.")
    if inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(type(hook).__call__):
        raise TypeError(f"on_event is called, not awaited: {hook!r} must not be a coroutine function.")


def text_of(error: BaseException) -> str:
    """Return the text of an exception, redacted and on one line; that of a foreign one may fail itself."""
    try:
        return one_line(str(error))
    except Exception:  # noqa: BLE001 - a foreign exception
        return "(it has no text)"


def _is_redacted(error: BaseException) -> bool:
    """Redact an exception in place, and return whether it contains no secret now."""
    try:
        return redact_chain(error) is not None
    except Exception:  # noqa: BLE001 - a foreign exception, whose text fails
        return False


class Emitter:
    """Delivers events to the hooks of a client, of which the library's logging is the first.

    What a hook raises is dropped, and logged once for each type of event and of exception.

    Args:
        region: The AWS region of the client.
        hooks: The hooks of the caller.
    """

    def __init__(self, region: str = "", hooks: Iterable[OnEvent] = ()) -> None:
        self.region: Final = region
        self._log_event: Final = LoggingHook()
        self._hooks: Final = tuple(hooks)
        self._reported: set[tuple[int, type, type]] = set()
        self.has_hooks: Final = bool(self._hooks)

    def wants(self, level: int) -> bool:
        """Return whether anybody receives an event that is logged with this level: only then is it made."""
        return self.has_hooks or logger.isEnabledFor(level)

    def emit(self, event: Event) -> None:
        """Deliver an event."""
        # The handlers of the caller's logging are hooks as well, but there is nowhere to report them.
        with suppress(Exception):
            self._log_event(event)
        for hook in self._hooks:
            try:
                hook(event)
            except Exception as error:  # noqa: BLE001 - an event decides nothing
                self._report(hook, event, error)

    def notice(self, level: int, text: str, *arguments: object, error: BaseException | None = None) -> None:
        """Deliver a notice.

        Args:
            level: The level, as in the module `logging`.
            text: A template, as in the module `logging`.
            arguments: Its arguments.
            error: An exception whose traceback is of interest.
        """
        if self.wants(level):
            text = text % arguments
            if error is not None and not _is_redacted(error):
                # A traceback would show its text.
                text, error = f"{text}: {type(error).__name__}: {text_of(error)}", None
            self.emit(Notice(region=self.region, level=level, text=one_line(text), error=error))

    def new_id(self) -> str:
        """Return a unique id for a wait or poll; an empty one if nobody receives it."""
        return secrets.token_hex(8) if self.has_hooks else ""

    def _report(self, hook: OnEvent, event: Event, error: Exception) -> None:
        key = (id(hook), type(event), type(error))
        if key not in self._reported and len(self._reported) < _MAXIMUM_REPORTED:
            self._reported.add(key)
            name = type(error).__name__
            text = f"on_event raised {name}, and missed a {type(event).__name__}: {text_of(error)}"
            notice = Notice(region=self.region, level=logging.WARNING, text=text, error=None)
            with suppress(Exception):
                self._log_event(notice)
