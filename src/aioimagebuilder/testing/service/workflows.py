"""Operations on workflow executions and their steps, waiting steps among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..simulation.run_context import GateAction
from ..simulation.state_history import Members, Row
from .errors import ServiceError, invalid, not_found
from .resources import Handler
from .state import RegionState
from .validation import member_names, output_members

_ABOUT_WORKFLOW = ("workflowBuildVersionArn", "workflowExecutionId", "imageBuildVersionArn")


def _get_workflow(state: RegionState, request: Members) -> Members:
    return _told(
        state, state.workflows, request["workflowExecutionId"], output_members("GetWorkflowExecution")
    )


def _get_step(state: RegionState, request: Members) -> Members:
    return _told(state, state.steps, request["stepExecutionId"], output_members("GetWorkflowStepExecution"))


def _told(state: RegionState, rows: Mapping[str, Row], identifier: str, names: frozenset[str]) -> Members:
    row = rows.get(identifier)
    members = state.look(row.track) if row else None
    if members is None:
        raise not_found(identifier)
    return {name: value for name, value in members.items() if name in names}


def _list_workflows(state: RegionState, request: Members) -> Members:
    arn = request["imageBuildVersionArn"]
    image = state.images.get(arn)
    if image is None and arn not in state.loose_workflows:
        raise not_found(arn)
    rows = state.visible(state.executions_of(arn))
    answer = state.page(request, "workflowExecutions", rows, _shower(state, "WorkflowExecutionMetadata"))
    answer["imageBuildVersionArn"] = arn
    reason = image.view(state.now())["state"].get("reason") if image else None
    if reason:
        answer["message"] = reason[:500]
    return answer


def _list_steps(state: RegionState, request: Members) -> Members:
    identifier = request["workflowExecutionId"]
    row = state.workflows.get(identifier)
    loose = state.loose_steps.get(identifier, [])
    if (row is None or state.look(row.track) is None) and not loose:
        raise not_found(identifier)
    rows = state.visible([*(row.children if row else ()), *loose])
    answer = state.page(request, "steps", rows, _shower(state, "WorkflowStepMetadata"))
    shown = (state.look(row.track) if row else None) or loose[0].track.states[-1]
    answer |= {name: shown[name] for name in _ABOUT_WORKFLOW if name in shown}
    if row is not None and "message" in shown:
        answer["message"] = shown["message"]
    return answer


def _shower(state: RegionState, shape: str) -> Callable[[Row], Members]:
    names = member_names(shape)

    def show(row: Row) -> Members:
        members = state.look(row.track) or {}
        return {name: value for name, value in members.items() if name in names}

    return show


def _list_waiting(state: RegionState, request: Members) -> Members:
    now = state.now()
    rows = [
        state.steps[step]
        for image in state.images.values()
        for step in image.latest.timeline.gates
        if image.gate(step, now)
    ]
    return state.page(request, "steps", rows, _shower(state, "WorkflowStepExecution"))


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
    if not owner.gate(identifier, state.now()):
        raise invalid(f"The workflow step {identifier} is not waiting for an action.")
    action = GateAction(at=state.now(), action=request["action"], reason=request.get("reason"))
    owner.act(identifier, action)
    state.add_image(owner)
    return {"stepExecutionId": identifier, "imageBuildVersionArn": arn}


HANDLERS: Mapping[str, Handler] = {
    "GetWorkflowExecution": _get_workflow,
    "GetWorkflowStepExecution": _get_step,
    "ListWorkflowExecutions": _list_workflows,
    "ListWorkflowStepExecutions": _list_steps,
    "ListWaitingWorkflowSteps": _list_waiting,
    "SendWorkflowStepAction": _send_action,
}
"""Operation to handler."""
