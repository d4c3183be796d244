"""The executions of EC2 Image Builder, as frozen dataclasses with the service's members in snake_case.

Every member but the id may be absent in a real answer, so every field but the id may be ``None``. What the
statuses mean stands in the tables of `statuses`; a kind of execution names its tables, and inherits the
rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final

from . import statuses
from .identifiers import AnyKind, ExecutionKind
from .parsing import Structure, boolean, enumerated, integer, member, parse_time, text
from .progress import (
    Detail,
    Progress,
    progress_of_image,
    progress_of_step,
    progress_of_workflow_execution,
)
from .shapes import (
    Ami,
    ImageLoggingConfiguration,
    ImageScanState,
    ImageState,
    LifecycleExecutionResourcesImpactedSummary,
    LifecycleExecutionState,
    OutputResources,
)
from .statuses import (
    BuildType,
    ImageStatus,
    ImageType,
    LifecycleExecutionStatus,
    OpenEnum,
    Outcome,
    WorkflowExecutionStatus,
    WorkflowStepExecutionRollbackStatus,
    WorkflowStepExecutionStatus,
    WorkflowType,
)

__all__ = [
    "EXECUTION_CLASSES",
    "Detail",
    "Execution",
    "Image",
    "LifecycleExecution",
    "Progress",
    "WorkflowExecution",
    "WorkflowStepExecution",
]

# The action of a step that waits for a person (user guide, "Step actions for workflow documents").
WAIT_FOR_ACTION: Final = "WaitForAction"


@dataclass(frozen=True, kw_only=True, repr=False)
class Execution(Structure):
    """Anything that EC2 Image Builder runs and that can be awaited.

    Attributes:
        detail: what was seen inside it, for those who asked for it; ``None`` in all other answers.
    """

    kind: ClassVar[ExecutionKind]
    id_member: ClassVar[str]
    outcomes: ClassVar[Mapping[str, Outcome]]
    ranks: ClassVar[Mapping[str, int]]

    detail: Detail | None = field(default=None, compare=False, repr=False)

    @property
    def id(self) -> str:
        """The id or ARN that names this execution to the service."""
        value: str = getattr(self, self.id_member)
        return value

    @property
    def status(self) -> OpenEnum | None:
        """The service's own word for where it stands; ``None`` if the answer had none."""
        raise NotImplementedError

    @property
    def reason(self) -> str | None:
        """What the service says about the status, mostly after a failure. Untrusted text."""
        raise NotImplementedError

    @property
    def outcome(self) -> Outcome | None:
        """What became of it; ``None`` while it runs, and for a status that nobody knows."""
        return None if self.status is None else self.outcomes.get(self.status)

    @property
    def is_terminal(self) -> bool:
        """Whether it has ended."""
        return self.outcome is not None

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        return Progress(self.status)

    def steps_back_from(self, seen: Execution) -> bool:
        """Whether this is an older state than `seen`, and so a stale read of the same execution."""
        before, now = seen._position, self._position
        return before is not None and now is not None and now < before

    @property
    def _position(self) -> tuple[int, ...] | None:
        if self.is_terminal:
            return (len(self.ranks),)
        rank = None if self.status is None else self.ranks.get(self.status)
        return None if rank is None else (rank, self.progress.steps_done or 0)


@dataclass(frozen=True, kw_only=True, repr=False)
class WorkflowExecution(Execution):
    """A run of one workflow of an image: every member of GetWorkflowExecution.

    `retried` is in ListWorkflowExecutions alone: true for a run that a RetryImage has replaced.
    """

    kind: ClassVar[ExecutionKind] = ExecutionKind.WORKFLOW_EXECUTION
    id_member: ClassVar[str] = "workflow_execution_id"
    outcomes: ClassVar[Mapping[str, Outcome]] = statuses.WORKFLOW_EXECUTION_OUTCOMES
    ranks: ClassVar[Mapping[str, int]] = statuses.WORKFLOW_EXECUTION_RANKS

    workflow_execution_id: str | None = member(text)
    status: WorkflowExecutionStatus | None = member(enumerated(WorkflowExecutionStatus))
    type: WorkflowType | None = member(enumerated(WorkflowType))
    message: str | None = member(text)
    request_id: str | None = member(text, compare=False)
    image_build_version_arn: str | None = member(text)
    workflow_build_version_arn: str | None = member(text)
    total_step_count: int | None = member(integer)
    total_steps_succeeded: int | None = member(integer)
    total_steps_failed: int | None = member(integer)
    total_steps_skipped: int | None = member(integer)
    start_time: datetime | None = member(parse_time)
    end_time: datetime | None = member(parse_time)
    parallel_group: str | None = member(text)
    retried: bool | None = member(boolean)

    @property
    def reason(self) -> str | None:
        return self.message

    @property
    def progress(self) -> Progress:
        return progress_of_workflow_execution(self)


