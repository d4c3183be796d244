"""What the service and a build wrote, shown so that it is only read: on terminals, in CI logs, in Markdown.

A component of a build writes what it likes: escape sequences that move the cursor, line ends that forge a
line, ``::error::`` and ``##[…]``, which CI systems take for commands. Nothing of the kind leaves this module.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["escaped", "escaped_in_markdown"]

# GitHub's runner takes a line for a command that begins with "::" after blanks, and "##[" anywhere in it;
# Azure's takes "##vso[".
_COMMANDS: Final = re.compile(r"^(?=\s*::)|(?<=#)(?=#\w*\[)")
_NAMED: Final = {"\n": r"\n", "\r": r"\r", "\t": "  "}


def escaped(text: str) -> str:
    """Get untrusted `text` as one line that can neither move the cursor, forge a line, nor issue a command.

    What is not printable (control characters, bidirectional marks, line ends) is shown as Python writes it.
    """
    shown = "".join(char if char.isprintable() else _escape(char) for char in text)
    return _COMMANDS.sub(r"\\", shown)


def escaped_in_markdown(text: str) -> str:
    """Get untrusted `text` as Markdown that shows it, and does nothing else."""
    return "".join(char if char.isalnum() or char == " " else f"&#{ord(char)};" for char in escaped(text))


def _escape(char: str) -> str:
    return _NAMED.get(char) or char.encode("unicode_escape").decode("ascii")
