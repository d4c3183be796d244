"""The operations that list: a row for each, and the pages that it gives."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar, cast

from ..models.executions import Image, LifecycleExecution, WorkflowExecution, WorkflowStepExecution
from ..models.shapes import LifecycleExecutionResource
from .backoff import Tries
from .call import Answer, Caller

__all__ = [
    "IMAGE_BUILD_VERSIONS",
    "IMAGE_PIPELINE_IMAGES",
    "LIFECYCLE_EXECUTIONS",
    "LIFECYCLE_EXECUTION_RESOURCES",
    "WAITING_WORKFLOW_STEPS",
    "WORKFLOW_EXECUTIONS",
    "WORKFLOW_STEP_EXECUTIONS",
    "Listing",
]

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Listing(Generic[T_co]):
    """An operation that lists.

    Attributes:
        operation: its name as AWS writes it.
        parameter: whose rows are wanted; ``None`` if it is always those of the account.
        output: where an answer holds its rows.
        parse: reads a row.
        shared: members that stand on a page, and belong to all its rows.
    """

    operation: str
    parameter: str | None
    output: str
    parse: Callable[[object], T_co]
    shared: tuple[str, ...] = ()

    def pages(
        self,
        caller: Caller,
        params: Mapping[str, object],
        *,
        tries: Tries | None = None,
        has_turn: bool = False,
    ) -> AsyncGenerator[Sequence[T_co]]:
        """Get the rows page by page; the arguments are those of `Caller.call`.

        Raises:
            OperationError: a call failed.
        """
        return caller.pages(self.operation, params, self._rows, tries=tries, has_turn=has_turn)

    def pages_of(
        self, caller: Caller, whose: str | None, *, tries: Tries, has_turn: bool = False
    ) -> AsyncGenerator[Sequence[T_co]]:
        """Get the rows of `whose`, or of the account if ``None``, page by page.

        Raises:
            OperationError: a call failed.
        """
        params = {} if self.parameter is None or whose is None else {self.parameter: whose}
        return self.pages(caller, params, tries=tries, has_turn=has_turn)

    def _rows(self, answer: Answer) -> Sequence[T_co]:
        rows = cast("Sequence[object]", answer.get(self.output) or ())
        common = {name: answer[name] for name in self.shared if name in answer}
        return [self.parse({**common, **row} if isinstance(row, Mapping) else row) for row in rows]


WORKFLOW_EXECUTIONS: Final = Listing(
    "ListWorkflowExecutions",
    "imageBuildVersionArn",
    "workflowExecutions",
    WorkflowExecution.parse,
    ("imageBuildVersionArn",),
)
WORKFLOW_STEP_EXECUTIONS: Final = Listing(
    "ListWorkflowStepExecutions",
    "workflowExecutionId",
    "steps",
    WorkflowStepExecution.parse,
    ("imageBuildVersionArn", "workflowBuildVersionArn", "workflowExecutionId"),
)
WAITING_WORKFLOW_STEPS: Final = Listing(
    "ListWaitingWorkflowSteps", None, "steps", WorkflowStepExecution.parse
)
IMAGE_BUILD_VERSIONS: Final = Listing(
    "ListImageBuildVersions", "imageVersionArn", "imageSummaryList", Image.parse
)
IMAGE_PIPELINE_IMAGES: Final = Listing(
    "ListImagePipelineImages", "imagePipelineArn", "imageSummaryList", Image.parse
)
LIFECYCLE_EXECUTIONS: Final = Listing(
    "ListLifecycleExecutions", "resourceArn", "lifecycleExecutions", LifecycleExecution.parse
)
LIFECYCLE_EXECUTION_RESOURCES: Final = Listing(
    "ListLifecycleExecutionResources", "lifecycleExecutionId", "resources", LifecycleExecutionResource.parse
)
