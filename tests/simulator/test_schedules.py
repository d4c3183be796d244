"""Pipelines that run on their schedules, and lifecycle policies that run daily."""

from __future__ import annotations

import datetime as dt
import math

import boto3
import pytest

from aioimagebuilder.testing import BuildScript, Simulator
from aioimagebuilder.testing.simulation.schedules import Schedule
from simulator.conftest import NO_RETRIES
from simulator.support import BUILD, Aws, get_changes, raises_error

START = dt.datetime(2026, 1, 1, 12, 0, 30, tzinfo=dt.UTC)
DAY = 86400
ALWAYS = "EXPRESSION_MATCH_ONLY"
DISABLED = "EC2 Image Builder Image Pipeline Automatically Disabled"


def list_times(expression, timezone="UTC", count=3):
    schedule, at, times = Schedule(expression, timezone), START.timestamp(), []
    for _ in range(count):
        at = schedule.next_after(at)
        times.append(dt.datetime.fromtimestamp(at, dt.UTC).strftime("%a %m-%d %H:%M"))
    return times


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("cron(0 10 * * ? *)", ["Fri 01-02 10:00", "Sat 01-03 10:00", "Sun 01-04 10:00"]),
        ("cron(0/20 12 * * ? *)", ["Thu 01-01 12:20", "Thu 01-01 12:40", "Fri 01-02 12:00"]),
        ("cron(15 12 ? * 1 *)", ["Sun 01-04 12:15", "Sun 01-11 12:15", "Sun 01-18 12:15"]),
        ("cron(0 8 ? * MON-WED *)", ["Mon 01-05 08:00", "Tue 01-06 08:00", "Wed 01-07 08:00"]),
        ("cron(0 8 ? * 2/2 *)", ["Fri 01-02 08:00", "Mon 01-05 08:00", "Wed 01-07 08:00"]),
        ("cron(0 8 L * ? *)", ["Sat 01-31 08:00", "Sat 02-28 08:00", "Tue 03-31 08:00"]),
        ("cron(0 8 LW * ? *)", ["Fri 01-30 08:00", "Fri 02-27 08:00", "Tue 03-31 08:00"]),
        ("cron(0 8 15W * ? *)", ["Thu 01-15 08:00", "Mon 02-16 08:00", "Mon 03-16 08:00"]),
        ("cron(0 8 ? * L *)", ["Sat 01-03 08:00", "Sat 01-10 08:00", "Sat 01-17 08:00"]),
        ("cron(0 8 ? * 6L *)", ["Fri 01-30 08:00", "Fri 02-27 08:00", "Fri 03-27 08:00"]),
        ("cron(0 8 ? * FRI#2 *)", ["Fri 01-09 08:00", "Fri 02-13 08:00", "Fri 03-13 08:00"]),
        ("cron(0 8 ? * 6#2 2026-2199)", ["Fri 01-09 08:00", "Fri 02-13 08:00", "Fri 03-13 08:00"]),
        ("cron(0 0 1 jan,mar ? *)", ["Sun 03-01 00:00", "Fri 01-01 00:00", "Mon 03-01 00:00"]),
        ("cron(0 0 * * SUN)", ["Sun 01-04 00:00", "Sun 01-11 00:00", "Sun 01-18 00:00"]),
        ("rate(1 day)", ["Fri 01-02 12:00", "Sat 01-03 12:00", "Sun 01-04 12:00"]),
        ("rate(90 minutes)", ["Thu 01-01 13:30", "Thu 01-01 15:00", "Thu 01-01 16:30"]),
    ],
)
def test_expression_has_times(expression, expected):
    assert list_times(expression) == expected


def test_time_zone_applies_to_expression():
    schedule = Schedule("cron(30 2 * * ? *)", "America/Los_Angeles")
    before = dt.datetime(2026, 3, 7, tzinfo=dt.UTC).timestamp()
    saturday = schedule.next_after(before)
    monday = schedule.next_after(schedule.next_after(saturday))
    assert dt.datetime.fromtimestamp(saturday, dt.UTC).hour == 10
    assert dt.datetime.fromtimestamp(monday, dt.UTC).hour == 9


@pytest.mark.parametrize("expression", ["cron(0 0 31 2 ? *)", "cron(0 0 1 1 ? 2025)"])
def test_expression_without_times_never_runs(expression):
    assert Schedule(expression).next_after(START.timestamp()) == math.inf


