"""``build``: starts a build of a pipeline, or joins one, and waits for the image."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import anyio

from ...client import ImageBuilder
from ...errors import ImageBuilderError
from ...models.identifiers import ResourceKind
from ..exit_codes import ExitCode
from ..options import Connection, Display, WaitOptions
from ..render.escaping import escape
from ..render.messages import message_of
from ..runtime.connect import connect, find_pipeline_arn, parse_identifier_or_name
from ..runtime.run import Invocation, run
from ..runtime.wait import (
    WaitResult,
    check_options,
    deadline_of,
    finish_build,
    set_step_outputs,
    wait_for_result,
    with_deadline,
)

# CloudWatch Logs delivers the last lines some seconds after the build has ended.
_LOG_GRACE_PERIOD = 20.0


def build(
    *,
    pipeline: str,
    client_token: str | None,
    logs: bool,
    options: WaitOptions,
    connection: Connection,
    display: Display,
) -> ExitCode:
    """Build an image and return the exit code."""
    pipeline = parse_identifier_or_name(pipeline, ResourceKind.IMAGE_PIPELINE)
    check_options(options)
    body = partial(_build, pipeline, client_token, options, connection, logs=logs)
    return run(partial(_report_errors, body, pipeline), display, options)


async def _report_errors(
    body: Callable[[Invocation], Awaitable[ExitCode]], pipeline: str, invocation: Invocation
) -> ExitCode:
    try:
        return await body(invocation)
    except ImageBuilderError as error:
        return finish_build(invocation, WaitResult.of_error(pipeline, error))


async def _build(
    pipeline: str,
    client_token: str | None,
    options: WaitOptions,
    connection: Connection,
    invocation: Invocation,
    *,
    logs: bool,
) -> ExitCode:
    deadline = deadline_of(options)
    arn = await find_pipeline_arn(connection, pipeline, deadline)
    async with connect(connection, [arn], options=options) as ib:
        invocation.interruption_note = f"A build may have been started: aioimagebuilder watch {arn} shows it."
        operations = ib._until(deadline)  # noqa: SLF001 - the command starts and waits in separate steps
        image = await operations.start_image_pipeline_execution(arn, client_token=client_token)
        options = with_deadline(options, deadline)
        invocation.begin_wait([image], f"Building {image}")
        invocation.reporter.print_progress(f"Building {escape(image)}")
        set_step_outputs(invocation, {"image-arn": image})
        invocation.output.emit("started", {"id": image, "pipeline": arn})
        async with anyio.create_task_group() as tasks:
            if logs:
                tasks.start_soon(_show_log, ib, image, options, invocation)
            result = await wait_for_result(invocation, ib, image, options)
            tasks.cancel_scope.deadline = anyio.current_time() + _LOG_GRACE_PERIOD
    return finish_build(invocation, result)


async def _show_log(ib: ImageBuilder, image: str, options: WaitOptions, invocation: Invocation) -> None:
    try:
        async for line in ib.logs(
            image, follow=True, min_delay=options.min_delay, max_delay=options.max_delay or 30
        ):
            invocation.reporter.print_progress(f"| {escape(line.message)}")
    except ImageBuilderError as error:
        invocation.reporter.print_progress(f"The log is unavailable: {escape(message_of(error))}")
