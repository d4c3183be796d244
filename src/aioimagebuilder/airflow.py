"""Airflow 3: builds and waits as deferred tasks (extra ``airflow``).

    from aioimagebuilder.airflow import BuildImageOperator

    build = BuildImageOperator(task_id="build", pipeline_arn=PIPELINE, timeout=timedelta(hours=3))

A task starts its build in a worker and defers at once. Its trigger waits in the triggerer, where all triggers
of a connection and region share one client, and so their polls. docs/airflow.md explains the rest.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import time
import uuid
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, TypedDict

import anyio
from airflow.sdk import BaseHook, BaseOperator, BaseSensorOperator, Connection, Context
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowRuntimeError,
    AirflowSensorTimeout,
    AirflowTaskTimeout,
    TaskDeferralError,
    TaskDeferralTimeout,
)
from airflow.triggers.base import BaseTrigger, TriggerEvent
from anyio.lowlevel import RunVar

from . import blocking
from .client import ImageBuilder
from .errors import (
    ConnectionFailedError,
    ExecutionFailedError,
    MalformedResponseError,
    OperationError,
    ServerError,
    WaitError,
    WaitTimeoutError,
)
from .models.executions import Execution, Image
from .models.identifiers import Identifier, ResourceKind
from .waiting.options import Duration, parse_cadence, parse_seconds

__all__ = ["AmiResult", "BuildImageOperator", "ImageBuilderSensor", "ImageBuilderTrigger", "Result"]

_TOKENS: Final = uuid.UUID("5d0ad7ab-0d4e-4c39-8ac2-1d6ab06d1a1c")
_XCOM_KEY: Final = "return_value"
_IMAGE_KEY: Final = "image"
# Repeating it can never help: a missing connection, or an argument of a wrong type or value.
_INVALID: Final = (AirflowNotFoundException, TypeError, ValueError)
# The service may have performed the call.
_OUTCOME_UNKNOWN: Final = (ServerError, ConnectionFailedError, MalformedResponseError, AirflowTaskTimeout)
# Airflow gives `on_kill` thirty seconds.
_KILL_TIMEOUT: Final = 25.0
_EXTRA: Final = (
    *("region_name", "endpoint_url", "profile_name"),
    *("aws_access_key_id", "aws_secret_access_key", "aws_session_token"),
)


class AmiResult(TypedDict):
    """An AMI in a `Result`."""

    region: str | None
    account: str | None
    image: str | None
    name: str | None


class Result(TypedDict):
    """What became of a wait: the event of the trigger, and the XCom of the task, also of one that failed.

    Attributes:
        id: The id or ARN.
        end: How the wait ended: ``"ended"`` with the work, ``"timed out"``, ``"unobservable"``, or
            ``"invalid"`` for an id or option that can never work.
        status: The last status seen.
        outcome: ``"succeeded"``, ``"skipped"``, ``"failed"`` or ``"cancelled"``; ``None`` if it has not
            ended.
        amis: The AMIs that a build produced, those that a failed one left behind among them.
        image_uris: The URIs of the container images that a build produced.
        summary: Why it did not succeed, in one line: that of the diagnosis, if the work failed.
    """

    id: str
    end: str
    status: str | None
    outcome: str | None
    amis: list[AmiResult]
    image_uris: list[str]
    summary: str | None


class ImageBuilderTrigger(BaseTrigger):
    """Waits in the triggerer until an execution has ended, and fires one event with a `Result`.

    It can be started again in another triggerer at any time, since it has no state.

    Args:
        identifier: An id (``wf-…``, ``step-…``, ``lce-…``) or the ARN of an image build version.
        deadline: The end of the wait, at which the last poll is made, in epoch seconds; ``None`` waits
            forever.
        aws_conn_id: The Airflow connection; ``None`` for the credentials that botocore finds.
        region_name: The region, if it is not that of the ARN, the connection or the environment.
        min_delay: The minimum delay between two polls, in seconds.
        max_delay: The maximum delay, in seconds.
        cancel_on_kill: Whether to cancel the image at AWS when a user ends the task: marks it as failed or
            succeeded, or clears it. A triggerer that stops cancels nothing.
    """

    def __init__(
        self,
        *,
        identifier: str,
        deadline: float | None,
        aws_conn_id: str | None = None,
        region_name: str | None = None,
        min_delay: float = 5,
        max_delay: float = 30,
        cancel_on_kill: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.identifier = identifier
        self.deadline = deadline
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.min_delay = min_delay
        self.max_delay = max_delay
        self.cancel_on_kill = cancel_on_kill

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = (
            *("identifier", "deadline", "aws_conn_id", "region_name"),
            *("min_delay", "max_delay", "cancel_on_kill"),
        )
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        # Nothing is open at the yield: Airflow may leave the generator there.
        yield TriggerEvent(await self._wait())  # type: ignore[no-untyped-call]

    async def _wait(self) -> Result:
        timeout = None if self.deadline is None else max(0.0, self.deadline - time.time())
        try:
            async with self._client() as ib:
                execution = await ib.wait(
                    self.identifier,
                    timeout=timeout,
                    min_delay=self.min_delay,
                    max_delay=self.max_delay,
                    diagnose=True,
                )
        except ExecutionFailedError as error:
            return _result(self.identifier, "ended", error.execution, error)
        except WaitTimeoutError as error:
            return _result(self.identifier, "timed out", error.execution, error)
        except WaitError as error:
            return _result(self.identifier, "unobservable", error.execution, error)
        except _INVALID as error:
            return _result(self.identifier, "invalid", None, error)
        except (OperationError, AirflowException, AirflowRuntimeError) as error:
            return _result(self.identifier, "unobservable", None, error)
        return _result(self.identifier, "ended", execution)

    async def on_kill(self) -> None:
        """Cancel the image at AWS, if it is awaited. Airflow calls this when a user has ended the task."""
        # And rarely for a trigger that it has run again after its event: of an end, or of a deadline.
        if self.cancel_on_kill and (self.deadline is None or time.time() < self.deadline):
            await _uninterrupted(self._cancel_image())

    async def _cancel_image(self) -> None:
        with anyio.fail_after(_KILL_TIMEOUT):
            async with self._client() as ib:
                if not (await ib.get_image(self.identifier)).is_terminal:
                    await ib.cancel_image_creation(self.identifier)

    def _client(self) -> AbstractAsyncContextManager[ImageBuilder]:
        region_name = self.region_name or Identifier.parse(self.identifier).region
        return _shared_client(self.aws_conn_id, region_name)


class BuildImageOperator(BaseOperator):
    """Starts a build of a pipeline, waits for it in the triggerer, and returns a `Result`.

    The build has a client token made of the ids of the Dag, the run and the task, the map index, the number
    of the try and the id that Airflow gives to each try: the same try joins the build that it has started,
    and another one starts a build of its own.

    The task fails, and is retried if it has retries, when the build fails. It fails for good when the build
    is still running at the deadline, cannot be observed, or may have been started by a call whose response
    was lost, since a retry would start a second one beside it. A user who ends the task cancels the build.

    While it builds, the XCom ``image`` of the task has the ARN.

    Args:
        pipeline_arn: The pipeline.
        timeout: The time for the build, as seconds or timedelta; ``None`` waits forever.
        tags: The tags of the new image.
        aws_conn_id: The Airflow connection; ``None`` for the credentials that botocore finds.
        region_name: The region, if it is not that of `pipeline_arn`.
        min_delay: The minimum delay between two polls, as seconds or timedelta.
        max_delay: The maximum delay, up to which the delay grows.
        kwargs: The arguments of every operator.
    """

    template_fields: Sequence[str] = ("pipeline_arn", "tags", "aws_conn_id", "region_name")

    def __init__(
        self,
        *,
        pipeline_arn: str,
        timeout: Duration | None,
        tags: Mapping[str, str] | None = None,
        aws_conn_id: str | None = None,
        region_name: str | None = None,
        min_delay: Duration = 5,
        max_delay: Duration = 30,
        **kwargs: Any,  # noqa: ANN401 - as Airflow's own operators
    ) -> None:
        super().__init__(**kwargs)
        self.pipeline_arn = pipeline_arn
        self.timeout = None if timeout is None else parse_seconds(timeout, "timeout")
        self.tags = tags
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        cadence = parse_cadence(min_delay, max_delay, "smithy")
        self.min_delay, self.max_delay = cadence.min_delay, cadence.max_delay
        self._image: str | None = None

    def execute(self, context: Context) -> NoReturn:
        deadline = None if self.timeout is None else time.time() + self.timeout
        try:
            with self._client() as ib:
                self._image = self._start(ib, _client_token(context))
        except _INVALID as error:
            raise AirflowFailException(str(error)) from error
        self.log.info("Building %s", self._image)
        if self.do_xcom_push:
            context["ti"].xcom_push(key=_IMAGE_KEY, value=self._image)
        trigger = ImageBuilderTrigger(
            identifier=self._image,
            deadline=deadline,
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            min_delay=self.min_delay,
            max_delay=self.max_delay,
            cancel_on_kill=True,
        )
        self.defer(trigger=trigger, method_name="execute_complete", timeout=self.execution_timeout)

    def _start(self, ib: blocking.ImageBuilder, client_token: str) -> str:
        try:
            return ib.start_image_pipeline_execution(
                self.pipeline_arn, tags=self.tags, client_token=client_token
            )
        except _OUTCOME_UNKNOWN as error:
            raise AirflowFailException(
                f"A build of {self.pipeline_arn} may have started: find it before you clear the task. {error}"
            ) from error

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:  # noqa: ANN401 - as the method that it overrides
        """Complete the task. It fails for good if Airflow ended its trigger before there was a result."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except (TaskDeferralError, TaskDeferralTimeout) as error:
            ti = context["ti"]
            image = (
                ti.xcom_pull(key=_IMAGE_KEY, map_indexes=ti.map_index) or f"An image of {self.pipeline_arn}"
            )
            failure = AirflowFailException(
                f"{image} may still be building: look at it before you clear the task. "
                f"Airflow ended the wait: {error}."
            )
            end = "timed out" if isinstance(error, TaskDeferralTimeout) else "unobservable"
            return _complete(self, context, _result(image, end, None, failure), {})

    def execute_complete(self, context: Context, event: Result) -> Result:
        """Return the result of the trigger, or raise for a build that did not succeed."""
        return _complete(self, context, event, {"ended": AirflowException})

    def on_kill(self) -> None:
        """Cancel the build of a task that is killed in the worker, before it has deferred."""
        if self._image is not None:
            with self._client() as ib:
                ib.cancel_image_creation(self._image)

    def _client(self) -> blocking.ImageBuilder:
        pipeline = Identifier.parse(self.pipeline_arn, ResourceKind.IMAGE_PIPELINE)
        region_name = self.region_name or pipeline.region
        if not self.aws_conn_id:
            return blocking.ImageBuilder(region_name=region_name)
        connection = BaseHook.get_connection(self.aws_conn_id)
        _ = connection.extra_dejson  # This hides its secrets in the logs.
        return blocking.ImageBuilder(**_client_arguments(connection, region_name))