INVALID = [
    "every day",
    "0 0 * * ? *",
    "at(2026-01-01T00:00:00)",
    "cron()",
    "cron(0 0 * * ?)",
    "cron(0 0 * * ? * *)",
    "cron(0 0 * * * *)",
    "cron(0 0 * * SUN *)",
    "cron(0 0 ? * ? *)",
    "cron(60 0 * * ? *)",
    "cron(0 24 * * ? *)",
    "cron(0 0 32 * ? *)",
    "cron(0 0 * 13 ? *)",
    "cron(0 0 ? * 0 *)",
    "cron(0 0 ? * 8 *)",
    "cron(0 0 ? * FRI#6 *)",
    "cron(0 0 ? * FOO *)",
    "cron(0 0 * * ? 1969)",
    "cron(0 0 * * ? 2200)",
    "cron(*/0 0 * * ? *)",
    "cron(r 0 * * ? *)",
    "cron(@daily)",
    "rate(1 days)",
    "rate(2 day)",
    "rate(0 days)",
    "rate(-1 days)",
    "rate(1 week)",
    "rate(1.5 hours)",
]


def create_pipeline(simulator, client, name="demo", status="ENABLED", **schedule):
    """Create a pipeline with a schedule; its only dependency is a parent image of Amazon."""
    template = client.get_image_pipeline(imagePipelineArn=simulator.create_pipeline(f"{name}-template"))
    members = ("imageRecipeArn", "infrastructureConfigurationArn", "distributionConfigurationArn")
    response = client.create_image_pipeline(
        name=name,
        status=status,
        schedule=schedule,
        **{member: template["imagePipeline"][member] for member in members},
    )
    return response["imagePipelineArn"]


def get_pipeline(client, arn):
    return client.get_image_pipeline(imagePipelineArn=arn)["imagePipeline"]


def update_pipeline(client, arn, **members):
    pipeline = get_pipeline(client, arn)
    kept = ("imageRecipeArn", "infrastructureConfigurationArn", "schedule")
    client.update_image_pipeline(
        imagePipelineArn=arn, **{**{name: pipeline[name] for name in kept}, **members}
    )


def list_builds(client, pipeline):
    response = client.list_image_pipeline_images(imagePipelineArn=pipeline)
    return response["imageSummaryList"]


@pytest.fixture
def new_year():
    """A simulator that starts at `START`, with a stopped clock."""
    with Simulator(time_scale=0, start=START.timestamp()) as simulator:
        simulator.reset()
        yield simulator


@pytest.fixture
def calendar(new_year):
    client = boto3.client("imagebuilder", config=NO_RETRIES, **new_year.client_arguments)
    yield client
    client.close()


@pytest.mark.parametrize("expression", INVALID)
def test_invalid_expression_is_refused(simulator, client, expression):
    with raises_error("InvalidParameterValueException", 400) as caught:
        create_pipeline(simulator, client, scheduleExpression=expression)
    assert "parameter 'schedule.scheduleExpression' is not valid" in str(caught.value)


@pytest.mark.parametrize("timezone", ["Mars/Phobos", "America", "CEST", "europe/berlin"])
def test_invalid_time_zone_is_refused(simulator, client, timezone):
    with raises_error("InvalidParameterValueException", 400) as caught:
        create_pipeline(simulator, client, scheduleExpression="rate(1 day)", timezone=timezone)
    assert "parameter 'schedule.timezone' is not valid" in str(caught.value)


def test_refused_update_keeps_schedule(new_year, calendar):
    arn = create_pipeline(new_year, calendar, scheduleExpression="cron(0 0 * * ? *)")
    before = get_pipeline(calendar, arn)
    with raises_error("InvalidParameterValueException"):
        update_pipeline(calendar, arn, schedule={"scheduleExpression": "cron(0 0 * * * *)"})
    assert get_pipeline(calendar, arn) == before


