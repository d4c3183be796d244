"""``why``: the diagnosis of an execution."""

from __future__ import annotations

from functools import partial

from ..exit_codes import ExitCode
from ..options import Connection, Display
from ..render.escaping import escaped
from ..runtime.connect import connect, identify
from ..runtime.run import Invocation, run

__all__ = ["why"]


def why(*, identifier: str, connection: Connection, display: Display) -> ExitCode:
    """Show the diagnosis, and get the exit code: 0 if there is one, whatever it says."""
    (identifier,) = identify([identifier])
    return run(partial(_why, identifier, connection), display)


async def _why(identifier: str, connection: Connection, invocation: Invocation) -> ExitCode:
    async with connect(connection, [identifier]) as ib:
        diagnosis = await ib.diagnose(identifier)
    lines = map(escaped, diagnosis.report().splitlines())
    invocation.output.emit("diagnosis", {"id": identifier, "diagnosis": diagnosis.as_dict()}, *lines)
    return ExitCode.SUCCEEDED
