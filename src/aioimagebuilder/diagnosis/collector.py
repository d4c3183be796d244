"""Gathers the evidence for a diagnosis: source by source, each optional and with a time budget of its own.

The order is that in which the service itself leads from a failure to its text: the image's failure context,
the outputs of the failed step, the build's log. Where there is no failure context (early failures, older
builds, cancelled ones), the reason names a workflow execution, or the list of them does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import anyio
from tenacity import RetryCallState

from ..aws.backoff import Backoff, Tries
from ..aws.call import Caller
from ..aws.cloudwatch import CloudWatchLogs, LogsClosedError
from ..aws.listings import (
    LIFECYCLE_EXECUTION_RESOURCES,
    WORKFLOW_EXECUTIONS,
    WORKFLOW_STEP_EXECUTIONS,
    Listing,
)
from ..aws.reads import get
from ..errors import OperationError, ResourceNotFoundException
from ..models.executions import Execution, Image, LifecycleExecution, WorkflowExecution, WorkflowStepExecution
from ..models.identifiers import ExecutionKind
from ..models.log_streams import LogLine, LogStream, image_log_stream
from .causes import failed_step, suspects
from .conclusion import failed_at
from .evidence import Evidence, Source, SourceState

__all__ = ["BUDGETS", "Gatherer"]

T = TypeVar("T")

BUDGETS: Final[Mapping[str, float]] = {
    "GetImage": 8.0,
    "ListWorkflowExecutions": 8.0,
    "ListWorkflowStepExecutions": 8.0,
    "GetWorkflowStepExecution": 8.0,
    "ListLifecycleExecutionResources": 8.0,
    "GetLogEvents": 10.0,
}
"""Seconds that each source may take, by operation."""

# Lines may bear a time after the failure that they tell of: components ship theirs when they end.
_LOG_AFTERMATH: Final = timedelta(seconds=60)
_END_OF_TIME: Final = datetime.max.replace(tzinfo=UTC) - _LOG_AFTERMATH
_FEWEST_LOG_LINES: Final = 100
_MOST_LOG_PAGES: Final = 5
_MOST_ROWS: Final = 500


class Gatherer:
    """Gathers what there is to know of one execution.

    Args:
        caller: calls Image Builder.
        cloudwatch: reads the build's log.
        backoff: how calls are retried, within their budgets.
        log_lines: how many lines of the log are wanted; none opens no client of CloudWatch Logs.
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

    async def gather(self, subject: Execution, *, timeout: float) -> Evidence:
        """Get what can be read about `subject` within so many seconds; it never raises for what cannot."""
        self._evidence = Evidence(subject=subject)
        self._deadline = anyio.current_time() + timeout
        if isinstance(subject, LifecycleExecution):
            resources = await self._list(LIFECYCLE_EXECUTION_RESOURCES, subject.id)
            self._learn(resources=resources)
        else:
            await self._gather_build(subject)
        return self._evidence

    async def _gather_build(self, subject: Execution) -> None:
        if isinstance(subject, WorkflowStepExecution):
            self._learn(steps=(subject,))
        if isinstance(subject, WorkflowExecution):
            self._learn(workflows=(subject,))
        await self._gather_image(subject)
        await self._gather_workflows()
        for identifier in suspects(self._evidence):
            await self._gather_steps(identifier)
        if self._log_lines:
            await self._gather_log()

    async def _gather_image(self, subject: Execution) -> None:
        is_image = isinstance(subject, Image)
        if is_image:
            self._learn(image=subject)
        arn = self._evidence.image_arn
        # Also for an image: what a list of images told leaves out the regions that it was to go to.
        image = await self._get("GetImage", ExecutionKind.IMAGE, arn) if arn else None
        if image is not None and (not is_image or image.status == subject.status):
            self._learn(image=image)

    async def _gather_workflows(self) -> None:
        arn = self._evidence.image_arn
        if arn is None:
            return
        rows = await self._list(WORKFLOW_EXECUTIONS, arn)
        # What the subject itself says is what is diagnosed, however the list reads by now.
        own = {each.id: each for each in self._evidence.workflows}
        merged = [own.pop(each.id, each) for each in rows]
        self._learn(workflows=(*merged, *own.values()))

    async def _gather_steps(self, workflow_execution_id: str) -> None:
        rows = await self._list(WORKFLOW_STEP_EXECUTIONS, workflow_execution_id)
        # What the subject itself says is what is diagnosed, however the list reads by now.
        own = {each.id: each for each in self._evidence.steps}
        merged = [own.pop(each.id, each) for each in rows]
        self._learn(steps=(*merged, *own.values()))
        step = failed_step(self._evidence, workflow_execution_id)
        # The list leaves out the timeout of a step.
        if step is None or step.timeout_seconds is not None:
            return
        whole = await self._get("GetWorkflowStepExecution", ExecutionKind.WORKFLOW_STEP_EXECUTION, step.id)
        if isinstance(whole, WorkflowStepExecution):
            self._learn(steps=tuple(whole if each.id == whole.id else each for each in self._evidence.steps))

    async def _gather_log(self) -> None:
        image = self._evidence.image
        stream = None if image is None else image_log_stream(image)
        if stream is None:
            return
        self._learn(stream=stream)
        lines = await self._ask("GetLogEvents", lambda tries: self._read_log(stream, tries))
        self._learn(lines=tuple(lines or ()))

    async def _read_log(self, stream: LogStream, tries: Tries) -> list[LogLine]:
        failure = failed_at(self._evidence)
        # A time at the end of the calendar is none.
        until = failure + _LOG_AFTERMATH if failure is not None and failure < _END_OF_TIME else None
        wanted = max(self._log_lines, _FEWEST_LOG_LINES)
        lines: list[LogLine] = []
        token = None
        for _ in range(_MOST_LOG_PAGES):
            page = await self._cloudwatch.page(
                stream,
                token=token,
                end=until,
                from_head=False,
                limit=wanted,
                tries=tries,
            )
            lines = [*page.lines, *lines]
            if len(lines) >= wanted or page.backward in {None, token}:
                break
            token = page.backward
        return lines

    async def _get(self, name: str, kind: ExecutionKind, value: str) -> Execution | None:
        async def read(tries: Tries) -> Execution:
            return await get(self._caller, kind, value, tries=tries)

        return await self._ask(name, read)

    async def _list(self, listing: Listing[T], value: str) -> tuple[T, ...]:
        rows: list[T] = []

        async def read(tries: Tries) -> bool:
            async with aclosing(listing.pages_of(self._caller, value, tries=tries)) as pages:
                async for page in pages:
                    rows.extend(page)
                    if len(rows) >= _MOST_ROWS:
                        break
            return bool(rows)

        await self._ask(listing.operation, read)
        return tuple(rows)

    async def _ask(self, name: str, read: Callable[[Tries], Awaitable[T]]) -> T | None:
        """Ask a source within its budget, and note what came of it."""
        budget = max(0.0, min(BUDGETS[name], self._deadline - anyio.current_time()))
        found: T | None = None
        state = SourceState.UNREADABLE
        detail = f"no answer within {budget:.0f} s" if budget else "no time was left for it"

        def note(retry: RetryCallState) -> None:
            nonlocal detail
            detail = str(retry.outcome.exception()) if retry.outcome else detail

        try:
            with anyio.move_on_after(budget):
                found = await read(self._backoff.within(budget, before_sleep=note))
                state, detail = (SourceState.READ if found else SourceState.EMPTY), ""
        except ResourceNotFoundException as error:
            state, detail = SourceState.EMPTY, str(error)
        # ValueError: no client of CloudWatch Logs can be opened. LogsClosedError: this one is closed.
        except (OperationError, ValueError, LogsClosedError) as error:
            detail = str(error)
        source = Source(name, state, detail.removeprefix(f"{name}: ") or None)
        self._learn(sources=(*self._evidence.sources, source))
        return found

    def _learn(self, **parts: object) -> None:
        self._evidence = replace(self._evidence, **parts)  # type: ignore[arg-type]
