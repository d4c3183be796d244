"""Gates, cancels and retries over the wire."""

from __future__ import annotations

import json

import pytest

from aioimagebuilder.testing import BuildScript, StepScript
from simulator.support import executions, refused, status_of, steps


def build(simulator, script=None, **members):
    if script is not None:
        simulator.script(script)
    return simulator.start_build(simulator.create_pipeline(**members))


@pytest.fixture
def waiting(simulator, client):
    build(simulator, BuildScript.waiting("RunSanitizeScript"))
    simulator.advance(600)
    [step] = client.list_waiting_workflow_steps()["steps"]
    return step


def send(client, step, action, **members):
    return client.send_workflow_step_action(
        stepExecutionId=step["stepExecutionId"],
        imageBuildVersionArn=step["imageBuildVersionArn"],
        action=action,
        **members,
    )


def test_a_waiting_step_is_listed_with_its_owner(client, waiting):
    assert set(waiting) == {
        "stepExecutionId",
        "imageBuildVersionArn",
        "workflowExecutionId",
        "workflowBuildVersionArn",
        "name",
        "action",
        "startTime",
    }
    assert (waiting["name"], waiting["action"]) == ("RunSanitizeScript", "WaitForAction")
    assert (
        client.get_workflow_execution(workflowExecutionId=waiting["workflowExecutionId"])["status"]
        == "RUNNING"
    )
    assert status_of(client, waiting["imageBuildVersionArn"]) == "BUILDING"


def test_resume_completes_the_step_and_the_build(simulator, client, waiting):
    answer = send(client, waiting, "RESUME", reason="looks good")
    assert answer["clientToken"]
    assert client.list_waiting_workflow_steps()["steps"] == []
    step = client.get_workflow_step_execution(stepExecutionId=waiting["stepExecutionId"])
    assert step["status"] == "COMPLETED"
    assert json.loads(step["outputs"]) == {"action": "RESUME", "reason": "looks good"}
    simulator.advance(3600)
    assert status_of(client, waiting["imageBuildVersionArn"]) == "AVAILABLE"


def test_stop_fails_the_step_and_tells_why(simulator, client, waiting):
    send(client, waiting, "STOP", reason="not today")
    simulator.advance(3600)
    state = client.get_image(imageBuildVersionArn=waiting["imageBuildVersionArn"])["image"]["state"]
    assert state["status"] == "FAILED"
    assert "not today" in state["reason"]


def test_a_late_action_is_refused(simulator, client, waiting):
    send(client, waiting, "RESUME")
    with refused("InvalidRequestException", 400):
        send(client, waiting, "RESUME", reason="again")


def test_an_action_for_another_image_is_refused(simulator, client, waiting):
    other = {**waiting, "imageBuildVersionArn": waiting["imageBuildVersionArn"].replace("/1", "/9")}
    with refused("InvalidParameterValueException", 400):
        send(client, other, "RESUME")
    unknown = {**waiting, "stepExecutionId": "step-00000000-0000-0000-0000-000000000000"}
    with refused("ResourceNotFoundException", 404):
        send(client, unknown, "RESUME")


def test_nobody_acts_and_the_step_times_out(simulator, client, waiting):
    simulator.advance(13 * 3600)
    assert client.list_waiting_workflow_steps()["steps"] == []
    step = client.get_workflow_step_execution(stepExecutionId=waiting["stepExecutionId"])
    assert (step["status"], step["message"]) == ("FAILED", "Step RunSanitizeScript timed out")


def test_a_script_chooses_the_word_for_a_timeout(simulator, client):
    script = BuildScript.waiting(
        "RunSanitizeScript", waiting_status="WAITING", gate_timeout_status="TIMED_OUT"
    )
    arn = build(simulator, script)
    simulator.advance(600)
    workflow = executions(client, arn)[0]["workflowExecutionId"]
    assert steps(client, workflow)["RunSanitizeScript"]["status"] == "WAITING"
    simulator.advance(13 * 3600)
    assert steps(client, workflow)["RunSanitizeScript"]["status"] == "TIMED_OUT"
    assert status_of(client, arn) == "FAILED"


