"""Spans and metrics of OpenTelemetry, on virtual time."""

import subprocess
import sys

import anyio
import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import INVALID_SPAN, StatusCode

from aioimagebuilder import ExecutionFailedError, ImageBuilder, ObservationError, WaitTimeoutError
from support.scripted_service import (
    PIPELINE,
    REGION,
    ScriptedService,
    aws_error,
    image_arn,
    throttle,
    workflow_id,
)
from support.telemetry import Telemetry

BROKEN = aws_error("ServiceUnavailableException", 503)


def test_wait_is_a_span_in_the_context_of_its_caller(run):
    async def main():
        telemetry = Telemetry()
        service = ScriptedService()
        arn = service.image((0, "BUILDING"), (60, "AVAILABLE"))
        async with ImageBuilder(client=service, on_event=telemetry.hook) as ib:
            with telemetry.tracer.start_as_current_span("deploy") as deploy:
                await ib.wait(arn, timeout=3600)
                assert trace.get_current_span() is deploy
            await ib.wait(arn, timeout=0)
        inside, outside = telemetry.spans("imagebuilder.wait")
        assert inside.parent == deploy.get_span_context()
        assert outside.parent is None
        polls = telemetry.spans("imagebuilder.poll")
        assert all(each.parent is None for each in polls)
        assert telemetry.linked_polls(inside) == polls[:-1]
        assert telemetry.linked_polls(outside) == polls[-1:]
        assert telemetry.names == {"deploy", "imagebuilder.wait", "imagebuilder.poll"}
        assert dict(inside.attributes) == {
            "imagebuilder.id": arn,
            "imagebuilder.kind": "image",
            "imagebuilder.timeout": 3600.0,
            "imagebuilder.outcome": "succeeded",
            "imagebuilder.status": "AVAILABLE",
            "imagebuilder.polls": len(service.calls) - 1,
            "imagebuilder.throttles": 0,
            "cloud.region": REGION,
        }
        assert inside.status.status_code is StatusCode.UNSET
        assert dict(polls[0].attributes) == {
            "imagebuilder.operation": "GetImage",
            "imagebuilder.id": arn,
            "imagebuilder.kind": "image",
            "imagebuilder.attempt": 1,
            "imagebuilder.outcome": "succeeded",
            "imagebuilder.status": "BUILDING",
            "imagebuilder.executions": 1,
            "imagebuilder.waits": 1,
            "cloud.region": REGION,
        }

    run(main)


def test_concurrent_waits_share_polls_and_keep_their_parents(run):
    async def main():
        telemetry = Telemetry()
        service = ScriptedService(page_size=5)
        ids = [
            service.workflow(
                (0, "RUNNING"), (40 + number, "COMPLETED"), number=number, imageBuildVersionArn=image_arn()
            )
            for number in range(12)
        ]
        parents = {}

        async def deploy(identifier: str) -> None:
            with telemetry.tracer.start_as_current_span(identifier) as span:
                parents[identifier] = span.get_span_context()
                with telemetry.tracer.start_as_current_span("inner") as inner:
                    parents[identifier] = inner.get_span_context()
                    await ib.wait(identifier, timeout=None)
                    assert trace.get_current_span() is inner

        async with ImageBuilder(client=service, on_event=telemetry.hook) as ib:
            async with anyio.create_task_group() as tasks:
                for identifier in ids:
                    tasks.start_soon(deploy, identifier)
        waits = telemetry.spans("imagebuilder.wait")
        assert {each.attributes["imagebuilder.id"]: each.parent for each in waits} == parents
        for wait in waits:
            linked = telemetry.linked_polls(wait)
            assert len(linked) == wait.attributes["imagebuilder.polls"] == len({id(each) for each in linked})
        assert len(telemetry.spans("imagebuilder.poll")) == len(service.calls) - _later_pages(service)

    run(main)


def _later_pages(service: ScriptedService) -> int:
    return sum("nextToken" in call.params for call in service.calls)


def test_waits_of_all_are_siblings_in_the_context_of_the_caller(run):
    async def main():
        telemetry = Telemetry()
        service = ScriptedService()
        ids = [service.workflow((0, "RUNNING"), (9, "COMPLETED"), number=number) for number in range(5)]
        async with ImageBuilder(client=service, on_event=telemetry.hook) as ib:
            with telemetry.tracer.start_as_current_span("nightly") as parent:
                await ib.wait_all(ids, timeout=None)
        waits = telemetry.spans("imagebuilder.wait")
        assert {each.attributes["imagebuilder.id"] for each in waits} == set(ids)
        assert [each.parent for each in waits] == [parent.get_span_context()] * 5

    run(main)


def test_spans_do_not_outlive_a_client_opened_in_a_request(run):
    async def main():
        telemetry = Telemetry()
        service = ScriptedService()
        first, second = (
            service.workflow((0, "RUNNING"), (end, "COMPLETED"), number=end) for end in (60, 120)
        )
        with telemetry.tracer.start_as_current_span("request"):
            ib = await ImageBuilder(client=service, on_event=telemetry.hook).__aenter__()
            await ib.wait(first, timeout=None)
        await ib.wait(second, timeout=None)
        await ib.aclose()
        assert trace.get_current_span() is INVALID_SPAN
        assert all(each.parent is None for each in telemetry.spans("imagebuilder.poll"))
        assert [each.parent is None for each in telemetry.spans("imagebuilder.wait")] == [False, True]

    run(main)


