"""``watch``: what goes on with one execution, until it has ended."""

from __future__ import annotations

from functools import partial

from ...models.executions import Execution, WorkflowStepExecution
from ..build_state import BuildState
from ..exit_codes import ExitCode
from ..options import Connection, Display, Waiting
from ..render.results import state_members
from ..runtime.connect import connect, identify
from ..runtime.output import Output
from ..runtime.resume import resuming_command
from ..runtime.run import Invocation, run
from ..runtime.wait import await_ending, conclude, tell

__all__ = ["watch"]


def watch(*, identifier: str, waiting: Waiting, connection: Connection, display: Display) -> ExitCode:
    """Show what goes on until it has ended, and get the exit code."""
    (identifier,) = identify([identifier])
    return run(partial(_watch, identifier, waiting, connection), display, waiting)


async def _watch(
    identifier: str, waiting: Waiting, connection: Connection, invocation: Invocation
) -> ExitCode:
    invocation.resume = resuming_command("watch", [identifier])
    invocation.begin_group(f"Watching {identifier}")
    events = _Events(invocation.output)
    async with connect(connection, [identifier], waiting=waiting) as ib:
        ending = await await_ending(invocation, ib, identifier, waiting, report=events.report)
    tell(invocation, ending, ending.line)
    return conclude(invocation, [ending])


class _Events:
    """Writes an event for each change of the execution, of its workflows and of its steps."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._seen: dict[str, object] = {}

    def report(self, state: BuildState) -> None:
        """Write what has changed."""
        self._tell("state", state.execution)
        for each in state.workflows:
            if each.workflow.id != state.execution.id:
                self._tell("workflow", each.workflow)
            for step in each.steps:
                self._tell_step(step, waits=step.is_waiting)

    def _tell_step(self, step: WorkflowStepExecution, *, waits: bool) -> None:
        about = {
            "workflow_execution_id": step.workflow_execution_id,
            "name": step.name,
            "action": step.action,
            "attempt_number": step.attempt_number,
            "waits_for_a_person": waits,
        }
        self._tell("step", step, **about)

    def _tell(self, event: str, execution: Execution, **about: object) -> None:
        members = {**state_members(execution), **about}
        if self._seen.get(execution.id) != members:
            self._seen[execution.id] = members
            self._output.emit(event, members)
