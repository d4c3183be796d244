"""``show``: shows the current state of an execution."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from ...client import ImageBuilder
from ...models.executions import Execution
from ...models.identifiers import AnyKind, ExecutionKind, Identifier
from ..exit_codes import ExitCode
from ..options import Connection, Display
from ..render.results import execution_members, format_members, structure_members
from ..runtime.connect import connect, parse_identifiers
from ..runtime.run import Invocation, run

__all__ = ["show"]

_GETTERS: Final[Mapping[AnyKind, Callable[[ImageBuilder, str], Awaitable[Execution]]]] = {
    ExecutionKind.IMAGE: ImageBuilder.get_image,
    ExecutionKind.WORKFLOW_EXECUTION: ImageBuilder.get_workflow_execution,
    ExecutionKind.WORKFLOW_STEP_EXECUTION: ImageBuilder.get_workflow_step_execution,
    ExecutionKind.LIFECYCLE_EXECUTION: ImageBuilder.get_lifecycle_execution,
}


def show(*, identifier: str, connection: Connection, display: Display) -> ExitCode:
    """Show an execution and return the exit code: 0 whatever its outcome."""
    (identifier,) = parse_identifiers([identifier])
    return run(partial(_show, identifier, connection), display)


async def _show(identifier: str, connection: Connection, invocation: Invocation) -> ExitCode:
    async with connect(connection, [identifier]) as ib:
        execution = await _GETTERS[Identifier.parse(identifier).kind](ib, identifier)
    common = execution_members(execution)
    members = structure_members(execution)
    repeated = {execution.id_member, "status", "message"}
    details = {name: value for name, value in members.items() if name not in repeated}
    invocation.output.emit(
        "execution", {**common, "members": members}, *format_members({**common, **details})
    )
    return ExitCode.SUCCEEDED
