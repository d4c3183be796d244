"""A wait with its progress shown: what `wait`, `watch`, `build` and `retry` have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, TypedDict

from ...client import ImageBuilder
from ...errors import ExecutionFailedError, ImageBuilderError
from ...models.diagnosis import Diagnosis
from ...models.executions import Execution
from ..build_state import BuildState
from ..options import Waiting
from .endings import Ending
from .follow import Report, follow
from .run import Invocation

__all__ = ["await_ending", "options_of"]


class Options(TypedDict):
    """The keywords of the client's waits that the options of a command are."""

    timeout: float | None
    on_timeout: Literal["leave", "cancel"]
    on_waiting_step: Literal["ignore", "raise"]


def options_of(waiting: Waiting) -> Options:
    """Get the keywords of the client's waits that the options of a command are."""
    # What waits for a person is seen in the progress: the client need not report it, too.
    on_waiting_step: Literal["ignore", "raise"] = "raise" if waiting.on_waiting == "raise" else "ignore"
    return {"timeout": waiting.timeout, "on_timeout": waiting.on_timeout, "on_waiting_step": on_waiting_step}


async def await_ending(
    invocation: Invocation,
    ib: ImageBuilder,
    identifier: str,
    waiting: Waiting,
    *,
    ending: Callable[[], Awaitable[Execution]] | None = None,
    report: Report | None = None,
) -> Ending:
    """Get how an execution ended, with its progress shown until then.

    Args:
        invocation: where progress goes.
        ib: the open client.
        identifier: the execution.
        waiting: how long to wait.
        ending: waits for the end; the client's own wait if ``None``.
        report: is told each state, beside the progress.
    """

    def show(state: BuildState) -> None:
        invocation.reporter.update(state)
        if report is not None:
            report(state)

    async def wait() -> Execution:
        return await ib.wait(identifier, **options_of(waiting))

    try:
        seen = await follow(ib, identifier, ending or wait, show, min_delay=waiting.min_delay)
    except ExecutionFailedError as error:
        return Ending.of_error(identifier, error, await _diagnosis(ib, identifier))
    except ImageBuilderError as error:
        return Ending.of_error(identifier, error)
    return Ending(identifier, seen)


async def _diagnosis(ib: ImageBuilder, identifier: str) -> Diagnosis | None:
    try:
        return await ib.diagnose(identifier)
    except ImageBuilderError:
        # The error stands without it.
        return None
