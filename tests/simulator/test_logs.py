"""Build logs in CloudWatch Logs, and the faults of CloudWatch Logs."""

from __future__ import annotations

import datetime as dt

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from aioimagebuilder.testing import BuildScript, ComponentFailure, Fault, Simulator, StepScript
from simulator.support import raises_error


def get_events(logs, group, stream):
    return logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]


def get_messages(logs, group="/aws/imagebuilder/demo", stream="1.0.0/1"):
    return [event["message"] for event in get_events(logs, group, stream)]


def test_log_lines_appear_when_due(simulator, logs):
    arn = simulator.start_build(simulator.create_pipeline())
    simulator.advance(1)
    assert get_messages(logs) == [f"Image transitioned to PENDING state for Image ARN: {arn}"]
    simulator.advance(120)
    messages = get_messages(logs)
    assert "Started step LaunchBuildInstance with action LaunchInstance" in messages
    assert any(text.endswith("expected state: ['passed']). Attempt number: 2.") for text in messages)
    assert not any("AVAILABLE" in text for text in messages)
    simulator.advance(3600)
    messages = get_messages(logs)
    workflow = "arn:aws:imagebuilder:us-east-1:aws:workflow/build/build-image/1.0.3/1"
    assert f"Started BUILD workflow {workflow}" in messages
    assert f"Total 7 steps to run for workflow {workflow}" in messages
    assert messages[-1] == f"Image transitioned to AVAILABLE state for Image ARN: {arn}"
    assert len(messages) == len(get_messages(logs))


def test_log_times_are_ordered_simulated_milliseconds(simulator, logs):
    start = simulator.now()
    simulator.start_build(simulator.create_pipeline())
    simulator.advance(3600)
    times = [event["timestamp"] for event in get_events(logs, "/aws/imagebuilder/demo", "1.0.0/1")]
    assert times == sorted(times)
    assert start * 1000 - 1 <= times[0]
    assert 500_000 < times[-1] - times[0] < 900_000


def test_log_group_keeps_case_of_image_name(simulator, logs):
    simulator.start_build(simulator.create_pipeline("My Image"))
    assert [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]] == [
        "/aws/imagebuilder/My Image",
        "/aws/imagebuilder/pipeline/My Image",
    ]


def test_image_logs_to_configured_group(simulator, client, logs):
    arn = simulator.start_build(simulator.create_pipeline(log_group="/aws/imagebuilder/own"))
    image = client.get_image(imageBuildVersionArn=arn)["image"]
    assert image["loggingConfiguration"] == {"logGroupName": "/aws/imagebuilder/own"}
    assert get_messages(logs, "/aws/imagebuilder/own")


def test_pipeline_log_has_stream_per_day(simulator, logs):
    arn = simulator.start_build(simulator.create_pipeline())
    stream = dt.datetime.fromtimestamp(simulator.now(), dt.UTC).strftime("%Y/%m/%d")
    [text] = get_messages(logs, "/aws/imagebuilder/pipeline/demo", stream)
    assert arn in text


def test_failed_component_logs_stderr(simulator, logs):
    simulator.script(BuildScript.failing_component("disk full"))
    simulator.start_build(simulator.create_pipeline())
    simulator.advance(3600)
    messages = get_messages(logs)
    assert "Stderr: disk full" in messages
    assert "ExitCode 1" in messages


def test_script_adds_log_lines(simulator, logs):
    own = StepScript(log_lines=("Stdout: one", "Stdout: two"))
    simulator.script(BuildScript(log_lines=100, steps={"ApplyBuildComponents": own}))
    simulator.start_build(simulator.create_pipeline())
    simulator.advance(3600)
    messages = get_messages(logs)
    assert "Stdout: line 100 of 100" in messages
    assert messages.index("Stdout: one") < messages.index("Stdout: two")


def test_log_stream_can_be_late_or_absent(simulator, logs):
    simulator.script(BuildScript(log_delay=300))
    simulator.script(BuildScript(log_stream=False))
    pipeline = simulator.create_pipeline()
    simulator.start_build(pipeline)
    simulator.start_build(pipeline)
    simulator.advance(200)
    with raises_error("ResourceNotFoundException"):
        get_messages(logs)
    simulator.advance(200)
    assert len(get_messages(logs)) > 5
    simulator.advance(3600)
    with raises_error("ResourceNotFoundException"):
        get_messages(logs, stream="1.0.0/2")


def test_retry_continues_same_log_stream(simulator, client, logs):
    simulator.script(BuildScript.failing_step("LaunchTestInstance"))
    arn = simulator.start_build(simulator.create_pipeline())
    simulator.advance(3600)
    before = get_messages(logs)
    client.retry_image(imageBuildVersionArn=arn)
    simulator.advance(3600)
    after = get_messages(logs)
    assert after[: len(before)] == before
    assert after[-1].startswith("Image transitioned to AVAILABLE")