def test_schedule_of_three_days_makes_three_builds(new_year, calendar):
    aws = Aws(**new_year.client_arguments)
    url, queue = aws.create_queue()
    aws.add_rule({"Arn": queue})
    arn = create_pipeline(
        new_year, calendar, scheduleExpression="cron(0 3 * * ? *)", pipelineExecutionStartCondition=ALWAYS
    )
    assert get_pipeline(calendar, arn)["dateNextRun"] == "2026-01-02T03:00:00.000Z"
    new_year.advance(3 * DAY)
    builds = list_builds(calendar, arn)
    assert [build["dateCreated"] for build in builds] == [
        f"2026-01-{day:02}T03:00:00.000Z" for day in (2, 3, 4)
    ]
    assert {(build["buildType"], build["state"]["status"]) for build in builds} == {
        ("SCHEDULED", "AVAILABLE")
    }
    pipeline = get_pipeline(calendar, arn)
    assert pipeline["dateNextRun"] == "2026-01-05T03:00:00.000Z"
    assert (pipeline["dateLastRun"], pipeline["lastRunStatus"]) == ("2026-01-04T03:00:00.000Z", "AVAILABLE")
    events = aws.receive(url)
    assert get_changes(events) == BUILD * 3
    assert [event["time"][:10] for event in events[::4]] == ["2026-01-02", "2026-01-03", "2026-01-04"]
    aws.close()


def test_schedule_runs_without_any_call():
    with Simulator(time_scale=600) as simulator:
        simulator.reset()
        aws = Aws(**simulator.client_arguments)
        url, queue = aws.create_queue()
        aws.add_rule({"Arn": queue})
        settings = {
            name: value
            for name, value in simulator.control.call(
                "GetImagePipeline", imagePipelineArn=simulator.create_pipeline()
            )["imagePipeline"].items()
            if name in ("imageRecipeArn", "infrastructureConfigurationArn")
        }
        simulator.control.call(
            "CreateImagePipeline", name="own", schedule={"scheduleExpression": "rate(1 minute)"}, **settings
        )
        [message] = aws.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
        assert "BUILDING" in message["Body"]
        aws.close()


def test_disabled_pipeline_runs_when_it_is_enabled(new_year, calendar):
    schedule = {"scheduleExpression": "rate(1 day)", "pipelineExecutionStartCondition": ALWAYS}
    arn = create_pipeline(new_year, calendar, status="DISABLED", **schedule)
    new_year.advance(2 * DAY)
    assert list_builds(calendar, arn) == []
    assert "dateNextRun" not in get_pipeline(calendar, arn)
    update_pipeline(calendar, arn, status="ENABLED")
    new_year.advance(2 * DAY)
    assert len(list_builds(calendar, arn)) == 2


def test_update_and_deletion_replace_schedule(new_year, calendar):
    schedule = {"pipelineExecutionStartCondition": ALWAYS}
    arn = create_pipeline(new_year, calendar, scheduleExpression="rate(1 day)", **schedule)
    other = create_pipeline(new_year, calendar, "other", scheduleExpression="rate(1 day)", **schedule)
    new_year.advance(DAY / 2)
    update_pipeline(calendar, arn, schedule={"scheduleExpression": "rate(4 days)", **schedule})
    calendar.delete_image_pipeline(imagePipelineArn=other)
    new_year.advance(4 * DAY)
    assert len(list_builds(calendar, arn)) == 1
    assert len(calendar.list_image_build_versions()["imageSummaryList"]) == 1


def test_pipeline_runs_again_when_dependency_is_new(new_year, calendar):
    component = {
        "name": "server",
        "platform": "Linux",
        "data": "name: server\nschemaVersion: 1.0\nphases:\n  - name: build\n    steps:\n"
        "      - name: Install\n        action: ExecuteBash\n        inputs:\n          commands: [echo]\n",
    }
    first = calendar.create_component(semanticVersion="1.0.0", **component)
    template = get_pipeline(calendar, new_year.create_pipeline())
    recipe = calendar.create_image_recipe(
        name="server",
        semanticVersion="1.0.0",
        parentImage=f"arn:aws:imagebuilder:{new_year.region_name}:aws:image/amazon-linux-2023-x86/x.x.x",
        components=[{"componentArn": first["latestVersionReferences"]["latestVersionArn"]}],
    )
    arn = calendar.create_image_pipeline(
        name="server",
        imageRecipeArn=recipe["imageRecipeArn"],
        infrastructureConfigurationArn=template["infrastructureConfigurationArn"],
        schedule={"scheduleExpression": "rate(1 day)"},
    )["imagePipelineArn"]
    new_year.advance(3 * DAY)
    assert len(list_builds(calendar, arn)) == 1
    calendar.create_component(semanticVersion="1.1.0", **component)
    new_year.advance(3 * DAY)
    assert len(list_builds(calendar, arn)) == 2


