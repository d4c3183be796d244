"""Collection of the evidence for a diagnosis: source by source, each optional and with its own time limit.

The order is that in which the service itself leads from a failure to its message: the failure context of the
image, the outputs of the failed step, the log of the build. Without a failure context (early failures, older
builds, cancelled ones), the reason names a workflow execution, or the list of them contains it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import anyio
from tenacity import AsyncRetrying, RetryCallState

from ..aws.backoff import Backoff
from ..aws.call import Caller
from ..aws.cloudwatch import CloudWatchLogs, LogsClosedError
from ..aws.reads import LIFECYCLE_EXECUTION_RESOURCES, get, list_pages
from ..errors import OperationError, ResourceNotFoundException
from ..models.diagnosis import Source, SourceState
from ..models.executions import Execution, Image, LifecycleExecution, WorkflowExecution, WorkflowStepExecution
from ..models.kinds import KINDS, ExecutionKind, ListOperation
from ..models.log_streams import LogLine, LogStream, image_log_stream
from ..models.parsing import Structure
from ..models.shapes import LifecycleExecutionResource
from ..models.statuses import Outcome
from .conclusion import failed_at
from .evidence import Evidence
from .failures import candidate_workflows, failed_step
from .lifecycle import suspects

S = TypeVar("S", bound=Structure)
T = TypeVar("T")

TIME_LIMITS: Final[Mapping[str, float]] = {
    "GetImage": 8.0,
    "ListWorkflowExecutions": 8.0,
    "ListWorkflowStepExecutions": 8.0,
    "GetWorkflowStepExecution": 8.0,
    "ListLifecycleExecutionResources": 8.0,
    "GetLogEvents": 10.0,
}
"""The seconds that each source may take, by operation."""

# Lines may have a time after the failure that they report: components send theirs when they end.
_REPORTING_DELAY: Final = timedelta(seconds=60)
_END_OF_TIME: Final = datetime.max.replace(tzinfo=UTC) - _REPORTING_DELAY
# The start of a component that failed may be far above its end.
_MINIMUM_LOG_LINES: Final = 1000
_MAXIMUM_LOG_PAGES: Final = 5
_MAXIMUM_ROWS: Final = 500
_MAXIMUM_PARENTS: Final = 5


class Collector:
    """Collects what can be read about one execution.

    Args:
        caller: Calls Image Builder.
        cloudwatch: Reads the log of the build.
        backoff: How calls are retried within their time limits.
        log_lines: The number of lines of the log; with 0, CloudWatch Logs is not called.
    """

    def __init__(
        self, caller: Caller, cloudwatch: CloudWatchLogs, backoff: Backoff, *, log_lines: int
    ) -> None:
        self._caller = caller
        self._cloudwatch = cloudwatch
        self._backoff = backoff
        self._log_lines = log_lines
        self._evidence: Evidence
        self._deadline: float

    async def collect(self, subject: Execution, *, timeout: float) -> Evidence:
        """Return what can be read about `subject` in `timeout` seconds, without raising for what cannot."""
        self._evidence = Evidence(subject=subject)
        self._deadline = anyio.current_time() + timeout
        if isinstance(subject, LifecycleExecution):
            await self._collect_resources(subject)
        else:
            await self._collect_build(subject)
        return self._evidence

    async def _collect_resources(self, subject: LifecycleExecution) -> None:
        listing, cls = LIFECYCLE_EXECUTION_RESOURCES, LifecycleExecutionResource
        self._add(resources=await self._list(listing, cls, subject.id))
        if subject.outcome is not Outcome.FAILED:
            return
        for parent in suspects(self._evidence)[:_MAXIMUM_PARENTS]:
            rows = await self._list(listing, cls, subject.id, parentResourceId=parent)
            self._add(children={**self._evidence.children, parent: rows})

    async def _collect_build(self, subject: Execution) -> None:
        if isinstance(subject, WorkflowStepExecution):
            self._add(steps=(subject,))
        if isinstance(subject, WorkflowExecution):
            self._add(workflows=(subject,))
        await self._collect_image(subject)
        await self._collect_workflows()
        for identifier in candidate_workflows(self._evidence):
            await self._collect_steps(identifier)
        if self._log_lines:
            await self._collect_log()

    async def _collect_image(self, subject: Execution) -> None:
        is_image = isinstance(subject, Image)
        if is_image:
            self._add(image=subject)
        arn = self._evidence.image_arn
        # Also for an image: one from a list lacks the regions of its distribution.
        image = await self._get(ExecutionKind.IMAGE, arn) if arn else None
        if image is not None and (not is_image or image.status == subject.status):
            self._add(image=image)

    async def _collect_workflows(self) -> None:
        if (arn := self._evidence.image_arn) is not None:
            rows = await self._list(KINDS[WorkflowExecution.kind].list, WorkflowExecution, arn)
            self._add(workflows=_merged(self._evidence.workflows, rows))

    async def _collect_steps(self, workflow_execution_id: str) -> None:
        listing = KINDS[WorkflowStepExecution.kind].list
        rows = await self._list(listing, WorkflowStepExecution, workflow_execution_id)
        self._add(steps=_merged(self._evidence.steps, rows))
        step = failed_step(self._evidence, workflow_execution_id)
        # The list does not contain the timeout of a step.
        if step is None or step.timeout_seconds is not None:
            return
        whole = await self._get(ExecutionKind.WORKFLOW_STEP_EXECUTION, step.id)
        if isinstance(whole, WorkflowStepExecution):
            self._add(steps=tuple(whole if each.id == whole.id else each for each in self._evidence.steps))

    async def _collect_log(self) -> None:
        image = self._evidence.image
        stream = None if image is None else image_log_stream(image)
        if stream is None:
            return
        lines = await self._read("GetLogEvents", lambda retrying: self._read_log(stream, retrying))
        is_there = self._evidence.sources[-1].state is not SourceState.EMPTY
        self._add(stream=stream if is_there else None, lines=tuple(lines or ()))

    async def _read_log(self, stream: LogStream, retrying: AsyncRetrying) -> list[LogLine]:
        failure = failed_at(self._evidence)
        # A time at the end of the calendar cannot be extended.
        until = failure + _REPORTING_DELAY if failure is not None and failure < _END_OF_TIME else None
        wanted = max(self._log_lines, _MINIMUM_LOG_LINES)
        lines: list[LogLine] = []
        token = None
        for _ in range(_MAXIMUM_LOG_PAGES):
            page = await self._cloudwatch.page(
                stream, token=token, end=until, from_head=False, limit=wanted, retrying=retrying
            )
            lines = [*page.lines, *lines]
            if len(lines) >= wanted or page.backward in {None, token}:
                break
            token = page.backward
        return lines

    async def _get(self, kind: ExecutionKind, value: str) -> Execution | None:
        async def read(retrying: AsyncRetrying) -> Execution:
            return await get(self._caller, kind, value, retrying=retrying)

        return await self._read(KINDS[kind].get.operation, read)

    async def _list(self, listing: ListOperation, cls: type[S], parent: str, **more: str) -> tuple[S, ...]:
        rows: list[S] = []
        params = {str(listing.parameter): parent, **more}

        async def read(retrying: AsyncRetrying) -> bool:
            found = list_pages(self._caller, listing, cls.parse, params, retrying=retrying)
            async with aclosing(found) as pages:
                async for page in pages:
                    rows.extend(page)
                    if len(rows) >= _MAXIMUM_ROWS:
                        break
            return bool(rows)

        await self._read(listing.operation, read)
        return tuple(rows)

    async def _read(self, name: str, read: Callable[[AsyncRetrying], Awaitable[T]]) -> T | None:
        """Read a source within its time limit, and record the result."""
        limit = max(0.0, min(TIME_LIMITS[name], self._deadline - anyio.current_time()))
        found: T | None = None
        state = SourceState.UNREADABLE
        detail = f"no response within {limit:.0f} s" if limit else "no time was left for it"

        def record_failure(attempt: RetryCallState) -> None:
            nonlocal detail
            detail = str(attempt.outcome.exception()) if attempt.outcome else detail

        try:
            with anyio.move_on_after(limit):
                found = await read(self._backoff.for_time(limit, before_sleep=record_failure))
                state, detail = (SourceState.READ if found else SourceState.EMPTY), ""
        except ResourceNotFoundException as error:
            state, detail = SourceState.EMPTY, str(error)
        # ValueError: no client of CloudWatch Logs can be opened. LogsClosedError: it was closed.
        except (OperationError, ValueError, LogsClosedError) as error:
            detail = str(error)
        source = Source(name, state, detail.removeprefix(f"{name}: ") or None)
        self._add(sources=(*self._evidence.sources, source))
        return found

    def _add(self, **parts: object) -> None:
        self._evidence = replace(self._evidence, **parts)  # type: ignore[arg-type]


def _merged(known: tuple[Execution, ...], rows: tuple[Execution, ...]) -> tuple[Execution, ...]:
    # The state of the subject itself is the one to diagnose, even if the list is newer.
    own = {each.id: each for each in known}
    return (*(own.pop(each.id, each) for each in rows), *own.values())
