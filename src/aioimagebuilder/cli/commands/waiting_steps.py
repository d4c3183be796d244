"""``approve``, ``reject`` and ``pending``: the steps that wait for a person."""

from __future__ import annotations

from functools import partial

from ...models.executions import WorkflowStepExecution
from ...models.identifiers import ExecutionKind
from ...models.statuses import WorkflowStepActionType
from ..exit_codes import ExitCode
from ..options import Connection, Display
from ..render.escaping import escaped
from ..render.results import plain_members
from ..runtime.connect import connect, identify
from ..runtime.run import Invocation, run

__all__ = ["approve", "pending", "reject"]


def approve(*, step: str, reason: str | None, connection: Connection, display: Display) -> ExitCode:
    """Let the step go on, and get the exit code: 0 if the service took it."""
    return _act(step, WorkflowStepActionType.RESUME, reason, connection, display)


def reject(*, step: str, reason: str, connection: Connection, display: Display) -> ExitCode:
    """Stop the step, and get the exit code: 0 if the service took it."""
    return _act(step, WorkflowStepActionType.STOP, reason, connection, display)


def pending(*, connection: Connection, display: Display) -> ExitCode:
    """List the steps that wait, and get the exit code: 0, also if there are none."""
    return run(partial(_pending, connection), display)


def _act(
    step: str, action: WorkflowStepActionType, reason: str | None, connection: Connection, display: Display
) -> ExitCode:
    (step,) = identify([step], ExecutionKind.WORKFLOW_STEP_EXECUTION)
    return run(partial(_send, step, action, reason, connection), display)


async def _send(
    step_id: str,
    action: WorkflowStepActionType,
    reason: str | None,
    connection: Connection,
    invocation: Invocation,
) -> ExitCode:
    async with connect(connection) as ib:
        step = await ib.get_workflow_step_execution(step_id)
        if reason is not None and action is WorkflowStepActionType.STOP:
            await ib.stop(step, reason=reason)
        else:
            await ib.resume(step, reason=reason)
    told = {"id": step_id, "action": action.value, "reason": reason, "step": plain_members(step)}
    word = "resumed" if action is WorkflowStepActionType.RESUME else "stopped"
    invocation.output.emit("action_sent", told, f"{step_id}\t{word}\t{escaped(step.name or '')}".rstrip())
    return ExitCode.SUCCEEDED


async def _pending(connection: Connection, invocation: Invocation) -> ExitCode:
    async with connect(connection) as ib:
        async for step in ib.list_waiting_workflow_steps():
            invocation.output.emit("waiting_step", _waiting_step(step), _waiting_line(step))
    return ExitCode.SUCCEEDED


def _waiting_step(step: WorkflowStepExecution) -> dict[str, object]:
    return {"id": step.id, **plain_members(step)}


def _waiting_line(step: WorkflowStepExecution) -> str:
    since = "-" if step.start_time is None else step.start_time.isoformat(timespec="seconds")
    columns = (step.id, step.name or "-", step.image_build_version_arn or "-", since)
    return "\t".join(map(escaped, columns))
