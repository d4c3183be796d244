"""``retry``: runs a failed or cancelled image build again under the same ARN, and waits for it."""

from __future__ import annotations

from functools import partial

from ...models.executions import Execution
from ...models.kinds import ExecutionKind
from ..exit_codes import ExitCode
from ..options import Connection, Display, WaitOptions
from ..runtime.connect import connect, parse_identifiers
from ..runtime.run import Invocation, run
from ..runtime.wait import check_options, finish_build, set_step_outputs, wait_arguments, wait_for_result


def retry(*, image: str, options: WaitOptions, connection: Connection, display: Display) -> ExitCode:
    """Retry an image build and return the exit code."""
    (image,) = parse_identifiers([image], ExecutionKind.IMAGE)
    check_options(options, [image])
    return run(partial(_retry, image, options, connection), display, options)


async def _retry(
    image: str, options: WaitOptions, connection: Connection, invocation: Invocation
) -> ExitCode:
    invocation.begin_wait([image], f"Retrying {image}")
    set_step_outputs(invocation, {"image-arn": image})
    async with connect(connection, [image], options=options) as ib:

        async def wait() -> Execution:
            return await ib.retry(image, **wait_arguments(options))

        result = await wait_for_result(invocation, ib, image, options, wait=wait)
        return finish_build(invocation, result)
