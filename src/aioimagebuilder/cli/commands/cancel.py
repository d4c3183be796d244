"""``cancel``: asks AWS to cancel an image or a lifecycle execution, and confirms what became of it."""

from __future__ import annotations

from functools import partial

from ...models.executions import Execution
from ...models.identifiers import ExecutionKind
from ...models.statuses import Outcome
from ..build_state import label_of
from ..exit_codes import ExitCode
from ..options import Connection, Display, Waiting
from ..render.escaping import escaped
from ..runtime.connect import connect, identify
from ..runtime.resume import resuming_command
from ..runtime.run import Invocation, run
from ..runtime.wait import await_ending, conclude, tell

__all__ = ["cancel"]


def cancel(*, identifier: str, waiting: Waiting, connection: Connection, display: Display) -> ExitCode:
    """Cancel it, and get the exit code: 0 if it was cancelled, 1 if it had ended otherwise."""
    (identifier,) = identify([identifier], ExecutionKind.IMAGE, ExecutionKind.LIFECYCLE_EXECUTION)
    return run(partial(_cancel, identifier, waiting, connection), display, waiting)


async def _cancel(
    identifier: str, waiting: Waiting, connection: Connection, invocation: Invocation
) -> ExitCode:
    invocation.resume = resuming_command("wait", [identifier])
    invocation.begin_group(f"Cancelling {identifier}")
    async with connect(connection, [identifier], waiting=waiting) as ib:

        async def ending() -> Execution:
            return await ib.cancel(identifier, timeout=waiting.timeout)

        ended = await await_ending(invocation, ib, identifier, waiting, ending=ending)
    tell(invocation, ended, ended.line)
    if ended.error is not None or ended.seen is None:
        return conclude(invocation, [ended])
    if ended.seen.outcome is Outcome.CANCELLED:
        return ExitCode.SUCCEEDED
    label, status = escaped(label_of(ended.seen)), escaped(str(ended.seen.status))
    invocation.reporter.say(f"Error: {label} was not cancelled: it had become {status} before.")
    return ExitCode.FAILED
