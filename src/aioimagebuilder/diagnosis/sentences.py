"""Causes and places in words: one line each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from ..models.causes import CauseKind, FailedTarget, Place, RootCause

__all__ = ["duration", "place_sentence", "sentence", "short_name", "target_name", "with_action"]

_MINUTE: Final = 60
_HOUR: Final = 3600
_ONLY_TIMED_OUT: Final = re.compile(r"step \S+ timed out\.?", re.IGNORECASE)


def sentence(cause: RootCause) -> str:
    """Get a cause as a clause without a full stop: what failed, what it said, and where."""
    what = _WHAT[cause.kind](cause)
    place = place_sentence(cause.place, with_step=cause.kind not in _NAMES_STEP)
    said = cause.message or "the service gives no reason"
    if cause.kind is CauseKind.TIMEOUT and _ONLY_TIMED_OUT.fullmatch(said):
        said = ""
    if cause.error_output:
        said += f" (standard error: {cause.error_output})"
    told = ": ".join(filter(None, (what, said)))
    return f"{told} [{place}]" if place else told


def place_sentence(place: Place, *, with_step: bool = True) -> str:
    """Get a place as a list of what is known of it."""
    parts = [
        place.stage or "",
        f"workflow {short_name(place.workflow_arn)}" if place.workflow_arn else "",
        f"step {with_action(place.step, place.action)}" if place.step and with_step else "",
    ]
    if (place.max_attempts or 1) > 1:
        parts.append(f"attempt {place.attempt} of {place.max_attempts}")
    return ", ".join(filter(None, parts))


def with_action(name: str | None, action: str | None) -> str:
    """Get the name of a step, with its action if that is known."""
    return f"{name} ({action})" if action else f"{name}"


def short_name(arn: str | None) -> str:
    """Get name and version out of an ARN; the ARN itself where it is of no such form."""
    _, _, resource = (arn or "").partition(":component/")
    if not resource:
        # workflow/<type>/<name>/<version>
        resource = (arn or "").partition(":workflow/")[2].partition("/")[2]
    name, _, version = resource.partition("/")
    return f"{name} {version}".strip() or arn or "without a name"


def duration(seconds: float) -> str:
    """Get a length of time as one says it."""
    if seconds >= _HOUR and seconds % _HOUR == 0:
        return f"{seconds / _HOUR:.0f} h"
    if seconds >= _MINUTE and seconds % _MINUTE == 0:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds:.0f} s"


def _component(cause: RootCause) -> str:
    component = cause.component
    if component is None:
        return "a component failed"
    where = [
        f"in phase {component.phase}" if component.phase else "",
        f"step {with_action(component.step, component.action)}" if component.step else "",
    ]
    name = f"component {short_name(component.arn)}" if component.arn else "a component"
    return f"{name} failed {', '.join(filter(None, where))}".rstrip()


def _timeout(cause: RootCause) -> str:
    place = cause.place
    after = f" after {duration(place.timeout_seconds)}" if place.timeout_seconds else ""
    return f"step {with_action(place.step, place.action)} timed out{after}"


def _distribution(cause: RootCause) -> str:
    return f"distribution failed in {_share(cause, 'region')}"


def _resource(cause: RootCause) -> str:
    return f"{_share(cause, 'resource')} failed" if cause.targets else ""


def _share(cause: RootCause, noun: str) -> str:
    if not cause.targets:
        return f"a {noun}"
    count, total = len(cause.targets), cause.targets_total
    names = ", ".join(target_name(each) for each in cause.targets[:3])
    more = ", …" if count > 3 else ""  # noqa: PLR2004 - what one reads at a glance
    of = f" of {total}" if total and total >= count else ""
    plural = "" if (total or count) == 1 else "s"
    return f"{count}{of} {noun}{plural} ({names}{more})"


def target_name(target: FailedTarget) -> str:
    """Get the name of a target, with its region if the name is not that."""
    return target.name if target.region in {None, target.name} else f"{target.name} in {target.region}"


# A new sort of cause is a new row: what failed. What it said, and where, follow.
_WHAT: Final[Mapping[CauseKind, Callable[[RootCause], str]]] = {
    CauseKind.COMPONENT: _component,
    CauseKind.DISTRIBUTION: _distribution,
    CauseKind.TIMEOUT: _timeout,
    CauseKind.STOPPED: lambda cause: f"the gate {cause.place.step} was stopped",
    CauseKind.STEP: lambda cause: f"step {with_action(cause.place.step, cause.place.action)} failed",
    CauseKind.WORKFLOW: lambda cause: f"workflow {short_name(cause.place.workflow_arn)} failed",
    CauseKind.IMAGE: lambda _: "",
    CauseKind.RESOURCE: _resource,
}
_NAMES_STEP: Final = frozenset({CauseKind.TIMEOUT, CauseKind.STOPPED, CauseKind.STEP})
