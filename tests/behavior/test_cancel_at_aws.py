"""Cancellation at AWS, by request or at a deadline: the result is what really happened."""

import logging

import anyio
import pytest
from botocore.exceptions import ClientError

from aioimagebuilder import (
    ExecutionCancelledError,
    ExecutionFailedError,
    ImageBuilder,
    ImageStatus,
    InvalidRequestException,
    LifecycleExecutionStatus,
    ObservationError,
    WaitGroupError,
    WaitTimeoutError,
)
from support.scripted_service import ScriptedService, aws_error, lifecycle_id, throttle, workflow_id

ENDED = ("AVAILABLE", "FAILED", "CANCELLED")


def cancellable_service(
    *, delay: float = 20.0, final_status: str = "CANCELLED", **options
) -> ScriptedService:
    """Return a service whose executions end `delay` seconds after they are cancelled.

    As the service model says, it rejects the cancellation of an execution that has ended.
    """
    service = ScriptedService(**options)

    def cancel(params: dict, now: float) -> dict:
        [arn] = [value for name, value in params.items() if name != "clientToken"]
        script = service.scripts[arn]
        members = script.at(now)
        if members["state"]["status"] in ENDED:
            raise aws_error("InvalidRequestException", 400, message="it is in a terminal state")
        script.states = [
            *[each for each in script.states if each[0] <= now],
            (now + delay, members | {"state": {"status": final_status}}),
        ]
        return {"imageBuildVersionArn": arn, "lifecycleExecutionId": arn}

    service.actions = {"cancel_image_creation": cancel, "cancel_lifecycle_execution": cancel}
    return service


def test_cancel_waits_for_the_final_status(run):
    async def main():
        service = cancellable_service()
        async with ImageBuilder(client=service) as ib:
            image = await ib.cancel(service.image((0, "BUILDING")))
            assert image.status == ImageStatus.CANCELLED
            execution = await ib.cancel(service.lifecycle((0, "IN_PROGRESS")))
            assert execution.status == LifecycleExecutionStatus.CANCELLED

    run(main)


@pytest.mark.parametrize("final_status", ["AVAILABLE", "FAILED"])
def test_cancel_returns_a_build_that_ended_first(run, final_status):
    async def main():
        service = cancellable_service(final_status=final_status)
        async with ImageBuilder(client=service) as ib:
            assert (await ib.cancel(service.image((0, "DISTRIBUTING")))).status == final_status

    run(main)


@pytest.mark.parametrize("ended", ENDED)
def test_cancel_of_an_ended_build_returns_it(run, caplog, ended):
    async def main():
        service = cancellable_service()
        async with ImageBuilder(client=service) as ib:
            assert (await ib.cancel(service.image((0, ended)))).status == ended
        assert service.count("get_image") == 1

    caplog.set_level(logging.INFO, "aioimagebuilder")
    run(main)
    assert f"was not cancelled, since it is {ended}" in caplog.text


def test_rejected_cancel_waits_for_lagging_reads(run):
    async def main():
        service = cancellable_service()
        arn = service.image((0, "BUILDING"), (8, "AVAILABLE"))
        service.actions["cancel_image_creation"] = _reject("InvalidRequestException")
        async with ImageBuilder(client=service) as ib:
            assert (await ib.cancel(arn)).status == ImageStatus.AVAILABLE

    run(main)


def _reject(code: str):
    def reject(*_: object) -> dict:
        raise aws_error(code, 400)

    return reject


def test_rejection_without_an_end_is_raised_in_bounded_time(run):
    async def main():
        service = cancellable_service()
        service.actions["cancel_image_creation"] = _reject("InvalidRequestException")
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(InvalidRequestException) as caught:
                await ib.cancel(service.image((0, "BUILDING")), timeout=None)
            assert isinstance(caught.value.__cause__, ClientError)
            assert service.now < 45

    run(main)