class ImageBuilderSensor(BaseSensorOperator):
    """Waits in the triggerer until an execution of any kind has ended, and returns a `Result`.

    The task fails for good if the execution failed, and with `soft_fail` it is skipped. A task that could not
    observe the execution is retried if it has retries. Whoever ends the task, nothing is cancelled at AWS.

    Args:
        identifier: An id (``wf-…``, ``step-…``, ``lce-…``) or the ARN of an image build version.
        aws_conn_id: The Airflow connection; ``None`` for the credentials that botocore finds.
        region_name: The region, if it is not that of an ARN, the connection or the environment.
        min_delay: The minimum delay between two polls, as seconds or timedelta.
        max_delay: The maximum delay, up to which the delay grows.
        kwargs: The arguments of every sensor, among them `timeout`. It always defers, so `mode`,
            `poke_interval` and what belongs to them have no effect.
    """

    template_fields: Sequence[str] = ("identifier", "aws_conn_id", "region_name")

    def __init__(
        self,
        *,
        identifier: str,
        aws_conn_id: str | None = None,
        region_name: str | None = None,
        min_delay: Duration = 5,
        max_delay: Duration = 30,
        **kwargs: Any,  # noqa: ANN401 - as Airflow's own operators
    ) -> None:
        super().__init__(**kwargs)
        self.identifier = identifier
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        cadence = parse_cadence(min_delay, max_delay, "smithy")
        self.min_delay, self.max_delay = cadence.min_delay, cadence.max_delay

    def execute(self, context: Context) -> NoReturn:
        trigger = ImageBuilderTrigger(
            identifier=self.identifier,
            deadline=time.time() + self.timeout,
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            min_delay=self.min_delay,
            max_delay=self.max_delay,
        )
        self.defer(trigger=trigger, method_name="execute_complete", timeout=self.execution_timeout)

    def execute_complete(self, context: Context, event: Result) -> Result:
        """Return the result of the trigger, or raise for an execution that did not succeed."""
        failures = {"timed out": AirflowSensorTimeout, "unobservable": AirflowException}
        return _complete(self, context, event, failures)


