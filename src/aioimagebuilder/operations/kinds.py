"""How each kind of execution is asked for: a new kind is a new row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tenacity import AsyncRetrying

from ..batching import Call
from ..executions import EXECUTION_CLASSES, Execution
from ..identifiers import AnyKind, ExecutionKind, Identifier
from .caller import Answer, Caller

__all__ = ["read"]


@dataclass(frozen=True, slots=True)
class _Get:
    operation: str
    parameter: str
    output: str | None = None


_GETS: Final[Mapping[AnyKind, _Get]] = {
    ExecutionKind.IMAGE: _Get("GetImage", "imageBuildVersionArn", "image"),
    ExecutionKind.WORKFLOW_EXECUTION: _Get("GetWorkflowExecution", "workflowExecutionId"),
    ExecutionKind.WORKFLOW_STEP_EXECUTION: _Get("GetWorkflowStepExecution", "stepExecutionId"),
    ExecutionKind.LIFECYCLE_EXECUTION: _Get(
        "GetLifecycleExecution", "lifecycleExecutionId", "lifecycleExecution"
    ),
}


async def read(
    caller: Caller, call: Call, retrying: AsyncRetrying | None = None
) -> dict[Identifier, Execution]:
    """Get the executions that `call` asks for, by identifier.

    Raises:
        OperationError: the call failed.
    """
    get = _GETS[call.identifier.kind]

    def parse(answer: Answer) -> Execution:
        members = answer if get.output is None else answer.get(get.output)
        execution = EXECUTION_CLASSES[call.identifier.kind].parse(members)
        if not execution.id:
            raise ValueError("the answer names no execution")
        return execution

    execution = await caller.call(
        get.operation, {get.parameter: call.identifier.value}, parse, retrying=retrying
    )
    return {call.identifier: execution}
