"""CloudWatch Logs: one call, through a client that is opened when first needed, at a pace of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime

import anyio

from ..models.log_streams import LogLine, LogStream, milliseconds, time_of
from .backoff import Backoff, Tries
from .call import Answer, AwsClient, Caller, parameters
from .rate_limiter import RateLimiter

__all__ = ["CloudWatchLogs", "LogPage", "LogsClosedError", "OpenClient"]

OpenClient = Callable[[AsyncExitStack], Awaitable[AwsClient]]


@dataclass(frozen=True, slots=True)
class LogPage:
    """Some lines of a stream, oldest first, and the tokens of the pages after and before them."""

    lines: tuple[LogLine, ...]
    forward: str | None
    backward: str | None


class LogsClosedError(RuntimeError):
    """The client was closed while somebody still read logs with it."""


class CloudWatchLogs:
    """Reads streams of CloudWatch Logs.

    Its rate limiter is its own: what CloudWatch throttles says nothing about Image Builder.

    Args:
        open_client: opens an aiobotocore client of ``logs``, which the stack closes; ``None`` if nobody can.
        backoff: how calls are retried.
    """

    def __init__(self, open_client: OpenClient | None, backoff: Backoff) -> None:
        self._open_client = open_client
        self._backoff = backoff
        self._opening = anyio.Lock()
        self._open: tuple[Caller, AsyncExitStack] | None = None
        self._is_closed = False

    def check(self) -> OpenClient:
        """Get what opens a client.

        Raises:
            ValueError: there is nothing that could.
        """
        if self._open_client is None:
            raise ValueError(
                "This ImageBuilder was given client=, which cannot read CloudWatch Logs: pass logs_client=, "
                "too, an open aiobotocore client of logs."
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
        tries: Tries | None = None,
    ) -> LogPage:
        """Get a page of a stream, by GetLogEvents; it may be empty though more follow.

        Not FilterLogEvents: its tokens end with the present end of the stream, so that whoever follows must
        ask by time again, and tell by id what came before.

        Args:
            stream: the stream.
            token: of the page before (or after) this one.
            start: no line before this time.
            end: no line at or after this time.
            from_head: begin with the oldest line, rather than end with the newest.
            limit: the most lines; as many as fit into a megabyte, up to 10,000, if ``None``.
            tries: how it is tried again, if not as any operation is.

        Raises:
            OperationError: the call failed; `ResourceNotFoundException` if there is no such stream (yet).
            ValueError: no client of ``logs`` can be opened.
            LogsClosedError: the client is closed.
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
        return await caller.call("GetLogEvents", params, _page, tries=tries)

    async def aclose(self) -> None:
        """Close the client, if one was opened."""
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
                open_client = self.check()
                async with AsyncExitStack() as stack:
                    client = await open_client(stack)
                    caller = Caller(client, backoff=self._backoff, rate_limiter=RateLimiter())
                    self._open = caller, stack.pop_all()
            return self._open[0]


def _page(answer: Answer) -> LogPage:
    events = answer.get("events") or ()
    if not isinstance(events, list | tuple):
        raise TypeError("events is no list")
    return LogPage(
        tuple(map(_line, events)),
        _token(answer, "nextForwardToken"),
        _token(answer, "nextBackwardToken"),
    )


def _line(event: object) -> LogLine:
    if isinstance(event, Mapping):
        timestamp, message = event.get("timestamp"), event.get("message", "")
        if isinstance(timestamp, int) and isinstance(message, str):
            try:
                return LogLine(time_of(timestamp), message)
            except OverflowError as error:
                raise ValueError(f"the timestamp {timestamp} is no time") from error
    raise TypeError("an event has no time or no text")


def _token(answer: Answer, name: str) -> str | None:
    token = answer.get(name)
    if not isinstance(token, str | None):
        raise TypeError(f"{name} is no text")
    return token
