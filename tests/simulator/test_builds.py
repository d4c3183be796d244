"""Builds over the wire: boto3 against the server, compared with real responses."""

from __future__ import annotations

import json
import re

import pytest

from aioimagebuilder.testing import BuildScript, Simulator, StepScript, WorkflowScript
from simulator.support import get_status, get_steps, list_executions, raises_error


def start_build(simulator, client, script=None, **members):
    if script is not None:
        simulator.script(script)
    pipeline = simulator.create_pipeline(**members)
    return client.start_image_pipeline_execution(imagePipelineArn=pipeline)["imageBuildVersionArn"]


def test_pipeline_build_passes_through_every_status(simulator, client):
    arn = start_build(simulator, client, name="Demo App")
    assert arn == "arn:aws:imagebuilder:us-east-1:123456789012:image/demo-app/1.0.0/1"
    statuses = []
    for _ in range(300):
        statuses.append(get_status(client, arn))
        simulator.advance(5)
    expected = ["PENDING", "CREATING", "BUILDING", "TESTING", "DISTRIBUTING", "AVAILABLE"]
    assert list(dict.fromkeys(statuses)) == expected


def test_image_matches_real_response(client, built):
    response = client.get_image(imageBuildVersionArn=built)
    image = response["image"]
    assert re.fullmatch(r"[0-9a-f-]{36}", response["requestId"])
    assert {name: image[name] for name in ("type", "name", "version", "platform", "tags")} == {
        "type": "AMI",
        "name": "demo",
        "version": "1.0.0/1",
        "platform": "Linux",
        "tags": {},
    }
    assert image["state"] == {"status": "AVAILABLE"}
    assert image["sourcePipelineArn"].endswith(":image-pipeline/demo")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", image["dateCreated"])
    assert re.fullmatch(r"ami-[0-9a-f]{17}", image["outputResources"]["amis"][0]["image"])


def test_workflow_execution_matches_real_response(client, built):
    build, test = list_executions(client, built)
    assert set(build) == {
        "workflowBuildVersionArn",
        "workflowExecutionId",
        "type",
        "status",
        "totalStepCount",
        "totalStepsSucceeded",
        "totalStepsFailed",
        "totalStepsSkipped",
        "startTime",
        "endTime",
        "retried",
    }
    assert build["workflowBuildVersionArn"].endswith(":aws:workflow/build/build-image/1.0.3/1")
    one = client.get_workflow_execution(workflowExecutionId=test["workflowExecutionId"])
    assert one.pop("requestId")
    assert one.pop("imageBuildVersionArn") == built
    one.pop("ResponseMetadata")
    assert {**one, "retried": False} == test


def test_step_matches_real_response(client, built):
    workflow = list_executions(client, built)[0]["workflowExecutionId"]
    row = get_steps(client, workflow)["LaunchBuildInstance"]
    assert set(row) == {
        "stepExecutionId",
        "name",
        "action",
        "status",
        "inputs",
        "outputs",
        "startTime",
        "endTime",
    }
    one = client.get_workflow_step_execution(stepExecutionId=row["stepExecutionId"])
    assert (one["onFailure"], one["timeoutSeconds"]) == ("Abort", 4500)
    assert (one["workflowExecutionId"], one["imageBuildVersionArn"]) == (workflow, built)
    assert json.loads(row["inputs"]) == {"waitFor": "ssmAgent"}


def test_step_list_has_workflow_and_image_ids(client, built):
    workflow = list_executions(client, built)[0]["workflowExecutionId"]
    response = client.list_workflow_step_executions(workflowExecutionId=workflow)
    assert (response["workflowExecutionId"], response["imageBuildVersionArn"]) == (workflow, built)
    assert "message" not in response


def test_executions_appear_when_they_start(simulator, client):
    arn = start_build(simulator, client)
    assert list_executions(client, arn) == []
    simulator.advance(60)
    [build] = list_executions(client, arn)
    assert (build["type"], build["status"], build["totalStepCount"]) == ("BUILD", "RUNNING", 7)
    assert "endTime" not in build


