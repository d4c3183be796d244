"""The operator, the sensor and the trigger by themselves."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import os
import re
import time
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferralError,
    TaskDeferred,
)
from airflow.sdk.execution_time.timeout import timeout
from airflow.sdk.serde import deserialize, serialize

from aioimagebuilder import ImageBuilder
from aioimagebuilder.airflow import BuildImageOperator, ImageBuilderSensor, ImageBuilderTrigger
from aioimagebuilder.aws.backoff import Backoff
from aioimagebuilder.errors import ForbiddenException, ServiceQuotaExceededException
from aioimagebuilder.testing import BuildScript, Fault

pytestmark = pytest.mark.anyio

FAST = {"min_delay": 0.05, "max_delay": 0.2}
SECRETS = ("AKIAIOSFODNN7EXAMPLE", "simulated")


def context_of(**changes: object) -> dict[str, SimpleNamespace]:
    """Return the part of a task's context that the operators read; `pushed` has its XComs."""
    members: dict[str, object] = {
        "id": "0199c0de-0000-7000-8000-000000000001",
        "dag_id": "images",
        "run_id": "manual__1",
        "task_id": "build",
        "map_index": -1,
        "try_number": 1,
    }
    pushed: dict[str, object] = {}
    members |= {
        "pushed": pushed,
        "xcom_push": lambda key, value: pushed.update({key: value}),
        "xcom_pull": lambda key, **_: pushed.get(key),
    }
    return {"ti": SimpleNamespace(**members | changes)}


def deferral(task: BuildImageOperator | ImageBuilderSensor, **changes: object) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        task.execute(context_of(**changes))
    return caught.value


def restored(trigger: ImageBuilderTrigger) -> ImageBuilderTrigger:
    """Return the trigger that a triggerer creates, from JSON in Airflow's database."""
    path, arguments = trigger.serialize()
    assert path == "aioimagebuilder.airflow.ImageBuilderTrigger"
    return ImageBuilderTrigger(**deserialize(json.loads(json.dumps(serialize(arguments)))))


async def fire(trigger: ImageBuilderTrigger) -> dict[str, object]:
    events = [event async for event in trigger.run()]
    assert len(events) == 1
    json.dumps(events[0].payload)
    return events[0].payload


@pytest.fixture
def pipeline(simulator) -> str:
    return simulator.create_pipeline("demo")


@pytest.fixture
def start(simulator, pipeline):
    return lambda: simulator.call("StartImagePipelineExecution", imagePipelineArn=pipeline)[
        "imageBuildVersionArn"
    ]


def trigger_for(identifier: str, **options: object) -> ImageBuilderTrigger:
    return ImageBuilderTrigger(
        **{"identifier": identifier, "deadline": time.time() + 600, "aws_conn_id": "images"} | FAST | options
    )


def test_same_try_joins_its_build_and_another_try_starts_one(simulator, connection, pipeline):
    def image(**changes: object) -> str:
        task = BuildImageOperator(task_id="build", pipeline_arn=pipeline, timeout=60, aws_conn_id=connection)
        return deferral(task, **changes).trigger.identifier

    first = image()
    assert image() == first
    others = [
        image(**change)
        for change in (
            {"try_number": 2},
            {"map_index": 0},
            {"task_id": "other"},
            {"run_id": "manual__2"},
            {"dag_id": "others"},
            # Joined without a separator, these would be the first one.
            {"dag_id": "images" + "manual__1", "run_id": ""},
            # Of another Airflow, or of a run that was deleted and created again.
            {"id": "0199c0de-0000-7000-8000-000000000002"},
        )
    ]
    assert len({first, *others}) == 8
    tokens = {
        call.parameters["clientToken"] for call in simulator.calls if call.operation.startswith("Start")
    }
    assert len(tokens) == 8
    assert all(re.fullmatch(r"[0-9a-f-]{36}", token) for token in tokens)


