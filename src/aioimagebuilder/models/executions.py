"""The executions of EC2 Image Builder, as frozen dataclasses with the service's members in snake_case.

Every member but the id may be absent in a real response, so every field but the id may be ``None``. The
meaning of the statuses is defined by the table in `kinds`.

The response of a Get contains the status of an execution, and for workflow executions the numbers of steps.
The step that runs and the steps that wait for a person are in separate lists: where they were requested, they
are attached as a `Detail`, and `Execution.progress` combines both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar, Final, Self

from .estimates import Estimate
from .kinds import KINDS, ExecutionKind
from .parsing import Structure, boolean, enumerated, integer, member, parse_time, parse_timestamp, text
from .redaction import one_line
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

# The action of steps that wait for a person (user guide, "Step actions for workflow documents").
WAIT_FOR_ACTION: Final = "WaitForAction"
_WORKFLOW_TYPES: Final[Mapping[str, WorkflowType]] = {
    ImageStatus.BUILDING: WorkflowType.BUILD,
    ImageStatus.TESTING: WorkflowType.TEST,
    ImageStatus.DISTRIBUTING: WorkflowType.DISTRIBUTION,
}
_LATEST: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, repr=False)
class Execution(Structure):
    """Anything that EC2 Image Builder runs and that can be awaited.

    Attributes:
        detail: The workflow executions and steps inside it, where they were requested; otherwise ``None``.
    """

    kind: ClassVar[ExecutionKind]

    detail: Detail | None = field(default=None, compare=False, repr=False)

    @property
    def id(self) -> str:
        """The id or ARN that identifies this execution."""
        value: str = getattr(self, KINDS[self.kind].id_member)
        return value

    @property
    def parent(self) -> str | None:
        """The id or ARN that this execution is listed under; ``None`` if the response does not contain it."""
        parent_member = KINDS[self.kind].parent_member
        value: str | None = None if parent_member is None else getattr(self, parent_member)
        return value

    @property
    def status(self) -> OpenEnum | None:
        """The service's status; ``None`` if the response does not contain it."""
        raise NotImplementedError

    @property
    def reason(self) -> str | None:
        """The service's explanation of the status, mostly after a failure. Untrusted text."""
        raise NotImplementedError

    @property
    def outcome(self) -> Outcome | None:
        """The outcome; ``None`` while it runs, and for an unknown status."""
        return None if self.status is None else KINDS[self.kind].outcomes.get(self.status)

    @property
    def is_terminal(self) -> bool:
        """Whether it has ended."""
        return self.outcome is not None

    @property
    def progress(self) -> Progress:
        """How far it has advanced."""
        return Progress(self.status)

    def with_members_of(self, earlier: Execution) -> Self:
        """Return this state, read by a list, with the members that it lacks taken from an earlier read."""
        names = {each.name for each in fields(self)} - {"raw", "detail"}
        members = {name: getattr(earlier, name) for name in names if getattr(self, name) is None}
        return replace(self, **members, raw={**earlier.raw, **self.raw})

    def is_older_than(self, seen: Execution) -> bool:
        """Return whether this state precedes `seen`, and so comes from a stale read of the same execution."""
        before, now = seen._position, self._position
        return before is not None and now is not None and now < before

    @property
    def _position(self) -> tuple[int, ...] | None:
        ranks = KINDS[self.kind].ranks
        if self.is_terminal:
            return (len(ranks),)
        rank = None if self.status is None else ranks.get(self.status)
        return None if rank is None else (rank, self.progress.steps_done or 0)


