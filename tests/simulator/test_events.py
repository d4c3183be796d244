"""Events on moto's default bus, messages to topics and functions, and their faults."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import threading

import pytest
from aiobotocore.session import get_session
from moto import mock_aws
from moto.awslambda_simple.models import lambda_simple_backends

from aioimagebuilder.testing import (
    BuildScript,
    Fault,
    ScanFinding,
    ScanScript,
    Simulator,
    StepScript,
    control,
    register,
)
from aioimagebuilder.testing.simulation.clock import format_time
from simulator.support import BUILD, PATTERN, STATE_CHANGE, Aws, get_changes, get_statuses

CVE_DETECTED = "EC2 Image Builder CVE Detected"
WAITING = "EC2 Image Builder Workflow Step Waiting"


@pytest.fixture
def aws(simulator):
    with contextlib.closing(Aws(**simulator.client_arguments)) as aws:
        yield aws


@pytest.fixture
def queue(aws):
    """The URL of a queue that all events of Image Builder come to."""
    url, arn = aws.create_queue()
    aws.add_rule({"Arn": arn})
    return url


def start_build(simulator, **members):
    return simulator.start_build(simulator.create_pipeline(**members))


def test_build_sends_its_state_changes(simulator, aws, queue):
    arn = start_build(simulator)
    image = simulator.control.backend("123456789012", "us-east-1").images[arn]
    simulator.advance(3600)
    events = aws.receive(queue)
    assert get_changes(events) == BUILD
    assert events[-1] == {
        "version": "0",
        "id": events[-1]["id"],
        "detail-type": STATE_CHANGE,
        "source": "aws.imagebuilder",
        "account": "123456789012",
        "time": f"{format_time(image.latest_run.timeline.image.end)[:19]}Z",
        "region": "us-east-1",
        "resources": [arn],
        "detail": {"previous-state": {"status": "DISTRIBUTING"}, "state": {"status": "AVAILABLE"}},
    }
    assert len({event["id"] for event in events}) == 4
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)


def test_events_of_many_days_are_those_of_each_day(simulator, aws, queue):
    pipeline = simulator.create_pipeline()
    for _ in range(3):
        simulator.start_build(pipeline)
        simulator.advance(86400)
    events = aws.receive(queue)
    assert get_changes(events) == BUILD * 3
    times = [dt.datetime.fromisoformat(event["time"]) for event in events]
    assert times[4] - times[0] == times[8] - times[4] == dt.timedelta(days=1)


@pytest.mark.asyncio
async def test_long_poll_of_aiobotocore_gets_events_at_their_time():
    with Simulator(time_scale=600) as simulator:
        simulator.reset()
        session = get_session()
        arguments = simulator.client_arguments
        async with (
            session.create_client("events", **arguments) as events,
            session.create_client("sqs", **arguments) as sqs,
        ):
            url = (await sqs.create_queue(QueueName="builds"))["QueueUrl"]
            arn = "arn:aws:sqs:us-east-1:123456789012:builds"
            await events.put_rule(Name="builds", EventPattern=json.dumps(PATTERN))
            await events.put_targets(Rule="builds", Targets=[{"Id": "1", "Arn": arn}])
            start_build(simulator)
            changes = []
            while ("DISTRIBUTING", "AVAILABLE") not in changes:
                response = await sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20, MaxNumberOfMessages=10)
                changes += get_changes([json.loads(each["Body"]) for each in response["Messages"]])
                for each in response["Messages"]:
                    await sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
    assert changes == BUILD


def test_restarted_simulator_sends_events_at_their_time():
    simulator = Simulator(time_scale=600)
    for _ in range(2):
        with simulator, contextlib.closing(Aws(**simulator.client_arguments)) as aws:
            simulator.reset()
            url, arn = aws.create_queue()
            aws.add_rule({"Arn": arn})
            start_build(simulator)
            [message] = aws.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
            assert get_statuses([json.loads(message["Body"])]) == ["BUILDING"]


def test_failure_cancellation_and_retry_send_events(simulator, client, aws, queue):
    simulator.script(BuildScript.failing_step("LaunchTestInstance"))
    arn = start_build(simulator)
    simulator.advance(3600)
    assert get_changes(aws.receive(queue))[-1] == ("TESTING", "FAILED")
    client.retry_image(imageBuildVersionArn=arn)
    simulator.advance(30)
    client.cancel_image_creation(imageBuildVersionArn=arn)
    simulator.advance(3600)
    assert get_changes(aws.receive(queue)) == [("FAILED", "TESTING"), ("TESTING", "CANCELLED")]


def test_other_statuses_and_deletions_send_no_event(simulator, client, aws, queue):
    simulator.add_execution("image", [("PENDING", 10), ("DEPRECATED", None)])
    simulator.add_execution("image", [("AVAILABLE", None)])
    arn = start_build(simulator)
    client.cancel_image_creation(imageBuildVersionArn=arn)
    simulator.advance(10)
    aws.receive(queue)
    client.delete_image(imageBuildVersionArn=arn)
    simulator.advance(3600)
    assert aws.receive(queue) == []


def test_fixed_schedule_sends_events(simulator, aws, queue):
    simulator.add_execution(
        "image", [("BUILDING", 10), ("BUILDING", 10), ("INTEGRATING", 10), ("FAILED", None)]
    )
    simulator.advance(60)
    assert get_changes(aws.receive(queue)) == [("BUILDING", "INTEGRATING"), ("INTEGRATING", "FAILED")]


WAITING_WORKFLOW = """\
name: approval
schemaVersion: 1.0
steps:
  - name: Approve
    action: WaitForAction
    inputs:
      snsTopicArn: {topic}
      payload: {{"ticket": 7}}
