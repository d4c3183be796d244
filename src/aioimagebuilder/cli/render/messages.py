"""Messages of the library in the terms of the command line: its commands and options."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from ...errors import ExecutionFailedError

_TERMS: Final[Sequence[tuple[str, str | Callable[[re.Match[str]], str]]]] = (
    (r'\bresume\("([^"]*)"\)', r"aioimagebuilder approve \1"),
    (r'\bstop\("([^"]*)", reason=[^)]*\)', r"aioimagebuilder reject \1 --reason TEXT"),
    (r"\bstart_image_pipeline_execution\(\)", "aioimagebuilder build"),
    (r"\bretry_image\(\)", "aioimagebuilder retry"),
    (r"\blist_([a-z_]+)\(\)", lambda match: f"aws imagebuilder list-{match[1].replace('_', '-')}"),
    (r"\bregion_name=", "--region"),
    (r"\bprofile_name=(?: or session=)?", "--profile"),
    (r"\b(min|max)_delay=", r"--\1-delay "),
    (r"\b(min|max)_delay\b", r"--\1-delay"),
    (r"\bendpoint_url\b", "--endpoint-url"),
    (r"\bclient_token\b", "--client-token"),
)


def translate_message(message: str) -> str:
    """Return a message of the library with Python calls and arguments replaced. Untrusted text."""
    for pattern, replacement in _TERMS:
        message = re.sub(pattern, replacement, message)
    return message


def message_of(error: Exception) -> str:
    """Return the message of an error in the terms of the command line. Untrusted text."""
    # The message of a failed execution quotes the service, whose words stay as they are.
    return str(error) if isinstance(error, ExecutionFailedError) else translate_message(str(error))
