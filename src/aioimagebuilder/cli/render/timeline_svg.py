"""The timeline of a build as a picture: an SVG document, or an HTML page with one. No I/O."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Final

from ...models.executions import Execution
from ...models.statuses import Outcome
from ..build_state import label_of
from ..durations import format_duration
from .escaping import escape
from .timeline import (
    TO_COME,
    Row,
    Timeline,
    axis_ticks,
    format_expectation,
    format_tick,
    longest_durations,
)

# In pixels, except for the last two.
_WIDTH: Final = 960
_NAMES_WIDTH: Final = 260
_DURATIONS_WIDTH: Final = 90
_BARS_WIDTH: Final = _WIDTH - _NAMES_WIDTH - _DURATIONS_WIDTH
_HEADER_HEIGHT: Final = 84
_ROW_HEIGHT: Final = 24
_MAX_TICKS: Final = 9
_MAX_NAME_LENGTH: Final = 36

_COLORS: Final = {
    Outcome.SUCCEEDED: "#2da44e",
    Outcome.FAILED: "#cf222e",
    Outcome.CANCELLED: "#bf8700",
    Outcome.SKIPPED: "#8c959f",
    None: "#0969da",
}
_STYLE: Final = """\
text { font: 13px ui-sans-serif, system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 } .dim { fill: #656d76 } .workflow { font-weight: 600 }
line { stroke: #d0d7de } rect.page { fill: #ffffff }"""


def render_svg(timeline: Timeline) -> str:
    """Return the chart as a self-contained SVG document."""
    row_count = len(timeline.rows) + (timeline.expected_seconds is not None)
    height = _HEADER_HEIGHT + _ROW_HEIGHT * row_count + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{_text(label_of(timeline.state.execution))}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{_WIDTH}" height="{height}"/>',
        *_header(timeline),
        *_grid(timeline, height),
    ]
    for number, row in enumerate(timeline.rows):
        parts += _row(row, _HEADER_HEIGHT + _ROW_HEIGHT * number, timeline.width)
    parts += _row_to_come(timeline, _HEADER_HEIGHT + _ROW_HEIGHT * len(timeline.rows))
    return "\n".join([*parts, "</svg>", ""])


def render_html(timeline: Timeline) -> str:
    """Return an HTML page with the chart and a table of the longest steps."""
    title = _text(label_of(timeline.state.execution))
    durations = longest_durations(timeline)
    longest = "".join(f"<tr><td>{_text(name)}</td><td>{duration}</td></tr>" for name, duration in durations)
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{title}</title>\n'
        "<style>body { font: 14px system-ui, sans-serif; margin: 2rem } td { padding-right: 2rem }</style>\n"
        f"{render_svg(timeline)}<table>{longest}</table>\n</html>\n"
    )


def _header(timeline: Timeline) -> Iterator[str]:
    execution = timeline.state.execution
    start = timeline.begin.strftime("%Y-%m-%d %H:%M:%S UTC")
    expectation = format_expectation(timeline)
    summary = f"{execution.status}, {format_duration(timeline.seconds)} since {start}{expectation}"
    yield f'<text class="title" x="16" y="30">{_text(label_of(execution))}</text>'
    yield f'<text class="dim" x="16" y="52">{_text(summary)}</text>'


def _grid(timeline: Timeline, height: int) -> Iterator[str]:
    for tick in axis_ticks(timeline.width, _MAX_TICKS):
        x, label = _x(tick, timeline.width), format_tick(tick)
        yield f'<line x1="{x:.1f}" y1="{_HEADER_HEIGHT - 6}" x2="{x:.1f}" y2="{height - 12}"/>'
        yield f'<text class="dim" x="{x:.1f}" y="{_HEADER_HEIGHT - 12}" text-anchor="middle">{label}</text>'


def _row(row: Row, y: int, total: float) -> Iterator[str]:
    x, end = _x(row.start, total), _x(row.end, total)
    width = max(2.0, end - x)
    kind, indent, bar = ("step", 32, 12) if row.is_step else ("workflow", 16, 16)
    name = row.name if len(row.name) <= _MAX_NAME_LENGTH else f"{row.name[: _MAX_NAME_LENGTH - 1]}…"
    tooltip = f"{row.name}: {row.execution.status}, {format_duration(row.seconds)}"
    if row.execution.reason:
        tooltip = f"{tooltip}. {row.execution.reason}"
    yield "<g>"
    yield f"<title>{_text(tooltip)}</title>"
    yield f'<text class="{kind}" x="{indent}" y="{y + 17}">{_text(name)}</text>'
    yield (
        f'<rect x="{x:.1f}" y="{y + (_ROW_HEIGHT - bar) / 2:.0f}" width="{width:.1f}" height="{bar}" rx="3" '
        f'fill="{_COLORS[row.execution.outcome]}" fill-opacity="{_opacity(row.execution, row.is_step)}"/>'
    )
    duration = format_duration(row.seconds)
    yield f'<text class="dim" x="{_WIDTH - 16}" y="{y + 17}" text-anchor="end">{duration}</text>'
    yield "</g>"


def _row_to_come(timeline: Timeline, y: int) -> Iterator[str]:
    """Return the light bar from now to the expected end, if that is known."""
    if timeline.expected_seconds is None:
        return
    x, end = _x(timeline.seconds, timeline.width), _x(timeline.expected_seconds, timeline.width)
    duration = format_duration(timeline.expected_seconds - timeline.seconds)
    yield f"<g><title>{TO_COME}: about {duration}</title>"
    yield f'<text class="dim" x="16" y="{y + 17}">{TO_COME}</text>'
    yield (
        f'<rect x="{x:.1f}" y="{y + 4}" width="{max(2.0, end - x):.1f}" height="16" rx="3" '
        f'fill="{_COLORS[None]}" fill-opacity="0.12" stroke="{_COLORS[None]}" stroke-dasharray="3"/>'
    )
    yield f'<text class="dim" x="{_WIDTH - 16}" y="{y + 17}" text-anchor="end">{duration}</text></g>'


def _opacity(execution: Execution, is_step: bool) -> float:
    return 1.0 if is_step or execution.outcome is Outcome.FAILED else 0.45


def _x(seconds: float, total: float) -> float:
    return _NAMES_WIDTH + (_BARS_WIDTH * seconds / total if total else 0)


def _text(text: str) -> str:
    """Return untrusted text without markup, and without control characters, which XML forbids."""
    return html.escape(escape(text))
