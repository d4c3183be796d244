"""The effect of every fault on the caller, and the rate limit."""

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
from aioimagebuilder.testing.imagebuilder.faults import FaultRegistry
from simulator.conftest import NO_RETRIES
from simulator.support import get_status, list_executions, raises_error


@pytest.fixture
def execution_id(simulator):
    """Add a running workflow execution and return its id."""
    return simulator.add_execution("workflow_execution", [("RUNNING", None)])


def poll(client, identifier):
    return client.get_workflow_execution(workflowExecutionId=identifier)["status"]


def test_throttle_returns_429(simulator, client, execution_id):
    simulator.inject(Fault("throttle", times=2))
    for _ in range(2):
        with raises_error("CallRateLimitExceededException", 429):
            poll(client, execution_id)
    assert poll(client, execution_id) == "RUNNING"
    assert [call.code for call in simulator.calls] == ["CallRateLimitExceededException"] * 2 + [None]


def test_throttle_bare_returns_429_without_code(simulator, client, execution_id):
    simulator.inject(Fault("throttle_bare"))
    with raises_error("429", 429):
        poll(client, execution_id)


@pytest.mark.parametrize(
    ("code", "status"),
    [("ServiceUnavailableException", 503), ("ServiceException", 500), ("ForbiddenException", 403)],
)
def test_error_returns_code_and_status(simulator, client, execution_id, code, status):
    simulator.inject(Fault("error", code=code, status=status, message="no"))
    with raises_error(code, status):
        poll(client, execution_id)


def test_error_with_html_body_has_status_as_code(simulator, client, execution_id):
    simulator.inject(Fault("error", status=503, body="<html>Service Unavailable</html>"))
    with raises_error("503", 503):
        poll(client, execution_id)


def test_reset_breaks_connection(simulator, client, execution_id):
    simulator.inject(Fault("reset", times=1))
    with pytest.raises(ConnectionClosedError) as caught:
        poll(client, execution_id)
    assert "reset" in str(caught.value.kwargs["error"]).lower()
    assert poll(client, execution_id) == "RUNNING"
    assert simulator.calls[0].status == 0


def test_truncate_sends_half_of_body(simulator, client, execution_id):
    simulator.inject(Fault("truncate", times=2))
    # botocore, unlike aiobotocore, accepts a body that is shorter than its Content-Length.
    response = client.get_workflow_execution(workflowExecutionId=execution_id)
    assert set(response) == {"ResponseMetadata", "message"}
    length = int(response["ResponseMetadata"]["HTTPHeaders"]["content-length"])
    assert len(response["message"]) == length // 2

    async def get_async():
        config = AioConfig(retries={"total_max_attempts": 1})
        arguments = simulator.client_arguments
        async with get_session().create_client("imagebuilder", config=config, **arguments) as other:
            await other.get_workflow_execution(workflowExecutionId=execution_id)

    with pytest.raises(ConnectionClosedError, match="Connection was closed"):
        asyncio.run(get_async())
    assert poll(client, execution_id) == "RUNNING"


def test_delay_delays_response(simulator, client, execution_id):
    simulator.inject(Fault("delay", seconds=0.2, times=1))
    start = time.monotonic()
    assert poll(client, execution_id) == "RUNNING"
    assert time.monotonic() - start >= 0.2


def test_hang_times_out_client(simulator, execution_id):
    client = boto3.client(
        "imagebuilder",
        config=NO_RETRIES.merge(NO_RETRIES.__class__(read_timeout=0.3)),
        **simulator.client_arguments,
    )
    simulator.inject(Fault("hang", times=1))
    with pytest.raises(ReadTimeoutError):
        poll(client, execution_id)
    assert poll(client, execution_id) == "RUNNING"
    client.close()


def test_hang_ends_without_response(simulator, client, execution_id):
    simulator.inject(Fault("hang", seconds=0.1, times=1))
    with pytest.raises(ConnectionClosedError):
        poll(client, execution_id)


