"""``show``: shows the current state of an execution."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from botocore import xform_name

from ...models.executions import Execution
from ...models.identifiers import Identifier
from ...models.kinds import KINDS
from ..exit_codes import ExitCode
from ..options import Connection, Display
from ..render.results import execution_members, format_members, structure_members
from ..runtime.connect import connect, parse_identifiers
from ..runtime.run import Invocation, run


def show(*, identifier: str, connection: Connection, display: Display) -> ExitCode:
    """Show an execution and return the exit code: 0 whatever its outcome."""
    (identifier,) = parse_identifiers([identifier])
    return run(partial(_show, identifier, connection), display)


async def _show(identifier: str, connection: Connection, invocation: Invocation) -> ExitCode:
    async with connect(connection, [identifier]) as ib:
        operation = KINDS[Identifier.parse(identifier).kind].get.operation
        get: Callable[[str], Awaitable[Execution]] = getattr(ib, xform_name(operation))
        execution = await get(identifier)
    common = execution_members(execution)
    members = structure_members(execution)
    repeated = {KINDS[execution.kind].id_member, "status", "message"}
    details = {name: value for name, value in members.items() if name not in repeated}
    invocation.output.emit(
        "execution", {**common, "members": members}, *format_members({**common, **details})
    )
    return ExitCode.SUCCEEDED
