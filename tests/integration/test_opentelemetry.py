"""Spans and metrics of OpenTelemetry over the wire, and spans of calls by `AiobotocoreInstrumentor`."""

import subprocess
import sys
from collections.abc import Iterator

import anyio
import pytest

pytest.importorskip("opentelemetry.sdk")

from aiobotocore.config import AioConfig
from opentelemetry import trace
from opentelemetry.instrumentation.botocore import AiobotocoreInstrumentor

from aioimagebuilder import ExecutionFailedError, ImageBuilder, blocking
from aioimagebuilder.instrumentation import Event, PollFinished, WaitEnded
from aioimagebuilder.testing import Simulator
from support.telemetry import Telemetry

from .conftest import BACKOFF, CADENCE, CLIENTS


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    telemetry = Telemetry()
    instrumentor = AiobotocoreInstrumentor()
    instrumentor.instrument(tracer_provider=telemetry.tracer_provider)
    yield telemetry
    instrumentor.uninstrument()


@pytest.mark.parametrize(("backend", "options"), CLIENTS)
def test_spans_of_calls_are_children_of_polls(simulator: Simulator, telemetry, backend, options):
    simulator.set_rate_limit(3, burst=3)
    pipeline = simulator.create_pipeline("demo")

    async def main() -> None:
        config = AioConfig(**options)
        arguments = {**simulator.client_arguments, **CADENCE, "backoff": BACKOFF, "config": config}
        async with ImageBuilder(**arguments, on_event=telemetry.hook) as ib:
            with telemetry.tracer.start_as_current_span("deploy"):
                await ib.build(pipeline, timeout=60)

    anyio.run(main, backend=backend)
    (deploy,) = telemetry.spans("deploy")
    (wait,) = telemetry.spans("imagebuilder.wait")
    assert wait.parent == deploy.context
    polls = telemetry.spans("imagebuilder.poll")
    assert telemetry.linked_polls(wait) == polls
    assert len(polls) == wait.attributes["imagebuilder.polls"] > 1
    # One span for each call, and it is the instrumentor's.
    calls = telemetry.spans("imagebuilder.GetImage")
    assert [call.parent for call in calls] == [poll.context for poll in polls]
    (start,) = telemetry.spans("imagebuilder.StartImagePipelineExecution")
    assert start.parent == deploy.context
    assert telemetry.names == {
        "deploy",
        "imagebuilder.wait",
        "imagebuilder.poll",
        "imagebuilder.GetImage",
        "imagebuilder.StartImagePipelineExecution",
    }
    throttles = sum(each.value for each in telemetry.metrics().get("aioimagebuilder.throttles", ()))
    assert throttles == sum(each.attributes["imagebuilder.outcome"] == "throttled" for each in polls)


def test_blocking_wait_is_in_the_context_of_its_thread(simulator: Simulator, telemetry):
    execution = simulator.add_execution("workflow_execution", [("RUNNING", 600.0), ("FAILED", None)])
    events: list[Event] = []
    arguments = {**simulator.client_arguments, **CADENCE, "on_event": [events.append, telemetry.hook]}
    with blocking.ImageBuilder(**arguments) as ib:
        with telemetry.tracer.start_as_current_span("script") as script:
            with pytest.raises(ExecutionFailedError):
                ib.wait(execution, timeout=60)
            for _ in ib.watch(execution):
                assert trace.get_current_span() is script
    failed, watched = telemetry.spans("imagebuilder.wait")
    assert failed.parent == watched.parent == script.get_span_context()
    ended, _ = [each for each in events if isinstance(each, WaitEnded)]
    assert (ended.id, ended.outcome, ended.status) == (execution, "failed", "FAILED")
    assert ended.polls == len([each for each in events if isinstance(each, PollFinished)]) - 1


def test_providers_may_be_set_up_after_the_client(simulator: Simulator, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(_LATE_PROVIDERS)
    pipeline = simulator.create_pipeline("demo")
    arguments = simulator.client_arguments
    command = [sys.executable, "-W", "error", str(program), pipeline, arguments["endpoint_url"]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", "imagebuilder.wait aioimagebuilder.wait.duration\n")


_LATE_PROVIDERS = """
import sys

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from aioimagebuilder.blocking import ImageBuilder
from aioimagebuilder.instrumentation.opentelemetry import OpenTelemetryHook

_, pipeline, endpoint_url = sys.argv
ib = ImageBuilder(
    region_name="us-east-1",
    endpoint_url=endpoint_url,
    aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
    aws_secret_access_key="simulated",
    on_event=OpenTelemetryHook(),
)
exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
metrics.set_meter_provider(MeterProvider([reader]))
with ib:
    ib.build(pipeline, timeout=60)
spans = [each.name for each in exporter.get_finished_spans()]
(scope,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
assert scope.scope.name == "aioimagebuilder"
names = [each.name for each in scope.metrics]
print(spans[-1], *(each for each in names if each.endswith("duration")))
"""
