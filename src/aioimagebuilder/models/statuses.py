"""The service's statuses, open to values that nobody knows yet, and what each of them means.

The tables are the semantics: which status ends an execution, and as what. Everything else asks them.
Sources: the service model (``GetWorkflowExecutionResponse.status`` states the terminal workflow statuses,
``ImageState.status`` those of a build) and the user guide ("Manage lifecycle policy executions"; it alone
knows the step statuses WAITING and TIMED_OUT).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Self

__all__ = [
    "BuildType",
    "ImageScanStatus",
    "ImageStatus",
    "ImageType",
    "LifecycleExecutionResourceStatus",
    "LifecycleExecutionStatus",
    "OpenEnum",
    "Outcome",
    "WorkflowExecutionStatus",
    "WorkflowStepActionType",
    "WorkflowStepExecutionRollbackStatus",
    "WorkflowStepExecutionStatus",
    "WorkflowType",
]


class Outcome(StrEnum):
    """What became of an execution, whatever its kind calls it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class OpenEnum(StrEnum):
    """An enum of the service, which keeps a value that nobody knows as it came.

    AWS adds values without notice (CANCELLED, DISABLED and IMPORT_ISO came so), and an unknown word must
    neither crash a wait nor be lost.

    Attributes:
        is_known: whether this library knows the value.
    """

    is_known: bool

    def __init__(self, _: object) -> None:
        # Called for the members that the class is made with, and for no other.
        self.is_known = True

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        # Made anew each time, not stored: a hostile peer could otherwise grow the enum without bound.
        # Equality and hash are str's, so two unknown members of one value are equal.
        member = str.__new__(cls, value)
        member._name_ = value
        member._value_ = value
        member.is_known = False
        return member

    def __repr__(self) -> str:
        # The name of an unknown member is untrusted text, which StrEnum's own would show as it is.
        return super().__repr__() if self.is_known else f"<{type(self).__name__}: {self._value_!r}>"


class WorkflowExecutionStatus(OpenEnum):
    """The status of a workflow execution."""

    PENDING = "PENDING"
    SKIPPED = "SKIPPED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    ROLLBACK_IN_PROGRESS = "ROLLBACK_IN_PROGRESS"
    ROLLBACK_COMPLETED = "ROLLBACK_COMPLETED"
    CANCELLED = "CANCELLED"


class WorkflowStepExecutionStatus(OpenEnum):
    """The status of a workflow step; WAITING and TIMED_OUT are the guide's, and not in the model."""

    PENDING = "PENDING"
    SKIPPED = "SKIPPED"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"


class WorkflowStepExecutionRollbackStatus(OpenEnum):
    """How the rollback of a step went; NO_ROLLBACK is the guide's, and not in the model."""

    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    SKIPPED = "SKIPPED"
    FAILED = "FAILED"
    NO_ROLLBACK = "NO_ROLLBACK"


class ImageStatus(OpenEnum):
    """The status of an image build version."""

    PENDING = "PENDING"
    CREATING = "CREATING"
    BUILDING = "BUILDING"
    TESTING = "TESTING"
    DISTRIBUTING = "DISTRIBUTING"
    INTEGRATING = "INTEGRATING"
    AVAILABLE = "AVAILABLE"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"
    DEPRECATED = "DEPRECATED"
    DELETED = "DELETED"
    DISABLED = "DISABLED"


class LifecycleExecutionStatus(OpenEnum):
    """The status of a lifecycle execution; PENDING is a pause until the next daily run."""

    IN_PROGRESS = "IN_PROGRESS"
    CANCELLED = "CANCELLED"
    CANCELLING = "CANCELLING"
    FAILED = "FAILED"
    SUCCESS = "SUCCESS"
    PENDING = "PENDING"


class LifecycleExecutionResourceStatus(OpenEnum):
    """What a lifecycle execution did to one resource."""

    FAILED = "FAILED"
    IN_PROGRESS = "IN_PROGRESS"
    SKIPPED = "SKIPPED"
    SUCCESS = "SUCCESS"


class ImageScanStatus(OpenEnum):
    """The status of the vulnerability scan of an image."""

    PENDING = "PENDING"
    SCANNING = "SCANNING"
    COLLECTING = "COLLECTING"
    COMPLETED = "COMPLETED"
    ABANDONED = "ABANDONED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"


class WorkflowType(OpenEnum):
    """The stage that a workflow belongs to."""

    BUILD = "BUILD"
    TEST = "TEST"
    DISTRIBUTION = "DISTRIBUTION"


