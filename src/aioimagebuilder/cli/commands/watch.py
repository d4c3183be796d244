"""``watch``: shows the progress of an execution until it ends, or of each new image of a pipeline."""

from __future__ import annotations

from functools import partial

import anyio

from ...client import ImageBuilder
from ...errors import ImageBuilderError
from ...models.executions import Execution
from ...models.identifiers import ResourceKind
from ...models.kinds import ExecutionKind
from ..build_state import BuildState
from ..exit_codes import ExitCode, most_severe
from ..options import Connection, Display, WaitOptions
from ..render.escaping import escape
from ..render.results import execution_members
from ..runtime.connect import connect, find_pipeline_arn, is_pipeline, parse_identifier_or_name
from ..runtime.output import Output
from ..runtime.run import Invocation, run
from ..runtime.wait import (
    WaitResult,
    announce_image,
    check_options,
    deadline_of,
    emit_result,
    finish,
    wait_for_result,
    with_deadline,
    write_summary,
)


def watch(*, identifier: str, options: WaitOptions, connection: Connection, display: Display) -> ExitCode:
    """Show the progress of an execution, or of the images of a pipeline; return the exit code."""
    kinds = (*ExecutionKind, ResourceKind.IMAGE_PIPELINE)
    identifier = parse_identifier_or_name(identifier, *kinds)
    check_options(options, [] if is_pipeline(identifier) else [identifier])
    return run(partial(_watch, identifier, options, connection), display, options)


async def _watch(
    identifier: str, options: WaitOptions, connection: Connection, invocation: Invocation
) -> ExitCode:
    events = _EventWriter(invocation.output)
    deadline = deadline_of(options)
    arn = await find_pipeline_arn(connection, identifier, deadline)
    async with connect(connection, [arn], options=options) as ib:
        invocation.begin_wait([identifier], f"Watching {identifier}", command="watch")
        if is_pipeline(arn):
            invocation.reporter.idle_text = f"waiting for the next image of {escape(identifier)}"
            return await _watch_pipeline(arn, options, deadline, ib, invocation, events)
        options = with_deadline(options, deadline)
        result = await wait_for_result(invocation, ib, identifier, options, on_state=events.write)
    emit_result(invocation, result, result.line)
    return finish(invocation, [result])


async def _watch_pipeline(
    arn: str,
    options: WaitOptions,
    deadline: float,
    ib: ImageBuilder,
    invocation: Invocation,
    events: _EventWriter,
) -> ExitCode:
    """Watch the images that run and each new one, until the deadline or until the pipeline has gone."""
    invocation.reporter.has_several = True
    results: list[WaitResult] = []
    codes: list[ExitCode] = []

    async def watch_image(image: str) -> None:
        remaining = with_deadline(options, deadline)
        result = await wait_for_result(invocation, ib, image, remaining, on_state=events.write)
        results.append(result)
        emit_result(invocation, result, result.line)
        if result.error is not None:
            invocation.print_error(result.error_lines, result.label)

    async with anyio.create_task_group() as tasks:
        timeout = with_deadline(options, deadline).timeout
        images = ib.watch_pipeline(arn, include_running=True, timeout=timeout)
        try:
            async for image in images:
                announce_image(invocation, image.id, arn)
                tasks.start_soon(watch_image, image.id)
        except ImageBuilderError as error:
            codes.append(invocation.report_error(error))
    invocation.end_group()
    codes += (each.exit_code for each in results)
    if ExitCode.TIMED_OUT in codes:
        invocation.print_resume_command("To resume, run:", invocation.awaited)
    write_summary(invocation, results)
    return most_severe(codes)


class _EventWriter:
    """Writes an event for each change of an execution, its workflows and its steps."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._written: dict[str, object] = {}

    def write(self, state: BuildState) -> None:
        """Write the changes since the previous state; an end after everything that ended before it."""
        if not state.execution.is_terminal:
            self._write_change("state", state.execution)
        for each in state.workflows:
            if each.workflow.id != state.execution.id:
                self._write_change("workflow", each.workflow)
            for step in each.steps:
                self._write_change(
                    "step",
                    step,
                    workflow_execution_id=step.workflow_execution_id,
                    name=step.name,
                    action=step.action,
                    attempt_number=step.attempt_number,
                    is_waiting=step.is_waiting,
                )
        self._write_change("state", state.execution)

    def _write_change(self, event: str, execution: Execution, **details: object) -> None:
        members = {**execution_members(execution), **details}
        if self._written.get(execution.id) != members:
            self._written[execution.id] = members
            self._output.emit(event, members)
