"""One deadline for all phases of `build`, `retry` and `cancel`, and for the last poll."""

import anyio
import pytest

from aioimagebuilder import (
    ConnectionFailedError,
    ImageBuilder,
    ObservationError,
    OperationError,
    ServiceUnavailableException,
    ThrottledError,
    WaitError,
    WaitTimeoutError,
)
from support.scripted_service import ScriptedService, aws_error, image_arn, lifecycle_id, throttle

PIPELINE = "arn:aws:imagebuilder:us-east-1:123456789012:image-pipeline/demo"
UNAVAILABLE = aws_error("ServiceUnavailableException", 503)

CALLS = {
    "build": lambda ib, timeout: ib.build(PIPELINE, timeout=timeout),
    "create": lambda ib, timeout: ib.build(
        image_recipe_arn="arn:aws:imagebuilder:us-east-1:123456789012:image-recipe/demo/1.0.0",
        infrastructure_configuration_arn=(
            "arn:aws:imagebuilder:us-east-1:123456789012:infrastructure-configuration/demo"
        ),
        timeout=timeout,
    ),
    "retry": lambda ib, timeout: ib.retry(image_arn(), timeout=timeout),
    "cancel": lambda ib, timeout: ib.cancel(image_arn(), timeout=timeout),
    "cancel_lifecycle": lambda ib, timeout: ib.cancel(lifecycle_id(), timeout=timeout),
}
WITH_CALLS = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def _service(**options: object) -> ScriptedService:
    service = ScriptedService(**options)

    def returns(**members: str):
        return lambda *_: members

    arn = service.image((0, "BUILDING"))
    service.lifecycle((0, "IN_PROGRESS"))
    service.actions.update(
        start_image_pipeline_execution=returns(imageBuildVersionArn=arn),
        create_image=returns(imageBuildVersionArn=arn),
        retry_image=returns(imageBuildVersionArn=arn),
        cancel_image_creation=returns(imageBuildVersionArn=arn),
        cancel_lifecycle_execution=returns(lifecycleExecutionId=lifecycle_id()),
    )
    return service


@WITH_CALLS
@pytest.mark.parametrize("timeout", [0, 3, 20])
def test_unavailable_service_ends_every_phase_at_the_deadline(run, call, timeout):
    async def main():
        async with ImageBuilder(client=_service(fault=lambda _: UNAVAILABLE)) as ib:
            with pytest.raises((OperationError, ObservationError)) as caught:
                await call(ib, timeout)
        error = caught.value
        cause = error.__cause__ if isinstance(error, WaitError) else error
        assert isinstance(cause, ServiceUnavailableException)
        assert anyio.current_time() <= timeout + 0.5

    run(main)


@WITH_CALLS
def test_service_that_never_responds_ends_every_phase_soon_after_the_deadline(run, call):
    async def main():
        async with ImageBuilder(client=_service(hang=lambda _: 3600)) as ib:
            with pytest.raises((ConnectionFailedError, ObservationError)):
                await call(ib, 3)
        assert 3 <= anyio.current_time() < 13.5

    run(main)


@WITH_CALLS
def test_phases_share_the_deadline(run, call):
    async def main():
        # The first phase takes most of the time.
        service = _service(fault=lambda now: UNAVAILABLE if now < 50 else None)
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitTimeoutError):
                await call(ib, 70)
        assert service.times[-1] == pytest.approx(70, abs=0.01)

    run(main)


@WITH_CALLS
def test_zero_timeout_makes_each_request_once(run, call):
    async def main():
        service = _service()
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitTimeoutError):
                await call(ib, 0)
        operations = [each.operation for each in service.calls]
        assert len(operations) == (3 if operations[0] == "get_image" else 2)

    run(main)


