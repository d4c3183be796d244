"""``logs``: the log of a build, or of a pipeline."""

from __future__ import annotations

from functools import partial

from ...models.identifiers import ResourceKind
from ...models.kinds import ExecutionKind
from ..exit_codes import ExitCode
from ..options import Connection, Display, Waiting
from ..render.escaping import escaped
from ..runtime.connect import connect, identify
from ..runtime.run import Invocation, run

__all__ = ["logs"]


def logs(*, arn: str, follow: bool, waiting: Waiting, connection: Connection, display: Display) -> ExitCode:
    """Show the log, and get the exit code."""
    (arn,) = identify([arn], ExecutionKind.IMAGE, ResourceKind.IMAGE_PIPELINE)
    return run(partial(_show_log, arn, waiting, connection, follow=follow), display)


async def _show_log(
    arn: str, waiting: Waiting, connection: Connection, invocation: Invocation, *, follow: bool
) -> ExitCode:
    async with connect(connection, [arn], waiting=waiting) as ib:
        async for line in ib.logs(
            arn, follow=follow, min_delay=waiting.min_delay, max_delay=waiting.max_delay
        ):
            time = line.timestamp.isoformat(timespec="milliseconds")
            members = {"timestamp": time, "message": line.message}
            invocation.output.emit("log", members, f"{time} {escaped(line.message)}".rstrip())
    return ExitCode.SUCCEEDED
