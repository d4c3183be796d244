"""Sanitizing of untrusted texts: messages, facts, log lines.

The user guide asks to treat error texts as untrusted input. So every text in a diagnosis is printable, on one
line, truncated and redacted.
"""

from __future__ import annotations

import re
from typing import Final

from ..models.redaction import redact

# The service's own reasons have up to 1024 characters.
MAXIMUM_TEXT: Final = 1024
MAXIMUM_LINE: Final = 400
# The length of a list in a diagnosis, such as regions or AMIs.
MAXIMUM_ITEMS: Final = 20

_WHITESPACE: Final = re.compile(r"[\t\n\v\f\r \x85\u2028\u2029]+")


def clean(text: str | None, maximum: int = MAXIMUM_TEXT) -> str | None:
    """Return `text` as one printable line of at most `maximum` characters; ``None`` if it is empty."""
    if text is None:
        return None
    # Escaping only lengthens the text, so it can be truncated first.
    spaced = redact(_WHITESPACE.sub(" ", text[: maximum + 1]).strip())
    shown = "".join(char if char.isprintable() else _escaped(char) for char in spaced)
    return (shown if len(shown) <= maximum else f"{shown[: maximum - 1]}…") or None


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