def _complete(
    task: BaseOperator, context: Context, event: Result, failures: Mapping[str, type[AirflowException]]
) -> Result:
    """Return a successful result; raise for another one, for good unless `failures` has its end."""
    if event["outcome"] in {"succeeded", "skipped"}:
        return event
    # Airflow stores what is returned, and a callback or task that handles the failure needs the same.
    if task.do_xcom_push:
        context["ti"].xcom_push(key=_XCOM_KEY, value=event)
    raise failures.get(event["end"], AirflowFailException)(event["summary"])


def _result(identifier: str, end: str, execution: Execution | None, error: Exception | None = None) -> Result:
    image = execution if isinstance(execution, Image) else None
    return {
        "id": identifier,
        "end": end,
        "status": str(execution.status) if execution and execution.status else None,
        "outcome": str(execution.outcome) if execution and execution.outcome else None,
        "amis": [
            {"region": each.region, "account": each.account_id, "image": each.image, "name": each.name}
            for each in (image.amis if image else ())
        ],
        "image_uris": list(image.image_uris) if image else [],
        "summary": str(error) if error else None,
    }


def _client_token(context: Context) -> str:
    ti = context["ti"]
    # The id of a task instance is a UUID that Airflow replaces for each try, and keeps within one.
    names = [ti.dag_id, ti.run_id, ti.task_id, ti.map_index, ti.try_number, str(ti.id)]
    return str(uuid.uuid5(_TOKENS, json.dumps(names)))


