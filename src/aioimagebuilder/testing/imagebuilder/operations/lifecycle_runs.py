"""Lifecycle executions and their effects on images and output resources."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from ...simulation.identifiers import make_ec2_id
from ...simulation.images import Image
from ...simulation.lifecycle_runs import LifecycleRun
from ...simulation.state_history import Members, StateHistory
from ..models import ImageBuilderBackend
from ..outputs import publish_update

ACTIONS = {"DELETED": "DELETE", "DEPRECATED": "DEPRECATE", "DISABLED": "DISABLE", "AVAILABLE": "AVAILABLE"}
TERMINAL_STATUSES = frozenset({"SUCCESS", "FAILED", "CANCELLED"})


@dataclass(frozen=True, kw_only=True)
class Update:
    """The update that a lifecycle execution makes to an image.

    Args:
        status: The new status of the image.
        work_start: The time at which the resources become IN_PROGRESS.
        end: The end of the execution.
        include: Whether ``amis``, ``snapshots`` and ``containers`` are included.
        excluded_regions: Regions whose AMIs are skipped.
        outcome: Final status of the execution.
        reason: Reason of a failure.
    """

    status: str
    work_start: float
    end: float
    include: Mapping[str, bool] = field(default_factory=dict)
    excluded_regions: Sequence[str] = ()
    outcome: str = "SUCCESS"
    reason: str | None = None


def start_execution(
    backend: ImageBuilderBackend,
    schedule: Sequence[tuple[str, float]],
    *,
    updates: Sequence[tuple[Image, Update]] = (),
    policy_arn: str | None = None,
    reason: str | None = None,
    members: Mapping[str, object] | None = None,
) -> str:
    """Add an execution that follows a schedule of (status, time), and return its id."""
    base = {
        "lifecycleExecutionId": f"lce-{uuid.uuid4()}",
        "lifecyclePolicyArn": policy_arn,
        "resourcesImpactedSummary": {"hasImpactedResources": bool(updates)},
        **(members or {}),
    }
    identifier = str(base["lifecycleExecutionId"])
    run = LifecycleRun(history=StateHistory(), policy_arn=policy_arn)
    start = schedule[0][1]
    for index, (status, at) in enumerate(schedule):
        execution_state: Members = {"status": status}
        if reason is not None and index == len(schedule) - 1:
            execution_state["reason"] = reason
        end = round(at, 3) if status in TERMINAL_STATUSES else None
        times = {"startTime": round(start, 3), "endTime": end}
        run.history.change(at, **{**times, **base, "state": execution_state})
    for image, update in updates:
        run.resources[image.arn] = _plan_update(backend, run, identifier, image, update)
        backend.shared.agenda.schedule(update.end, partial(publish_update, backend, run, image.arn))
    backend.lifecycle_runs[identifier] = run
    return identifier


def _plan_update(
    backend: ImageBuilderBackend, run: LifecycleRun, identifier: str, image: Image, update: Update
) -> list[StateHistory]:
    run.schedule_change(image, backend.now(), lifecycleExecutionId=identifier)
    outputs = image.view(backend.now()).get("outputResources", {})
    amis = outputs.get("amis", ()) if update.include.get("amis") else ()
    containers = outputs.get("containers", ()) if update.include.get("containers") else ()
    resources = [*(_describe_ami(ami, update) for ami in amis), *map(_describe_container, containers)]
    skipped = [each for each in resources if each["region"] in update.excluded_regions]
    image_resource = {"resourceId": image.arn, "region": backend.region_name}
    is_kept = bool(skipped) and update.status == "DELETED"
    histories = [_make_history(backend, image_resource, update, skipped=is_kept)]
    histories += [_make_history(backend, each, update, skipped=each in skipped) for each in resources]
    if update.outcome == "SUCCESS" and not is_kept:
        run.schedule_change(image, update.end, status=update.status, reason=None, failureContext=None)
    return histories


def _make_history(
    backend: ImageBuilderBackend, resource: Members, update: Update, *, skipped: bool
) -> StateHistory:
    history = StateHistory()
    base = {
        "accountId": backend.account_id,
        **resource,
        "action": {"name": ACTIONS[update.status]},
        "startTime": round(update.work_start, 3),
    }
    history.change(update.work_start, **base, state={"status": "IN_PROGRESS"})
    outcome = {"SUCCESS": "SUCCESS"}.get(update.outcome, "FAILED")
    end: Members = {"status": "SKIPPED" if skipped else outcome}
    if update.reason and outcome == "FAILED":
        end["reason"] = update.reason
    changes: Members = {"state": end, "endTime": round(update.end, 3)}
    if "snapshots" in resource:
        changes["snapshots"] = [{**each, "state": end} for each in resource["snapshots"]]
    history.change(update.end, **changes)
    return history


def _describe_ami(ami: Members, update: Update) -> Members:
    resource = {"resourceId": ami["image"], "region": ami["region"]}
    if "accountId" in ami:
        resource["accountId"] = ami["accountId"]
    if update.include.get("snapshots"):
        snapshot = make_ec2_id("snap-", ami["image"])
        resource["snapshots"] = [{"snapshotId": snapshot, "state": {"status": "IN_PROGRESS"}}]
    return resource


def _describe_container(container: Members) -> Members:
    uris = container["imageUris"]
    return {"resourceId": uris[0], "region": container["region"], "imageUris": uris}
