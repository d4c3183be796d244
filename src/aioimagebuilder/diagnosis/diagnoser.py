"""Diagnoses of executions, and of the exceptions of waits."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Final, TypeVar

import anyio

from ..aws.backoff import Backoff
from ..aws.call import Caller
from ..aws.cloudwatch import CloudWatchLogs
from ..aws.reads import get
from ..errors import ExecutionFailedError, WaitError, WaitGroupError
from ..models.diagnosis import Diagnosis
from ..models.executions import Execution
from ..models.identifiers import Identifier
from .collector import Collector
from .conclusion import conclude

T = TypeVar("T")

LOG_LINES: Final = 20
TIMEOUT: Final = 30.0
# For several failures: how many are diagnosed at a time, and the timeout for all of them.
_MAXIMUM_CONCURRENT: Final = 4
_GROUP_TIMEOUT: Final = 60.0


class Diagnoser:
    """Diagnoses executions.

    Args:
        caller: Calls Image Builder.
        cloudwatch: Reads the logs of builds.
        backoff: How calls are retried within their time limits.
    """

    def __init__(self, caller: Caller, cloudwatch: CloudWatchLogs, backoff: Backoff) -> None:
        self._caller = caller
        self._cloudwatch = cloudwatch
        self._backoff = backoff

    async def diagnose(
        self, subject: Execution, *, log_lines: int = LOG_LINES, timeout: float = TIMEOUT
    ) -> Diagnosis:
        """Return the diagnosis of an execution. It never raises for something that cannot be read."""
        collector = Collector(self._caller, self._cloudwatch, self._backoff, log_lines=log_lines)
        return conclude(await collector.collect(subject, timeout=timeout), log_lines=log_lines)

    async def read_and_diagnose(self, identifier: Identifier, *, log_lines: int, timeout: float) -> Diagnosis:
        """Read an execution and return its diagnosis.

        Raises:
            OperationError: The execution could not be read.
            ValueError: The number of lines is negative.
        """
        if log_lines < 0:
            raise ValueError(f"log_lines must be a number of lines of at least 0, not {log_lines}.")
        retrying = self._backoff.for_time(timeout, before_sleep=lambda _: None)
        subject = await get(self._caller, identifier.kind, identifier.value, retrying=retrying)
        return await self.diagnose(subject, log_lines=log_lines, timeout=timeout)

    async def explain(self, waiting: Awaitable[T]) -> T:
        """Await `waiting`; if it raises for failed executions, add their diagnoses to the exceptions."""
        try:
            return await waiting
        except ExecutionFailedError as error:
            await self._add_diagnoses([error])
            raise
        except WaitGroupError as group:
            await self._add_diagnoses(group.errors)
            raise

    async def _add_diagnoses(self, errors: Iterable[WaitError]) -> None:
        limiter = anyio.CapacityLimiter(_MAXIMUM_CONCURRENT)

        async def add(error: ExecutionFailedError) -> None:
            async with limiter:
                error.diagnosis = await self.diagnose(error.execution)

        with anyio.move_on_after(_GROUP_TIMEOUT):
            async with anyio.create_task_group() as tasks:
                for error in errors:
                    if isinstance(error, ExecutionFailedError):
                        tasks.start_soon(add, error)