class _ClientArguments(TypedDict, total=False):
    region_name: str | None
    endpoint_url: str
    profile_name: str
    aws_access_key_id: str
    aws_secret_access_key: str
    aws_session_token: str


def _client_arguments(connection: Connection, region_name: str | None) -> _ClientArguments:
    """Return the arguments of a client for a connection.

    Raises:
        ValueError: The connection has something that this module does not support.
    """
    try:
        extra = json.loads(connection.extra or "{}").items()
    except (AttributeError, ValueError):
        raise ValueError(f"The extra of connection {connection.conn_id!r} is not a JSON object.") from None
    given = {name: value for name, value in extra if value is not None and value != ""}
    if unknown := given.keys() - set(_EXTRA):
        raise ValueError(
            f"The extra of connection {connection.conn_id!r} has {', '.join(sorted(unknown))}, which "
            f"aioimagebuilder.airflow does not support: it supports {', '.join(_EXTRA)}. "
            "To assume a role, name a profile that does."
        )
    if wrong := [name for name, value in given.items() if not isinstance(value, str)]:
        raise ValueError(f"In the extra of connection {connection.conn_id!r}, {wrong[0]} must be text.")
    if bool(connection.login) != bool(connection.password):
        raise ValueError(f"Connection {connection.conn_id!r} has only one of login and password.")
    if connection.login and connection.password:
        given |= {"aws_access_key_id": connection.login, "aws_secret_access_key": connection.password}
    arguments: _ClientArguments = {**given, "region_name": region_name or given.get("region_name")}  # type: ignore[typeddict-item]
    return arguments


@dataclass
class _SharedClient:
    """A client that several triggers use: the first one opens it, and the last one closes it."""

    users: int = 0
    opening: anyio.Lock = field(default_factory=anyio.Lock)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    client: ImageBuilder | None = None
    error: Exception | None = None


_Key = tuple[str | None, str | None]
_clients: Final = RunVar[dict[_Key, _SharedClient]]("clients of the triggers of an event loop")


@asynccontextmanager
async def _shared_client(aws_conn_id: str | None, region_name: str | None) -> AsyncIterator[ImageBuilder]:
    """Open the client of a connection and region, unless another trigger of this event loop has done so.

    A client that could not be opened fails all triggers that wait for it, and the next one tries again.
    """
    clients = _clients.get({})
    _clients.set(clients)
    key = (aws_conn_id, region_name)
    shared = clients.setdefault(key, _SharedClient())
    shared.users += 1
    try:
        async with shared.opening:
            if shared.error is not None:
                raise shared.error
            if shared.client is None:
                try:
                    arguments = await _read_arguments(aws_conn_id, region_name)
                    # Its log records are those of no trigger, so it has none of the context of this one.
                    opening = shared.stack.enter_async_context(ImageBuilder(**arguments))
                    shared.client = await asyncio.create_task(opening, context=contextvars.Context())
                except Exception as error:
                    shared.error = error
                    del clients[key]
                    raise
        yield shared.client
    finally:
        shared.users -= 1
        if shared.users == 0 and shared.error is None:
            del clients[key]
            await _uninterrupted(shared.stack.aclose())


async def _uninterrupted(work: Coroutine[None, None, None]) -> None:
    """Await `work` to its end: Airflow repeats a cancellation each second until the trigger has ended."""
    task = asyncio.ensure_future(work)
    interruption = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            interruption = error
    if interruption is not None:
        raise interruption from task.exception()
    task.result()


async def _read_arguments(aws_conn_id: str | None, region_name: str | None) -> _ClientArguments:
    if not aws_conn_id:
        return {"region_name": region_name}
    connection = await BaseHook.aget_connection(aws_conn_id)
    await connection.aextra_dejson()  # This hides its secrets in the logs.
    return _client_arguments(connection, region_name)
