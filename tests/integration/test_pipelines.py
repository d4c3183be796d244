"""The next image of a pipeline over the wire, from a simulator that builds it meanwhile."""

import anyio
import boto3
import pytest
from aiobotocore.config import AioConfig

from aioimagebuilder import ExecutionFailedError, ExecutionNotFoundError, ImageBuilder, blocking
from aioimagebuilder.testing import BuildScript, Fault, Simulator

from .conftest import BACKOFF, CADENCE, CLIENTS

LIST = "ListImagePipelineImages"


async def wait_until_polled(simulator: Simulator) -> None:
    """Wait until a poll of the pipeline that starts from now on has been answered."""
    # The first may have been in flight, and the last may not have been answered.
    calls = simulator.call_count(LIST) + 3
    with anyio.fail_after(20):
        while simulator.call_count(LIST) < calls:
            await anyio.sleep(0.01)


@pytest.mark.parametrize(("backend", "options"), CLIENTS)
def test_next_image_is_awaited_while_others_watch(simulator: Simulator, backend, options):
    pipeline = simulator.create_pipeline("demo")
    earlier = simulator.start_build(pipeline)
    found: list[object] = []

    async def wait(ib: ImageBuilder) -> None:
        found.append(await ib.wait_for_next_image(pipeline, timeout=60))

    async def watch(ib: ImageBuilder) -> None:
        async with ib.watch_pipeline(pipeline, after=earlier) as images:
            found.append(await anext(images))

    async def main() -> str:
        config = AioConfig(**options)
        async with ImageBuilder(**simulator.client_arguments, **CADENCE, config=config) as ib:
            async with anyio.create_task_group() as tasks:
                for consume in (wait, wait, watch):
                    tasks.start_soon(consume, ib)
                await wait_until_polled(simulator)
                arn = simulator.start_build(pipeline)
            after = await ib.wait_for_next_image(pipeline, after=earlier, timeout=60)
            assert (after.id, str(after.status)) == (arn, "AVAILABLE")
            assert after.amis
            return arn

    arn = anyio.run(main, backend=backend)
    assert [image.id for image in found] == [arn] * 3
    assert sum(image.status == "AVAILABLE" for image in found) >= 2


@pytest.mark.asyncio
async def test_new_images_of_a_long_list_survive_faults(simulator: Simulator):
    pipeline = simulator.create_pipeline("demo")
    for _ in range(60):
        simulator.start_build(pipeline)
        # The dates of images order the list.
        simulator.advance(60)
    async with ImageBuilder(**simulator.client_arguments, **CADENCE, backoff=BACKOFF) as ib:
        watch = ib.watch_pipeline(pipeline, timeout=60)
        async with anyio.create_task_group() as tasks:
            found: list[str] = []

            async def consume() -> None:
                async for image in watch:
                    found.append(image.id)
                    if len(found) == 4:
                        return

            tasks.start_soon(consume)
            await wait_until_polled(simulator)
            for fault in (
                Fault("throttle", operation=LIST, times=3),
                Fault("error", operation=LIST, times=3, code="ServiceUnavailableException", status=503),
                Fault("error", operation=LIST, times=1, code="InvalidPaginationTokenException", status=400),
                Fault("reset", operation=LIST, times=3),
            ):
                simulator.inject(fault)
                simulator.advance(60)
                await wait_until_polled(simulator)
                simulator.start_build(pipeline)
                await wait_until_polled(simulator)
        assert found == [f"{found[0].rpartition('/')[0]}/{number}" for number in (61, 62, 63, 64)]


@pytest.mark.asyncio
async def test_failed_next_image_raises_with_its_diagnosis(simulator: Simulator):
    simulator.script(BuildScript.failing_component("no space left"), default=True)
    pipeline = simulator.create_pipeline("demo")
    async with ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
        earlier = simulator.start_build(pipeline)
        arn = simulator.start_build(pipeline)
        with pytest.raises(ExecutionFailedError) as caught:
            await ib.wait_for_next_image(pipeline, after=earlier, timeout=60, diagnose=True)
    assert caught.value.identifier == arn
    assert "no space left" in str(caught.value.diagnosis)


@pytest.mark.asyncio
async def test_deleted_pipeline_ends_its_watch(simulator: Simulator):
    pipeline = simulator.create_pipeline("demo")
    async with ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
        async with anyio.create_task_group() as tasks:

            async def consume() -> None:
                with pytest.raises(ExecutionNotFoundError, match="no longer exists"):
                    await anext(ib.watch_pipeline(pipeline, timeout=60))

            tasks.start_soon(consume)
            await wait_until_polled(simulator)
            client = boto3.client("imagebuilder", **simulator.client_arguments)
            await anyio.to_thread.run_sync(lambda: client.delete_image_pipeline(imagePipelineArn=pipeline))
        with pytest.raises(ExecutionNotFoundError, match="does not exist"):
            await ib.wait_for_next_image(pipeline, timeout=60)


def test_blocking_client_waits_for_the_next_image(simulator: Simulator):
    simulator.set_time_scale(0)
    pipeline = simulator.create_pipeline("demo")
    earlier = simulator.start_build(pipeline)
    with blocking.ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
        with ib.watch_pipeline(pipeline, include_running=True, timeout=60) as images:
            assert next(images).id == earlier
            arn = simulator.start_build(pipeline)
            assert next(images).id == arn
        simulator.advance(3600)
        assert ib.wait_for_next_image(pipeline, after=earlier, timeout=60).id == arn
