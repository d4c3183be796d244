"""RetryImage runs an ended image again under the same ARN, and reads lag: no stale end is an answer."""

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

GRACE = 120


def state(status: str, run: int = 1, **members: object) -> dict:
    failed = {
        "reason": "no space left",
        "failureContext": {"imageStatus": "TESTING", "workflowExecutionId": f"wf-{run}"},
    }
    return {
        "arn": image_arn(),
        "state": {"status": status, **(failed if status == "FAILED" else {}), **members},
    }


def failed_image(service: ScriptedService, *again: tuple[float, dict], lag: float = 8.0) -> str:
    """An image that failed; once it is retried, it goes through `again`, which is read `lag` seconds late."""
    arn = image_arn()
    service.scripts[arn] = Scripted([(0, state("FAILED"))])

    def retry(_: dict, now: float) -> dict:
        course = service.scripts[arn].states
        course += [(now + lag + at, members) for at, members in again]
        return {"imageBuildVersionArn": arn}

    service.actions["retry_image"] = retry
    return arn


COURSE = ((0, state("TESTING")), (60, state("DISTRIBUTING")), (120, state("AVAILABLE")))


@pytest.mark.parametrize("lag", [0.0, 3.0, 20.0, 60.0])
def test_retry_waits_for_the_new_end(run, lag):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            image = await ib.retry(failed_image(service, *COURSE, lag=lag), timeout=600)
            assert image.status == ImageStatus.AVAILABLE

    run(main)


@pytest.mark.parametrize("wait", ["wait", "watch", "as_completed"])
@pytest.mark.parametrize("lag", [0.0, 8.0, 60.0])
def test_a_wait_begun_at_once_after_retry_image_never_tells_the_stale_end(run, lag, wait):
    async def main():
        service = ScriptedService()
        arn = failed_image(service, *COURSE, lag=lag)
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


def test_reads_that_go_back_and_forth_are_seen_through(run):
    async def main():
        service = ScriptedService()
        again = [(at, state("TESTING" if at % 10 else "FAILED")) for at in range(0, 50, 5)]
        arn = failed_image(service, *again, (50, state("AVAILABLE")))
        async with ImageBuilder(client=service) as ib:
            await ib.retry_image(arn)
            seen = [str(image.status) async for image in ib.watch(arn, min_delay=1, max_delay=2)]
        assert seen == ["TESTING", "AVAILABLE"]

    run(main)


def test_a_rerun_that_fails_otherwise_is_told_at_once(run):
    async def main():
        service = ScriptedService()
        arn = failed_image(service, (0, state("TESTING")), (20, state("FAILED", run=2)))
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ExecutionFailedError) as caught:
                await ib.retry(arn, timeout=None)
            assert service.now < 60
            assert caught.value.execution.state.failure_context.workflow_execution_id == "wf-2"

    run(main)


@pytest.mark.parametrize("again", [(), ((0, state("TESTING")), (20, state("FAILED")))])
def test_a_rerun_that_reads_as_before_is_believed_after_a_grace(run, again):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ExecutionFailedError):
                await ib.retry(failed_image(service, *again), timeout=None)
            assert GRACE <= service.now < GRACE + 31

    run(main)


def test_the_stale_end_costs_polls_of_the_usual_pace(run):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ExecutionFailedError):
                await ib.retry(failed_image(service), timeout=None)
        assert service.count("get_image") < GRACE / 5

    run(main)


@pytest.mark.parametrize("timeout", [0, 30])
def test_a_deadline_among_stale_reads_says_so(run, timeout):
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


def test_who_waits_already_is_not_told_the_stale_end_either(run):
    async def main():
        # The first run fails between two polls, and is retried by somebody beside.
        service = ScriptedService()
        arn = failed_image(service, *COURSE)
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


def test_a_second_who_retries_joins_the_first(run):
    async def main():
        service = ScriptedService()
        arn = failed_image(service, *COURSE)
        first = service.actions["retry_image"]
        asked = []

        def retry(params: dict, now: float) -> dict:
            if asked:
                raise aws_error("ResourceInUseException", 400)
            asked.append(now)
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


def test_a_retry_that_is_refused_is_told_and_leaves_the_end_an_answer(run):
    async def main():
        service = ScriptedService()
        arn = failed_image(service)

        def refuse(*_: object) -> dict:
            raise aws_error("InvalidRequestException", 400, message="only AMIs")

        service.actions["retry_image"] = refuse
        async with ImageBuilder(client=service) as ib:
            for attempt in (lambda: ib.retry(arn, timeout=60), lambda: ib.retry_image(arn)):
                with pytest.raises(InvalidRequestException, match="only AMIs"):
                    await attempt()
            with pytest.raises(ExecutionFailedError):
                await ib.wait(arn, timeout=0)

    run(main)


def test_long_after_a_rerun_an_end_is_an_end(run):
    async def main():
        service = ScriptedService()
        arn = failed_image(service, *COURSE)
        async with ImageBuilder(client=service) as ib:
            assert (await ib.retry(arn, timeout=None)).status == ImageStatus.AVAILABLE
            service.scripts[arn].states = [(0, state("FAILED"))]
            await anyio.sleep(GRACE)
            with pytest.raises(ExecutionFailedError):
                await ib.wait(arn, timeout=0)

    run(main)
