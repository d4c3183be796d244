"""Waiting steps: how they are reported, how soon, and at what cost in calls."""

import logging

import anyio
import pytest

from aioimagebuilder import (
    ImageBuilder,
    WaitGroupError,
    WaitingForActionError,
    WaitTimeoutError,
    WorkflowStepExecutionStatus,
)
from support.scripted_service import (
    Scripted,
    ScriptedService,
    aws_error,
    image_arn,
    step_id,
    throttle,
    workflow_id,
)


def add_waiting_step(service: ScriptedService, since: float, until: float = 1e9, *, number: int = 1) -> str:
    """Add a waiting step to the image and workflow execution of that number, and return its id."""
    found = step_id(number)
    members = {
        "stepExecutionId": found,
        "name": "Approve",
        "action": "WaitForAction",
        "imageBuildVersionArn": image_arn(number),
        "workflowExecutionId": workflow_id(number),
        "startTime": "2026-01-02T03:04:05Z",
    }
    service.scripts[found] = Scripted(
        [
            (0, {**members, "status": "PENDING"}),
            (since, {**members, "status": "WAITING"}),
            (until, {**members, "status": "COMPLETED"}),
        ]
    )
    return found


@pytest.mark.parametrize("kind", ["image", "workflow"])
def test_watch_shows_a_waiting_step_within_two_polls(run, kind):
    async def main():
        for since in range(20, 120, 7):
            service = ScriptedService()
            watched = service.image((0, "BUILDING")) if kind == "image" else service.workflow((0, "RUNNING"))
            found = add_waiting_step(service, since)
            async with ImageBuilder(client=service) as ib, ib.watch(watched) as watch:
                first = await anext(watch)
                assert first.progress.waiting_steps == ()
                second = await anext(watch)
                assert [step.id for step in second.progress.waiting_steps] == [found]
                assert second.progress.step == "Approve"
                reads = [call.time for call in service.calls if call.operation.startswith("get")]
                assert sum(read > since for read in reads) <= 2
                assert second.status == first.status

    run(main)


def test_watch_drops_an_answered_step_and_ends_once(run):
    async def main():
        service = ScriptedService()
        arn = service.image((0, "BUILDING"), (400, "AVAILABLE"))
        add_waiting_step(service, 0, 200)
        seen = []
        async with ImageBuilder(client=service) as ib:
            async for image in ib.watch(arn):
                seen.append((str(image.status), len(image.progress.waiting_steps)))
        assert seen == [("BUILDING", 0), ("BUILDING", 1), ("BUILDING", 0), ("AVAILABLE", 0)]

    run(main)


def test_waiting_step_of_another_stage_is_not_shown(run):
    async def main():
        service = ScriptedService()
        arn = service.image((0, "BUILDING"), (200, "TESTING"), (400, "AVAILABLE"))
        add_waiting_step(service, 0, 200)
        async with ImageBuilder(client=service) as ib:
            seen = [(str(image.status), len(image.progress.waiting_steps)) async for image in ib.watch(arn)]
        assert seen == [("BUILDING", 0), ("BUILDING", 1), ("TESTING", 0), ("AVAILABLE", 0)]

    run(main)


def test_one_list_of_waiting_steps_serves_all_waits(run):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:

            async def wait(arn: str) -> None:
                with pytest.raises(WaitTimeoutError):
                    await ib.wait(arn, timeout=600, on_waiting_step="raise")

            for number in range(1, 51):
                arn = service.image((0, "BUILDING"), number=number, name=f"n{number}")
                tasks.start_soon(wait, arn)
        lists = service.count("list_waiting_workflow_steps")
        # One for every second poll of one execution, rather than of fifty.
        assert 10 <= lists <= 40
        assert lists < service.count("list_image_build_versions") + service.count("get_image")

    run(main)


def test_wait_lists_no_waiting_steps_by_default(run):
    async def main():
        service = ScriptedService()
        add_waiting_step(service, 0)
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitTimeoutError, match="continues at AWS"):
                await ib.wait(service.image((0, "BUILDING")), timeout=900)
        assert service.count("list_waiting_workflow_steps") == 0

    run(main)


def test_raise_option_raises_with_the_waiting_step(run):
    async def main():
        service = ScriptedService()
        found = add_waiting_step(service, 100)
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitingForActionError) as caught:
                await ib.wait_for_image(
                    service.image((0, "BUILDING")), timeout=None, on_waiting_step="raise", check=False
                )
            calls = len(service.calls)
            await anyio.sleep(1000)
            assert len(service.calls) == calls
            assert ib._parts.poller.is_idle
        error = caught.value
        assert [step.id for step in error.steps] == [found]
        assert error.steps[0].status == WorkflowStepExecutionStatus.WAITING
        assert str(error) == (
            f"Image {image_arn()} is BUILDING: step Approve ({found}) waits for a person since 2026-01-02 "
            f'03:04:05 UTC: answer it with resume("{found}") or stop("{found}", reason="…")'
        )
        assert 100 < error.elapsed < 170
        assert error.execution.progress.waiting_steps == error.steps

    run(main)


def test_wait_for_a_waiting_step_needs_no_list(run):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitingForActionError, match="step Approve"):
                await ib.wait(add_waiting_step(service, 100), timeout=None, on_waiting_step="raise")
        assert service.count("list_waiting_workflow_steps") == 0

    run(main)


