"""Lifecycle executions: of policies, and of state updates of single images."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ..simulation.identifiers import hexadecimal, normalised, version_matches
from ..simulation.images import Image
from ..simulation.track import Members, Track
from .builds import image_of
from .errors import in_use, invalid, not_found
from .resources import Handler, existing
from .state import RegionState

ACTION_OF = {"DELETED": "DELETE", "DEPRECATED": "DEPRECATE", "DISABLED": "DISABLE", "AVAILABLE": "AVAILABLE"}
_STATUS_OF = {action: status for status, action in ACTION_OF.items()}
_OVER = frozenset({"SUCCESS", "FAILED", "CANCELLED"})
_CHANGEABLE = frozenset({"AVAILABLE", "DEPRECATED", "DISABLED", "FAILED", "CANCELLED"})
_LIVING = frozenset({"AVAILABLE", "DEPRECATED", "DISABLED"})
_ONLY_DELETED = frozenset({"FAILED", "CANCELLED"})
_SECONDS = 12.0
_CANCELLING = 4.0
_DAYS = {"DAYS": 1, "WEEKS": 7, "MONTHS": 30, "YEARS": 365}


@dataclass(kw_only=True)
class LifecycleRun:
    """A lifecycle execution.

    Args:
        track: Its wire members over time.
        resources: Image ARN to the tracks of the image itself (first) and of what was made from it.
        effects: (image, adjustment) that it will bring about.
        policy_arn: The policy that ran, if one did.
    """

    track: Track
    resources: dict[str, list[Track]] = field(default_factory=dict)
    effects: list[tuple[Image, tuple[float, Members]]] = field(default_factory=list)
    policy_arn: str | None = None

    def status(self, now: float) -> str:
        """Get the status at this time."""
        state = self.track.at(now) or self.track.states[0]
        return str(state["state"]["status"])

    def affect(self, image: Image, at: float, **members: object) -> None:
        """Alter the image at this time, unless the execution is cancelled before."""
        image.adjust(at, **members)
        self.effects.append((image, (at, members)))


@dataclass(frozen=True, kw_only=True)
class Update:
    """What an execution does to each image.

    Args:
        status: The status that images get.
        start: When it starts.
        works_at: When it begins to work on resources.
        end: When it is over.
        include: ``amis``, ``snapshots``, ``containers`` to whether they are included.
        excluded_regions: Regions whose AMIs are skipped.
        outcome: How it ends.
        reason: Why, if it fails.
    """

    status: str
    start: float
    works_at: float
    end: float
    include: Mapping[str, bool] = field(default_factory=dict)
    excluded_regions: Sequence[str] = ()
    outcome: str = "SUCCESS"
    reason: str | None = None


def run_policy(
    state: RegionState,
    policy_arn: str,
    *,
    seconds: float = 30.0,
    status: str = "SUCCESS",
    reason: str | None = None,
) -> str:
    """Get the id of an execution of this policy that starts now.

    Raises:
        ServiceError: There is no such policy, or one of its executions runs.
    """
    policy = existing(state, policy_arn)
    now = state.now()
    runs = [run for run in state.lifecycles.values() if run.policy_arn == policy_arn]
    if any(run.status(now) not in _OVER for run in runs):
        raise in_use(f"The lifecycle policy {policy_arn} is already running.")
    state.world.words.add(status)
    chosen: dict[str, tuple[Image, Members]] = {}
    for detail in policy.record["policyDetails"]:
        for image in _selected(state, policy.record, detail, now):
            chosen.setdefault(image.arn, (image, detail["action"]))
    updates = [
        (
            image,
            Update(
                status=_STATUS_OF[action["type"]],
                start=now,
                works_at=now,
                end=now + seconds,
                include=action.get("includeResources", {}),
                outcome=status,
                reason=reason,
            ),
        )
        for image, action in chosen.values()
    ]
    policy.record["dateLastRun"] = round(now, 3)
    schedule = [("IN_PROGRESS", now), (status, now + seconds)]
    return start_execution(state, schedule, updates=updates, policy_arn=policy_arn, reason=reason)


def start_execution(
    state: RegionState,
    schedule: Sequence[tuple[str, float]],
    *,
    updates: Sequence[tuple[Image, Update]] = (),
    policy_arn: str | None = None,
    reason: str | None = None,
    members: Mapping[str, object] | None = None,
) -> str:
    """Get the id of a new execution that is in each status from its time on."""
    base = {
        "lifecycleExecutionId": f"lce-{uuid.uuid4()}",
        "lifecyclePolicyArn": policy_arn,
        "resourcesImpactedSummary": {"hasImpactedResources": bool(updates)},
        **(members or {}),
    }
    identifier = str(base["lifecycleExecutionId"])
    run = LifecycleRun(track=Track(), policy_arn=policy_arn)
    start = schedule[0][1]
    for place, (status, at) in enumerate(schedule):
        told: Members = {"status": status}
        if reason is not None and place == len(schedule) - 1:
            told["reason"] = reason
        ended = status in _OVER
        run.track.change(
            at, **base, state=told, startTime=round(start, 3), endTime=round(at, 3) if ended else None
        )
    for image, update in updates:
        run.resources[image.arn] = _plan_update(state, run, identifier, image, update)
    state.lifecycles[identifier] = run
    return identifier


def _plan_update(
    state: RegionState, run: LifecycleRun, identifier: str, image: Image, update: Update
) -> list[Track]:
    image.adjust(update.start, lifecycleExecutionId=identifier)
    outputs = image.view(state.now()).get("outputResources", {})
    made = [_ami(ami, update) for ami in outputs.get("amis", ()) if update.include.get("amis")]
    made += [_container(each) for each in outputs.get("containers", ()) if update.include.get("containers")]
    skipped = [each for each in made if each["region"] in update.excluded_regions]
    own = {"resourceId": image.arn, "region": state.region}
    kept = bool(skipped) and update.status == "DELETED"
    tracks = [_resource_track(state, own, update, skipped=kept)]
    tracks += [_resource_track(state, each, update, skipped=each in skipped) for each in made]
    if update.outcome == "SUCCESS" and not kept:
        run.affect(image, update.end, status=update.status, reason=None, failureContext=None)
    return tracks


def _resource_track(state: RegionState, resource: Members, update: Update, *, skipped: bool) -> Track:
    track = Track()
    base = {
        "accountId": state.account_id,
        **resource,
        "action": {"name": ACTION_OF[update.status]},
        "startTime": round(update.works_at, 3),
    }
    track.change(update.works_at, **base, state={"status": "IN_PROGRESS"})
    outcome = {"SUCCESS": "SUCCESS"}.get(update.outcome, "FAILED")
    end: Members = {"status": "SKIPPED" if skipped else outcome}
    if update.reason and outcome == "FAILED":
        end["reason"] = update.reason
    done: Members = {"state": end, "endTime": round(update.end, 3)}
    if "snapshots" in resource:
        done["snapshots"] = [{**each, "state": end} for each in resource["snapshots"]]
    track.change(update.end, **done)
    return track


def _ami(ami: Members, update: Update) -> Members:
    shown = {"resourceId": ami["image"], "region": ami["region"]}
    if update.include.get("snapshots"):
        snapshot = hexadecimal("snap-", ami["image"])
        shown["snapshots"] = [{"snapshotId": snapshot, "state": {"status": "IN_PROGRESS"}}]
    return shown


def _container(container: Members) -> Members:
    uris = container["imageUris"]
    return {"resourceId": uris[0], "region": container["region"], "imageUris": uris}


def _selected(state: RegionState, policy: Members, detail: Members, now: float) -> list[Image]:
    """Images that this rule of the policy acts on, oldest first."""
    kind = {"AMI_IMAGE": "AMI", "CONTAINER_IMAGE": "DOCKER"}[policy["resourceType"]]
    found = [
        image
        for image in state.images.values()
        if image.static["type"] == kind
        and image.status(now) in _LIVING
        and _is_selected(image.static, policy["resourceSelection"])
        and not _shares_tag(image.static, detail.get("exclusionRules", {}).get("tagMap"))
    ]
    rule = detail["filter"]
    if rule["type"] == "COUNT":
        return found[: max(0, len(found) - int(rule["value"]))]
    age = int(rule["value"]) * _DAYS[rule.get("unit", "DAYS")] * 86400
    old = [image for image in found if now - image.runs[0].start >= age]
    return old[: max(0, len(found) - int(rule.get("retainAtLeast", 0)))]


def _is_selected(image: Members, selection: Members) -> bool:
    if _shares_tag(image, selection.get("tagMap")):
        return True
    name, version = normalised(image["name"]), image["version"].partition("/")[0]
    return any(
        normalised(each["name"]) == name and version_matches(each["semanticVersion"], version)
        for each in selection.get("recipes", ())
    )


def _shares_tag(image: Members, tags: Mapping[str, str] | None) -> bool:
    return any(image.get("tags", {}).get(name) == value for name, value in (tags or {}).items())


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
    if any(image.arn in run.resources and run.status(now) not in _OVER for run in state.lifecycles.values()):
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
    if status in _OVER:
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
