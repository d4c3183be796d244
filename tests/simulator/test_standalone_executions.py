"""Standalone executions, which belong to no build and follow a schedule."""

from __future__ import annotations

import pytest

from simulator.support import get_status, list_executions

SCHEDULE = [("PENDING", 1.0), ("RUNNING", 2.0), ("SKIPPED", None)]


def poll(simulator, read, seconds=4):
    statuses = []
    for _ in range(seconds):
        statuses.append(read())
        simulator.advance(1.0)
    return statuses


def test_workflow_execution_follows_schedule(simulator, client):
    identifier = simulator.add_execution("workflow_execution", SCHEDULE, message="why not", type="TEST")

    def read():
        return client.get_workflow_execution(workflowExecutionId=identifier)

    assert poll(simulator, lambda: read()["status"]) == ["PENDING", "RUNNING", "RUNNING", "SKIPPED"]
    last = read()
    assert (last["message"], last["type"]) == ("why not", "TEST")
    assert last["startTime"] < last["endTime"]
    [row] = list_executions(client, last["imageBuildVersionArn"])
    assert row["workflowExecutionId"] == identifier


def test_executions_of_one_image_are_listed_together(simulator, client):
    arn = "arn:aws:imagebuilder:us-east-1:123456789012:image/many/1.0.0/1"
    identifiers = [
        simulator.add_execution("workflow_execution", [("RUNNING", None)], imageBuildVersionArn=arn)
        for _ in range(30)
    ]
    pages = client.get_paginator("list_workflow_executions").paginate(imageBuildVersionArn=arn)
    rows = [row["workflowExecutionId"] for page in pages for row in page["workflowExecutions"]]
    assert rows == identifiers


def test_step_follows_schedule(simulator, client):
    workflow = "wf-00000000-0000-0000-0000-000000000001"
    identifier = simulator.add_execution(
        "workflow_step_execution",
        [("WAITING", 1.0), ("TIMED_OUT", None)],
        workflowExecutionId=workflow,
        name="Approve",
        attemptNumber=2,
        maxAttempts=3,
    )
    assert poll(
        simulator,
        lambda: client.get_workflow_step_execution(stepExecutionId=identifier)["status"],
        seconds=2,
    ) == ["WAITING", "TIMED_OUT"]
    response = client.list_workflow_step_executions(workflowExecutionId=workflow)
    assert [row["name"] for row in response["steps"]] == ["Approve"]
    assert response["workflowExecutionId"] == workflow


def test_image_follows_schedule(simulator, client):
    context = {"imageStatus": "BUILDING"}
    arn = simulator.add_execution(
        "image", [("BUILDING", 1.0), ("FAILED", None)], reason="because", failureContext=context
    )
    assert client.get_image(imageBuildVersionArn=arn)["image"]["state"] == {"status": "BUILDING"}
    simulator.advance(1)
    state = client.get_image(imageBuildVersionArn=arn)["image"]["state"]
    assert state == {"status": "FAILED", "reason": "because", "failureContext": context}
    given = "arn:aws:imagebuilder:us-east-1:123456789012:image/given/2.0.0/3"
    assert simulator.add_execution("image", [("NEW_STATUS", None)], arn=given) == given
    assert get_status(client, given) == "NEW_STATUS"


def test_lifecycle_execution_follows_schedule(simulator, client):
    schedule = [("IN_PROGRESS", 1.0), ("PENDING", 1.0), ("IN_PROGRESS", 1.0), ("FAILED", None)]
    identifier = simulator.add_execution("lifecycle_execution", schedule, reason="because")

    def read():
        return client.get_lifecycle_execution(lifecycleExecutionId=identifier)["lifecycleExecution"]

    statuses = poll(simulator, lambda: read()["state"]["status"])
    assert statuses == ["IN_PROGRESS", "PENDING", "IN_PROGRESS", "FAILED"]
    assert read()["state"]["reason"] == "because"
    assert (read()["endTime"] - read()["startTime"]).total_seconds() == pytest.approx(3, abs=0.01)


def test_execution_can_be_in_another_region(simulator):
    arn = simulator.add_execution("image", [("AVAILABLE", None)], region_name="eu-west-1")

    def list_arns(region):
        members = simulator.control.perform(
            "ListImageBuildVersions", {}, account_id="123456789012", region=region
        )
        return [row["arn"] for row in members["imageSummaryList"]]

    assert (list_arns("us-east-1"), list_arns("eu-west-1")) == ([], [arn])


def test_invalid_execution_is_rejected(simulator):
    with pytest.raises(ValueError, match="kind must be a string that is one of: workflow_execution"):
        simulator.add_execution("unknown", [("RUNNING", None)])
    with pytest.raises(ValueError, match="at least one status"):
        simulator.add_execution("image", [])
