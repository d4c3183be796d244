"""Causes of a failure as data: what failed, where, and what the service says about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 3600
_MAXIMUM_NAMES: Final = 3
_STEP_TIMED_OUT: Final = re.compile(r"step \S+ timed out\.?", re.IGNORECASE)


class CauseKind(StrEnum):
    """The kinds of cause."""

    COMPONENT = "component"
    DISTRIBUTION = "distribution"
    TIMEOUT = "timeout"
    STOPPED = "stopped"
    STEP = "step"
    WORKFLOW = "workflow"
    IMAGE = "image"
    RESOURCE = "resource"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in a build; what is unknown is ``None``. ``str()`` lists what is known.

    Attributes:
        stage: The status of the image in that stage (BUILDING, TESTING, DISTRIBUTING).
        workflow_arn: The workflow.
        workflow_execution_id: The workflow execution.
        step: The name of the step.
        step_execution_id: The step execution.
        action: The action of the step.
        attempt: The attempt, from 1.
        max_attempts: The maximum number of attempts.
        timeout_seconds: The timeout of the step.
        started: When the step, or else the workflow, started.
        ended: When it ended.
    """

    stage: str | None = None
    workflow_arn: str | None = None
    workflow_execution_id: str | None = None
    step: str | None = None
    step_execution_id: str | None = None
    action: str | None = None
    attempt: int | None = None
    max_attempts: int | None = None
    timeout_seconds: int | None = None
    started: datetime | None = None
    ended: datetime | None = None

    @property
    def step_with_action(self) -> str:
        """The name of the step, followed by its action if that is known."""
        return _with_action(self.step, self.action)

    def __str__(self) -> str:
        return self.describe(with_step=True)

    def describe(self, *, with_step: bool) -> str:
        """Return what is known of the place, separated by commas."""
        parts = [
            self.stage or "",
            f"workflow {short_name(self.workflow_arn)}" if self.workflow_arn else "",
            f"step {self.step_with_action}" if self.step and with_step else "",
        ]
        if (self.max_attempts or 1) > 1:
            parts.append(f"attempt {self.attempt} of {self.max_attempts}")
        return ", ".join(filter(None, parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedComponent:
    """A component that failed, with the phase and step of its document and the action of the step."""

    arn: str | None = None
    phase: str | None = None
    step: str | None = None
    action: str | None = None

    @property
    def document_place(self) -> str:
        """The phase and step of the component's document, as far as they are known."""
        parts = [
            f"phase {self.phase}" if self.phase else "",
            f"step {_with_action(self.step, self.action)}" if self.step else "",
        ]
        return ", ".join(filter(None, parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTarget:
    """A region in which distribution failed, or a resource on which a lifecycle execution failed."""

    name: str
    region: str | None = None
    account_id: str | None = None
    action: str | None = None
    status: str | None = None
    message: str | None = None

    def __str__(self) -> str:
        return self.name if self.region in {None, self.name} else f"{self.name} in {self.region}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RootCause:
    """The cause of a failure. ``str()`` is a clause without a full stop: what failed, its message, and where.

    Attributes:
        kind: The kind of cause.
        place: Where it happened.
        message: The service's message.
        component: The component that failed, for COMPONENT.
        error_output: The error that the failed command wrote to standard error according to the build's log,
            or else the last line of the failed step in that log that reports a failure.
        from_stderr: Whether `error_output` was written to standard error.
        targets: The regions or resources that failed, for DISTRIBUTION and RESOURCE.
        targets_total: The number of regions or resources, if it is known.
    """

    kind: CauseKind
    place: Place
    message: str | None = None
    component: FailedComponent | None = None
    error_output: str | None = None
    from_stderr: bool = False
    targets: tuple[FailedTarget, ...] = ()
    targets_total: int | None = None

    def __str__(self) -> str:
        subject = _SUBJECTS[self.kind](self)
        message = self.message or "the service gives no reason"
        if self.kind is CauseKind.TIMEOUT and _STEP_TIMED_OUT.fullmatch(message):
            message = ""
        if self.error_output:
            output = f"{'standard error' if self.from_stderr else 'log'}: {self.error_output}"
            message = f"{message} ({output})" if self.message else output
        text = ": ".join(filter(None, (subject, message)))
        place = self.place.describe(with_step=self.kind not in _NAMING_STEP)
        return f"{text} [{place}]" if place else text


def short_name(arn: str | None) -> str:
    """Return the name and version in the ARN of a component or workflow; a malformed ARN as it is."""
    _, _, resource = (arn or "").partition(":component/")
    if not resource:
        # workflow/<type>/<name>/<version>
        resource = (arn or "").partition(":workflow/")[2].partition("/")[2]
    name, _, version = resource.partition("/")
    return f"{name} {version}".strip() or arn or "without a name"


def duration(seconds: float) -> str:
    """Return a duration in the largest unit that needs no decimals: ``12 h``, ``90 min``, ``95 s``."""
    if seconds >= _HOUR and seconds % _HOUR == 0:
        return f"{seconds / _HOUR:.0f} h"
    if seconds >= _MINUTE and seconds % _MINUTE == 0:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds:.0f} s"


def _with_action(name: str | None, action: str | None) -> str:
    return f"{name} ({action})" if action else f"{name}"


def _component(cause: RootCause) -> str:
    component = cause.component
    if component is None:
        return "a component failed"
    name = f"component {short_name(component.arn)}" if component.arn else "a component"
    where = component.document_place
    return f"{name} failed in {where}" if where else f"{name} failed"


def _timeout(cause: RootCause) -> str:
    place = cause.place
    after = f" after {duration(place.timeout_seconds)}" if place.timeout_seconds else ""
    return f"{f'step {place.step_with_action}' if place.step else 'a step'} timed out{after}"


def _share(cause: RootCause, noun: str) -> str:
    count, total = len(cause.targets), cause.targets_total
    names = ", ".join(map(str, cause.targets[:_MAXIMUM_NAMES]))
    more = ", …" if count > _MAXIMUM_NAMES else ""
    of = f" of {total}" if total and total >= count else ""
    plural = "" if (total or count) == 1 else "s"
    return f"{count}{of} {noun}{plural} ({names}{more})"


# What failed, by kind of cause. The message and the place follow.
_SUBJECTS: Final[Mapping[CauseKind, Callable[[RootCause], str]]] = {
    CauseKind.COMPONENT: _component,
    CauseKind.DISTRIBUTION: lambda cause: (
        f"distribution failed in {_share(cause, 'region')}" if cause.targets else "distribution failed"
    ),
    CauseKind.TIMEOUT: _timeout,
    CauseKind.STOPPED: lambda cause: f"the waiting step {cause.place.step} was stopped",
    CauseKind.STEP: lambda cause: f"step {cause.place.step_with_action} failed",
    CauseKind.WORKFLOW: lambda cause: f"workflow {short_name(cause.place.workflow_arn)} failed",
    CauseKind.IMAGE: lambda _: "",
    CauseKind.RESOURCE: lambda cause: f"{_share(cause, 'resource')} failed" if cause.targets else "",
}
_NAMING_STEP: Final = frozenset({CauseKind.TIMEOUT, CauseKind.STOPPED, CauseKind.STEP})
