"""Lifecycle policies: selection of images, and runs that update them."""

from __future__ import annotations

from collections.abc import Mapping

from ...simulation.identifiers import matches_version, slugify
from ...simulation.images import Image
from ...simulation.state_history import Members
from ..errors import in_use
from ..models import ImageBuilderBackend
from .lifecycle_runs import ACTIONS, TERMINAL_STATUSES, Update, start_execution
from .lookup import get_resource

_STATUS_BY_ACTION = {action: status for status, action in ACTIONS.items()}
_SELECTABLE_STATUSES = frozenset({"AVAILABLE", "DEPRECATED", "DISABLED"})
_DAYS_PER_UNIT = {"DAYS": 1, "WEEKS": 7, "MONTHS": 30, "YEARS": 365}


def run_policy(
    backend: ImageBuilderBackend,
    policy_arn: str,
    *,
    seconds: float = 30.0,
    status: str = "SUCCESS",
    reason: str | None = None,
) -> str:
    """Run a lifecycle policy now and return the id of the execution.

    Raises:
        ServiceError: The policy does not exist or is already running.
    """
    policy = get_resource(backend, policy_arn)
    now = backend.now()
    runs = [run for run in backend.lifecycle_runs.values() if run.policy_arn == policy_arn]
    if any(run.status(now) not in TERMINAL_STATUSES for run in runs):
        raise in_use(f"The lifecycle policy {policy_arn} is already running.")
    backend.shared.extra_statuses.add(status)
    updates: dict[str, tuple[Image, Update]] = {}
    for detail in policy.record["policyDetails"]:
        update = Update(
            status=_STATUS_BY_ACTION[detail["action"]["type"]],
            work_start=now,
            end=now + seconds,
            include=detail["action"].get("includeResources", {}),
            outcome=status,
            reason=reason,
        )
        for image in _select_images(backend, policy.record, detail, now):
            updates.setdefault(image.arn, (image, update))
    policy.record["dateLastRun"] = round(now, 3)
    schedule = [("IN_PROGRESS", now), (status, now + seconds)]
    return start_execution(
        backend, schedule, updates=[*updates.values()], policy_arn=policy_arn, reason=reason
    )


def _select_images(backend: ImageBuilderBackend, policy: Members, detail: Members, now: float) -> list[Image]:
    """Return the images selected by a rule of the policy, oldest first."""
    kind = {"AMI_IMAGE": "AMI", "CONTAINER_IMAGE": "DOCKER"}[policy["resourceType"]]
    images = [
        image
        for image in backend.images.values()
        if image.static["type"] == kind
        and image.status(now) in _SELECTABLE_STATUSES
        and _is_selected(image.static, policy["resourceSelection"])
        and not _has_any_tag(image.static, detail.get("exclusionRules", {}).get("tagMap"))
    ]
    rule = detail["filter"]
    if rule["type"] == "COUNT":
        return images[: max(0, len(images) - int(rule["value"]))]
    min_age = int(rule["value"]) * _DAYS_PER_UNIT[rule.get("unit", "DAYS")] * 86400
    old = [image for image in images if now - image.runs[0].start >= min_age]
    return old[: max(0, len(images) - int(rule.get("retainAtLeast", 0)))]


def _is_selected(image: Members, selection: Members) -> bool:
    if _has_any_tag(image, selection.get("tagMap")):
        return True
    name, version = slugify(image["name"]), image["version"].partition("/")[0]
    return any(
        slugify(each["name"]) == name and matches_version(each["semanticVersion"], version)
        for each in selection.get("recipes", ())
    )


def _has_any_tag(image: Members, tags: Mapping[str, str] | None) -> bool:
    return any(image.get("tags", {}).get(name) == value for name, value in (tags or {}).items())
