"""Cancellation at AWS, and its confirmation.

The service cancels images and lifecycle executions asynchronously: a build may still become AVAILABLE or
FAILED after the request was accepted. It rejects the request for something that has ended. So only a read
afterwards shows the outcome.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import anyio.lowlevel
from botocore import xform_name

from ..aws.operations import Operations
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
from ..models.identifiers import Identifier
from ..models.kinds import KINDS
from ..models.statuses import Outcome
from .outcomes import create_error, facts_after

# Waits for an execution to end with any outcome, for so many seconds; raises WaitError.
WaitForEnd = Callable[[Identifier, float | None], Awaitable[Execution]]

_log: Final = logging.getLogger("aioimagebuilder")

# The errors for something that cannot be cancelled (any more); the model does not specify them.
_REJECTIONS: Final = (
    InvalidRequestException,
    InvalidParameterValueException,
    ClientException,
    ResourceInUseException,
)
# Seconds until a read shows the terminal state that a rejection implies.
_READ_LAG: Final = 30.0
# Seconds for which the request at a deadline is shielded from a cancellation of the caller.
_REQUEST_TIMEOUT: Final = 30.0
# Seconds in which an accepted request is to be confirmed.
_CONFIRMATION_TIMEOUT: Final = 300.0


class Canceller:
    """Requests cancellations, and confirms their outcome.

    Args:
        operations: Make the requests.
        wait_for_end: Confirms the outcome.
    """

    def __init__(self, operations: Operations, wait_for_end: WaitForEnd) -> None:
        self._operations = operations
        self._wait_for_end = wait_for_end

    async def cancel(self, identifier: Identifier, timeout: float | None) -> Execution:
        """Cancel an execution, and return it when it has ended; see `ImageBuilder.cancel`."""
        rejection = await self._request(identifier)
        if rejection is not None:
            return await self._end_after(rejection, identifier, timeout)
        return await self._wait_for_end(identifier, timeout)

    async def cancel_at_deadline(self, identifier: Identifier, expired: WaitError) -> Execution:
        """Cancel an execution at the deadline of a wait, and return it if it ended with another outcome.

        The request is shielded from a cancellation of the caller for some seconds; the confirmation is not.

        Raises:
            WaitError: `expired`, with the result of the cancellation: it succeeded, could not be requested,
                or was not confirmed in time.
        """
        deadline = anyio.current_time()

        def error(what: str, execution: Execution | None, cause: Exception | None = None) -> WaitError:
            is_terminal = execution is not None and execution.is_terminal
            cls = WaitTimeoutError if is_terminal else type(expired)
            seen = "" if execution is None else f"is {execution.status}: "
            elapsed = expired.elapsed + anyio.current_time() - deadline
            what = f"{seen}{what} ({elapsed:.0f} s after the wait started)"
            return create_error(cls, identifier, what, facts_after(expired, execution, elapsed), cause)

        rejection: RequestError | None = None
        failure: OperationError | None = None
        with anyio.move_on_after(_REQUEST_TIMEOUT, shield=True) as request:
            try:
                rejection = await self._request(identifier)
            except OperationError as refused:
                failure = refused
        # A cancellation that was shielded takes effect now.
        await anyio.lowlevel.checkpoint_if_cancelled()
        if failure is not None:
            what = f"it could not be cancelled at the deadline: {failure}"
            raise error(what, expired.execution, failure)
        if request.cancelled_caught:
            what = (
                f"a cancellation was requested at the deadline, but not answered in {_REQUEST_TIMEOUT:.0f} s"
            )
            raise error(what, expired.execution)
        try:
            if rejection is not None:
                return await self._end_after(rejection, identifier, _CONFIRMATION_TIMEOUT)
            execution = await self._wait_for_end(identifier, _CONFIRMATION_TIMEOUT)
        except (WaitError, OperationError) as unconfirmed:
            seen = unconfirmed.execution if isinstance(unconfirmed, WaitError) else None
            what = f"a cancellation was requested at the deadline, but not confirmed: {unconfirmed}"
            raise error(what, seen or expired.execution, unconfirmed) from unconfirmed
        if execution.outcome is Outcome.CANCELLED:
            raise error("it was cancelled at the deadline", execution)
        _log.info("%s was to be cancelled at the deadline, but became %s", identifier, execution.status)
        return execution

    async def _request(self, identifier: Identifier) -> RequestError | None:
        """Request a cancellation; return the error if there may be nothing to cancel."""
        operation = xform_name(KINDS[identifier.kind].cancel)
        request: Callable[[str], Awaitable[str]] = getattr(self._operations, operation)
        try:
            await request(identifier.value)
        except _REJECTIONS as rejection:
            return rejection
        return None

    async def _end_after(
        self, rejection: RequestError, identifier: Identifier, timeout: float | None
    ) -> Execution:
        """Return the terminal state that a rejection implies.

        Raises:
            RequestError: The rejection, if there is no terminal state.
        """
        # Something that is being cancelled already is in use, and has not ended yet.
        is_in_use = isinstance(rejection, ResourceInUseException)
        if not is_in_use:
            timeout = _READ_LAG if timeout is None else min(timeout, _READ_LAG)
        try:
            execution = await self._wait_for_end(identifier, timeout)
        except WaitTimeoutError:
            if is_in_use:
                raise
            raise rejection from None
        _log.info("%s was not cancelled, since it is %s: %s", identifier, execution.status, rejection)
        return execution
