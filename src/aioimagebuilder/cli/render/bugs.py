"""Unexpected exceptions: one line that says that it is a bug, and a traceback on request."""

from __future__ import annotations

import os
import traceback
from importlib.metadata import version
from typing import Final

from ...models.redaction import one_line, redact
from .escaping import escape

_VARIABLE: Final = "AIOIMAGEBUILDER_TRACEBACK"


def first_error(error: BaseException) -> BaseException:
    """Return an exception, or the first of a group, however nested."""
    return first_error(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def describe_bug(error: BaseException) -> str:
    """Return an unexpected exception, or the first of a group, as one line. Escaped text."""
    error = first_error(error)
    return escape(one_line(": ".join(filter(None, (type(error).__name__, str(error))))))


def format_bug(error: BaseException) -> list[str]:
    """Return the lines that report an unexpected exception. Escaped text."""
    what = f"Error: Internal error of aioimagebuilder {version('aioimagebuilder')}: {describe_bug(error)}."
    if not os.environ.get(_VARIABLE):
        return [f"{what} This is a bug, please report it, with the traceback that {_VARIABLE}=1 prints."]
    lines = redact("".join(traceback.format_exception(error))).splitlines()
    return [*map(escape, lines), f"{what} This is a bug, please report it."]
