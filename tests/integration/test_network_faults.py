"""What a network can do to a wait, done by a proxy between a real client and the simulator."""

import gc
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, ExitStack

import anyio
import pytest
from aiobotocore.config import AioConfig

from aioimagebuilder import (
    CallRateLimitExceededException,
    ConnectionFailedError,
    ImageBuilder,
    ObservationError,
    ServerError,
    WaitTimeoutError,
)
from aioimagebuilder.testing import Simulator

from .conftest import BACKOFF, CADENCE, CLIENTS
from .fault_proxy import HostileProxy, Trouble

# A stalled answer is given up after this: the real default of half a minute would make slow tests.
READ_TIMEOUT = 0.2

Meeting = Callable[[Trouble, HostileProxy, ImageBuilder], Awaitable[None]]

PASSING = [
    Trouble("reset", times=3),
    Trouble("reset_in_body", times=3),
    Trouble("stall", times=2),
    Trouble("half_close", times=3),
    Trouble("garbage", times=3),
    Trouble("throttle", seconds=0.4),
    Trouble("unavailable", seconds=0.4),
    Trouble("drip", times=2),
    Trouble("hang_up", times=3),
]

LASTING = {
    Trouble("reset"): ConnectionFailedError,
    Trouble("reset_in_body"): ConnectionFailedError,
    Trouble("stall"): ConnectionFailedError,
    Trouble("half_close"): ConnectionFailedError,
    Trouble("garbage"): ConnectionFailedError,
    Trouble("throttle"): CallRateLimitExceededException,
    Trouble("unavailable"): ServerError,
}


@pytest.fixture
def network(simulator: Simulator):
    """Get a new proxy; at the end, none of them has a connection left."""
    with ExitStack() as stack:
        proxies = []

        def new() -> HostileProxy:
            proxies.append(stack.enter_context(HostileProxy(simulator.endpoint_url)))
            return proxies[-1]

        yield new
        assert not any(proxy.has_connections() for proxy in proxies)
    # What was dropped unclosed warns as it is collected, and warnings are errors.
    gc.collect()


@pytest.fixture
def open_client(simulator: Simulator) -> Callable[..., ImageBuilder]:
    def make(proxy: HostileProxy, **options: object) -> ImageBuilder:
        arguments = {**simulator.client_arguments, "endpoint_url": proxy.endpoint_url}
        config = AioConfig(read_timeout=READ_TIMEOUT, **options)
        return ImageBuilder(**arguments, **CADENCE, config=config, backoff=BACKOFF)

    return make


@pytest.fixture
def meet_at_once(network, open_client):
    """Let `act` meet each of the troubles, all at once, each with a proxy and a client of its own."""

    def run(act: Meeting, troubles: Iterable[Trouble], backend: str, options: dict) -> None:
        async def main() -> None:
            async with AsyncExitStack() as stack:
                proxies = [(trouble, network()) for trouble in troubles]
                clients = [
                    await stack.enter_async_context(open_client(proxy, **options)) for _, proxy in proxies
                ]
                async with anyio.create_task_group() as tasks:
                    for (trouble, proxy), ib in zip(proxies, clients, strict=True):
                        tasks.start_soon(act, trouble, proxy, ib)

        anyio.run(main, backend=backend)

    return run


@pytest.mark.parametrize(("backend", "options"), CLIENTS)
def test_a_passing_trouble_fails_no_wait_and_hides_no_outcome(
    simulator: Simulator, meet_at_once, backend, options
):
    async def meet(trouble: Trouble, proxy: HostileProxy, ib: ImageBuilder) -> None:
        proxy.inject(trouble)
        ids = [
            simulator.add_execution("workflow_execution", [("RUNNING", 150.0), (end, None)])
            for end in ("COMPLETED", "FAILED")
        ]
        ended = await ib.wait_all(ids, timeout=30, check=False)
        assert [str(each.status) for each in ended] == ["COMPLETED", "FAILED"]
        assert 1 <= proxy.met[trouble.kind] <= (trouble.times or proxy.requests)

    meet_at_once(meet, PASSING, backend, options)