def test_deferred_task_carries_no_credentials(connection, pipeline):
    task = BuildImageOperator(task_id="build", pipeline_arn=pipeline, timeout=60, aws_conn_id=connection)
    deferred = deferral(task)
    arguments = deferred.trigger.serialize()[1]
    assert arguments.keys() == {
        *("identifier", "deadline", "aws_conn_id", "region_name"),
        *("min_delay", "max_delay", "cancel_on_kill"),
    }
    assert arguments["deadline"] == pytest.approx(time.time() + 60, abs=30)
    assert arguments["cancel_on_kill"] is True
    assert restored(deferred.trigger).serialize() == deferred.trigger.serialize()
    for text in (repr(arguments), repr(deferred.trigger), repr(vars(task))):
        assert not any(secret in text for secret in SECRETS)


async def test_build_is_returned_with_its_amis(simulator, connection, pipeline):
    task = BuildImageOperator(
        task_id="build", pipeline_arn=pipeline, timeout=60, aws_conn_id=connection, **FAST
    )
    deferred = await asyncio.to_thread(deferral, task)
    simulator.advance(3600)
    event = await fire(restored(deferred.trigger))
    assert task.execute_complete(context_of(), event) == event
    assert (event["id"], event["end"]) == (deferred.trigger.identifier, "ended")
    assert (event["status"], event["outcome"], event["summary"]) == ("AVAILABLE", "succeeded", None)
    (ami,) = event["amis"]
    assert (ami["region"], ami["account"]) == ("us-east-1", "123456789012")
    assert ami["image"].startswith("ami-")
    assert ami["name"].startswith("demo ")


async def test_failed_build_raises_its_diagnosis_and_leaves_the_result(
    simulator, connection, pipeline, start
):
    simulator.script(BuildScript.failing_component("No package nginx."))
    arn = start()
    simulator.advance(3600)
    event = await fire(trigger_for(arn))
    assert (event["end"], event["status"], event["outcome"]) == ("ended", "FAILED", "failed")
    assert "No package nginx." in event["summary"]
    build = BuildImageOperator(task_id="build", pipeline_arn=pipeline, timeout=60)
    sensor = ImageBuilderSensor(task_id="watch", identifier=arn)
    for task, expected in ((build, AirflowException), (sensor, AirflowFailException)):
        context = context_of()
        with pytest.raises(AirflowException, match=re.escape(event["summary"])) as caught:
            task.execute_complete(context, event)
        # Airflow retries the first, and never the second.
        assert caught.type is expected
        assert context["ti"].pushed == {"return_value": event}


async def test_deadline_in_the_past_still_polls_once(simulator, connection, pipeline, start):
    running, ended = start(), start()
    simulator.advance(0)
    event = await fire(trigger_for(running, deadline=time.time() - 3600))
    assert (event["end"], event["status"], event["outcome"]) == ("timed out", "PENDING", None)
    build = BuildImageOperator(task_id="build", pipeline_arn=pipeline, timeout=60)
    sensor = ImageBuilderSensor(task_id="watch", identifier=running)
    with pytest.raises(AirflowFailException):
        build.execute_complete(context_of(), event)
    with pytest.raises(AirflowSensorTimeout):
        sensor.execute_complete(context_of(), event)
    simulator.advance(3600)
    event = await fire(trigger_for(ended, deadline=time.time() - 3600))
    assert event["outcome"] == "succeeded"


async def test_unobservable_work_is_not_built_twice(simulator, connection, pipeline, start):
    simulator.inject(Fault(kind="error", operation="GetImage", code="AccessDeniedException", status=403))
    event = await fire(trigger_for(start()))
    assert (event["end"], event["outcome"]) == ("unobservable", None)
    build = BuildImageOperator(task_id="build", pipeline_arn=pipeline, timeout=60)
    sensor = ImageBuilderSensor(task_id="watch", identifier=event["id"])
    for task, expected in ((build, AirflowFailException), (sensor, AirflowException)):
        with pytest.raises(AirflowException) as caught:
            task.execute_complete(context_of(), event)
        assert caught.type is expected


