"""Draw the pictures of the README, by the command line's own rooms, of a build on the simulator.

make pictures
"""

import io
import re
from datetime import UTC, datetime
from pathlib import Path

import anyio
from rich.console import Console

from aioimagebuilder import ImageBuilder
from aioimagebuilder.cli.build_state import BuildState
from aioimagebuilder.cli.render.live import Look, live_view
from aioimagebuilder.cli.render.symbols import UNICODE
from aioimagebuilder.cli.render.timeline import timeline_of
from aioimagebuilder.cli.render.timeline_svg import timeline_svg
from aioimagebuilder.cli.runtime.follow import state_of
from aioimagebuilder.testing import Simulator

HERE = Path(__file__).parent
WIDTH, HEIGHT = 76, 40
MIDDLE, END = 560, 3600


async def main() -> None:
    """Draw both."""
    with Simulator(time_scale=0) as simulator:
        async with ImageBuilder(**simulator.client_arguments) as ib:
            arn = simulator.start_build(simulator.create_pipeline("demo"))
            simulator.advance(MIDDLE)
            now = datetime.fromtimestamp(simulator.now(), UTC)
            draw_live_view(await state_of(ib, await ib.get_image(arn)), now)
            simulator.advance(END)
            timeline = timeline_of(await state_of(ib, await ib.get_image(arn)), now)
    if timeline is not None:
        (HERE / "timeline.svg").write_text(timeline_svg(timeline), encoding="utf-8")


def draw_live_view(state: BuildState, now: datetime) -> None:
    """Draw what stands on a terminal."""
    with io.StringIO() as nowhere:
        console = Console(record=True, width=WIDTH, height=HEIGHT, file=nowhere, force_terminal=True)
        console.print(live_view([state], Look(now=now, width=WIDTH, height=HEIGHT, symbols=UNICODE)))
        picture = console.export_svg(title="aioimagebuilder watch", unique_id="live-view")
    # A picture fetches nothing: the fonts of this machine do.
    picture = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)
    (HERE / "live_view.svg").write_text(picture, encoding="utf-8")


anyio.run(main)
