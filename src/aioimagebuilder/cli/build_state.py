"""Snapshots of an execution with its workflows and their steps. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Final

from ..models.executions import Execution, Image, LifecycleExecution, WorkflowExecution, WorkflowStepExecution
from ..models.statuses import ImageStatus, WorkflowStepExecutionStatus, WorkflowType

_STAGES: Final[Mapping[str, int]] = {
    ImageStatus.BUILDING: 0,
    ImageStatus.TESTING: 1,
    ImageStatus.DISTRIBUTING: 2,
}
_STAGES_OF_WORKFLOWS: Final[Mapping[str, int]] = {
    WorkflowType.BUILD: 0,
    WorkflowType.TEST: 1,
    WorkflowType.DISTRIBUTION: 2,
}
_RUNNING: Final = frozenset({WorkflowStepExecutionStatus.RUNNING, WorkflowStepExecutionStatus.WAITING})


@dataclass(frozen=True)
class WorkflowState:
    """A workflow execution and its steps, in the order in which the service lists them."""

    workflow: WorkflowExecution
    steps: tuple[WorkflowStepExecution, ...] = ()


@dataclass(frozen=True)
class BuildState:
    """An execution of any kind, with its workflows and steps.

    Attributes:
        execution: the followed execution.
        workflows: an image's workflows, or the followed workflow itself.
    """

    execution: Execution
    workflows: tuple[WorkflowState, ...] = ()

    @property
    def steps(self) -> Iterator[WorkflowStepExecution]:
        """All steps of all workflows."""
        return (step for each in self.workflows for step in each.steps)

    @property
    def running_steps(self) -> tuple[WorkflowStepExecution, ...]:
        """The steps that are running, including waiting steps."""
        return tuple(step for step in self.steps if step.status in _RUNNING)

    @property
    def waiting_steps(self) -> tuple[WorkflowStepExecution, ...]:
        """The steps that wait for a person."""
        return tuple(step for step in self.steps if step.is_waiting)

    @property
    def is_behind(self) -> bool:
        """Whether the workflows are older than the image: one of an earlier stage than the image's runs."""
        stage = _STAGES.get(self.execution.status or "", 0) if isinstance(self.execution, Image) else 0
        running = (each.workflow for each in self.workflows if not each.workflow.is_terminal)
        return any(_STAGES_OF_WORKFLOWS.get(each.type or "", stage) < stage for each in running)

    def with_execution(self, execution: Execution) -> BuildState:
        """Return this state updated with a newer read of the execution and its details."""
        workflows: Iterable[WorkflowExecution] = [each.workflow for each in self.workflows]
        if isinstance(execution, WorkflowExecution):
            workflows = [execution]
        elif execution.detail is not None and execution.detail.workflow_executions:
            workflows = execution.detail.workflow_executions
        steps = () if execution.detail is None else execution.detail.steps
        states = [WorkflowState(each, _steps_of(each, execution, steps)) for each in workflows]
        listed = {each.id for each in workflows}
        # A detail may be older than what was read since.
        unlisted = [each for each in self.workflows if each.workflow.id not in listed]
        return self.with_workflows([*states, *unlisted], execution)

    def with_workflows(self, workflows: Iterable[WorkflowState], execution: Execution) -> BuildState:
        """Return this state with these workflows, and with what it knows of them beyond that.

        A list may be older, of waiting steps alone, or empty, since the service keeps it for a limited time.
        """
        known = {each.workflow.id: each for each in self.workflows}
        states = [_merge_workflows(known.get(each.workflow.id), each) for each in workflows]
        return BuildState(execution, tuple(states) or self.workflows)

    def with_steps(self, workflow_id: str, steps: Iterable[WorkflowStepExecution]) -> BuildState:
        """Return this state with newer steps for one workflow."""
        updated = tuple(steps)
        workflows = (
            WorkflowState(each.workflow, updated if each.workflow.id == workflow_id else each.steps)
            for each in self.workflows
        )
        return self.with_workflows(workflows, self.execution)

    @property
    def latest_time(self) -> datetime | None:
        """The latest timestamp in any response: a lower bound for the service's clock."""
        executions = (self.execution, *(each.workflow for each in self.workflows), *self.steps)
        times = (time for each in executions for time in (start_time_of(each), end_time_of(each)))
        return max((time for time in times if time is not None), default=None)

    @property
    def ended_at(self) -> datetime | None:
        """When the execution ended; for an image, which has no end time of its own, the latest timestamp."""
        if not self.execution.is_terminal:
            return None
        return end_time_of(self.execution) or self.latest_time


def _steps_of(
    workflow: WorkflowExecution, followed: Execution, steps: Iterable[WorkflowStepExecution]
) -> tuple[WorkflowStepExecution, ...]:
    # Steps of a workflow that is followed by itself may not carry its id.
    return tuple(each for each in steps if followed is workflow or each.workflow_execution_id == workflow.id)


def _merge_workflows(known: WorkflowState | None, newer: WorkflowState) -> WorkflowState:
    if known is None:
        return newer
    steps = {each.id: each for each in known.steps}
    steps |= {each.id: _merge_steps(steps.get(each.id), each) for each in newer.steps}
    is_older = newer.workflow.is_older_than(known.workflow)
    return WorkflowState(known.workflow if is_older else newer.workflow, tuple(steps.values()))


def _merge_steps(known: WorkflowStepExecution | None, newer: WorkflowStepExecution) -> WorkflowStepExecution:
    if known is None:
        return newer
    if newer.is_older_than(known):
        return known
    if not (known.is_waiting and newer.is_waiting):
        return newer
    # The list of waiting steps has few of their members.
    missing = [member.name for member in fields(newer) if getattr(newer, member.name) is None]
    return replace(newer, **{name: getattr(known, name) for name in missing})


def start_time_of(execution: Execution) -> datetime | None:
    """Return when an execution started, if the service reports it."""
    match execution:
        case Image():
            return execution.date_created
        case WorkflowExecution() | WorkflowStepExecution() | LifecycleExecution():
            return execution.start_time
        case _:
            return None


def end_time_of(execution: Execution) -> datetime | None:
    """Return when an execution ended, if the service reports it; for images it does not."""
    match execution:
        case WorkflowExecution() | WorkflowStepExecution() | LifecycleExecution():
            return execution.end_time
        case _:
            return None


def title_of(execution: Execution) -> str:
    """Return the display name of an execution. Untrusted text."""
    match execution:
        case Image(name=str(name)):
            return " ".join(filter(None, (name, execution.version)))
        case WorkflowStepExecution(name=str(name)):
            return name
        case WorkflowExecution(type=kind) if kind is not None:
            return f"{kind} {_workflow_name(execution)}".strip()
        case _:
            return execution.id


def label_of(execution: Execution) -> str:
    """Return the name and version of an image, or the id of any other execution. Untrusted text."""
    return title_of(execution) if isinstance(execution, Image) else execution.id


def _workflow_name(workflow: WorkflowExecution) -> str:
    arn = workflow.workflow_build_version_arn or ""
    match arn.partition(":workflow/")[2].split("/"):
        case [_, name, *_]:
            return name
        case _:
            return ""