@dataclass(frozen=True, kw_only=True, repr=False)
class WorkflowStepExecution(Execution):
    """A step of a workflow execution: every member of GetWorkflowStepExecution.

    `inputs` and `outputs` are JSON text, as the service sends them; untrusted, and not always complete.
    ListWaitingWorkflowSteps gives no status.
    """

    kind: ClassVar[ExecutionKind] = ExecutionKind.WORKFLOW_STEP_EXECUTION
    id_member: ClassVar[str] = "step_execution_id"
    outcomes: ClassVar[Mapping[str, Outcome]] = statuses.WORKFLOW_STEP_EXECUTION_OUTCOMES
    ranks: ClassVar[Mapping[str, int]] = statuses.WORKFLOW_STEP_EXECUTION_RANKS

    step_execution_id: str | None = member(text)
    status: WorkflowStepExecutionStatus | None = member(enumerated(WorkflowStepExecutionStatus))
    rollback_status: WorkflowStepExecutionRollbackStatus | None = member(
        enumerated(WorkflowStepExecutionRollbackStatus)
    )
    name: str | None = member(text)
    description: str | None = member(text)
    action: str | None = member(text)
    message: str | None = member(text)
    request_id: str | None = member(text, compare=False)
    inputs: str | None = member(text)
    outputs: str | None = member(text)
    start_time: datetime | None = member(parse_time)
    end_time: datetime | None = member(parse_time)
    on_failure: str | None = member(text)
    timeout_seconds: int | None = member(integer)
    attempt_number: int | None = member(integer)
    max_attempts: int | None = member(integer)
    image_build_version_arn: str | None = member(text)
    workflow_build_version_arn: str | None = member(text)
    workflow_execution_id: str | None = member(text)

    @property
    def reason(self) -> str | None:
        return self.message

    @property
    def outcome(self) -> Outcome | None:
        # A step that failed is tried again while it has attempts left; both counts are absent from some
        # real answers, and then a failure is final.
        if self.status == WorkflowStepExecutionStatus.FAILED and (self.attempt_number or 1) < (
            self.max_attempts or 1
        ):
            return None
        return super().outcome

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for a person: `ImageBuilder.resume` or `stop` answers it."""
        # The model has no word for it, and the user guide has WAITING: the action tells, too.
        if self.status == WorkflowStepExecutionStatus.WAITING:
            return True
        return self.action == WAIT_FOR_ACTION and self.status == WorkflowStepExecutionStatus.RUNNING

    @property
    def progress(self) -> Progress:
        return progress_of_step(self)

    @property
    def _position(self) -> tuple[int, ...] | None:
        position = super()._position
        return None if position is None else (self.attempt_number or 1, *position)


@dataclass(frozen=True, kw_only=True, repr=False)
class Image(Execution):
    """An image build version: what GetImage and the lists of images tell.

    The recipe, the configurations and all else that GetImage carries stand in ``raw``, as they came.
    """

    kind: ClassVar[ExecutionKind] = ExecutionKind.IMAGE
    id_member: ClassVar[str] = "arn"
    outcomes: ClassVar[Mapping[str, Outcome]] = statuses.IMAGE_OUTCOMES
    ranks: ClassVar[Mapping[str, int]] = statuses.IMAGE_RANKS

    arn: str | None = member(text)
    name: str | None = member(text)
    version: str | None = member(text)
    type: ImageType | None = member(enumerated(ImageType))
    platform: str | None = member(text)
    os_version: str | None = member(text)
    state: ImageState | None = member(ImageState.parse)
    output_resources: OutputResources | None = member(OutputResources.parse)
    source_pipeline_name: str | None = member(text)
    source_pipeline_arn: str | None = member(text)
    build_type: BuildType | None = member(enumerated(BuildType))
    date_created: datetime | None = member(parse_time)
    deprecation_time: datetime | None = member(parse_time)
    scan_state: ImageScanState | None = member(ImageScanState.parse)
    logging_configuration: ImageLoggingConfiguration | None = member(ImageLoggingConfiguration.parse)
    lifecycle_execution_id: str | None = member(text)
    execution_role: str | None = member(text)

    @property
    def status(self) -> ImageStatus | None:
        return None if self.state is None else self.state.status

    @property
    def reason(self) -> str | None:
        return None if self.state is None else self.state.reason

    @property
    def progress(self) -> Progress:
        return progress_of_image(self)

    @property
    def amis(self) -> tuple[Ami, ...]:
        """The AMIs that the build made; empty while there are none."""
        return (self.output_resources and self.output_resources.amis) or ()

    @property
    def image_uris(self) -> tuple[str, ...]:
        """The URIs of the container images that the build made, in all regions."""
        containers = (self.output_resources and self.output_resources.containers) or ()
        return tuple(uri for container in containers for uri in container.image_uris or ())


@dataclass(frozen=True, kw_only=True, repr=False)
class LifecycleExecution(Execution):
    """A run of a lifecycle policy, or of StartResourceStateUpdate (which has no policy ARN)."""

    kind: ClassVar[ExecutionKind] = ExecutionKind.LIFECYCLE_EXECUTION
    id_member: ClassVar[str] = "lifecycle_execution_id"
    outcomes: ClassVar[Mapping[str, Outcome]] = statuses.LIFECYCLE_EXECUTION_OUTCOMES
    ranks: ClassVar[Mapping[str, int]] = statuses.LIFECYCLE_EXECUTION_RANKS

    lifecycle_execution_id: str | None = member(text)
    lifecycle_policy_arn: str | None = member(text)
    state: LifecycleExecutionState | None = member(LifecycleExecutionState.parse)
    resources_impacted_summary: LifecycleExecutionResourcesImpactedSummary | None = member(
        LifecycleExecutionResourcesImpactedSummary.parse
    )
    start_time: datetime | None = member(parse_time)
    end_time: datetime | None = member(parse_time)

    @property
    def status(self) -> LifecycleExecutionStatus | None:
        return None if self.state is None else self.state.status

    @property
    def reason(self) -> str | None:
        return None if self.state is None else self.state.reason


# A new kind of execution is a new row here.
EXECUTION_CLASSES: Final[Mapping[AnyKind, type[Execution]]] = {
    cls.kind: cls for cls in (Image, WorkflowExecution, WorkflowStepExecution, LifecycleExecution)
}
