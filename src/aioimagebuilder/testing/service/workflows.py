"""Operations on workflow executions, steps and waiting steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..simulation.run_context import StepAction
from ..simulation.state_history import Members, Row
from .errors import ServiceError, invalid, not_found
from .resources import Handler
from .state import RegionState
from .validation import member_names, output_members

_WORKFLOW_MEMBERS = ("workflowBuildVersionArn", "workflowExecutionId", "imageBuildVersionArn")


def _get_workflow(state: RegionState, request: Members) -> Members:
    return _get_row(state, state.workflows, request["workflowExecutionId"], "GetWorkflowExecution")


def _get_step(state: RegionState, request: Members) -> Members:
    return _get_row(state, state.steps, request["stepExecutionId"], "GetWorkflowStepExecution")


def _get_row(state: RegionState, rows: Mapping[str, Row], identifier: str, operation: str) -> Members:
    row = rows.get(identifier)
    members = state.read(row.history) if row else None
    if members is None:
        raise not_found(identifier)
    names = output_members(operation)
    return {name: value for name, value in members.items() if name in names}


def _list_workflows(state: RegionState, request: Members) -> Members:
    arn = request["imageBuildVersionArn"]
    image = state.images.get(arn)
    if image is None and arn not in state.standalone_workflows:
        raise not_found(arn)
    rows = state.filter_visible(state.list_executions(arn))
    format_row = _make_formatter(state, "WorkflowExecutionMetadata")
    response = state.page(request, "workflowExecutions", rows, format_row)
    response["imageBuildVersionArn"] = arn
    reason = image.view(state.now())["state"].get("reason") if image else None
    if reason:
        response["message"] = reason[:500]
    return response


def _list_steps(state: RegionState, request: Members) -> Members:
    identifier = request["workflowExecutionId"]
    row = state.workflows.get(identifier)
    standalone = state.standalone_steps.get(identifier, [])
    if (row is None or state.read(row.history) is None) and not standalone:
        raise not_found(identifier)
    rows = state.filter_visible([*(row.children if row else ()), *standalone])
    response = state.page(request, "steps", rows, _make_formatter(state, "WorkflowStepMetadata"))
    members = (state.read(row.history) if row else None) or standalone[0].history.states[-1]
    response |= {name: members[name] for name in _WORKFLOW_MEMBERS if name in members}
    if row is not None and "message" in members:
        response["message"] = members["message"]
    return response


def _make_formatter(state: RegionState, shape: str) -> Callable[[Row], Members]:
    names = member_names(shape)

    def format_row(row: Row) -> Members:
        members = state.read(row.history) or {}
        return {name: value for name, value in members.items() if name in names}

    return format_row


def _list_waiting_steps(state: RegionState, request: Members) -> Members:
    now = state.now()
    rows = [
        state.steps[step]
        for image in state.images.values()
        for step in image.latest_run.timeline.waiting_steps
        if image.is_waiting(step, now)
    ]
    return state.page(request, "steps", rows, _make_formatter(state, "WorkflowStepExecution"))


def _send_action(state: RegionState, request: Members) -> Members:
    identifier, arn = request["stepExecutionId"], request["imageBuildVersionArn"]
    owner = state.step_owners.get(identifier)
    if owner is None:
        raise not_found(identifier)
    if owner.arn != arn:
        raise ServiceError(
            "InvalidParameterValueException",
            f"The value supplied for parameter 'imageBuildVersionArn' is not valid. The step {identifier} "
            f"does not belong to the image {arn}.",
        )
    if not owner.is_waiting(identifier, state.now()):
        raise invalid(f"The workflow step {identifier} is not waiting for an action.")
    action = StepAction(at=state.now(), action=request["action"], reason=request.get("reason"))
    owner.send_action(identifier, action)
    state.add_image(owner)
    return {"stepExecutionId": identifier, "imageBuildVersionArn": arn}


HANDLERS: Mapping[str, Handler] = {
    "GetWorkflowExecution": _get_workflow,
    "GetWorkflowStepExecution": _get_step,
    "ListWorkflowExecutions": _list_workflows,
    "ListWorkflowStepExecutions": _list_steps,
    "ListWaitingWorkflowSteps": _list_waiting_steps,
    "SendWorkflowStepAction": _send_action,
}
"""Handlers by operation."""
