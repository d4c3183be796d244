"""``demo``: a build on the embedded simulator, over the real wire, watched to its end."""

from __future__ import annotations

from functools import partial
from typing import Final

from ...client import ImageBuilder
from ...testing import Simulator
from ..exit_codes import ExitCode
from ..options import Display, Waiting
from ..runtime.run import Invocation, run
from ..runtime.wait import await_ending, conclude, tell

__all__ = ["demo"]

_DELAY: Final = 0.2
_TIMEOUT: Final = 600.0


def demo(*, time_scale: float, display: Display) -> ExitCode:
    """Run the demonstration, and get the exit code: 0 when the image is AVAILABLE."""
    waiting = Waiting(
        timeout=_TIMEOUT,
        min_delay=_DELAY,
        max_delay=2 * _DELAY,
        time_scale=time_scale,
    )
    return run(partial(_demonstrate, waiting), display, waiting)


async def _demonstrate(waiting: Waiting, invocation: Invocation) -> ExitCode:
    with Simulator(time_scale=waiting.time_scale) as simulator:
        minute = 60 / waiting.time_scale
        invocation.reporter.note(
            f"EC2 Image Builder, simulated at {simulator.endpoint_url}; a minute takes {minute:.3g} s"
        )
        async with ImageBuilder(
            **simulator.client_arguments, min_delay=waiting.min_delay, max_delay=waiting.max_delay
        ) as ib:
            arn = await ib.start_image_pipeline_execution(simulator.create_pipeline("demo"))
            ending = await await_ending(invocation, ib, arn, waiting)
    tell(invocation, ending, ending.line)
    return conclude(invocation, [ending])
