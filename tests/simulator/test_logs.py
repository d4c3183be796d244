"""Build logs in CloudWatch Logs, in the layout of the service."""

from __future__ import annotations

import datetime as dt

import pytest
from botocore.exceptions import ConnectionClosedError

from aioimagebuilder.testing import BuildScript, ComponentFailure, Fault, Simulator, StepScript
from simulator.support import refused


def lines(logs, group, stream):
    return logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]


def texts(logs, group="/aws/imagebuilder/demo", stream="1.0.0/1"):
    return [event["message"] for event in lines(logs, group, stream)]


def test_lines_appear_when_they_are_due(simulator, logs):
    arn = simulator.start_build(simulator.create_pipeline())
    simulator.advance(1)
    assert texts(logs) == [f"Image transitioned to PENDING state for Image ARN: {arn}"]
    simulator.advance(120)
    shown = texts(logs)
    assert "Started step LaunchBuildInstance with action LaunchInstance" in shown
    assert any(text.endswith("expected state: ['passed']). Attempt number: 2.") for text in shown)
    assert not any("AVAILABLE" in text for text in shown)
    simulator.advance(3600)
    shown = texts(logs)
    workflow = "arn:aws:imagebuilder:us-east-1:aws:workflow/build/build-image/1.0.3/1"
    assert f"Started BUILD workflow {workflow}" in shown
    assert f"Total 7 steps to run for workflow {workflow}" in shown
    assert shown[-1] == f"Image transitioned to AVAILABLE state for Image ARN: {arn}"
    assert len(shown) == len(texts(logs))


def test_times_are_simulated_milliseconds_in_order(simulator, logs):
    start = simulator.now()
    simulator.start_build(simulator.create_pipeline())
    simulator.advance(3600)
    times = [event["timestamp"] for event in lines(logs, "/aws/imagebuilder/demo", "1.0.0/1")]
    assert times == sorted(times)
    assert start * 1000 - 1 <= times[0]
    assert 500_000 < times[-1] - times[0] < 900_000


def test_the_group_keeps_the_case_of_the_name(simulator, logs):
    simulator.start_build(simulator.create_pipeline("My Image"))
    assert [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]] == [
        "/aws/imagebuilder/My Image",
        "/aws/imagebuilder/pipeline/My Image",
    ]


def test_an_image_may_have_a_group_of_its_own(simulator, client, logs):
    arn = simulator.start_build(simulator.create_pipeline(log_group="/aws/imagebuilder/own"))
    image = client.get_image(imageBuildVersionArn=arn)["image"]
    assert image["loggingConfiguration"] == {"logGroupName": "/aws/imagebuilder/own"}
    assert texts(logs, "/aws/imagebuilder/own")


def test_the_pipeline_has_a_log_per_day(simulator, logs):
    arn = simulator.start_build(simulator.create_pipeline())
    stream = dt.datetime.fromtimestamp(simulator.now(), dt.UTC).strftime("%Y/%m/%d")
    [text] = texts(logs, "/aws/imagebuilder/pipeline/demo", stream)
    assert arn in text


def test_a_failed_component_writes_what_it_wrote(simulator, logs):
    simulator.script(BuildScript.failing_component("disk full"))
    simulator.start_build(simulator.create_pipeline())
    simulator.advance(3600)
    shown = texts(logs)
    assert "Stderr: disk full" in shown
    assert "ExitCode 1" in shown


def test_a_script_may_write_lines(simulator, logs):
    own = StepScript(log_lines=("Stdout: one", "Stdout: two"))
    simulator.script(BuildScript(log_lines=100, steps={"ApplyBuildComponents": own}))
    simulator.start_build(simulator.create_pipeline())
    simulator.advance(3600)
    shown = texts(logs)
    assert "Stdout: line 100 of 100" in shown
    assert shown.index("Stdout: one") < shown.index("Stdout: two")


def test_a_stream_may_be_late_or_never_come(simulator, logs):
    simulator.script(BuildScript(log_delay=300))
    simulator.script(BuildScript(log_stream=False))
    pipeline = simulator.create_pipeline()
    simulator.start_build(pipeline)
    simulator.start_build(pipeline)
    simulator.advance(200)
    with refused("ResourceNotFoundException"):
        texts(logs)
    simulator.advance(200)
    assert len(texts(logs)) > 5
    simulator.advance(3600)
    with refused("ResourceNotFoundException"):
        texts(logs, stream="1.0.0/2")


