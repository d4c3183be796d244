"""``demo``: builds an image on the embedded simulator, over HTTP, and watches it."""

from __future__ import annotations

from functools import partial
from typing import Final

from ...client import ImageBuilder
from ...testing import Simulator
from ..exit_codes import ExitCode
from ..options import Display, WaitOptions
from ..runtime.run import Invocation, run
from ..runtime.wait import emit_result, finish, wait_for_result

_MIN_DELAY: Final = 0.2
_TIMEOUT: Final = 600.0


def demo(*, time_scale: float, display: Display) -> ExitCode:
    """Run the demo and return the exit code: 0 when the image is AVAILABLE."""
    options = WaitOptions(
        timeout=_TIMEOUT, min_delay=_MIN_DELAY, max_delay=2 * _MIN_DELAY, time_scale=time_scale
    )
    return run(partial(_demo, options), display, options)


async def _demo(options: WaitOptions, invocation: Invocation) -> ExitCode:
    with Simulator(time_scale=options.time_scale) as simulator:
        minute = 60 / options.time_scale
        invocation.reporter.print_progress(
            f"Simulating EC2 Image Builder at {simulator.endpoint_url}: "
            f"one simulated minute takes {minute:.3g} s"
        )
        async with ImageBuilder(
            **simulator.client_arguments, min_delay=options.min_delay, max_delay=options.max_delay
        ) as ib:
            arn = await ib.start_image_pipeline_execution(simulator.create_pipeline("demo"))
            result = await wait_for_result(invocation, ib, arn, options)
    emit_result(invocation, result, result.line)
    return finish(invocation, [result])
