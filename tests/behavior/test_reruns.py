"""Reruns after RetryImage: the image runs again under its ARN, and its stale end is ignored."""

import anyio
import pytest

from aioimagebuilder import (
    ExecutionFailedError,
    ImageBuilder,
    ImageStatus,
    InvalidRequestException,
    WaitTimeoutError,
)
from support.scripted_service import Scripted, ScriptedService, aws_error, image_arn

GRACE_PERIOD = 120


def state(status: str, run: int = 1, **members: object) -> dict:
    failed = {
        "reason": "no space left",
        "failureContext": {"imageStatus": "TESTING", "workflowExecutionId": f"wf-{run}"},
    }
    return {
        "arn": image_arn(),
        "state": {"status": status, **(failed if status == "FAILED" else {}), **members},
    }


def failed_image(service: ScriptedService, *rerun: tuple[float, dict], lag: float = 8.0) -> str:
    """Add a failed image. Once retried, it has the states `rerun`, and reads lag by `lag` seconds."""
    arn = image_arn()
    service.scripts[arn] = Scripted([(0, state("FAILED"))])

    def retry(_: dict, now: float) -> dict:
        service.scripts[arn].states += [(now + lag + at, members) for at, members in rerun]
        return {"imageBuildVersionArn": arn}

    service.actions["retry_image"] = retry
    return arn


RERUN = ((0, state("TESTING")), (60, state("DISTRIBUTING")), (120, state("AVAILABLE")))


@pytest.mark.parametrize("lag", [0.0, 3.0, 20.0, 60.0])
def test_retry_waits_for_the_end_of_the_rerun(run, lag):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            image = await ib.retry(failed_image(service, *RERUN, lag=lag), timeout=600)
            assert image.status == ImageStatus.AVAILABLE

    run(main)


@pytest.mark.parametrize("wait", ["wait", "watch", "as_completed"])
@pytest.mark.parametrize("lag", [0.0, 8.0, 60.0])
def test_wait_after_retry_image_ignores_the_stale_end(run, lag, wait):
    async def main():
        service = ScriptedService()
        arn = failed_image(service, *RERUN, lag=lag)
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ExecutionFailedError):
                await ib.wait(arn, timeout=0)
            await ib.retry_image(arn)
            if wait == "wait":
                seen = [await ib.wait(arn, timeout=None)]
            elif wait == "watch":
                seen = [image async for image in ib.watch(arn)]
            else:
                seen = [image async for image in ib.as_completed([arn], timeout=None)]
        assert "FAILED" not in [str(each.status) for each in seen]
        assert seen[-1].status == ImageStatus.AVAILABLE

    run(main)


def test_alternating_stale_reads_are_ignored(run):
    async def main():
        service = ScriptedService()
        rerun = [(at, state("TESTING" if at % 10 else "FAILED")) for at in range(0, 50, 5)]
        arn = failed_image(service, *rerun, (50, state("AVAILABLE")))
        async with ImageBuilder(client=service) as ib:
            await ib.retry_image(arn)
            seen = [str(image.status) async for image in ib.watch(arn, min_delay=1, max_delay=2)]
        assert seen == ["TESTING", "AVAILABLE"]

    run(main)


def test_rerun_with_a_new_failure_raises_at_once(run):
    async def main():
        service = ScriptedService()
        arn = failed_image(service, (0, state("TESTING")), (20, state("FAILED", run=2)))
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ExecutionFailedError) as caught:
                await ib.retry(arn, timeout=None)
            assert service.now < 60
            assert caught.value.execution.state.failure_context.workflow_execution_id == "wf-2"

    run(main)


@pytest.mark.parametrize("rerun", [(), ((0, state("TESTING")), (20, state("FAILED")))])
def test_unchanged_end_is_accepted_after_the_grace_period(run, rerun):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ExecutionFailedError):
                await ib.retry(failed_image(service, *rerun), timeout=None)
            assert GRACE_PERIOD <= service.now < GRACE_PERIOD + 31

    run(main)


def test_stale_end_is_polled_at_the_usual_rate(run):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ExecutionFailedError):
                await ib.retry(failed_image(service), timeout=None)
        assert service.count("get_image") < GRACE_PERIOD / 5

    run(main)


@pytest.mark.parametrize("timeout", [0, 30])
def test_timeout_during_stale_reads_says_so(run, timeout):
    async def main():
        service = ScriptedService()
        arn = failed_image(service)
        async with ImageBuilder(client=service) as ib:
            await ib.retry_image(arn)
            with pytest.raises(
                WaitTimeoutError, match="is being retried, and still reads FAILED as before"
            ) as caught:
                await ib.wait(arn, timeout=timeout)
            assert caught.value.execution.status == ImageStatus.FAILED

    run(main)


def test_running_watch_ignores_the_stale_end(run):
    async def main():
        # The image fails and is retried between two polls of the watch.
        service = ScriptedService()
        arn = failed_image(service, *RERUN)
        service.scripts[arn].states = [(0, state("DISTRIBUTING")), (10, state("FAILED"))]
        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:
            seen = []

            async def watch() -> None:
                async for image in ib.watch(arn, min_delay=30, max_delay=30):
                    seen.append(str(image.status))

            tasks.start_soon(watch)
            await anyio.sleep(15)
            await ib.retry_image(arn)
        assert seen == ["DISTRIBUTING", "TESTING", "DISTRIBUTING", "AVAILABLE"]

    run(main)


def test_concurrent_retries_share_one_rerun(run):
    async def main():
        service = ScriptedService()
        arn = failed_image(service, *RERUN)
        first = service.actions["retry_image"]
        requests = []

        def retry(params: dict, now: float) -> dict:
            if requests:
                raise aws_error("ResourceInUseException", 400)
            requests.append(now)
            return first(params, now)

        service.actions["retry_image"] = retry
        ended = []
        async with ImageBuilder(client=service) as ib, ImageBuilder(client=service) as other:

            async def retry_with(each: ImageBuilder) -> None:
                ended.append((await each.retry(arn, timeout=None)).status)

            async with anyio.create_task_group() as tasks:
                for each in (ib, ib, other):
                    tasks.start_soon(retry_with, each)
        assert ended == [ImageStatus.AVAILABLE] * 3

    run(main)


def test_rejected_retry_raises_and_expects_no_rerun(run):
    async def main():
        service = ScriptedService()
        arn = failed_image(service)

        def reject(*_: object) -> dict:
            raise aws_error("InvalidRequestException", 400, message="only AMIs")

        service.actions["retry_image"] = reject
        async with ImageBuilder(client=service) as ib:
            for retry in (lambda: ib.retry(arn, timeout=60), lambda: ib.retry_image(arn)):
                with pytest.raises(InvalidRequestException, match="only AMIs"):
                    await retry()
            with pytest.raises(ExecutionFailedError):
                await ib.wait(arn, timeout=0)

    run(main)


def test_end_long_after_a_rerun_is_accepted(run):
    async def main():
        service = ScriptedService()
        arn = failed_image(service, *RERUN)
        async with ImageBuilder(client=service) as ib:
            assert (await ib.retry(arn, timeout=None)).status == ImageStatus.AVAILABLE
            service.scripts[arn].states = [(0, state("FAILED"))]
            await anyio.sleep(GRACE_PERIOD)
            with pytest.raises(ExecutionFailedError):
                await ib.wait(arn, timeout=0)

    run(main)