@pytest.mark.parametrize(("backend", "options"), CLIENTS)
def test_a_lasting_trouble_is_told_at_the_deadline_with_its_cause_and_all_tries_counted(
    simulator: Simulator, meet_at_once, backend, options
):
    async def meet(trouble: Trouble, proxy: HostileProxy, ib: ImageBuilder) -> None:
        proxy.inject(trouble)
        execution = simulator.add_execution("workflow_execution", [("RUNNING", None)])
        with pytest.raises(ObservationError) as caught:
            await ib.wait(execution, timeout=1)
        error = caught.value
        assert isinstance(error.__cause__, LASTING[trouble])
        assert error.execution is None
        assert 1 <= error.elapsed < 1 + READ_TIMEOUT + 1
        assert proxy.requests == proxy.met[trouble.kind]
        # aiohttp itself repeats a request once whose connection broke before any answer: no poll of ours.
        repeats = 2 if trouble.kind == "reset" and (backend, options) == CLIENTS[0].values else 1
        assert 2 <= error.polls <= proxy.requests <= repeats * error.polls
        assert error.throttles == (proxy.requests if trouble.kind == "throttle" else 0)

    meet_at_once(meet, LASTING, backend, options)


@pytest.mark.parametrize(("backend", "options"), CLIENTS)
def test_one_trouble_after_the_other_fails_no_wait(
    simulator: Simulator, network, open_client, backend, options
):
    proxy = network()
    pipeline = simulator.create_pipeline("demo")
    proxy.inject(*(Trouble(each.kind, times=1) for each in PASSING))

    async def main():
        async with open_client(proxy, **options) as ib:
            arn = await ib.start_image_pipeline_execution(pipeline)
            states = [str(image.status) async for image in ib.watch(arn, timeout=30)]
            images = [image.arn async for image in ib.list_image_pipeline_images(pipeline)]
            return arn, states, images

    arn, states, images = anyio.run(main, backend=backend)
    assert states[-1] == "AVAILABLE"
    assert images == [arn]
    assert set(proxy.met) == {None, *(each.kind for each in PASSING)}


@pytest.mark.parametrize(("backend", "options"), CLIENTS)
def test_trouble_after_a_first_look_leaves_a_short_wait_a_timeout_that_tells_the_last_state(
    simulator: Simulator, network, open_client, backend, options
):
    proxy = network()
    execution = simulator.add_execution("workflow_execution", [("RUNNING", None)])

    async def main():
        async with open_client(proxy, **options) as ib:
            async with ib.watch(execution) as watch:
                await anext(watch)
                proxy.inject(Trouble("throttle", seconds=0.2))
                with pytest.raises(WaitTimeoutError) as caught:
                    await ib.wait(execution, timeout=0.6)
                return caught.value

    error = anyio.run(main, backend=backend)
    assert error.execution.status == "RUNNING"
    assert 1 <= error.throttles == proxy.met["throttle"] < error.polls


@pytest.mark.parametrize(("backend", "options"), CLIENTS)
@pytest.mark.parametrize("kind", ["stall", "drip", "throttle"])
def test_a_wait_cancelled_in_the_middle_of_trouble_leaves_no_connection(
    simulator: Simulator, network, open_client, kind, backend, options
):
    proxy = network()
    execution = simulator.add_execution("workflow_execution", [("RUNNING", None)])

    async def main():
        async with open_client(proxy, **options) as ib:
            proxy.inject(Trouble(kind))
            with anyio.move_on_after(0.15) as scope:
                await ib.wait(execution, timeout=None)
            assert scope.cancelled_caught
            proxy.inject()
            with anyio.fail_after(5):
                return await ib.get_workflow_execution(execution)

    assert anyio.run(main, backend=backend).status == "RUNNING"
