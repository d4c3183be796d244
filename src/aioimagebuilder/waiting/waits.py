"""The waits, as methods: what every client of this library offers beside the operations."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import cast

from ..diagnosis.diagnoser import Diagnostics
from ..models.executions import Execution, Image, LifecycleExecution, WorkflowExecution, WorkflowStepExecution
from ..models.identifiers import ExecutionKind, Identifier
from ..polling.poller import Poller
from ..polling.schedule import Cadence, Seconds
from ..polling.step_inspector import Inspector
from .cancellation import Canceller
from .options import AtDeadline, OnTimeout, OnWaitingStep, WaitOptions, WatchDetail, several
from .waiters import AsCompleted, Watch, wait, wait_all

__all__ = ["Waits"]


class Waits(Diagnostics):
    """The operations, their diagnosis, and the waits for what they start."""

    @property
    def _poller(self) -> Poller:
        raise NotImplementedError

    @property
    def _inspector(self) -> Inspector:
        raise NotImplementedError

    @property
    def _cadence(self) -> Cadence:
        raise NotImplementedError

    @property
    def _canceller(self) -> Canceller:
        return Canceller(self, self._wait_for_end)

    def _wait_for_end(self, identifier: Identifier, timeout: float | None) -> Awaitable[Execution]:
        options = WaitOptions.parse(self._cadence, timeout)
        return wait(self._poller, self._inspector, options, identifier)

    def _wait(
        self,
        value: str,
        *kinds: ExecutionKind,
        timeout: Seconds | None,
        check: bool,
        on_waiting_step: OnWaitingStep = "ignore",
        on_timeout: OnTimeout = "leave",
        diagnose: bool = False,
        min_delay: Seconds | None,
        max_delay: Seconds | None,
    ) -> Awaitable[Execution]:
        # No coroutine of its own: each one that a wait is suspended in costs every wait a frame.
        identifier = self._identify(value, *kinds)
        options = WaitOptions.parse(
            self._cadence,
            timeout,
            min_delay=min_delay,
            max_delay=max_delay,
            check=check,
            on_waiting_step=on_waiting_step,
            on_timeout=on_timeout,
            diagnose=diagnose,
        )
        return self._wait_as(options, identifier)

    def _wait_as(self, options: WaitOptions, identifier: Identifier) -> Awaitable[Execution]:
        options.check_kinds([identifier])
        waiting = wait(self._poller, self._inspector, options, identifier, self._at_deadline(options))
        return self._diagnostician.explained(waiting) if options.diagnose else waiting

    def _at_deadline(self, options: WaitOptions) -> AtDeadline | None:
        return self._canceller.at_deadline if options.on_timeout == "cancel" else None

    async def wait(
        self,
        identifier: str,
        *,
        timeout: Seconds | None,
        check: bool = True,
        on_waiting_step: OnWaitingStep = "ignore",
        on_timeout: OnTimeout = "leave",
        diagnose: bool = False,
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
            on_waiting_step: what to do about a step that waits for a person (user guide, "Step actions for
                workflow documents", WaitForAction). ``"report"`` logs a warning once for each; ``"raise"``
                raises. Both look at every second poll, by one ListWaitingWorkflowSteps for all waits of
                the client. ``"ignore"`` does not look, and costs no call beside the polls.
            on_timeout: ``"leave"`` lets the work go on at AWS; ``"cancel"`` cancels it at the deadline, and
                waits up to five more minutes to see what really became of it. Then what ended otherwise
                counts as if it had ended in time, and what was cancelled is a `WaitTimeoutError`.
            diagnose: find out why it failed, in up to 30 more seconds: the error has the `diagnosis`.
            min_delay: the least seconds between two polls; the client's if ``None``.
            max_delay: the most seconds between two polls; the client's if ``None``.

        Raises:
            ExecutionFailedError: it failed (`ExecutionCancelledError`: it was cancelled;
                `ImageDeletedError`: it was deleted), unless `check` is false.
            WaitTimeoutError: it was still running at the deadline.
            WaitingForActionError: a step waits for a person, if ``on_waiting_step="raise"``.
            ObservationError: nobody could observe it: access, credentials, not found, or no answer up to
                the deadline.
            ValueError: an id of the wrong shape or region, an option that is none, or
                ``on_timeout="cancel"`` for what the service cannot cancel: workflow executions and steps.
        """
        return await self._wait(
            identifier,
            timeout=timeout,
            check=check,
            on_waiting_step=on_waiting_step,
            on_timeout=on_timeout,
            diagnose=diagnose,
            min_delay=min_delay,
            max_delay=max_delay,
        )

    async def wait_for_image(
        self,
        image_build_version_arn: str,
        *,
        timeout: Seconds | None,
        check: bool = True,
        on_waiting_step: OnWaitingStep = "ignore",
        on_timeout: OnTimeout = "leave",
        diagnose: bool = False,
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
            on_waiting_step=on_waiting_step,
            on_timeout=on_timeout,
            diagnose=diagnose,
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
        on_waiting_step: OnWaitingStep = "ignore",
        diagnose: bool = False,
        min_delay: Seconds | None = None,
        max_delay: Seconds | None = None,
    ) -> WorkflowExecution:
        """Get a workflow execution once it has ended; otherwise like `wait`."""
        found = await self._wait(
            workflow_execution_id,
            ExecutionKind.WORKFLOW_EXECUTION,
            timeout=timeout,
            check=check,
            on_waiting_step=on_waiting_step,
            diagnose=diagnose,
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
        on_waiting_step: OnWaitingStep = "ignore",
        diagnose: bool = False,
        min_delay: Seconds | None = None,
        max_delay: Seconds | None = None,
    ) -> WorkflowStepExecution:
        """Get a workflow step once it has ended and has no attempt left; otherwise like `wait`."""
        found = await self._wait(
            step_execution_id,
            ExecutionKind.WORKFLOW_STEP_EXECUTION,
            timeout=timeout,
            check=check,
            on_waiting_step=on_waiting_step,
            diagnose=diagnose,
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
        on_timeout: OnTimeout = "leave",
        diagnose: bool = False,
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
            on_timeout=on_timeout,
            diagnose=diagnose,
            min_delay=min_delay,
            max_delay=max_delay,
        )
        return cast("LifecycleExecution", found)

    def watch(
        self,
        identifier: str,
        *,
        detail: WatchDetail | None = None,
        timeout: Seconds | None = None,
        min_delay: Seconds | None = None,
        max_delay: Seconds | None = None,
    ) -> Watch[Execution]:
        """Get the states of an execution: the present one, then each change, up to the terminal one.

        It yields exactly one terminal state, as the last; a failed execution is no error here. A step that
        waits for a person is a change, too: ``progress.waiting_steps`` shows it within two polls.

        Args:
            identifier: an id (``wf-…``, ``step-…``, ``lce-…``) or the ARN of an image build version.
            detail: ``"steps"`` shows which step of an image or a workflow execution runs, as ``progress``,
                and makes each change of it a change. The lists of steps are read at every second poll, as
                far as they can be: that they cannot never ends a watch.
            timeout: seconds, or a timedelta, until the deadline; ``None`` watches for ever.
            min_delay: the least seconds between two polls; the client's if ``None``.
            max_delay: the most seconds between two polls; the client's if ``None``.

        Raises:
            WaitTimeoutError, ObservationError: while iterating, as in `wait`.
            ValueError: an id of the wrong shape or region, an option that is none, or ``detail="steps"``
                for what has none.
        """
        found = self._identify(identifier)
        options = WaitOptions.parse(
            self._cadence, timeout, min_delay=min_delay, max_delay=max_delay, watches=True, detail=detail
        )
        options.check_kinds([found])
        return Watch(self._poller, self._inspector, options, found)

    async def wait_all(
        self,
        identifiers: Iterable[str],
        *,
        timeout: Seconds | None,
        check: bool = True,
        fail_fast: bool = False,
        on_waiting_step: OnWaitingStep = "ignore",
        on_timeout: OnTimeout = "leave",
        diagnose: bool = False,
        min_delay: Seconds | None = None,
        max_delay: Seconds | None = None,
    ) -> list[Execution]:
        """Get the terminal states of many executions, in the order given, once all have ended.

        Args:
            identifiers: ids and ARNs of any kind, mixed; one that is given twice is awaited once.
            timeout: seconds, or a timedelta, until the deadline of them all; ``None`` waits for ever.
            check: raise for failed or cancelled executions, rather than return them.
            fail_fast: raise as soon as one does not succeed, and with it all that are known not to have by
                then. Nothing is cancelled at AWS.
            on_waiting_step: what to do about a step that waits for a person, as in `wait`; with ``"raise"``, the
                others are still awaited, unless `fail_fast`.
            on_timeout: what becomes of those that still run at the deadline, as in `wait`.
            diagnose: find out why each failed, in up to a minute more for all, as in `wait`.
            min_delay: the least seconds between two polls of one; the client's if ``None``.
            max_delay: the most seconds between two polls of one; the client's if ``None``.

        Raises:
            WaitGroupError: of all that did not end well, in the order given, with every state seen in
                `executions`.
            ValueError: an id of the wrong shape or region, an option that is none, `fail_fast` without
                `check`, or ``on_timeout="cancel"`` for what the service cannot cancel.
        """
        if fail_fast and not check:
            raise ValueError("fail_fast=True needs check=True: without a check nothing counts as a failure.")
        found = [self._identify(each) for each in several(identifiers)]
        options = WaitOptions.parse(
            self._cadence,
            timeout,
            min_delay=min_delay,
            max_delay=max_delay,
            check=check,
            on_waiting_step=on_waiting_step,
            on_timeout=on_timeout,
            diagnose=diagnose,
        )
        options.check_kinds(found)
        deadline = self._at_deadline(options)
        waiting = wait_all(self._poller, self._inspector, options, found, deadline, fail_fast=fail_fast)
        return await (self._diagnostician.explained(waiting) if diagnose else waiting)

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
        found = [self._identify(each) for each in several(identifiers)]
        options = WaitOptions.parse(self._cadence, timeout, min_delay=min_delay, max_delay=max_delay)
        return AsCompleted(self._poller, self._inspector, options, found)
