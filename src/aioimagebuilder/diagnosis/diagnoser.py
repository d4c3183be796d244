"""The diagnosis of an execution, as a method of every client."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Final, TypeVar

import anyio

from ..aws.backoff import Backoff
from ..aws.call import Caller
from ..aws.cloudwatch import CloudWatchLogs
from ..aws.reads import get
from ..aws.steering import SteeringOperations as Operations
from ..errors import ExecutionFailedError, WaitError, WaitGroupError
from ..models.executions import Execution
from ..polling.schedule import Seconds, seconds
from . import Diagnosis, Gatherer, conclude

__all__ = ["Diagnostician", "Diagnostics"]

T = TypeVar("T")

_LOG_LINES: Final = 20
_TIMEOUT: Final = 30.0
# Of many that failed at once, so many are looked into at a time, and for so long in all.
_MOST_AT_ONCE: Final = 4
_TIMEOUT_OF_ALL: Final = 60.0


class Diagnostician:
    """Finds out why executions failed, with the client that it was made of, whatever becomes of that."""

    def __init__(self, caller: Caller, cloudwatch: CloudWatchLogs, backoff: Backoff) -> None:
        self._caller = caller
        self._cloudwatch = cloudwatch
        self._backoff = backoff

    async def diagnose(
        self, subject: Execution, *, log_lines: int = _LOG_LINES, timeout: float = _TIMEOUT
    ) -> Diagnosis:
        """Get the diagnosis of a state that is known; it never raises for what cannot be read."""
        gatherer = Gatherer(self._caller, self._cloudwatch, self._backoff, log_lines=log_lines)
        return conclude(await gatherer.gather(subject, timeout=timeout), log_lines=log_lines)

    async def explained(self, waiting: Awaitable[T]) -> T:
        """Get what is waited for; where that is a failure, its error says why."""
        try:
            return await waiting
        except ExecutionFailedError as error:
            await self._explain([error])
            raise
        except WaitGroupError as group:
            await self._explain(group.errors)
            raise

    async def _explain(self, errors: Iterable[WaitError]) -> None:
        """Put a diagnosis on each of these errors that is of a failed execution, as far as time allows."""
        failures = [each for each in errors if isinstance(each, ExecutionFailedError)]
        limiter = anyio.CapacityLimiter(_MOST_AT_ONCE)

        async def explain(error: ExecutionFailedError) -> None:
            async with limiter:
                error.diagnosis = await self.diagnose(error.execution)

        with anyio.move_on_after(_TIMEOUT_OF_ALL):
            async with anyio.create_task_group() as tasks:
                for each in failures:
                    tasks.start_soon(explain, each)


class Diagnostics(Operations):
    """The operations, and why what they show has failed."""

    @property
    def _cloudwatch(self) -> CloudWatchLogs:
        raise NotImplementedError

    @property
    def _backoff_of_calls(self) -> Backoff:
        raise NotImplementedError

    async def diagnose(
        self, identifier: str, *, log_lines: int = _LOG_LINES, timeout: Seconds = _TIMEOUT
    ) -> Diagnosis:
        """Get why an execution of any kind failed, with the evidence, and what to look at next.

        It names the first failure, not what it led to: the image's failure context (user guide, "Image
        failure context"), the failed step and its outputs, and the last lines of the build's log. What cannot
        be read is left out, and told in `sources`. Runs that a retry has replaced are passed over, and a
        cancellation is nobody's root cause. An execution that runs, or has succeeded, can be diagnosed too.

        Args:
            identifier: an id (``wf-…``, ``step-…``, ``lce-…``) or the ARN of an image build version.
            log_lines: the most lines of the build's log to show; ``0`` leaves CloudWatch Logs alone.
            timeout: seconds, or a timedelta, for all sources together; each has less than that of its own.

        Raises:
            OperationError: the execution itself could not be read.
            ValueError: an id of the wrong shape or region, or a timeout or number of lines that is none.
        """
        found = self._identify(identifier)
        if log_lines < 0:
            raise ValueError(f"log_lines must be a number of lines of at least 0, not {log_lines}.")
        budget = seconds(timeout, "timeout")
        tries = self._backoff_of_calls.within(budget, before_sleep=lambda _: None)
        subject = await get(self._caller, found.kind, found.value, tries=tries)
        return await self._diagnostician.diagnose(subject, log_lines=log_lines, timeout=budget)

    @property
    def _diagnostician(self) -> Diagnostician:
        return Diagnostician(self._caller, self._cloudwatch, self._backoff_of_calls)
