"""``show``: an execution as it is now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from ...client import ImageBuilder
from ...models.executions import Execution
from ...models.identifiers import AnyKind, ExecutionKind, Identifier
from ..exit_codes import ExitCode
from ..options import Connection, Display
from ..render.results import plain_members, state_members, words
from ..runtime.connect import connect, identify
from ..runtime.run import Invocation, run

__all__ = ["show"]

_GETS: Final[Mapping[AnyKind, Callable[[ImageBuilder, str], Awaitable[Execution]]]] = {
    ExecutionKind.IMAGE: ImageBuilder.get_image,
    ExecutionKind.WORKFLOW_EXECUTION: ImageBuilder.get_workflow_execution,
    ExecutionKind.WORKFLOW_STEP_EXECUTION: ImageBuilder.get_workflow_step_execution,
    ExecutionKind.LIFECYCLE_EXECUTION: ImageBuilder.get_lifecycle_execution,
}


def show(*, identifier: str, connection: Connection, display: Display) -> ExitCode:
    """Show it, and get the exit code: 0 if it could be observed, whatever has become of it."""
    (identifier,) = identify([identifier])
    return run(partial(_show, identifier, connection), display)


async def _show(identifier: str, connection: Connection, invocation: Invocation) -> ExitCode:
    async with connect(connection, [identifier]) as ib:
        execution = await _GETS[Identifier.parse(identifier).kind](ib, identifier)
    members = state_members(execution)
    told = plain_members(execution)
    rest = {
        name: value for name, value in told.items() if name not in {execution.id_member, "status", "message"}
    }
    invocation.output.emit("execution", {**members, "members": told}, *words({**members, **rest}))
    return ExitCode.SUCCEEDED
