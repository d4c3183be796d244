"""``retry``: runs a failed or cancelled image again in place, and waits for its new end."""

from __future__ import annotations

from functools import partial

from ...models.executions import Execution
from ...models.identifiers import ExecutionKind
from ..exit_codes import ExitCode
from ..options import Connection, Display, Waiting
from ..runtime.connect import connect, identify
from ..runtime.resume import resuming_command
from ..runtime.run import Invocation, run
from ..runtime.wait import await_ending, conclude_build, options_of

__all__ = ["retry"]


def retry(*, image: str, waiting: Waiting, connection: Connection, display: Display) -> ExitCode:
    """Run it again, and get the exit code."""
    (image,) = identify([image], ExecutionKind.IMAGE)
    return run(partial(_retry, image, waiting, connection), display, waiting)


async def _retry(image: str, waiting: Waiting, connection: Connection, invocation: Invocation) -> ExitCode:
    invocation.resume = resuming_command("wait", [image])
    invocation.begin_group(f"Retrying {image}")
    async with connect(connection, [image], waiting=waiting) as ib:

        async def ending() -> Execution:
            return await ib.retry(image, **options_of(waiting))

        return conclude_build(invocation, await await_ending(invocation, ib, image, waiting, ending=ending))