def test_a_cancel_takes_a_while_and_keeps_what_was_made(simulator, client):
    arn = build(simulator)
    simulator.advance(500)
    assert status_of(client, arn) == "TESTING"
    answer = client.cancel_image_creation(imageBuildVersionArn=arn)
    assert answer["imageBuildVersionArn"] == arn
    assert status_of(client, arn) == "TESTING"
    with refused("ResourceInUseException", 400):
        client.cancel_image_creation(imageBuildVersionArn=arn)
    simulator.advance(10)
    image = client.get_image(imageBuildVersionArn=arn)["image"]
    assert image["state"] == {"status": "CANCELLED"}
    assert image["outputResources"]["amis"]
    assert [row["status"] for row in executions(client, arn)] == ["COMPLETED", "CANCELLED"]
    with refused("InvalidRequestException", 400):
        client.cancel_image_creation(imageBuildVersionArn=arn)


def test_a_build_can_end_before_its_cancel(simulator, client):
    arn = build(simulator, BuildScript(cancelling=3600))
    simulator.advance(60)
    client.cancel_image_creation(imageBuildVersionArn=arn)
    simulator.advance(3000)
    assert status_of(client, arn) == "AVAILABLE"


def test_a_waiting_build_can_be_cancelled(simulator, client, waiting):
    client.cancel_image_creation(imageBuildVersionArn=waiting["imageBuildVersionArn"])
    simulator.advance(10)
    assert client.list_waiting_workflow_steps()["steps"] == []
    step = client.get_workflow_step_execution(stepExecutionId=waiting["stepExecutionId"])
    assert step["status"] == "CANCELLED"


def test_a_retry_runs_the_failed_stage_again(simulator, client):
    arn = build(simulator, BuildScript.failing_step("LaunchTestInstance"))
    simulator.advance(3600)
    assert status_of(client, arn) == "FAILED"
    before = executions(client, arn)
    assert client.retry_image(imageBuildVersionArn=arn)["imageBuildVersionArn"] == arn
    assert status_of(client, arn) == "TESTING"
    with refused("ResourceInUseException", 400):
        client.retry_image(imageBuildVersionArn=arn)
    simulator.advance(3600)
    assert client.get_image(imageBuildVersionArn=arn)["image"]["state"] == {"status": "AVAILABLE"}
    build_row, old_test, new_test = executions(client, arn)
    assert (build_row["retried"], old_test["retried"], new_test["retried"]) == (False, True, False)
    assert old_test["workflowExecutionId"] == before[1]["workflowExecutionId"]
    assert new_test["status"] == "COMPLETED"
    assert new_test["workflowExecutionId"] not in [row["workflowExecutionId"] for row in before]
    with refused("InvalidRequestException", 400):
        client.retry_image(imageBuildVersionArn=arn)


def test_a_retry_follows_the_next_script_and_may_fail_again(simulator, client):
    arn = build(simulator, BuildScript(failed_regions={"us-east-1": "no"}))
    simulator.advance(3600)
    simulator.script(BuildScript(failed_regions={"us-east-1": "still no"}, reopening=30))
    client.retry_image(imageBuildVersionArn=arn)
    assert status_of(client, arn) == "FAILED"
    simulator.advance(31)
    assert status_of(client, arn) == "DISTRIBUTING"
    simulator.advance(3600)
    client.retry_image(imageBuildVersionArn=arn)
    simulator.advance(3600)
    assert status_of(client, arn) == "AVAILABLE"


def test_a_cancelled_test_can_be_retried(simulator, client):
    arn = build(simulator)
    simulator.advance(500)
    client.cancel_image_creation(imageBuildVersionArn=arn)
    simulator.advance(60)
    client.retry_image(imageBuildVersionArn=arn)
    simulator.advance(3600)
    assert status_of(client, arn) == "AVAILABLE"


@pytest.mark.parametrize(
    ("script", "container"),
    [
        (BuildScript.failing_step("CreateOutputAMI"), False),
        (BuildScript(early_failure="no"), False),
        (BuildScript(steps={"LaunchTestInstance": StepScript(status="FAILED")}), True),
    ],
)
def test_what_cannot_be_retried(simulator, client, script, container):
    arn = build(simulator, script, container=container)
    simulator.advance(3600)
    assert status_of(client, arn) == "FAILED"
    with refused("InvalidRequestException", 400):
        client.retry_image(imageBuildVersionArn=arn)


def test_a_running_image_cannot_be_retried(simulator, client):
    arn = build(simulator)
    with refused("ResourceInUseException", 400):
        client.retry_image(imageBuildVersionArn=arn)
