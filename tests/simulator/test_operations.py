"""Every operation of the service model, called at least once, with its responses validated by botocore."""

from __future__ import annotations

import contextlib
import datetime as dt
import json

import boto3
import botocore.session
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.validate import ParamValidator

from aioimagebuilder.testing import BuildScript
from aioimagebuilder.testing.imagebuilder.operations.dispatch import HANDLERS
from aioimagebuilder.testing.imagebuilder.validation import operation, service_model
from simulator.support import COMPONENT_DOCUMENT, WORKFLOW_DOCUMENT, raises_error

BASE = "arn:aws:imagebuilder:us-east-1:123456789012"
ROLE = {"executionRole": "role"}
DELETION = {**ROLE, "includeResources": {"amis": True, "snapshots": True}}
BY_RECIPE = {"recipes": [{"name": "demo", "semanticVersion": "x.x.x"}]}
POLICY = {
    "name": "policy",
    **ROLE,
    "resourceType": "AMI_IMAGE",
    "policyDetails": [{"action": {"type": "DELETE"}, "filter": {"type": "COUNT", "value": 1}}],
    "resourceSelection": BY_RECIPE,
}


class ValidatingCaller:
    """A caller that validates the responses of operations and records their names."""

    def __init__(self, client):
        self.client = client
        self.called = set()

    def __call__(self, name, /, **members):
        response = getattr(self.client, xform_name(name))(**members)
        response.pop("ResponseMetadata")
        report = ParamValidator().validate(response, operation(name).output_shape)
        assert not report.has_errors(), f"{name}: {report.generate_report()}"
        self.called.add(name)
        return response


def call_policy_operations(call, noun, arn):
    member = f"{noun[0].lower()}{noun[1:]}Arn"
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "210987654321"},
        "Action": f"imagebuilder:Get{noun}",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    assert call(f"Get{noun}Policy", **{member: arn})["policy"] == "{}"
    assert call(f"Put{noun}Policy", **{member: arn}, policy=policy)[member] == arn
    assert call(f"Get{noun}Policy", **{member: arn})["policy"] == policy


