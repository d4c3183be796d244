"""Draw the pictures in the README from a build on the simulator: ``make pictures``."""

import io
import re
from datetime import UTC, datetime
from pathlib import Path

import anyio
from rich.console import Console

from aioimagebuilder import ImageBuilder
from aioimagebuilder.cli.build_state import BuildState
from aioimagebuilder.cli.render.live import RenderContext, render_live_view
from aioimagebuilder.cli.render.symbols import UNICODE
from aioimagebuilder.cli.render.timeline import create_timeline
from aioimagebuilder.cli.render.timeline_svg import render_svg
from aioimagebuilder.cli.runtime.follow import read_build_state
from aioimagebuilder.testing import Simulator

HERE = Path(__file__).parent
WIDTH, HEIGHT = 76, 40
# Simulated seconds until the live view, and from there to the timeline.
LIVE_VIEW_AT, REMAINING = 560, 3600


async def main() -> None:
    """Draw both pictures."""
    with Simulator(time_scale=0) as simulator:
        async with ImageBuilder(**simulator.client_arguments) as ib:
            arn = simulator.start_build(simulator.create_pipeline("demo"))
            simulator.advance(LIVE_VIEW_AT)
            now = datetime.fromtimestamp(simulator.now(), UTC)
            draw_live_view(await read_build_state(ib, await ib.get_image(arn)), now)
            simulator.advance(REMAINING)
            timeline = create_timeline(await read_build_state(ib, await ib.get_image(arn)), now)
    if timeline is not None:
        (HERE / "timeline.svg").write_text(render_svg(timeline), encoding="utf-8")


def draw_live_view(state: BuildState, now: datetime) -> None:
    """Draw the live view as an image of a terminal."""
    with io.StringIO() as discarded:
        console = Console(record=True, width=WIDTH, height=HEIGHT, file=discarded, force_terminal=True)
        context = RenderContext(now=now, width=WIDTH, height=HEIGHT, symbols=UNICODE)
        console.print(render_live_view([state], context))
        picture = console.export_svg(title="aioimagebuilder watch", unique_id="live-view")
    # The picture must not load fonts from the network.
    picture = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)
    (HERE / "live_view.svg").write_text(picture, encoding="utf-8")


anyio.run(main)
