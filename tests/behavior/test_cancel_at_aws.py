"""Cancelling at AWS, asked for or at a deadline: what is told is what really became of it."""

import logging

import anyio
import pytest

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


def service_that_cancels(*, takes: float = 20.0, becomes: str = "CANCELLED", **options) -> ScriptedService:
    """Refuses what has ended, as the simulator and the model say; else it ends after so many seconds."""
    service = ScriptedService(**options)

    def cancel(params: dict, now: float) -> dict:
        [arn] = [value for name, value in params.items() if name != "clientToken"]
        script = service.scripts[arn]
        members = script.at(now)
        if members["state"]["status"] in ENDED:
            raise aws_error("InvalidRequestException", 400, message="it is in a terminal state")
        script.states = [
            *[each for each in script.states if each[0] <= now],
            (now + takes, members | {"state": {"status": becomes}}),
        ]
        return {"imageBuildVersionArn": arn, "lifecycleExecutionId": arn}

    service.actions = {"cancel_image_creation": cancel, "cancel_lifecycle_execution": cancel}
    return service


def test_cancel_asks_and_waits_for_what_becomes_of_it(run):
    async def main():
        service = service_that_cancels()
        async with ImageBuilder(client=service) as ib:
            image = await ib.cancel(service.image((0, "BUILDING")))
            assert image.status == ImageStatus.CANCELLED
            execution = await ib.cancel(service.lifecycle((0, "IN_PROGRESS")))
            assert execution.status == LifecycleExecutionStatus.CANCELLED

    run(main)


@pytest.mark.parametrize("becomes", ["AVAILABLE", "FAILED"])
def test_cancel_tells_of_a_build_that_ended_before_the_service_came_to_it(run, becomes):
    async def main():
        service = service_that_cancels(becomes=becomes)
        async with ImageBuilder(client=service) as ib:
            assert (await ib.cancel(service.image((0, "DISTRIBUTING")))).status == becomes

    run(main)


@pytest.mark.parametrize("ended", ENDED)
def test_cancel_of_what_has_ended_says_so(run, caplog, ended):
    async def main():
        service = service_that_cancels()
        async with ImageBuilder(client=service) as ib:
            assert (await ib.cancel(service.image((0, ended)))).status == ended
        assert service.count("get_image") == 1

    caplog.set_level(logging.INFO, "aioimagebuilder")
    run(main)
    assert f"was not cancelled, since it is {ended}" in caplog.text


def test_cancel_of_what_has_ended_believes_the_refusal_over_reads_that_lag(run):
    async def main():
        service = service_that_cancels()
        arn = service.image((0, "BUILDING"), (8, "AVAILABLE"))
        service.actions["cancel_image_creation"] = _refuse("InvalidRequestException")
        async with ImageBuilder(client=service) as ib:
            assert (await ib.cancel(arn)).status == ImageStatus.AVAILABLE

    run(main)


def _refuse(code: str):
    def refuse(*_: object) -> dict:
        raise aws_error(code, 400)

    return refuse


def test_a_refusal_that_tells_of_no_end_is_raised_in_bounded_time(run):
    async def main():
        service = service_that_cancels()
        service.actions["cancel_image_creation"] = _refuse("InvalidRequestException")
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(InvalidRequestException):
                await ib.cancel(service.image((0, "BUILDING")), timeout=None)
            assert service.now < 45

    run(main)


def test_one_that_is_being_cancelled_already_is_waited_for(run):
    async def main():
        service = service_that_cancels()
        service.actions["cancel_image_creation"] = _refuse("ResourceInUseException")
        async with ImageBuilder(client=service) as ib:
            arn = service.image((0, "BUILDING"), (100, "CANCELLED"))
            assert (await ib.cancel(arn)).status == ImageStatus.CANCELLED

    run(main)


def test_a_cancel_that_is_not_confirmed_in_time_says_so(run):
    async def main():
        service = service_that_cancels(takes=1e9)
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitTimeoutError, match="is still BUILDING"):
                await ib.cancel(service.image((0, "BUILDING")), timeout=60)
            assert 60 <= service.now < 71

    run(main)


def test_what_the_service_cannot_cancel_is_refused_before_anything_is_sent(run):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            for attempt in (
                lambda: ib.cancel(workflow_id()),
                lambda: ib.wait(workflow_id(), timeout=5, on_timeout="cancel"),
                lambda: ib.wait_all([lifecycle_id(), workflow_id()], timeout=5, on_timeout="cancel"),
            ):
                with pytest.raises(ValueError, match="cancel the image that it belongs to"):
                    await attempt()
            with pytest.raises(ValueError, match="needs a timeout"):
                await ib.wait(lifecycle_id(), timeout=None, on_timeout="cancel")
            with pytest.raises(ValueError, match="on_timeout must be 'leave' or 'cancel'"):
                await ib.wait(lifecycle_id(), timeout=5, on_timeout="kill")
        assert service.calls == []

    run(main)


def test_the_deadline_leaves_the_build_alone_unless_told_to_cancel(run):
    async def main():
        service = service_that_cancels()
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitTimeoutError, match="continues at AWS"):
                await ib.wait(service.image((0, "BUILDING")), timeout=60)
        assert service.count("cancel_image_creation") == 0

    run(main)


