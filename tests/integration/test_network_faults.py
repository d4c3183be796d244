"""Network faults, injected by a proxy between a real client and the simulator."""

import gc
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace

import anyio
import pytest
from aiobotocore.config import AioConfig
from tenacity import stop_after_attempt

from aioimagebuilder import (
    Backoff,
    CallRateLimitExceededException,
    ConnectionFailedError,
    ImageBuilder,
    MalformedResponseError,
    ObservationError,
    ServerError,
    WaitTimeoutError,
)
from aioimagebuilder.testing import Simulator

from .conftest import BACKOFF, CADENCE, CLIENTS
from .fault_proxy import FaultProxy, NetworkFault

# The default of half a minute would make slow tests.
READ_TIMEOUT = 0.2

CheckFault = Callable[[NetworkFault, FaultProxy, ImageBuilder], Awaitable[None]]

TRANSIENT_FAULTS = [
    NetworkFault("reset", times=3),
    NetworkFault("reset_in_body", times=3),
    NetworkFault("stall", times=2),
    NetworkFault("half_close", times=3),
    NetworkFault("garbage", times=3),
    NetworkFault("redirect", times=3),
    NetworkFault("undecodable_header", times=3),
    NetworkFault("throttle", seconds=0.4),
    NetworkFault("unavailable", seconds=0.4),
    NetworkFault("trickle", times=2),
    NetworkFault("close_after_response", times=3),
]

PERMANENT_FAULTS = {
    NetworkFault("reset"): ConnectionFailedError,
    NetworkFault("reset_in_body"): ConnectionFailedError,
    NetworkFault("stall"): ConnectionFailedError,
    NetworkFault("half_close"): ConnectionFailedError,
    NetworkFault("garbage"): ConnectionFailedError,
    NetworkFault("throttle"): CallRateLimitExceededException,
    NetworkFault("unavailable"): ServerError,
}


@pytest.fixture
def start_proxy(simulator: Simulator):
    """Start proxies, and check at the end that clients have closed all connections to them."""
    with ExitStack() as stack:
        proxies = []

        def start() -> FaultProxy:
            proxies.append(stack.enter_context(FaultProxy(simulator.endpoint_url)))
            return proxies[-1]

        yield start
        assert not any(proxy.has_connections() for proxy in proxies)
    # Unclosed resources warn when they are collected, and warnings are errors.
    gc.collect()


@pytest.fixture
def open_client(simulator: Simulator) -> Callable[..., ImageBuilder]:
    def open_client(proxy: FaultProxy, *, backoff: Backoff = BACKOFF, **options: object) -> ImageBuilder:
        arguments = {**simulator.client_arguments, "endpoint_url": proxy.endpoint_url}
        config = AioConfig(read_timeout=READ_TIMEOUT, **options)
        return ImageBuilder(**arguments, **CADENCE, config=config, backoff=backoff)

    return open_client


@pytest.fixture
def check_concurrently(start_proxy, open_client):
    """Run `check` for all faults concurrently, each with its own proxy and client."""

    def run(check: CheckFault, faults: Iterable[NetworkFault], backend: str, options: dict) -> None:
        async def main() -> None:
            async with AsyncExitStack() as stack:
                proxies = [(fault, start_proxy()) for fault in faults]
                clients = [
                    await stack.enter_async_context(open_client(proxy, **options)) for _, proxy in proxies
                ]
                async with anyio.create_task_group() as tasks:
                    for (fault, proxy), ib in zip(proxies, clients, strict=True):
                        tasks.start_soon(check, fault, proxy, ib)

        anyio.run(main, backend=backend)

    return run


@pytest.mark.parametrize(("backend", "options"), CLIENTS)
def test_transient_network_fault_fails_no_wait(simulator: Simulator, check_concurrently, backend, options):
    async def check(fault: NetworkFault, proxy: FaultProxy, ib: ImageBuilder) -> None:
        proxy.inject(fault)
        ids = [
            simulator.add_execution("workflow_execution", [("RUNNING", 150.0), (status, None)])
            for status in ("COMPLETED", "FAILED")
        ]
        ended = await ib.wait_all(ids, timeout=30, check=False)
        assert [str(each.status) for each in ended] == ["COMPLETED", "FAILED"]
        assert 1 <= proxy.counts[fault.kind] <= (fault.times or proxy.requests)

    check_concurrently(check, TRANSIENT_FAULTS, backend, options)