def test_garbage_returns_invalid_json(simulator, client, execution_id):
    simulator.inject(Fault("garbage", times=1))
    # botocore parses a body that is not JSON as a response whose only member is a message.
    response = client.get_workflow_execution(workflowExecutionId=execution_id)
    assert set(response) == {"ResponseMetadata", "message"}
    assert poll(client, execution_id) == "RUNNING"


def test_stale_returns_earlier_state(simulator, client):
    identifier = simulator.add_execution("workflow_execution", [("RUNNING", 10), ("COMPLETED", None)])
    arn = simulator.start_build(simulator.create_pipeline())
    simulator.advance(20)
    assert poll(client, identifier) == "COMPLETED"
    simulator.inject(Fault("stale", lag=15, operation="GetWorkflowExecution", times=1))
    assert poll(client, identifier) == "RUNNING"
    assert poll(client, identifier) == "COMPLETED"
    simulator.inject(Fault("stale", lag=1e6))
    assert poll(client, identifier) == "RUNNING"
    assert get_status(client, arn) == "PENDING"
    assert list_executions(client, arn)[0]["status"] == "PENDING"


def test_missing_rows_hides_rows_of_lists(simulator, client, built):
    build, test = (row["workflowExecutionId"] for row in list_executions(client, built))
    simulator.inject(Fault("missing_rows", identifiers=(test,)))
    assert [row["workflowExecutionId"] for row in list_executions(client, built)] == [build]
    assert poll(client, test) == "COMPLETED"
    simulator.inject(Fault("missing_rows", identifier=built))
    assert client.list_image_build_versions()["imageSummaryList"] == []


def test_missing_row_of_step_keeps_other_steps(simulator, client, built):
    workflow = list_executions(client, built)[0]["workflowExecutionId"]
    rows = client.list_workflow_step_executions(workflowExecutionId=workflow)["steps"]
    simulator.inject(Fault("missing_rows", identifier=rows[0]["stepExecutionId"]))
    assert client.list_workflow_step_executions(workflowExecutionId=workflow)["steps"] == rows[1:]


def test_unknown_status_replaces_status(simulator, client, built):
    build, test = (row["workflowExecutionId"] for row in list_executions(client, built))
    simulator.inject(Fault("unknown_status", execution_status="NEW_STATUS", identifier=test))
    assert (poll(client, build), poll(client, test)) == ("COMPLETED", "NEW_STATUS")
    assert [row["status"] for row in list_executions(client, built)] == ["COMPLETED", "NEW_STATUS"]
    assert get_status(client, built) == "AVAILABLE"
    simulator.clear_faults()
    simulator.inject(Fault("unknown_status", execution_status="NEW_STATUS"))
    assert get_status(client, built) == "NEW_STATUS"


def test_not_found_yet_ends_after_delay(simulator, client, execution_id):
    simulator.inject(Fault("not_found_yet", seconds=0.2))
    with raises_error("ResourceNotFoundException", 404):
        poll(client, execution_id)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            assert poll(client, execution_id) == "RUNNING"
            break
        except ClientError:
            time.sleep(0.02)
    else:
        pytest.fail("the fault did not end")
    simulator.clear_faults()
    simulator.inject(Fault("not_found_yet", times=1))
    with raises_error("ResourceNotFoundException", 404):
        poll(client, execution_id)
    assert poll(client, execution_id) == "RUNNING"


def test_repeat_token_fails_paginator(simulator, client):
    pipeline = simulator.create_pipeline()
    for _ in range(3):
        simulator.start_build(pipeline)
    simulator.inject(Fault("repeat_token"))
    paginator = client.get_paginator("list_image_build_versions")
    with pytest.raises(PaginationError, match="same next token"):
        list(paginator.paginate(PaginationConfig={"PageSize": 1}))