def call_resource_operations(call, simulator):
    component = call(
        "CreateComponent",
        name="part",
        semanticVersion="1.0.0",
        platform="Linux",
        data=COMPONENT_DOCUMENT,
    )["componentBuildVersionArn"]
    workflow = call(
        "CreateWorkflow", name="own", semanticVersion="1.0.0", type="TEST", data=WORKFLOW_DOCUMENT
    )["workflowBuildVersionArn"]
    parts = [{"componentArn": component}]
    recipe = call(
        "CreateImageRecipe",
        name="demo",
        semanticVersion="1.0.0",
        components=parts,
        parentImage="ami-12345678",
    )["imageRecipeArn"]
    container = call(
        "CreateContainerRecipe",
        name="box",
        semanticVersion="1.0.0",
        containerType="DOCKER",
        components=parts,
        parentImage="amazonlinux:latest",
        targetRepository={"service": "ECR", "repositoryName": "box"},
        dockerfileTemplateData="FROM scratch",
        instanceConfiguration={"image": "ami-12345678"},
    )["containerRecipeArn"]
    infrastructure = call("CreateInfrastructureConfiguration", name="infra", instanceProfileName="p")[
        "infrastructureConfigurationArn"
    ]
    distribution = call(
        "CreateDistributionConfiguration", name="dist", distributions=[{"region": "us-east-1"}]
    )["distributionConfigurationArn"]
    pipeline = call(
        "CreateImagePipeline",
        name="pipe",
        imageRecipeArn=recipe,
        infrastructureConfigurationArn=infrastructure,
        distributionConfigurationArn=distribution,
        workflows=[
            {"workflowArn": "arn:aws:imagebuilder:us-east-1:aws:workflow/build/build-image/x.x.x"},
            {"workflowArn": workflow, "parallelGroup": "g", "onFailure": "CONTINUE"},
        ],
        **ROLE,
    )["imagePipelineArn"]
    policy = call("CreateLifecyclePolicy", **POLICY)["lifecyclePolicyArn"]
    script = {"type": "BUILD", "format": "SHELL", "platform": "Linux", "data": "echo"}
    call("ImportComponent", name="script", semanticVersion="1.0.0", **script)
    shared = {"Component": component, "ImageRecipe": recipe, "ContainerRecipe": container}
    for noun, arn in shared.items():
        call_policy_operations(call, noun, arn)
    bought = "arn:aws:imagebuilder:us-east-1:aws-marketplace:component/bought/1.0.0/1"
    call("GetMarketplaceResource", resourceType="COMPONENT_DATA", resourceArn=bought)
    call("TagResource", resourceArn=pipeline, tags={"a": "b"})
    call("ListTagsForResource", resourceArn=pipeline)
    call("UntagResource", resourceArn=pipeline, tagKeys=["a"])
    named = {
        "Component": ("componentBuildVersionArn", component),
        "Workflow": ("workflowBuildVersionArn", workflow),
        "ImageRecipe": ("imageRecipeArn", recipe),
        "ContainerRecipe": ("containerRecipeArn", container),
        "InfrastructureConfiguration": ("infrastructureConfigurationArn", infrastructure),
        "DistributionConfiguration": ("distributionConfigurationArn", distribution),
        "ImagePipeline": ("imagePipelineArn", pipeline),
        "LifecyclePolicy": ("lifecyclePolicyArn", policy),
    }
    for noun, (member, arn) in named.items():
        call(f"Get{noun}", **{member: arn})
    for name in HANDLERS:
        if name.startswith("List") and not operation(name).input_shape.required_members:
            call(name)
    call(
        "UpdateImagePipeline",
        imagePipelineArn=pipeline,
        imageRecipeArn=recipe,
        infrastructureConfigurationArn=infrastructure,
        distributionConfigurationArn=distribution,
    )
    call(
        "UpdateInfrastructureConfiguration",
        infrastructureConfigurationArn=infrastructure,
        instanceProfileName="q",
    )
    call(
        "UpdateDistributionConfiguration",
        distributionConfigurationArn=distribution,
        distributions=[{"region": "eu-west-1"}],
    )
    changes = {name: value for name, value in POLICY.items() if name != "name"}
    call("UpdateLifecyclePolicy", lifecyclePolicyArn=policy, **changes)
    return named


def call_build_operations(call, simulator, named):
    pipeline = named["ImagePipeline"][1]
    simulator.script(BuildScript.waiting("RunSanitizeScript"))
    waiting = call("StartImagePipelineExecution", imagePipelineArn=pipeline)["imageBuildVersionArn"]
    simulator.advance(600)
    [step] = call("ListWaitingWorkflowSteps")["steps"]
    call(
        "SendWorkflowStepAction",
        stepExecutionId=step["stepExecutionId"],
        imageBuildVersionArn=waiting,
        action="STOP",
        reason="no",
    )
    simulator.script(BuildScript.failing_step("LaunchTestInstance"))
    infrastructure = {"infrastructureConfigurationArn": named["InfrastructureConfiguration"][1]}
    built = call("CreateImage", imageRecipeArn=named["ImageRecipe"][1], **infrastructure)[
        "imageBuildVersionArn"
    ]
    container_image = call("CreateImage", containerRecipeArn=named["ContainerRecipe"][1], **infrastructure)
    for _ in range(8):
        simulator.advance(300)
        for arn in (waiting, built, container_image["imageBuildVersionArn"]):
            call("GetImage", imageBuildVersionArn=arn)
            for row in call("ListWorkflowExecutions", imageBuildVersionArn=arn)["workflowExecutions"]:
                identifier = row["workflowExecutionId"]
                call("GetWorkflowExecution", workflowExecutionId=identifier)
                for each in call("ListWorkflowStepExecutions", workflowExecutionId=identifier)["steps"]:
                    call("GetWorkflowStepExecution", stepExecutionId=each["stepExecutionId"])
    call("ListImagePipelineImages", imagePipelineArn=pipeline)
    call("RetryImage", imageBuildVersionArn=built)
    call("CancelImageCreation", imageBuildVersionArn=built)
    vm = {"semanticVersion": "1.0.0", "vmImportTaskId": "import-ami-1"}
    call("ImportVmImage", name="machine", platform="Linux", **vm)
    call(
        "ImportDiskImage",
        name="disk",
        semanticVersion="1.0.0",
        platform="Windows",
        osVersion="Microsoft Windows 11",
        uri="s3://bucket/key.iso",
        **infrastructure,
    )
    distribution = {"distributionConfigurationArn": named["DistributionConfiguration"][1]}
    call("DistributeImage", sourceImage="ami-12345678", **distribution, **ROLE)
    simulator.advance(7200)
    for name in ("ListImages", "ListImageBuildVersions", "ListImageScanFindings"):
        call(name)
    call("ListImagePackages", imageBuildVersionArn=built)
    call_policy_operations(call, "Image", built)
    call("DeleteImage", imageBuildVersionArn=waiting)
    return f"{BASE}:image/machine/1.0.0/1"