@pytest.mark.parametrize("check", [True, False])
def test_what_was_cancelled_at_the_deadline_is_a_timeout_that_tells_it(run, check):
    async def main():
        service = service_that_cancels()
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(
                WaitTimeoutError, match="is CANCELLED: it was cancelled at the deadline"
            ) as caught:
                await ib.wait(service.image((0, "BUILDING")), timeout=60, on_timeout="cancel", check=check)
            assert caught.value.execution.status == ImageStatus.CANCELLED
            assert 80 <= caught.value.elapsed < 120
        [asked] = [call.time for call in service.calls if call.operation == "cancel_image_creation"]
        assert asked == pytest.approx(60, abs=0.1)

    run(main)


@pytest.mark.parametrize("how", ["refused", "too late"])
def test_a_build_that_finishes_at_the_deadline_is_available(run, how):
    async def main():
        # Refused: it ended between the last poll and the cancel. Too late: between the cancel and its effect.
        service = service_that_cancels(becomes="AVAILABLE")
        course = [(0, "DISTRIBUTING"), *([(60.001, "AVAILABLE")] if how == "refused" else [])]
        async with ImageBuilder(client=service) as ib:
            image = await ib.wait_for_image(service.image(*course), timeout=60, on_timeout="cancel")
            assert image.status == ImageStatus.AVAILABLE

    run(main)


def test_a_build_that_fails_or_was_cancelled_by_another_at_the_deadline_counts_as_that(run):
    async def main():
        async with ImageBuilder(client=(service := service_that_cancels(becomes="FAILED"))) as ib:
            with pytest.raises(ExecutionFailedError, match="is FAILED") as caught:
                await ib.wait(service.image((0, "BUILDING")), timeout=60, on_timeout="cancel")
            assert caught.value.elapsed > 60
            other = service.image((0, "BUILDING"), (60.001 + service.now, "CANCELLED"), number=2)
            with pytest.raises(ExecutionCancelledError):
                await ib.wait(other, timeout=60, on_timeout="cancel")

    run(main)


def test_a_cancel_at_the_deadline_that_cannot_be_asked_for_is_told(run):
    async def main():
        denied = aws_error("AccessDeniedException", 403, message="not you")
        service = service_that_cancels(faults={"cancel_image_creation": lambda _: denied})
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(
                WaitTimeoutError, match=r"could not be cancelled at the deadline: .*not you"
            ) as caught:
                await ib.wait(service.image((0, "BUILDING")), timeout=60, on_timeout="cancel")
            assert caught.value.execution.status == ImageStatus.BUILDING

    run(main)


def test_a_cancel_at_the_deadline_that_is_never_confirmed_is_told(run):
    async def main():
        service = service_that_cancels(takes=1e9)
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitTimeoutError, match="requested at the deadline, but not confirmed"):
                await ib.wait(service.image((0, "BUILDING")), timeout=60, on_timeout="cancel")
            assert 360 <= service.now < 371

    run(main)


def test_what_could_not_be_observed_up_to_the_deadline_is_cancelled_too(run):
    async def main():
        service = service_that_cancels(
            fault=lambda _: throttle(), faults={"cancel_image_creation": lambda _: None}
        )
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ObservationError, match="requested at the deadline"):
                await ib.wait(service.image((0, "BUILDING")), timeout=60, on_timeout="cancel")
        assert service.count("cancel_image_creation") == 1

    run(main)


def test_a_cancellation_while_the_cancel_is_asked_for_is_held_off_and_bounded(run):
    async def main():
        # The service stalls for an hour at the deadline: the caller gives up a second later.
        service = service_that_cancels(hang=lambda now: 3600 if now > 59.005 else 0)
        async with ImageBuilder(client=service) as ib:
            with anyio.move_on_after(61) as scope:
                await ib.wait(service.image((0, "BUILDING")), timeout=59, on_timeout="cancel")
            assert scope.cancelled_caught
            assert 61 < service.now < 59 + 31

    run(main)


def test_a_cancellation_just_then_lets_the_cancel_go_out(run):
    async def main():
        service = service_that_cancels(latency=2.0)
        arn = service.image((0, "BUILDING"))
        async with ImageBuilder(client=service) as ib:
            with anyio.move_on_after(63) as scope:
                await ib.wait(arn, timeout=60, on_timeout="cancel")
            assert scope.cancelled_caught
            # Asked, and answered; to see what became of it was not held off.
            assert service.now < 68
            await anyio.sleep(60)
            assert (await ib.get_image(arn)).status == ImageStatus.CANCELLED

    run(main)


def test_cancelling_a_wait_before_its_deadline_touches_nothing(run):
    async def main():
        service = service_that_cancels()
        async with ImageBuilder(client=service) as ib:
            with anyio.move_on_after(30):
                await ib.wait(service.image((0, "BUILDING")), timeout=60, on_timeout="cancel")
            await anyio.sleep(600)
        assert service.count("cancel_image_creation") == 0

    run(main)


def test_of_many_those_still_running_are_cancelled_together(run):
    async def main():
        service = service_that_cancels()
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


def test_a_last_poll_that_hangs_does_not_keep_the_cancel_from_being_asked(run):
    async def main():
        service = service_that_cancels(hang=lambda now: 3600 if 59 < now < 61 else 0)
        arn = service.image((0, "BUILDING"))
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitTimeoutError, match="it was cancelled at the deadline"):
                await ib.wait(arn, timeout=60, on_timeout="cancel")
        asked = [call.time for call in service.calls if call.operation == "cancel_image_creation"]
        assert len(asked) == 1
        assert 60 < asked[0] < 71

    run(main)
