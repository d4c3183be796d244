"""Cancellation of every public method at each of its steps: nothing leaks, and no other wait is affected."""

import random
from collections import defaultdict
from collections.abc import AsyncIterable, Callable, Coroutine
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trio

from aioimagebuilder import ClientClosedError, ImageBuilder, ImageStatus, PipelineWatch
from aioimagebuilder.polling.poller import Poller
from support.scripted_service import (
    PIPELINE,
    ScriptedService,
    aws_error,
    image_arn,
    lifecycle_id,
    step_id,
    throttle,
    workflow_id,
)
from support.stepping import Steps

RECIPE = PIPELINE.replace("image-pipeline", "image-recipe") + "/1.0.0"
INFRASTRUCTURE = PIPELINE.replace("image-pipeline", "infrastructure-configuration")
DISTRIBUTION = PIPELINE.replace("image-pipeline", "distribution-configuration")
IMAGE = image_arn()
STEP = step_id()
WORKFLOWS = [workflow_id(number) for number in (1, 2, 3)]
END = 12.0


class Service(ScriptedService):
    """Fails each operation twice before it succeeds. The start and end of each call are steps of the run."""

    def __init__(self, steps: Steps) -> None:
        super().__init__(page_size=2)
        self._steps = steps
        self._errors: defaultdict[str, list[Exception]] = defaultdict(
            lambda: [throttle(), aws_error("ServiceUnavailableException", 503)]
        )

    def __getattr__(self, operation: str):
        try:
            respond = super().__getattr__(operation)
        except AttributeError:
            respond = self._respond_to_start

        async def call(**params: object):
            self._steps.step()
            response = await respond(**params)
            self._steps.step()
            if errors := self._errors[operation]:
                raise errors.pop()
            return response

        return call

    async def _respond_to_start(self, **_: object) -> dict[str, object]:
        await anyio.sleep(self.latency)
        return {
            "imageBuildVersionArn": IMAGE,
            "imageArn": IMAGE,
            "stepExecutionId": "step-1",
            "lifecycleExecutionId": "lce-1",
        }


async def _collect(items: AsyncIterable[object]) -> list[object]:
    return [each async for each in items]


async def _first(watch: PipelineWatch) -> object:
    async with watch:
        return await anext(watch)


Call = Callable[[ImageBuilder], Coroutine[Any, Any, object]]


# Add new public methods here.
CALLS: dict[str, Call] = {
    "aclose": lambda ib: ib.aclose(),
    "as_completed": lambda ib: _collect(ib.as_completed(WORKFLOWS, timeout=600)),
    "build": lambda ib: ib.build(PIPELINE, timeout=600, on_waiting_step="raise"),
    "cancel": lambda ib: ib.cancel(IMAGE),
    "cancel_image_creation": lambda ib: ib.cancel_image_creation(IMAGE),
    "cancel_lifecycle_execution": lambda ib: ib.cancel_lifecycle_execution(lifecycle_id()),
    "create_image": lambda ib: ib.create_image(INFRASTRUCTURE, image_recipe_arn=RECIPE),
    "diagnose": lambda ib: ib.diagnose(IMAGE),
    "distribute_image": lambda ib: ib.distribute_image(IMAGE, DISTRIBUTION, "role"),
    "get_image": lambda ib: ib.get_image(IMAGE),
    "get_waiter": lambda ib: ib.get_waiter("image_available").wait(
        imageBuildVersionArn=IMAGE, WaiterConfig={"Delay": 4, "MaxAttempts": 100}
    ),
    "get_lifecycle_execution": lambda ib: ib.get_lifecycle_execution(lifecycle_id()),
    "get_workflow_execution": lambda ib: ib.get_workflow_execution(workflow_id()),
    "get_workflow_step_execution": lambda ib: ib.get_workflow_step_execution(STEP),
    "import_disk_image": lambda ib: ib.import_disk_image(
        "demo", "1.0.0", "Windows", "11", INFRASTRUCTURE, "s3://bucket/disk.iso"
    ),
    "import_vm_image": lambda ib: ib.import_vm_image("demo", "1.0.0", "Linux", "import-ami-1"),
    "list_image_build_versions": lambda ib: _collect(ib.list_image_build_versions()),
    "list_image_pipeline_images": lambda ib: _collect(ib.list_image_pipeline_images(PIPELINE)),
    "list_lifecycle_execution_resources": lambda ib: _collect(
        ib.list_lifecycle_execution_resources(lifecycle_id())
    ),
    "list_lifecycle_executions": lambda ib: _collect(ib.list_lifecycle_executions(IMAGE)),
    "list_waiting_workflow_steps": lambda ib: _collect(ib.list_waiting_workflow_steps()),
    "list_workflow_executions": lambda ib: _collect(ib.list_workflow_executions(IMAGE)),
    "list_workflow_step_executions": lambda ib: _collect(ib.list_workflow_step_executions(workflow_id())),
    "resume": lambda ib: ib.resume(STEP),
    "retry": lambda ib: ib.retry(IMAGE, timeout=600),
    "logs": lambda ib: _collect(ib.logs(IMAGE, follow=True)),
    "retry_image": lambda ib: ib.retry_image(IMAGE),
    "send_workflow_step_action": lambda ib: ib.send_workflow_step_action(STEP, IMAGE, "RESUME"),
    "start_image_pipeline_execution": lambda ib: ib.start_image_pipeline_execution(PIPELINE),
    "start_resource_state_update": lambda ib: ib.start_resource_state_update(
        IMAGE, ImageStatus.DEPRECATED, include_resources={"amis": True}
    ),
    "stop": lambda ib: ib.stop(STEP, reason="no"),
    "wait": lambda ib: ib.wait(workflow_id(), timeout=600),
    "wait_all": lambda ib: ib.wait_all(WORKFLOWS, timeout=600),
    "wait_for_image": lambda ib: ib.wait_for_image(IMAGE, timeout=600),
    "wait_for_next_image": lambda ib: ib.wait_for_next_image(PIPELINE, after=image_arn(0), timeout=600),
    "wait_for_lifecycle_execution": lambda ib: ib.wait_for_lifecycle_execution(lifecycle_id(), timeout=600),
    "wait_for_workflow_execution": lambda ib: ib.wait_for_workflow_execution(workflow_id(), timeout=600),
    "wait_for_workflow_step": lambda ib: ib.wait_for_workflow_step(STEP, timeout=600),
    "watch": lambda ib: _collect(ib.watch(IMAGE, detail="steps")),
    "watch_pipeline": lambda ib: _first(ib.watch_pipeline(PIPELINE, include_running=True)),
}


