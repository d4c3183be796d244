"""The waits, as methods: what every client of this library offers beside the operations."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import cast

from .executions import Execution, Image, LifecycleExecution, WorkflowExecution, WorkflowStepExecution
from .identifiers import ExecutionKind
from .operations import Operations
from .poller import Poller
from .schedule import Cadence, Seconds, seconds
from .waiters import AsCompleted, Watch, wait, wait_all

__all__ = ["Waits"]


class Waits(Operations):
    """The operations, and the waits for what they start."""

    @property
    def _poller(self) -> Poller:
        raise NotImplementedError

    @property
    def _cadence(self) -> Cadence:
        raise NotImplementedError

    def _cadence_of(self, min_delay: Seconds | None, max_delay: Seconds | None) -> Cadence:
        return Cadence(
            self._cadence.min_delay if min_delay is None else seconds(min_delay, "min_delay"),
            self._cadence.max_delay if max_delay is None else seconds(max_delay, "max_delay"),
        )

    def _wait(
        self,
        value: str,
        *kinds: ExecutionKind,
        timeout: Seconds | None,
        check: bool,
        min_delay: Seconds | None,
        max_delay: Seconds | None,
    ) -> Awaitable[Execution]:
        # No coroutine of its own: each one that a wait is suspended in costs every wait a frame.
        identifier = self._identify(value, *kinds)
        cadence = self._cadence_of(min_delay, max_delay)
        return wait(self._poller, identifier, cadence, _timeout(timeout), check=check)

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
                once; ``None`` waits for ever. They are those of the event loop's monotonic clock, which
                stands still on Linux and macOS while the machine sleeps.
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