def call_lifecycle_operations(call, simulator, image, policy):
    when = dt.datetime.fromtimestamp(simulator.now() + 86400, dt.UTC)
    first = call(
        "StartResourceStateUpdate", resourceArn=image, state={"status": "DEPRECATED"}, updateAt=when
    )["lifecycleExecutionId"]
    call("CancelLifecycleExecution", lifecycleExecutionId=first)
    simulator.advance(60)
    second = call("StartResourceStateUpdate", resourceArn=image, state={"status": "DELETED"}, **DELETION)
    simulator.run_lifecycle_policy(policy)
    for _ in range(3):
        for identifier in (first, second["lifecycleExecutionId"]):
            call("GetLifecycleExecution", lifecycleExecutionId=identifier)
            call("ListLifecycleExecutionResources", lifecycleExecutionId=identifier)
            call("ListLifecycleExecutionResources", lifecycleExecutionId=identifier, parentResourceId=image)
        for resource in (image, policy):
            call("ListLifecycleExecutions", resourceArn=resource)
        simulator.advance(20)
    call("GetImage", imageBuildVersionArn=image)


def test_every_operation_returns_valid_response(simulator, client):
    call = ValidatingCaller(client)
    named = call_resource_operations(call, simulator)
    image = call_build_operations(call, simulator, named)
    call_lifecycle_operations(call, simulator, image, named["LifecyclePolicy"][1])
    for noun in reversed(named):
        member, arn = named[noun]
        call(f"Delete{noun}", **{member: arn})
    assert call.called == set(service_model().operation_names)


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_unknown_operation_is_refused_without_retries(simulator, monkeypatch, mode):
    monkeypatch.delitem(HANDLERS, "ListComponents")
    with client_with_retries(simulator, mode) as client, raises_error("UnknownOperationException", 501):
        client.list_components()
    assert simulator.call_count("ListComponents") == 1


def test_operation_of_newer_model_is_refused(simulator, tmp_path):
    loader = botocore.session.get_session().get_component("data_loader")
    model = loader.load_service_model("imagebuilder", "service-2")
    model["operations"]["ListDreams"] = {
        **model["operations"]["ListImages"],
        "name": "ListDreams",
        "http": {"method": "POST", "requestUri": "/ListDreams"},
    }
    folder = tmp_path / "imagebuilder" / "2019-12-02"
    folder.mkdir(parents=True)
    (folder / "service-2.json").write_text(json.dumps(model))
    session = botocore.session.get_session()
    session.get_component("data_loader").search_paths.insert(0, str(tmp_path))
    newer = session.create_client("imagebuilder", **simulator.client_arguments)
    with (
        contextlib.closing(newer),
        raises_error("UnknownOperationException", 501, "does not know the operation POST /ListDreams"),
    ):
        newer.list_dreams()


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_bug_is_returned_without_retries(simulator, mode):
    identifier = simulator.add_execution("workflow_execution", [("RUNNING", None)])
    [row] = simulator.control.backend("123456789012", "us-east-1").workflows.values()
    row.history.states[0]["totalStepCount"] = "seven"
    with client_with_retries(simulator, mode) as client, raises_error("SimulatorBug", 501, "totalStepCount"):
        client.get_workflow_execution(workflowExecutionId=identifier)
    assert simulator.call_count("GetWorkflowExecution") == 1


def client_with_retries(simulator, mode):
    config = Config(retries={"mode": mode})
    return contextlib.closing(boto3.client("imagebuilder", config=config, **simulator.client_arguments))
