"""The Gantt chart of a build as a picture: SVG, or a page of HTML around it. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from ...models.executions import Execution
from ...models.statuses import Outcome
from ..build_state import label_of
from ..durations import shown_duration
from .escaping import escaped
from .timeline import Row, Timeline, mark_of, shares, ticks_of

__all__ = ["timeline_html", "timeline_svg"]

_WIDTH: Final = 960
_NAMES: Final = 260
_TIMES: Final = 90
_BARS: Final = _WIDTH - _NAMES - _TIMES
_TOP: Final = 84
_LINE: Final = 24
_TICKS: Final = 9
_LONGEST_NAME: Final = 36

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


def timeline_svg(timeline: Timeline) -> str:
    """Get the chart as an SVG document, which stands alone and shows everything as it was told."""
    height = _TOP + _LINE * len(timeline.rows) + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{_text(label_of(timeline.state.execution))}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{_WIDTH}" height="{height}"/>',
        *_head(timeline),
        *_grid(timeline, height),
    ]
    for number, row in enumerate(timeline.rows):
        parts += _row(row, _TOP + _LINE * number, timeline.seconds)
    return "\n".join([*parts, "</svg>", ""])


def timeline_html(timeline: Timeline) -> str:
    """Get a page of HTML with the chart, and what took longest."""
    title = _text(label_of(timeline.state.execution))
    longest = "".join(f"<tr><td>{_text(name)}</td><td>{share}</td></tr>" for name, share in shares(timeline))
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{title}</title>\n'
        "<style>body { font: 14px system-ui, sans-serif; margin: 2rem } td { padding-right: 2rem }</style>\n"
        f"{timeline_svg(timeline)}<table>{longest}</table>\n</html>\n"
    )


def _head(timeline: Timeline) -> Iterator[str]:
    execution = timeline.state.execution
    began = timeline.begin.strftime("%Y-%m-%d %H:%M:%S UTC")
    about = f"{execution.status}, {shown_duration(timeline.seconds)} since {began}"
    yield f'<text class="title" x="16" y="30">{_text(label_of(execution))}</text>'
    yield f'<text class="dim" x="16" y="52">{_text(about)}</text>'


def _grid(timeline: Timeline, height: int) -> Iterator[str]:
    for tick in ticks_of(timeline.seconds, _TICKS):
        x, mark = _x(tick, timeline.seconds), mark_of(tick)
        yield f'<line x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{height - 12}"/>'
        yield f'<text class="dim" x="{x:.1f}" y="{_TOP - 12}" text-anchor="middle">{mark}</text>'


def _row(row: Row, y: int, whole: float) -> Iterator[str]:
    x, end = _x(row.start, whole), _x(row.end, whole)
    width = max(2.0, end - x)
    kind, indent, bar = ("step", 32, 12) if row.is_step else ("workflow", 16, 16)
    name = row.name if len(row.name) <= _LONGEST_NAME else f"{row.name[: _LONGEST_NAME - 1]}…"
    told = f"{row.name}: {row.execution.status}, {shown_duration(row.seconds)}"
    if row.execution.reason:
        told = f"{told}. {row.execution.reason}"
    yield "<g>"
    yield f"<title>{_text(told)}</title>"
    yield f'<text class="{kind}" x="{indent}" y="{y + 17}">{_text(name)}</text>'
    yield (
        f'<rect x="{x:.1f}" y="{y + (_LINE - bar) / 2:.0f}" width="{width:.1f}" height="{bar}" rx="3" '
        f'fill="{_COLORS[row.execution.outcome]}" fill-opacity="{_opacity(row.execution, row.is_step)}"/>'
    )
    took = shown_duration(row.seconds)
    yield f'<text class="dim" x="{_WIDTH - 16}" y="{y + 17}" text-anchor="end">{took}</text>'
    yield "</g>"


def _opacity(execution: Execution, is_step: bool) -> float:
    return 1.0 if is_step or execution.outcome is Outcome.FAILED else 0.45


def _x(seconds: float, whole: float) -> float:
    return _NAMES + (_BARS * seconds / whole if whole else 0)


def _text(text: str) -> str:
    """Get untrusted text for a document: no control characters, which XML forbids, and no markup."""
    return escape(escaped(text))
