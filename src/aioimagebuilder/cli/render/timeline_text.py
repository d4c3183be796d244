"""The Gantt chart of a build as lines of text, for a terminal of any width. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..build_state import label_of
from ..durations import shown_duration
from .escaping import escaped
from .symbols import Symbols
from .timeline import Row, Timeline, mark_of, shares, ticks_of

__all__ = ["timeline_lines"]

_TIME: Final = 9
_LEAST_BARS: Final = 10
_MOST_NAME: Final = 34


def timeline_lines(timeline: Timeline, width: int, symbols: Symbols) -> Iterator[str]:
    """Get the chart as lines no longer than `width`, where that is at all possible.

    Args:
        timeline: the chart.
        width: columns to use.
        symbols: the signs that can be shown.
    """
    state = timeline.state
    began = timeline.begin.strftime("%Y-%m-%d %H:%M:%S UTC")
    yield f"{escaped(label_of(state.execution))}  {escaped(str(state.execution.status))}"
    yield f"{shown_duration(timeline.seconds)} since {began}"
    yield ""
    names = max((len(_name(row)) for row in timeline.rows), default=0)
    names = max(8, min(names, _MOST_NAME, width - _TIME - 4 - _LEAST_BARS))
    bars = max(_LEAST_BARS, width - names - _TIME - 4)
    yield f"{'':{names + 2}}  {_axis(timeline, bars)}".rstrip()
    for row in timeline.rows:
        sign = symbols.of(row.execution, waits=False)
        name = _cut(_name(row), names, symbols.ellipsis)
        bar = _bar(row, timeline.seconds, bars, symbols.bar)
        yield f"{sign} {name:{names}} {bar:{bars}} {shown_duration(row.seconds):>{_TIME - 1}}"
    yield ""
    yield from (f"{name}  {share}" for name, share in shares(timeline))


def _name(row: Row) -> str:
    return f"{'  ' if row.is_step else ''}{escaped(row.name)}"


def _cut(name: str, width: int, ellipsis: str) -> str:
    return name if len(name) <= width else f"{name[: width - len(ellipsis)]}{ellipsis}"


def _bar(row: Row, whole: float, width: int, sign: str) -> str:
    per_second = width / whole if whole else 0
    first = min(int(row.start * per_second), width - 1)
    # What ran at all is seen.
    last = max(first + 1, min(round(row.end * per_second), width))
    return " " * first + sign * (last - first)


def _axis(timeline: Timeline, width: int) -> str:
    line = ""
    for tick in ticks_of(timeline.seconds, max(2, width // 9)):
        place = int(tick * width / timeline.seconds) if timeline.seconds else 0
        mark = mark_of(tick)
        if place >= len(line) and place + len(mark) <= width:
            line = f"{line:{place}}{mark} "
    return line.rstrip()
