"""``build``: starts a build of a pipeline, or joins one, and waits for the image."""

from __future__ import annotations

from functools import partial

import anyio

from ...client import ImageBuilder
from ...errors import ImageBuilderError
from ..exit_codes import ExitCode
from ..options import Connection, Display, Waiting
from ..render.escaping import escaped
from ..runtime.connect import connect, pipeline_arn
from ..runtime.resume import resuming_command
from ..runtime.run import Invocation, run
from ..runtime.wait import await_ending, conclude_build

__all__ = ["build"]

# How long the log may go on after the build has ended: it comes late, but it comes.
_LAST_LINES = 20.0


def build(
    *,
    pipeline: str,
    client_token: str | None,
    logs: bool,
    waiting: Waiting,
    connection: Connection,
    display: Display,
) -> ExitCode:
    """Build it, and get the exit code."""
    body = partial(_build, pipeline, client_token, waiting, connection, logs=logs)
    return run(body, display, waiting)


async def _build(
    pipeline: str,
    client_token: str | None,
    waiting: Waiting,
    connection: Connection,
    invocation: Invocation,
    *,
    logs: bool,
) -> ExitCode:
    arn = await pipeline_arn(connection, pipeline)
    async with connect(connection, [arn], waiting=waiting) as ib:
        image = await ib.start_image_pipeline_execution(arn, client_token=client_token)
        invocation.resume = resuming_command("wait", [image])
        invocation.begin_group(f"Building {image}")
        invocation.reporter.note(f"Building {escaped(image)}")
        invocation.output.emit("started", {"id": image, "pipeline": arn})
        async with anyio.create_task_group() as tasks:
            if logs:
                tasks.start_soon(_show_log, ib, image, waiting, invocation)
            ending = await await_ending(invocation, ib, image, waiting)
            tasks.cancel_scope.deadline = anyio.current_time() + _LAST_LINES
    return conclude_build(invocation, ending)


async def _show_log(ib: ImageBuilder, image: str, waiting: Waiting, invocation: Invocation) -> None:
    try:
        async for line in ib.logs(
            image, follow=True, min_delay=waiting.min_delay, max_delay=waiting.max_delay
        ):
            invocation.reporter.note(f"| {escaped(line.message)}")
    except ImageBuilderError as error:
        invocation.reporter.note(f"The log cannot be shown: {escaped(str(error))}")
