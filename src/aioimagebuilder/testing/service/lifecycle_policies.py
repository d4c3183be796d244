"""Lifecycle policies: what they select, and what a run of one does to it."""

from __future__ import annotations

from collections.abc import Mapping

from ..simulation.identifiers import normalised, version_matches
from ..simulation.images import Image
from ..simulation.state_history import Members
from .errors import in_use
from .lifecycle_runs import ACTION_OF, OVER, Update, start_execution
from .resources import existing
from .state import RegionState

_STATUS_OF = {action: status for status, action in ACTION_OF.items()}
_LIVING = frozenset({"AVAILABLE", "DEPRECATED", "DISABLED"})
_DAYS = {"DAYS": 1, "WEEKS": 7, "MONTHS": 30, "YEARS": 365}


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
    if any(run.status(now) not in OVER for run in runs):
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