@pytest.mark.parametrize(("backend", "options"), CLIENTS)
def test_permanent_network_fault_raises_observation_error(
    simulator: Simulator, check_concurrently, backend, options
):
    async def check(fault: NetworkFault, proxy: FaultProxy, ib: ImageBuilder) -> None:
        proxy.inject(fault)
        execution = simulator.add_execution("workflow_execution", [("RUNNING", None)])
        with pytest.raises(ObservationError) as caught:
            await ib.wait(execution, timeout=1)
        error = caught.value
        assert isinstance(error.__cause__, PERMANENT_FAULTS[fault])
        assert error.execution is None
        assert 1 <= error.elapsed < 1 + READ_TIMEOUT + 1
        assert proxy.requests == proxy.counts[fault.kind]
        # aiohttp itself repeats a request once if the connection broke before any response.
        repeats = 2 if fault.kind == "reset" and (backend, options) == CLIENTS[0].values else 1
        assert 2 <= error.polls <= proxy.requests <= repeats * error.polls
        assert error.throttles == (proxy.requests if fault.kind == "throttle" else 0)

    check_concurrently(check, PERMANENT_FAULTS, backend, options)


@pytest.mark.parametrize(("backend", "options"), CLIENTS)
def test_successive_network_faults_fail_no_wait(
    simulator: Simulator, start_proxy, open_client, backend, options
):
    proxy = start_proxy()
    pipeline = simulator.create_pipeline("demo")
    proxy.inject(*(NetworkFault(each.kind, times=1) for each in TRANSIENT_FAULTS))

    async def main():
        async with open_client(proxy, **options) as ib:
            arn = await ib.start_image_pipeline_execution(pipeline)
            states = [str(image.status) async for image in ib.watch(arn, timeout=30)]
            images = [image.arn async for image in ib.list_image_pipeline_images(pipeline)]
            await ib.get_image(arn)
            return arn, states, images

    arn, states, images = anyio.run(main, backend=backend)
    assert states[-1] == "AVAILABLE"
    assert images == [arn]
    assert set(proxy.counts) == {None, *(each.kind for each in TRANSIENT_FAULTS)}


@pytest.mark.parametrize(("backend", "options"), CLIENTS)
def test_throttled_wait_times_out_with_last_state(
    simulator: Simulator, start_proxy, open_client, backend, options
):
    proxy = start_proxy()
    execution = simulator.add_execution("workflow_execution", [("RUNNING", None)])

    async def main():
        async with open_client(proxy, **options) as ib:
            async with ib.watch(execution) as watch:
                await anext(watch)
                proxy.inject(NetworkFault("throttle", seconds=0.2))
                with pytest.raises(WaitTimeoutError) as caught:
                    await ib.wait(execution, timeout=0.6)
                return caught.value

    error = anyio.run(main, backend=backend)
    assert error.execution.status == "RUNNING"
    assert 1 <= error.throttles == proxy.counts["throttle"] < error.polls


@pytest.mark.parametrize(("backend", "options"), CLIENTS)
@pytest.mark.parametrize("kind", ["stall", "trickle", "throttle"])
def test_wait_cancelled_during_fault_leaves_no_connection(
    simulator: Simulator, start_proxy, open_client, kind, backend, options
):
    proxy = start_proxy()
    execution = simulator.add_execution("workflow_execution", [("RUNNING", None)])

    async def main():
        async with open_client(proxy, **options) as ib:
            proxy.inject(NetworkFault(kind))
            with anyio.move_on_after(0.15) as scope:
                await ib.wait(execution, timeout=None)
            assert scope.cancelled_caught
            proxy.inject()
            with anyio.fail_after(5):
                return await ib.get_workflow_execution(execution)

    assert anyio.run(main, backend=backend).status == "RUNNING"


@pytest.mark.parametrize("location", ["http://[::1", "//", "http://127.0.0.1:99999", "ftp://x", "\x07", ""])
@pytest.mark.parametrize(("backend", "options"), CLIENTS)
def test_invalid_redirect_fails_no_wait(simulator, start_proxy, open_client, backend, options, location):
    identifier = simulator.add_execution("workflow_execution", [("COMPLETED", None)])

    async def main() -> None:
        proxy = start_proxy()
        proxy.redirect = (308, location)
        proxy.inject(NetworkFault("redirect", times=2))
        async with open_client(proxy, **options) as ib:
            assert (await ib.wait(identifier, timeout=20)).status == "COMPLETED"

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize(("backend", "options"), CLIENTS)
def test_redirect_is_not_followed(simulator, start_proxy, open_client, backend, options, status):
    identifier = simulator.add_execution("workflow_execution", [("COMPLETED", None)])

    async def main() -> None:
        proxy, other = start_proxy(), start_proxy()
        proxy.redirect = (status, f"{other.endpoint_url}/GetWorkflowExecution")
        proxy.inject(NetworkFault("redirect"))
        backoff = replace(BACKOFF, stop=stop_after_attempt(2))
        async with open_client(proxy, backoff=backoff, **options) as ib:
            with pytest.raises(ObservationError) as caught:
                await ib.wait(identifier, timeout=0.3)
            assert isinstance(caught.value.__cause__, MalformedResponseError)
            assert str(status) in str(caught.value)
            # Nor by a call with a body.
            with pytest.raises(MalformedResponseError):
                await ib.cancel_image_creation(
                    "arn:aws:imagebuilder:us-east-1:123456789012:image/demo/1.0.0/1"
                )
        assert other.requests == 0

    anyio.run(main, backend=backend)
