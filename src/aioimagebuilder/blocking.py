"""The blocking client, for scripts: the same methods without ``await``.

    from aioimagebuilder.blocking import ImageBuilder

    with ImageBuilder(region_name="eu-west-1") as ib:
        image = ib.wait_for_image(arn, timeout=7200)

The async client runs in its own thread (anyio's blocking portal), so several threads may share one. Ctrl-C
ends a call at once; nothing is cancelled at AWS.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent import futures
from contextlib import ExitStack
from types import TracebackType
from typing import Concatenate, Final, Generic, ParamSpec, Self, TypeVar, cast, overload

from aiobotocore.session import AioSession
from anyio.from_thread import BlockingPortal, start_blocking_portal
from botocore.config import Config

from . import client
from .aws.backoff import Backoff
from .aws.event_loops import check_process
from .aws.sqs import SqsHints
from .polling.build_history import BuildHistory
from .polling.pace import PaceName
from .waiting.botocore_waiters import GetWaiter, Response
from .waiting.options import Duration

__all__ = ["BlockingIterator", "ImageBuilder"]

P = ParamSpec("P")
T = TypeVar("T")

_Async = client.ImageBuilder

# Windows handles Ctrl-C only once a blocking call has returned.
_SECONDS_OF_A_CALL: Final = 0.2 if sys.platform == "win32" else None


class _EventLoopThread:
    """The thread in which the async client runs."""

    def __init__(self, portal: BlockingPortal) -> None:
        self.portal = portal
        self._process_id = os.getpid()

    def check_process(self) -> None:
        """Check that this thread runs in the current process; see `event_loops.check_process`."""
        check_process(self._process_id)

    def call(self, function: Callable[[], Awaitable[T]]) -> T:
        """Run `function` in the thread, and return its result."""
        self.check_process()
        future = self.portal.start_task_soon(function)
        try:
            while not futures.wait([future], timeout=_SECONDS_OF_A_CALL).done:
                pass
            return future.result()
        except BaseException:
            # Ctrl-C only interrupts the current thread: cancel what runs in the other one.
            future.cancel()
            raise


class BlockingIterator(Iterator[T]):
    """A blocking iterator over the items of an async iterator.

    The consumer may stop at any time. As a context manager, it ends at once when it is left.
    """

    def __init__(self, thread: _EventLoopThread, source: AsyncIterator[T]) -> None:
        self._thread = thread
        self._source = source

    def __next__(self) -> T:
        try:
            return self._thread.call(self._source.__anext__)
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        """End the iteration at once."""
        self._thread.call(lambda: _close(self._source))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # The source belongs to the thread of the event loop, and must be closed there. If the portal has
        # stopped, it has been closed already.
        if not sys.is_finalizing():
            with contextlib.suppress(RuntimeError):
                self._thread.check_process()
                self._thread.portal.start_task_soon(_close, self._source)


async def _close(source: AsyncIterator[object]) -> None:
    aclose: Callable[[], Awaitable[None]] | None = getattr(source, "aclose", None)
    if aclose is not None:
        await aclose()


class _Blocking(Generic[P, T]):
    """A method that runs the async method in the thread of the event loop, and returns its result."""

    def __init__(self, method: Callable[Concatenate[_Async, P], Awaitable[T]]) -> None:
        self._method = method
        functools.update_wrapper(cast("Callable[P, T]", self), method)

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: ImageBuilder, owner: type) -> Callable[P, T]: ...
    def __get__(self, instance: ImageBuilder | None, owner: type) -> Self | Callable[P, T]:
        if instance is None:
            return self

        @functools.wraps(self._method)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return instance.thread.call(lambda: self._method(instance.client, *args, **kwargs))

        return call


class _Iterating(Generic[P, T]):
    """A method that iterates over what the async method returns."""

    def __init__(self, method: Callable[Concatenate[_Async, P], AsyncIterator[T]]) -> None:
        self._method = method
        functools.update_wrapper(cast("Callable[P, BlockingIterator[T]]", self), method)

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: ImageBuilder, owner: type) -> Callable[P, BlockingIterator[T]]: ...
    def __get__(self, instance: ImageBuilder | None, owner: type) -> Self | Callable[P, BlockingIterator[T]]:
        if instance is None:
            return self

        @functools.wraps(self._method)
        def iterate(*args: P.args, **kwargs: P.kwargs) -> BlockingIterator[T]:
            return BlockingIterator(instance.thread, self._method(instance.client, *args, **kwargs))

        return iterate


class ImageBuilder:
    """A blocking client of EC2 Image Builder with the methods of `aioimagebuilder.ImageBuilder`.

    It is a context manager, and may be shared by threads. The arguments are those of the async client, except
    `client`, `logs_client` and that of `hints`: an open aiobotocore client belongs to another event loop.

    Raises:
        ValueError, TypeError: As for the async client, or `hints` has a client.
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
        self._open: tuple[_EventLoopThread, ExitStack] | None = None
        if isinstance(hints, SqsHints) and hints.client is not None:
            raise ValueError("Pass SqsHints without client=: an open client belongs to another event loop.")
        self._client = _Async(
            region_name=region_name,
            profile_name=profile_name,
            endpoint_url=endpoint_url,
            aws_access_key_id=aws_access_key_id,
            aws_secret_access_key=aws_secret_access_key,
            aws_session_token=aws_session_token,
            session=session,
            config=config,
            min_delay=min_delay,
            max_delay=max_delay,
            pace=pace,
            history=history,
            not_found_grace=not_found_grace,
            backoff=backoff,
            hints=hints,
            hinted_max_delay=hinted_max_delay,
        )

    def __enter__(self) -> Self:
        if self._open is not None:
            raise RuntimeError("This ImageBuilder is already open: create another one, or share it.")
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal())
            thread = _EventLoopThread(portal)
            thread.call(self._client.__aenter__)
            stack.callback(thread.call, self._client.aclose)
            self._open = thread, stack.pop_all()
            # During the shutdown of the interpreter the thread of the portal no longer runs, and stopping the
            # portal would block forever. The portal keeps this alive, so that dropping this client does not
            # stop it.
            vars(portal)["held"] = self._open
        return self

    def __del__(self) -> None:
        if not sys.is_finalizing():
            with contextlib.suppress(RuntimeError):
                self.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the client. Every wait that is still open in another thread raises a `ClientClosedError`.

        Raises:
            RuntimeError: It was opened in the process that this one is a fork of.
        """
        if self._open is not None:
            thread, stack = self._open
            thread.check_process()
            self._open = None
            stack.close()

    @property
    def client(self) -> _Async:
        """The async client, which belongs to the event loop of `thread`."""
        return self._client

    @property
    def thread(self) -> _EventLoopThread:
        """The thread of the async client."""
        if self._open is None:
            raise RuntimeError("This ImageBuilder is not open: use `with ImageBuilder(...) as ib:`.")
        return self._open[0]

    @property
    def get_waiter(self) -> GetWaiter[Response]:
        """Return a waiter with the interface of botocore's, by its name; see the async client."""
        run = self._client.get_waiter.run
        return GetWaiter(lambda waiter, arguments: self.thread.call(lambda: run(waiter, arguments)))

    @property
    def waiter_names(self) -> list[str]:
        """The names of the waiters that `get_waiter` returns."""
        return self._client.waiter_names

    wait = _Blocking(_Async.wait)
    wait_for_image = _Blocking(_Async.wait_for_image)
    wait_for_workflow_execution = _Blocking(_Async.wait_for_workflow_execution)
    wait_for_workflow_step = _Blocking(_Async.wait_for_workflow_step)
    wait_for_lifecycle_execution = _Blocking(_Async.wait_for_lifecycle_execution)
    wait_all = _Blocking(_Async.wait_all)
    wait_for_next_image = _Blocking(_Async.wait_for_next_image)
    watch = _Iterating(_Async.watch)
    watch_pipeline = _Iterating(_Async.watch_pipeline)
    diagnose = _Blocking(_Async.diagnose)
    logs = _Iterating(_Async.logs)
    as_completed = _Iterating(_Async.as_completed)

    build = _Blocking(_Async.build)
    retry = _Blocking(_Async.retry)
    cancel = _Blocking(_Async.cancel)
    resume = _Blocking(_Async.resume)
    stop = _Blocking(_Async.stop)

    get_image = _Blocking(_Async.get_image)
    get_workflow_execution = _Blocking(_Async.get_workflow_execution)
    get_workflow_step_execution = _Blocking(_Async.get_workflow_step_execution)
    get_lifecycle_execution = _Blocking(_Async.get_lifecycle_execution)
    list_workflow_executions = _Iterating(_Async.list_workflow_executions)
    list_workflow_step_executions = _Iterating(_Async.list_workflow_step_executions)
    list_waiting_workflow_steps = _Iterating(_Async.list_waiting_workflow_steps)
    list_image_build_versions = _Iterating(_Async.list_image_build_versions)
    list_image_pipeline_images = _Iterating(_Async.list_image_pipeline_images)
    list_lifecycle_executions = _Iterating(_Async.list_lifecycle_executions)
    list_lifecycle_execution_resources = _Iterating(_Async.list_lifecycle_execution_resources)

    start_image_pipeline_execution = _Blocking(_Async.start_image_pipeline_execution)
    create_image = _Blocking(_Async.create_image)
    cancel_image_creation = _Blocking(_Async.cancel_image_creation)
    retry_image = _Blocking(_Async.retry_image)
    distribute_image = _Blocking(_Async.distribute_image)
    import_vm_image = _Blocking(_Async.import_vm_image)
    import_disk_image = _Blocking(_Async.import_disk_image)
    send_workflow_step_action = _Blocking(_Async.send_workflow_step_action)
    start_resource_state_update = _Blocking(_Async.start_resource_state_update)
    cancel_lifecycle_execution = _Blocking(_Async.cancel_lifecycle_execution)
