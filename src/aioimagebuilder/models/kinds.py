"""The table of kinds: everything that distinguishes one kind of execution from another.

A new kind of execution is a new row here and a dataclass in `executions`.

Sources of the statuses: the service model (``GetWorkflowExecutionResponse.status`` lists the terminal
statuses of a workflow execution, ``ImageState.status`` those of a build) and the user guide ("Manage
lifecycle policy executions"; only the guide has the step statuses WAITING and TIMED_OUT). Sources of the
identifiers' patterns: the service model, applied leniently (see `identifiers`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from .statuses import (
    ImageStatus,
    LifecycleExecutionStatus,
    OpenEnum,
    Outcome,
    WorkflowExecutionStatus,
    WorkflowStepExecutionStatus,
)

UUID: Final = r"[0-9A-Za-z]{8}-(?:[0-9A-Za-z]{4}-){3}[0-9A-Za-z]{12}"
VERSION: Final = r"(?:[0-9]+|x)\.(?:[0-9]+|x)\.(?:[0-9]+|x)"
# Any visible name, including capitals, but nothing that could move a cursor.
NAME: Final = r"[!-.0-~]+"
ARN: Final = r"arn:aws[A-Za-z-]*:imagebuilder:(?P<region>[A-Za-z0-9-]+):(?:[0-9]{12}|aws(?:-[a-z-]+)?):"


class ExecutionKind(StrEnum):
    """The kinds of execution that can be awaited."""

    IMAGE = "image"
    WORKFLOW_EXECUTION = "workflow execution"
    WORKFLOW_STEP_EXECUTION = "workflow step execution"
    LIFECYCLE_EXECUTION = "lifecycle execution"


@dataclass(frozen=True, slots=True)
class IdentifierFormat:
    """The format of an id or ARN.

    Attributes:
        pattern: A regular expression for the whole id or ARN. For an ARN, it has a group ``region``.
        example: An example for error messages.
    """

    pattern: str
    example: str


@dataclass(frozen=True, slots=True)
class GetOperation:
    """An operation that returns one execution.

    Attributes:
        operation: The name of the operation.
        parameter: The member of the request that holds the id or ARN.
        output: The member of the response that holds the execution; ``None`` if the response is the
            execution.
    """

    operation: str
    parameter: str
    output: str | None = None


@dataclass(frozen=True, slots=True)
class ListOperation:
    """An operation that returns pages of rows.

    Attributes:
        operation: The name of the operation.
        parameter: The member of the request that names the parent of the rows; ``None`` if there is none, and
            the rows are those of the whole account.
        output: The member of the response that holds the rows.
        shared: Members of the response that apply to all of its rows.
        is_complete: Whether a row, with the shared members, has every member of an execution that a Get
            returns.
    """

    operation: str
    parameter: str | None
    output: str
    shared: tuple[str, ...] = ()
    is_complete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A row of the table.

    Attributes:
        identifier: The format of the id or ARN.
        id_member: The attribute that holds the id or ARN.
        get: The operation that returns one execution of this kind.
        list: The operation that lists the executions of one parent.
        waiter: The name of its waiter, as botocore writes the names of waiters.
        parent_member: The attribute that holds the id or ARN of the parent; ``None`` if it is part of the
            ARN.
        statuses: The enum of the statuses.
        outcomes: The terminal statuses, and the outcome of each. Any other status, known or not, is not
            terminal.
        ranks: The order of the other statuses. A read with a lower rank than one seen before is stale.
            Statuses of equal rank may follow each other either way, and an unknown status, which has no rank,
            never makes a read stale. A terminal status ranks above all of them.
        status_member: The path of the status in an execution.
        cancel: The operation that cancels an execution; ``None`` if the service cannot cancel this kind.
        has_steps: Whether an execution runs steps that can be listed.
        has_waiting_steps: Whether ListWaitingWorkflowSteps reports steps of an execution.
        is_of_image: Whether it is an image or runs in the build of one, whose events are hints to poll it.
        announced: The statuses whose beginning EventBridge announces (user guide, "EventBridge events in
            Image Builder"); only those of images.
    """

    identifier: IdentifierFormat
    id_member: str
    get: GetOperation
    list: ListOperation
    waiter: str
    parent_member: str | None
    statuses: type[OpenEnum]
    outcomes: Mapping[str, Outcome]
    ranks: Mapping[str, int]
    status_member: str = "status"
    cancel: str | None = None
    has_steps: bool = False
    has_waiting_steps: bool = False
    is_of_image: bool = False
    announced: frozenset[str] = frozenset()

    @property
    def status_path(self) -> str:
        """The path of the status in the response of the Get."""
        return f"{self.get.output}.{self.status_member}" if self.get.output else self.status_member


