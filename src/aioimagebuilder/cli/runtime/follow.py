"""What goes on at the service, as a stream of build states. Telemetry: it never decides an outcome.

It comes from the client's own watch, which shares its polls with the wait beside it. The watch sees the steps
of workflows that run; how those of one that has ended have ended, this looks up by itself.
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

__all__ = ["follow", "state_of"]

Report = Callable[[BuildState], None]

_WITH_STEPS: Final = (ExecutionKind.IMAGE, ExecutionKind.WORKFLOW_EXECUTION)
# How long the last look at workflows and steps may take.
_LAST_LOOK: Final = 5.0


async def follow(
    ib: ImageBuilder,
    identifier: str,
    ending: Callable[[], Awaitable[Execution]],
    report: Report,
    *,
    min_delay: float,
) -> Execution:
    """Get what `ending` gives, and report each build state until then; its errors are raised.

    Args:
        ib: the open client.
        identifier: what is followed.
        ending: waits for the end.
        report: is told each state, the last one too.
        min_delay: the least seconds between two polls.
    """
    follower = _Follower(ib, identifier, report)
    outcome: Execution | ImageBuilderError
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower.follow_states, min_delay)
        tasks.start_soon(follower.follow_ended_workflows)
        try:
            outcome = await ending()
        except ImageBuilderError as error:
            outcome = error
        tasks.cancel_scope.cancel()
    last = outcome if isinstance(outcome, Execution) else getattr(outcome, "execution", None)
    if isinstance(last, Execution):
        await follower.look_a_last_time(last)
    if isinstance(outcome, ImageBuilderError):
        raise outcome
    return outcome


async def state_of(ib: ImageBuilder, execution: Execution) -> BuildState:
    """Get the build state of an execution: its workflows and their steps, all read now.

    Raises:
        OperationError: they could not be read.
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
    """Puts together what the watch and the lists tell, and reports it."""

    def __init__(self, ib: ImageBuilder, identifier: str, report: Report) -> None:
        self._ib = ib
        self._identifier = identifier
        self._report = report
        self._state: BuildState | None = None
        self._has_changed = anyio.Event()
        self._complete: set[str] = set()

    async def follow_states(self, pause: float) -> None:
        """Watch the execution, again and again: an image that is retried goes on after its end."""
        has_steps = Identifier.parse(self._identifier).kind in _WITH_STEPS
        try:
            while True:
                watch = self._ib.watch(self._identifier, timeout=None, detail="steps" if has_steps else None)
                async for execution in watch:
                    self._see(execution)
                await anyio.sleep(pause)
        except ImageBuilderError:
            # The wait beside it says what went wrong.
            return

    async def follow_ended_workflows(self) -> None:
        """Look up how the steps of each workflow have ended, once it has."""
        while True:
            await self._has_changed.wait()
            self._has_changed = anyio.Event()
            for each in self._state.workflows if self._state else ():
                if each.workflow.is_terminal and each.workflow.id not in self._complete:
                    await self._complete_steps(each.workflow.id)

    async def look_a_last_time(self, last: Execution) -> None:
        """Report the last state, with all of its steps if they can be had in time."""
        self._see(last)
        with anyio.move_on_after(_LAST_LOOK):
            try:
                self._show(await state_of(self._ib, last))
            except ImageBuilderError:
                # What was seen before stays.
                return

    async def _complete_steps(self, workflow_id: str) -> None:
        try:
            steps = [step async for step in self._ib.list_workflow_step_executions(workflow_id)]
        except ImageBuilderError:
            # Tried again with the next change.
            return
        self._complete.add(workflow_id)
        if self._state is not None:
            self._show(self._state.with_steps(workflow_id, steps))

    def _see(self, execution: Execution) -> None:
        self._show((self._state or BuildState(execution)).with_execution(execution))
        self._has_changed.set()

    def _show(self, state: BuildState) -> None:
        if state != self._state:
            self._state = state
            self._report(state)