@pytest.mark.parametrize(
    "fault",
    [
        throttle(headers={"retry-after": "60"}),
        aws_error("ServiceException", 503, headers={"retry-after": "60"}),
    ],
)
@pytest.mark.parametrize("waits", [1, 3])
def test_requested_pause_does_not_swallow_the_last_poll(run, fault, waits):
    async def main():
        service = ScriptedService(fault=lambda now: fault if now < 1 else None)
        ids = [service.workflow((0, "RUNNING"), (2.5, "COMPLETED"), number=n) for n in range(1, waits + 1)]
        async with ImageBuilder(client=service) as ib:
            found = await ib.wait_all(ids, timeout=3)
        assert [each.status for each in found] == ["COMPLETED"] * waits
        assert all(time < 1 or time >= 3 for time in service.times)

    run(main)


def test_wait_that_starts_during_a_pause_makes_its_last_poll(run):
    async def main():
        fault = throttle(headers={"retry-after": "60"})
        service = ScriptedService(fault=lambda now: fault if now < 1 else None)
        first = service.workflow((0, "RUNNING"), (30, "COMPLETED"), number=1)
        second = service.workflow((0, "COMPLETED"), number=2)
        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: ib.wait(first, timeout=None))
            await anyio.sleep(10)
            assert (await ib.wait(second, timeout=3)).status == "COMPLETED"
            assert service.times[-1] == pytest.approx(13, abs=0.01)
        # The other wait has respected the pause.
        assert next(time for time in service.times if time > 13.1) >= 60

    run(main)


def test_operation_respects_a_requested_pause(run):
    async def main():
        fault = throttle(headers={"retry-after": "20"})
        service = _service(fault=lambda now: fault if now < 1 else None)
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ThrottledError):
                await ib.cancel(image_arn(), timeout=0)
            await ib.get_image(image_arn())
        assert service.times[-1] >= 20

    run(main)


def test_operation_that_starts_in_a_pause_beyond_its_deadline_fails_at_once(run):
    async def main():
        fault = throttle(headers={"retry-after": "50"})
        service = _service(fault=lambda now: fault if now < 1 else None)
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ThrottledError):
                await ib.cancel(image_arn(), timeout=0)
            calls = len(service.calls)
            with pytest.raises(ThrottledError, match="pause beyond the deadline"):
                await ib.build(PIPELINE, timeout=3)
        assert len(service.calls) == calls
        assert anyio.current_time() < 1

    run(main)


def test_retries_of_other_calls_respect_a_requested_pause(run):
    async def main():
        pause = throttle(headers={"retry-after": "50"})
        service = _service()
        service.faults = {
            "get_image": lambda now: UNAVAILABLE if now < 55 else None,
            "get_lifecycle_execution": lambda now: pause if now < 5 else None,
        }
        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:
            tasks.start_soon(ib.get_image, image_arn())
            await anyio.sleep(1)
            with pytest.raises(ObservationError):
                await ib.wait(lifecycle_id(), timeout=0)
            paused_at = anyio.current_time()
            await anyio.sleep(40)
            assert not any(paused_at < time < paused_at + 40 for time in service.times)

    run(main)


@pytest.mark.parametrize("hangs", [False, True])
def test_deadline_of_one_wait_does_not_end_the_pause_of_others(run, hangs):
    async def main():
        fault = throttle(headers={"retry-after": "60"})
        service = ScriptedService(
            fault=lambda now: fault if now < 1 else None, hang=lambda now: 3600 if hangs and now > 9 else 0
        )
        ids = [service.workflow((0, "RUNNING"), number=number) for number in range(1, 21)]
        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:
            for each in ids[1:]:
                tasks.start_soon(lambda each=each: ib.wait(each, timeout=None))
            await anyio.sleep(0.5)
            with pytest.raises((WaitTimeoutError, ObservationError)):
                await ib.wait(ids[0], timeout=9.5)
            await anyio.sleep(20)
            assert [each.params["workflowExecutionId"] for each in service.calls if each.time > 5] == [ids[0]]
            tasks.cancel_scope.cancel()

    run(main)