def test_failure_is_reported_by_image_list_and_execution(simulator, client):
    arn = start_build(simulator, client, BuildScript.failing_component())
    simulator.advance(3600)
    state = client.get_image(imageBuildVersionArn=arn)["image"]["state"]
    response = client.list_workflow_executions(imageBuildVersionArn=arn)
    [build] = response["workflowExecutions"]
    assert state["status"] == "FAILED"
    assert response["message"] == state["reason"]
    assert build["status"] == "ROLLBACK_COMPLETED"
    assert "message" not in build
    assert state["failureContext"]["workflowExecutionId"] == build["workflowExecutionId"]
    component = state["failureContext"]["componentFailure"]["componentArn"]
    assert component.endswith("component/demo-component/1.0.0/1")


def test_step_list_has_message_of_failed_step(simulator, client):
    arn = start_build(simulator, client, BuildScript.failing_step("CreateOutputAMI", "too many AMIs"))
    simulator.advance(3600)
    workflow = list_executions(client, arn)[0]["workflowExecutionId"]
    response = client.list_workflow_step_executions(workflowExecutionId=workflow)
    assert response["message"] == "too many AMIs"


def test_builds_are_numbered_and_version_arn_names_newest(simulator, client):
    pipeline = simulator.create_pipeline()
    first = simulator.start_build(pipeline)
    second = simulator.start_build(pipeline)
    assert (first[-8:], second[-8:]) == ("/1.0.0/1", "/1.0.0/2")
    assert client.get_image(imageBuildVersionArn=first[:-2])["image"]["arn"] == second
    assert client.get_image(imageBuildVersionArn=first.replace("1.0.0/1", "x.x.x"))["image"]["arn"] == second


def test_scripts_apply_in_order_and_by_recipe(simulator, client):
    red, blue = simulator.create_pipeline("red"), simulator.create_pipeline("blue")
    simulator.script(BuildScript(early_failure="one"), recipe="blue")
    simulator.script(BuildScript(early_failure="two"))
    simulator.script(BuildScript(early_failure="default"), default=True)
    arns = [simulator.start_build(pipeline) for pipeline in (red, blue, red)]
    simulator.advance(60)
    states = [client.get_image(imageBuildVersionArn=arn)["image"]["state"] for arn in arns]
    assert [state["reason"] for state in states] == ["two", "one", "default"]


def test_container_build_has_distribution_workflow(simulator, client):
    arn = start_build(simulator, client, container=True)
    simulator.advance(3600)
    assert [row["type"] for row in list_executions(client, arn)] == ["BUILD", "TEST", "DISTRIBUTION"]
    image = client.get_image(imageBuildVersionArn=arn)["image"]
    assert image["type"] == "DOCKER"
    [container] = image["outputResources"]["containers"]
    assert container["imageUris"][0].startswith(
        "123456789012.dkr.ecr.us-east-1.amazonaws.com/demo-repository:"
    )


def test_image_is_distributed_to_every_region(simulator, client):
    arn = start_build(simulator, client, regions=["us-east-1", "eu-west-1"])
    simulator.advance(3600)
    amis = client.get_image(imageBuildVersionArn=arn)["image"]["outputResources"]["amis"]
    assert [ami["region"] for ami in amis] == ["us-east-1", "eu-west-1"]
    assert amis[0]["image"] != amis[1]["image"]


def test_disabled_tests_skip_test_stage(simulator, client):
    arn = start_build(simulator, client, tests=False)
    simulator.advance(3600)
    assert [row["type"] for row in list_executions(client, arn)] == ["BUILD"]
    assert get_status(client, arn) == "AVAILABLE"


def test_test_only_build_outputs_ami(simulator, client):
    test = "arn:aws:imagebuilder:us-east-1:aws:workflow/test/test-image/x.x.x"
    arn = start_build(simulator, client, workflows=[{"workflowArn": test}])
    simulator.advance(3600)
    assert [row["type"] for row in list_executions(client, arn)] == ["TEST"]
    [ami] = client.get_image(imageBuildVersionArn=arn)["image"]["outputResources"]["amis"]
    assert re.fullmatch(r"ami-[0-9a-f]{17}", ami["image"])


CUSTOM_DOCUMENT = """
name: own
schemaVersion: 1.0
parameters:
  - {name: approval, type: boolean, default: false}
steps:
  - name: LaunchIt
    action: LaunchInstance
    description: First of all
    timeoutSeconds: 120
    inputs: {waitFor: ssmAgent}
  - name: Approve
    action: WaitForAction
    if: {booleanEquals: true, value: "$.parameters.approval"}
  - name: MakeIt
    action: CreateImage
    inputs: {instanceId.$: "$.stepOutputs.LaunchIt.instanceId"}
"""


