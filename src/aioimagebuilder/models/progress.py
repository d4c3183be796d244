"""How far an execution has come, and what that is read from. No I/O.

An execution's own answer tells its status, and a workflow execution's its step counts, too. Which step runs,
and whether one waits for a person, stands in lists of their own: whoever asks for it gets it as a `Detail`
on the execution, and `Execution.progress` reads both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from .statuses import ImageStatus, WorkflowStepExecutionStatus, WorkflowType

if TYPE_CHECKING:
    # The executions have a progress: they import this room.
    from .executions import Image, WorkflowExecution, WorkflowStepExecution

__all__ = ["Detail", "Progress", "progress_of_image", "progress_of_step", "progress_of_workflow_execution"]

_WORKFLOW_TYPES: Final[Mapping[str, WorkflowType]] = {
    ImageStatus.BUILDING: WorkflowType.BUILD,
    ImageStatus.TESTING: WorkflowType.TEST,
    ImageStatus.DISTRIBUTING: WorkflowType.DISTRIBUTION,
}
_LATEST: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an execution has come, as far as is known.

    Attributes:
        stage: what it is at: a workflow's type, a step's name, an image's or lifecycle execution's status.
        steps_done: steps that have ended, in whatever way; ``None`` where that is not known. Those of an
            image are those of its stage.
        steps_total: steps in all. After a failure, `steps_done` may never reach it: the service leaves
            later steps PENDING.
        step: the name of the step that runs now; of several, the one that has run longest.
        since: when that step began.
        waiting_steps: the steps that wait for a person: `ImageBuilder.resume` and `stop` answer them.
    """

    stage: str | None = None
    steps_done: int | None = None
    steps_total: int | None = None
    step: str | None = None
    since: datetime | None = None
    waiting_steps: tuple[WorkflowStepExecution, ...] = ()

    def __str__(self) -> str:
        steps = "" if self.steps_total is None else f"{self.steps_done or 0}/{self.steps_total} steps"
        what = " ".join(filter(None, (self.stage, steps)))
        if self.waiting_steps:
            return (
                f"{what}: {', '.join(step.name or step.id for step in self.waiting_steps)} waits for a person"
            )
        return f"{what}: {self.step}" if self.step not in {None, self.stage} else what


@dataclass(frozen=True, slots=True)
class Detail:
    """What was seen inside an execution, for those who asked for it.

    Attributes:
        workflow_executions: those of an image that no retry has replaced.
        steps: those of the workflow executions that run; where no more was asked for, only those that wait
            for a person.
    """

    workflow_executions: tuple[WorkflowExecution, ...] = ()
    steps: tuple[WorkflowStepExecution, ...] = ()


def progress_of_image(image: Image) -> Progress:
    """Get how far an image has come: the stage that it is in, and the steps of this stage."""
    if image.detail is None:
        return Progress(image.status)
    workflows, steps = image.detail.workflow_executions, image.detail.steps
    kind = None if image.status is None else _WORKFLOW_TYPES.get(image.status)
    stage = [each for each in workflows if kind is not None and each.type == kind]
    if workflows:
        # The lists may be older or newer than the image's own answer: a step of another stage is not of now.
        ids = {each.id for each in stage}
        steps = tuple(each for each in steps if each.workflow_execution_id in ids)
    counts = [each.progress for each in stage]
    return _with_step(
        image.status,
        sum(each.steps_done or 0 for each in counts) if counts else None,
        sum(each.steps_total or 0 for each in counts) if counts else None,
        steps,
    )


def progress_of_workflow_execution(workflow: WorkflowExecution) -> Progress:
    """Get how far a workflow execution has come, by its own counts, or else by those of its steps."""
    counts = (workflow.total_steps_succeeded, workflow.total_steps_failed, workflow.total_steps_skipped)
    done = None if counts == (None, None, None) else sum(count or 0 for count in counts)
    return _with_step(
        workflow.type,
        done,
        workflow.total_step_count,
        () if workflow.detail is None else workflow.detail.steps,
    )


def progress_of_step(step: WorkflowStepExecution) -> Progress:
    """Get how far a step has come: it is its own only step."""
    if step.is_terminal:
        return Progress(step.name)
    return _with_step(step.name, None, None, (step,))


def _with_step(
    stage: str | None, done: int | None, total: int | None, steps: Iterable[WorkflowStepExecution]
) -> Progress:
    steps = tuple(steps)
    running = [
        each for each in steps if each.is_waiting or each.status == WorkflowStepExecutionStatus.RUNNING
    ]
    first = min(running, key=lambda each: each.start_time or _LATEST, default=None)
    return Progress(
        stage,
        done,
        total,
        None if first is None else first.name,
        None if first is None else first.start_time,
        tuple(each for each in running if each.is_waiting),
    )
