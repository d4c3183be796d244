"""``watch``: shows the progress of an execution until it ends."""

from __future__ import annotations

from functools import partial

from ...models.executions import Execution
from ..build_state import BuildState
from ..exit_codes import ExitCode
from ..options import Connection, Display, WaitOptions
from ..render.results import execution_members
from ..runtime.connect import connect, parse_identifiers
from ..runtime.output import Output
from ..runtime.run import Invocation, resume_command, run
from ..runtime.wait import emit_result, finish, wait_for_result


def watch(*, identifier: str, options: WaitOptions, connection: Connection, display: Display) -> ExitCode:
    """Show the progress of an execution and return the exit code."""
    (identifier,) = parse_identifiers([identifier])
    return run(partial(_watch, identifier, options, connection), display, options)


async def _watch(
    identifier: str, options: WaitOptions, connection: Connection, invocation: Invocation
) -> ExitCode:
    invocation.resume_command = resume_command("watch", [identifier])
    invocation.begin_group(f"Watching {identifier}")
    events = _EventWriter(invocation.output)
    async with connect(connection, [identifier], options=options) as ib:
        result = await wait_for_result(invocation, ib, identifier, options, on_state=events.write)
    emit_result(invocation, result, result.line)
    return finish(invocation, [result])


class _EventWriter:
    """Writes an event for each change of an execution, its workflows and its steps."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._written: dict[str, object] = {}

    def write(self, state: BuildState) -> None:
        """Write the changes since the previous state."""
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

    def _write_change(self, event: str, execution: Execution, **details: object) -> None:
        members = {**execution_members(execution), **details}
        if self._written.get(execution.id) != members:
            self._written[execution.id] = members
            self._output.emit(event, members)