def test_custom_workflow_runs(simulator, client):
    own = simulator.create_workflow("My Own", CUSTOM_DOCUMENT)
    assert own.endswith(":workflow/build/my-own/1.0.0/1")
    simulator.script(BuildScript(steps={"LaunchIt": StepScript(duration=30)}))
    arn = start_build(simulator, client, workflows=[{"workflowArn": own}])
    simulator.advance(3600)
    [row] = list_executions(client, arn)
    assert (row["workflowBuildVersionArn"], row["totalStepsSkipped"]) == (own, 1)
    steps = get_steps(client, row["workflowExecutionId"])
    assert {name: step["status"] for name, step in steps.items()} == {
        "LaunchIt": "COMPLETED",
        "Approve": "SKIPPED",
        "MakeIt": "COMPLETED",
    }
    assert steps["LaunchIt"]["description"] == "First of all"
    parameters = client.get_workflow(workflowBuildVersionArn=own)["workflow"]["parameters"]
    assert parameters == [{"name": "approval", "type": "boolean", "defaultValue": ["false"]}]


def test_waiting_step_timeout_exceeds_model_maximum(simulator, client):
    own = simulator.create_workflow(
        "approval", "{schemaVersion: 1.0, steps: [{name: Approve, action: WaitForAction}]}"
    )
    arn = start_build(simulator, client, workflows=[{"workflowArn": own}])
    simulator.advance(60)
    [row] = list_executions(client, arn)
    identifier = get_steps(client, row["workflowExecutionId"])["Approve"]["stepExecutionId"]
    step = client.get_workflow_step_execution(stepExecutionId=identifier)
    assert step["timeoutSeconds"] == 3 * 24 * 3600


def test_unknown_scripted_statuses_are_returned(simulator, client):
    script = BuildScript(
        workflows={"BUILD": WorkflowScript(running_status="NEW_RUNNING")},
        renamed_statuses={"BUILDING": "NEW_BUILDING"},
    )
    arn = start_build(simulator, client, script)
    simulator.advance(60)
    assert get_status(client, arn) == "NEW_BUILDING"
    assert list_executions(client, arn)[0]["status"] == "NEW_RUNNING"


def test_create_image_works_without_pipeline(simulator, client):
    simulator.create_pipeline()
    base = "arn:aws:imagebuilder:us-east-1:123456789012"
    response = client.create_image(
        imageRecipeArn=f"{base}:image-recipe/demo/x.x.x",
        infrastructureConfigurationArn=f"{base}:infrastructure-configuration/demo-infrastructure",
        tags={"a": "b"},
    )
    assert response["latestVersionReferences"]["latestVersionArn"] == f"{base}:image/demo/x.x.x"
    image = client.get_image(imageBuildVersionArn=response["imageBuildVersionArn"])["image"]
    assert image["tags"] == {"a": "b"}
    with raises_error("InvalidRequestException", 400):
        client.create_image(infrastructureConfigurationArn=f"{base}:infrastructure-configuration/demo")
    with raises_error("InvalidRequestException", 400):
        client.create_image(
            imageRecipeArn=f"{base}:image-recipe/demo/1.0.0",
            infrastructureConfigurationArn=f"{base}:infrastructure-configuration/nowhere",
        )


def test_imports_and_distributions_create_images(simulator, client, built):
    base = "arn:aws:imagebuilder:us-east-1:123456789012"
    vm = client.import_vm_image(
        name="My VM", semanticVersion="2.0.0", platform="Linux", vmImportTaskId="import-ami-1"
    )["imageArn"]
    iso = client.import_disk_image(
        name="My ISO",
        semanticVersion="1.0.0",
        platform="Windows",
        osVersion="Microsoft Windows 11",
        infrastructureConfigurationArn=f"{base}:infrastructure-configuration/demo-infrastructure",
        uri="s3://bucket/windows.iso",
    )["imageBuildVersionArn"]
    copy = client.distribute_image(
        sourceImage=built,
        distributionConfigurationArn=f"{base}:distribution-configuration/demo-distribution",
        executionRole="role",
    )["imageBuildVersionArn"]
    other = client.distribute_image(
        sourceImage="ami-12345678",
        distributionConfigurationArn=f"{base}:distribution-configuration/demo-distribution",
        executionRole="role",
    )["imageBuildVersionArn"]
    assert vm == f"{base}:image/my-vm/2.0.0/1"
    assert copy == f"{base}:image/demo/1.0.0/2"
    assert {get_status(client, arn) for arn in (vm, iso, copy, other)} == {"PENDING"}
    simulator.advance(9000)
    images = {arn: client.get_image(imageBuildVersionArn=arn)["image"] for arn in (vm, iso, copy, other)}
    assert {image["state"]["status"] for image in images.values()} == {"AVAILABLE"}
    assert all(image["outputResources"]["amis"] for image in images.values())
    assert [images[arn]["buildType"] for arn in (vm, iso)] == ["IMPORT", "IMPORT_ISO"]
    assert [row["type"] for row in list_executions(client, copy)] == ["DISTRIBUTION"]
    source = client.get_image(imageBuildVersionArn=built)["image"]["outputResources"]["amis"][0]["image"]
    assert images[copy]["outputResources"]["amis"][0]["image"] == source


