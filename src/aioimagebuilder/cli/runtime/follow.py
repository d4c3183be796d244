"""Following an execution: a build state on each change, for display only.

The states come from the client's watch, which shares its polls with the wait. The watch reads the steps of
running workflows only, so the final steps of each ended workflow are read here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from ...client import ImageBuilder
from ...errors import ImageBuilderError
from ...models.executions import Execution, Image, WorkflowExecution
from ...models.identifiers import Identifier
from ...models.kinds import ExecutionKind
from ..build_state import BuildState, WorkflowState

OnState = Callable[[BuildState], None]

_WITH_STEPS: Final = (ExecutionKind.IMAGE, ExecutionKind.WORKFLOW_EXECUTION)
_FINAL_READ_TIMEOUT: Final = 5.0


async def follow(
    ib: ImageBuilder,
    identifier: str,
    wait: Callable[[], Awaitable[Execution]],
    on_state: OnState,
    *,
    min_delay: float,
) -> Execution:
    """Return the result of `wait`, and pass build states to `on_state` while it runs.

    Args:
        ib: an open client.
        identifier: the execution to follow.
        wait: waits for the execution to end; its errors are raised.
        on_state: called with each new state, including the last.
        min_delay: seconds between the end of a watch and the next one.
    """
    follower = _Follower(ib, identifier, on_state)
    outcome: Execution | ImageBuilderError
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower.follow_states, min_delay)
        tasks.start_soon(follower.follow_ended_workflows)
        try:
            outcome = await wait()
        except ImageBuilderError as error:
            outcome = error
        tasks.cancel_scope.cancel()
    last = outcome if isinstance(outcome, Execution) else getattr(outcome, "execution", None)
    if isinstance(last, Execution):
        await follower.read_final_state(last)
    if isinstance(outcome, ImageBuilderError):
        raise outcome
    return outcome


async def read_build_state(ib: ImageBuilder, execution: Execution) -> BuildState:
    """Read the workflows and steps of an execution.

    Raises:
        OperationError: a read failed.
    """
    match execution:
        case Image():
            workflows = [each async for each in ib.list_workflow_executions(execution.id) if not each.retried]
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

    def __init__(self, ib: ImageBuilder, identifier: str, on_state: OnState) -> None:
        self._ib = ib
        self._identifier = identifier
        self._on_state = on_state
        self._state: BuildState | None = None
        self._has_changed = anyio.Event()
        self._complete_workflows: set[str] = set()

    async def follow_states(self, pause: float) -> None:
        """Watch the execution repeatedly, since a retried image runs again after its end."""
        has_steps = Identifier.parse(self._identifier).kind in _WITH_STEPS
        try:
            while True:
                watch = self._ib.watch(self._identifier, timeout=None, detail="steps" if has_steps else None)
                async for execution in watch:
                    self._update_execution(execution)
                await anyio.sleep(pause)
        except ImageBuilderError:
            # The wait reports the error.
            return

    async def follow_ended_workflows(self) -> None:
        """Read the steps of each workflow that has ended."""
        while True:
            await self._has_changed.wait()
            self._has_changed = anyio.Event()
            for each in self._state.workflows if self._state else ():
                if each.workflow.is_terminal and each.workflow.id not in self._complete_workflows:
                    await self._read_steps(each.workflow.id)

    async def read_final_state(self, last: Execution) -> None:
        """Report the last state, with all steps if they can be read in time."""
        self._update_execution(last)
        with anyio.move_on_after(_FINAL_READ_TIMEOUT):
            try:
                self._update(await read_build_state(self._ib, last))
            except ImageBuilderError:
                return

    async def _read_steps(self, workflow_id: str) -> None:
        try:
            steps = [step async for step in self._ib.list_workflow_step_executions(workflow_id)]
        except ImageBuilderError:
            # The next change causes another attempt.
            return
        self._complete_workflows.add(workflow_id)
        if self._state is not None:
            self._update(self._state.with_steps(workflow_id, steps))

    def _update_execution(self, execution: Execution) -> None:
        self._update((self._state or BuildState(execution)).with_execution(execution))
        self._has_changed.set()

    def _update(self, state: BuildState) -> None:
        if state != self._state:
            self._state = state
            self._on_state(state)
