"""What is known of an execution at one moment: itself, its workflows, and their steps. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from ..models.executions import Execution, Image, LifecycleExecution, WorkflowExecution, WorkflowStepExecution
from ..models.statuses import WorkflowStepExecutionStatus

__all__ = ["BuildState", "WorkflowState", "end_of", "label_of", "start_of", "title_of", "workflow_name"]

_RUNNING: Final = frozenset({WorkflowStepExecutionStatus.RUNNING, WorkflowStepExecutionStatus.WAITING})


@dataclass(frozen=True)
class WorkflowState:
    """A workflow execution, and its steps in the order of the service."""

    workflow: WorkflowExecution
    steps: tuple[WorkflowStepExecution, ...] = ()


@dataclass(frozen=True)
class BuildState:
    """An execution of any kind, with all that runs for it.

    Attributes:
        execution: the execution that is followed.
        workflows: those of an image, or the one that is followed.
    """

    execution: Execution
    workflows: tuple[WorkflowState, ...] = ()

    @property
    def steps(self) -> Iterator[WorkflowStepExecution]:
        """All steps of all workflows."""
        return (step for each in self.workflows for step in each.steps)

    @property
    def running(self) -> tuple[WorkflowStepExecution, ...]:
        """The steps that run now, those that wait for a person among them."""
        return tuple(step for step in self.steps if step.status in _RUNNING)

    @property
    def waiting_steps(self) -> tuple[WorkflowStepExecution, ...]:
        """The steps that wait for a person now."""
        return tuple(step for step in self.steps if step.is_waiting)

    def with_execution(self, execution: Execution) -> BuildState:
        """Get this state with a newer state of the execution, and what was seen inside it."""
        workflows: Iterable[WorkflowExecution] = [each.workflow for each in self.workflows]
        if isinstance(execution, WorkflowExecution):
            workflows = [execution]
        elif execution.detail is not None and execution.detail.workflow_executions:
            workflows = execution.detail.workflow_executions
        seen = () if execution.detail is None else execution.detail.steps
        known = {each.workflow.id: each.steps for each in self.workflows}
        states = (
            WorkflowState(each, _steps_of(each, execution, seen) or known.get(each.id, ()))
            for each in workflows
        )
        return BuildState(execution, tuple(states))

    def with_steps(self, workflow_id: str, steps: Iterable[WorkflowStepExecution]) -> BuildState:
        """Get this state with newer steps of one workflow."""
        read = tuple(steps)
        workflows = (
            WorkflowState(each.workflow, read) if each.workflow.id == workflow_id else each
            for each in self.workflows
        )
        return replace(self, workflows=tuple(workflows))

    @property
    def newest_time(self) -> datetime | None:
        """The latest time that any answer carries: the service's clock is at least there."""
        executions = (self.execution, *(each.workflow for each in self.workflows), *self.steps)
        times = (time for each in executions for time in (start_of(each), end_of(each)))
        return max((time for time in times if time is not None), default=None)

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, as far as the answers tell: an image has no end of its own, but its steps have."""
        if not self.execution.is_terminal:
            return None
        return end_of(self.execution) or self.newest_time


def _steps_of(
    workflow: WorkflowExecution, followed: Execution, steps: Iterable[WorkflowStepExecution]
) -> tuple[WorkflowStepExecution, ...]:
    # Those of a workflow that is followed by itself need not name it.
    return tuple(each for each in steps if followed is workflow or each.workflow_execution_id == workflow.id)


def start_of(execution: Execution) -> datetime | None:
    """Get when an execution began, as far as its answer tells."""
    match execution:
        case Image():
            return execution.date_created
        case WorkflowExecution() | WorkflowStepExecution() | LifecycleExecution():
            return execution.start_time
        case _:
            return None


def end_of(execution: Execution) -> datetime | None:
    """Get when an execution ended, as far as its answer tells; that of an image does not."""
    match execution:
        case WorkflowExecution() | WorkflowStepExecution() | LifecycleExecution():
            return execution.end_time
        case _:
            return None


def title_of(execution: Execution) -> str:
    """Get what people call an execution. Untrusted text."""
    match execution:
        case Image(name=str(name)):
            return " ".join(filter(None, (name, execution.version)))
        case WorkflowStepExecution(name=str(name)):
            return name
        case WorkflowExecution(type=kind) if kind is not None:
            return f"{kind} {workflow_name(execution)}".strip()
        case _:
            return execution.id


def label_of(execution: Execution) -> str:
    """Get what tells an execution from others: the name and version of an image, the id of all else."""
    return title_of(execution) if isinstance(execution, Image) else execution.id


def workflow_name(workflow: WorkflowExecution) -> str:
    """Get the name inside a workflow's ARN; the empty text where there is none. Untrusted text."""
    arn = workflow.workflow_build_version_arn or ""
    match arn.partition(":workflow/")[2].split("/"):
        case [_, name, *_]:
            return name
        case _:
            return ""
