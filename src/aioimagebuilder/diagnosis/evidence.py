"""The evidence of a diagnosis: what was read about an execution. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from ..models.diagnosis import Source
from ..models.executions import Execution, Image, WorkflowExecution, WorkflowStepExecution
from ..models.log_streams import LogLine, LogStream
from ..models.shapes import ImageFailureContext, LifecycleExecutionResource

# A line may be written shortly after the failure that it reports.
_LOG_DELAY: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known about an execution. Every part but the subject may be missing.

    Attributes:
        subject: The execution to diagnose.
        image: The image that it is, or belongs to.
        workflows: The workflow executions of the image that may be relevant.
        steps: The steps of the suspect workflow executions, in their order.
        resources: The resources of a lifecycle execution.
        children: The AMIs and container images of those resources, by the id of the resource.
        stream: The log stream of the build; ``None`` if there is none, or nothing in it.
        lines: Lines of the log, oldest first.
        sources: What was read.
    """

    subject: Execution
    image: Image | None = None
    workflows: tuple[WorkflowExecution, ...] = ()
    steps: tuple[WorkflowStepExecution, ...] = ()
    resources: tuple[LifecycleExecutionResource, ...] = ()
    children: Mapping[str, tuple[LifecycleExecutionResource, ...]] = field(default_factory=dict)
    stream: LogStream | None = None
    lines: tuple[LogLine, ...] = ()
    sources: tuple[Source, ...] = ()

    @property
    def failure_context(self) -> ImageFailureContext | None:
        """The service's own account of where the image failed."""
        return None if self.image is None or self.image.state is None else self.image.state.failure_context

    @property
    def image_arn(self) -> str | None:
        """The ARN of the image that the subject is, or belongs to."""
        if isinstance(self.subject, Image):
            return self.subject.arn
        if isinstance(self.subject, WorkflowExecution | WorkflowStepExecution):
            return self.subject.image_build_version_arn
        return None

    def lines_until(self, failure: datetime | None) -> tuple[LogLine, ...]:
        """Return the lines of the log up to a failure; all of them if its time is not known."""
        if failure is None:
            return self.lines
        before = (line for line in self.lines if line.timestamp - failure <= _LOG_DELAY)
        return tuple(before) or self.lines

    def workflow(self, workflow_execution_id: str | None) -> WorkflowExecution | None:
        """Return the workflow execution with this id, if it is known."""
        return next((each for each in self.workflows if each.id == workflow_execution_id), None)

    def steps_of(self, workflow_execution_id: str) -> tuple[WorkflowStepExecution, ...]:
        """Return the known steps of a workflow execution, in their order."""
        return tuple(each for each in self.steps if each.workflow_execution_id == workflow_execution_id)