def test_failed_wait_and_failed_poll_are_errors(run):
    async def main():
        telemetry = Telemetry()
        faults = iter([throttle(), BROKEN])
        service = ScriptedService(fault=lambda _: next(faults, None))
        failed = service.workflow((0, "FAILED"), message="out of disk")
        async with ImageBuilder(client=service, on_event=telemetry.hook) as ib:
            with pytest.raises(ExecutionFailedError) as caught:
                await ib.wait(failed, timeout=None)
            await ib.wait(failed, timeout=None, check=False)
            with pytest.raises(WaitTimeoutError):
                await ib.wait(service.workflow((0, "RUNNING"), number=2), timeout=20)
            with pytest.raises(ObservationError):
                await ib.wait(workflow_id(3), timeout=20)
        waits = telemetry.spans("imagebuilder.wait")
        assert [each.status.status_code for each in waits] == [
            StatusCode.ERROR,
            StatusCode.UNSET,
            StatusCode.ERROR,
            StatusCode.ERROR,
        ]
        assert [each.attributes.get("error.type") for each in waits] == [
            "ExecutionFailedError",
            None,
            "WaitTimeoutError",
            "ExecutionNotFoundError",
        ]
        assert waits[0].status.description == str(caught.value)
        assert waits[0].attributes["imagebuilder.throttles"] == 1
        throttled, broken, answered, *_ = telemetry.spans("imagebuilder.poll")
        assert throttled.attributes["error.type"] == "CallRateLimitExceededException"
        assert broken.attributes["error.type"] == "ServiceUnavailableException"
        assert [each.status.status_code for each in (throttled, broken, answered)] == [
            StatusCode.ERROR,
            StatusCode.ERROR,
            StatusCode.UNSET,
        ]
        assert telemetry.linked_polls(waits[0]) == [throttled, broken, answered]

    run(main)


def test_wait_that_is_left_has_a_span_without_error(run):
    async def main():
        telemetry = Telemetry()
        service = ScriptedService()
        identifier = service.workflow((0, "RUNNING"))
        async with ImageBuilder(client=service, on_event=telemetry.hook) as ib:
            with telemetry.tracer.start_as_current_span("deploy") as deploy:
                with anyio.move_on_after(20):
                    await ib.wait(identifier, timeout=None)
                async for _ in ib.watch(identifier):
                    assert trace.get_current_span() is deploy
                    break
                async with ib.as_completed([identifier], timeout=None) as completed:
                    with anyio.move_on_after(20):
                        await anext(completed)
        waits = telemetry.spans("imagebuilder.wait")
        assert [each.attributes["imagebuilder.outcome"] for each in waits] == ["left"] * 3
        assert {each.status.status_code for each in waits} == {StatusCode.UNSET}
        assert [each.parent for each in waits] == [deploy.get_span_context()] * 3
        assert sum(each.value for each in telemetry.metrics()["aioimagebuilder.wait.active"]) == 0

    run(main)


def test_watch_across_tasks_and_spans_has_one_span(run):
    async def main():
        telemetry = Telemetry()
        service = ScriptedService()
        arn = service.image((0, "BUILDING"), (60, "TESTING"), (120, "AVAILABLE"))
        async with ImageBuilder(client=service, on_event=telemetry.hook) as ib:
            watch = ib.watch(arn)
            for name in ("first", "second", "third"):
                with telemetry.tracer.start_as_current_span(name) as span:
                    await anext(watch)
                    assert trace.get_current_span() is span
            with pytest.raises(StopAsyncIteration):
                await anext(watch)
        (wait,) = telemetry.spans("imagebuilder.wait")
        (first,) = telemetry.spans("first")
        assert wait.parent == first.context

    run(main)


