"""Why a lifecycle execution failed: the resources that failed, and what failed below them. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeGuard

from ..models.causes import CauseKind, FailedTarget, Place, RootCause
from ..models.executions import LifecycleExecution
from ..models.shapes import LifecycleExecutionResource, LifecycleExecutionResourceState
from ..models.statuses import LifecycleExecutionResourceStatus, Outcome
from .evidence import Evidence
from .sanitize import MAXIMUM_ITEMS, clean


def lifecycle_cause(evidence: Evidence, subject: LifecycleExecution) -> tuple[RootCause, ...]:
    """Return the resources on which a lifecycle execution failed as its cause; nothing if it did not fail."""
    failed = _failed_resources(evidence)
    if not failed and subject.outcome is not Outcome.FAILED:
        return ()
    targets = tuple(_target(evidence, each) for each in failed[:MAXIMUM_ITEMS])
    message = subject.reason or next((each.message for each in targets if each.message), None)
    return (
        RootCause(
            kind=CauseKind.RESOURCE,
            place=Place(started=subject.start_time, ended=subject.end_time),
            message=clean(message),
            targets=targets,
            targets_total=len(evidence.resources) or None,
        ),
    )


def suspects(evidence: Evidence) -> tuple[str, ...]:
    """Return the ids of the resources whose own resources may say why: those that failed, or else all."""
    resources = _failed_resources(evidence) or evidence.resources
    return tuple(each.resource_id for each in resources if each.resource_id)


def _failed_resources(evidence: Evidence) -> list[LifecycleExecutionResource]:
    return [
        each for each in evidence.resources if _is_failed(each.state) or any(_failures_below(evidence, each))
    ]


def _target(evidence: Evidence, resource: LifecycleExecutionResource) -> FailedTarget:
    own = resource.state.reason if resource.state else None
    below = (f"{name}: {reason}" for name, reason in _failures_below(evidence, resource) if reason)
    return FailedTarget(
        name=clean(resource.resource_id) or "a resource without an id",
        region=clean(resource.region),
        account_id=clean(resource.account_id),
        action=clean(resource.action.name) if resource.action else None,
        status=clean(resource.state.status) if resource.state else None,
        message=clean("; ".join(filter(None, (own, *below)))),
    )


def _failures_below(
    evidence: Evidence, resource: LifecycleExecutionResource
) -> Iterator[tuple[str, str | None]]:
    """Yield the names and reasons of the AMIs, container images and snapshots of a resource that failed."""
    children = evidence.children.get(resource.resource_id or "", ())
    for each in children:
        if _is_failed(each.state):
            yield each.resource_id or "a resource", each.state.reason
    for each in (resource, *children):
        for snapshot in each.snapshots or ():
            if _is_failed(snapshot.state):
                yield snapshot.snapshot_id or "a snapshot", snapshot.state.reason


def _is_failed(
    state: LifecycleExecutionResourceState | None,
) -> TypeGuard[LifecycleExecutionResourceState]:
    return state is not None and state.status == LifecycleExecutionResourceStatus.FAILED
