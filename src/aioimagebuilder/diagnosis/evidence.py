"""What was gathered of an execution: the pure ground of a diagnosis."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from ..models.executions import Execution, Image, WorkflowExecution, WorkflowStepExecution
from ..models.log_streams import LogLine, LogStream
from ..models.shapes import ImageFailureContext, LifecycleExecutionResource

__all__ = ["Evidence", "Source", "SourceState"]

# A line may be written a little after the failure that it tells of.
_AFTERMATH: Final = timedelta(seconds=5)


class SourceState(StrEnum):
    """What came of asking a source."""

    READ = "read"
    EMPTY = "empty"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Source:
    """One thing that was asked for a diagnosis.

    Attributes:
        name: the operation, as AWS names it.
        state: what came of it.
        detail: why it could not be read.
    """

    name: str
    state: SourceState
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of an execution; every part but the subject may be missing.

    Attributes:
        subject: the execution that is diagnosed.
        image: the image that it is, or belongs to.
        workflows: the workflow executions of the image, as far as they matter to the subject.
        steps: the steps of those that are suspect, in their order.
        resources: what a lifecycle execution dealt with.
        stream: the build's log.
        lines: lines of it, oldest first.
        sources: what was asked.
    """

    subject: Execution
    image: Image | None = None
    workflows: tuple[WorkflowExecution, ...] = ()
    steps: tuple[WorkflowStepExecution, ...] = ()
    resources: tuple[LifecycleExecutionResource, ...] = ()
    stream: LogStream | None = None
    lines: tuple[LogLine, ...] = ()
    sources: tuple[Source, ...] = ()

    @property
    def failure_context(self) -> ImageFailureContext | None:
        """What the service itself says about where the image failed."""
        return None if self.image is None or self.image.state is None else self.image.state.failure_context

    @property
    def image_arn(self) -> str | None:
        """The image that the subject is, or belongs to."""
        match self.subject:
            case Image(arn=arn):
                return arn
            case (
                WorkflowExecution(image_build_version_arn=arn)
                | WorkflowStepExecution(image_build_version_arn=arn)
            ):
                return arn
        return None

    def lines_until(self, failure: datetime | None) -> tuple[LogLine, ...]:
        """Get the lines of the log up to this failure; all of them if its time is not known."""
        if failure is None:
            return self.lines
        before = (line for line in self.lines if line.timestamp - failure <= _AFTERMATH)
        return tuple(before) or self.lines

    def workflow(self, workflow_execution_id: str | None) -> WorkflowExecution | None:
        """Get the workflow execution of this id, if it is known."""
        return next((each for each in self.workflows if each.id == workflow_execution_id), None)

    def steps_of(self, workflow_execution_id: str) -> tuple[WorkflowStepExecution, ...]:
        """Get the known steps of this workflow execution, in their order."""
        return tuple(each for each in self.steps if each.workflow_execution_id == workflow_execution_id)