@pytest.mark.parametrize("kind", ["workflow_execution", "workflow_step_execution", "lifecycle_execution"])
async def test_sensor_waits_for_any_kind(simulator, connection, kind):
    last = "SUCCESS" if kind == "lifecycle_execution" else "COMPLETED"
    identifier = simulator.add_execution(kind, [("PENDING", 1.0), (last, None)])
    sensor = ImageBuilderSensor(task_id="watch", identifier=identifier, aws_conn_id=connection, **FAST)
    trigger = restored(deferral(sensor).trigger)
    simulator.advance(3600)
    event = await fire(trigger)
    assert sensor.execute_complete(context_of(), event) == event
    assert (event["id"], event["status"], event["amis"]) == (identifier, last, [])


def test_sensor_with_soft_fail_skips_what_failed():
    sensor = ImageBuilderSensor(task_id="watch", identifier="wf-1", soft_fail=True)
    event = {"id": "wf-1", "end": "ended", "status": "FAILED", "outcome": "failed", "summary": "It failed."}
    with pytest.raises(AirflowSkipException):
        sensor.resume_execution("execute_complete", {"event": event}, context_of())


@pytest.mark.parametrize(
    "identifier", ["", "ami-1", "arn:aws:imagebuilder:us-east-1:123456789012:image/demo/1.0.0"]
)
async def test_malformed_id_fails_for_good(connection, identifier):
    event = await fire(trigger_for(identifier))
    assert (event["end"], event["status"]) == ("invalid", None)
    sensor = ImageBuilderSensor(task_id="watch", identifier=identifier)
    with pytest.raises(AirflowFailException, match="expected the id"):
        sensor.execute_complete(context_of(), event)


@pytest.mark.parametrize(
    "arguments",
    [
        {"pipeline_arn": "demo"},
        {"pipeline_arn": "arn:aws:imagebuilder:us-east-1:123456789012:image/demo/1.0.0/1"},
        {"pipeline_arn": None},
        {"region_name": "eu-west-1"},
        {"aws_conn_id": "nope"},
    ],
)
def test_build_that_can_never_start_fails_for_good(connection, pipeline, arguments):
    task = BuildImageOperator(
        **{"task_id": "build", "pipeline_arn": pipeline, "timeout": 60, "aws_conn_id": connection} | arguments
    )
    with pytest.raises(AirflowFailException):
        task.execute(context_of())


@pytest.mark.parametrize(
    ("lost", "name"), [("error", "ServiceException"), ("garbage", "imageBuildVersionArn"), ("reset", "")]
)
def test_start_without_response_is_not_repeated_by_another_try(
    monkeypatch, simulator, connection, pipeline, lost, name
):
    monkeypatch.setattr(Backoff.stop, "max_delay", 0.5)
    simulator.inject(Fault(kind=lost, operation="StartImagePipelineExecution"))
    task = BuildImageOperator(task_id="build", pipeline_arn=pipeline, timeout=60, aws_conn_id=connection)
    expected = f"A build of {re.escape(pipeline)} may have started.*{name}"
    with pytest.raises(AirflowFailException, match=expected):
        task.execute(context_of())


def test_start_that_exceeds_the_execution_timeout_is_not_repeated(simulator, connection, pipeline):
    simulator.inject(Fault(kind="hang", operation="StartImagePipelineExecution", seconds=30, performed=True))
    task = BuildImageOperator(task_id="build", pipeline_arn=pipeline, timeout=60, aws_conn_id=connection)
    with pytest.raises(AirflowFailException, match="may have started"), timeout(2):
        task.execute(context_of())


def test_start_that_was_rejected_is_left_to_a_retry(simulator, connection, pipeline):
    simulator.inject(
        Fault(kind="error", operation="Start*", code="ServiceQuotaExceededException", status=402)
    )
    task = BuildImageOperator(task_id="build", pipeline_arn=pipeline, timeout=60, aws_conn_id=connection)
    with pytest.raises(ServiceQuotaExceededException):
        task.execute(context_of())


