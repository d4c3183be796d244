"""boto3 builds images on the simulator, in both of moto's modes: in process with `mock_aws`, and a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import boto3
import pytest
from moto import mock_aws

from aioimagebuilder.testing import BuildScript, Simulator, control, register

COMPONENT = """\
name: hello
schemaVersion: 1.0
phases:
  - name: build
    steps:
      - name: SayHello
        action: ExecuteBash
        inputs:
          commands: [echo hello]
"""


class Mode(NamedTuple):
    """A boto3 client, and controls of its simulator."""

    client: Any
    advance: Callable[[float], None]
    script: Callable[[BuildScript], None]


@contextmanager
def in_process() -> Iterator[Mode]:
    register()
    # mock_aws itself sets credentials in the environment.
    with mock_aws(), closing(boto3.client("imagebuilder", region_name="us-east-1")) as client:
        yield Mode(client, control().advance, control().script)


@contextmanager
def server() -> Iterator[Mode]:
    with (
        Simulator(time_scale=0) as simulator,
        closing(boto3.client("imagebuilder", **simulator.client_arguments)) as client,
    ):
        yield Mode(client, simulator.advance, simulator.script)


@pytest.fixture(params=[in_process, server])
def mode(request: pytest.FixtureRequest) -> Iterator[Mode]:
    with request.param() as mode:
        yield mode


def create_pipeline(client: Any) -> str:
    """Create a pipeline and the resources that it needs, as at AWS."""
    component = client.create_component(
        name="hello", semanticVersion="1.0.0", platform="Linux", data=COMPONENT
    )
    recipe = client.create_image_recipe(
        name="web",
        semanticVersion="1.2.3",
        components=[{"componentArn": component["componentBuildVersionArn"]}],
        parentImage="arn:aws:imagebuilder:us-east-1:aws:image/amazon-linux-2023-x86/x.x.x",
    )
    infrastructure = client.create_infrastructure_configuration(
        name="small", instanceProfileName="builder", instanceTypes=["t3.small"]
    )
    pipeline = client.create_image_pipeline(
        name="web",
        imageRecipeArn=recipe["imageRecipeArn"],
        infrastructureConfigurationArn=infrastructure["infrastructureConfigurationArn"],
    )
    return str(pipeline["imagePipelineArn"])


def poll_until_ended(mode: Mode, arn: str) -> tuple[list[str], dict[str, Any]]:
    """Poll until the build has ended, and return its distinct statuses and the image."""
    seen: list[str] = []
    for _ in range(300):
        image = mode.client.get_image(imageBuildVersionArn=arn)["image"]
        seen.append(image["state"]["status"])
        if seen[-1] in {"AVAILABLE", "FAILED", "CANCELLED"}:
            return list(dict.fromkeys(seen)), image
        mode.advance(5)
    raise AssertionError(f"the build did not end: {seen[-1]}")


def test_boto3_creates_resources_and_builds_image(mode: Mode) -> None:
    pipeline = create_pipeline(mode.client)
    arn = mode.client.start_image_pipeline_execution(imagePipelineArn=pipeline)["imageBuildVersionArn"]
    statuses, image = poll_until_ended(mode, arn)
    assert statuses == ["PENDING", "CREATING", "BUILDING", "TESTING", "DISTRIBUTING", "AVAILABLE"]
    assert (image["arn"], image["version"], image["sourcePipelineArn"]) == (arn, "1.2.3/1", pipeline)
    [ami] = image["outputResources"]["amis"]
    assert (ami["region"], ami["image"][:4]) == ("us-east-1", "ami-")


def test_boto3_reads_workflows_and_steps(mode: Mode) -> None:
    pipeline = create_pipeline(mode.client)
    arn = mode.client.start_image_pipeline_execution(imagePipelineArn=pipeline)["imageBuildVersionArn"]
    poll_until_ended(mode, arn)
    executions = mode.client.list_workflow_executions(imageBuildVersionArn=arn)["workflowExecutions"]
    assert [(each["type"], each["status"]) for each in executions] == [
        ("BUILD", "COMPLETED"),
        ("TEST", "COMPLETED"),
    ]
    for each in executions:
        identifier = each["workflowExecutionId"]
        pages = mode.client.get_paginator("list_workflow_step_executions").paginate(
            workflowExecutionId=identifier, PaginationConfig={"PageSize": 2}
        )
        steps = [step for page in pages for step in page["steps"]]
        workflow = mode.client.get_workflow_execution(workflowExecutionId=identifier)
        assert (workflow["imageBuildVersionArn"], workflow["status"]) == (arn, "COMPLETED")
        assert len(steps) == workflow["totalStepCount"] > 2
        assert {step["status"] for step in steps} <= {"COMPLETED", "SKIPPED"}


def test_boto3_reads_failure_reason(mode: Mode) -> None:
    mode.script(BuildScript.failing_component("exit status 7"))
    pipeline = create_pipeline(mode.client)
    arn = mode.client.start_image_pipeline_execution(imagePipelineArn=pipeline)["imageBuildVersionArn"]
    statuses, image = poll_until_ended(mode, arn)
    assert statuses[-1] == "FAILED"
    assert "exit status 7" in image["state"]["failureContext"]["componentFailure"]["errorMessage"]


def test_boto3_cancels_build(mode: Mode) -> None:
    pipeline = create_pipeline(mode.client)
    arn = mode.client.start_image_pipeline_execution(imagePipelineArn=pipeline)["imageBuildVersionArn"]
    mode.client.cancel_image_creation(imageBuildVersionArn=arn)
    statuses, _ = poll_until_ended(mode, arn)
    assert statuses[-1] == "CANCELLED"


def test_each_mock_aws_starts_empty() -> None:
    names = []
    for name in ("red", "blue"):
        with in_process() as mode:
            control().create_pipeline(name)
            names.append([each["name"] for each in mode.client.list_image_pipelines()["imagePipelineList"]])
    assert names == [["red"], ["blue"]]
