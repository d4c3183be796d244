"""Gates, cancels, re-runs and whole builds, against the simulator over the wire."""

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

GATE = "RunSanitizeScript"


@pytest.fixture
def pipeline(simulator: Simulator) -> str:
    return simulator.create_pipeline("demo")


def answer_in_another_process(simulator: Simulator, call: str) -> str:
    """Let another process find the step that waits, and answer it."""
    program = f"""
        from aioimagebuilder.blocking import ImageBuilder

        with ImageBuilder(**{simulator.client_arguments!r}) as ib:
            [step] = ib.list_waiting_workflow_steps()
            print({call})
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


async def test_a_gate_approved_from_another_process_ends_the_wait(ib: ImageBuilder, simulator, pipeline):
    simulator.script(BuildScript.waiting(GATE))
    arn = await ib.start_image_pipeline_execution(pipeline)
    with pytest.raises(WaitingForActionError) as caught:
        await ib.wait(arn, timeout=30, on_waiting_step="raise")
    [step] = caught.value.steps
    assert step.name == GATE
    ended = []
    async with anyio.create_task_group() as tasks:

        async def wait() -> None:
            ended.append(await ib.wait_for_image(arn, timeout=60))

        tasks.start_soon(wait)
        call = "ib.resume(step.step_execution_id, reason='approved')"
        answered = await anyio.to_thread.run_sync(answer_in_another_process, simulator, call)
        assert answered == step.id
    assert ended[0].status == ImageStatus.AVAILABLE
    outputs = (await ib.get_workflow_step_execution(step.id)).outputs
    assert "approved" in str(outputs)


async def test_a_gate_that_is_stopped_fails_the_image_with_the_reason(ib, simulator, pipeline):
    simulator.script(BuildScript.waiting(GATE))
    arn = await ib.start_image_pipeline_execution(pipeline)
    with pytest.raises(WaitingForActionError) as caught:
        await ib.wait(arn, timeout=30, on_waiting_step="raise")
    [step] = caught.value.steps
    await ib.stop(step, reason="the scan is red")
    with pytest.raises(ExecutionFailedError, match="the scan is red"):
        await ib.wait(arn, timeout=30, on_waiting_step="raise")
    with pytest.raises(InvalidRequestException, match="is not waiting"):
        await ib.resume(step)


@pytest.mark.parametrize("detail", [None, "steps"])
@pytest.mark.parametrize("word", ["RUNNING", "WAITING"])
async def test_a_gate_left_alone_shows_in_a_watch_within_two_polls(ib, simulator, pipeline, detail, word):
    simulator.script(BuildScript.waiting(GATE, waiting_status=word))
    arn = await ib.start_image_pipeline_execution(pipeline)
    async with ib.watch(arn, detail=detail, min_delay=0.5, max_delay=0.5) as watch:
        async for image in watch:
            if image.progress.waiting_steps:
                break
    [step] = image.progress.waiting_steps
    assert (step.name, image.progress.step) == (GATE, GATE)
    assert image.status == ImageStatus.BUILDING
    shown = time.time()
    waits_since = (await ib.get_workflow_step_execution(step.id)).start_time
    assert image.progress.since == waits_since
    ago = (simulator.now() - waits_since.timestamp()) / simulator.control.time_scale
    polls = [each for each in simulator.calls if each.operation == "GetImage" and each.at < shown]
    assert sum(each.at > time.time() - ago for each in polls) <= 2


async def test_a_watch_shows_the_steps_of_a_whole_build(simulator: Simulator, pipeline):
    simulator.set_time_scale(150)
    async with ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
        arn = await ib.start_image_pipeline_execution(pipeline)
        seen = [image.progress async for image in ib.watch(arn, detail="steps")]
        workflows = [each.id async for each in ib.list_workflow_executions(arn)]
        course = [each.name for wf in workflows async for each in ib.list_workflow_step_executions(wf)]
    steps = list(dict.fromkeys(each.step for each in seen if each.step))
    # A machine that is busy may look too seldom to see each of them.
    assert steps == [name for name in course if name in steps]
    assert len(steps) > 2
    building = [each for each in seen if each.stage == "BUILDING" and each.steps_total]
    assert {each.steps_total for each in building} == {7}
    assert [each.steps_done for each in building] == sorted(each.steps_done for each in building)
    assert [each.stage for each in seen].count("AVAILABLE") == 1
    assert seen[-1].stage == "AVAILABLE"


async def test_what_cannot_be_looked_into_is_watched_to_its_end(simulator: Simulator, pipeline):
    for operation in ("ListWorkflowExecutions", "ListWaitingWorkflowSteps"):
        simulator.inject(Fault("error", operation=operation, code="ForbiddenException", status=403))
    async with ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
        arn = await ib.start_image_pipeline_execution(pipeline)
        for detail in ("steps", None):
            seen = [image.status async for image in ib.watch(arn, detail=detail)]
            assert seen[-1] == ImageStatus.AVAILABLE
    assert simulator.call_count("ListWorkflowExecutions") == 1


async def test_build_starts_waits_and_joins(ib: ImageBuilder, simulator: Simulator, pipeline):
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
        await ib.build(simulator.create_pipeline("else"), timeout=60, client_token="deploy-42")


async def test_a_build_that_fails_says_why_if_asked(ib: ImageBuilder, simulator: Simulator, pipeline):
    simulator.script(BuildScript.failing_component("yum: no such package"))
    with pytest.raises(ExecutionFailedError) as caught:
        await ib.build(pipeline, timeout=60, diagnose=True)
    assert "yum: no such package" in caught.value.diagnosis.report()


async def test_build_of_a_recipe_and_its_configurations(ib: ImageBuilder, simulator: Simulator, pipeline):
    image = await ib.build(pipeline, timeout=60)
    shown = image.raw
    built = await ib.build(
        timeout=60,
        image_recipe_arn=shown["imageRecipe"]["arn"],
        infrastructure_configuration_arn=shown["infrastructureConfiguration"]["arn"],
    )
    assert built.status == ImageStatus.AVAILABLE
    assert built.arn != image.arn


async def test_build_refuses_what_is_no_build_before_anything_is_sent(ib, simulator, pipeline):
    simulator.reset_calls()
    recipe = {"image_recipe_arn": "arn:aws:imagebuilder:us-east-1:123456789012:image-recipe/demo/1.0.0"}
    for arguments, says in (
        ({}, "Pass either pipeline_arn, or a recipe"),
        ({"pipeline_arn": pipeline, **recipe}, "Pass either pipeline_arn, or a recipe"),
        (recipe, "needs infrastructure_configuration_arn"),
        ({"pipeline_arn": pipeline, "on_timeout": "kill"}, "on_timeout must be"),
        ({"pipeline_arn": pipeline, "on_waiting_step": "shout"}, "on_waiting_step must be"),
    ):
        with pytest.raises(ValueError, match=says):
            await ib.build(**arguments, timeout=5)
    assert simulator.calls == []


async def test_cancel_tells_what_really_became_of_it(ib: ImageBuilder, simulator: Simulator, pipeline):
    running = await ib.start_image_pipeline_execution(pipeline)
    simulator.script(BuildScript(steps={"ApplyBuildComponents": StepScript(never_ends=True)}))
    endless = await ib.start_image_pipeline_execution(pipeline)
    assert (await ib.wait(running, timeout=30)).status == ImageStatus.AVAILABLE
    assert (await ib.cancel(running)).status == ImageStatus.AVAILABLE
    assert (await ib.cancel(endless)).status == ImageStatus.CANCELLED
    assert (await ib.cancel(endless)).status == ImageStatus.CANCELLED


async def test_cancel_of_a_finished_build_says_so_even_if_reads_lag(ib, simulator, pipeline):
    arn = await ib.start_image_pipeline_execution(pipeline)
    await ib.wait(arn, timeout=30)
    # A second and a half of real time ago, it was being built.
    simulator.inject(Fault("stale", operation="Get*", lag=1500))
    before = await ib.get_image(arn)
    assert not before.is_terminal
    assert (await ib.cancel(arn)).status == ImageStatus.AVAILABLE


async def test_cancel_of_a_lifecycle_execution(ib: ImageBuilder, simulator: Simulator):
    execution = simulator.add_execution("lifecycle_execution", [("IN_PROGRESS", None)])
    with pytest.raises(WaitTimeoutError):
        await ib.wait_for_lifecycle_execution(execution, timeout=0.2)
    assert (await ib.cancel(execution)).status == LifecycleExecutionStatus.CANCELLED


async def test_the_deadline_passes_while_the_build_finishes(ib: ImageBuilder, simulator: Simulator, pipeline):
    # Cancelling takes longer than what is left to do: the image is AVAILABLE before it is cancelled.
    simulator.script(BuildScript(cancelling=1e6))
    image = await ib.build(pipeline, timeout=0.3, on_timeout="cancel")
    assert image.status == ImageStatus.AVAILABLE
    assert simulator.call_count("CancelImageCreation") == 1


async def test_the_deadline_cancels_what_is_stuck(ib: ImageBuilder, simulator: Simulator, pipeline):
    simulator.script(BuildScript(steps={"ApplyBuildComponents": StepScript(never_ends=True)}))
    with pytest.raises(WaitTimeoutError, match="is CANCELLED: it was cancelled at the deadline") as caught:
        await ib.build(pipeline, timeout=0.5, on_timeout="cancel")
    assert caught.value.execution.status == ImageStatus.CANCELLED
    image = await ib.get_image(caught.value.identifier)
    assert image.status == ImageStatus.CANCELLED


async def test_a_cancel_at_the_deadline_whose_answer_hangs_is_bounded(simulator: Simulator, pipeline):
    simulator.script(BuildScript(steps={"ApplyBuildComponents": StepScript(never_ends=True)}))
    simulator.inject(Fault("delay", operation="CancelImageCreation", seconds=2))
    async with ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
        started = time.monotonic()
        with anyio.move_on_after(1) as scope:
            await ib.build(pipeline, timeout=0.5, on_timeout="cancel")
        assert scope.cancelled_caught
        assert 2 < time.monotonic() - started < 10
        arn = next(each.identifier for each in simulator.calls if each.operation == "CancelImageCreation")
        assert (await ib.wait(arn, timeout=30, check=False)).status == ImageStatus.CANCELLED


async def fail(ib: ImageBuilder, simulator: Simulator, pipeline: str) -> str:
    failing = StepScript(status="FAILED", message="no room")
    simulator.script(BuildScript(steps={"LaunchTestInstance": failing}))
    image = await ib.build(pipeline, timeout=30, check=False)
    assert image.status == ImageStatus.FAILED
    return image.arn


@pytest.mark.parametrize("reopening", [0.0, 1000.0])
@pytest.mark.parametrize("how", ["retry", "retry_image"])
async def test_a_wait_begun_at_once_after_a_retry_never_tells_the_stale_end(
    ib, simulator, pipeline, how, reopening
):
    arn = await fail(ib, simulator, pipeline)
    # What is read is two seconds old; to run again may take the service another one.
    await anyio.sleep(2)
    simulator.inject(Fault("stale", lag=2000))
    simulator.script(BuildScript(reopening=reopening))
    if how == "retry":
        image = await ib.retry(arn, timeout=60)
    else:
        await ib.retry_image(arn)
        assert (await ib.get_image(arn)).status == ImageStatus.FAILED
        image = await ib.wait_for_image(arn, timeout=60)
    assert image.status == ImageStatus.AVAILABLE


async def test_a_retry_that_fails_again_tells_the_new_failure(ib, simulator, pipeline):
    arn = await fail(ib, simulator, pipeline)
    before = await ib.get_image(arn)
    await anyio.sleep(1)
    simulator.inject(Fault("stale", lag=1000))
    simulator.script(
        BuildScript(steps={"LaunchTestInstance": StepScript(status="FAILED", message="no room")})
    )
    with pytest.raises(ExecutionFailedError, match="no room") as caught:
        await ib.retry(arn, timeout=60)
    ended = caught.value.execution.state.failure_context
    assert ended.workflow_execution_id != before.state.failure_context.workflow_execution_id


async def test_a_second_who_retries_joins_the_first(ib: ImageBuilder, simulator: Simulator, pipeline):
    arn = await fail(ib, simulator, pipeline)
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


async def test_what_is_available_cannot_be_retried_and_stays_an_answer(ib, simulator, pipeline):
    image = await ib.build(pipeline, timeout=30)
    with pytest.raises(InvalidRequestException, match="only FAILED or CANCELLED"):
        await ib.retry(image.arn, timeout=30)
    assert (await ib.wait(image.arn, timeout=0)).status == ImageStatus.AVAILABLE


def _blocking(simulator: Simulator, pipeline: str) -> None:
    simulator.script(BuildScript.waiting(GATE))
    with blocking.ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
        with pytest.raises(WaitingForActionError) as caught:
            ib.build(pipeline, timeout=30, on_waiting_step="raise", client_token="t")
        assert ib.resume(caught.value.steps[0]) == caught.value.steps[0].id
        image = ib.build(pipeline, timeout=30, client_token="t")
        assert image.arn == caught.value.identifier
        assert ib.cancel(image.arn).status == ImageStatus.AVAILABLE


async def test_the_blocking_face_steers_too(simulator: Simulator, pipeline):
    await anyio.to_thread.run_sync(_blocking, simulator, pipeline)
