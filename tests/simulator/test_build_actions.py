"""Actions on builds over the wire: actions sent to waiting steps, cancellations and retries."""

from __future__ import annotations

import json

import pytest

from aioimagebuilder.testing import BuildScript, StepScript
from simulator.support import get_status, get_steps, list_executions, raises_error


def start_build(simulator, script=None, **members):
    if script is not None:
        simulator.script(script)
    return simulator.start_build(simulator.create_pipeline(**members))


@pytest.fixture
def waiting_step(simulator, client):
    start_build(simulator, BuildScript.waiting("RunSanitizeScript"))
    simulator.advance(600)
    [step] = client.list_waiting_workflow_steps()["steps"]
    return step


def send_action(client, step, action, **members):
    return client.send_workflow_step_action(
        stepExecutionId=step["stepExecutionId"],
        imageBuildVersionArn=step["imageBuildVersionArn"],
        action=action,
        **members,
    )


def test_waiting_step_is_listed_with_its_image(client, waiting_step):
    assert set(waiting_step) == {
        "stepExecutionId",
        "imageBuildVersionArn",
        "workflowExecutionId",
        "workflowBuildVersionArn",
        "name",
        "action",
        "startTime",
    }
    assert (waiting_step["name"], waiting_step["action"]) == ("RunSanitizeScript", "WaitForAction")
    assert (
        client.get_workflow_execution(workflowExecutionId=waiting_step["workflowExecutionId"])["status"]
        == "RUNNING"
    )
    assert get_status(client, waiting_step["imageBuildVersionArn"]) == "BUILDING"


def test_resume_completes_step_and_build(simulator, client, waiting_step):
    response = send_action(client, waiting_step, "RESUME", reason="looks good")
    assert response["clientToken"]
    assert client.list_waiting_workflow_steps()["steps"] == []
    step = client.get_workflow_step_execution(stepExecutionId=waiting_step["stepExecutionId"])
    assert step["status"] == "COMPLETED"
    assert json.loads(step["outputs"]) == {"action": "RESUME", "reason": "looks good"}
    simulator.advance(3600)
    assert get_status(client, waiting_step["imageBuildVersionArn"]) == "AVAILABLE"


def test_stop_fails_image_with_reason(simulator, client, waiting_step):
    send_action(client, waiting_step, "STOP", reason="not today")
    simulator.advance(3600)
    state = client.get_image(imageBuildVersionArn=waiting_step["imageBuildVersionArn"])["image"]["state"]
    assert state["status"] == "FAILED"
    assert "not today" in state["reason"]


def test_late_action_is_rejected(simulator, client, waiting_step):
    send_action(client, waiting_step, "RESUME")
    with raises_error("InvalidRequestException", 400):
        send_action(client, waiting_step, "RESUME", reason="again")


def test_action_with_wrong_ids_is_rejected(simulator, client, waiting_step):
    other = {**waiting_step, "imageBuildVersionArn": waiting_step["imageBuildVersionArn"].replace("/1", "/9")}
    with raises_error("InvalidParameterValueException", 400):
        send_action(client, other, "RESUME")
    unknown = {**waiting_step, "stepExecutionId": "step-00000000-0000-0000-0000-000000000000"}
    with raises_error("ResourceNotFoundException", 404):
        send_action(client, unknown, "RESUME")


def test_waiting_step_without_action_times_out(simulator, client, waiting_step):
    simulator.advance(13 * 3600)
    assert client.list_waiting_workflow_steps()["steps"] == []
    step = client.get_workflow_step_execution(stepExecutionId=waiting_step["stepExecutionId"])
    assert (step["status"], step["message"]) == ("FAILED", "Step RunSanitizeScript timed out")


def test_script_sets_status_of_timed_out_waiting_step(simulator, client):
    script = BuildScript.waiting(
        "RunSanitizeScript", waiting_status="WAITING", waiting_timeout_status="TIMED_OUT"
    )
    arn = start_build(simulator, script)
    simulator.advance(600)
    workflow = list_executions(client, arn)[0]["workflowExecutionId"]
    assert get_steps(client, workflow)["RunSanitizeScript"]["status"] == "WAITING"
    simulator.advance(13 * 3600)
    assert get_steps(client, workflow)["RunSanitizeScript"]["status"] == "TIMED_OUT"
    assert get_status(client, arn) == "FAILED"


