"""Escaping of untrusted text for terminals, CI logs and Markdown.

A build component can write anything: escape sequences that move the cursor, line breaks that forge a line,
and ``::error::`` or ``##[…]``, which CI systems run as commands.
"""

from __future__ import annotations

import re
from typing import Final

# GitHub's runner reads lines that start with "::" after blanks, and "##[" anywhere, as commands; Azure's
# reads "##vso[".
_COMMANDS: Final = re.compile(r"^(?=\s*::)|(?<=#)(?=#\w*\[)")
_SHORT_ESCAPES: Final = {"\n": r"\n", "\r": r"\r", "\t": "  "}


def escape(text: str) -> str:
    """Return untrusted text as one line that cannot move the cursor, forge a line, or issue a command.

    Unprintable characters (control characters, bidirectional marks, line breaks) become Python escapes.
    """
    printable = "".join(char if char.isprintable() else _escape_char(char) for char in text)
    return _COMMANDS.sub(r"\\", printable)


def escape_markdown(text: str) -> str:
    """Return untrusted text as Markdown that displays it literally."""
    return "".join(char if char.isalnum() or char == " " else f"&#{ord(char)};" for char in escape(text))


def _escape_char(char: str) -> str:
    return _SHORT_ESCAPES.get(char) or char.encode("unicode_escape").decode("ascii")
