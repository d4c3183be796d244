"""Every fault, as the caller meets it, and the rate limit."""

from __future__ import annotations

import asyncio
import time

import boto3
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    PaginationError,
    ReadTimeoutError,
)

from aioimagebuilder.testing import BuildScript, Fault
from aioimagebuilder.testing.faults import FaultRegistry
from simulator.conftest import NO_RETRIES
from simulator.support import executions, refused, status_of


@pytest.fixture
def running(simulator):
    """A workflow execution that runs."""
    return simulator.add_execution("workflow_execution", [("RUNNING", None)])


def get(client, identifier):
    return client.get_workflow_execution(workflowExecutionId=identifier)["status"]


def test_throttle(simulator, client, running):
    simulator.inject(Fault("throttle", times=2))
    for _ in range(2):
        with refused("CallRateLimitExceededException", 429):
            get(client, running)
    assert get(client, running) == "RUNNING"
    assert [call.code for call in simulator.calls] == ["CallRateLimitExceededException"] * 2 + [None]


def test_throttle_bare(simulator, client, running):
    simulator.inject(Fault("throttle_bare"))
    with refused("429", 429):
        get(client, running)


@pytest.mark.parametrize(
    ("code", "status"),
    [("ServiceUnavailableException", 503), ("ServiceException", 500), ("ForbiddenException", 403)],
)
def test_error(simulator, client, running, code, status):
    simulator.inject(Fault("error", code=code, status=status, message="no"))
    with refused(code, status):
        get(client, running)


def test_error_as_html(simulator, client, running):
    simulator.inject(Fault("error", status=503, body="<html>Service Unavailable</html>"))
    with refused("503", 503):
        get(client, running)


def test_reset(simulator, client, running):
    simulator.inject(Fault("reset", times=1))
    with pytest.raises(ConnectionClosedError) as caught:
        get(client, running)
    assert "reset" in str(caught.value.kwargs["error"]).lower()
    assert get(client, running) == "RUNNING"
    assert simulator.calls[0].status == 0


def test_truncate(simulator, client, running):
    simulator.inject(Fault("truncate", times=2))
    # botocore, unlike aiobotocore, does not mind a body that is too short.
    answer = client.get_workflow_execution(workflowExecutionId=running)
    assert set(answer) == {"ResponseMetadata", "message"}
    told = int(answer["ResponseMetadata"]["HTTPHeaders"]["content-length"])
    assert len(answer["message"]) == told // 2

    async def get_async():
        config = AioConfig(retries={"total_max_attempts": 1})
        arguments = simulator.client_arguments
        async with get_session().create_client("imagebuilder", config=config, **arguments) as other:
            await other.get_workflow_execution(workflowExecutionId=running)

    with pytest.raises(ConnectionClosedError, match="Connection was closed"):
        asyncio.run(get_async())
    assert get(client, running) == "RUNNING"


def test_delay(simulator, client, running):
    simulator.inject(Fault("delay", seconds=0.2, times=1))
    start = time.monotonic()
    assert get(client, running) == "RUNNING"
    assert time.monotonic() - start >= 0.2


def test_hang(simulator, running):
    client = boto3.client(
        "imagebuilder",
        config=NO_RETRIES.merge(NO_RETRIES.__class__(read_timeout=0.3)),
        **simulator.client_arguments,
    )
    simulator.inject(Fault("hang", times=1))
    with pytest.raises(ReadTimeoutError):
        get(client, running)
    assert get(client, running) == "RUNNING"
    client.close()


def test_a_hang_ends_without_an_answer(simulator, client, running):
    simulator.inject(Fault("hang", seconds=0.1, times=1))
    with pytest.raises(ConnectionClosedError):
        get(client, running)


def test_garbage(simulator, client, running):
    simulator.inject(Fault("garbage", times=1))
    # botocore takes a body that is no JSON for an answer whose only member is a message.
    assert set(client.get_workflow_execution(workflowExecutionId=running)) == {"ResponseMetadata", "message"}
    assert get(client, running) == "RUNNING"


def test_stale(simulator, client):
    identifier = simulator.add_execution("workflow_execution", [("RUNNING", 10), ("COMPLETED", None)])
    arn = simulator.start_build(simulator.create_pipeline())
    simulator.advance(20)
    assert get(client, identifier) == "COMPLETED"
    simulator.inject(Fault("stale", lag=15, operation="GetWorkflowExecution", times=1))
    assert get(client, identifier) == "RUNNING"
    assert get(client, identifier) == "COMPLETED"
    simulator.inject(Fault("stale", lag=1e6))
    assert get(client, identifier) == "RUNNING"
    assert status_of(client, arn) == "PENDING"
    assert executions(client, arn)[0]["status"] == "PENDING"


def test_missing_rows(simulator, client, built):
    build, test = (row["workflowExecutionId"] for row in executions(client, built))
    simulator.inject(Fault("missing_rows", identifiers=(test,)))
    assert [row["workflowExecutionId"] for row in executions(client, built)] == [build]
    assert get(client, test) == "COMPLETED"
    simulator.inject(Fault("missing_rows", identifier=built))
    assert client.list_image_build_versions()["imageSummaryList"] == []


def test_missing_rows_of_one_step_leave_its_workflow(simulator, client, built):
    workflow = executions(client, built)[0]["workflowExecutionId"]
    rows = client.list_workflow_step_executions(workflowExecutionId=workflow)["steps"]
    simulator.inject(Fault("missing_rows", identifier=rows[0]["stepExecutionId"]))
    assert client.list_workflow_step_executions(workflowExecutionId=workflow)["steps"] == rows[1:]