def test_finished_image_can_be_deleted(simulator, client):
    arn = start_build(simulator, client)
    with raises_error("ResourceDependencyException", 400):
        client.delete_image(imageBuildVersionArn=arn)
    simulator.advance(3600)
    workflow = list_executions(client, arn)[0]["workflowExecutionId"]
    assert client.delete_image(imageBuildVersionArn=arn)["imageBuildVersionArn"] == arn
    for call, arguments in (
        (client.get_image, {"imageBuildVersionArn": arn}),
        (client.list_workflow_executions, {"imageBuildVersionArn": arn}),
        (client.get_workflow_execution, {"workflowExecutionId": workflow}),
        (client.list_workflow_step_executions, {"workflowExecutionId": workflow}),
        (client.delete_image, {"imageBuildVersionArn": arn}),
    ):
        with raises_error("ResourceNotFoundException", 404):
            call(**arguments)


def test_unknown_ids_are_not_found(simulator, client):
    number = "00000000-0000-0000-0000-000000000000"
    with raises_error("ResourceNotFoundException", 404):
        client.get_workflow_execution(workflowExecutionId=f"wf-{number}")
    with raises_error("ResourceNotFoundException", 404):
        client.get_workflow_step_execution(stepExecutionId=f"step-{number}")
    with raises_error("ResourceNotFoundException", 404):
        client.get_lifecycle_execution(lifecycleExecutionId=f"lce-{number}")


def test_pipeline_shows_its_last_run(simulator, client, built):
    pipeline = client.list_image_pipelines()["imagePipelineList"][0]
    assert pipeline["lastRunStatus"] == "AVAILABLE"
    [image] = client.list_image_pipeline_images(imagePipelineArn=pipeline["arn"])["imageSummaryList"]
    assert (image["arn"], image["owner"]) == (built, "123456789012")
    assert client.list_images()["imageVersionList"][0]["arn"] == built.rpartition("/")[0]


def test_simulators_are_independent(simulator, client, built):
    with Simulator(time_scale=0) as other:
        assert other.endpoint_url != simulator.endpoint_url
        assert other.call_count() == 0
        assert other.control.backends == {}
    assert get_status(client, built) == "AVAILABLE"


@pytest.mark.parametrize("region", ["eu-west-1", "cn-north-1", "us-gov-west-1"])
def test_arn_has_partition_of_region(region):
    with Simulator(time_scale=0, region_name=region) as simulator:
        arn = simulator.start_build(simulator.create_pipeline())
        partition = {"c": "aws-cn", "u": "aws-us-gov"}.get(region[0], "aws")
        assert arn == f"arn:{partition}:imagebuilder:{region}:123456789012:image/demo/1.0.0/1"


def test_new_image_has_no_amis_and_default_configuration_of_tests(simulator, client):
    """As the AWS CLI's example of get-image shows it."""
    pipeline = client.get_image_pipeline(imagePipelineArn=simulator.create_pipeline())["imagePipeline"]
    assert pipeline["imageTestsConfiguration"] == {"imageTestsEnabled": True, "timeoutMinutes": 720}
    arn = client.create_image(
        imageRecipeArn=pipeline["imageRecipeArn"],
        infrastructureConfigurationArn=pipeline["infrastructureConfigurationArn"],
    )["imageBuildVersionArn"]
    image = client.get_image(imageBuildVersionArn=arn)["image"]
    assert image["imageTestsConfiguration"] == {"imageTestsEnabled": True, "timeoutMinutes": 720}
    assert image["outputResources"] == {"amis": []}
