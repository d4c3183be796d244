"""Watching the steps of what runs: what is shown, at what pace, and that it never decides anything."""

import logging

import anyio
import pytest

from aioimagebuilder import ImageBuilder
from support.scripted_service import (
    Scripted,
    ScriptedService,
    aws_error,
    image_arn,
    step_id,
    throttle,
    workflow_id,
)

NAMES = ("LaunchBuildInstance", "ApplyBuildComponents", "CreateOutputAMI")
EACH = 100.0


def build(service: ScriptedService, *, ends: float = 400.0) -> str:
    """An image whose build workflow runs three steps, a hundred seconds each; one run was retried before."""
    arn = service.image((0, "BUILDING"), (300, "TESTING"), (ends, "AVAILABLE"))
    wf = {"workflowExecutionId": workflow_id(), "imageBuildVersionArn": arn, "type": "BUILD"}
    service.scripts[workflow_id()] = Scripted(
        [
            (EACH * done, wf | {"status": status, "totalStepCount": 3, "totalStepsSucceeded": done})
            for done, status in enumerate(("RUNNING", "RUNNING", "RUNNING", "COMPLETED"))
        ]
    )
    old = {"workflowExecutionId": workflow_id(9), "status": "FAILED", "retried": True, "totalStepCount": 7}
    service.scripts[workflow_id(9)] = Scripted([(0, wf | old)])
    for number, name in enumerate(NAMES):
        step = wf | {
            "stepExecutionId": step_id(number),
            "name": name,
            "action": name,
            "startTime": f"2026-01-02T03:0{number}:00Z",
        }
        service.scripts[step_id(number)] = Scripted(
            [
                (0, step | {"status": "PENDING"}),
                (EACH * number, step | {"status": "RUNNING"}),
                (EACH * (number + 1), step | {"status": "COMPLETED"}),
            ]
        )
    return arn


def shown(execution) -> tuple:
    progress = execution.progress
    return str(progress.stage), progress.steps_done, progress.steps_total, progress.step


def test_a_watch_of_an_image_yields_each_change_of_its_steps(run):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            seen = [image async for image in ib.watch(build(service), detail="steps", max_delay=20)]
        assert [shown(each) for each in seen] == [
            ("BUILDING", None, None, None),
            ("BUILDING", 0, 3, "LaunchBuildInstance"),
            ("BUILDING", 1, 3, "ApplyBuildComponents"),
            ("BUILDING", 2, 3, "CreateOutputAMI"),
            ("TESTING", None, None, None),
            ("AVAILABLE", None, None, None),
        ]
        assert seen[2].progress.since.isoformat() == "2026-01-02T03:01:00+00:00"
        assert str(seen[2].progress) == "BUILDING 1/3 steps: ApplyBuildComponents"
        assert {each.id for each in seen[2].detail.workflow_executions} == {workflow_id()}

    run(main)


def test_a_watch_of_a_workflow_execution_too(run):
    async def main():
        service = ScriptedService()
        build(service)
        async with ImageBuilder(client=service) as ib:
            watch = ib.watch(workflow_id(), detail="steps", max_delay=20)
            seen = [shown(each) async for each in watch]
        last = dict.fromkeys(seen)
        for done, name in enumerate(NAMES):
            assert ("BUILD", done, 3, name) in last
        assert seen[-1] == ("BUILD", 3, 3, None)

    run(main)


def test_steps_are_read_at_half_the_pace_of_the_state(run):
    async def main():
        service = ScriptedService()
        arn = build(service, ends=1e9)
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(TimeoutError):
                async for _ in ib.watch(arn, detail="steps", timeout=3600):
                    pass
        reads, looks = service.count("get_image"), service.count("list_workflow_executions")
        # And once more for each change of the state: other steps run then.
        assert reads // 2 - 1 <= looks <= reads // 2 + 3

    run(main)


def test_who_watches_without_detail_sees_no_steps_beside_one_who_does(run):
    async def main():
        service = ScriptedService()
        arn = build(service)
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
def test_reads_of_steps_that_fail_change_and_end_nothing(run, caplog, operation, error):
    async def main():
        service = ScriptedService(faults={operation: lambda _: error})
        async with ImageBuilder(client=service) as ib:
            seen = [str(image.status) async for image in ib.watch(build(service), detail="steps")]
        assert list(dict.fromkeys(seen)) == ["BUILDING", "TESTING", "AVAILABLE"]
        assert seen.count("AVAILABLE") == 1
        assert service.count(operation) >= 1

    caplog.set_level(logging.INFO, "aioimagebuilder")
    run(main)
    assert any(record.exc_info or "Steps " in record.getMessage() for record in caplog.records)


def test_a_wait_beside_a_watch_is_told_the_end_alone(run):
    async def main():
        service = ScriptedService()
        arn = build(service)
        async with ImageBuilder(client=service) as ib:
            assert (await ib.wait(arn, timeout=None)).detail is None
        assert service.count("list_workflow_step_executions") == 0
        assert image_arn() == arn

    run(main)
