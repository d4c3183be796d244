"""Executions that belong to no build, with a schedule of any statuses."""

from __future__ import annotations

import pytest

from simulator.support import executions, status_of

SCHEDULE = [("PENDING", 1.0), ("RUNNING", 2.0), ("SKIPPED", None)]


def seen(simulator, read, seconds=4):
    shown = []
    for _ in range(seconds):
        shown.append(read())
        simulator.advance(1.0)
    return shown


def test_a_workflow_execution_goes_through_its_schedule(simulator, client):
    identifier = simulator.add_execution("workflow_execution", SCHEDULE, message="why not", type="TEST")

    def read():
        return client.get_workflow_execution(workflowExecutionId=identifier)

    assert seen(simulator, lambda: read()["status"]) == ["PENDING", "RUNNING", "RUNNING", "SKIPPED"]
    last = read()
    assert (last["message"], last["type"]) == ("why not", "TEST")
    assert last["startTime"] < last["endTime"]
    [row] = executions(client, last["imageBuildVersionArn"])
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


def test_a_step_goes_through_its_schedule(simulator, client):
    workflow = "wf-00000000-0000-0000-0000-000000000001"
    identifier = simulator.add_execution(
        "workflow_step_execution",
        [("WAITING", 1.0), ("TIMED_OUT", None)],
        workflowExecutionId=workflow,
        name="Approve",
        attemptNumber=2,
        maxAttempts=3,
    )
    assert seen(
        simulator,
        lambda: client.get_workflow_step_execution(stepExecutionId=identifier)["status"],
        seconds=2,
    ) == ["WAITING", "TIMED_OUT"]
    answer = client.list_workflow_step_executions(workflowExecutionId=workflow)
    assert [row["name"] for row in answer["steps"]] == ["Approve"]
    assert answer["workflowExecutionId"] == workflow


def test_an_image_goes_through_its_schedule(simulator, client):
    context = {"imageStatus": "BUILDING"}
    arn = simulator.add_execution(
        "image", [("BUILDING", 1.0), ("FAILED", None)], reason="because", failureContext=context
    )
    assert client.get_image(imageBuildVersionArn=arn)["image"]["state"] == {"status": "BUILDING"}
    simulator.advance(1)
    state = client.get_image(imageBuildVersionArn=arn)["image"]["state"]
    assert state == {"status": "FAILED", "reason": "because", "failureContext": context}
    given = "arn:aws:imagebuilder:us-east-1:123456789012:image/given/2.0.0/3"
    assert simulator.add_execution("image", [("QUARANTINED", None)], arn=given) == given
    assert status_of(client, given) == "QUARANTINED"


def test_a_lifecycle_execution_goes_through_its_schedule(simulator, client):
    schedule = [("IN_PROGRESS", 1.0), ("PENDING", 1.0), ("IN_PROGRESS", 1.0), ("FAILED", None)]
    identifier = simulator.add_execution("lifecycle_execution", schedule, reason="because")

    def read():
        return client.get_lifecycle_execution(lifecycleExecutionId=identifier)["lifecycleExecution"]

    shown = seen(simulator, lambda: read()["state"]["status"])
    assert shown == ["IN_PROGRESS", "PENDING", "IN_PROGRESS", "FAILED"]
    assert read()["state"]["reason"] == "because"
    assert (read()["endTime"] - read()["startTime"]).total_seconds() == pytest.approx(3, abs=0.01)


def test_an_execution_can_be_in_another_region(simulator, client):
    arn = simulator.add_execution("image", [("AVAILABLE", None)], region_name="eu-west-1")
    assert ":eu-west-1:" in arn


def test_what_cannot_be_added(simulator):
    with pytest.raises(ValueError, match="unknown kind of execution"):
        simulator.add_execution("lunch", [("RUNNING", None)])
    with pytest.raises(ValueError, match="at least one status"):
        simulator.add_execution("image", [])