def test_unknown_status(simulator, client, built):
    build, test = (row["workflowExecutionId"] for row in executions(client, built))
    simulator.inject(Fault("unknown_status", word="HUMMING", identifier=test))
    assert (get(client, build), get(client, test)) == ("COMPLETED", "HUMMING")
    assert [row["status"] for row in executions(client, built)] == ["COMPLETED", "HUMMING"]
    assert status_of(client, built) == "AVAILABLE"
    simulator.clear_faults()
    simulator.inject(Fault("unknown_status", word="HUMMING"))
    assert status_of(client, built) == "HUMMING"


def test_not_found_yet(simulator, client, running):
    simulator.inject(Fault("not_found_yet", seconds=0.2))
    with refused("ResourceNotFoundException", 404):
        get(client, running)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            assert get(client, running) == "RUNNING"
            break
        except ClientError:
            time.sleep(0.02)
    simulator.clear_faults()
    simulator.inject(Fault("not_found_yet", times=1))
    with refused("ResourceNotFoundException", 404):
        get(client, running)
    assert get(client, running) == "RUNNING"


def test_repeat_token(simulator, client):
    pipeline = simulator.create_pipeline()
    for _ in range(3):
        simulator.start_build(pipeline)
    simulator.inject(Fault("repeat_token"))
    paginator = client.get_paginator("list_image_build_versions")
    with pytest.raises(PaginationError, match="same next token"):
        list(paginator.paginate(PaginationConfig={"PageSize": 1}))


def test_a_lost_answer_may_have_been_performed(simulator, client):
    pipeline = simulator.create_pipeline()
    simulator.inject(Fault("reset", operation="Start*", times=1, performed=True))
    with pytest.raises(ConnectionClosedError):
        client.start_image_pipeline_execution(imagePipelineArn=pipeline, clientToken="once")
    [image] = client.list_image_build_versions()["imageSummaryList"]
    again = client.start_image_pipeline_execution(imagePipelineArn=pipeline, clientToken="once")
    assert again["imageBuildVersionArn"] == image["arn"]
    simulator.inject(Fault("error", operation="Start*", times=1))
    with refused("ServiceException", 500):
        client.start_image_pipeline_execution(imagePipelineArn=pipeline)
    assert len(client.list_image_build_versions()["imageSummaryList"]) == 1


def test_a_fault_hits_only_what_it_names(simulator, client, running):
    other = simulator.add_execution("workflow_execution", [("RUNNING", None)])
    simulator.inject(Fault("throttle", operation="List*"))
    simulator.inject(Fault("error", identifier=other))
    assert get(client, running) == "RUNNING"
    with refused("ServiceException"):
        get(client, other)
    with refused("CallRateLimitExceededException"):
        client.list_waiting_workflow_steps()


def test_a_fault_ends_by_time_and_by_chance():
    now = [0.0]
    board = FaultRegistry(monotonic=lambda: now[0])
    board.add(Fault("throttle", seconds=5))
    board.add(Fault("error", probability=0.5))
    hits = [[fault.kind for fault in board.match("GetImage", {})] for _ in range(200)]
    assert 60 < sum("error" in kinds for kinds in hits) < 140
    assert all("throttle" in kinds for kinds in hits)
    now[0] = 5.0
    assert "throttle" not in [fault.kind for fault in board.match("GetImage", {})]
    assert [fault.kind for fault in board.active] == ["error"]
    board.clear()
    assert board.match("GetImage", {}) == []


def test_the_rate_limit_answers_429(simulator, client, running, monkeypatch):
    simulator.set_rate_limit(0.001, burst=3)
    for _ in range(3):
        assert get(client, running) == "RUNNING"
    with refused("CallRateLimitExceededException", 429):
        get(client, running)
    monkeypatch.setenv("MOTO_ACCOUNT_ID", "999999999999")
    with refused("ResourceNotFoundException"):
        get(client, running)
    monkeypatch.undo()
    simulator.set_rate_limit(None)
    assert get(client, running) == "RUNNING"


def test_a_throttled_call_does_not_use_a_fault_up(simulator, client, running):
    simulator.inject(Fault("error", times=1))
    simulator.set_rate_limit(0.001, burst=1)
    with refused("ServiceException"):
        get(client, running)
    with refused("CallRateLimitExceededException"):
        get(client, running)


def test_calls_are_recorded(simulator, client, running):
    before = time.time()
    get(client, running)
    client.list_waiting_workflow_steps()
    with refused("InvalidRequestException"):
        client.get_workflow_execution(workflowExecutionId="x")
    first, second, third = simulator.calls
    assert (first.operation, first.identifier, first.status, first.code) == (
        "GetWorkflowExecution",
        running,
        200,
        None,
    )
    assert before <= first.at <= time.time()
    assert (second.operation, second.parameters) == ("ListWaitingWorkflowSteps", {})
    assert (third.status, third.code) == (400, "InvalidRequestException")
    assert (simulator.call_count(), simulator.call_count("GetWorkflowExecution")) == (3, 2)
    simulator.reset_calls()
    assert (simulator.calls, simulator.call_count()) == ([], 0)


def test_a_reset_forgets_scripts_and_faults(simulator, client):
    simulator.inject(Fault("throttle"))
    simulator.script(BuildScript(early_failure="x"), default=True)
    simulator.set_time_scale(5)
    simulator.set_rate_limit(1)
    simulator.reset()
    arn = simulator.start_build(simulator.create_pipeline())
    simulator.advance(3600)
    assert [status_of(client, arn) for _ in range(5)] == ["AVAILABLE"] * 5
    assert simulator.control.time_scale == 0