# Identifiers may be of other kinds as well, so the keys are not typed as ExecutionKind.
KINDS: Final[Mapping[StrEnum, Kind]] = {
    ExecutionKind.IMAGE: Kind(
        identifier=IdentifierFormat(
            rf"{ARN}image/{NAME}/{VERSION}/[0-9]+", "arn:aws:imagebuilder:REGION:ACCOUNT:image/NAME/1.0.0/1"
        ),
        id_member="arn",
        get=GetOperation("GetImage", "imageBuildVersionArn", "image"),
        list=ListOperation("ListImageBuildVersions", "imageVersionArn", "imageSummaryList"),
        waiter="ImageAvailable",
        status_member="state.status",
        parent_member=None,
        statuses=ImageStatus,
        outcomes={
            ImageStatus.AVAILABLE: Outcome.SUCCEEDED,
            # Only an image that was AVAILABLE can be deprecated or disabled, so its build had succeeded.
            ImageStatus.DEPRECATED: Outcome.SUCCEEDED,
            ImageStatus.DISABLED: Outcome.SUCCEEDED,
            ImageStatus.FAILED: Outcome.FAILED,
            # DELETED says nothing about the build, but there is nothing left to use.
            ImageStatus.DELETED: Outcome.FAILED,
            ImageStatus.CANCELLED: Outcome.CANCELLED,
        },
        ranks={
            ImageStatus.PENDING: 0,
            ImageStatus.CREATING: 1,
            ImageStatus.BUILDING: 2,
            ImageStatus.TESTING: 3,
            ImageStatus.DISTRIBUTING: 4,
            ImageStatus.INTEGRATING: 5,
        },
        cancel="CancelImageCreation",
        has_steps=True,
        has_waiting_steps=True,
        is_of_image=True,
        announced=frozenset(
            {
                ImageStatus.BUILDING,
                ImageStatus.TESTING,
                ImageStatus.DISTRIBUTING,
                ImageStatus.INTEGRATING,
                ImageStatus.AVAILABLE,
                ImageStatus.CANCELLED,
                ImageStatus.FAILED,
            }
        ),
    ),
    ExecutionKind.WORKFLOW_EXECUTION: Kind(
        identifier=IdentifierFormat(f"wf-{UUID}", "wf-12345678-1234-1234-1234-123456789012"),
        id_member="workflow_execution_id",
        get=GetOperation("GetWorkflowExecution", "workflowExecutionId"),
        list=ListOperation(
            "ListWorkflowExecutions",
            "imageBuildVersionArn",
            "workflowExecutions",
            ("imageBuildVersionArn", "requestId"),
            is_complete=True,
        ),
        waiter="WorkflowExecutionCompleted",
        parent_member="image_build_version_arn",
        statuses=WorkflowExecutionStatus,
        outcomes={
            WorkflowExecutionStatus.COMPLETED: Outcome.SUCCEEDED,
            WorkflowExecutionStatus.SKIPPED: Outcome.SKIPPED,
            WorkflowExecutionStatus.FAILED: Outcome.FAILED,
            WorkflowExecutionStatus.ROLLBACK_COMPLETED: Outcome.FAILED,
            WorkflowExecutionStatus.CANCELLED: Outcome.CANCELLED,
        },
        ranks={
            WorkflowExecutionStatus.PENDING: 0,
            WorkflowExecutionStatus.RUNNING: 1,
            WorkflowExecutionStatus.ROLLBACK_IN_PROGRESS: 2,
        },
        has_steps=True,
        has_waiting_steps=True,
        is_of_image=True,
    ),
    ExecutionKind.WORKFLOW_STEP_EXECUTION: Kind(
        identifier=IdentifierFormat(f"step-{UUID}", "step-12345678-1234-1234-1234-123456789012"),
        id_member="step_execution_id",
        get=GetOperation("GetWorkflowStepExecution", "stepExecutionId"),
        list=ListOperation(
            "ListWorkflowStepExecutions",
            "workflowExecutionId",
            "steps",
            ("imageBuildVersionArn", "requestId", "workflowBuildVersionArn", "workflowExecutionId"),
        ),
        waiter="WorkflowStepExecutionCompleted",
        parent_member="workflow_execution_id",
        statuses=WorkflowStepExecutionStatus,
        outcomes={
            WorkflowStepExecutionStatus.COMPLETED: Outcome.SUCCEEDED,
            WorkflowStepExecutionStatus.SKIPPED: Outcome.SKIPPED,
            WorkflowStepExecutionStatus.FAILED: Outcome.FAILED,
            WorkflowStepExecutionStatus.TIMED_OUT: Outcome.FAILED,
            WorkflowStepExecutionStatus.CANCELLED: Outcome.CANCELLED,
        },
        ranks={
            WorkflowStepExecutionStatus.PENDING: 0,
            WorkflowStepExecutionStatus.RUNNING: 1,
            WorkflowStepExecutionStatus.WAITING: 1,
            # While attempts are left; afterwards it is terminal.
            WorkflowStepExecutionStatus.FAILED: 2,
        },
        is_of_image=True,
    ),
    ExecutionKind.LIFECYCLE_EXECUTION: Kind(
        identifier=IdentifierFormat(f"lce-{UUID}", "lce-12345678-1234-1234-1234-123456789012"),
        id_member="lifecycle_execution_id",
        get=GetOperation("GetLifecycleExecution", "lifecycleExecutionId", "lifecycleExecution"),
        list=ListOperation("ListLifecycleExecutions", "resourceArn", "lifecycleExecutions", is_complete=True),
        waiter="LifecycleExecutionSucceeded",
        status_member="state.status",
        parent_member="lifecycle_policy_arn",
        statuses=LifecycleExecutionStatus,
        outcomes={
            LifecycleExecutionStatus.SUCCESS: Outcome.SUCCEEDED,
            LifecycleExecutionStatus.FAILED: Outcome.FAILED,
            LifecycleExecutionStatus.CANCELLED: Outcome.CANCELLED,
        },
        ranks={
            LifecycleExecutionStatus.PENDING: 0,
            LifecycleExecutionStatus.IN_PROGRESS: 0,
            LifecycleExecutionStatus.CANCELLING: 1,
        },
        cancel="CancelLifecycleExecution",
    ),
}
