"""``timeline``: where the time of a build went, on the screen and as a picture."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from ...models.identifiers import ExecutionKind
from ..exit_codes import ExitCode
from ..options import Connection, Display
from ..render.escaping import escaped
from ..render.results import state_members
from ..render.symbols import symbols_for
from ..render.timeline import Timeline, timeline_of
from ..render.timeline_svg import timeline_html, timeline_svg
from ..render.timeline_text import timeline_lines
from ..runtime.connect import connect, identify
from ..runtime.follow import state_of
from ..runtime.run import Invocation, run

__all__ = ["timeline"]


def timeline(*, image: str, connection: Connection, display: Display) -> ExitCode:
    """Show the chart, or write it to a file, and get the exit code."""
    (image,) = identify([image], ExecutionKind.IMAGE)
    return run(partial(_chart, image, connection, display.output), display)


async def _chart(image: str, connection: Connection, output: str, invocation: Invocation) -> ExitCode:
    async with connect(connection, [image]) as ib:
        state = await state_of(ib, await ib.get_image(image))
    chart = timeline_of(state, max(datetime.now(UTC), state.newest_time or datetime.now(UTC)))
    if chart is None:
        raise click.UsageError(f"The service tells no times of {image}.")
    if output in {"text", "json"}:
        width = shutil.get_terminal_size((100, 24)).columns
        lines = timeline_lines(chart, width, symbols_for(sys.stdout.encoding))
        invocation.output.emit("timeline", _members(chart), *lines)
    else:
        _write(Path(output), chart)
        invocation.output.emit("timeline", {}, escaped(output))
    return ExitCode.SUCCEEDED


def _write(path: Path, chart: Timeline) -> None:
    draw = timeline_svg if path.suffix.lower() == ".svg" else timeline_html
    try:
        path.write_text(draw(chart), encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"Cannot write {path}: {error.strerror}") from None


def _members(chart: Timeline) -> dict[str, object]:
    return {
        **state_members(chart.state.execution),
        "begin": chart.begin.isoformat(),
        "seconds": chart.seconds,
        "seconds_between_steps": round(chart.between, 3),
        "rows": [
            {**state_members(row.execution), "name": row.name, "start": row.start, "end": row.end}
            for row in chart.rows
        ],
    }
