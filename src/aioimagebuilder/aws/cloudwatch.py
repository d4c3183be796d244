"""CloudWatch Logs: GetLogEvents, through a client that is opened on first use, at its own call rate."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime

import anyio
from tenacity import AsyncRetrying

from ..instrumentation.emitter import Emitter
from ..models.log_streams import LogLine, LogStream, milliseconds, time_of
from .backoff import Backoff
from .call import Caller, OpenClient, Response, parameters


@dataclass(frozen=True, slots=True)
class LogPage:
    """Some lines of a stream, oldest first, and the tokens of the next and previous page."""

    lines: tuple[LogLine, ...]
    forward: str | None
    backward: str | None


class LogsClosedError(RuntimeError):
    """The client was closed while logs were read with it."""


class CloudWatchLogs:
    """Reads streams of CloudWatch Logs.

    It has its own rate limiter: a throttle of CloudWatch Logs says nothing about Image Builder.

    Args:
        open_client: Opens an aiobotocore client of ``logs``, which the stack closes; ``None`` if that is not
            possible.
        backoff: How calls are retried.
        ca_bundle: As in `Caller`.
        emitter: As in `Caller`.
    """

    def __init__(
        self,
        open_client: OpenClient | None,
        backoff: Backoff,
        *,
        ca_bundle: str | None = None,
        emitter: Emitter | None = None,
    ) -> None:
        self._open_client = open_client
        self._backoff = backoff
        self._ca_bundle = ca_bundle
        self._emitter = emitter
        self._opening = anyio.Lock()
        self._open: tuple[Caller, AsyncExitStack] | None = None
        self._is_closed = False

    def check(self) -> OpenClient:
        """Return the function that opens a client.

        Raises:
            ValueError: There is none.
        """
        if self._open_client is None:
            raise ValueError(
                "This ImageBuilder was given client=, which cannot read CloudWatch Logs: also pass "
                "logs_client=, an open aiobotocore client of logs."
            )
        return self._open_client

    async def page(
        self,
        stream: LogStream,
        *,
        token: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        from_head: bool = True,
        limit: int | None = None,
        retrying: AsyncRetrying | None = None,
    ) -> LogPage:
        """Return a page of a stream, by GetLogEvents. It may be empty although more pages follow.

        FilterLogEvents is not used: its tokens end at the present end of the stream, so following it would
        require queries by time and the detection of duplicates.

        Args:
            stream: The stream.
            token: The token of the next or previous page.
            start: Return no line before this time.
            end: Return no line at or after this time.
            from_head: Start with the oldest line, rather than end with the newest.
            limit: The maximum number of lines; as many as fit into a megabyte, up to 10,000, if ``None``.
            retrying: As in `Caller.call`.

        Raises:
            OperationError: The call failed; `ResourceNotFoundException` if there is no such stream (yet).
            ValueError: A client of ``logs`` cannot be opened.
            LogsClosedError: The client is closed.
        """
        caller = await self._caller()
        params = parameters(
            log_group_name=stream.group,
            log_stream_name=stream.name,
            next_token=token,
            start_time=None if start is None else milliseconds(start),
            end_time=None if end is None else milliseconds(end),
            start_from_head=from_head,
            limit=limit,
        )
        return await caller.call("GetLogEvents", params, _parse_page, retrying=retrying)

    async def aclose(self) -> None:
        """Close the client if one was opened."""
        with anyio.CancelScope(shield=True):
            async with self._opening:
                self._is_closed = True
                if self._open is not None:
                    _, stack = self._open
                    self._open = None
                    await stack.aclose()

    async def _caller(self) -> Caller:
        async with self._opening:
            if self._is_closed:
                raise LogsClosedError("This ImageBuilder was closed while its logs were read.")
            if self._open is None:
                async with AsyncExitStack() as stack:
                    client = await self.check()(stack)
                    caller = Caller(
                        client,
                        self._backoff,
                        ca_bundle=self._ca_bundle,
                        emitter=self._emitter,
                        service="logs",
                    )
                    self._open = caller, stack.pop_all()
            return self._open[0]


def _parse_page(response: Response) -> LogPage:
    events = response.get("events") or ()
    if not isinstance(events, list | tuple):
        raise TypeError("events is not a list")
    return LogPage(
        tuple(map(_parse_line, events)),
        _parse_token(response, "nextForwardToken"),
        _parse_token(response, "nextBackwardToken"),
    )


def _parse_line(event: object) -> LogLine:
    if isinstance(event, Mapping):
        timestamp, message = event.get("timestamp"), event.get("message", "")
        if isinstance(timestamp, int) and isinstance(message, str):
            try:
                return LogLine(time_of(timestamp), message)
            except OverflowError as error:
                raise ValueError(f"the timestamp {timestamp} is out of range") from error
    raise TypeError("an event has no time or no text")


def _parse_token(response: Response, name: str) -> str | None:
    token = response.get(name)
    if not isinstance(token, str | None):
        raise TypeError(f"{name} is not a string")
    return token
