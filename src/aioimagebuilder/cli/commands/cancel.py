"""``cancel``: cancels an image build or a lifecycle execution, and confirms the outcome."""

from __future__ import annotations

import time
from functools import partial

from ...models.executions import Execution
from ...models.kinds import ExecutionKind
from ...models.statuses import Outcome
from ..build_state import label_of
from ..exit_codes import ExitCode
from ..options import Connection, Display, WaitOptions
from ..render.escaping import escape
from ..runtime.connect import connect, parse_identifiers
from ..runtime.run import Invocation, run
from ..runtime.wait import check_options, emit_result, finish, wait_for_result


def cancel(*, identifier: str, options: WaitOptions, connection: Connection, display: Display) -> ExitCode:
    """Cancel an execution and return the exit code: 0 if it was cancelled, 1 if it had ended before."""
    (identifier,) = parse_identifiers([identifier], ExecutionKind.IMAGE, ExecutionKind.LIFECYCLE_EXECUTION)
    check_options(options)
    return run(partial(_cancel, identifier, options, connection), display, options)


async def _cancel(
    identifier: str, options: WaitOptions, connection: Connection, invocation: Invocation
) -> ExitCode:
    invocation.begin_wait([identifier], f"Cancelling {identifier}")
    async with connect(connection, [identifier], options=options) as ib:

        async def wait() -> Execution:
            invocation.cancels_at = time.monotonic()
            return await ib.cancel(identifier, timeout=options.timeout)

        result = await wait_for_result(invocation, ib, identifier, options, wait=wait)
    emit_result(invocation, result, result.line)
    if result.error is not None or result.execution is None:
        return finish(invocation, [result])
    if result.execution.outcome is Outcome.CANCELLED:
        return ExitCode.SUCCEEDED
    label, status = escape(label_of(result.execution)), escape(str(result.execution.status))
    invocation.reporter.print_message(f"Error: {label} was not cancelled: it ended as {status}.")
    return ExitCode.FAILED
