"""Following an execution: a build state on each change, for display only.

The states come from the client's watch, which shares its polls with the wait. The watch reads the steps of
running workflows only, so the final steps of each ended workflow are read here, before its end is shown.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import anyio

from ...client import ImageBuilder
from ...errors import ImageBuilderError
from ...models.executions import Execution, Image, WorkflowExecution
from ...models.identifiers import Identifier
from ...models.kinds import ExecutionKind
from ..build_state import BuildState, WorkflowState
from .protection import protect

OnState = Callable[[BuildState], None]

_WITH_STEPS: Final = (ExecutionKind.IMAGE, ExecutionKind.WORKFLOW_EXECUTION)
_READ_TIMEOUT: Final = 5.0


async def follow(
    ib: ImageBuilder,
    identifier: str,
    wait: Callable[[], Awaitable[Execution]],
    on_state: OnState,
    *,
    min_delay: float,
    estimate: bool = False,
) -> Execution:
    """Return the result of `wait`, and pass build states to `on_state` while it runs.

    Args:
        ib: an open client.
        identifier: the execution to follow.
        wait: waits for the execution to end; its errors are raised.
        on_state: called with each new state, including the last.
        min_delay: seconds between the end of a watch and the next one.
        estimate: whether to estimate when it ends.
    """
    follower = _Follower(ib, identifier, on_state, estimate=estimate)
    outcome: Execution | ImageBuilderError
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(protect, partial(follower.follow_states, min_delay))
        try:
            outcome = await wait()
        except ImageBuilderError as error:
            outcome = error
        tasks.cancel_scope.cancel()
    last = outcome if isinstance(outcome, Execution) else getattr(outcome, "execution", None)
    if isinstance(last, Execution):
        await protect(partial(follower.show_final_state, last))
    if isinstance(outcome, ImageBuilderError):
        raise outcome
    return outcome


async def read_build_state(
    ib: ImageBuilder, execution: Execution, *, include_retried: bool = False
) -> BuildState:
    """Read the workflows and steps of an execution.

    Args:
        ib: an open client.
        execution: the execution.
        include_retried: whether to include the workflows of an image that a retry has replaced.

    Raises:
        OperationError: a read failed.
    """
    match execution:
        case Image():
            listed = [each async for each in ib.list_workflow_executions(execution.id)]
            workflows = [each for each in listed if include_retried or not each.retried]
        case WorkflowExecution():
            workflows = [execution]
        case _:
            workflows = []
    states = [
        WorkflowState(each, tuple([step async for step in ib.list_workflow_step_executions(each.id)]))
        for each in workflows
    ]
    return BuildState(execution, tuple(states))


class _Follower:
    """Combines the states of a watch with separately read steps."""

    def __init__(self, ib: ImageBuilder, identifier: str, on_state: OnState, *, estimate: bool) -> None:
        self._ib = ib
        self._estimate = estimate
        self._identifier = identifier
        self._on_state = on_state
        self._state: BuildState | None = None
        self._complete_workflows: set[str] = set()

    async def follow_states(self, pause: float) -> None:
        """Watch the execution repeatedly, since a retried image runs again after its end."""
        has_steps = Identifier.parse(self._identifier).kind in _WITH_STEPS
        try:
            while True:
                watch = self._ib.watch(
                    self._identifier,
                    timeout=None,
                    detail="steps" if has_steps else None,
                    estimate=self._estimate,
                )
                async for execution in watch:
                    # The end is shown with the final steps, when the wait has ended.
                    if not execution.is_terminal:
                        await self._show(execution)
                await anyio.sleep(pause)
        except ImageBuilderError:
            # The wait reports the error.
            return

    async def show_final_state(self, last: Execution) -> None:
        """Show the last state, with all steps if they can be read in time."""
        if self._state is not None and last == self._state.execution and not last.is_terminal:
            # The same state, with an estimate.
            last = self._state.execution
        state = self._updated(last)
        with anyio.move_on_after(_READ_TIMEOUT):
            try:
                read = await read_build_state(self._ib, last)
            except ImageBuilderError:
                pass
            else:
                state = state.with_workflows(read.workflows, last)
        self._update(state)

    async def _show(self, execution: Execution) -> None:
        """Show a state, with the final steps of the workflows that have ended."""
        state = self._updated(execution)
        with anyio.move_on_after(_READ_TIMEOUT):
            if state.is_behind:
                state = await self._with_listed_workflows(state)
            for each in state.workflows:
                if each.workflow.is_terminal and each.workflow.id not in self._complete_workflows:
                    state = await self._complete(state, each.workflow.id)
        self._update(state)

    async def _with_listed_workflows(self, state: BuildState) -> BuildState:
        try:
            listed = [each async for each in self._ib.list_workflow_executions(state.execution.id)]
        except ImageBuilderError:
            return state
        workflows = [WorkflowState(each) for each in listed if not each.retried]
        return state.with_workflows(workflows, state.execution)

    async def _complete(self, state: BuildState, workflow_id: str) -> BuildState:
        try:
            steps = [step async for step in self._ib.list_workflow_step_executions(workflow_id)]
        except ImageBuilderError:
            # The next change causes another attempt.
            return state
        self._complete_workflows.add(workflow_id)
        return state.with_steps(workflow_id, steps)

    def _updated(self, execution: Execution) -> BuildState:
        return (self._state or BuildState(execution)).with_execution(execution)

    def _update(self, state: BuildState) -> None:
        # The progress is not part of the equality of executions.
        shown = None if self._state is None else self._state.execution.progress
        if state != self._state or state.execution.progress != shown:
            self._state = state
            self._on_state(state)