@pytest.mark.parametrize(("policy", "limit"), [({}, 5), ({"autoDisablePolicy": {"failureCount": 2}}, 2)])
def test_failing_pipeline_is_disabled(new_year, calendar, policy, limit):
    aws = Aws(**new_year.client_arguments)
    url, queue = aws.create_queue()
    aws.add_rule({"Arn": queue})
    new_year.script(BuildScript(early_failure="no capacity"), default=True)
    arn = create_pipeline(
        new_year,
        calendar,
        scheduleExpression="rate(1 day)",
        pipelineExecutionStartCondition=ALWAYS,
        **policy,
    )
    new_year.advance((limit - 1) * DAY + 60)
    new_year.start_build(arn)
    new_year.advance(60)
    assert get_pipeline(calendar, arn)["consecutiveFailures"] == limit - 1
    assert get_pipeline(calendar, arn)["status"] == "ENABLED"
    new_year.advance(9 * DAY)
    pipeline = get_pipeline(calendar, arn)
    assert (pipeline["status"], pipeline["consecutiveFailures"]) == ("DISABLED", limit)
    assert pipeline["lastRunStatus"] == "FAILED"
    assert "dateNextRun" not in pipeline
    assert len(list_builds(calendar, arn)) == limit + 1
    [event] = [each for each in aws.receive(url) if each["detail-type"] == DISABLED]
    assert (event["resources"], event["detail"]) == ([arn], {"consecutive-failures": str(limit)})
    assert event["time"][:10] == f"2026-01-{1 + limit:02}"
    update_pipeline(calendar, arn, status="ENABLED")
    assert get_pipeline(calendar, arn)["consecutiveFailures"] == 0
    aws.close()


def test_success_resets_consecutive_failures(new_year, calendar):
    arn = create_pipeline(
        new_year, calendar, scheduleExpression="rate(1 day)", pipelineExecutionStartCondition=ALWAYS
    )
    for _ in range(3):
        new_year.script(BuildScript(early_failure="no capacity"))
    new_year.advance(3 * DAY + 60)
    assert get_pipeline(calendar, arn)["consecutiveFailures"] == 3
    new_year.start_build(arn)
    new_year.advance(3600)
    assert get_pipeline(calendar, arn)["consecutiveFailures"] == 0


def create_policy(client, **members):
    return client.create_lifecycle_policy(
        name="daily",
        executionRole="arn:aws:iam::123456789012:role/lifecycle",
        resourceType="AMI_IMAGE",
        policyDetails=[
            {"action": {"type": "DEPRECATE"}, "filter": {"type": "AGE", "value": 2, "unit": "DAYS"}}
        ],
        resourceSelection={"recipes": [{"name": "demo", "semanticVersion": "1.0.0"}]},
        **members,
    )["lifecyclePolicyArn"]


def test_lifecycle_policy_runs_daily(new_year, calendar):
    image = new_year.start_build(new_year.create_pipeline())
    policy = create_policy(calendar)
    new_year.advance(DAY + 60)
    assert calendar.get_image(imageBuildVersionArn=image)["image"]["state"]["status"] == "AVAILABLE"
    new_year.advance(2 * DAY)
    assert calendar.get_image(imageBuildVersionArn=image)["image"]["state"]["status"] == "DEPRECATED"
    runs = calendar.list_lifecycle_executions(resourceArn=policy)["lifecycleExecutions"]
    assert [run["startTime"].timestamp() - START.timestamp() for run in runs] == [DAY, 2 * DAY, 3 * DAY]


def test_disabled_lifecycle_policy_does_not_run(new_year, calendar):
    policy = create_policy(calendar, status="DISABLED")
    new_year.advance(3 * DAY)
    assert calendar.list_lifecycle_executions(resourceArn=policy)["lifecycleExecutions"] == []


def test_policy_that_still_runs_is_skipped(new_year, calendar):
    policy = create_policy(calendar)
    new_year.run_lifecycle_policy(policy, seconds=1.5 * DAY)
    new_year.advance(2.5 * DAY)
    runs = calendar.list_lifecycle_executions(resourceArn=policy)["lifecycleExecutions"]
    assert len(runs) == 2
