"""`ImageBuilder`: opens aiobotocore, and offers the operations and the waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self, cast

from aiobotocore.session import AioSession
from botocore.config import Config
from tenacity import AsyncRetrying

from .backoff import Backoff
from .batching import Call
from .executions import Execution, Image, LifecycleExecution, WorkflowExecution, WorkflowStepExecution
from .identifiers import ExecutionKind, Identifier
from .opening import Opening
from .operations import AwsClient, Caller, Operations, read
from .poller import Poller
from .rate_limiter import RateLimiter
from .schedule import Cadence, Seconds, seconds
from .waiters import AsCompleted, Watch, wait, wait_all

__all__ = ["ImageBuilder"]


class ImageBuilder(Operations):
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
        self._cadence = Cadence(seconds(min_delay, "min_delay"), seconds(max_delay, "max_delay"))
        self._not_found_grace = seconds(not_found_grace, "not_found_grace")
        self._backoff = backoff or Backoff()
        self._open: tuple[Caller, Poller, AsyncExitStack] | None = None

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
            client = self._given_client or await self._opening.open(stack)
            caller = Caller(client, backoff=self._backoff, rate_limiter=RateLimiter())

            async def read_call(call: Call, retrying: AsyncRetrying) -> Mapping[Identifier, Execution]:
                return await read(caller, call, retrying)

            poller = Poller(read_call, backoff=self._backoff, not_found_grace=self._not_found_grace)
            stack.push_async_callback(poller.aclose)
            self._open = caller, poller, stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client: every wait that is still open ends with a `ClientClosedError`."""
        if self._open is not None:
            _, _, stack = self._open
            self._open = None
            await stack.aclose()

    async def aclose(self) -> None:
        """Close the client: every wait that is still open ends with a `ClientClosedError`."""
        await self.__aexit__(None, None, None)

    @property
    def _caller(self) -> Caller:
        return self._opened[0]

    @property
    def _poller(self) -> Poller:
        return self._opened[1]

    @property
    def _opened(self) -> tuple[Caller, Poller, AsyncExitStack]:
        if self._open is None:
            raise RuntimeError("This ImageBuilder is not open: use `async with ImageBuilder(...) as ib:`.")
        return self._open

    def _cadence_of(self, min_delay: Seconds | None, max_delay: Seconds | None) -> Cadence:
        return Cadence(
            self._cadence.min_delay if min_delay is None else seconds(min_delay, "min_delay"),
            self._cadence.max_delay if max_delay is None else seconds(max_delay, "max_delay"),
        )

    async def _wait(
        self,
        value: str,
        *kinds: ExecutionKind,
        timeout: Seconds | None,
        check: bool,
        min_delay: Seconds | None,
        max_delay: Seconds | None,
    ) -> Execution:
        identifier = self._identify(value, *kinds)
        cadence = self._cadence_of(min_delay, max_delay)
        return await wait(self._poller, identifier, cadence, _timeout(timeout), check=check)

    async def wait(
        self,
        identifier: str,
        *,
        timeout: Seconds | None,
        check: bool = True,
        min_delay: Seconds | None = None,
        max_delay: Seconds | None = None,
    ) -> Execution:
        """Get the terminal state of an execution of any kind, once it has ended.

        Succeeded and skipped executions are returned. Cancelling the wait touches nothing at AWS.

        Args:
            identifier: an id (``wf-…``, ``step-…``, ``lce-…``) or the ARN of an image build version.
            timeout: seconds, or a timedelta, until the deadline; the last poll falls on it. ``0`` polls
                once; ``None`` waits for ever.
            check: raise for a failed or cancelled execution, rather than return it.
            min_delay: the least seconds between two polls; the client's if ``None``.
            max_delay: the most seconds between two polls; the client's if ``None``.

        Raises:
            ExecutionFailedError: it failed (`ExecutionCancelledError`: it was cancelled;
                `ImageDeletedError`: it was deleted), unless `check` is false.
            WaitTimeoutError: it was still running at the deadline.
            ObservationError: nobody could observe it: access, credentials, not found, or no answer up to
                the deadline.
            ValueError: an id of the wrong shape or region, or a timeout or delay that is none.
        """
        return await self._wait(
            identifier, timeout=timeout, check=check, min_delay=min_delay, max_delay=max_delay
        )

    async def wait_for_image(
        self,
        image_build_version_arn: str,
        *,
        timeout: Seconds | None,
        check: bool = True,
        min_delay: Seconds | None = None,
        max_delay: Seconds | None = None,
    ) -> Image:
        """Get an image once its build has ended, with what it made; otherwise like `wait`.

        AVAILABLE is the truth about a build: that all its workflow executions are
        COMPLETED is not: an AMI may be distributed without a workflow execution for it.
        """
        found = await self._wait(
            image_build_version_arn,
            ExecutionKind.IMAGE,
            timeout=timeout,
            check=check,
            min_delay=min_delay,
            max_delay=max_delay,
        )
        return cast("Image", found)

    async def wait_for_workflow_execution(
        self,
        workflow_execution_id: str,
        *,
        timeout: Seconds | None,
        check: bool = True,
        min_delay: Seconds | None = None,
        max_delay: Seconds | None = None,
    ) -> WorkflowExecution:
        """Get a workflow execution once it has ended; otherwise like `wait`."""
        found = await self._wait(
            workflow_execution_id,
            ExecutionKind.WORKFLOW_EXECUTION,
            timeout=timeout,
            check=check,
            min_delay=min_delay,
            max_delay=max_delay,
        )
        return cast("WorkflowExecution", found)

    async def wait_for_workflow_step(
        self,
        step_execution_id: str,
        *,
        timeout: Seconds | None,
        check: bool = True,
        min_delay: Seconds | None = None,
        max_delay: Seconds | None = None,
    ) -> WorkflowStepExecution:
        """Get a workflow step once it has ended and has no attempt left; otherwise like `wait`."""
        found = await self._wait(
            step_execution_id,
            ExecutionKind.WORKFLOW_STEP_EXECUTION,
            timeout=timeout,
            check=check,
            min_delay=min_delay,
            max_delay=max_delay,
        )
        return cast("WorkflowStepExecution", found)

    async def wait_for_lifecycle_execution(
        self,
        lifecycle_execution_id: str,
        *,
        timeout: Seconds | None,
        check: bool = True,
        min_delay: Seconds | None = None,
        max_delay: Seconds | None = None,
    ) -> LifecycleExecution:
        """Get a lifecycle execution once it has ended; otherwise like `wait`.

        PENDING is a pause until the next daily run, and an update for later is IN_PROGRESS until its date
        (user guide, "Manage lifecycle policy executions"): such a wait can take days.
        """
        found = await self._wait(
            lifecycle_execution_id,
            ExecutionKind.LIFECYCLE_EXECUTION,
            timeout=timeout,
            check=check,
            min_delay=min_delay,
            max_delay=max_delay,
        )
        return cast("LifecycleExecution", found)

    def watch(
        self,
        identifier: str,
        *,
        timeout: Seconds | None = None,
        min_delay: Seconds | None = None,
        max_delay: Seconds | None = None,
    ) -> Watch[Execution]:
        """Get the states of an execution: the present one, then each change, up to the terminal one.

        It yields exactly one terminal state, as the last; a failed execution is no error here.

        Args:
            identifier: an id (``wf-…``, ``step-…``, ``lce-…``) or the ARN of an image build version.
            timeout: seconds, or a timedelta, until the deadline; ``None`` watches for ever.
            min_delay: the least seconds between two polls; the client's if ``None``.
            max_delay: the most seconds between two polls; the client's if ``None``.

        Raises:
            WaitTimeoutError, ObservationError: while iterating, as in `wait`.
            ValueError: an id of the wrong shape or region, or a timeout or delay that is none.
        """
        cadence = self._cadence_of(min_delay, max_delay)
        return Watch(self._poller, self._identify(identifier), cadence, _timeout(timeout))

    async def wait_all(
        self,
        identifiers: Iterable[str],
        *,
        timeout: Seconds | None,
        check: bool = True,
        fail_fast: bool = False,
        min_delay: Seconds | None = None,
        max_delay: Seconds | None = None,
    ) -> list[Execution]:
        """Get the terminal states of many executions, in the order given, once all have ended.

        Args:
            identifiers: ids and ARNs of any kind, mixed; one that is given twice is awaited once.
            timeout: seconds, or a timedelta, until the deadline of them all; ``None`` waits for ever.
            check: raise for failed or cancelled executions, rather than return them.
            fail_fast: raise as soon as one does not succeed. Nothing is cancelled at AWS.
            min_delay: the least seconds between two polls of one; the client's if ``None``.
            max_delay: the most seconds between two polls of one; the client's if ``None``.

        Raises:
            WaitGroupError: of all that did not end well, in the order given, with every state seen in
                `executions`.
            ValueError: an id of the wrong shape or region, or a timeout or delay that is none; or
                `fail_fast` without `check`.
        """
        if fail_fast and not check:
            raise ValueError("fail_fast=True needs check=True: without a check nothing counts as a failure.")
        return await wait_all(
            self._poller,
            [self._identify(each) for each in _several(identifiers)],
            self._cadence_of(min_delay, max_delay),
            _timeout(timeout),
            check=check,
            fail_fast=fail_fast,
        )

    def as_completed(
        self,
        identifiers: Iterable[str],
        *,
        timeout: Seconds | None,
        min_delay: Seconds | None = None,
        max_delay: Seconds | None = None,
    ) -> AsCompleted:
        """Get executions each as it ends, whatever became of it.

        Args:
            identifiers: ids and ARNs of any kind, mixed; one that is given twice comes once.
            timeout: seconds, or a timedelta, until the deadline of them all; ``None`` waits for ever.
            min_delay: the least seconds between two polls of one; the client's if ``None``.
            max_delay: the most seconds between two polls of one; the client's if ``None``.

        Raises:
            WaitGroupError: at the end, of those that timed out or could not be observed.
            ValueError: an id of the wrong shape or region, or a timeout or delay that is none.
        """
        return AsCompleted(
            self._poller,
            [self._identify(each) for each in _several(identifiers)],
            self._cadence_of(min_delay, max_delay),
            _timeout(timeout),
            check=False,
        )


def _timeout(timeout: Seconds | None) -> float | None:
    return None if timeout is None else seconds(timeout, "timeout")


def _several(identifiers: Iterable[str]) -> Iterable[str]:
    if isinstance(identifiers, str):
        raise TypeError(f"Expected several ids, not one: pass [{identifiers!r}].")
    return identifiers
