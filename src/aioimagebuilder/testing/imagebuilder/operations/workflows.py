"""Operations on workflow executions, steps and waiting steps."""

from __future__ import annotations

from collections.abc import Mapping

from ...simulation.runs import StepAction
from ...simulation.state_history import Members, Row
from ..errors import invalid, invalid_value, not_found
from ..models import ImageBuilderBackend
from ..transitions import add_image
from ..validation import project
from .resources import Handler

_WORKFLOW_MEMBERS = ("workflowBuildVersionArn", "workflowExecutionId", "imageBuildVersionArn")


def _get_workflow(backend: ImageBuilderBackend, request: Members) -> Members:
    return _get_row(
        backend, backend.workflows, request["workflowExecutionId"], "GetWorkflowExecutionResponse"
    )


def _get_step(backend: ImageBuilderBackend, request: Members) -> Members:
    return _get_row(backend, backend.steps, request["stepExecutionId"], "GetWorkflowStepExecutionResponse")


def _get_row(backend: ImageBuilderBackend, rows: Mapping[str, Row], identifier: str, shape: str) -> Members:
    row = rows.get(identifier)
    members = backend.read(row.history) if row else None
    if members is None:
        raise not_found(identifier)
    return project(shape, members)


def _page_rows(
    backend: ImageBuilderBackend, request: Members, member: str, shape: str, rows: list[Row]
) -> Members:
    return backend.page(request, member, rows, lambda row: project(shape, backend.read(row.history) or {}))


def _list_workflows(backend: ImageBuilderBackend, request: Members) -> Members:
    arn = request["imageBuildVersionArn"]
    image = backend.images.get(arn)
    if image is None and arn not in backend.standalone_workflows:
        raise not_found(arn)
    rows = backend.filter_visible(backend.list_executions(arn))
    response = _page_rows(backend, request, "workflowExecutions", "WorkflowExecutionMetadata", rows)
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
    response = _page_rows(backend, request, "steps", "WorkflowStepMetadata", rows)
    members = (backend.read(row.history) if row else None) or standalone[0].history.states[-1]
    response |= {name: members[name] for name in _WORKFLOW_MEMBERS if name in members}
    if row is not None and "message" in members:
        response["message"] = members["message"]
    return response


def _list_waiting_steps(backend: ImageBuilderBackend, request: Members) -> Members:
    now = backend.now()
    rows = [
        backend.steps[step]
        for image in backend.images.values()
        for step in image.latest_run.timeline.waiting_steps
        if image.is_waiting(step, now)
    ]
    return _page_rows(backend, request, "steps", "WorkflowStepExecution", rows)


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
