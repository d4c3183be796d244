"""The operations of lifecycle executions: state updates of single images, looks, lists, and cancels."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ..simulation.images import Image
from ..simulation.state_history import Members
from .builds import image_of
from .errors import in_use, invalid, not_found
from .lifecycle_runs import OVER, LifecycleRun, Update, start_execution
from .resources import Handler
from .state import RegionState

_CHANGEABLE = frozenset({"AVAILABLE", "DEPRECATED", "DISABLED", "FAILED", "CANCELLED"})
_ONLY_DELETED = frozenset({"FAILED", "CANCELLED"})
_SECONDS = 12.0
_CANCELLING = 4.0


def _start_update(state: RegionState, request: Members) -> Members:
    image = image_of(state, request["resourceArn"])
    now = state.now()
    status = request["state"].get("status")
    update_at = _seconds(request["updateAt"]) if "updateAt" in request else None
    _check_update(image, request, status, now, update_at)
    answer: Members = {"resourceArn": image.arn}
    include = request.get("includeResources")
    if include is None and update_at is None:
        image.adjust(now, status=status, reason=None, failureContext=None)
        return answer
    if any(image.arn in run.resources and run.status(now) not in OVER for run in state.lifecycles.values()):
        raise in_use(f"The image {image.arn} already has a lifecycle execution in progress.")
    end = now + _SECONDS if update_at is None else update_at
    works_at = now if update_at is None else update_at
    rules = request.get("exclusionRules", {}).get("amis", {})
    update = Update(
        status=status,
        start=now,
        works_at=works_at,
        end=end,
        include=include or {},
        excluded_regions=rules.get("regions", ()),
    )
    if update_at is not None:
        image.adjust(now, deprecationTime=round(update_at, 3))
    schedule = [("IN_PROGRESS", now), ("SUCCESS", end)]
    impacted = {"resourcesImpactedSummary": {"hasImpactedResources": update_at is None}}
    answer["lifecycleExecutionId"] = start_execution(
        state, schedule, updates=[(image, update)], members=impacted
    )
    return answer


def _check_update(
    image: Image, request: Members, status: str | None, now: float, update_at: float | None
) -> None:
    include = {name for name, wanted in request.get("includeResources", {}).items() if wanted}
    current = image.status(now)
    if current not in _CHANGEABLE and not image.is_over(now):
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
    broken = next((text for text, applies in rules.items() if applies), None)
    if broken is not None:
        raise invalid(broken)


def _seconds(value: float | str) -> float:
    return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else float(value)


def _run_of(state: RegionState, identifier: str) -> LifecycleRun:
    run = state.lifecycles.get(identifier)
    if run is None:
        raise not_found(identifier)
    return run


def _get(state: RegionState, request: Members) -> Members:
    run = _run_of(state, request["lifecycleExecutionId"])
    return {"lifecycleExecution": state.look(run.track) or run.track.states[0]}


def _list(state: RegionState, request: Members) -> Members:
    arn = request["resourceArn"]
    if arn not in state.images and arn not in state.resources:
        raise not_found(arn)
    runs = [run for run in state.lifecycles.values() if arn == run.policy_arn or arn in run.resources]
    return state.page(request, "lifecycleExecutions", runs, lambda run: state.look(run.track) or {})


def _list_resources(state: RegionState, request: Members) -> Members:
    run = _run_of(state, request["lifecycleExecutionId"])
    parent = request.get("parentResourceId")
    tracks = (
        [tracks[0] for tracks in run.resources.values() if tracks]
        if parent is None
        else run.resources.get(parent, [])[1:]
    )
    begun = [track for track in tracks if state.look(track) is not None]
    answer = state.page(request, "resources", begun, lambda track: state.look(track) or {})
    current = state.look(run.track) or run.track.states[0]
    return {
        **answer,
        "lifecycleExecutionId": request["lifecycleExecutionId"],
        "lifecycleExecutionState": current["state"],
    }


def _cancel(state: RegionState, request: Members) -> Members:
    identifier = request["lifecycleExecutionId"]
    run, now = _run_of(state, identifier), state.now()
    status = run.status(now)
    if status in OVER:
        raise invalid(f"The lifecycle execution {identifier} is in the terminal state {status}.")
    if status == "CANCELLING":
        raise in_use(f"The lifecycle execution {identifier} is already being cancelled.")
    when = now + _CANCELLING
    run.track.cut(now)
    run.track.change(now, state={"status": "CANCELLING"}, endTime=None)
    run.track.change(when, state={"status": "CANCELLED"}, endTime=round(when, 3))
    for image, effect in run.effects:
        if effect[0] > now and effect in image.adjustments:
            image.adjustments.remove(effect)
    for track in (track for tracks in run.resources.values() for track in tracks):
        track.cut(when)
        if track.states and track.states[-1]["state"]["status"] == "IN_PROGRESS":
            told = {"status": "SKIPPED", "reason": "The lifecycle execution was cancelled."}
            track.change(when, state=told, endTime=round(when, 3))
    run.resources = {arn: [each for each in tracks if each.states] for arn, tracks in run.resources.items()}
    return {"lifecycleExecutionId": identifier}


HANDLERS: Mapping[str, Handler] = {
    "StartResourceStateUpdate": _start_update,
    "GetLifecycleExecution": _get,
    "ListLifecycleExecutions": _list,
    "ListLifecycleExecutionResources": _list_resources,
    "CancelLifecycleExecution": _cancel,
}
"""Operation to handler."""