@pytest.mark.parametrize(
    ("error", "end"), [("Trigger failure", "unobservable"), ("Trigger timeout", "timed out")]
)
def test_trigger_without_result_does_not_build_twice(connection, pipeline, error, end):
    task = BuildImageOperator(task_id="build", pipeline_arn=pipeline, timeout=60, aws_conn_id=connection)
    context = context_of()
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    image = deferred.value.trigger.identifier
    with pytest.raises(AirflowFailException, match=f"{re.escape(image)} may still be building") as caught:
        task.resume_execution("__fail__", {"error": error, "traceback": None}, context)
    result = context["ti"].pushed["return_value"]
    assert (result["id"], result["end"], result["outcome"]) == (image, end, None)
    assert result["summary"] == str(caught.value)
    task = BuildImageOperator(task_id="build", pipeline_arn=pipeline, timeout=60, do_xcom_push=False)
    with pytest.raises(AirflowFailException, match="may still be building"):
        task.resume_execution("__fail__", None, context_of())
    sensor = ImageBuilderSensor(task_id="watch", identifier="wf-1")
    with pytest.raises(TaskDeferralError):
        sensor.resume_execution("__fail__", {"error": "Trigger failure"}, context_of())


@pytest.mark.parametrize(
    ("options", "text"), [({"identifier": None}, "must be a str"), ({"aws_conn_id": "nope"}, "nope")]
)
async def test_trigger_that_can_never_wait_fires_invalid(connection, start, options, text):
    event = await fire(trigger_for(**{"identifier": start()} | options))
    assert event["end"] == "invalid"
    assert text in event["summary"]


@pytest.mark.parametrize("delays", [{"min_delay": 31}, {"max_delay": 0}, {"min_delay": -1}])
def test_invalid_delays_are_an_error_of_the_dag(pipeline, delays):
    with pytest.raises(ValueError, match="delay"):
        BuildImageOperator(task_id="build", pipeline_arn=pipeline, timeout=60, **delays)
    with pytest.raises(ValueError, match="delay"):
        ImageBuilderSensor(task_id="watch", identifier="wf-1", **delays)


@pytest.mark.parametrize("timeout", [-1, float("nan"), "3600"])
def test_invalid_timeout_is_an_error_of_the_dag(pipeline, timeout):
    with pytest.raises((TypeError, ValueError), match="timeout must be"):
        BuildImageOperator(task_id="build", pipeline_arn=pipeline, timeout=timeout)


@pytest.mark.parametrize("name", ["role_arn", "service_config", "verify"])
async def test_unsupported_member_of_connection_is_an_error(monkeypatch, start, pipeline, name):
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({"conn_type": "aws", "extra": {name: "x"}}))
    task = BuildImageOperator(task_id="build", pipeline_arn=pipeline, timeout=60, aws_conn_id="other")
    with pytest.raises(AirflowFailException, match=f"'other' has {name}, which .* does not support"):
        task.execute(context_of())
    event = await fire(trigger_for(start(), aws_conn_id="other"))
    assert event["end"] == "invalid"
    assert f"'other' has {name}" in event["summary"]


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        ({"verify": False}, "has verify, which"),
        ({"config_kwargs": {}}, "has config_kwargs, which"),
        ({"region_name": 1}, "region_name must be text"),
        ({"profile_name": False}, "profile_name must be text"),
        ({"endpoint_url": ["x"]}, "endpoint_url must be text"),
        ("[1]", "is not a JSON object"),
        ('"us-east-1"', "is not a JSON object"),
        ("5", "is not a JSON object"),
        ("region_name=us-east-1", "is not a JSON object"),
    ],
)
async def test_malformed_extra_is_an_error(monkeypatch, start, pipeline, extra, text):
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({"conn_type": "aws", "extra": extra}))
    task = BuildImageOperator(task_id="build", pipeline_arn=pipeline, timeout=60, aws_conn_id="other")
    with pytest.raises(AirflowFailException, match=f"'other'.* {text}"):
        task.execute(context_of())
    event = await fire(trigger_for(start(), aws_conn_id="other"))
    assert event["end"] == "invalid"
    assert text in event["summary"]


