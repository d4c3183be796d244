"""Presets: sets of resources that are created with the service's own operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...scripts import Json
from ...simulation.identifiers import make_arn
from ...simulation.state_history import Members

Call = Callable[..., Members]
"""A function that performs an operation: (operation, **members) to the response members."""

_COMPONENT = """\
name: {name}
schemaVersion: 1.0
phases:
  - name: build
    steps:
      - name: InstallPackages
        action: ExecuteBash
        inputs:
          commands:
            - echo installing
"""


def create_pipeline(
    call: Call,
    name: str,
    *,
    region: str,
    container: bool,
    regions: Sequence[str] | None,
    workflows: Sequence[dict[str, Json]] | None,
    tests: bool,
    version: str,
    log_group: str | None,
    log_bucket: str | None,
) -> str:
    """Create a pipeline with its resources and return its ARN; see `Simulator.create_pipeline`."""
    component = call(
        "CreateComponent",
        name=f"{name}-component",
        semanticVersion=version,
        platform="Linux",
        data=_COMPONENT.format(name=name),
    )["componentBuildVersionArn"]
    infrastructure = call(
        "CreateInfrastructureConfiguration",
        name=f"{name}-infrastructure",
        instanceProfileName="simulated",
        **({"logging": {"s3Logs": {"s3BucketName": log_bucket}}} if log_bucket else {}),
    )["infrastructureConfigurationArn"]
    settings: Members = {
        "infrastructureConfigurationArn": infrastructure,
        "imageTestsConfiguration": {"imageTestsEnabled": tests},
    }
    repository = {"service": "ECR", "repositoryName": f"{name.lower()}-repository"}
    recipe: Members = {
        "name": name,
        "semanticVersion": version,
        "components": [{"componentArn": component}],
    }
    if container:
        settings["containerRecipeArn"] = call(
            "CreateContainerRecipe",
            **recipe,
            containerType="DOCKER",
            parentImage="amazonlinux:latest",
            targetRepository=repository,
            dockerfileTemplateData="FROM {{{ imagebuilder:parentImage }}}\n",
        )["containerRecipeArn"]
    else:
        parent = make_arn(region, "aws", "image", "amazon-linux-2023-x86", "x.x.x")
        settings["imageRecipeArn"] = call("CreateImageRecipe", **recipe, parentImage=parent)["imageRecipeArn"]
    distributions = [
        {
            "region": each,
            **({"containerDistributionConfiguration": {"targetRepository": repository}} if container else {}),
        }
        for each in regions or [region]
    ]
    settings["distributionConfigurationArn"] = call(
        "CreateDistributionConfiguration", name=f"{name}-distribution", distributions=distributions
    )["distributionConfigurationArn"]
    if workflows is not None:
        settings |= {"workflows": list(workflows), "executionRole": "simulated"}
    if log_group is not None:
        settings["loggingConfiguration"] = {"imageLogGroupName": log_group}
    response = call("CreateImagePipeline", name=name, **settings)
    return str(response["imagePipelineArn"])
