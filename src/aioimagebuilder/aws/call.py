"""One call to AWS: a permit of the rate limiter, tenacity around it, botocore's errors mapped."""

from __future__ import annotations

import copy
import logging
import math
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Final, Protocol, Self, TypeVar, cast

import anyio
from botocore import xform_name
from tenacity import AsyncRetrying

from ..errors import (
    CertificateError,
    ConnectionFailedError,
    CredentialsError,
    MalformedResponseError,
    OperationError,
    ThrottledError,
)
from ..instrumentation.emitter import Emitter
from ..instrumentation.events import RateChanged
from ..models.parsing import wire_name
from ..models.redaction import redact_chain
from .backoff import TRANSIENT_ERRORS, Backoff
from .error_mapping import from_botocore
from .event_loops import Origin
from .health import CertificateHealth, CredentialsHealth, OutageMonitor
from .rate_limiter import RateLimiter

T = TypeVar("T")

Response = Mapping[str, object]

# Seconds for a whole response. The timeouts of the HTTP client apply to each read of the socket, so a
# response that trickles in would never exceed them.
_RESPONSE_TIMEOUT: Final = 120.0
# How long an attempt that is in flight at a deadline may take beyond it.
_LAST_ATTEMPT_TIMEOUT: Final = 10.0


class AwsClientMeta(Protocol):
    """The part of `client.meta` that this library uses."""

    @property
    def region_name(self) -> str:
        """The region of the client."""


class AwsClient(Protocol):
    """The part of an aiobotocore client that this library uses, apart from its operations."""

    @property
    def meta(self) -> AwsClientMeta:
        """The metadata of the client."""


OpenClient = Callable[[AsyncExitStack], Awaitable[AwsClient]]
"""Opens a client, which the stack closes."""


