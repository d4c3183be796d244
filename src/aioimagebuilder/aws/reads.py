"""How executions are read: a row for each way, and the pages of executions that it gives."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from ..models.executions import EXECUTION_CLASSES, Execution
from ..models.identifiers import AnyKind, ExecutionKind
from ..polling.batching import Call, Read
from .backoff import Tries
from .call import Answer, Caller
from .listings import (
    IMAGE_BUILD_VERSIONS,
    LIFECYCLE_EXECUTIONS,
    WAITING_WORKFLOW_STEPS,
    WORKFLOW_EXECUTIONS,
    WORKFLOW_STEP_EXECUTIONS,
    Listing,
)

__all__ = ["get", "list_pages"]


@dataclass(frozen=True, slots=True)
class _Get:
    """An operation that shows one execution, under `output` if not at the top of the answer."""

    operation: str
    parameter: str
    output: str | None = None


# A new kind of execution is a new row in both.
_GETS: Final[Mapping[AnyKind, _Get]] = {
    ExecutionKind.IMAGE: _Get("GetImage", "imageBuildVersionArn", "image"),
    ExecutionKind.WORKFLOW_EXECUTION: _Get("GetWorkflowExecution", "workflowExecutionId"),
    ExecutionKind.WORKFLOW_STEP_EXECUTION: _Get("GetWorkflowStepExecution", "stepExecutionId"),
    ExecutionKind.LIFECYCLE_EXECUTION: _Get(
        "GetLifecycleExecution", "lifecycleExecutionId", "lifecycleExecution"
    ),
}
_LISTS: Final[Mapping[Read, Listing[Execution]]] = {
    Read.WORKFLOW_EXECUTIONS_OF_IMAGE: WORKFLOW_EXECUTIONS,
    Read.STEPS_OF_WORKFLOW_EXECUTION: WORKFLOW_STEP_EXECUTIONS,
    Read.BUILDS_OF_IMAGE_VERSION: IMAGE_BUILD_VERSIONS,
    Read.BUILDS: IMAGE_BUILD_VERSIONS,
    Read.LIFECYCLE_EXECUTIONS_OF_POLICY: LIFECYCLE_EXECUTIONS,
    Read.WAITING_STEPS: WAITING_WORKFLOW_STEPS,
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
    found = _LISTS[call.read].pages_of(caller, call.argument, tries=tries, has_turn=True)
    async with aclosing(found) as pages:
        async for page in pages:
            yield [execution for execution in page if execution.id]