async def test_absent_members_of_extra_are_none_or_empty(monkeypatch, simulator, connection, pipeline):
    content = json.loads(os.environ["AIRFLOW_CONN_IMAGES"])
    content["extra"] |= {"verify": None, "role_arn": "", "profile_name": None}
    monkeypatch.setenv("AIRFLOW_CONN_IMAGES", json.dumps(content))
    task = BuildImageOperator(task_id="build", pipeline_arn=pipeline, timeout=60, aws_conn_id=connection)
    arn = (await asyncio.to_thread(deferral, task)).trigger.identifier
    simulator.advance(3600)
    assert (await fire(trigger_for(arn)))["outcome"] == "succeeded"


@pytest.mark.parametrize("half", [{"login": "AKIAIOSFODNN7EXAMPLE"}, {"password": "simulated"}])
async def test_half_of_an_access_key_is_an_error(monkeypatch, half):
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({"conn_type": "aws", **half}))
    event = await fire(trigger_for("wf-12345678-1234-1234-1234-123456789012", aws_conn_id="other"))
    assert (event["end"], event["summary"]) == (
        "invalid",
        "Connection 'other' has only one of login and password.",
    )


async def test_environment_of_botocore_is_used_without_connection(monkeypatch, simulator, pipeline):
    arguments = simulator.client_arguments
    monkeypatch.setenv("AWS_ENDPOINT_URL", arguments["endpoint_url"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", arguments["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", arguments["aws_secret_access_key"])
    task = BuildImageOperator(task_id="build", pipeline_arn=pipeline, timeout=None, **FAST)
    trigger = restored((await asyncio.to_thread(deferral, task)).trigger)
    assert trigger.deadline is None
    simulator.advance(3600)
    assert (await fire(trigger))["outcome"] == "succeeded"


def test_task_killed_in_the_worker_cancels_its_build(simulator, connection, pipeline):
    task = BuildImageOperator(task_id="build", pipeline_arn=pipeline, timeout=60, aws_conn_id=connection)
    task.on_kill()
    assert simulator.call_count("CancelImageCreation") == 0
    deferral(task)
    task.on_kill()
    assert simulator.call_count("CancelImageCreation") == 1


async def test_triggers_share_a_client_that_ends_with_the_last(simulator, connection, start):
    before = asyncio.all_tasks()
    arns = [start() for _ in range(3)]
    first, second, third = (asyncio.create_task(fire(trigger_for(arn))) for arn in arns)
    while not simulator.call_count("ListImageBuildVersions"):
        await asyncio.sleep(0.05)
    first.cancel()
    await asyncio.wait([first])
    simulator.advance(3600)
    assert [event["outcome"] for event in await asyncio.gather(second, third)] == ["succeeded"] * 2
    assert asyncio.all_tasks() == before
    assert (await fire(trigger_for(arns[0])))["outcome"] == "succeeded"
    assert asyncio.all_tasks() == before


async def test_kill_of_what_is_awaited_no_more_cancels_nothing(simulator, connection, start):
    """Airflow may run a trigger again whose event it has received, and take its removal for a user's."""
    ended = start()
    simulator.advance(3600)
    late = start()
    for arn, deadline in ((ended, None), (ended, time.time() + 600), (late, time.time() - 1)):
        await trigger_for(arn, deadline=deadline, cancel_on_kill=True).on_kill()
    assert simulator.call_count("CancelImageCreation") == 0
    await trigger_for(late, deadline=None, cancel_on_kill=True).on_kill()
    assert simulator.call_count("CancelImageCreation") == 1


async def test_repeated_cancellation_does_not_stop_a_kill(simulator, connection, start):
    before = asyncio.all_tasks()
    simulator.inject(Fault(kind="delay", operation="CancelImageCreation", seconds=0.5))
    killing = asyncio.create_task(trigger_for(start(), cancel_on_kill=True).on_kill())
    # Airflow cancels the task of a trigger again each second.
    while not killing.done():
        await asyncio.sleep(0.01)
        killing.cancel("__airflow_user_action__")
    assert simulator.call_count("CancelImageCreation") == 1
    assert asyncio.all_tasks() == before


async def test_interruption_of_a_kill_that_fails_is_not_lost(simulator, connection, start):
    simulator.inject(
        Fault(kind="error", operation="CancelImageCreation", code="ForbiddenException", status=403)
    )
    killing = asyncio.create_task(trigger_for(start(), cancel_on_kill=True).on_kill())
    # The client is being opened.
    await asyncio.sleep(0)
    killing.cancel("__airflow_user_action__")
    with pytest.raises(asyncio.CancelledError) as caught:
        await killing
    assert isinstance(caught.value.__cause__, ForbiddenException)
    assert simulator.call_count("CancelImageCreation") == 1


async def test_log_of_a_shared_client_is_not_that_of_the_task_that_opened_it(
    simulator, connection, start, monkeypatch
):
    owner = contextvars.ContextVar("owner", default="nobody")
    owners = []
    logger = logging.getLogger("aioimagebuilder")
    handler = logging.Handler()
    handler.emit = lambda record: owners.append((owner.get(), record.getMessage()))
    logger.addHandler(handler)
    monkeypatch.setattr(logger, "level", logging.INFO)
    simulator.inject(Fault(kind="error", operation="*Image*", status=500, times=3))
    owner.set("first")
    try:
        await fire(trigger_for(start(), deadline=time.time() + 3))
    finally:
        logger.removeHandler(handler)
    retries = [each for each in owners if "Retrying" in each[1]]
    assert {each[0] for each in retries} == {"nobody"}


async def test_client_that_cannot_be_opened_fails_its_triggers_at_once(
    monkeypatch, connection, start, simulator
):
    content = json.loads(os.environ["AIRFLOW_CONN_IMAGES"])
    monkeypatch.setenv("AIRFLOW_CONN_IMAGES", json.dumps(content | {"extra": {"profile_name": "nobody"}}))
    arn = start()
    events = await asyncio.gather(*(fire(trigger_for(arn)) for _ in range(100)))
    assert {event["end"] for event in events} == {"invalid"}
    assert all("nobody" in event["summary"] for event in events)
    monkeypatch.setenv("AIRFLOW_CONN_IMAGES", json.dumps(content))
    simulator.advance(3600)
    assert (await fire(trigger_for(arn)))["outcome"] == "succeeded"


async def test_thousand_triggers_cost_as_many_calls_as_one_wait(simulator, connection):
    counts = []
    for use_triggers in (False, True):
        simulator.reset()
        simulator.set_time_scale(0)
        pipelines = [simulator.create_pipeline(f"pipeline-{number}") for number in range(10)]
        arns = [
            simulator.call("StartImagePipelineExecution", imagePipelineArn=arn)["imageBuildVersionArn"]
            for arn in pipelines * 100
        ]
        simulator.reset_calls()
        simulator.set_time_scale(60)
        if use_triggers:
            triggers = [trigger_for(arn, deadline=None, min_delay=1, max_delay=5) for arn in arns]
            events = await asyncio.gather(*map(fire, triggers))
            assert {event["outcome"] for event in events} == {"succeeded"}
        else:
            async with ImageBuilder(**simulator.client_arguments) as ib:
                await ib.wait_all(arns, timeout=None, min_delay=1, max_delay=5)
        simulator.set_time_scale(0)
        counts.append(simulator.call_count())
    print("calls of one wait_all, and of a thousand triggers:", counts)
    assert counts[1] <= 1.1 * counts[0]
