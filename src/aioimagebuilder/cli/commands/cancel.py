"""``cancel``: asks AWS to cancel an image or a lifecycle execution, and confirms what became of it."""

from __future__ import annotations

from functools import partial

from ...executions import Execution
from ...identifiers import ExecutionKind
from ...statuses import Outcome
from ..awaiting import await_ending
from ..build_state import label_of
from ..connecting import connect, identify
from ..endings import conclude, tell
from ..escaping import escaped
from ..exit_codes import ExitCode
from ..invocation import Invocation, run
from ..options import Connection, Display, Waiting
from ..resuming import resuming_command

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
