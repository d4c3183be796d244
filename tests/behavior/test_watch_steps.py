"""Watches with detail="steps": what they yield, how often they read steps, and what failed reads do."""

import logging

import anyio
import pytest

from aioimagebuilder import ImageBuilder, WaitTimeoutError
from support.scripted_service import (
    Scripted,
    ScriptedService,
    aws_error,
    step_id,
    throttle,
    workflow_id,
)

NAMES = ("LaunchBuildInstance", "ApplyBuildComponents", "CreateOutputAMI")
DURATION = 100.0


def add_image(service: ScriptedService, *, end: float = 400.0) -> str:
    """Add an image whose build workflow was retried once, and runs three steps of 100 s each."""
    arn = service.image((0, "BUILDING"), (300, "TESTING"), (end, "AVAILABLE"))
    workflow = {"workflowExecutionId": workflow_id(), "imageBuildVersionArn": arn, "type": "BUILD"}
    service.scripts[workflow_id()] = Scripted(
        [
            (DURATION * done, workflow | {"status": status, "totalStepCount": 3, "totalStepsSucceeded": done})
            for done, status in enumerate(("RUNNING", "RUNNING", "RUNNING", "COMPLETED"))
        ]
    )
    first = {"workflowExecutionId": workflow_id(9), "status": "FAILED", "retried": True, "totalStepCount": 7}
    service.scripts[workflow_id(9)] = Scripted([(0, workflow | first)])
    for number, name in enumerate(NAMES):
        step = workflow | {
            "stepExecutionId": step_id(number),
            "name": name,
            "action": name,
            "startTime": f"2026-01-02T03:0{number}:00Z",
        }
        service.scripts[step_id(number)] = Scripted(
            [
                (0, step | {"status": "PENDING"}),
                (DURATION * number, step | {"status": "RUNNING"}),
                (DURATION * (number + 1), step | {"status": "COMPLETED"}),
            ]
        )
    return arn


def summary(execution) -> tuple:
    progress = execution.progress
    return str(progress.stage), progress.steps_done, progress.steps_total, progress.step


def test_watch_of_an_image_yields_each_change_of_its_steps(run):
    async def main():
        # Without latency, no change falls between the two lists of an inspection.
        service = ScriptedService(latency=0)
        async with ImageBuilder(client=service) as ib:
            seen = [image async for image in ib.watch(add_image(service), detail="steps", max_delay=20)]
        assert [summary(each) for each in seen] == [
            ("BUILDING", None, None, None),
            ("BUILDING", 0, 3, "LaunchBuildInstance"),
            ("BUILDING", 1, 3, "ApplyBuildComponents"),
            ("BUILDING", 2, 3, "CreateOutputAMI"),
            ("TESTING", None, None, None),
            ("AVAILABLE", None, None, None),
        ]
        assert seen[2].progress.since.isoformat() == "2026-01-02T03:01:00+00:00"
        assert str(seen[2].progress) == "BUILDING 1/3 steps: ApplyBuildComponents"
        assert [each.id for each in seen[2].detail.workflow_executions] == [workflow_id()]
        assert [each.name for each in seen[2].detail.steps] == list(NAMES)

    run(main)


def test_watch_of_a_workflow_execution_yields_its_steps(run):
    async def main():
        service = ScriptedService()
        add_image(service)
        async with ImageBuilder(client=service) as ib:
            watch = ib.watch(workflow_id(), detail="steps", max_delay=20)
            seen = [summary(each) async for each in watch]
        for done, name in enumerate(NAMES):
            assert ("BUILD", done, 3, name) in seen
        assert seen[-1] == ("BUILD", 3, 3, None)

    run(main)


def test_steps_are_read_half_as_often_as_the_state(run):
    async def main():
        service = ScriptedService()
        arn = add_image(service, end=1e9)
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(TimeoutError):
                async for _ in ib.watch(arn, detail="steps", timeout=3600):
                    pass
        reads, inspections = service.count("get_image"), service.count("list_workflow_executions")
        # Each change of the status causes another inspection, since other steps run then.
        assert reads // 2 - 1 <= inspections <= reads // 2 + 3

    run(main)


def test_watch_without_detail_yields_no_steps(run):
    async def main():
        service = ScriptedService()
        arn = add_image(service)
        seen = {}

        async def watch(ib: ImageBuilder, detail: str | None) -> None:
            seen[detail] = [str(image.progress) async for image in ib.watch(arn, detail=detail)]

        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:
            tasks.start_soon(watch, ib, None)
            tasks.start_soon(watch, ib, "steps")
        assert seen[None] == ["BUILDING", "TESTING", "AVAILABLE"]
        assert "BUILDING 1/3 steps: ApplyBuildComponents" in seen["steps"]

    run(main)


@pytest.mark.parametrize("operation", ["list_workflow_executions", "list_workflow_step_executions"])
@pytest.mark.parametrize("error", [aws_error("AccessDeniedException", 403), throttle(), RuntimeError("bug")])
def test_failed_reads_of_steps_do_not_affect_the_watch(run, caplog, operation, error):
    async def main():
        service = ScriptedService(faults={operation: lambda _: error})
        async with ImageBuilder(client=service) as ib:
            seen = [str(image.status) async for image in ib.watch(add_image(service), detail="steps")]
        assert list(dict.fromkeys(seen)) == ["BUILDING", "TESTING", "AVAILABLE"]
        assert seen.count("AVAILABLE") == 1
        assert service.count(operation) >= 1

    caplog.set_level(logging.INFO, "aioimagebuilder")
    run(main)
    assert any(record.exc_info or "steps" in record.getMessage().lower() for record in caplog.records)


def test_wait_reads_no_steps(run):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            await ib.wait(add_image(service), timeout=None)
        assert service.count("get_image") == len(service.calls)

    run(main)


def test_wait_beside_a_watch_of_steps_has_no_detail(run):
    async def main():
        service = ScriptedService()
        arn = add_image(service)
        async with ImageBuilder(client=service) as ib, ib.watch(arn, detail="steps") as watch:
            while (await anext(watch)).detail is None:
                pass
            with pytest.raises(WaitTimeoutError) as caught:
                await ib.wait(arn, timeout=100)
        assert caught.value.execution.progress.stage == "BUILDING"
        assert caught.value.execution.detail is None

    run(main)
