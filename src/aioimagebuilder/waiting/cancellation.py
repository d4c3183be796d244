"""Cancels at AWS, and finds out what really became of it.

The service cancels images and lifecycle executions, and answers before it has: a build may yet end as
AVAILABLE, or FAILED. What has ended already it refuses to cancel. So whoever asks must look afterwards.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import anyio
import anyio.lowlevel

from ..aws.steering import SteeringOperations as Operations
from ..errors import (
    ClientException,
    InvalidParameterValueException,
    InvalidRequestException,
    OperationError,
    RequestError,
    ResourceInUseException,
    WaitError,
    WaitTimeoutError,
)
from ..models.executions import Execution
from ..models.identifiers import AnyKind, ExecutionKind, Identifier
from ..models.statuses import Outcome
from .outcomes import facts_after, made

__all__ = ["CONFIRMATION", "Canceller", "WaitForEnd"]

# Waits for the end of an execution, whatever it becomes, for so many seconds; raises WaitError.
WaitForEnd = Callable[[Identifier, float | None], Awaitable[Execution]]

_log: Final = logging.getLogger("aioimagebuilder")

# A row for each kind that the service can cancel.
_ASKS: Final[Mapping[AnyKind, Callable[[Operations, str], Awaitable[str]]]] = {
    ExecutionKind.IMAGE: Operations.cancel_image_creation,
    ExecutionKind.LIFECYCLE_EXECUTION: Operations.cancel_lifecycle_execution,
}
# How the service may say that there is nothing to cancel (any more): the model leaves it open.
_MAYBE_OVER: Final = (
    InvalidRequestException,
    InvalidParameterValueException,
    ClientException,
    ResourceInUseException,
)
# Seconds for the end to be read that a refusal tells of.
_LAG: Final = 30.0
# Seconds for which asking, once a deadline has passed, may hold off a cancellation of the caller's.
_ASKING: Final = 30.0
CONFIRMATION: Final = 300.0
"""Seconds for a cancel that was asked for to be confirmed."""


class Canceller:
    """Asks to cancel, and finds out what became of it.

    Args:
        operations: ask.
        wait_for_end: finds out.
    """

    def __init__(self, operations: Operations, wait_for_end: WaitForEnd) -> None:
        self._operations = operations
        self._wait_for_end = wait_for_end

    async def cancel(self, identifier: Identifier, timeout: float | None) -> Execution:
        """Get what became of `identifier` once it has ended; see `ImageBuilder.cancel`."""
        refusal = await self._ask(identifier)
        if refusal is not None:
            return await self._end_despite(refusal, identifier, timeout)
        return await self._wait_for_end(identifier, timeout)

    async def at_deadline(self, identifier: Identifier, expired: WaitError) -> Execution:
        """Cancel what is still running at the deadline of a wait, and get it if it ended otherwise.

        Asking is shielded from a cancellation of the caller's, for some seconds; finding out is not.

        Raises:
            WaitError: `expired`, with what became of the cancel: it worked, it could not be asked for, or
                was not confirmed in time.
        """
        deadline = anyio.current_time()

        def told(what: str, execution: Execution | None, cause: Exception | None = None) -> WaitError:
            cls = type(expired) if execution is None or not execution.is_terminal else WaitTimeoutError
            seen = "" if execution is None else f"is {execution.status}: "
            elapsed = expired.elapsed + anyio.current_time() - deadline
            facts = facts_after(expired, execution, elapsed)
            return made(cls, identifier, f"{seen}{what} ({elapsed:.0f} s after the wait began)", facts, cause)

        refusal: RequestError | None = None
        failure: OperationError | None = None
        with anyio.move_on_after(_ASKING, shield=True) as asking:
            try:
                refusal = await self._ask(identifier)
            except OperationError as error:
                failure = error
        # A cancellation that was held off has the next word.
        await anyio.lowlevel.checkpoint_if_cancelled()
        if failure is not None:
            what = f"it could not be cancelled at the deadline: {failure}"
            raise told(what, expired.execution, failure)
        if asking.cancelled_caught:
            what = f"the deadline passed, and a cancel was asked for, but not answered in {_ASKING:.0f} s"
            raise told(what, expired.execution)
        try:
            if refusal is not None:
                return await self._end_despite(refusal, identifier, CONFIRMATION)
            execution = await self._wait_for_end(identifier, CONFIRMATION)
        except (WaitError, OperationError) as error:
            seen = error.execution if isinstance(error, WaitError) else None
            what = f"a cancel was asked for at the deadline, and is not confirmed: {error}"
            raise told(what, seen or expired.execution, error) from error
        if execution.outcome is Outcome.CANCELLED:
            raise told("it was cancelled at the deadline", execution)
        _log.info("%s was to be cancelled at the deadline, and became %s", identifier, execution.status)
        return execution

    async def _ask(self, identifier: Identifier) -> RequestError | None:
        """Ask to cancel, and get the refusal if there may be nothing to cancel."""
        try:
            await _ASKS[identifier.kind](self._operations, identifier.value)
        except _MAYBE_OVER as refusal:
            return refusal
        return None

    async def _end_despite(
        self, refusal: RequestError, identifier: Identifier, timeout: float | None
    ) -> Execution:
        """Get the end that a refusal tells of; one that is being cancelled already has not ended yet.

        Raises:
            RequestError: the refusal, where it tells of no end.
        """
        if not isinstance(refusal, ResourceInUseException):
            timeout = _LAG if timeout is None else min(timeout, _LAG)
        try:
            execution = await self._wait_for_end(identifier, timeout)
        except WaitTimeoutError:
            if isinstance(refusal, ResourceInUseException):
                raise
            raise refusal from None
        _log.info("%s was not cancelled, since it is %s: %s", identifier, execution.status, refusal)
        return execution
