"""`ImageBuilder`, the async client: its methods validate their arguments, and delegate to its parts."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Final, Self, TypeVar, Unpack, cast

from aiobotocore.session import AioSession
from botocore.config import Config

from .aws.backoff import Backoff
from .aws.call import AwsClient
from .aws.operations import NOT_OPEN, Operations
from .aws.session import SessionArguments
from .aws.sqs import SqsHints, check_hints
from .diagnosis.diagnoser import LOG_LINES, TIMEOUT
from .errors import ResourceInUseException
from .logs import check_log_arguments, follow_build_log, read_log
from .models.diagnosis import Diagnosis
from .models.executions import Execution, Image, LifecycleExecution, WorkflowExecution, WorkflowStepExecution
from .models.identifiers import Identifier, ResourceKind
from .models.kinds import ExecutionKind
from .models.log_streams import LogLine
from .models.statuses import WorkflowStepActionType
from .parts import Parts, open_parts
from .polling.build_history import BuildHistory, MemoryBuildHistory, check_history
from .polling.pace import PaceName
from .polling.schedule import Cadence
from .waiting.botocore_waiters import WAITER_NAMES, GetWaiter, Response, Waiter, run_waiter
from .waiting.options import (
    BuildOptions,
    Duration,
    PollOptions,
    WaitOptions,
    WaitSettings,
    WatchDetail,
    check_cancellable,
    parse_cadence,
    parse_seconds,
    several,
    split_options,
)
from .waiting.pipelines import PipelineWatch, next_image, watch_pipeline
from .waiting.waiters import AsCompleted, AtDeadline, Watch, wait, wait_all

X = TypeVar("X", bound=Execution)

_log: Final = logging.getLogger("aioimagebuilder")


class ImageBuilder(Operations):
    """A client of EC2 Image Builder whose executions can be awaited.

    It is an async context manager. All waits of a client share its polls and its call rate, so create one
    client for each account and region, and share it. It may be entered and left in different tasks of one
    event loop.

    The options of methods that wait are documented in `WaitOptions`. Cancelling a wait changes nothing at
    AWS.

    Args:
        region_name: The AWS region; by default that of the environment or profile.
        profile_name: The AWS profile.
        endpoint_url: An endpoint other than AWS's own, for example the simulator's.
        aws_access_key_id: Credentials other than those that botocore finds.
        aws_secret_access_key: Credentials other than those that botocore finds.
        aws_session_token: Credentials other than those that botocore finds.
        session: An aiobotocore session. On trio, its default client config is set to httpx2.
        client: An open aiobotocore client of ``imagebuilder``. It is not closed, and its own retries should
            be off (``retries={"total_max_attempts": 1}``).
        logs_client: An open aiobotocore client of ``logs``. It is not closed. By default one is opened on
            first use, with `endpoint_url` unless its host name contains ``imagebuilder``; not if `client` is
            given.
        config: A botocore or aiobotocore config. Its ``retries`` are ignored, since tenacity retries.
        min_delay: The minimum delay between two polls of an execution, as seconds or timedelta.
        max_delay: The maximum delay, up to which the delay grows, as seconds or timedelta; by default 30 s,
            and 120 s where a forecast decides.
        pace: How soon an execution is polled again. ``"smithy"``, the default, is Smithy's waiter backoff.
            ``"forecast"`` learns how long the builds of a pipeline take, and polls when an end is likely.
        history: Where builds that have ended are kept, for estimates and forecasts; by default in memory.
        not_found_grace: The time for which the service may not know an id that was never read, as seconds or
            timedelta.
        backoff: How calls are retried.
        hints: A queue of Image Builder's events, which cause polls at once of what they name.
        hinted_max_delay: The maximum delay of images while hints are proven, as seconds or timedelta.

    Raises:
        ValueError: Two arguments are mutually exclusive, or the delays are not 0 < min_delay <= max_delay.
        TypeError: An argument has the wrong type.
        RuntimeError: From every method: it is not open, or was opened in another event loop or process.
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
        min_delay: Duration = 5,
        max_delay: Duration | None = None,
        pace: PaceName = "smithy",
        history: BuildHistory | None = None,
        not_found_grace: Duration = 10,
        backoff: Backoff | None = None,
        hints: SqsHints | None = None,
        hinted_max_delay: Duration = 300,
    ) -> None:
        super().__init__()
        self._arguments = SessionArguments(
            region_name=region_name,
            profile_name=profile_name,
            endpoint_url=endpoint_url,
            aws_access_key_id=aws_access_key_id,
            aws_secret_access_key=aws_secret_access_key,
            aws_session_token=aws_session_token,
            session=session,
            config=config,
            client=client,
            logs_client=logs_client,
        )
        if not isinstance(backoff, Backoff | None):
            raise TypeError(f"backoff must be a Backoff, not {type(backoff).__name__}.")
        check_hints(hints, has_client=client is not None)
        self._hints = hints
        self._hinted_max_delay = parse_seconds(hinted_max_delay, "hinted_max_delay")
        self._cadence = parse_cadence(min_delay, max_delay, pace)
        self._pace: PaceName = pace
        self._history = check_history(history) or MemoryBuildHistory()
        self._not_found_grace = parse_seconds(not_found_grace, "not_found_grace")
        self._backoff = backoff or Backoff()
        self._open_parts: Parts | None = None

    async def __aenter__(self) -> Self:
        """Open the client.

        Raises:
            ValueError: There is no region or no such profile, or botocore rejects an argument.
            CredentialsError: There are no credentials.
            RuntimeError: It is already open.
        """
        if self._open_parts is not None:
            raise RuntimeError("This ImageBuilder is already open: create another one, or share it.")
        parts = await open_parts(
            self._arguments,
            self,
            cadence=self._cadence,
            backoff=self._backoff,
            not_found_grace=self._not_found_grace,
            pace=self._pace,
            history=self._history,
            hints=self._hints,
            hinted_max_delay=self._hinted_max_delay,
        )
        self._open_caller, self._open_parts = parts.caller, parts
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client. Every wait that is still open raises a `ClientClosedError`."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the client. Every wait that is still open raises a `ClientClosedError`.

        Raises:
            RuntimeError: It was opened in another event loop, or in the process that this one is a fork of.
        """
        if self._open_parts is not None:
            self._caller.check_origin()
            stack = self._open_parts.stack
            self._open_parts = self._open_caller = None
            await stack.aclose()

    @property
    def _parts(self) -> Parts:
        if self._open_parts is None:
            raise RuntimeError(NOT_OPEN)
        return self._open_parts

    def _at_deadline(self, settings: WaitSettings) -> AtDeadline | None:
        return self._parts.canceller.cancel_at_deadline if settings.on_timeout == "cancel" else None

    async def _wait(self, settings: WaitSettings, identifier: Identifier) -> Execution:
        parts = self._parts
        waiting = wait(parts.poller, parts.inspector, settings, identifier, self._at_deadline(settings))
        return await (parts.diagnoser.explain(waiting) if settings.diagnose else waiting)

    async def _wait_for(
        self, value: str, cls: type[X] | None, timeout: Duration | None, options: WaitOptions
    ) -> X:
        identifier = self._identify(value) if cls is None else self._identify(value, cls.kind)
        settings = WaitSettings.parse(self._cadence, timeout, options, [identifier])
        return cast("X", await self._wait(settings, identifier))

    async def wait(
        self, identifier: str, *, timeout: Duration | None, **options: Unpack[WaitOptions]
    ) -> Execution:
        """Wait until an execution of any kind has ended, and return its terminal state.

        Succeeded and skipped executions are returned; failed and cancelled ones are raised, unless
        ``check=False``.

        Args:
            identifier: An id (``wf-…``, ``step-…``, ``lce-…``) or the ARN of an image build version.
            timeout: The time until the deadline, at which the last poll is made, as seconds or timedelta.
                ``0`` polls once; ``None`` waits forever. It is measured by the event loop's monotonic clock,
                which stands still on Linux and macOS while the machine sleeps.
            options: `check`, `on_waiting_step`, `on_timeout`, `diagnose`, `min_delay`, `max_delay`,
                `estimate`: see `WaitOptions`.

        Raises:
            ExecutionFailedError: It failed (`ExecutionCancelledError`: it was cancelled; `ImageDeletedError`:
                it was deleted), unless ``check=False``.
            WaitTimeoutError: It was still running at the deadline.
            WaitingForActionError: A step waits for a person, with ``on_waiting_step="raise"``.
            ObservationError: It could not be observed: access, credentials, not found, or no response up to
                the deadline.
            ValueError: The id is malformed or of another region, or an option is invalid.
        """
        return await self._wait_for(identifier, None, timeout, options)

    async def wait_for_image(
        self, image_build_version_arn: str, *, timeout: Duration | None, **options: Unpack[WaitOptions]
    ) -> Image:
        """Wait until the build of an image has ended, and return the image with its output; see `wait`.

        Only AVAILABLE means that a build has succeeded. That all workflow executions of an image are
        COMPLETED does not: an AMI may be distributed without a workflow execution.

        Args:
            image_build_version_arn: The ARN of the image build version.
            timeout: As in `wait`.
            options: `check`, `on_waiting_step`, `on_timeout`, `diagnose`, `min_delay`, `max_delay`,
                `estimate`: see `WaitOptions`.
        """
        return await self._wait_for(image_build_version_arn, Image, timeout, options)

    async def wait_for_workflow_execution(
        self, workflow_execution_id: str, *, timeout: Duration | None, **options: Unpack[WaitOptions]
    ) -> WorkflowExecution:
        """Wait until a workflow execution has ended, and return it; see `wait`.

        Args:
            workflow_execution_id: The id, ``wf-…``.
            timeout: As in `wait`.
            options: `check`, `on_waiting_step`, `on_timeout`, `diagnose`, `min_delay`, `max_delay`,
                `estimate`: see `WaitOptions`.
        """
        return await self._wait_for(workflow_execution_id, WorkflowExecution, timeout, options)

    async def wait_for_workflow_step(
        self, step_execution_id: str, *, timeout: Duration | None, **options: Unpack[WaitOptions]
    ) -> WorkflowStepExecution:
        """Wait until a workflow step has ended and has no attempts left, and return it; see `wait`.

        Args:
            step_execution_id: The id, ``step-…``.
            timeout: As in `wait`.
            options: `check`, `on_waiting_step`, `on_timeout`, `diagnose`, `min_delay`, `max_delay`,
                `estimate`: see `WaitOptions`.
        """
        return await self._wait_for(step_execution_id, WorkflowStepExecution, timeout, options)

    async def wait_for_lifecycle_execution(
        self, lifecycle_execution_id: str, *, timeout: Duration | None, **options: Unpack[WaitOptions]
    ) -> LifecycleExecution:
        """Wait until a lifecycle execution has ended, and return it; see `wait`.

        PENDING is a pause until the next daily run, and an update scheduled for later is IN_PROGRESS until
        its date (user guide, "Manage lifecycle policy executions"): such a wait can take days.

        Args:
            lifecycle_execution_id: The id, ``lce-…``.
            timeout: As in `wait`.
            options: `check`, `on_waiting_step`, `on_timeout`, `diagnose`, `min_delay`, `max_delay`,
                `estimate`: see `WaitOptions`.
        """
        return await self._wait_for(lifecycle_execution_id, LifecycleExecution, timeout, options)

    @property
    def get_waiter(self) -> GetWaiter[Coroutine[object, object, Response]]:
        """Return a waiter with the interface of botocore's: ``ib.get_waiter("image_available")``.

        It is for code that is moved over from boto3 or aiobotocore. Its ``wait`` has the arguments of those
        waiters, ``WaiterConfig`` included, and raises botocore's ``WaiterError``, whose cause says more.
        """
        return GetWaiter(self._run_waiter)

    @property
    def waiter_names(self) -> list[str]:
        """The names of the waiters that `get_waiter` returns."""
        return list(WAITER_NAMES)

    async def _run_waiter(self, waiter: Waiter[object], arguments: Mapping[str, object]) -> Response:
        parts = self._parts
        return await run_waiter(parts.poller, parts.inspector, self._caller.region, waiter, arguments)

    def watch(
        self,
        identifier: str,
        *,
        detail: WatchDetail | None = None,
        timeout: Duration | None = None,
        **options: Unpack[PollOptions],
    ) -> Watch[Execution]:
        """Watch an execution: iterate over its present state, then each change, up to the terminal one.

        The last state is the only terminal one; a failed execution raises nothing here. A step that waits for
        a person is a change as well: it is in ``progress.waiting_steps`` within two polls.

        Args:
            identifier: An id (``wf-…``, ``step-…``, ``lce-…``) or the ARN of an image build version.
            detail: With ``"steps"``, ``progress`` contains the step that runs, and each change of it is a
                change. The lists of steps are read at every second poll, as far as possible: a failure never
                ends a watch.
            timeout: The time until the deadline, as seconds or timedelta; ``None`` watches forever.
            options: `min_delay`, `max_delay`, `estimate`: see `PollOptions`.

        Raises:
            WaitTimeoutError, ObservationError: During the iteration, as in `wait`.
            ValueError: The id is malformed or of another region, an option is invalid, or the execution has
                no steps.
        """
        found = self._identify(identifier)
        settings = WaitSettings.parse(
            self._cadence, timeout, options, [found], accepts=PollOptions, watches=True, detail=detail
        )
        return Watch(self._parts.poller, self._parts.inspector, settings, found)

    async def wait_all(
        self,
        identifiers: Iterable[str],
        *,
        timeout: Duration | None,
        fail_fast: bool = False,
        **options: Unpack[WaitOptions],
    ) -> list[Execution]:
        """Wait until all executions have ended, and return their terminal states in the order given.

        Args:
            identifiers: Ids and ARNs of any kind, mixed. Duplicates are awaited once.
            timeout: The time until the deadline of all, as seconds or timedelta; ``None`` waits forever.
            fail_fast: Raise as soon as one does not succeed, with all that are known by then not to have
                succeeded. Nothing is cancelled at AWS.
            options: `check`, `on_waiting_step`, `on_timeout`, `diagnose`, `min_delay`, `max_delay`,
                `estimate`: see `WaitOptions`.

        Raises:
            WaitGroupError: One or more did not succeed. It contains their exceptions in the order given, and
                the last state seen of every execution.
            ValueError: An id is malformed or of another region, an option is invalid, or `fail_fast` is
                combined with ``check=False``.
        """
        found = [self._identify(each) for each in several(identifiers)]
        settings = WaitSettings.parse(self._cadence, timeout, options, found)
        if fail_fast and not settings.check:
            raise ValueError("fail_fast=True needs check=True: without it nothing counts as a failure.")
        parts, at_deadline = self._parts, self._at_deadline(settings)
        waiting = wait_all(parts.poller, parts.inspector, settings, found, at_deadline, fail_fast=fail_fast)
        return await (parts.diagnoser.explain(waiting) if settings.diagnose else waiting)

    def as_completed(
        self, identifiers: Iterable[str], *, timeout: Duration | None, **options: Unpack[PollOptions]
    ) -> AsCompleted:
        """Iterate over executions, each as it ends, with any outcome.

        Args:
            identifiers: Ids and ARNs of any kind, mixed. Duplicates are returned once.
            timeout: The time until the deadline of all, as seconds or timedelta; ``None`` waits forever.
            options: `min_delay`, `max_delay`, `estimate`: see `PollOptions`.

        Raises:
            WaitGroupError: At the end, for those that timed out or could not be observed.
            ValueError: An id is malformed or of another region, or an option is invalid.
        """
        found = [self._identify(each) for each in several(identifiers)]
        settings = WaitSettings.parse(
            self._cadence, timeout, options, found, accepts=PollOptions, check=False
        )
        return AsCompleted(self._parts.poller, self._parts.inspector, settings, found)

    async def build(
        self,
        pipeline_arn: str | None = None,
        *,
        timeout: Duration | None,
        client_token: str | None = None,
        tags: Mapping[str, str] | None = None,
        **options: Unpack[BuildOptions],
    ) -> Image:
        """Start a build or join one, wait until it has ended, and return the image.

        The ARN of the image is logged as soon as it is known (INFO), and every exception contains it.
        Cancelling this changes nothing at AWS: to join the build again, pass the same `client_token`.

        Args:
            pipeline_arn: The pipeline to build; without it, a recipe and its configurations are needed.
            timeout: The time until the deadline, as in `wait`.
            client_token: A call with the same token and the same arguments joins the build: the service does
                not start another one. 1 to 64 characters.
            tags: The tags of the new image.
            options: `check`, `on_waiting_step`, `on_timeout`, `diagnose`, `min_delay`, `max_delay`,
                `estimate`: see `WaitOptions`. And instead of a pipeline, the arguments of `create_image`.

        Raises:
            OperationError: The build could not be started.
            ExecutionFailedError, WaitTimeoutError, WaitingForActionError, ObservationError: As in `wait`.
            ValueError: Both a pipeline and a recipe are given, or neither; or as in `wait`.
        """
        waiting, configurations = split_options(options)
        settings = WaitSettings.parse(self._cadence, timeout, waiting, ())
        operations = self._until(deadline := settings.deadline)
        identifier = await operations._start_build(  # noqa: SLF001 - a method of this class
            pipeline_arn, tags=tags, client_token=client_token, **configurations
        )
        _log.info("Building %s", identifier)
        return cast("Image", await self._wait(settings.until(deadline), identifier))

    async def wait_for_next_image(
        self,
        pipeline_arn: str,
        *,
        timeout: Duration | None,
        after: str | Image | None = None,
        **options: Unpack[WaitOptions],
    ) -> Image:
        """Wait until a pipeline has made its next image, whoever starts the build, and return the image.

        Args:
            pipeline_arn: The pipeline.
            timeout: The time until the deadline, as in `wait`; for the image to appear and to end.
            after: The image, or its ARN, after which the next one was created. By default, the next one is
                what the list of the pipeline's images does not contain when it is first read, at once.
            options: `check`, `on_waiting_step`, `on_timeout`, `diagnose`, `min_delay`, `max_delay`,
                `estimate`: see `WaitOptions`.

        Raises:
            WaitTimeoutError: No image had appeared at the deadline, or it was still being built.
            ObservationError: The pipeline does not exist (any more), or it or the image is unobservable.
            ExecutionFailedError, WaitingForActionError, ValueError: As in `wait`.
        """
        pipeline = self._identify(pipeline_arn, ResourceKind.IMAGE_PIPELINE)
        settings = WaitSettings.parse(self._cadence, timeout, options, ())
        deadline = settings.deadline
        image = await next_image(self._parts.pipelines, settings, pipeline, after)
        identifier = self._identify_returned("ListImagePipelineImages", image.id, ExecutionKind.IMAGE)
        return cast("Image", await self._wait(settings.until(deadline), identifier))

    def watch_pipeline(
        self,
        pipeline_arn: str,
        *,
        after: str | Image | None = None,
        include_running: bool = False,
        timeout: Duration | None = None,
        **options: Unpack[PollOptions],
    ) -> PipelineWatch:
        """Iterate over the new images of a pipeline, each as it appears, once, in the order of creation.

        An image is mostly still being built then: pass its `id` to `wait` or `watch`.

        Args:
            pipeline_arn: The pipeline.
            after: The image, or its ARN, after which all were created. By default, new images are those
                that the list of the pipeline's images does not contain when it is first read.
            include_running: Whether to begin with those that are being built when it is first read.
            timeout: The time until the deadline, as seconds or timedelta; ``None`` watches forever.
            options: `min_delay`, `max_delay`: see `PollOptions`. `estimate` has no effect.

        Raises:
            WaitTimeoutError, ObservationError: During the iteration, as in `wait_for_next_image`.
            ValueError: An ARN is malformed or of another region, or an option is invalid.
        """
        found = self._identify(pipeline_arn, ResourceKind.IMAGE_PIPELINE)
        settings = WaitSettings.parse(self._cadence, timeout, options, (), accepts=PollOptions)
        pipelines = self._parts.pipelines
        return watch_pipeline(pipelines, settings, found, after, include_running=include_running)

    async def retry(
        self,
        image_build_version_arn: str,
        *,
        timeout: Duration | None,
        client_token: str | None = None,
        **options: Unpack[WaitOptions],
    ) -> Image:
        """Retry a failed or cancelled image in place, wait until it has ended again, and return it.

        The service runs an AMI again from its test or distribution phase. Its former state, which reads may
        still return for a while, is not taken for the outcome: see `retry_image`. If it is already running,
        that run is joined.

        Args:
            image_build_version_arn: The image.
            timeout: The time until the deadline, as in `wait`.
            client_token: Makes the retry idempotent.
            options: `check`, `on_waiting_step`, `on_timeout`, `diagnose`, `min_delay`, `max_delay`,
                `estimate`: see `WaitOptions`.

        Raises:
            OperationError: It could not be retried.
            ExecutionFailedError, WaitTimeoutError, WaitingForActionError, ObservationError: As in `wait`.
            ValueError: As in `wait`.
        """
        identifier = self._identify(image_build_version_arn, ExecutionKind.IMAGE)
        settings = WaitSettings.parse(self._cadence, timeout, options, [identifier])
        operations = self._until(deadline := settings.deadline)
        before = await operations.get_image(identifier.value)
        try:
            await self._request_retry(operations, identifier, client_token)
        except ResourceInUseException as rejection:
            _log.info("%s is already running, and is joined: %s", identifier, rejection)
        if before.is_terminal:
            self._parts.poller.expect_rerun(identifier, before)
        return cast("Image", await self._wait(settings.until(deadline), identifier))

    async def retry_image(self, image_build_version_arn: str, *, client_token: str | None = None) -> str:
        """Request a retry of a failed or cancelled image in place, and return its ARN, which is the same.

        Reads lag behind: for two minutes, waits and watches of this client ignore a terminal state that
        equals the one from before the retry.

        Args:
            image_build_version_arn: The image: an AMI, FAILED or CANCELLED.
            client_token: Makes the call idempotent.
        """
        identifier = self._identify(image_build_version_arn, ExecutionKind.IMAGE)
        return await self._request_retry(self, identifier, client_token)

    async def _request_retry(
        self, operations: Operations, identifier: Identifier, client_token: str | None
    ) -> str:
        arn = await operations._retry_image(identifier, client_token)  # noqa: SLF001 - a method of this class
        self._parts.poller.expect_rerun(identifier)
        return arn

    async def cancel(self, identifier: str, *, timeout: Duration | None = 300) -> Execution:
        """Cancel an image or a lifecycle execution, and return it when it has ended.

        Its `outcome` is mostly ``cancelled``. But it may have succeeded or failed before the service
        cancelled it, or before this was called. What it has already created remains.

        Args:
            identifier: The ARN of an image build version, or the id of a lifecycle execution.
            timeout: The time for it to end, as seconds or timedelta; ``None`` waits forever.

        Raises:
            WaitTimeoutError: It has not ended in time. The request stands.
            ObservationError: It could not be observed.
            OperationError: The request was rejected although it has not ended.
            ValueError: The id is malformed, of another region, or of something that cannot be cancelled.
        """
        found = self._identify(identifier)
        check_cancellable(found)
        deadline = WaitSettings.parse(self._cadence, timeout, {}, ()).deadline
        return await self._parts.canceller.cancel(self._until(deadline), found, deadline)

    async def _answer_step(
        self, step: str | WorkflowStepExecution, action: WorkflowStepActionType, reason: str | None
    ) -> str:
        answered = await super()._answer_step(step, action, reason)
        self._parts.inspector.step_answered(step if isinstance(step, str) else step.id)
        return answered

    async def diagnose(
        self, identifier: str, *, log_lines: int = LOG_LINES, timeout: Duration = TIMEOUT
    ) -> Diagnosis:
        """Find out why an execution of any kind failed, with the evidence and what to look at next.

        It names the first failure, not its consequences: the image's failure context (user guide, "Image
        failure context"), the failed step and its outputs, and the last lines of the build's log. What cannot
        be read is left out, and listed in `sources`. Runs that a retry has replaced are ignored, and a
        cancellation is not a root cause. Executions that run or have succeeded can be diagnosed as well.

        Args:
            identifier: An id (``wf-…``, ``step-…``, ``lce-…``) or the ARN of an image build version.
            log_lines: The maximum number of lines of the log; with ``0``, CloudWatch Logs is not called.
            timeout: The time for all sources, as seconds or timedelta; each source also has its own limit.

        Raises:
            OperationError: The execution itself could not be read.
            ValueError: The id is malformed or of another region, or the timeout or number of lines is
                invalid.
        """
        found = self._identify(identifier)
        limit = parse_seconds(timeout, "timeout")
        return await self._parts.diagnoser.read_and_diagnose(found, log_lines=log_lines, timeout=limit)

    def logs(
        self,
        arn: str,
        *,
        follow: bool = False,
        since: datetime | None = None,
        min_delay: Duration = 2,
        max_delay: Duration = 15,
    ) -> AsyncIterator[LogLine]:
        """Iterate over the lines of a build's or a pipeline's log in CloudWatch Logs, each once and in order.

        A log that does not exist (yet) has no lines. Following a build ends when the build has ended and no
        more lines come. Following a pipeline continues from day to day, until you stop. Throttles of
        CloudWatch Logs slow it down, and lose nothing.

        Args:
            arn: An image build version, or a pipeline.
            follow: Continue with lines that are written later, rather than end with the present ones.
            since: Return no line from before this time; by default the whole log of a build, and today's of a
                pipeline.
            min_delay: The minimum delay between two reads of a log that returns nothing new, as seconds or
                timedelta.
            max_delay: The maximum delay, up to which the delay grows, as seconds or timedelta.

        Raises:
            OperationError: During the iteration: the log could not be read.
            ObservationError: While following: the build could not be observed.
            ValueError: The ARN is malformed, of another kind or region, `since` has no time zone, a delay is
                invalid, or the client was created with `client` and without `logs_client`.
        """
        identifier = self._identify(arn, ExecutionKind.IMAGE, ResourceKind.IMAGE_PIPELINE)
        cadence = Cadence(parse_seconds(min_delay, "min_delay"), parse_seconds(max_delay, "max_delay"))
        cloudwatch = self._parts.cloudwatch
        check_log_arguments(cloudwatch, since)
        if follow and identifier.kind is ExecutionKind.IMAGE:
            return follow_build_log(cast("Watch[Image]", self.watch(arn)), cloudwatch, since, cadence)
        return read_log(self._caller, cloudwatch, identifier, since, cadence if follow else None)
