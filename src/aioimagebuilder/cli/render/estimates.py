"""Estimates as text: when an execution ends, and how long it usually takes. No I/O, and no clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from ...models.estimates import Estimate

# What has outlasted so many of the earlier builds is worth a remark.
_UNUSUALLY_LONG: Final = 0.95


def format_estimate(estimate: Estimate, now: datetime) -> str:
    """Return an estimate as in ``about 12 min left (usually 38 min)``.

    Args:
        estimate: The estimate.
        now: The time by the clock of this machine, which estimates are made with.
    """
    parts = [] if estimate.expected_end is None else [format_remaining(estimate.expected_end - now)]
    if estimate.longer_than >= _UNUSUALLY_LONG:
        # Never 100 %: the next build may take even longer.
        parts.append(f"longer than {min(int(100 * estimate.longer_than), 99)} % of its builds")
    usual = f"usually {_format_minutes(estimate.usual)}"
    return f"{', '.join(parts)} ({usual})" if parts else usual


def format_remaining(remaining: timedelta) -> str:
    """Return how long an execution still takes, as in ``about 12 min left``."""
    about = "about " if remaining >= timedelta(minutes=1) else ""
    return f"{about}{_format_minutes(remaining)} left"


def _format_minutes(duration: timedelta) -> str:
    if duration < timedelta(minutes=1):
        return "less than 1 min"
    hours, minutes = divmod(round(duration / timedelta(minutes=1)), 60)
    return f"{hours} h {minutes} min" if hours and minutes else f"{hours} h" if hours else f"{minutes} min"