class Caller:
    """Calls the operations of one aiobotocore client at one call rate.

    Args:
        client: The aiobotocore client. Its own retries should be off.
        backoff: What is retried, and when.
        ca_bundle: The file with which certificates are verified; ``None`` if it is not known.
        emitter: Delivers events; by default, they are only logged.
        service: The service, as events name it.
    """

    def __init__(
        self,
        client: AwsClient,
        backoff: Backoff,
        *,
        ca_bundle: str | None = None,
        emitter: Emitter | None = None,
        service: str = "imagebuilder",
    ) -> None:
        self._client = client
        self._backoff = backoff
        self._deadline = math.inf
        self._origin = Origin()
        self._rate_limiter = RateLimiter()
        self.emitter: Final = emitter or Emitter()
        self._service = service
        self._credentials = CredentialsHealth(self.emitter)
        self._certificates = CertificateHealth(ca_bundle)
        self._outage = OutageMonitor(self.emitter, service)
        self._report_rate(None)

    @property
    def region(self) -> str:
        """The region of the calls."""
        return self._client.meta.region_name

    def check_origin(self) -> None:
        """Check that the current event loop is that of the client.

        Raises:
            RuntimeError: It is another one, or that of a forked process.
        """
        self._origin.check()

    def run_soon(self, function: Callable[[], object]) -> bool:
        """Call `function` in the event loop of the client; see `Origin.run_soon`."""
        return self._origin.run_soon(function)

    def until(self, deadline: float) -> Self:
        """Return this caller for calls that end at a deadline.

        Their retries stop before it. An attempt that is in flight then may take a few more seconds.
        """
        if deadline == math.inf:
            return self
        limited = copy.copy(self)
        limited._deadline = deadline  # noqa: SLF001 - a copy of this caller
        return limited

    @property
    def paused_until(self) -> float:
        """The time until which the server asked not to be called; it may have passed."""
        return self._rate_limiter.paused_until

    async def acquire_permit(self, *, respects_pause: bool = True) -> None:
        """Wait for a permit of the rate limiter, for a call with `has_permit`; see `RateLimiter.acquire`."""
        await self._rate_limiter.acquire(respects_pause=respects_pause)

    async def call(
        self,
        operation: str,
        params: Mapping[str, object],
        parse: Callable[[Response], T],
        *,
        retrying: AsyncRetrying | None = None,
        has_permit: bool = False,
    ) -> T:
        """Return the parsed response of `operation`.

        Args:
            operation: The name of the operation, as AWS writes it.
            params: The parameters, as AWS writes them.
            parse: Parses the response; raises TypeError or ValueError if it is malformed.
            retrying: How it is retried; as a single operation if ``None``.
            has_permit: Whether the first attempt already has its permit.

        Raises:
            OperationError: The call failed and is not retried, or not any more.
        """
        self.check_origin()
        with anyio.move_on_at(self._deadline + _LAST_ATTEMPT_TIMEOUT):
            return await self._retry(operation, params, parse, retrying, has_permit)
        raise ConnectionFailedError.create(operation, "no complete response before the deadline")

    async def _retry(
        self,
        operation: str,
        params: Mapping[str, object],
        parse: Callable[[Response], T],
        retrying: AsyncRetrying | None,
        has_permit: bool,
    ) -> T:
        retrying = retrying or self._backoff.for_operation(self._deadline)
        back_off = cast("Callable[[float], Awaitable[None]]", retrying.sleep)

        async def sleep(seconds: float) -> None:
            await back_off(seconds)
            # The poller, which acquires the first permit, respects pauses by itself, except at a deadline.
            await self.acquire_permit(respects_pause=not has_permit)

        async def attempt() -> T:
            found = await self._send(operation, params)
            try:
                response = dict(found)
                # Added by botocore; not a member of the service's response.
                response.pop("ResponseMetadata", None)
                return parse(response)
            except (TypeError, ValueError) as error:
                raise MalformedResponseError.create(operation, str(error)) from error

        if self.paused_until > self._deadline:
            raise ThrottledError.create(operation, "the service asked for a pause beyond the deadline")
        if not has_permit:
            await self.acquire_permit()
        try:
            return await retrying.copy(sleep=sleep)(attempt)
        except OperationError as error:
            # Tenacity's frames hold the exception, and the tracebacks of its causes may lead to these frames:
            # a reference cycle.
            traceback.clear_frames(error.__traceback__)
            raise error.with_traceback(None) from error.__cause__

    async def pages(
        self,
        operation: str,
        params: Mapping[str, object],
        parse: Callable[[Response], T],
        *,
        retrying: AsyncRetrying | None = None,
        has_permit: bool = False,
    ) -> AsyncGenerator[T]:
        """Yield the parsed responses of `operation` page by page, each retried by itself. Pages may be empty.

        The arguments are those of `call`.

        Raises:
            OperationError: As in `call`; a MalformedResponseError also if the service repeats a token, which
                would never end.
        """
        tokens: set[str] = set()
        token: str | None = None

        def parse_page(response: Response) -> tuple[T, str | None]:
            next_token = response.get("nextToken")
            if not isinstance(next_token, str | None):
                raise TypeError("nextToken is not a string")
            return parse(response), next_token

        while True:
            page_params = {**params, "nextToken": token} if token else params
            page, token = await self.call(
                operation, page_params, parse_page, retrying=retrying, has_permit=has_permit
            )
            has_permit = False
            yield page
            if not token:
                return
            if token in tokens:
                raise MalformedResponseError.create(operation, "the service repeated a nextToken")
            tokens.add(token)

    async def _send(self, operation: str, params: Mapping[str, object]) -> Response:
        method: Callable[..., Awaitable[Response]] = getattr(self._client, xform_name(operation))
        sent = anyio.current_time()
        response: Response | None = None
        try:
            with anyio.move_on_after(_RESPONSE_TIMEOUT):
                response = await method(**params)
        except Exception as error:
            failure, cause = from_botocore(error, operation), redact_chain(error)
            if failure is None:
                raise
            raise self._failed(failure, sent) from cause
        if response is None:
            detail = f"no complete response within {_RESPONSE_TIMEOUT:g} s"
            raise self._failed(ConnectionFailedError.create(operation, detail), sent)
        self._certificates.accepted()
        rate = self._rate_limiter.rate
        self._rate_limiter.succeeded()
        self._report_rate(rate)
        self._credentials.accepted(sent)
        self._outage.answered(anyio.current_time())
        return response

    def _failed(self, error: OperationError, sent: float) -> OperationError:
        now = anyio.current_time()
        if error.status_code is not None:
            self._certificates.accepted()
        if isinstance(error, ThrottledError):
            rate = self._rate_limiter.rate
            self._rate_limiter.throttled(now, sent=sent, retry_after=error.retry_after)
            self._report_rate(rate)
        elif isinstance(error, CredentialsError):
            error = self._credentials.rejected(error, now)
        elif isinstance(error, CertificateError):
            error = self._certificates.rejected(error)
        if isinstance(error, TRANSIENT_ERRORS):
            self._outage.failed(error, now, sent=sent)
        else:
            self._outage.answered(now)
        self.emitter.notice(logging.DEBUG, "%s", error)
        return error

    def _report_rate(self, previous: float | None) -> None:
        rate, emitter = self._rate_limiter.rate, self.emitter
        if rate != previous and emitter.has_hooks:
            emitter.emit(
                RateChanged(region=emitter.region, service=self._service, rate=rate, previous=previous)
            )


def parameters(**members: object) -> dict[str, object]:
    """Return the parameters of an operation in AWS's spelling, without those that are ``None``."""
    return {wire_name(name): value for name, value in members.items() if value is not None}