class ImageType(OpenEnum):
    """What an image is made into."""

    AMI = "AMI"
    DOCKER = "DOCKER"


class BuildType(OpenEnum):
    """What caused an image to be built."""

    USER_INITIATED = "USER_INITIATED"
    SCHEDULED = "SCHEDULED"
    IMPORT = "IMPORT"
    IMPORT_ISO = "IMPORT_ISO"


class WorkflowStepActionType(OpenEnum):
    """What can be told to a step that waits."""

    RESUME = "RESUME"
    STOP = "STOP"


# Which status ends an execution, and as what. A status that is not in its table (running, or unknown)
# does not end it.
WORKFLOW_EXECUTION_OUTCOMES: Final[Mapping[str, Outcome]] = {
    WorkflowExecutionStatus.COMPLETED: Outcome.SUCCEEDED,
    WorkflowExecutionStatus.SKIPPED: Outcome.SKIPPED,
    WorkflowExecutionStatus.FAILED: Outcome.FAILED,
    WorkflowExecutionStatus.ROLLBACK_COMPLETED: Outcome.FAILED,
    WorkflowExecutionStatus.CANCELLED: Outcome.CANCELLED,
}
WORKFLOW_STEP_EXECUTION_OUTCOMES: Final[Mapping[str, Outcome]] = {
    WorkflowStepExecutionStatus.COMPLETED: Outcome.SUCCEEDED,
    WorkflowStepExecutionStatus.SKIPPED: Outcome.SKIPPED,
    WorkflowStepExecutionStatus.FAILED: Outcome.FAILED,
    WorkflowStepExecutionStatus.TIMED_OUT: Outcome.FAILED,
    WorkflowStepExecutionStatus.CANCELLED: Outcome.CANCELLED,
}
IMAGE_OUTCOMES: Final[Mapping[str, Outcome]] = {
    ImageStatus.AVAILABLE: Outcome.SUCCEEDED,
    # Only an image that was AVAILABLE can be deprecated or disabled: the build had succeeded.
    ImageStatus.DEPRECATED: Outcome.SUCCEEDED,
    ImageStatus.DISABLED: Outcome.SUCCEEDED,
    ImageStatus.FAILED: Outcome.FAILED,
    # DELETED says nothing of the build, but there is nothing left to use.
    ImageStatus.DELETED: Outcome.FAILED,
    ImageStatus.CANCELLED: Outcome.CANCELLED,
}
LIFECYCLE_EXECUTION_OUTCOMES: Final[Mapping[str, Outcome]] = {
    LifecycleExecutionStatus.SUCCESS: Outcome.SUCCEEDED,
    LifecycleExecutionStatus.FAILED: Outcome.FAILED,
    LifecycleExecutionStatus.CANCELLED: Outcome.CANCELLED,
}

# How far along its course a status is: a read of a lower rank than one already seen is a stale read.
# Equal ranks may follow each other either way; a status without a rank (unknown) never looks stale, nor
# makes another look so. Terminal statuses rank above all, by their outcome.
WORKFLOW_EXECUTION_RANKS: Final[Mapping[str, int]] = {
    WorkflowExecutionStatus.PENDING: 0,
    WorkflowExecutionStatus.RUNNING: 1,
    WorkflowExecutionStatus.ROLLBACK_IN_PROGRESS: 2,
}
WORKFLOW_STEP_EXECUTION_RANKS: Final[Mapping[str, int]] = {
    WorkflowStepExecutionStatus.PENDING: 0,
    WorkflowStepExecutionStatus.RUNNING: 1,
    WorkflowStepExecutionStatus.WAITING: 1,
    # With attempts left; without, it is terminal.
    WorkflowStepExecutionStatus.FAILED: 2,
}
IMAGE_RANKS: Final[Mapping[str, int]] = {
    ImageStatus.PENDING: 0,
    ImageStatus.CREATING: 1,
    ImageStatus.BUILDING: 2,
    ImageStatus.TESTING: 3,
    ImageStatus.DISTRIBUTING: 4,
    ImageStatus.INTEGRATING: 5,
}
LIFECYCLE_EXECUTION_RANKS: Final[Mapping[str, int]] = {
    LifecycleExecutionStatus.PENDING: 0,
    LifecycleExecutionStatus.IN_PROGRESS: 0,
    LifecycleExecutionStatus.CANCELLING: 1,
}
