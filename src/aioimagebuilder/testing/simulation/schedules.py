"""Schedule expressions of pipelines, ``cron(…)`` and ``rate(…)``.

The fields of cron are those of the user guide (Use cron expressions in Image Builder): minute, hour, day,
month, day of the week from 1 = Sunday, and year, with ``?`` for exactly one of the days. The examples of AWS
CLI have the five fields of Unix, which the service has refused since 2021 and the simulator accepts.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, CroniterError, croniter

_RATE = re.compile(r"rate\((?:(1) (minute|hour|day)|((?!1 )[1-9][0-9]{0,5}) (minute|hour|day)s)\)")
_PERIODS = {"minute": 60, "hour": 3600, "day": 86400}
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMES = "|".join(
    (*_DAYS, "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
)
_UNIX = re.compile(rf"[0-9*/,-]+ [0-9*/,-]+ [0-9*/,-]+( ([0-9*/,-]|{_NAMES})+){{2}}")
_AWS = re.compile(
    rf"[0-9*/,-]+ [0-9*/,-]+ (\?|LW?|[0-9]+W|[0-9*/,-]+) ([0-9*/,-]|{_NAMES})+ "
    rf"(\?|L|([1-7*,#/-]|{_NAMES})+L?) ([*/,-]|19[7-9][0-9]|2[01][0-9]{{2}}|(?<=/)[0-9]+)+",
    re.IGNORECASE,
)


class Schedule:
    """The times of a schedule expression.

    Args:
        expression: The expression.
        timezone: Name of the time zone of cron.

    Raises:
        ValueError: The expression is invalid.
        LookupError: There is no such time zone.
    """

    def __init__(self, expression: str, timezone: str = "UTC") -> None:
        self._zone = _find_zone(timezone)
        rate = _RATE.fullmatch(expression)
        self._period = int(rate[1] or rate[3]) * _PERIODS[rate[2] or rate[4]] if rate else None
        if rate is None:
            self._cron = _translate(expression)
            try:
                croniter(self._cron)
            except CroniterError as error:
                raise ValueError("a value is malformed or out of range") from error

    def next_after(self, at: float) -> float:
        """Return the next time after a time; infinite if there is none."""
        if self._period is not None:
            return at + self._period
        try:
            return float(croniter(self._cron, datetime.fromtimestamp(at, self._zone)).get_next(float))
        except CroniterBadDateError:
            return math.inf


def _find_zone(name: str) -> tzinfo:
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ValueError, OSError) as error:
        raise LookupError(name) from error


def _translate(expression: str) -> str:
    """Return an expression as croniter takes it: seconds before the year, and Sunday as day 0."""
    text = expression.removeprefix("cron(").removesuffix(")")
    if text == expression or not (_AWS.fullmatch(text) or _UNIX.fullmatch(text.lower())):
        raise ValueError("neither cron(…) with six valid fields nor rate(…) such as rate(2 days)")
    minute, hour, day, month, weekday, *years = text.lower().split()
    if not years:
        return text
    if (day == "?") == (weekday == "?"):
        raise ValueError("exactly one of the day of the month and the day of the week must be '?'")
    for number, name in enumerate(_DAYS, 1):
        weekday = weekday.replace(name, str(number))
    weekday = re.sub("(?<![#/])[1-7]", lambda match: str(int(match[0]) - 1), weekday)
    weekday = re.sub("^([0-6])l$", r"l\1", weekday).replace("?", "*")
    days = {"?": "*", "lw": "31w"}
    # croniter ends with the year 2099, and knows the last day of the week only by its number.
    year = re.sub("21[0-9]{2}", "2099", years[0])
    return f"{minute} {hour} {days.get(day, day)} {month} {'6' if weekday == 'l' else weekday} 0 {year}"