def test_cancellation_cases_cover_every_public_method():
    names = {name for name in dir(ImageBuilder) if not name.startswith("_")}
    assert names == {*CALLS, "waiter_names"}


def _service(steps: Steps) -> Service:
    service = Service(steps)
    for number in (1, 2, 3):
        service.workflow((0, "RUNNING"), (END, "COMPLETED"), number=number, imageBuildVersionArn=IMAGE)
    service.step(
        (0, "RUNNING"), (END, "COMPLETED"), workflowExecutionId=workflow_id(), imageBuildVersionArn=IMAGE
    )
    service.image((0, "BUILDING"), (END, "AVAILABLE"), sourcePipelineArn=PIPELINE)
    service.lifecycle((0, "IN_PROGRESS"), (END, "SUCCESS"))
    return service


async def _call_and_cancel(name: str, cancel_at: int | None) -> Steps:
    """Call the method beside other waits, cancel it at that step, and check that nothing is left behind."""
    random.seed(0)
    steps = Steps(cancel_at)
    service = _service(steps)
    ended: list[object] = []

    async def bystander(ib: ImageBuilder, identifier: str) -> None:
        try:
            ended.append((await ib.wait(identifier, timeout=600)).outcome)
        except ClientClosedError:
            ended.append("closed")

    # As the client of CloudWatch Logs, the service returns no lines.
    async with ImageBuilder(client=service, logs_client=service, min_delay=2, max_delay=4) as ib:
        poller, pipelines = ib._parts.poller, ib._parts.pipelines
        async with anyio.create_task_group() as tasks:
            bystanders = [workflow_id(), IMAGE]
            for identifier in bystanders:
                tasks.start_soon(bystander, ib, identifier)
            await anyio.sleep(0.001)
            result = await steps.run(CALLS[name](ib))
            # An iterator that was not closed is finalized by the event loop, a few steps later.
            await anyio.sleep(1e-6)
            assert _subscriptions(poller) <= len(bystanders)
        await anyio.sleep(0.1)
        assert ended == ["closed" if name == "aclose" else "succeeded"] * len(bystanders)
        assert poller.is_idle
        assert pipelines.is_idle
        assert service.in_flight == 0
    if name == "aclose":
        return steps
    if steps.was_own:
        assert steps.scope.cancelled_caught
    assert (result is None) == steps.scope.cancelled_caught
    return steps


def _subscriptions(poller: Poller) -> int:
    return sum(len(target.subscriptions) for target in poller._targets.values())


def _count_tasks() -> int:
    if trio.lowlevel.in_trio_run():
        return trio.lowlevel.current_statistics().tasks_living
    return len(anyio.get_running_tasks())


@pytest.mark.parametrize("name", CALLS)
def test_cancelled_call_leaks_nothing_and_affects_no_other_wait(run, name):
    async def main():
        before = _count_tasks()
        steps = (await _call_and_cancel(name, None)).count
        assert steps > 2
        for cancel_at in range(1, steps + 1):
            await _call_and_cancel(name, cancel_at)
            assert _count_tasks() == before

    run(main)