def test_metrics_count_waits_polls_throttles_and_rate(run):
    async def main():
        telemetry = Telemetry()
        faults = iter([throttle(), throttle(), BROKEN])
        service = ScriptedService(fault=lambda _: next(faults, None))
        arn = service.image((0, "BUILDING"), (700, "AVAILABLE"), sourcePipelineArn=PIPELINE)
        failed = service.workflow((0, "RUNNING"), (90, "FAILED"))
        async with ImageBuilder(client=service, on_event=telemetry.hook) as ib:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_fail, ib, failed)
                await anyio.sleep(1)
                active = telemetry.metrics()["aioimagebuilder.wait.active"]
                assert [(dict(each.attributes), each.value) for each in active] == [
                    ({"imagebuilder.kind": "workflow execution", "cloud.region": REGION}, 1)
                ]
                await ib.wait(arn, timeout=None)
            rate = ib._parts.caller._rate_limiter.rate
        found = telemetry.metrics()
        assert set(found) == {
            "aioimagebuilder.wait.duration",
            "aioimagebuilder.wait.active",
            "aioimagebuilder.polls",
            "aioimagebuilder.throttles",
            "aioimagebuilder.rate_limit",
        }
        durations = {
            (each.attributes["imagebuilder.kind"], each.attributes["imagebuilder.outcome"]): each
            for each in found["aioimagebuilder.wait.duration"]
        }
        assert set(durations) == {("image", "succeeded"), ("workflow execution", "failed")}
        duration = durations["image", "succeeded"]
        assert duration.count == 1
        assert 690 <= duration.sum <= 760
        assert {600, 900, 3600, 7200} < set(duration.explicit_bounds)
        assert sum(each.value for each in found["aioimagebuilder.polls"]) == len(service.calls)
        assert [
            (each.attributes["imagebuilder.kind"], each.value) for each in found["aioimagebuilder.throttles"]
        ] == [
            ("workflow execution", 2),
            ("image", 0),
        ]
        assert {each.value for each in found["aioimagebuilder.wait.active"]} == {0}
        (gauge,) = found["aioimagebuilder.rate_limit"]
        assert (dict(gauge.attributes), gauge.value) == ({"cloud.region": REGION}, rate)

    run(main)


async def _fail(ib: ImageBuilder, identifier: str) -> None:
    with pytest.raises(ExecutionFailedError):
        await ib.wait(identifier, timeout=None)


def test_labels_of_metrics_contain_no_id(run):
    async def main():
        telemetry = Telemetry()
        service = ScriptedService()
        ids = [
            *(service.image((0, "BUILDING"), (60, "AVAILABLE"), number=number) for number in range(30)),
            *(service.workflow((0, "RUNNING"), (60, "COMPLETED"), number=number) for number in range(30)),
            *(service.step((0, "RUNNING"), (60, "COMPLETED"), number=number) for number in range(30)),
            *(service.lifecycle((0, "IN_PROGRESS"), (60, "SUCCESS"), number=number) for number in range(30)),
        ]
        async with ImageBuilder(client=service, on_event=telemetry.hook) as ib:
            await ib.wait_all(ids, timeout=None)
            with pytest.raises(WaitTimeoutError):
                await ib.wait_for_next_image(PIPELINE, timeout=10)
        points = [each for several in telemetry.metrics().values() for each in several]
        labels = {(name, str(value)) for each in points for name, value in each.attributes.items()}
        assert {name for name, _ in labels} == {"imagebuilder.kind", "imagebuilder.outcome", "cloud.region"}
        assert len(labels) < 12
        assert not any("arn:" in value or "-0000-" in value for _, value in labels)
        assert len(points) < 30

    run(main)


def test_hook_is_shared_by_clients(run):
    async def main():
        telemetry = Telemetry()
        service = ScriptedService()
        ids = [service.workflow((0, "RUNNING"), (60, "COMPLETED"), number=number) for number in (1, 2)]
        async with (
            ImageBuilder(client=service, on_event=telemetry.hook) as first,
            ImageBuilder(client=service, on_event=telemetry.hook) as second,
            anyio.create_task_group() as tasks,
        ):
            for ib, identifier in zip((first, second), ids, strict=True):
                tasks.start_soon(lambda ib=ib, each=identifier: ib.wait(each, timeout=None))
        waits = telemetry.spans("imagebuilder.wait")
        assert {each.attributes["imagebuilder.id"] for each in waits} == set(ids)
        for wait in waits:
            linked = telemetry.linked_polls(wait)
            assert {each.attributes["imagebuilder.id"] for each in linked} == {
                wait.attributes["imagebuilder.id"]
            }

    run(main)


def test_failing_processor_of_spans_leaves_metrics_right(run):
    class Failing(SpanProcessor):
        def on_start(self, span, parent_context=None):
            raise ValueError("no span today")

    async def main():
        telemetry = Telemetry()
        telemetry.tracer_provider.add_span_processor(Failing())
        service = ScriptedService()
        identifier = service.workflow((0, "RUNNING"), (60, "COMPLETED"))
        async with ImageBuilder(client=service, on_event=telemetry.hook) as ib:
            assert (await ib.wait(identifier, timeout=None)).status == "COMPLETED"
        metrics = telemetry.metrics()
        assert [point.value for point in metrics["aioimagebuilder.wait.active"]] == [0]
        assert [point.count for point in metrics["aioimagebuilder.wait.duration"]] == [1]
        assert sum(point.value for point in metrics["aioimagebuilder.polls"]) == len(service.calls)

    run(main)


def test_missing_extra_is_named():
    module = "aioimagebuilder.instrumentation.opentelemetry"
    code = f"import sys; sys.modules['opentelemetry'] = None; import {module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.rstrip().endswith("pip install 'aioimagebuilder[otel]'")


def test_import_of_the_library_loads_no_opentelemetry():
    modules = "aioimagebuilder.client, aioimagebuilder.blocking, aioimagebuilder.instrumentation"
    code = f"import sys, {modules}; print('opentelemetry' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
