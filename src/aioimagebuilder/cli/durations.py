"""Parsing and formatting of durations: ``90m``, ``1h30m``, ``45``; ``2m05s``."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST_DAYS: Final = 10_000
_PART: Final = r"(\d+(?:\.\d+)?)(ms|s|m|h|d)"


def parse_duration(text: str) -> float:
    """Parse a number of seconds, or numbers with units such as ``1h30m``, into seconds.

    Raises:
        ValueError: the duration is invalid or too long.
    """
    compact = text.strip().lower()
    if re.fullmatch(r"\d+(?:\.\d+)?", compact):
        compact = f"{compact}s"
    if not re.fullmatch(f"(?:{_PART})+", compact):
        raise ValueError(f"{text!r} is not a duration. Use 90m, 2h, 1h30m, or a number of seconds.")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, compact))
    if seconds > _LONGEST_DAYS * _UNITS["d"]:
        raise ValueError(f"The duration is longer than {_LONGEST_DAYS} days.")
    return seconds


def format_duration(seconds: float) -> str:
    """Format whole seconds as ``42s``, ``3m05s`` or ``1h02m05s``."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02}m{rest:02}s"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"
