"""Waiting steps, progress, builds, cancellations and retries, over HTTP."""

import subprocess
import sys
import textwrap
import time

import anyio
import pytest

from aioimagebuilder import (
    ExecutionFailedError,
    IdempotentParameterMismatchException,
    ImageBuilder,
    ImageStatus,
    InvalidRequestException,
    LifecycleExecutionStatus,
    WaitingForActionError,
    WaitTimeoutError,
    blocking,
)
from aioimagebuilder.testing import BuildScript, Fault, Simulator, StepScript

from .conftest import CADENCE

pytestmark = pytest.mark.asyncio

WAITING_STEP = "RunSanitizeScript"
FAILING = BuildScript(steps={"LaunchTestInstance": StepScript(status="FAILED", message="no capacity")})


@pytest.fixture
def pipeline(simulator: Simulator) -> str:
    return simulator.create_pipeline("demo")


def answer_in_another_process(simulator: Simulator, call: str) -> str:
    """Find the waiting step in another process, evaluate `call` there, and return its printed result."""
    program = f"""
        from aioimagebuilder.blocking import ImageBuilder

        with ImageBuilder(**{simulator.client_arguments!r}) as ib:
            [step] = ib.list_waiting_workflow_steps()
            print({call})
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program)]
    completed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return completed.stdout.strip()


async def test_resume_from_another_process_ends_wait(ib: ImageBuilder, simulator, pipeline):
    simulator.script(BuildScript.waiting(WAITING_STEP))
    arn = await ib.start_image_pipeline_execution(pipeline)
    with pytest.raises(WaitingForActionError) as caught:
        await ib.wait(arn, timeout=30, on_waiting_step="raise")
    [step] = caught.value.steps
    assert step.name == WAITING_STEP
    # The step must not time out before another process has started.
    scale = simulator.time_scale
    simulator.set_time_scale(0)
    ended = []
    async with anyio.create_task_group() as tasks:

        async def wait() -> None:
            ended.append(await ib.wait_for_image(arn, timeout=60))

        tasks.start_soon(wait)
        call = "ib.resume(step.step_execution_id, reason='approved')"
        answered = await anyio.to_thread.run_sync(answer_in_another_process, simulator, call)
        assert answered == step.id
        simulator.set_time_scale(scale)
    assert ended[0].status == ImageStatus.AVAILABLE
    outputs = (await ib.get_workflow_step_execution(step.id)).outputs
    assert "approved" in str(outputs)


async def test_stopped_step_fails_image_with_reason(ib, simulator, pipeline):
    simulator.script(BuildScript.waiting(WAITING_STEP))
    arn = await ib.start_image_pipeline_execution(pipeline)
    with pytest.raises(WaitingForActionError) as caught:
        await ib.wait(arn, timeout=30, on_waiting_step="raise")
    [step] = caught.value.steps
    await ib.stop(step, reason="the scan failed")
    with pytest.raises(ExecutionFailedError, match="the scan failed"):
        await ib.wait(arn, timeout=30, on_waiting_step="raise")
    with pytest.raises(InvalidRequestException, match="is not waiting"):
        await ib.resume(step)


@pytest.mark.parametrize("detail", [None, "steps"])
@pytest.mark.parametrize("status", ["RUNNING", "WAITING"])
async def test_watch_shows_waiting_step_within_two_polls(ib, simulator, pipeline, detail, status):
    simulator.script(BuildScript.waiting(WAITING_STEP, waiting_status=status))
    arn = await ib.start_image_pipeline_execution(pipeline)
    async with ib.watch(arn, detail=detail, min_delay=0.5, max_delay=0.5) as watch:
        async for image in watch:
            if image.progress.waiting_steps:
                break
    [step] = image.progress.waiting_steps
    assert (step.name, image.progress.step) == (WAITING_STEP, WAITING_STEP)
    assert image.status == ImageStatus.BUILDING
    shown = time.time()
    started = (await ib.get_workflow_step_execution(step.id)).start_time
    assert image.progress.since == started
    real_seconds = (simulator.now() - started.timestamp()) / simulator.control.time_scale
    polls = [each for each in simulator.calls if each.operation == "GetImage" and each.at < shown]
    assert sum(each.at > time.time() - real_seconds for each in polls) <= 2


async def test_watch_with_detail_shows_steps_in_order(simulator: Simulator, pipeline):
    simulator.set_time_scale(150)
    async with ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
        arn = await ib.start_image_pipeline_execution(pipeline)
        seen = [image.progress async for image in ib.watch(arn, detail="steps")]
        workflows = [each.id async for each in ib.list_workflow_executions(arn)]
        all_steps = [each.name for wf in workflows async for each in ib.list_workflow_step_executions(wf)]
    steps = list(dict.fromkeys(each.step for each in seen if each.step))
    # A busy machine may poll too rarely to see all of them.
    assert steps == [name for name in all_steps if name in steps]
    assert len(steps) > 2
    building = [each for each in seen if each.stage == "BUILDING" and each.steps_total]
    assert {each.steps_total for each in building} == {7}
    assert [each.steps_done for each in building] == sorted(each.steps_done for each in building)
    assert [each.stage for each in seen].count("AVAILABLE") == 1
    assert seen[-1].stage == "AVAILABLE"


async def test_watch_with_denied_step_reads_reaches_the_end(simulator: Simulator, pipeline):
    for operation in ("ListWorkflowExecutions", "ListWaitingWorkflowSteps"):
        simulator.inject(Fault("error", operation=operation, code="ForbiddenException", status=403))
    async with ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
        arn = await ib.start_image_pipeline_execution(pipeline)
        for detail in ("steps", None):
            seen = [image.status async for image in ib.watch(arn, detail=detail)]
            assert seen[-1] == ImageStatus.AVAILABLE
    assert simulator.call_count("ListWorkflowExecutions") == 1


async def test_builds_with_same_token_join_one_build(ib: ImageBuilder, simulator: Simulator, pipeline):
    images = []
    async with (
        ImageBuilder(**simulator.client_arguments, **CADENCE) as other,
        anyio.create_task_group() as tasks,
    ):

        async def build(each: ImageBuilder) -> None:
            images.append(await each.build(pipeline, timeout=60, client_token="deploy-42"))

        for each in (ib, ib, other):
            tasks.start_soon(build, each)
    assert {image.status for image in images} == {ImageStatus.AVAILABLE}
    assert len({image.arn for image in images}) == 1
    assert len([each async for each in ib.list_image_pipeline_images(pipeline)]) == 1
    with pytest.raises(IdempotentParameterMismatchException):
        await ib.build(simulator.create_pipeline("other"), timeout=60, client_token="deploy-42")


async def test_failed_build_has_diagnosis_on_request(ib: ImageBuilder, simulator: Simulator, pipeline):
    simulator.script(BuildScript.failing_component("yum: no such package"))
    with pytest.raises(ExecutionFailedError) as caught:
        await ib.build(pipeline, timeout=60, diagnose=True)
    assert "yum: no such package" in caught.value.diagnosis.report()


async def test_build_of_recipe_creates_new_image(ib: ImageBuilder, simulator: Simulator, pipeline):
    image = await ib.build(pipeline, timeout=60)
    built = await ib.build(
        timeout=60,
        image_recipe_arn=image.raw["imageRecipe"]["arn"],
        infrastructure_configuration_arn=image.raw["infrastructureConfiguration"]["arn"],
    )
    assert built.status == ImageStatus.AVAILABLE
    assert built.arn != image.arn


async def test_invalid_build_arguments_raise_before_any_request(ib, simulator, pipeline):
    simulator.reset_calls()
    recipe = {"image_recipe_arn": "arn:aws:imagebuilder:us-east-1:123456789012:image-recipe/demo/1.0.0"}
    for arguments, message in (
        ({}, "Pass either pipeline_arn, or a recipe"),
        ({"pipeline_arn": pipeline, **recipe}, "Pass either pipeline_arn, or a recipe"),
        (recipe, "needs infrastructure_configuration_arn"),
        ({"pipeline_arn": pipeline, "on_timeout": "kill"}, "on_timeout must be"),
        ({"pipeline_arn": pipeline, "on_waiting_step": "shout"}, "on_waiting_step must be"),
    ):
        with pytest.raises(ValueError, match=message):
            await ib.build(**arguments, timeout=5)
    assert simulator.calls == []


async def test_cancel_returns_actual_outcome(ib: ImageBuilder, simulator: Simulator, pipeline):
    running = await ib.start_image_pipeline_execution(pipeline)
    simulator.script(BuildScript(steps={"ApplyBuildComponents": StepScript(never_ends=True)}))
    endless = await ib.start_image_pipeline_execution(pipeline)
    assert (await ib.wait(running, timeout=30)).status == ImageStatus.AVAILABLE
    assert (await ib.cancel(running)).status == ImageStatus.AVAILABLE
    assert (await ib.cancel(endless)).status == ImageStatus.CANCELLED
    assert (await ib.cancel(endless)).status == ImageStatus.CANCELLED


async def test_cancel_of_ended_build_outlasts_stale_reads(ib, simulator, pipeline):
    arn = await ib.start_image_pipeline_execution(pipeline)
    await ib.wait(arn, timeout=30)
    # 1.5 real seconds ago, the build was running.
    simulator.inject(Fault("stale", operation="Get*", lag=1500))
    before = await ib.get_image(arn)
    assert not before.is_terminal
    assert (await ib.cancel(arn)).status == ImageStatus.AVAILABLE


async def test_cancel_of_lifecycle_execution_returns_cancelled(ib: ImageBuilder, simulator: Simulator):
    execution = simulator.add_execution("lifecycle_execution", [("IN_PROGRESS", None)])
    with pytest.raises(WaitTimeoutError):
        await ib.wait_for_lifecycle_execution(execution, timeout=0.2)
    assert (await ib.cancel(execution)).status == LifecycleExecutionStatus.CANCELLED


async def test_build_ending_after_cancel_request_is_available(
    ib: ImageBuilder, simulator: Simulator, pipeline
):
    # Cancelling takes longer than the rest of the build.
    simulator.script(BuildScript(cancelling=1e6))
    image = await ib.build(pipeline, timeout=0.3, on_timeout="cancel")
    assert image.status == ImageStatus.AVAILABLE
    assert simulator.call_count("CancelImageCreation") == 1


async def test_stuck_build_is_cancelled_at_deadline(ib: ImageBuilder, simulator: Simulator, pipeline):
    simulator.script(BuildScript(steps={"ApplyBuildComponents": StepScript(never_ends=True)}))
    with pytest.raises(WaitTimeoutError, match="is CANCELLED: it was cancelled at the deadline") as caught:
        await ib.build(pipeline, timeout=0.5, on_timeout="cancel")
    assert caught.value.execution.status == ImageStatus.CANCELLED
    image = await ib.get_image(caught.value.identifier)
    assert image.status == ImageStatus.CANCELLED


async def test_cancel_request_at_deadline_is_shielded_and_bounded(simulator: Simulator, pipeline):
    simulator.script(BuildScript(steps={"ApplyBuildComponents": StepScript(never_ends=True)}))
    simulator.inject(Fault("delay", operation="CancelImageCreation", seconds=5))
    async with ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
        started = time.monotonic()
        with anyio.move_on_after(4) as scope:
            await ib.build(pipeline, timeout=0.5, on_timeout="cancel")
        assert scope.cancelled_caught
        assert 5 < time.monotonic() - started < 15
        arn = next(each.identifier for each in simulator.calls if each.operation == "CancelImageCreation")
        assert (await ib.wait(arn, timeout=30, check=False)).status == ImageStatus.CANCELLED


async def build_failed_image(ib: ImageBuilder, simulator: Simulator, pipeline: str) -> str:
    simulator.script(FAILING)
    image = await ib.build(pipeline, timeout=30, check=False)
    assert image.status == ImageStatus.FAILED
    return image.arn


@pytest.mark.parametrize("reopening", [0.0, 1000.0])
@pytest.mark.parametrize("method", ["retry", "retry_image"])
async def test_wait_after_retry_ignores_stale_terminal_state(ib, simulator, pipeline, method, reopening):
    arn = await build_failed_image(ib, simulator, pipeline)
    # Reads are two seconds old, and it may take the service another one to start the rerun.
    await anyio.sleep(2)
    simulator.inject(Fault("stale", lag=2000))
    simulator.script(BuildScript(reopening=reopening))
    if method == "retry":
        image = await ib.retry(arn, timeout=60)
    else:
        await ib.retry_image(arn)
        assert (await ib.get_image(arn)).status == ImageStatus.FAILED
        image = await ib.wait_for_image(arn, timeout=60)
    assert image.status == ImageStatus.AVAILABLE


async def test_retry_that_fails_again_raises_new_failure(ib, simulator, pipeline):
    arn = await build_failed_image(ib, simulator, pipeline)
    before = await ib.get_image(arn)
    await anyio.sleep(1)
    simulator.inject(Fault("stale", lag=1000))
    simulator.script(FAILING)
    with pytest.raises(ExecutionFailedError, match="no capacity") as caught:
        await ib.retry(arn, timeout=60)
    failure_context = caught.value.execution.state.failure_context
    assert failure_context.workflow_execution_id != before.state.failure_context.workflow_execution_id


async def test_second_retry_joins_first(ib: ImageBuilder, simulator: Simulator, pipeline):
    arn = await build_failed_image(ib, simulator, pipeline)
    simulator.script(BuildScript.waiting("LaunchTestInstance"))
    ended = []
    async with anyio.create_task_group() as tasks:

        async def retry() -> None:
            ended.append((await ib.retry(arn, timeout=60)).status)

        tasks.start_soon(retry)
        with pytest.raises(WaitingForActionError) as caught:
            await ib.retry(arn, timeout=60, on_waiting_step="raise")
        await ib.resume(*caught.value.steps)
    assert ended == [ImageStatus.AVAILABLE]
    assert simulator.call_count("RetryImage") == 2


async def test_retry_of_available_image_is_rejected_without_effect(ib, simulator, pipeline):
    image = await ib.build(pipeline, timeout=30)
    with pytest.raises(InvalidRequestException, match="only FAILED or CANCELLED"):
        await ib.retry(image.arn, timeout=30)
    assert (await ib.wait(image.arn, timeout=0)).status == ImageStatus.AVAILABLE


def _build_blocking(simulator: Simulator, pipeline: str) -> None:
    simulator.script(BuildScript.waiting(WAITING_STEP))
    with blocking.ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
        with pytest.raises(WaitingForActionError) as caught:
            ib.build(pipeline, timeout=30, on_waiting_step="raise", client_token="t")
        assert ib.resume(caught.value.steps[0]) == caught.value.steps[0].id
        image = ib.build(pipeline, timeout=30, client_token="t")
        assert image.arn == caught.value.identifier
        assert ib.cancel(image.arn).status == ImageStatus.AVAILABLE


async def test_blocking_client_controls_build(simulator: Simulator, pipeline):
    await anyio.to_thread.run_sync(_build_blocking, simulator, pipeline)
