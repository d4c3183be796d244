"""One call to AWS: its turn at the rate limiter, tenacity around it, botocore's errors made ours."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Final, Protocol, TypeVar

import anyio
from botocore import xform_name

from ..errors import (
    ConnectionFailedError,
    CredentialsError,
    MalformedResponseError,
    OperationError,
    ThrottledError,
)
from ..models.parsing import wire_name
from .backoff import TRANSIENT_ERRORS, Backoff, Tries
from .credentials import Admission
from .error_mapping import from_botocore
from .event_loops import current_time
from .outages import Outage
from .rate_limiter import RateLimiter

__all__ = ["Answer", "AwsClient", "Caller", "parameters"]

T = TypeVar("T")

Answer = Mapping[str, object]

_log: Final = logging.getLogger("aioimagebuilder")

# Seconds for a whole answer. The HTTP client's own timeouts are for each read of the socket: an answer that
# trickles in meets them for ever.
_LONGEST_CALL: Final = 120.0


class AwsClientMeta(Protocol):
    """What is asked of `client.meta`."""

    @property
    def region_name(self) -> str:
        """The region that the client speaks to."""


class AwsClient(Protocol):
    """What is asked of an aiobotocore client of ``imagebuilder``, beside its operations."""

    @property
    def meta(self) -> AwsClientMeta:
        """What the client says of itself."""


class Caller:
    """Calls operations of one aiobotocore client, all under one call rate.

    Args:
        client: the aiobotocore client; its own retries should be off.
        backoff: what is retried, and when.
        rate_limiter: the call rate that all calls share.
    """

    def __init__(self, client: AwsClient, *, backoff: Backoff, rate_limiter: RateLimiter) -> None:
        self._client = client
        self._backoff = backoff
        self._rate_limiter = rate_limiter
        self._admission = Admission()
        self._outage = Outage()

    @property
    def region(self) -> str:
        """The region that calls go to."""
        return self._client.meta.region_name

    def try_turn(self, now: float) -> bool:
        """Take a turn at the rate limiter if there is one at once, and tell whether it was taken."""
        return self._rate_limiter.try_acquire(now)

    async def turn(self) -> None:
        """Wait for a turn at the rate limiter, to be used by a call with `has_turn`."""
        await self._rate_limiter.acquire()

    async def call(
        self,
        operation: str,
        params: Mapping[str, object],
        parse: Callable[[Answer], T],
        *,
        tries: Tries | None = None,
        has_turn: bool = False,
    ) -> T:
        """Get the parsed answer of `operation`, retried while that can help.

        Args:
            operation: its name as AWS writes it.
            params: its parameters as AWS writes them.
            parse: reads the answer; it raises TypeError or ValueError for one that is none.
            tries: how it is tried again, if not as single operations are.
            has_turn: whether the first try has its turn at the rate limiter already.

        Raises:
            OperationError: it failed, and no retry helps, or tenacity gave up.
        """

        async def attempt() -> T:
            nonlocal has_turn
            if not has_turn:
                await self._rate_limiter.acquire()
            has_turn = False
            sent = current_time()
            if tries is not None:
                tries.begin(sent)
            answer = await self._ask(operation, params, sent)
            members = {**answer}
            # What botocore adds of its own is no member of the service's.
            members.pop("ResponseMetadata", None)
            try:
                return parse(members)
            except (TypeError, ValueError) as error:
                raise MalformedResponseError.made(operation, f"{error}.") from error

        # tenacity is asked when a try fails: most do not, and to drive it costs more than all else here.
        try:
            return await attempt()
        except OperationError as error:
            if self._backoff.is_final(error):
                raise
            failures = [error]

        async def attempt_again() -> T:
            if failures:
                raise failures.pop()
            return await attempt()

        retrying = self._backoff.of_operation() if tries is None else tries.retrying()
        return await retrying(attempt_again)

    async def _ask(self, operation: str, params: Mapping[str, object], sent: float) -> Answer:
        method: Callable[..., Awaitable[Answer]] = getattr(self._client, xform_name(operation))
        answer: Answer | None = None
        try:
            with anyio.CancelScope(deadline=sent + _LONGEST_CALL):
                answer = await method(**params)
        except Exception as error:
            failed = from_botocore(error, operation)
            if failed is None:
                raise
            try:
                raise self._failed(failed, sent) from error
            finally:
                # A frame that holds what it raises is garbage that only the collector would find.
                del failed
        if answer is None:
            detail = f"no whole answer within {_LONGEST_CALL:g} s."
            raise self._failed(ConnectionFailedError.made(operation, detail), sent)
        self._rate_limiter.succeeded()
        self._admission.succeeded(sent)
        if self._outage.is_on:
            self._outage.answered(current_time())
        return answer

    def _failed(self, error: OperationError, sent: float) -> OperationError:
        now = current_time()
        if isinstance(error, ThrottledError):
            self._rate_limiter.throttled(now, sent=sent, retry_after=error.retry_after)
        elif isinstance(error, CredentialsError):
            error = self._admission.judge(error, now)
        if isinstance(error, TRANSIENT_ERRORS):
            self._outage.failed(error, now)
        else:
            self._outage.answered(now)
        _log.debug("%s", error)
        return error

    async def pages(
        self,
        operation: str,
        params: Mapping[str, object],
        parse: Callable[[Answer], T],
        *,
        tries: Tries | None = None,
        has_turn: bool = False,
    ) -> AsyncGenerator[T]:
        """Get the parsed answers of `operation` page by page, empty ones too, each retried by itself.

        The arguments are those of `call`.

        Raises:
            MalformedResponseError: the service gives the same token again, and so would go on for ever.
        """
        tokens: set[str] = set()
        token: str | None = None

        def parse_page(answer: Answer) -> tuple[T, str | None]:
            following = answer.get("nextToken")
            if not isinstance(following, str | None):
                raise TypeError("nextToken is no text")
            return parse(answer), following

        while True:
            page_params = {**params, "nextToken": token} if token else params
            page, token = await self.call(operation, page_params, parse_page, tries=tries, has_turn=has_turn)
            has_turn = False
            yield page
            if not token:
                return
            if token in tokens:
                raise MalformedResponseError.made(operation, "the same nextToken came twice.")
            tokens.add(token)


def parameters(**members: object) -> dict[str, object]:
    """Get the parameters of an operation in AWS's spelling; those that are ``None`` are left out."""
    return {wire_name(name): value for name, value in members.items() if value is not None}
