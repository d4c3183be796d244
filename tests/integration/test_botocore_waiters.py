"""Waiters of `get_waiter` over the wire: what they return and raise is what boto3 returns."""

import boto3
import pytest
from botocore import xform_name
from botocore.exceptions import ParamValidationError, WaiterError

from aioimagebuilder import AccessDeniedException, blocking
from aioimagebuilder.models.kinds import KINDS
from aioimagebuilder.testing import BuildScript, ComponentFailure, Fault, Simulator, StepScript

from .conftest import CADENCE

FAST = {"Delay": 0.05, "MaxAttempts": 1000}
# What is not read of a response, or differs from call to call.
OMITTED = {"requestId", "ResponseMetadata", "latestVersionReferences", "retried"}


@pytest.fixture
def ib(simulator: Simulator):
    with blocking.ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
        yield ib


def _members(response: dict) -> dict:
    return {name: value for name, value in response.items() if name not in OMITTED}


def _wait(ib: blocking.ImageBuilder, name: str, value: str) -> dict:
    parameter = next(row.get.parameter for row in KINDS.values() if xform_name(row.waiter) == name)
    try:
        return ib.get_waiter(name).wait(**{parameter: value}, WaiterConfig=FAST)
    except WaiterError as error:
        return error.last_response


@pytest.mark.parametrize("fails", [False, True], ids=["succeeds", "fails"])
def test_responses_of_a_build_are_those_of_boto3(ib, simulator: Simulator, fails):
    if fails:
        failure = StepScript(status="FAILED", component_failure=ComponentFailure(error="no space left"))
        simulator.script(BuildScript(steps={"ApplyBuildComponents": failure}))
    client = boto3.client("imagebuilder", **simulator.client_arguments)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    image = _wait(ib, "image_available", arn)
    assert image["image"]["state"]["status"] == ("FAILED" if fails else "AVAILABLE")
    assert _members(image) == _members(client.get_image(imageBuildVersionArn=arn))
    for row in client.list_workflow_executions(imageBuildVersionArn=arn)["workflowExecutions"]:
        workflow = row["workflowExecutionId"]
        theirs = client.get_workflow_execution(workflowExecutionId=workflow)
        assert _members(_wait(ib, "workflow_execution_completed", workflow)) == _members(theirs)
        for each in client.list_workflow_step_executions(workflowExecutionId=workflow)["steps"]:
            if each["status"] not in {"PENDING", "RUNNING"}:
                step = each["stepExecutionId"]
                theirs = client.get_workflow_step_execution(stepExecutionId=step)
                assert _members(_wait(ib, "workflow_step_execution_completed", step)) == _members(theirs)


@pytest.mark.parametrize("status", ["SUCCESS", "FAILED"])
def test_response_of_a_lifecycle_execution_is_that_of_boto3(ib, simulator: Simulator, status):
    client = boto3.client("imagebuilder", **simulator.client_arguments)
    execution = simulator.add_execution("lifecycle_execution", [("IN_PROGRESS", 100), (status, None)])
    ours = _wait(ib, "lifecycle_execution_succeeded", execution)
    assert _members(ours) == _members(client.get_lifecycle_execution(lifecycleExecutionId=execution))


def test_error_of_the_service_is_the_last_response(ib, simulator: Simulator):
    simulator.inject(Fault("error", status=403, code="AccessDeniedException", message="not authorized"))
    with pytest.raises(WaiterError, match="not authorized") as caught:
        ib.get_waiter("workflow_execution_completed").wait(
            workflowExecutionId="wf-12345678-1234-1234-1234-123456789012"
        )
    assert caught.value.last_response["Error"]["Code"] == "AccessDeniedException"
    assert caught.value.last_response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert isinstance(caught.value.__cause__.__cause__, AccessDeniedException)


def test_invalid_arguments_send_nothing(ib, simulator: Simulator):
    with pytest.raises(ParamValidationError):
        ib.get_waiter("image_available").wait(imageBuildVersionArn=None)
    with pytest.raises(ValueError, match="Waiter does not exist"):
        ib.get_waiter("image_builds")
    assert simulator.call_count() == 0


def test_client_that_is_not_open_is_reported(simulator: Simulator):
    waiter = blocking.ImageBuilder(**simulator.client_arguments).get_waiter("image_available")
    with pytest.raises(RuntimeError, match="not open"):
        waiter.wait(imageBuildVersionArn="arn")
