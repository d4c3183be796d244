"""Draw the pictures in the README from a build on the simulator: ``make pictures``."""

import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
from rich.console import Console

from aioimagebuilder import Image, ImageBuilder
from aioimagebuilder.cli.build_state import BuildState
from aioimagebuilder.cli.render.live import RenderContext, render_live_view
from aioimagebuilder.cli.render.symbols import UNICODE
from aioimagebuilder.cli.render.timeline import create_timeline
from aioimagebuilder.cli.render.timeline_svg import render_svg
from aioimagebuilder.cli.runtime.follow import read_build_state
from aioimagebuilder.testing import Simulator

HERE = Path(__file__).parent
WIDTH, HEIGHT = 76, 40
# Builds of the pipeline that have ended, from which the end of this one is estimated.
EARLIER_BUILDS = 3
# Simulated seconds until the live view, and from there to the timeline.
LIVE_VIEW_AT, REMAINING = 420, 3600


async def main() -> None:
    """Draw both pictures."""
    with Simulator(time_scale=0) as simulator:
        async with ImageBuilder(**simulator.client_arguments) as ib:
            pipeline = simulator.create_pipeline("demo")
            for _ in range(EARLIER_BUILDS):
                simulator.start_build(pipeline)
                simulator.advance(REMAINING)
            arn = simulator.start_build(pipeline)
            simulator.advance(LIVE_VIEW_AT)
            now = datetime.fromtimestamp(simulator.now(), UTC)
            draw_live_view(await read_build_state(ib, await read_estimate(ib, arn)), now)
            simulator.advance(REMAINING)
            timeline = create_timeline(await read_build_state(ib, await ib.get_image(arn)), now)
    if timeline is not None:
        (HERE / "timeline.svg").write_text(render_svg(timeline), encoding="utf-8")


async def read_estimate(ib: ImageBuilder, arn: str) -> Image:
    """Return the image with an estimate of its end."""
    async with ib.watch(arn, timeout=60, estimate=True) as watch:
        async for image in watch:
            if image.progress.estimate is not None:
                break
    return image


def draw_live_view(state: BuildState, now: datetime) -> None:
    """Draw the live view as an image of a terminal."""
    with io.StringIO() as discarded:
        console = Console(record=True, width=WIDTH, height=HEIGHT, file=discarded, force_terminal=True)
        # The simulator's clock was advanced, so by that of this machine the build has just started.
        wall_time = datetime.now(UTC) + timedelta(seconds=LIVE_VIEW_AT)
        context = RenderContext(now=now, wall_time=wall_time, width=WIDTH, height=HEIGHT, symbols=UNICODE)
        console.print(render_live_view([state], context))
        picture = console.export_svg(title="aioimagebuilder watch", unique_id="live-view")
    # The picture must not load fonts from the network.
    picture = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)
    (HERE / "live_view.svg").write_text(picture, encoding="utf-8")


anyio.run(main)
