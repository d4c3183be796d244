"""How executions are read: a row for each way, and the pages of executions that it gives."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, TypeVar, cast

from ..backoff import Tries
from ..batching import Call, Read
from ..executions import (
    EXECUTION_CLASSES,
    Execution,
    Image,
    LifecycleExecution,
    WorkflowExecution,
    WorkflowStepExecution,
)
from ..identifiers import AnyKind, ExecutionKind
from .caller import Answer, Caller

__all__ = ["get", "list_pages", "rows_of"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Get:
    """An operation that shows one execution, under `output` if not at the top of the answer."""

    operation: str
    parameter: str
    output: str | None = None


@dataclass(frozen=True, slots=True)
class _List:
    """An operation that lists executions; `shared` members stand on a page, and belong to all its rows."""

    operation: str
    parameter: str | None
    output: str
    cls: type[Execution]
    shared: tuple[str, ...] = ()


# A new kind of execution is a new row in both.
_GETS: Final[Mapping[AnyKind, _Get]] = {
    ExecutionKind.IMAGE: _Get("GetImage", "imageBuildVersionArn", "image"),
    ExecutionKind.WORKFLOW_EXECUTION: _Get("GetWorkflowExecution", "workflowExecutionId"),
    ExecutionKind.WORKFLOW_STEP_EXECUTION: _Get("GetWorkflowStepExecution", "stepExecutionId"),
    ExecutionKind.LIFECYCLE_EXECUTION: _Get(
        "GetLifecycleExecution", "lifecycleExecutionId", "lifecycleExecution"
    ),
}
_BUILDS: Final = _List("ListImageBuildVersions", "imageVersionArn", "imageSummaryList", Image)
_LISTS: Final[Mapping[Read, _List]] = {
    Read.WORKFLOW_EXECUTIONS_OF_IMAGE: _List(
        "ListWorkflowExecutions",
        "imageBuildVersionArn",
        "workflowExecutions",
        WorkflowExecution,
        ("imageBuildVersionArn",),
    ),
    Read.STEPS_OF_WORKFLOW_EXECUTION: _List(
        "ListWorkflowStepExecutions",
        "workflowExecutionId",
        "steps",
        WorkflowStepExecution,
        ("imageBuildVersionArn", "workflowBuildVersionArn", "workflowExecutionId"),
    ),
    Read.BUILDS_OF_IMAGE_VERSION: _BUILDS,
    Read.BUILDS: _BUILDS,
    Read.LIFECYCLE_EXECUTIONS_OF_POLICY: _List(
        "ListLifecycleExecutions", "resourceArn", "lifecycleExecutions", LifecycleExecution
    ),
    Read.WAITING_STEPS: _List("ListWaitingWorkflowSteps", None, "steps", WorkflowStepExecution),
}


async def get(
    caller: Caller,
    kind: AnyKind,
    value: str,
    *,
    tries: Tries | None = None,
    has_turn: bool = False,
) -> Execution:
    """Get one execution by the Get of its kind.

    Raises:
        OperationError: the call failed.
    """
    row = _GETS[kind]

    def parse(answer: Answer) -> Execution:
        members = answer if row.output is None else answer.get(row.output)
        execution = EXECUTION_CLASSES[kind].parse(members)
        if not execution.id:
            raise ValueError("the answer names no execution")
        return execution

    return await caller.call(row.operation, {row.parameter: value}, parse, tries=tries, has_turn=has_turn)


async def list_pages(caller: Caller, call: Call, tries: Tries) -> AsyncGenerator[Sequence[Execution]]:
    """Get what a list tells, page by page; its first turn at the rate limiter is taken already.

    Raises:
        OperationError: the call failed.
    """
    row = _LISTS[call.read]
    pages = caller.pages(
        row.operation,
        {} if row.parameter is None or call.argument is None else {row.parameter: call.argument},
        lambda answer: rows_of(answer, row.output, row.cls.parse, row.shared),
        tries=tries,
        has_turn=True,
    )
    async with aclosing(pages):
        async for page in pages:
            yield [execution for execution in page if execution.id]


def rows_of(
    answer: Answer, output: str, parse: Callable[[object], T], shared: Sequence[str] = ()
) -> Sequence[T]:
    """Get the rows of a page, each with what it shares with the others.

    Raises:
        TypeError: the page is none.
    """
    rows = cast("Sequence[object]", answer.get(output) or ())
    common = {name: answer[name] for name in shared if name in answer}
    return [parse({**common, **row} if isinstance(row, Mapping) else row) for row in rows]