def test_performed_operation_survives_lost_response(simulator, client):
    pipeline = simulator.create_pipeline()
    simulator.inject(Fault("reset", operation="Start*", times=1, performed=True))
    with pytest.raises(ConnectionClosedError):
        client.start_image_pipeline_execution(imagePipelineArn=pipeline, clientToken="once")
    [image] = client.list_image_build_versions()["imageSummaryList"]
    again = client.start_image_pipeline_execution(imagePipelineArn=pipeline, clientToken="once")
    assert again["imageBuildVersionArn"] == image["arn"]
    simulator.inject(Fault("error", operation="Start*", times=1))
    with raises_error("ServiceException", 500):
        client.start_image_pipeline_execution(imagePipelineArn=pipeline)
    assert len(client.list_image_build_versions()["imageSummaryList"]) == 1


def test_fault_applies_only_to_named_calls(simulator, client, execution_id):
    other = simulator.add_execution("workflow_execution", [("RUNNING", None)])
    simulator.inject(Fault("throttle", operation="List*"))
    simulator.inject(Fault("error", identifier=other))
    assert poll(client, execution_id) == "RUNNING"
    with raises_error("ServiceException"):
        poll(client, other)
    with raises_error("CallRateLimitExceededException"):
        client.list_waiting_workflow_steps()


def test_fault_expires_and_applies_by_probability():
    now = [0.0]
    registry = FaultRegistry(monotonic=lambda: now[0])
    registry.add(Fault("throttle", seconds=5))
    registry.add(Fault("error", probability=0.5))
    kinds_per_call = [[fault.kind for fault in registry.match("GetImage", {})] for _ in range(200)]
    assert 60 < sum("error" in kinds for kinds in kinds_per_call) < 140
    assert all("throttle" in kinds for kinds in kinds_per_call)
    now[0] = 5.0
    assert "throttle" not in [fault.kind for fault in registry.match("GetImage", {})]
    assert [fault.kind for fault in registry.active] == ["error"]
    registry.clear()
    assert registry.match("GetImage", {}) == []


def test_rate_limit_returns_429_per_account(simulator, client, execution_id, monkeypatch):
    simulator.set_rate_limit(0.001, burst=3)
    for _ in range(3):
        assert poll(client, execution_id) == "RUNNING"
    with raises_error("CallRateLimitExceededException", 429):
        poll(client, execution_id)
    monkeypatch.setenv("MOTO_ACCOUNT_ID", "999999999999")
    with raises_error("ResourceNotFoundException"):
        poll(client, execution_id)
    monkeypatch.undo()
    simulator.set_rate_limit(None)
    assert poll(client, execution_id) == "RUNNING"


def test_throttled_call_does_not_count_for_faults(simulator, client, execution_id):
    simulator.inject(Fault("error", times=1))
    simulator.set_rate_limit(0.001, burst=1)
    with raises_error("ServiceException"):
        poll(client, execution_id)
    with raises_error("CallRateLimitExceededException"):
        poll(client, execution_id)


def test_calls_are_recorded(simulator, client, execution_id):
    before = time.time()
    poll(client, execution_id)
    client.list_waiting_workflow_steps()
    with raises_error("InvalidRequestException"):
        client.get_workflow_execution(workflowExecutionId="x")
    first, second, third = simulator.calls
    assert (first.operation, first.identifier, first.status, first.code) == (
        "GetWorkflowExecution",
        execution_id,
        200,
        None,
    )
    assert before <= first.at <= time.time()
    assert (second.operation, second.parameters) == ("ListWaitingWorkflowSteps", {})
    assert (third.status, third.code) == (400, "InvalidRequestException")
    assert (simulator.call_count(), simulator.call_count("GetWorkflowExecution")) == (3, 2)
    simulator.reset_calls()
    assert (simulator.calls, simulator.call_count()) == ([], 0)


def test_reset_discards_scripts_faults_and_settings(simulator, client):
    simulator.inject(Fault("throttle"))
    simulator.script(BuildScript(early_failure="x"), default=True)
    simulator.set_time_scale(5)
    simulator.set_rate_limit(1)
    simulator.reset()
    arn = simulator.start_build(simulator.create_pipeline())
    simulator.advance(3600)
    assert [get_status(client, arn) for _ in range(5)] == ["AVAILABLE"] * 5
    assert simulator.control.time_scale == 0
