"""One call to AWS: its turn at the rate limiter, tenacity around it, botocore's errors made ours."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final, Protocol, TypeVar, cast

import anyio
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from tenacity import AsyncRetrying

from ..backoff import Backoff
from ..error_mapping import from_botocore
from ..errors import MalformedResponseError, ThrottledError
from ..rate_limiter import RateLimiter
from ..structures import wire_name

__all__ = ["Answer", "AwsClient", "Caller", "parameters"]

T = TypeVar("T")

Answer = Mapping[str, object]

_log: Final = logging.getLogger("aioimagebuilder")


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

    @property
    def region(self) -> str:
        """The region that calls go to."""
        return self._client.meta.region_name

    async def call(
        self,
        operation: str,
        params: Mapping[str, object],
        parse: Callable[[Answer], T],
        *,
        retrying: AsyncRetrying | None = None,
    ) -> T:
        """Get the parsed answer of `operation`, retried while that can help.

        Args:
            operation: its name as AWS writes it.
            params: its parameters as AWS writes them.
            parse: reads the answer; it raises TypeError or ValueError for one that is none.
            retrying: the retrying to use, in place of that for single operations.

        Raises:
            OperationError: it failed, and no retry helps, or tenacity gave up.
        """
        retrying = retrying or self._backoff.of_operation()
        return await retrying(self._attempt, operation, params, parse)

    async def pages(self, operation: str, params: Mapping[str, object]) -> AsyncIterator[Answer]:
        """Get the answers of `operation` page by page, empty ones too, each retried by itself.

        Raises:
            MalformedResponseError: the service gives the same token again, and so would go on for ever.
        """
        tokens: set[object] = set()
        token: object = None
        while True:
            page = await self.call(operation, {**params, **({"nextToken": token} if token else {})}, dict)
            yield page
            token = page.get("nextToken")
            if not token:
                return
            if token in tokens:
                raise MalformedResponseError.made(operation, "the same nextToken came twice.")
            tokens.add(token)

    async def _attempt(self, operation: str, params: Mapping[str, object], parse: Callable[[Answer], T]) -> T:
        await self._rate_limiter.acquire()
        method: Callable[..., Awaitable[object]] = getattr(self._client, xform_name(operation))
        try:
            answer = await method(**params)
        except (ClientError, BotoCoreError) as error:
            mapped = from_botocore(error, operation)
            if isinstance(mapped, ThrottledError):
                self._rate_limiter.throttled(anyio.current_time(), mapped.retry_after)
            _log.debug("%s failed: %s", operation, mapped)
            raise mapped from error
        except ResponseParserError as error:
            raise MalformedResponseError.made(operation, f"the answer could not be read: {error}") from error
        self._rate_limiter.succeeded()
        try:
            return parse(cast("Answer", answer))
        except (TypeError, ValueError) as error:
            raise MalformedResponseError.made(operation, f"{error}.") from error


def parameters(**members: object) -> dict[str, object]:
    """Get the parameters of an operation in AWS's spelling; those that are ``None`` are left out."""
    return {wire_name(name): value for name, value in members.items() if value is not None}