def test_a_retry_goes_on_in_the_same_stream(simulator, client, logs):
    simulator.script(BuildScript.failing_step("LaunchTestInstance"))
    arn = simulator.start_build(simulator.create_pipeline())
    simulator.advance(3600)
    before = texts(logs)
    client.retry_image(imageBuildVersionArn=arn)
    simulator.advance(3600)
    after = texts(logs)
    assert after[: len(before)] == before
    assert after[-1].startswith("Image transitioned to AVAILABLE")


def test_a_cancel_is_the_last_line(simulator, client, logs):
    arn = simulator.start_build(simulator.create_pipeline())
    simulator.advance(100)
    client.cancel_image_creation(imageBuildVersionArn=arn)
    simulator.advance(3600)
    assert texts(logs)[-1] == f"Image transitioned to CANCELLED state for Image ARN: {arn}"


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        (Fault("throttle", service="logs", times=1), "ThrottlingException", 400),
        (
            Fault("error", service="logs", code="AccessDeniedException", status=400, times=1),
            "AccessDeniedException",
            400,
        ),
        (Fault("error", service="logs", code="ServiceUnavailableException", times=1), None, 500),
    ],
)
def test_cloudwatch_may_fail_while_the_service_does_not(simulator, client, logs, fault, code, status):
    arn = simulator.start_build(simulator.create_pipeline())
    simulator.inject(fault)
    assert client.get_image(imageBuildVersionArn=arn)["image"]["arn"] == arn
    with refused(code or "ServiceUnavailableException", status):
        texts(logs)
    assert texts(logs)
    calls = [(call.service, call.operation, call.status) for call in simulator.calls]
    assert calls == [
        ("imagebuilder", "GetImage", 200),
        ("logs", "GetLogEvents", status),
        ("logs", "GetLogEvents", 200),
    ]
    assert simulator.calls[-1].identifier == "/aws/imagebuilder/demo 1.0.0/1"


def test_cloudwatch_may_break_a_connection_and_be_slow(simulator, logs):
    simulator.start_build(simulator.create_pipeline())
    simulator.inject(Fault("reset", service="logs", times=1))
    with pytest.raises((ConnectionClosedError, ConnectionError)):
        texts(logs)
    simulator.inject(Fault("delay", service="logs", seconds=0.3, times=1))
    before = dt.datetime.now(dt.UTC)
    assert texts(logs)
    assert dt.datetime.now(dt.UTC) - before >= dt.timedelta(seconds=0.3)


def test_a_fault_of_the_service_is_none_of_cloudwatch(simulator, client, logs):
    arn = simulator.start_build(simulator.create_pipeline())
    simulator.inject(Fault("throttle", times=1))
    assert texts(logs)
    with refused("CallRateLimitExceededException", 429):
        client.get_image(imageBuildVersionArn=arn)


@pytest.mark.parametrize(("kind", "service"), [("stale", "logs"), ("throttle", "s3")])
def test_not_every_service_has_every_fault(kind, service):
    with pytest.raises(ValueError, match="has no fault of kind"):
        Fault(kind, service=service)


def test_a_command_may_write_something_else_than_its_error(simulator, client, logs):
    failure = ComponentFailure(error="exit status 1", stderr="no such package")
    simulator.script(
        BuildScript(steps={"ApplyBuildComponents": StepScript(status="FAILED", component_failure=failure)})
    )
    arn = simulator.start_build(simulator.create_pipeline())
    simulator.advance(3600)
    assert "Stderr: no such package" in texts(logs)
    context = client.get_image(imageBuildVersionArn=arn)["image"]["state"]["failureContext"]
    assert context["componentFailure"]["errorMessage"] == "exit status 1"


def test_component_logs_go_to_the_bucket_of_the_infrastructure(simulator, client):
    simulator.script(BuildScript.failing_component())
    arn = simulator.start_build(simulator.create_pipeline(log_bucket="example-logs"))
    simulator.advance(3600)
    image = client.get_image(imageBuildVersionArn=arn)["image"]
    assert image["infrastructureConfiguration"]["logging"]["s3Logs"]["s3BucketName"] == "example-logs"
    step = image["state"]["failureContext"]["stepExecutionId"]
    outputs = client.get_workflow_step_execution(stepExecutionId=step)["outputs"]
    assert "s3://example-logs/demo/1.0.0/1/ApplyBuildComponents" in outputs


def test_a_simulator_may_start_at_any_time(simulator):
    other = Simulator(time_scale=0, start=1788980000.0)
    assert other.now() == 1788980000.0
    other.advance(5)
    other.control.reset()
    assert other.now() == 1788980000.0
