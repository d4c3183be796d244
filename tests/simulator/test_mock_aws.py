"""boto3 code in process, under moto.mock_aws."""

from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from aioimagebuilder.testing import BuildScript, Fault, control, register
from simulator.support import COMPONENT_DOCUMENT

register()
register()


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


def create_pipeline(client):
    """Create a pipeline as a deployment script does."""
    component = client.create_component(
        name="web-server",
        semanticVersion="1.0.0",
        platform="Linux",
        data=COMPONENT_DOCUMENT,
    )
    recipe = client.create_image_recipe(
        name="web-server",
        semanticVersion="1.0.0",
        components=[{"componentArn": component["componentBuildVersionArn"]}],
        parentImage="arn:aws:imagebuilder:eu-west-1:aws:image/amazon-linux-2023-x86/x.x.x",
    )
    infrastructure = client.create_infrastructure_configuration(
        name="web-server", instanceProfileName="EC2InstanceProfileForImageBuilder", instanceTypes=["t3.small"]
    )
    distribution = client.create_distribution_configuration(
        name="web-server",
        distributions=[
            {
                "region": "eu-west-1",
                "amiDistributionConfiguration": {"name": "web {{imagebuilder:buildDate}}"},
            }
        ],
    )
    return client.create_image_pipeline(
        name="web-server",
        imageRecipeArn=recipe["imageRecipeArn"],
        infrastructureConfigurationArn=infrastructure["infrastructureConfigurationArn"],
        distributionConfigurationArn=distribution["distributionConfigurationArn"],
    )["imagePipelineArn"]


@pytest.fixture
def client():
    with mock_aws():
        control().set_time_scale(0)
        yield boto3.client("imagebuilder", region_name="eu-west-1")


def test_pipeline_is_created_and_run(client):
    pipeline = create_pipeline(client)
    arn = client.start_image_pipeline_execution(imagePipelineArn=pipeline)["imageBuildVersionArn"]
    assert arn == "arn:aws:imagebuilder:eu-west-1:123456789012:image/web-server/1.0.0/1"
    control().advance(3600)
    assert client.get_image(imageBuildVersionArn=arn)["image"]["state"]["status"] == "AVAILABLE"
    pages = client.get_paginator("list_workflow_executions").paginate(imageBuildVersionArn=arn)
    rows = [row for page in pages for row in page["workflowExecutions"]]
    assert [(row["type"], row["status"]) for row in rows] == [("BUILD", "COMPLETED"), ("TEST", "COMPLETED")]


def test_scripts_and_faults_apply_under_mock_aws(client):
    control().script(BuildScript(early_failure="no such instance type"))
    pipeline = create_pipeline(client)
    arn = client.start_image_pipeline_execution(imagePipelineArn=pipeline)["imageBuildVersionArn"]
    control().advance(60)
    state = client.get_image(imageBuildVersionArn=arn)["image"]["state"]
    assert state == {"status": "FAILED", "reason": "no such instance type"}
    control().inject(Fault("error", code="ForbiddenException", status=403))
    with pytest.raises(ClientError, match="ForbiddenException"):
        client.get_image(imageBuildVersionArn=arn)
    assert control().call_count("GetImage") == 2


def test_connection_fault_requires_simulator(client):
    control().inject(Fault("reset"))
    with pytest.raises(NotImplementedError, match="use a Simulator"):
        client.list_waiting_workflow_steps()


def test_due_log_lines_are_written_before_read(client):
    pipeline = create_pipeline(client)
    client.start_image_pipeline_execution(imagePipelineArn=pipeline)
    control().advance(100)
    logs = boto3.client("logs", region_name="eu-west-1")
    events = logs.filter_log_events(logGroupName="/aws/imagebuilder/web-server")["events"]
    assert events[0]["message"].startswith("Image transitioned to PENDING")


@pytest.mark.parametrize("turn", [1, 2])
def test_each_mock_starts_empty(client, turn):
    assert client.list_image_pipelines()["imagePipelineList"] == []
    create_pipeline(client)
    control().script(BuildScript(early_failure="left behind"))


@mock_aws
def test_mock_aws_decorator_works():
    client = boto3.client("imagebuilder", region_name="eu-west-1")
    pipeline = create_pipeline(client)
    arn = client.start_image_pipeline_execution(imagePipelineArn=pipeline)["imageBuildVersionArn"]
    assert client.get_image(imageBuildVersionArn=arn)["image"]["state"]["status"] == "PENDING"