def test_cancellation_is_last_log_line(simulator, client, logs):
    arn = simulator.start_build(simulator.create_pipeline())
    simulator.advance(100)
    client.cancel_image_creation(imageBuildVersionArn=arn)
    simulator.advance(3600)
    assert get_messages(logs)[-1] == f"Image transitioned to CANCELLED state for Image ARN: {arn}"


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
def test_logs_fault_does_not_affect_imagebuilder(simulator, client, logs, fault, code, status):
    arn = simulator.start_build(simulator.create_pipeline())
    simulator.inject(fault)
    assert client.get_image(imageBuildVersionArn=arn)["image"]["arn"] == arn
    with raises_error(code or "ServiceUnavailableException", status):
        get_messages(logs)
    assert get_messages(logs)
    calls = [(call.service, call.operation, call.status) for call in simulator.calls]
    assert calls == [
        ("imagebuilder", "GetImage", 200),
        ("logs", "GetLogEvents", status),
        ("logs", "GetLogEvents", 200),
    ]
    assert simulator.calls[-1].identifier == "/aws/imagebuilder/demo 1.0.0/1"


def test_logs_calls_can_be_reset_and_delayed(simulator, logs):
    simulator.start_build(simulator.create_pipeline())
    simulator.inject(Fault("reset", service="logs", times=1))
    with pytest.raises((ConnectionClosedError, ConnectionError)):
        get_messages(logs)
    simulator.inject(Fault("delay", service="logs", seconds=0.3, times=1))
    before = dt.datetime.now(dt.UTC)
    assert get_messages(logs)
    assert dt.datetime.now(dt.UTC) - before >= dt.timedelta(seconds=0.3)


@pytest.mark.parametrize("performed", [True, False])
@pytest.mark.parametrize("kind", ["error", "throttle", "reset", "hang"])
def test_logs_fault_hides_or_prevents_operation(simulator, logs, kind, performed):
    simulator.inject(
        Fault(kind, service="logs", seconds=0.05 if kind == "hang" else None, performed=performed, times=1)
    )
    with pytest.raises((ClientError, ConnectionClosedError, ConnectionError)):
        logs.create_log_group(logGroupName="group")
    assert bool(logs.describe_log_groups()["logGroups"]) == performed


def test_logs_error_has_literal_body(simulator, logs):
    simulator.inject(Fault("error", service="logs", status=503, body="<html>Service Unavailable</html>"))
    with raises_error("503", 503):
        logs.describe_log_groups()


def test_imagebuilder_fault_does_not_affect_logs(simulator, client, logs):
    arn = simulator.start_build(simulator.create_pipeline())
    simulator.inject(Fault("throttle", times=1))
    assert get_messages(logs)
    with raises_error("CallRateLimitExceededException", 429):
        client.get_image(imageBuildVersionArn=arn)


@pytest.mark.parametrize(
    ("kind", "service", "message"),
    [("stale", "logs", "has no fault of kind"), ("throttle", "s3", "one of: imagebuilder, logs")],
)
def test_unsupported_fault_of_service_is_rejected(kind, service, message):
    with pytest.raises(ValueError, match=message):
        Fault(kind, service=service)


def test_component_stderr_can_differ_from_error(simulator, client, logs):
    failure = ComponentFailure(error="exit status 1", stderr="no such package")
    simulator.script(
        BuildScript(steps={"ApplyBuildComponents": StepScript(status="FAILED", component_failure=failure)})
    )
    arn = simulator.start_build(simulator.create_pipeline())
    simulator.advance(3600)
    assert "Stderr: no such package" in get_messages(logs)
    context = client.get_image(imageBuildVersionArn=arn)["image"]["state"]["failureContext"]
    assert context["componentFailure"]["errorMessage"] == "exit status 1"


def test_component_logs_go_to_infrastructure_bucket(simulator, client):
    simulator.script(BuildScript.failing_component())
    arn = simulator.start_build(simulator.create_pipeline(log_bucket="example-logs"))
    simulator.advance(3600)
    image = client.get_image(imageBuildVersionArn=arn)["image"]
    assert image["infrastructureConfiguration"]["logging"]["s3Logs"]["s3BucketName"] == "example-logs"
    step = image["state"]["failureContext"]["stepExecutionId"]
    outputs = client.get_workflow_step_execution(stepExecutionId=step)["outputs"]
    assert "s3://example-logs/demo/1.0.0/1/ApplyBuildComponents" in outputs


def test_simulator_starts_and_resets_to_given_time(simulator):
    other = Simulator(time_scale=0, start=1788980000.0)
    assert other.now() == 1788980000.0
    other.advance(5)
    other.control.reset()
    assert other.now() == 1788980000.0
