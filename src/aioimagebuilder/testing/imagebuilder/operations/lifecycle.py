"""Operations on lifecycle executions: start by a state update, get, list and cancel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime

from ...simulation.clock import END_OF_TIME
from ...simulation.images import Image
from ...simulation.lifecycle_runs import LifecycleRun
from ...simulation.state_history import Members
from ..errors import ServiceError, in_use, invalid, not_found
from ..models import ImageBuilderBackend
from .lifecycle_runs import TERMINAL_STATUSES, Update, start_execution
from .lookup import get_image, owner_of
from .resources import Handler

_CHANGEABLE = frozenset({"AVAILABLE", "DEPRECATED", "DISABLED", "FAILED", "CANCELLED"})
_ONLY_DELETED = frozenset({"FAILED", "CANCELLED"})
_UPDATE_SECONDS = 12.0
_CANCEL_SECONDS = 4.0


def _start_update(backend: ImageBuilderBackend, request: Members) -> Members:
    image = get_image(backend, request["resourceArn"])
    if owner_of(image.arn) == "Amazon":
        raise ServiceError("ForbiddenException", f"The image {image.arn} belongs to Amazon.")
    now = backend.now()
    status = request["state"].get("status")
    update_at = _parse_time(request["updateAt"]) if "updateAt" in request else None
    _check_update(image, request, status, now, update_at)
    response: Members = {"resourceArn": image.arn}
    include = request.get("includeResources")
    if include is None and update_at is None:
        image.adjust(now, status=status, reason=None, failureContext=None)
        return response
    runs = [run for run in backend.lifecycle_runs.values() if image.arn in run.resources]
    if any(run.status(now) not in TERMINAL_STATUSES for run in runs):
        raise in_use(f"The image {image.arn} already has a lifecycle execution in progress.")
    end = now + _UPDATE_SECONDS if update_at is None else update_at
    rules = request.get("exclusionRules", {}).get("amis", {})
    update = Update(
        status=status,
        work_start=now if update_at is None else update_at,
        end=end,
        include=include or {},
        excluded_regions=rules.get("regions", ()),
    )
    schedule = [("IN_PROGRESS", now), ("SUCCESS", end)]
    impacted = {"resourcesImpactedSummary": {"hasImpactedResources": update_at is None}}
    identifier = start_execution(backend, schedule, updates=[(image, update)], members=impacted)
    if update_at is not None:
        run = backend.lifecycle_runs[identifier]
        run.schedule_change(image, now, deprecationTime=round(update_at, 3))
    return {**response, "lifecycleExecutionId": identifier}


def _check_update(
    image: Image, request: Members, status: str | None, now: float, update_at: float | None
) -> None:
    include = {name for name, wanted in request.get("includeResources", {}).items() if wanted}
    current = image.status(now)
    if current not in _CHANGEABLE and not image.is_finished(now):
        raise in_use(f"The image {image.arn} is in the state {current}; update it when it is built.")
    container = image.static["type"] == "DOCKER"
    rules = {
        "Specify the state to which you want to move the image.": status is None,
        f"An image in the state {current} cannot be updated.": current not in _CHANGEABLE,
        f"An image in the state {current} can only become DELETED.": (
            current in _ONLY_DELETED and status != "DELETED"
        ),
        "A container image can only become DELETED.": container and status != "DELETED",
        "Specify executionRole and includeResources together.": (
            ("executionRole" in request) != ("includeResources" in request)
        ),
        "To set an image to DELETED, include its resources.": status == "DELETED" and not include,
        "Snapshots and containers are only valid for the DELETED state.": (
            status != "DELETED" and bool(include & {"snapshots", "containers"})
        ),
        "updateAt is only valid for the DEPRECATED state.": update_at is not None and status != "DEPRECATED",
        "updateAt must be in the future.": update_at is not None and update_at <= now,
    }
    violation = next((text for text, applies in rules.items() if applies), None)
    if violation is not None:
        raise invalid(violation)


def _parse_time(value: float | str) -> float:
    try:
        at = datetime.fromisoformat(value).timestamp() if isinstance(value, str) else value
    except (OverflowError, ValueError):
        at = math.inf
    if not 0 <= at < END_OF_TIME:
        raise invalid("updateAt is not a valid time.")
    return float(at)


def _get_run(backend: ImageBuilderBackend, identifier: str) -> LifecycleRun:
    run = backend.lifecycle_runs.get(identifier)
    if run is None:
        raise not_found(identifier)
    return run


def _get(backend: ImageBuilderBackend, request: Members) -> Members:
    run = _get_run(backend, request["lifecycleExecutionId"])
    return {"lifecycleExecution": backend.read(run.history) or run.history.states[0]}


def _list(backend: ImageBuilderBackend, request: Members) -> Members:
    arn = request["resourceArn"]
    if arn not in backend.images and arn not in backend.resources:
        raise not_found(arn)
    runs = [run for run in backend.lifecycle_runs.values() if arn == run.policy_arn or arn in run.resources]
    return backend.page(request, "lifecycleExecutions", runs, lambda run: backend.read(run.history) or {})


def _list_resources(backend: ImageBuilderBackend, request: Members) -> Members:
    run = _get_run(backend, request["lifecycleExecutionId"])
    parent = request.get("parentResourceId")
    histories = (
        [histories[0] for histories in run.resources.values() if histories]
        if parent is None
        else run.resources.get(parent, [])[1:]
    )
    visible = [history for history in histories if backend.read(history) is not None]
    response = backend.page(request, "resources", visible, lambda history: backend.read(history) or {})
    current = backend.read(run.history) or run.history.states[0]
    return {
        **response,
        "lifecycleExecutionId": request["lifecycleExecutionId"],
        "lifecycleExecutionState": current["state"],
    }


def _cancel(backend: ImageBuilderBackend, request: Members) -> Members:
    identifier = request["lifecycleExecutionId"]
    run, now = _get_run(backend, identifier), backend.now()
    status = run.status(now)
    if status in TERMINAL_STATUSES:
        raise invalid(f"The lifecycle execution {identifier} is in the terminal state {status}.")
    if status == "CANCELLING":
        raise in_use(f"The lifecycle execution {identifier} is already being cancelled.")
    when = now + _CANCEL_SECONDS
    run.history.truncate(now)
    run.history.change(now, state={"status": "CANCELLING"}, endTime=None)
    run.history.change(when, state={"status": "CANCELLED"}, endTime=round(when, 3))
    for image, change in run.scheduled_changes:
        image.revert(change)
    for history in (history for histories in run.resources.values() for history in histories):
        history.truncate(when)
        if history.states and history.states[-1]["state"]["status"] == "IN_PROGRESS":
            skipped = {"status": "SKIPPED", "reason": "The lifecycle execution was cancelled."}
            history.change(when, state=skipped, endTime=round(when, 3))
    run.resources = {arn: [each for each in group if each.states] for arn, group in run.resources.items()}
    return {"lifecycleExecutionId": identifier}


HANDLERS: Mapping[str, Handler] = {
    "StartResourceStateUpdate": _start_update,
    "GetLifecycleExecution": _get,
    "ListLifecycleExecutions": _list,
    "ListLifecycleExecutionResources": _list_resources,
    "CancelLifecycleExecution": _cancel,
}
"""Handlers by operation."""
