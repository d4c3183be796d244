"""``why``: shows the diagnosis of an execution."""

from __future__ import annotations

from functools import partial

from ..exit_codes import ExitCode
from ..options import Connection, Display
from ..render.results import diagnosis_members, format_diagnosis
from ..runtime.connect import connect, parse_identifiers
from ..runtime.run import Invocation, run


def why(*, identifier: str, connection: Connection, display: Display) -> ExitCode:
    """Show the diagnosis and return the exit code: 0 whatever it says."""
    (identifier,) = parse_identifiers([identifier])
    return run(partial(_why, identifier, connection), display)


async def _why(identifier: str, connection: Connection, invocation: Invocation) -> ExitCode:
    async with connect(connection, [identifier]) as ib:
        diagnosis = await ib.diagnose(identifier)
    members = {"id": identifier, "diagnosis": diagnosis_members(diagnosis)}
    invocation.output.emit("diagnosis", members, *format_diagnosis(diagnosis))
    return ExitCode.SUCCEEDED
