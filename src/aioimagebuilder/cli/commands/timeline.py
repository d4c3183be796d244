"""``timeline``: shows how long each workflow and step of a build took."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import click

from ...client import ImageBuilder
from ...errors import ImageBuilderError
from ...models.estimates import Estimate
from ...models.kinds import ExecutionKind
from ..exit_codes import ExitCode
from ..options import Connection, Display, WaitOptions
from ..render.escaping import escape
from ..render.results import execution_members
from ..render.symbols import symbols_for
from ..render.timeline import Timeline, create_timeline
from ..render.timeline_svg import render_html, render_svg
from ..render.timeline_text import render_text
from ..runtime.connect import connect, parse_identifiers
from ..runtime.follow import read_build_state
from ..runtime.run import Invocation, run

_FORMATS: Final = ("text", "json")
# Too few builds are known of most pipelines whose estimate takes longer.
_ESTIMATE_TIMEOUT: Final = 3.0


def timeline(*, image: str, connection: Connection, display: Display, options: WaitOptions) -> ExitCode:
    """Show the chart, or write it to a file, and return the exit code."""
    (image,) = parse_identifiers([image], ExecutionKind.IMAGE)
    if display.output not in _FORMATS and not Path(display.output).absolute().parent.is_dir():
        raise click.UsageError(f"Cannot write {display.output}: No such file or directory.")
    return run(partial(_show_timeline, image, connection, display.output, options), display)


async def _show_timeline(
    image: str, connection: Connection, output: str, options: WaitOptions, invocation: Invocation
) -> ExitCode:
    async with connect(connection, [image], options=options) as ib:
        state = await read_build_state(ib, await ib.get_image(image), include_retried=True)
        is_estimated = options.has_real_time and not state.execution.is_terminal
        estimate = await _read_estimate(ib, image) if is_estimated else None
    now = datetime.now(UTC)
    end = None if estimate is None else estimate.expected_end
    chart = create_timeline(state, max(now, state.latest_time or now), None if end is None else end - now)
    if chart is None:
        raise click.UsageError(f"The service reports no times for {image}.")
    if output in _FORMATS:
        width = shutil.get_terminal_size((100, 24)).columns
        lines = render_text(chart, width, symbols_for(sys.stdout.encoding))
        invocation.output.emit("timeline", _members(chart), *lines)
    else:
        try:
            _write_file(Path(output), chart)
        except OSError as error:
            invocation.print_error([f"{escape(output)} could not be written: {error.strerror}."])
            return ExitCode.NOT_WRITTEN
        invocation.output.emit("timeline", {}, escape(output))
    return ExitCode.SUCCEEDED


async def _read_estimate(ib: ImageBuilder, image: str) -> Estimate | None:
    """Return when the build can be expected to end; ``None`` if that is not known in time."""
    with anyio.move_on_after(_ESTIMATE_TIMEOUT):
        try:
            async with ib.watch(image, estimate=True) as watch:
                async for each in watch:
                    if each.is_terminal or each.progress.estimate is not None:
                        return each.progress.estimate
        except ImageBuilderError:
            pass
    return None


def _write_file(path: Path, chart: Timeline) -> None:
    render = render_svg if path.suffix.lower() == ".svg" else render_html
    path.write_text(render(chart), encoding="utf-8")


def _members(chart: Timeline) -> dict[str, object]:
    return {
        **execution_members(chart.state.execution),
        "begin": chart.begin.isoformat(),
        "seconds": chart.seconds,
        "expected_seconds": chart.expected_seconds,
        "seconds_between_steps": round(chart.seconds_between_steps, 3),
        "rows": [
            {
                **execution_members(row.execution),
                "name": row.name,
                "start": row.start,
                "end": row.end,
                "is_replaced": row.is_replaced,
            }
            for row in chart.rows
        ],
    }
