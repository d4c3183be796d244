"""``logs``: shows the log of a build or a pipeline."""

from __future__ import annotations

from functools import partial

from ...models.identifiers import ResourceKind
from ...models.kinds import ExecutionKind
from ..exit_codes import ExitCode
from ..options import Connection, Display, WaitOptions
from ..render.escaping import escape
from ..runtime.connect import connect, find_pipeline_arn, parse_identifier_or_name
from ..runtime.run import Invocation, run


def logs(
    *, arn: str, follow: bool, options: WaitOptions, connection: Connection, display: Display
) -> ExitCode:
    """Show the log and return the exit code."""
    arn = parse_identifier_or_name(arn, ExecutionKind.IMAGE, ResourceKind.IMAGE_PIPELINE)
    return run(partial(_show_log, arn, options, connection, follow=follow), display)


async def _show_log(
    arn: str, options: WaitOptions, connection: Connection, invocation: Invocation, *, follow: bool
) -> ExitCode:
    arn = await find_pipeline_arn(connection, arn)
    async with connect(connection, [arn], options=options) as ib:
        async for line in ib.logs(
            arn, follow=follow, min_delay=options.min_delay, max_delay=options.max_delay or 15
        ):
            time = line.timestamp.isoformat(timespec="milliseconds")
            members = {"timestamp": time, "message": line.message}
            invocation.output.emit("log", members, f"{time} {escape(line.message)}".rstrip())
            if invocation.output.error is not None:
                break
    return ExitCode.SUCCEEDED