def test_cancel_is_asynchronous_and_keeps_amis(simulator, client):
    arn = start_build(simulator)
    simulator.advance(500)
    assert get_status(client, arn) == "TESTING"
    response = client.cancel_image_creation(imageBuildVersionArn=arn)
    assert response["imageBuildVersionArn"] == arn
    assert get_status(client, arn) == "TESTING"
    with raises_error("ResourceInUseException", 400):
        client.cancel_image_creation(imageBuildVersionArn=arn)
    simulator.advance(10)
    image = client.get_image(imageBuildVersionArn=arn)["image"]
    assert image["state"] == {"status": "CANCELLED"}
    assert image["outputResources"]["amis"]
    assert [row["status"] for row in list_executions(client, arn)] == ["COMPLETED", "CANCELLED"]
    with raises_error("InvalidRequestException", 400):
        client.cancel_image_creation(imageBuildVersionArn=arn)


def test_build_can_finish_before_its_cancellation(simulator, client):
    arn = start_build(simulator, BuildScript(cancelling=3600))
    simulator.advance(60)
    client.cancel_image_creation(imageBuildVersionArn=arn)
    simulator.advance(3000)
    assert get_status(client, arn) == "AVAILABLE"


def test_waiting_build_can_be_cancelled(simulator, client, waiting_step):
    client.cancel_image_creation(imageBuildVersionArn=waiting_step["imageBuildVersionArn"])
    simulator.advance(10)
    assert client.list_waiting_workflow_steps()["steps"] == []
    step = client.get_workflow_step_execution(stepExecutionId=waiting_step["stepExecutionId"])
    assert step["status"] == "CANCELLED"


def test_retry_runs_failed_stage_again(simulator, client):
    arn = start_build(simulator, BuildScript.failing_step("LaunchTestInstance"))
    simulator.advance(3600)
    assert get_status(client, arn) == "FAILED"
    before = list_executions(client, arn)
    assert client.retry_image(imageBuildVersionArn=arn)["imageBuildVersionArn"] == arn
    assert get_status(client, arn) == "TESTING"
    with raises_error("ResourceInUseException", 400):
        client.retry_image(imageBuildVersionArn=arn)
    simulator.advance(3600)
    assert client.get_image(imageBuildVersionArn=arn)["image"]["state"] == {"status": "AVAILABLE"}
    build_row, old_test, new_test = list_executions(client, arn)
    assert (build_row["retried"], old_test["retried"], new_test["retried"]) == (False, True, False)
    assert old_test["workflowExecutionId"] == before[1]["workflowExecutionId"]
    assert new_test["status"] == "COMPLETED"
    assert new_test["workflowExecutionId"] not in [row["workflowExecutionId"] for row in before]
    with raises_error("InvalidRequestException", 400):
        client.retry_image(imageBuildVersionArn=arn)


def test_retry_uses_next_script_and_can_fail_again(simulator, client):
    arn = start_build(simulator, BuildScript(failed_regions={"us-east-1": "no"}))
    simulator.advance(3600)
    simulator.script(BuildScript(failed_regions={"us-east-1": "still no"}, reopening=30))
    client.retry_image(imageBuildVersionArn=arn)
    assert get_status(client, arn) == "FAILED"
    simulator.advance(31)
    assert get_status(client, arn) == "DISTRIBUTING"
    simulator.advance(3600)
    client.retry_image(imageBuildVersionArn=arn)
    simulator.advance(3600)
    assert get_status(client, arn) == "AVAILABLE"


def test_image_cancelled_in_test_can_be_retried(simulator, client):
    arn = start_build(simulator)
    simulator.advance(500)
    client.cancel_image_creation(imageBuildVersionArn=arn)
    simulator.advance(60)
    client.retry_image(imageBuildVersionArn=arn)
    simulator.advance(3600)
    assert get_status(client, arn) == "AVAILABLE"


@pytest.mark.parametrize(
    ("script", "container"),
    [
        (BuildScript.failing_step("CreateOutputAMI"), False),
        (BuildScript(early_failure="no"), False),
        (BuildScript(steps={"LaunchTestInstance": StepScript(status="FAILED")}), True),
    ],
)
def test_retry_of_build_failure_or_container_is_rejected(simulator, client, script, container):
    arn = start_build(simulator, script, container=container)
    simulator.advance(3600)
    assert get_status(client, arn) == "FAILED"
    with raises_error("InvalidRequestException", 400):
        client.retry_image(imageBuildVersionArn=arn)


def test_running_image_cannot_be_retried(simulator, client):
    arn = start_build(simulator)
    with raises_error("ResourceInUseException", 400):
        client.retry_image(imageBuildVersionArn=arn)
