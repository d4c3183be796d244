"""The enums of the service, open to values that this library does not know yet.

Which statuses are terminal, and with which outcome, is defined by the table in `kinds`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Outcome(StrEnum):
    """The outcome of an execution, independent of its kind."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class OpenEnum(StrEnum):
    """An enum of the service that preserves unknown values.

    AWS adds values without notice (CANCELLED, DISABLED and IMPORT_ISO for example), and an unknown value must
    neither crash a wait nor be lost.

    Attributes:
        is_known: Whether this library knows the value.
    """

    is_known: bool

    def __init__(self, _: object) -> None:
        # Called for declared members only.
        self.is_known = True

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        # Created on each call, not stored: a hostile peer could otherwise grow the enum without bound.
        # Equality and hash are those of str, so two unknown members with the same value are equal.
        member = str.__new__(cls, value)
        member._name_ = value
        member._value_ = value
        member.is_known = False
        return member

    def __repr__(self) -> str:
        # The name of an unknown member is untrusted text, which StrEnum's repr would not escape.
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
    """The status of a workflow step. WAITING and TIMED_OUT are in the user guide only, not in the model."""

    PENDING = "PENDING"
    SKIPPED = "SKIPPED"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"


class WorkflowStepExecutionRollbackStatus(OpenEnum):
    """The rollback status of a workflow step. NO_ROLLBACK is in the user guide only, not in the model."""

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
    """The status of a lifecycle execution. PENDING is a pause until the next daily run."""

    IN_PROGRESS = "IN_PROGRESS"
    CANCELLED = "CANCELLED"
    CANCELLING = "CANCELLING"
    FAILED = "FAILED"
    SUCCESS = "SUCCESS"
    PENDING = "PENDING"


class LifecycleExecutionResourceStatus(OpenEnum):
    """The status of a resource in a lifecycle execution."""

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
    """The type of a workflow: the stage that it belongs to."""

    BUILD = "BUILD"
    TEST = "TEST"
    DISTRIBUTION = "DISTRIBUTION"


class ImageType(OpenEnum):
    """The type of an image."""

    AMI = "AMI"
    DOCKER = "DOCKER"


class BuildType(OpenEnum):
    """The reason for a build."""

    USER_INITIATED = "USER_INITIATED"
    SCHEDULED = "SCHEDULED"
    IMPORT = "IMPORT"
    IMPORT_ISO = "IMPORT_ISO"


class WorkflowStepActionType(OpenEnum):
    """An action for a waiting step (SendWorkflowStepAction)."""

    RESUME = "RESUME"
    STOP = "STOP"
