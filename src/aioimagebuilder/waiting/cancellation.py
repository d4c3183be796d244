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
from ..instrumentation.emitter import Emitter
from ..models.executions import Execution
from ..models.identifiers import Identifier
from ..models.kinds import KINDS
from ..models.statuses import Outcome
from .outcomes import create_error, facts_after

# Waits for an execution to end with any outcome, up to a deadline; raises WaitError.
WaitForEnd = Callable[[Identifier, float], Awaitable[Execution]]

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
        operations: Make the requests at the deadline of a wait.
        wait_for_end: Confirms the outcome.
        emitter: Delivers events.
    """

    def __init__(self, operations: Operations, wait_for_end: WaitForEnd, emitter: Emitter) -> None:
        self._operations = operations
        self._wait_for_end = wait_for_end
        self._notice = emitter.notice

    async def cancel(self, operations: Operations, identifier: Identifier, deadline: float) -> Execution:
        """Cancel an execution, and return it when it has ended; see `ImageBuilder.cancel`.

        Args:
            operations: Make the request.
            identifier: The execution.
            deadline: The deadline of the confirmation.
        """
        return await self._outcome(identifier, await self._request(operations, identifier), deadline)

    async def cancel_at_deadline(self, identifier: Identifier, expired: WaitError) -> Execution:
        """Cancel an execution at the deadline of a wait, and return it if it ended with another outcome.

        The request is shielded from a cancellation of the caller for some seconds; the confirmation is not.

        Raises:
            WaitError: `expired`, with the result of the cancellation: it succeeded, could not be requested,
                or was not confirmed in time.
        """
        requested_at = anyio.current_time()
        try:
            rejection = await self._request_shielded(identifier)
        except OperationError as error:
            what = f"it could not be cancelled at the deadline: {error}"
            raise _error(identifier, expired, requested_at, what, expired.execution, error) from error
        except TimeoutError:
            seconds = f"{_REQUEST_TIMEOUT:.0f} s"
            what = f"a cancellation was requested at the deadline, but not answered in {seconds}"
            raise _error(identifier, expired, requested_at, what, expired.execution) from None
        try:
            execution = await self._outcome(
                identifier, rejection, anyio.current_time() + _CONFIRMATION_TIMEOUT
            )
        except (WaitError, OperationError) as error:
            seen = error.execution if isinstance(error, WaitError) else None
            what = f"a cancellation was requested at the deadline, but not confirmed: {error}"
            raise _error(identifier, expired, requested_at, what, seen or expired.execution, error) from error
        if rejection is None and execution.outcome is Outcome.CANCELLED:
            raise _error(identifier, expired, requested_at, "it was cancelled at the deadline", execution)
        return execution

    async def _request_shielded(self, identifier: Identifier) -> RequestError | None:
        """Request a cancellation, shielded from a cancellation of the caller.

        Raises:
            TimeoutError: There was no response within the time limit.
            OperationError: As `_request`.
        """
        try:
            with anyio.fail_after(_REQUEST_TIMEOUT, shield=True):
                return await self._request(self._operations, identifier)
        finally:
            # A cancellation that was shielded takes effect now.
            await anyio.lowlevel.checkpoint_if_cancelled()

    @staticmethod
    async def _request(operations: Operations, identifier: Identifier) -> RequestError | None:
        """Request a cancellation; return the error if there may be nothing to cancel."""
        operation = xform_name(KINDS[identifier.kind].cancel)
        request: Callable[[str], Awaitable[str]] = getattr(operations, operation)
        try:
            await request(identifier.value)
        except _REJECTIONS as rejection:
            return rejection
        return None

    async def _outcome(
        self, identifier: Identifier, rejection: RequestError | None, deadline: float
    ) -> Execution:
        """Return the terminal state after a request for cancellation.

        Raises:
            RequestError: The rejection of the request, if no terminal state explains it.
        """
        # Something that is in use is being cancelled already, and has not ended yet.
        if rejection is None or isinstance(rejection, ResourceInUseException):
            execution = await self._wait_for_end(identifier, deadline)
        else:
            try:
                execution = await self._wait_for_end(
                    identifier, min(deadline, anyio.current_time() + _READ_LAG)
                )
            except WaitTimeoutError:
                raise rejection from rejection.__cause__
        if rejection is not None:
            text = "%s was not cancelled, since it is %s: %s"
            self._notice(logging.INFO, text, identifier, execution.status, rejection)
        elif execution.outcome is not Outcome.CANCELLED:
            text = "%s was to be cancelled, but ended as %s"
            self._notice(logging.INFO, text, identifier, execution.status)
        return execution


def _error(
    identifier: Identifier,
    expired: WaitError,
    requested_at: float,
    what: str,
    execution: Execution | None,
    cause: Exception | None = None,
) -> WaitError:
    """Return the exception of a wait that ended with `expired`, with the result of its cancellation."""
    is_terminal = execution is not None and execution.is_terminal
    cls = WaitTimeoutError if is_terminal else type(expired)
    seen = "" if execution is None else f"is {execution.status}: "
    elapsed = expired.elapsed + anyio.current_time() - requested_at
    what = f"{seen}{what} ({elapsed:.0f} s after the wait started)"
    return create_error(cls, identifier, what, facts_after(expired, execution, elapsed), cause)
