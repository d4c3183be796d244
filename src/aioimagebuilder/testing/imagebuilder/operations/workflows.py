"""Operations on workflow executions, steps and waiting steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...simulation.run_context import StepAction
from ...simulation.state_history import Members, Row
from ..errors import invalid, invalid_value, not_found
from ..models import ImageBuilderBackend
from ..transitions import add_image
from ..validation import member_names, output_members
from .resources import Handler

_WORKFLOW_MEMBERS = ("workflowBuildVersionArn", "workflowExecutionId", "imageBuildVersionArn")


def _get_workflow(backend: ImageBuilderBackend, request: Members) -> Members:
    return _get_row(backend, backend.workflows, request["workflowExecutionId"], "GetWorkflowExecution")


def _get_step(backend: ImageBuilderBackend, request: Members) -> Members:
    return _get_row(backend, backend.steps, request["stepExecutionId"], "GetWorkflowStepExecution")


def _get_row(
    backend: ImageBuilderBackend, rows: Mapping[str, Row], identifier: str, operation: str
) -> Members:
    row = rows.get(identifier)
    members = backend.read(row.history) if row else None
    if members is None:
        raise not_found(identifier)
    names = output_members(operation)
    return {name: value for name, value in members.items() if name in names}


def _list_workflows(backend: ImageBuilderBackend, request: Members) -> Members:
    arn = request["imageBuildVersionArn"]
    image = backend.images.get(arn)
    if image is None and arn not in backend.standalone_workflows:
        raise not_found(arn)
    rows = backend.filter_visible(backend.list_executions(arn))
    format_row = _make_formatter(backend, "WorkflowExecutionMetadata")
    response = backend.page(request, "workflowExecutions", rows, format_row)
    response["imageBuildVersionArn"] = arn
    reason = image.view(backend.now())["state"].get("reason") if image else None
    if reason:
        response["message"] = reason[:500]
    return response


def _list_steps(backend: ImageBuilderBackend, request: Members) -> Members:
    identifier = request["workflowExecutionId"]
    row = backend.workflows.get(identifier)
    standalone = backend.standalone_steps.get(identifier, [])
    if (row is None or backend.read(row.history) is None) and not standalone:
        raise not_found(identifier)
    rows = backend.filter_visible([*(row.children if row else ()), *standalone])
    response = backend.page(request, "steps", rows, _make_formatter(backend, "WorkflowStepMetadata"))
    members = (backend.read(row.history) if row else None) or standalone[0].history.states[-1]
    response |= {name: members[name] for name in _WORKFLOW_MEMBERS if name in members}
    if row is not None and "message" in members:
        response["message"] = members["message"]
    return response


def _make_formatter(backend: ImageBuilderBackend, shape: str) -> Callable[[Row], Members]:
    names = member_names(shape)

    def format_row(row: Row) -> Members:
        members = backend.read(row.history) or {}
        return {name: value for name, value in members.items() if name in names}

    return format_row


def _list_waiting_steps(backend: ImageBuilderBackend, request: Members) -> Members:
    now = backend.now()
    rows = [
        backend.steps[step]
        for image in backend.images.values()
        for step in image.latest_run.timeline.waiting_steps
        if image.is_waiting(step, now)
    ]
    return backend.page(request, "steps", rows, _make_formatter(backend, "WorkflowStepExecution"))


def _send_action(backend: ImageBuilderBackend, request: Members) -> Members:
    identifier, arn = request["stepExecutionId"], request["imageBuildVersionArn"]
    owner = backend.step_owners.get(identifier)
    if owner is None:
        raise not_found(identifier)
    if owner.arn != arn:
        raise invalid_value(
            "imageBuildVersionArn", f"The step {identifier} does not belong to the image {arn}."
        )
    if not owner.is_waiting(identifier, backend.now()):
        raise invalid(f"The workflow step {identifier} is not waiting for an action.")
    action = StepAction(at=backend.now(), action=request["action"], reason=request.get("reason"))
    owner.send_action(identifier, action)
    add_image(backend, owner)
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