def test_cancel_of_an_image_being_cancelled_waits_for_it(run):
    async def main():
        service = cancellable_service()
        service.actions["cancel_image_creation"] = _reject("ResourceInUseException")
        async with ImageBuilder(client=service) as ib:
            arn = service.image((0, "BUILDING"), (100, "CANCELLED"))
            assert (await ib.cancel(arn)).status == ImageStatus.CANCELLED

    run(main)


def test_unconfirmed_cancel_raises_wait_timeout_error(run):
    async def main():
        service = cancellable_service(delay=1e9)
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitTimeoutError, match="is still BUILDING"):
                await ib.cancel(service.image((0, "BUILDING")), timeout=60)
            assert 60 <= service.now < 71

    run(main)


def test_invalid_cancellation_is_rejected_without_a_call(run):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            for cancel in (
                lambda: ib.cancel(workflow_id()),
                lambda: ib.wait(workflow_id(), timeout=5, on_timeout="cancel"),
                lambda: ib.wait_all([lifecycle_id(), workflow_id()], timeout=5, on_timeout="cancel"),
            ):
                with pytest.raises(ValueError, match="cancel the image that it belongs to"):
                    await cancel()
            with pytest.raises(ValueError, match="needs a timeout"):
                await ib.wait(lifecycle_id(), timeout=None, on_timeout="cancel")
            with pytest.raises(ValueError, match="on_timeout must be 'leave' or 'cancel'"):
                await ib.wait(lifecycle_id(), timeout=5, on_timeout="kill")
        assert service.calls == []

    run(main)


def test_deadline_leaves_the_build_running_by_default(run):
    async def main():
        service = cancellable_service()
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitTimeoutError, match="continues at AWS"):
                await ib.wait(service.image((0, "BUILDING")), timeout=60)
        assert service.count("cancel_image_creation") == 0

    run(main)


@pytest.mark.parametrize("check", [True, False])
def test_cancelled_at_deadline_raises_wait_timeout_error(run, check):
    async def main():
        service = cancellable_service()
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(
                WaitTimeoutError, match="is CANCELLED: it was cancelled at the deadline"
            ) as caught:
                await ib.wait(service.image((0, "BUILDING")), timeout=60, on_timeout="cancel", check=check)
            assert caught.value.execution.status == ImageStatus.CANCELLED
            assert 80 <= caught.value.elapsed < 120
        [requested] = [call.time for call in service.calls if call.operation == "cancel_image_creation"]
        assert requested == pytest.approx(60, abs=0.1)

    run(main)


@pytest.mark.parametrize("finishes", ["before-the-request", "after-the-request"])
def test_build_finished_at_the_deadline_is_returned(run, finishes):
    async def main():
        service = cancellable_service(final_status="AVAILABLE")
        states = [(0, "DISTRIBUTING")]
        if finishes == "before-the-request":
            # Just after the last poll.
            states.append((60.001, "AVAILABLE"))
        async with ImageBuilder(client=service) as ib:
            image = await ib.wait_for_image(service.image(*states), timeout=60, on_timeout="cancel")
            assert image.status == ImageStatus.AVAILABLE

    run(main)


def test_build_ended_at_the_deadline_raises_its_failure(run):
    async def main():
        async with ImageBuilder(client=(service := cancellable_service(final_status="FAILED"))) as ib:
            with pytest.raises(ExecutionFailedError, match="is FAILED") as caught:
                await ib.wait(service.image((0, "BUILDING")), timeout=60, on_timeout="cancel")
            assert caught.value.elapsed > 60
            second = service.image((0, "BUILDING"), (60.001 + service.now, "CANCELLED"), number=2)
            with pytest.raises(ExecutionCancelledError):
                await ib.wait(second, timeout=60, on_timeout="cancel")

    run(main)


def test_denied_cancel_at_the_deadline_is_reported(run):
    async def main():
        denied = aws_error("AccessDeniedException", 403, message="not you")
        service = cancellable_service(faults={"cancel_image_creation": lambda _: denied})
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(
                WaitTimeoutError, match=r"could not be cancelled at the deadline: .*not you"
            ) as caught:
                await ib.wait(service.image((0, "BUILDING")), timeout=60, on_timeout="cancel")
            assert caught.value.execution.status == ImageStatus.BUILDING

    run(main)