"""


def test_waiting_step_sends_event_and_message(simulator, aws, queue):
    topic, published = aws.create_topic()
    workflow = simulator.create_workflow("approval", WAITING_WORKFLOW.format(topic=topic))
    arn = start_build(simulator, workflows=[{"workflowArn": workflow}])
    simulator.advance(60)
    [event] = [each for each in aws.receive(queue) if each["detail-type"] == WAITING]
    assert event["resources"] == [arn, workflow]
    assert event["detail"].keys() == {
        "workflow-execution-id",
        "workflow-step-execution-id",
        "workflow-step-name",
    }
    assert event["detail"]["workflow-step-name"] == "Approve"
    step = event["detail"]["workflow-step-execution-id"]
    assert aws.receive_published(published) == [
        {"imageArn": arn, "workflowStepExecutionId": step, "customPayload": {"ticket": 7}}
    ]


def test_scripted_waiting_step_sends_one_event(simulator, client, aws, queue):
    simulator.script(BuildScript(steps={"ApplyBuildComponents": StepScript(is_waiting_step=True)}))
    arn = start_build(simulator)
    simulator.advance(600)
    [event] = [each for each in aws.receive(queue) if each["detail-type"] == WAITING]
    step = event["detail"]["workflow-step-execution-id"]
    client.send_workflow_step_action(stepExecutionId=step, imageBuildVersionArn=arn, action="RESUME")
    simulator.advance(3600)
    assert get_statuses(aws.receive(queue)) == ["TESTING", "DISTRIBUTING", "AVAILABLE"]


@pytest.mark.parametrize("severities", [("CRITICAL", "HIGH", "LOW"), ()])
def test_scan_with_findings_sends_event(simulator, client, aws, queue, severities):
    findings = tuple(
        ScanFinding(vulnerability_id=f"CVE-2025-{number}", severity=severity)
        for number, severity in enumerate(severities)
    )
    simulator.script(BuildScript(scan=ScanScript(findings=findings)))
    pipeline = client.get_image_pipeline(imagePipelineArn=simulator.create_pipeline())["imagePipeline"]
    arn = client.create_image(
        imageRecipeArn=pipeline["imageRecipeArn"],
        infrastructureConfigurationArn=pipeline["infrastructureConfigurationArn"],
        imageScanningConfiguration={"imageScanningEnabled": True},
    )["imageBuildVersionArn"]
    simulator.advance(7200)
    detected = [each for each in aws.receive(queue) if each["detail-type"] == CVE_DETECTED]
    if not severities:
        assert detected == []
        return
    [event] = detected
    assert event["resources"] == [arn]
    assert event["detail"]["resource-id"].startswith("i-")
    assert event["detail"]["finding-severity-counts"] == {"all": 3, "critical": 1, "high": 1, "medium": 0}


@pytest.mark.parametrize(
    ("script", "status"),
    [
        (BuildScript(), "AVAILABLE"),
        (BuildScript(early_failure="no such instance type"), "FAILED"),
        (BuildScript(), "CANCELLED"),
    ],
)
def test_topic_gets_message_for_available_and_failed(simulator, client, aws, script, status):
    topic, url = aws.create_topic()
    pipeline = simulator.create_pipeline()
    infrastructure = client.get_image_pipeline(imagePipelineArn=pipeline)["imagePipeline"][
        "infrastructureConfigurationArn"
    ]
    client.update_infrastructure_configuration(
        infrastructureConfigurationArn=infrastructure, instanceProfileName="simulated", snsTopicArn=topic
    )
    simulator.script(script)
    arn = simulator.start_build(pipeline)
    if status == "CANCELLED":
        client.cancel_image_creation(imageBuildVersionArn=arn)
    simulator.advance(3600)
    messages = aws.receive_published(url)
    if status == "CANCELLED":
        assert messages == []
        return
    [message] = messages
    assert message["state"]["status"] == status
    assert (message["arn"], message["versionlessArn"]) == (arn, arn.removesuffix("/1.0.0/1"))
    assert (message["version"], message["buildVersion"]) == ("1.0.0", 1)
    assert message["semver"] == 1237940039285380274899124225
    assert message["dateCreated"].endswith(("AM", "PM"))
    assert bool(message["outputResources"]["amis"]) == (status == "AVAILABLE")


def test_topic_gets_message_for_imported_disk_image(simulator, client, aws):
    topic, url = aws.create_topic()
    infrastructure = client.create_infrastructure_configuration(
        name="import", instanceProfileName="simulated", snsTopicArn=topic
    )["infrastructureConfigurationArn"]
    arn = client.import_disk_image(
        name="iso",
        semanticVersion="1.0.0",
        platform="Windows",
        osVersion="Microsoft Windows 11",
        infrastructureConfigurationArn=infrastructure,
        uri="s3://bucket/windows.iso",
    )["imageBuildVersionArn"]
    simulator.advance(86400)
    [message] = aws.receive_published(url)
    assert (message["arn"], message["state"]) == (arn, {"status": "AVAILABLE"})


def test_disabled_and_unmatched_rules_get_nothing(simulator, aws):
    url, arn = aws.create_queue()
    aws.add_rule({"Arn": arn})
    aws.events.disable_rule(Name="builds")
    aws.add_rule({"Arn": arn}, pattern={"source": ["aws.ec2"]}, name="other source")
    aws.events.put_rule(Name="schedule", ScheduleExpression="rate(1 day)")
    aws.events.put_targets(Rule="schedule", Targets=[{"Id": "1", "Arn": arn}])
    start_build(simulator)
    simulator.advance(3600)
    assert aws.receive(url) == []
    aws.events.enable_rule(Name="builds")
    start_build(simulator, name="second")
    simulator.advance(3600)
    assert get_changes(aws.receive(url)) == BUILD


def test_pattern_selects_events(simulator, aws):
    url, arn = aws.create_queue()
    pattern = {"detail-type": [STATE_CHANGE], "detail": {"state": {"status": ["AVAILABLE", "FAILED"]}}}
    aws.add_rule({"Arn": arn}, pattern=pattern)
    start_build(simulator)
    simulator.advance(3600)
    assert get_statuses(aws.receive(url)) == ["AVAILABLE"]


@pytest.mark.parametrize(
    "gone",
    [
        "arn:aws:sqs:us-east-1:123456789012:gone",
        "arn:aws:sns:us-east-1:123456789012:gone",
        "arn:aws:lambda:us-east-1:123456789012:function:gone",
        "arn:aws:logs:us-east-1:123456789012:log-group:gone",
        "arn:aws:batch:us-east-1:123456789012:job-queue/unsupported",
    ],
)
def test_target_that_is_gone_does_not_affect_others(simulator, aws, caplog, gone):
    url, arn = aws.create_queue()
    aws.add_rule({"Arn": gone}, {"Arn": arn})
    with caplog.at_level(logging.WARNING):
        start_build(simulator)
        simulator.advance(3600)
        for thread in threading.enumerate():
            if thread.name == f"to {gone}":
                thread.join()
    assert get_changes(aws.receive(url)) == BUILD
    assert f"Nothing was delivered to {gone}" in caplog.text


def test_topics_and_log_groups_are_targets(simulator, aws):
    topic, url = aws.create_topic()
    aws.logs.create_log_group(logGroupName="/aws/events/builds")
    group = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/events/builds"
    aws.add_rule({"Arn": topic}, {"Arn": group})
    start_build(simulator)
    simulator.advance(3600)
    assert get_changes(aws.receive_published(url)) == BUILD
    events = aws.logs.filter_log_events(logGroupName="/aws/events/builds")["events"]
    logged = [json.loads(each["message"]) for each in events]
    assert sorted(get_changes(logged)) == sorted(BUILD)
    assert {each["account"] for each in logged} == {"123456789012"}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"Input": '{"constant": 1}'}, {"constant": 1}),
        (
            {"InputPath": "$.detail"},
            {"previous-state": {"status": "CREATING"}, "state": {"status": "BUILDING"}},
        ),
        (
            {
                "InputTransformer": {
                    "InputPathsMap": {"status": "$.detail.state.status", "account": "$.account"},
                    "InputTemplate": '{"now": "<status>", "in": "<account>"}',
                }
            },
            {"now": "BUILDING", "in": "123456789012"},
        ),
    ],
)
def test_target_transforms_its_input(simulator, aws, target, expected):
    url, arn = aws.create_queue()
    aws.add_rule({"Arn": arn, **target})
    start_build(simulator)
    simulator.advance(60)
    assert aws.receive(url) == [expected]


def test_lost_event_is_not_delivered(simulator, aws, queue):
    simulator.inject(Fault("event_lost", times=2))
    start_build(simulator)
    simulator.advance(3600)
    assert get_changes(aws.receive(queue)) == BUILD[2:]


def test_late_event_keeps_its_time(simulator, aws, queue):
    simulator.inject(Fault("event_late", lag=1800, times=1))
    start_build(simulator)
    simulator.advance(1500)
    assert get_changes(aws.receive(queue)) == BUILD[1:]
    simulator.advance(600)
    [event] = aws.receive(queue)
    assert get_changes([event]) == BUILD[:1]
    assert event["time"] < format_time(simulator.now() - 2000)


def test_doubled_event_has_one_id(simulator, aws, queue):
    simulator.inject(Fault("event_doubled", operation=STATE_CHANGE, times=1))
    start_build(simulator)
    simulator.advance(3600)
    events = aws.receive(queue)
    assert get_changes(events) == [BUILD[0], *BUILD]
    assert events[0] == events[1]


def test_event_out_of_order_follows_next(simulator, aws, queue):
    simulator.inject(Fault("event_out_of_order", times=1))
    start_build(simulator)
    simulator.advance(3600)
    assert get_changes(aws.receive(queue)) == [BUILD[1], BUILD[0], *BUILD[2:]]


def test_event_fault_is_limited_to_kind_and_image(simulator, client, aws, queue):
    first = start_build(simulator)
    second = start_build(simulator, name="second")
    simulator.inject(Fault("event_lost", identifier=first))
    simulator.inject(Fault("event_lost", operation="*Step Waiting"))
    simulator.inject(Fault("throttle", operation="EC2*"))
    simulator.advance(3600)
    assert client.get_image(imageBuildVersionArn=first)["image"]["arn"] == first
    events = aws.receive(queue)
    assert get_changes(events) == BUILD
    assert {event["resources"][0] for event in events} == {second}


def test_event_fault_is_refused_for_logs():
    with pytest.raises(ValueError, match="has no fault of kind"):
        Fault("event_lost", service="logs")


def test_events_reach_queue_and_function_under_mock_aws(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    register()
    with mock_aws(config={"lambda": {"use_docker": False}}):
        control().set_time_scale(0)
        with contextlib.closing(Aws(region_name="us-east-1")) as aws:
            url, arn = aws.create_queue()
            functions = lambda_simple_backends["123456789012"]["us-east-1"]
            functions.lambda_simple_results_queue += ["result"] * 5
            function = "arn:aws:lambda:us-east-1:123456789012:function:react"
            aws.add_rule({"Arn": arn}, {"Arn": function})
            start_build(control())
            control().advance(3600)
            for thread in threading.enumerate():
                if thread.name == f"to {function}":
                    thread.join()
            assert get_changes(aws.receive(url)) == BUILD
            assert functions.lambda_simple_results_queue == ["result"]
