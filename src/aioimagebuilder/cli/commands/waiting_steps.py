"""``approve``, ``reject`` and ``pending``: resume, stop and list waiting steps."""

from __future__ import annotations

from functools import partial

from ...models.executions import WorkflowStepExecution
from ...models.kinds import ExecutionKind
from ...models.statuses import WorkflowStepActionType
from ..exit_codes import ExitCode
from ..options import Connection, Display
from ..render.escaping import escape
from ..render.results import structure_members
from ..runtime.connect import connect, parse_identifiers
from ..runtime.run import Invocation, run


def approve(*, step: str, reason: str | None, connection: Connection, display: Display) -> ExitCode:
    """Send RESUME to a waiting step and return the exit code: 0 if the service accepted it."""
    return _act(step, WorkflowStepActionType.RESUME, reason, connection, display)


def reject(*, step: str, reason: str, connection: Connection, display: Display) -> ExitCode:
    """Send STOP to a waiting step and return the exit code: 0 if the service accepted it."""
    return _act(step, WorkflowStepActionType.STOP, reason, connection, display)


def pending(*, connection: Connection, display: Display) -> ExitCode:
    """List waiting steps and return the exit code: 0 even if there are none."""
    return run(partial(_pending, connection), display)


def _act(
    step: str, action: WorkflowStepActionType, reason: str | None, connection: Connection, display: Display
) -> ExitCode:
    (step,) = parse_identifiers([step], ExecutionKind.WORKFLOW_STEP_EXECUTION)
    return run(partial(_send_action, step, action, reason, connection), display)


async def _send_action(
    step_id: str,
    action: WorkflowStepActionType,
    reason: str | None,
    connection: Connection,
    invocation: Invocation,
) -> ExitCode:
    async with connect(connection) as ib:
        step = await ib.get_workflow_step_execution(step_id)
        invocation.interruption_note = "The step may have been answered."
        if reason is not None and action is WorkflowStepActionType.STOP:
            await ib.stop(step, reason=reason)
        else:
            await ib.resume(step, reason=reason)
    members = {"id": step_id, "action": action.value, "reason": reason, "step": structure_members(step)}
    word = "resumed" if action is WorkflowStepActionType.RESUME else "stopped"
    invocation.output.emit("action_sent", members, f"{step_id}\t{word}\t{escape(step.name or '')}".rstrip())
    return ExitCode.SUCCEEDED


async def _pending(connection: Connection, invocation: Invocation) -> ExitCode:
    async with connect(connection) as ib:
        async for step in ib.list_waiting_workflow_steps():
            members = {"id": step.id, **structure_members(step)}
            invocation.output.emit("waiting_step", members, _format_step(step))
    return ExitCode.SUCCEEDED


def _format_step(step: WorkflowStepExecution) -> str:
    start = "-" if step.start_time is None else step.start_time.isoformat(timespec="seconds")
    columns = (step.id, step.name or "-", step.image_build_version_arn or "-", start)
    return "\t".join(map(escape, columns))