def test_unconfirmed_cancel_at_the_deadline_is_reported(run):
    async def main():
        service = cancellable_service(delay=1e9)
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitTimeoutError, match="requested at the deadline, but not confirmed"):
                await ib.wait(service.image((0, "BUILDING")), timeout=60, on_timeout="cancel")
            assert 360 <= service.now < 371

    run(main)


def test_unobservable_build_is_cancelled_at_the_deadline(run):
    async def main():
        service = cancellable_service(
            fault=lambda _: throttle(), faults={"cancel_image_creation": lambda _: None}
        )
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ObservationError, match="requested at the deadline"):
                await ib.wait(service.image((0, "BUILDING")), timeout=60, on_timeout="cancel")
        assert service.count("cancel_image_creation") == 1

    run(main)


def test_cancel_request_is_shielded_for_bounded_time(run):
    async def main():
        # The request hangs for an hour, and the caller cancels two seconds after the deadline.
        service = cancellable_service(hang=lambda now: 3600 if now > 59.005 else 0)
        async with ImageBuilder(client=service) as ib:
            with anyio.move_on_after(61) as scope:
                await ib.wait(service.image((0, "BUILDING")), timeout=59, on_timeout="cancel")
            assert scope.cancelled_caught
            assert 61 < service.now < 59 + 31

    run(main)


def test_cancelled_wait_completes_the_cancel_request(run):
    async def main():
        service = cancellable_service(latency=2.0)
        arn = service.image((0, "BUILDING"))
        async with ImageBuilder(client=service) as ib:
            with anyio.move_on_after(63) as scope:
                await ib.wait(arn, timeout=60, on_timeout="cancel")
            assert scope.cancelled_caught
            # Only the request was shielded, not its confirmation.
            assert service.now < 68
            await anyio.sleep(60)
            assert (await ib.get_image(arn)).status == ImageStatus.CANCELLED

    run(main)


def test_wait_cancelled_before_its_deadline_cancels_no_build(run):
    async def main():
        service = cancellable_service()
        async with ImageBuilder(client=service) as ib:
            with anyio.move_on_after(30):
                await ib.wait(service.image((0, "BUILDING")), timeout=60, on_timeout="cancel")
            await anyio.sleep(600)
        assert service.count("cancel_image_creation") == 0

    run(main)


def test_wait_all_cancels_running_builds_at_the_deadline(run):
    async def main():
        service = cancellable_service()
        arns = [
            service.image((0, "BUILDING"), (30, "AVAILABLE"), number=1),
            service.image((0, "BUILDING"), number=2),
            service.image((0, "BUILDING"), (60.001, "AVAILABLE"), number=3),
            service.image((0, "BUILDING"), number=4),
            service.image((0, "BUILDING"), (60.001, "FAILED"), number=5),
        ]
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitGroupError) as caught:
                await ib.wait_all(arns, timeout=60, on_timeout="cancel")
            *cancelled, failed = caught.value.errors
            assert [each.identifier for each in cancelled] == [arns[1], arns[3]]
            assert {type(each) for each in cancelled} == {WaitTimeoutError}
            assert (type(failed), failed.identifier) == (ExecutionFailedError, arns[4])
            assert 60 <= failed.elapsed < 120
            assert [str(each.status) for each in caught.value.executions] == [
                "AVAILABLE",
                "CANCELLED",
                "AVAILABLE",
                "CANCELLED",
                "FAILED",
            ]
            assert service.now < 120

    run(main)


def test_hanging_last_poll_does_not_prevent_the_cancel(run):
    async def main():
        service = cancellable_service(hang=lambda now: 3600 if 59 < now < 61 else 0)
        arn = service.image((0, "BUILDING"))
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitTimeoutError, match="it was cancelled at the deadline"):
                await ib.wait(arn, timeout=60, on_timeout="cancel")
        requested = [call.time for call in service.calls if call.operation == "cancel_image_creation"]
        assert len(requested) == 1
        assert 60 < requested[0] < 71

    run(main)
