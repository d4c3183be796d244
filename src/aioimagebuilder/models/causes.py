"""What a root cause is: where something failed, what failed, and what the service says of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = ["CauseKind", "FailedComponent", "FailedTarget", "Place", "RootCause"]


class CauseKind(StrEnum):
    """The sorts of root cause."""

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
    """Where in a build something is; what is not known is ``None``.

    Attributes:
        stage: the image's status in that stage (BUILDING, TESTING, DISTRIBUTING).
        workflow_arn: the workflow.
        workflow_execution_id: its execution.
        step: the name of the step.
        step_execution_id: its execution.
        action: the step's action.
        attempt: the attempt, from 1.
        max_attempts: the attempts that it has.
        timeout_seconds: the step's timeout.
        started: when the step, or else the workflow, started.
        ended: when it ended.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedComponent:
    """The component that failed, with the phase and step of its document, and the step's action."""

    arn: str | None = None
    phase: str | None = None
    step: str | None = None
    action: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTarget:
    """A region that distribution failed in, or a resource that a lifecycle execution failed at."""

    name: str
    region: str | None = None
    account_id: str | None = None
    action: str | None = None
    status: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RootCause:
    """Why something failed.

    Attributes:
        kind: what sort of failure it is.
        place: where it happened.
        message: what the service says.
        component: the component that failed, for COMPONENT.
        error_output: the last that the failed command wrote to its standard error, from the build's log.
        targets: the regions or resources that failed, for DISTRIBUTION and RESOURCE.
        targets_total: how many there were in all, if that is known.
    """

    kind: CauseKind
    place: Place
    message: str | None = None
    component: FailedComponent | None = None
    error_output: str | None = None
    targets: tuple[FailedTarget, ...] = ()
    targets_total: int | None = None
