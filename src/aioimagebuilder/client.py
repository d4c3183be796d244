"""`ImageBuilder`: opens aiobotocore, and offers the operations and the waits."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiobotocore.session import AioSession
from botocore.config import Config

from .aws.backoff import Backoff, Tries
from .aws.call import AwsClient, Caller
from .aws.cloudwatch import CloudWatchLogs, OpenClient
from .aws.rate_limiter import RateLimiter
from .aws.reads import get, list_pages
from .aws.session import Opening
from .logs import Logs
from .models.executions import Execution
from .models.identifiers import ExecutionKind, Identifier
from .polling.batching import Call, Read
from .polling.poller import Poller
from .polling.schedule import Cadence, Seconds, seconds
from .polling.step_inspector import Inspector
from .waiting.builds import Builds

__all__ = ["ImageBuilder"]


@dataclass(frozen=True, slots=True)
class _Opened:
    """What an open client works with; closing the stack closes it."""

    caller: Caller
    poller: Poller
    inspector: Inspector
    cloudwatch: CloudWatchLogs
    stack: AsyncExitStack


class ImageBuilder(Builds, Logs):
    """A client of EC2 Image Builder whose executions can be awaited.

    It is an async context manager. All waits of one client share their polls and one call rate, so make one
    client for each account and region, and share it. Entering and leaving may happen in different tasks of
    one event loop.

    Args:
        region_name: the AWS region; that of the environment or profile if ``None``.
        profile_name: the AWS profile.
        endpoint_url: another endpoint than AWS's own, as the simulator's.
        aws_access_key_id: credentials, if not those that botocore finds.
        aws_secret_access_key: credentials, if not those that botocore finds.
        aws_session_token: credentials, if not those that botocore finds.
        session: an aiobotocore session to use. On trio its default client config is set to httpx2.
        client: an open aiobotocore client of ``imagebuilder`` to use; it is not closed, and its own retries
            are best off (``retries={"total_max_attempts": 1}``).
        logs_client: an open aiobotocore client of ``logs`` to read logs with; it is not closed. If ``None``,
            one is opened when it is first needed, like that of ``imagebuilder``; `endpoint_url` is its
            endpoint too, unless the host's name is one of ``imagebuilder``. Beside ``client=`` there is none.
        config: a botocore or aiobotocore config; its ``retries`` do not apply, since tenacity retries.
        min_delay: the least seconds between two polls of one execution.
        max_delay: the most seconds between two polls of one execution; the delay grows up to it.
        not_found_grace: seconds for which the service may not know an id that was never seen yet.
        backoff: how calls are retried.

    Raises:
        ValueError: arguments that exclude each other, or delays that are not 0 < min_delay <= max_delay.
    """

    def __init__(
        self,
        *,
        region_name: str | None = None,
        profile_name: str | None = None,
        endpoint_url: str | None = None,
        aws_access_key_id: str | None = None,
        aws_secret_access_key: str | None = None,
        aws_session_token: str | None = None,
        session: AioSession | None = None,
        client: AwsClient | None = None,
        logs_client: AwsClient | None = None,
        config: Config | None = None,
        min_delay: Seconds = 5,
        max_delay: Seconds = 30,
        not_found_grace: Seconds = 10,
        backoff: Backoff | None = None,
    ) -> None:
        self._opening = Opening(
            region_name=region_name,
            profile_name=profile_name,
            endpoint_url=endpoint_url,
            aws_access_key_id=aws_access_key_id,
            aws_secret_access_key=aws_secret_access_key,
            aws_session_token=aws_session_token,
            session=session,
            config=config,
        )
        if client is not None and self._opening != Opening():
            raise ValueError("Pass client= alone: it has its region, endpoint and credentials already.")
        if session is not None and profile_name is not None:
            raise ValueError("Pass session= or profile_name=, not both: a session has its profile already.")
        self._given_client = client
        self._given_logs_client = logs_client
        self._given_cadence = Cadence(seconds(min_delay, "min_delay"), seconds(max_delay, "max_delay"))
        self._not_found_grace = seconds(not_found_grace, "not_found_grace")
        self._backoff = backoff or Backoff()
        self._open: _Opened | None = None

    async def __aenter__(self) -> Self:
        """Open the client.

        Raises:
            ValueError: no region, no such profile, or an argument that botocore refuses.
            CredentialsError: there are no credentials.
            RuntimeError: it is open already.
        """
        if self._open is not None:
            raise RuntimeError("This ImageBuilder is open already: make another one, or share it.")
        async with AsyncExitStack() as stack:
            # A session reads botocore's files: a client that is given needs none.
            opening = self._opening if self._given_client else self._opening.with_session()
            client = self._given_client or await opening.open(stack)
            caller = Caller(client, backoff=self._backoff, rate_limiter=RateLimiter())
            reader = _Reader(caller)
            poller = Poller(reader, backoff=self._backoff, not_found_grace=self._not_found_grace)
            inspector = Inspector(reader.rows)
            cloudwatch = CloudWatchLogs(self._opener_of_logs(opening), self._backoff)
            stack.push_async_callback(cloudwatch.aclose)
            stack.push_async_callback(inspector.aclose)
            stack.push_async_callback(poller.aclose)
            self._open = _Opened(caller, poller, inspector, cloudwatch, stack.pop_all())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client: every wait that is still open ends with a `ClientClosedError`."""
        if self._open is not None:
            stack = self._open.stack
            self._open = None
            await stack.aclose()

    async def aclose(self) -> None:
        """Close the client: every wait that is still open ends with a `ClientClosedError`."""
        await self.__aexit__(None, None, None)

    def _opener_of_logs(self, opening: Opening) -> OpenClient | None:
        if (client := self._given_logs_client) is not None:

            async def give(_: AsyncExitStack) -> AwsClient:
                return client

            return give
        return opening.open_logs if self._given_client is None else None

    @property
    def _caller(self) -> Caller:
        return self._opened.caller

    @property
    def _poller(self) -> Poller:
        return self._opened.poller

    @property
    def _inspector(self) -> Inspector:
        return self._opened.inspector

    @property
    def _cloudwatch(self) -> CloudWatchLogs:
        return self._opened.cloudwatch

    @property
    def _backoff_of_calls(self) -> Backoff:
        return self._backoff

    @property
    def _cadence(self) -> Cadence:
        return self._given_cadence

    @property
    def _opened(self) -> _Opened:
        if self._open is None:
            raise RuntimeError("This ImageBuilder is not open: use `async with ImageBuilder(...) as ib:`.")
        return self._open


class _Reader:
    """What the poller and the inspector ask of the operations."""

    def __init__(self, caller: Caller) -> None:
        self.try_turn = caller.try_turn
        self.turn = caller.turn
        self._caller = caller

    async def get(self, identifier: Identifier, tries: Tries) -> Execution:
        return await get(self._caller, identifier.kind, identifier.value, tries=tries, has_turn=True)

    def pages(self, call: Call, tries: Tries) -> AsyncGenerator[Sequence[Execution]]:
        return list_pages(self._caller, call, tries)

    async def rows(self, read: Read, argument: str | None) -> list[Execution]:
        """Get all that a list tells, each page by one try; raises OperationError."""
        await self.turn()
        call = Call(read, argument, ExecutionKind.WORKFLOW_STEP_EXECUTION, ())
        async with aclosing(list_pages(self._caller, call, Tries.once())) as pages:
            return [row async for page in pages for row in page]
