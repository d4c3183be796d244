"""Lifecycle executions, and what they do to images and to what was made from them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..simulation.identifiers import hexadecimal
from ..simulation.images import Image
from ..simulation.state_history import Members, Track
from .state import RegionState

ACTION_OF = {"DELETED": "DELETE", "DEPRECATED": "DEPRECATE", "DISABLED": "DISABLE", "AVAILABLE": "AVAILABLE"}
OVER = frozenset({"SUCCESS", "FAILED", "CANCELLED"})


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
        ended = status in OVER
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