def test_running_step_with_wait_action_is_waiting(run):
    async def main():
        # The service model has no status for it.
        service = ScriptedService()
        step = service.step((0, "RUNNING"), name="Approve", action="WaitForAction")
        busy = service.step((0, "RUNNING"), number=2, name="Run", action="ExecuteBash")
        async with ImageBuilder(client=service) as ib:
            assert (await ib.get_workflow_step_execution(step)).is_waiting
            assert not (await ib.get_workflow_step_execution(busy)).is_waiting

    run(main)


def test_report_option_logs_each_waiting_step_once(run, caplog):
    async def main():
        service = ScriptedService()
        arn = service.image((0, "BUILDING"))
        found = add_waiting_step(service, 50)
        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:

            async def wait() -> None:
                with pytest.raises(WaitTimeoutError, match="step Approve") as caught:
                    await ib.wait(arn, timeout=900, on_waiting_step="report")
                assert [step.id for step in caught.value.execution.progress.waiting_steps] == [found]

            for _ in range(3):
                tasks.start_soon(wait)
        reports = [record for record in caplog.records if found in record.getMessage()]
        assert [record.levelno for record in reports] == [logging.WARNING]

    run(main)


def test_wait_all_awaits_the_others_unless_fail_fast(run):
    async def main():
        service = ScriptedService()
        add_waiting_step(service, 10)
        arns = [
            service.image((0, "BUILDING")),
            service.image((0, "BUILDING"), (500, "AVAILABLE"), number=2, name="other"),
        ]
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitGroupError) as caught:
                await ib.wait_all(arns, timeout=None, on_waiting_step="raise")
            assert [type(each) for each in caught.value.errors] == [WaitingForActionError]
            assert str(caught.value.executions[1].status) == "AVAILABLE"
            before = service.now
            with pytest.raises(WaitGroupError):
                await ib.wait_all(arns, timeout=None, on_waiting_step="raise", fail_fast=True)
            assert service.now - before < 120

    run(main)


@pytest.mark.parametrize(
    ("fault", "maximum"), [(lambda _: aws_error("ForbiddenException", 403), 1), (lambda _: throttle(), 1000)]
)
def test_failed_inspections_do_not_affect_the_wait(run, caplog, fault, maximum):
    async def main():
        service = ScriptedService(faults={"list_waiting_workflow_steps": fault})
        add_waiting_step(service, 0)
        async with ImageBuilder(client=service) as ib:
            arn = service.image((0, "BUILDING"), (900, "AVAILABLE"))
            assert (await ib.wait(arn, timeout=None, on_waiting_step="raise")).status == "AVAILABLE"
        inspections, reads = service.count("list_waiting_workflow_steps"), service.count("get_image")
        assert 1 <= inspections <= min(maximum, reads // 2 + 1)
        assert any("steps" in record.getMessage().lower() for record in caplog.records)

    caplog.set_level(logging.INFO, "aioimagebuilder")
    run(main)


def test_hanging_inspection_does_not_delay_the_end(run):
    async def main():
        service = ScriptedService()
        hung = []
        arn = service.image((0, "BUILDING"), (60, "TESTING"), (300, "AVAILABLE"))

        async def hang(**_: object) -> None:
            hung.append(service.now)
            await anyio.sleep_forever()

        service.list_waiting_workflow_steps = hang
        async with ImageBuilder(client=service) as ib:
            seen = [str(image.status) async for image in ib.watch(arn)]
            assert seen == ["BUILDING", "TESTING", "AVAILABLE"]
            assert 300 <= service.now < 331
        # An inspection times out after ten seconds. The next one follows at the second poll.
        assert 10 < hung[1] - hung[0] < 75

    run(main)


def test_answered_step_in_a_lagging_list_is_ignored(run):
    async def main():
        service = ScriptedService()
        # The list still contains the step for some time after the answer.
        found = add_waiting_step(service, 0, 30)
        service.actions["send_workflow_step_action"] = lambda params, _: {
            "stepExecutionId": params["stepExecutionId"]
        }
        arn = service.image((0, "BUILDING"), (200, "AVAILABLE"))
        async with ImageBuilder(client=service) as ib:
            assert await ib.resume(found, reason="approved") == found
            image = await ib.wait(arn, timeout=None, on_waiting_step="raise", min_delay=1, max_delay=2)
            assert str(image.status) == "AVAILABLE"
        [sent] = [each for each in service.calls if each.operation == "send_workflow_step_action"]
        assert sent.params["imageBuildVersionArn"] == arn
        assert (sent.params["action"], sent.params["reason"]) == ("RESUME", "approved")

    run(main)


def test_stop_of_a_listed_step_sends_its_reason_in_one_call(run):
    async def main():
        service = ScriptedService()
        found = add_waiting_step(service, 0)
        service.actions["send_workflow_step_action"] = lambda params, _: {
            "stepExecutionId": params["stepExecutionId"]
        }
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitingForActionError) as caught:
                await ib.wait(service.image((0, "BUILDING")), timeout=None, on_waiting_step="raise")
            await ib.stop(caught.value.steps[0], reason="not today")
            assert service.count("get_workflow_step_execution") == 0
            assert service.calls[-1].params["stepExecutionId"] == found
            assert service.calls[-1].params["reason"] == "not today"
            assert service.calls[-1].params["action"] == "STOP"

    run(main)


def test_invalid_options_are_rejected_without_a_call(run):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ValueError, match="on_waiting_step must be 'ignore' or 'report' or 'raise'"):
                await ib.wait(image_arn(), timeout=1, on_waiting_step="invalid")
            with pytest.raises(ValueError, match="detail must be None or 'steps'"):
                ib.watch(image_arn(), detail="all")
            with pytest.raises(ValueError, match="has no steps"):
                ib.watch(step_id(), detail="steps")
        assert service.calls == []

    run(main)
