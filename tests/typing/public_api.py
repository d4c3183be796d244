"""The public API as a user's type checker sees it: checked by mypy and basedpyright, never run."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import assert_type

from aioimagebuilder import (
    Ami,
    AsCompleted,
    CauseKind,
    Detail,
    Diagnosis,
    Execution,
    ExecutionFailedError,
    Image,
    ImageBuilder,
    LifecycleExecution,
    LifecycleExecutionResource,
    LogLine,
    OpenEnum,
    Outcome,
    PipelineWatch,
    Progress,
    RootCause,
    SqsHints,
    WaitError,
    WaitGroupError,
    WaitingForActionError,
    Watch,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowStepActionType,
    WorkflowStepExecution,
    blocking,
)
from aioimagebuilder.instrumentation import (
    Event,
    Notice,
    OnEvent,
    PollFinished,
    PollOutcome,
    RateChanged,
    WaitEnded,
    WaitOutcome,
)
from aioimagebuilder.instrumentation.opentelemetry import OpenTelemetryHook
from aioimagebuilder.testing import Simulator

ARN = "arn:aws:imagebuilder:us-east-1:123456789012:image/demo/1.0.0/1"


async def waits(ib: ImageBuilder) -> None:
    assert_type(await ib.wait("wf-…", timeout=3600), Execution)
    assert_type(await ib.wait_for_image(ARN, timeout=timedelta(hours=2)), Image)
    assert_type(await ib.wait_for_workflow_execution("wf-…", timeout=None, check=False), WorkflowExecution)
    assert_type(await ib.wait_for_workflow_step("step-…", timeout=0), WorkflowStepExecution)
    assert_type(await ib.wait_for_lifecycle_execution("lce-…", timeout=60.5), LifecycleExecution)
    assert_type(await ib.wait_all([ARN], timeout=1, fail_fast=True), list[Execution])
    assert_type(ib.watch(ARN), Watch[Execution])
    assert_type(ib.as_completed([ARN], timeout=1), AsCompleted)
    async for each in ib.as_completed((ARN,), timeout=None):
        assert_type(each, Execution)
        assert_type(each.status, OpenEnum | None)
        assert_type(each.outcome, Outcome | None)
        assert_type(each.progress, Progress)


def hooks() -> None:
    def on_event(event: Event) -> None:
        assert_type(event.region, str)
        match event:
            case WaitEnded():
                assert_type(event.outcome, WaitOutcome)
                assert_type(event.status, str | None)
                assert_type(event.duration, float)
            case PollFinished():
                assert_type(event.outcome, PollOutcome)
                assert_type(event.waits, tuple[str, ...])
                assert_type(event.retry_in, float | None)
            case RateChanged():
                assert_type(event.previous, float | None)
            case Notice():
                assert_type(event.error, BaseException | None)
            case _:
                pass

    events: list[Event] = []
    several: list[OnEvent] = [on_event, events.append, OpenTelemetryHook()]
    ImageBuilder(on_event=on_event)
    blocking.ImageBuilder(on_event=several)
    ImageBuilder(on_event=OpenTelemetryHook(tracer_provider=None))


def hints() -> None:
    queue = SqsHints("https://sqs.eu-west-1.amazonaws.com/123456789012/hints")
    assert_type(queue.region, str | None)
    ImageBuilder(hints=queue, hinted_max_delay=timedelta(minutes=5))
    blocking.ImageBuilder(hints=queue, hinted_max_delay=300)


async def botocore_waiters(ib: ImageBuilder, blocking_ib: blocking.ImageBuilder) -> None:
    response = await ib.get_waiter("image_available").wait(imageBuildVersionArn=ARN)
    assert_type(response, dict[str, object])
    waiter = ib.get_waiter("workflow_execution_completed")
    await waiter.wait(workflowExecutionId="wf-…", WaiterConfig={"Delay": 15, "MaxAttempts": 40})
    await ib.get_waiter("workflow_step_execution_completed").wait(stepExecutionId="step-…", WaiterConfig={})
    blocking_waiter = blocking_ib.get_waiter("lifecycle_execution_succeeded")
    assert_type(blocking_waiter.wait(lifecycleExecutionId="lce-…"), dict[str, object])
    assert_type(ib.waiter_names, list[str])
    await waiter.wait(imageBuildVersionArn=ARN)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await waiter.wait(workflowExecutionId=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    for name in ib.waiter_names:
        ended = ib.get_waiter(name).wait(imageBuildVersionArn=ARN, WaiterConfig={"Delay": 15})
        assert_type(await ended, dict[str, object])
        assert_type(ib.get_waiter(name).config.delay, float)
        assert_type(blocking_ib.get_waiter(name).wait(**{name: ARN}), dict[str, object])
    await asyncio.create_task(waiter.wait(workflowExecutionId="wf-…"))


async def builds_and_actions(ib: ImageBuilder) -> None:
    assert_type(await ib.build("arn:…", timeout=3600, client_token="t", on_timeout="cancel"), Image)
    recipe = ib.build(timeout=1, image_recipe_arn="arn:…", infrastructure_configuration_arn="arn:…")
    assert_type(await recipe, Image)
    assert_type(await ib.retry(ARN, timeout=None, on_waiting_step="report"), Image)
    assert_type(await ib.wait_for_next_image("arn:…", timeout=None, after=ARN, diagnose=True), Image)
    assert_type(ib.watch_pipeline("arn:…", include_running=True, min_delay=1), PipelineWatch)
    async for image in ib.watch_pipeline("arn:…", after=await ib.get_image(ARN)):
        assert_type(image, Image)
    assert_type(await ib.cancel(ARN, timeout=timedelta(minutes=5)), Execution)
    assert_type(await ib.resume("step-…", reason="looks good"), str)
    assert_type(await ib.wait(ARN, timeout=1, on_waiting_step="raise", on_timeout="cancel"), Execution)
    async for each in ib.watch(ARN, detail="steps"):
        assert_type(each.detail, Detail | None)
        assert_type(each.progress.step, str | None)
        assert_type(each.progress.since, datetime | None)
        assert_type(each.progress.waiting_steps, tuple[WorkflowStepExecution, ...])
        for step in each.progress.waiting_steps:
            assert_type(await ib.stop(step, reason="no"), str)


async def operations(ib: ImageBuilder) -> None:
    image = await ib.get_image(ARN)
    assert_type(image.amis, tuple[Ami, ...])
    workflow = await ib.get_workflow_execution("wf-…")
    assert_type(workflow.status, WorkflowExecutionStatus | None)
    assert_type(ib.list_workflow_executions(ARN), AsyncIterator[WorkflowExecution])
    assert_type(ib.list_lifecycle_execution_resources("lce-…"), AsyncIterator[LifecycleExecutionResource])
    assert_type(await ib.start_image_pipeline_execution("arn:…"), str)
    assert_type(await ib.send_workflow_step_action("step-…", ARN, WorkflowStepActionType.RESUME), str)


async def diagnoses(ib: ImageBuilder) -> None:
    diagnosis = await ib.diagnose("wf-…", log_lines=5, timeout=timedelta(seconds=10))
    assert_type(diagnosis, Diagnosis)
    assert_type(diagnosis.report(), str)
    assert_type(diagnosis.cause, RootCause | None)
    if diagnosis.cause is not None:
        assert_type(diagnosis.cause.kind, CauseKind)
        assert_type(diagnosis.cause.place.step, str | None)
    assert_type(diagnosis.log_lines, tuple[LogLine, ...])
    try:
        await ib.wait_all([ARN], timeout=None, diagnose=True)
        await ib.wait_for_image(ARN, timeout=None, diagnose=True)
    except ExecutionFailedError as error:
        assert_type(error.diagnosis, Diagnosis | None)


async def logs(ib: ImageBuilder) -> None:
    assert_type(ib.logs(ARN, since=datetime(2026, 9, 9, tzinfo=UTC)), AsyncIterator[LogLine])
    async for line in ib.logs(ARN, follow=True, min_delay=1):
        assert_type(line.timestamp, datetime)
        assert_type(line.message, str)


def errors(group: WaitGroupError) -> None:
    assert_type(group.errors, tuple[WaitError, ...])
    assert_type(group.executions, tuple[Execution | None, ...])
    for error in group.errors:
        if isinstance(error, WaitingForActionError):
            assert_type(error.steps, tuple[WorkflowStepExecution, ...])


def blocking_client() -> None:
    with Simulator() as simulator, blocking.ImageBuilder(**simulator.client_arguments, max_delay=9) as ib:
        assert_type(ib.wait("wf-…", timeout=3600), Execution)
        assert_type(ib.wait_for_image(ARN, timeout=timedelta(hours=2)), Image)
        assert_type(ib.wait_all([ARN], timeout=None, check=False), list[Execution])
        assert_type(ib.build("arn:…", timeout=3600, on_timeout="cancel"), Image)
        assert_type(ib.cancel(ARN), Execution)
        assert_type(ib.wait_for_next_image("arn:…", timeout=1), Image)
        assert_type(ib.watch_pipeline("arn:…"), blocking.BlockingIterator[Image])
        assert_type(ib.watch(ARN, min_delay=1), blocking.BlockingIterator[Execution])
        for each in ib.list_workflow_executions(ARN, page_size=5):
            assert_type(each, WorkflowExecution)
        assert_type(ib.cancel_image_creation(ARN, client_token="t"), str)
        assert_type(ib.diagnose(ARN), Diagnosis)
        assert_type(ib.logs(ARN, follow=True), blocking.BlockingIterator[LogLine])