@dataclass(frozen=True, kw_only=True, repr=False)
class WorkflowExecution(Execution):
    """A run of one workflow of an image, with every member of GetWorkflowExecution.

    Only ListWorkflowExecutions returns `retried`: true for a run that RetryImage has replaced.
    """

    kind: ClassVar[ExecutionKind] = ExecutionKind.WORKFLOW_EXECUTION

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
    retried: bool | None = member(boolean, compare=False)

    @property
    def reason(self) -> str | None:
        return self.message

    @property
    def progress(self) -> Progress:
        counts = (self.total_steps_succeeded, self.total_steps_failed, self.total_steps_skipped)
        return Progress.of_steps(
            self.type,
            None if counts == (None, None, None) else sum(count or 0 for count in counts),
            self.total_step_count,
            () if self.detail is None else self.detail.steps,
            None if self.detail is None else self.detail.estimate,
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class WorkflowStepExecution(Execution):
    """A step of a workflow execution, with every member of GetWorkflowStepExecution.

    `inputs` and `outputs` are JSON text as sent by the service; untrusted, and not always complete.
    ListWaitingWorkflowSteps returns no status.
    """

    kind: ClassVar[ExecutionKind] = ExecutionKind.WORKFLOW_STEP_EXECUTION

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
        # A failed step is retried while it has attempts left. Some real responses lack both numbers; a
        # failure is final then.
        if self.status == WorkflowStepExecutionStatus.FAILED and (self.attempt_number or 1) < (
            self.max_attempts or 1
        ):
            return None
        return super().outcome

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for a person. `ImageBuilder.resume` and `stop` answer it."""
        # WAITING is in the user guide, not in the model; the action of a running step says the same.
        if self.status == WorkflowStepExecutionStatus.WAITING:
            return True
        return self.action == WAIT_FOR_ACTION and self.status == WorkflowStepExecutionStatus.RUNNING

    @property
    def progress(self) -> Progress:
        return Progress(self.name) if self.is_terminal else Progress.of_steps(self.name, None, None, (self,))

    @property
    def _position(self) -> tuple[int, ...] | None:
        position = super()._position
        return None if position is None else (self.attempt_number or 1, *position)


@dataclass(frozen=True, kw_only=True, repr=False)
class Image(Execution):
    """An image build version, as returned by GetImage and the lists of images.

    The recipe, the configurations and the other members of GetImage are in ``raw``, unchanged.
    """

    kind: ClassVar[ExecutionKind] = ExecutionKind.IMAGE

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
    deprecation_time: datetime | None = member(parse_timestamp)
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
        if self.detail is None:
            return Progress(self.status)
        workflow_type = _WORKFLOW_TYPES.get(self.status or "")
        current = [
            each for each in self.detail.workflow_executions if each.type and each.type == workflow_type
        ]
        steps = self.detail.steps
        if self.detail.workflow_executions:
            # The lists may be older or newer than the image's status: ignore the steps of other stages.
            ids = {each.id for each in current}
            steps = tuple(each for each in steps if each.workflow_execution_id in ids)
        counts = [each.progress for each in current]
        return Progress.of_steps(
            self.status,
            sum(each.steps_done or 0 for each in counts) if counts else None,
            sum(each.steps_total or 0 for each in counts) if counts else None,
            steps,
            self.detail.estimate,
        )

    @property
    def amis(self) -> tuple[Ami, ...]:
        """The AMIs that the build produced."""
        return (self.output_resources and self.output_resources.amis) or ()

    @property
    def image_uris(self) -> tuple[str, ...]:
        """The URIs of the container images that the build produced, in all regions."""
        containers = (self.output_resources and self.output_resources.containers) or ()
        return tuple(uri for container in containers for uri in container.image_uris or ())


@dataclass(frozen=True, kw_only=True, repr=False)
class LifecycleExecution(Execution):
    """A run of a lifecycle policy, or of StartResourceStateUpdate, which has no policy ARN."""

    kind: ClassVar[ExecutionKind] = ExecutionKind.LIFECYCLE_EXECUTION

    lifecycle_execution_id: str | None = member(text)
    lifecycle_policy_arn: str | None = member(text)
    state: LifecycleExecutionState | None = member(LifecycleExecutionState.parse)
    resources_impacted_summary: LifecycleExecutionResourcesImpactedSummary | None = member(
        LifecycleExecutionResourcesImpactedSummary.parse
    )
    start_time: datetime | None = member(parse_timestamp)
    end_time: datetime | None = member(parse_timestamp)

    @property
    def status(self) -> LifecycleExecutionStatus | None:
        return None if self.state is None else self.state.status

    @property
    def reason(self) -> str | None:
        return None if self.state is None else self.state.reason


EXECUTION_CLASSES: Final[Mapping[StrEnum, type[Execution]]] = {
    cls.kind: cls for cls in Execution.__subclasses__()
}


@dataclass(frozen=True, slots=True)
class Detail:
    """The workflow executions and steps inside an execution.

    Attributes:
        workflow_executions: The workflow executions of an image, without those that a retry has replaced.
        steps: The steps of the workflow executions that run; or only those that wait for a person, where no
            more was requested.
        estimate: When it can be expected to end, with ``estimate=True``; ``None`` if too little is known.
    """

    workflow_executions: tuple[WorkflowExecution, ...] = ()
    steps: tuple[WorkflowStepExecution, ...] = ()
    estimate: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an execution has advanced, as far as it is known. As `str`, one line of safe text.

    Attributes:
        stage: The type of a workflow, the name of a step, or the status of an image or lifecycle execution.
        steps_done: The number of steps that have ended, with any outcome; for an image, those of its stage.
        steps_total: The number of steps. After a failure `steps_done` may never reach it: the service leaves
            later steps PENDING.
        step: The name of the step that runs; of several, the one that started first.
        since: When that step started.
        waiting_steps: The steps that wait for a person. `ImageBuilder.resume` and `stop` answer them.
        estimate: When it can be expected to end, with ``estimate=True``; ``None`` if too little is known.
    """

    stage: str | None = None
    steps_done: int | None = None
    steps_total: int | None = None
    step: str | None = None
    since: datetime | None = None
    waiting_steps: tuple[WorkflowStepExecution, ...] = ()
    estimate: Estimate | None = None

    @property
    def expected_end(self) -> datetime | None:
        """When the execution is as likely to have ended as not; ``None`` if too little is known."""
        return None if self.estimate is None else self.estimate.expected_end

    def __str__(self) -> str:
        steps = "" if self.steps_total is None else f"{self.steps_done or 0}/{self.steps_total} steps"
        text = " ".join(filter(None, (self.stage, steps)))
        if self.waiting_steps:
            names = ", ".join(step.name or step.id for step in self.waiting_steps)
            text = f"{text}: {names} waits for a person"
        elif self.step not in {None, self.stage}:
            text = f"{text}: {self.step}"
        return one_line(text)

    @classmethod
    def of_steps(
        cls,
        stage: str | None,
        done: int | None,
        total: int | None,
        steps: Iterable[WorkflowStepExecution],
        estimate: Estimate | None = None,
    ) -> Progress:
        """Return the progress of something that runs `steps`, of which those that do not run are ignored."""
        running = [
            each for each in steps if each.is_waiting or each.status == WorkflowStepExecutionStatus.RUNNING
        ]
        first = min(running, key=lambda each: each.start_time or _LATEST, default=None)
        return cls(
            stage,
            done,
            total,
            None if first is None else first.name,
            None if first is None else first.start_time,
            tuple(each for each in running if each.is_waiting),
            estimate,
        )
