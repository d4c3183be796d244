"""``watch``: shows the progress of an execution until it ends."""

from __future__ import annotations

from functools import partial

from ...models.executions import Execution
from ...models.identifiers import ResourceKind
from ...models.kinds import ExecutionKind
from ..build_state import BuildState
from ..exit_codes import ExitCode
from ..options import Connection, Display, WaitOptions
from ..render.results import execution_members
from ..runtime.connect import (
    connect,
    find_build,
    find_pipeline_arn,
    is_pipeline,
    parse_identifier_or_name,
)
from ..runtime.output import Output
from ..runtime.run import Invocation, run
from ..runtime.wait import check_options, deadline_of, emit_result, finish, wait_for_result, with_deadline


def watch(*, identifier: str, options: WaitOptions, connection: Connection, display: Display) -> ExitCode:
    """Show the progress of an execution and return the exit code."""
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
        if is_pipeline(arn):
            operations = ib._until(deadline)  # noqa: SLF001 - the command finds and watches in separate steps
            identifier = await find_build(operations, arn)
        options = with_deadline(options, deadline)
        invocation.begin_wait([identifier], f"Watching {identifier}", command="watch")
        result = await wait_for_result(invocation, ib, identifier, options, on_state=events.write)
    emit_result(invocation, result, result.line)
    return finish(invocation, [result])


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
