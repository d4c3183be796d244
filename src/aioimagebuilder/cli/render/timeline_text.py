"""The timeline of a build as text, for a terminal of any width. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..build_state import label_of
from ..durations import format_duration
from .escaping import escape
from .symbols import Symbols
from .timeline import (
    TO_COME,
    Row,
    Timeline,
    axis_ticks,
    format_expectation,
    format_tick,
    longest_durations,
)

_DURATION_WIDTH: Final = 9
_MIN_BAR_WIDTH: Final = 10
_MIN_NAME_WIDTH: Final = 8
_MAX_NAME_WIDTH: Final = 34


def render_text(timeline: Timeline, width: int, symbols: Symbols) -> Iterator[str]:
    """Return the chart as lines of at most `width` columns, unless names and bars need more.

    Args:
        timeline: the timeline.
        width: the number of columns available.
        symbols: the symbols to use.
    """
    state = timeline.state
    start = timeline.begin.strftime("%Y-%m-%d %H:%M:%S UTC")
    yield f"{escape(label_of(state.execution))}  {escape(str(state.execution.status))}"
    yield f"{format_duration(timeline.seconds)} since {start}{format_expectation(timeline)}"
    yield ""
    longest_name = max((len(_name(row)) for row in timeline.rows), default=0)
    if timeline.expected_seconds is not None:
        longest_name = max(longest_name, len(TO_COME))
    available = width - _DURATION_WIDTH - 4
    name_width = max(_MIN_NAME_WIDTH, min(longest_name, _MAX_NAME_WIDTH, available - _MIN_BAR_WIDTH))
    bar_width = max(_MIN_BAR_WIDTH, available - name_width)
    yield f"{'':{name_width + 2}}  {_axis(timeline, bar_width)}".rstrip()
    for row in timeline.rows:
        symbol = symbols.of(row.execution)
        name = _truncate(_name(row), name_width, symbols.ellipsis)
        bar = _bar(row.start, row.end, timeline.width, bar_width, symbols.bar)
        duration = f"{format_duration(row.seconds):>{_DURATION_WIDTH - 1}}"
        yield f"{symbol} {name:{name_width}} {bar:{bar_width}} {duration}"
    if (expected := timeline.expected_seconds) is not None:
        bar = _bar(timeline.seconds, expected, timeline.width, bar_width, symbols.light_bar)
        duration = f"{format_duration(expected - timeline.seconds):>{_DURATION_WIDTH - 1}}"
        yield f"{symbols.pending} {TO_COME:{name_width}} {bar:{bar_width}} {duration}"
    yield ""
    yield from (f"{name}  {duration}" for name, duration in longest_durations(timeline))


def _name(row: Row) -> str:
    return f"{'  ' if row.is_step else ''}{escape(row.name)}"


def _truncate(name: str, width: int, ellipsis: str) -> str:
    return name if len(name) <= width else f"{name[: width - len(ellipsis)]}{ellipsis}"


def _bar(start: float, end: float, total: float, width: int, symbol: str) -> str:
    per_second = width / total if total else 0
    first = min(int(start * per_second), width - 1)
    # Even the shortest step is visible.
    last = max(first + 1, min(round(end * per_second), width))
    return " " * first + symbol * (last - first)


def _axis(timeline: Timeline, width: int) -> str:
    line = ""
    for tick in axis_ticks(timeline.width, max(2, width // 9)):
        column = int(tick * width / timeline.width) if timeline.width else 0
        label = format_tick(tick)
        if column >= len(line) and column + len(label) <= width:
            line = f"{line:{column}}{label} "
    return line.rstrip()
