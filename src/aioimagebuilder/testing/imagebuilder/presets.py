"""Presets: resources, and sets of them, that are created with the service's own operations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from ..checks import NonEmpty, checked
from ..scripts import Json
from ..simulation.identifiers import make_arn
from ..simulation.state_history import Members

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


class Presets(ABC):
    """The methods that create resources and builds in the region of a simulator."""

    region_name: str

    @abstractmethod
    def call(self, operation: str, **params: object) -> Members:
        """Perform an operation directly, without faults, rate limit or call record."""

    @checked
    def create_pipeline(
        self,
        name: str = "demo",
        *,
        container: bool = False,
        regions: Sequence[NonEmpty] | None = None,
        workflows: Sequence[dict[str, Json]] | None = None,
        tests: bool = True,
        version: str = "1.0.0",
        log_group: str | None = None,
        log_bucket: str | None = None,
    ) -> str:
        """Create a pipeline with its own component, recipe and configurations, and return its ARN.

        Args:
            name: Name of the pipeline and prefix of the resources created with it.
            container: Build a container image instead of an AMI.
            regions: Regions to distribute the image to; defaults to the pipeline's region.
            workflows: Workflow configurations in wire names (``workflowArn``, ``parallelGroup``…); defaults
                to the service's default workflows.
            tests: Whether images are tested.
            version: Version of the component and the recipe.
            log_group: CloudWatch log group of the images; defaults to the service's default group.
            log_bucket: S3 bucket of the component logs; by default there are none.

        Raises:
            ServiceError: The service rejects one of the resources.
        """
        component = self.call(
            "CreateComponent",
            name=f"{name}-component",
            semanticVersion=version,
            platform="Linux",
            data=_COMPONENT.format(name=name),
        )["componentBuildVersionArn"]
        infrastructure = self.call(
            "CreateInfrastructureConfiguration",
            name=f"{name}-infrastructure",
            instanceProfileName="simulated",
            **({"logging": {"s3Logs": {"s3BucketName": log_bucket}}} if log_bucket else {}),
        )["infrastructureConfigurationArn"]
        settings: Members = {
            "infrastructureConfigurationArn": infrastructure,
            "imageTestsConfiguration": {"imageTestsEnabled": tests},
        }
        recipe = {"name": name, "semanticVersion": version, "components": [{"componentArn": component}]}
        distribution: Members = {}
        if container:
            repository = {"service": "ECR", "repositoryName": f"{name.lower()}-repository"}
            distribution["containerDistributionConfiguration"] = {"targetRepository": repository}
            created = self.call(
                "CreateContainerRecipe",
                **recipe,
                containerType="DOCKER",
                parentImage="amazonlinux:latest",
                targetRepository=repository,
                dockerfileTemplateData="FROM {{{ imagebuilder:parentImage }}}\n",
            )
            settings["containerRecipeArn"] = created["containerRecipeArn"]
        else:
            parent = make_arn(self.region_name, "aws", "image", "amazon-linux-2023-x86", "x.x.x")
            created = self.call("CreateImageRecipe", **recipe, parentImage=parent)
            settings["imageRecipeArn"] = created["imageRecipeArn"]
        distributions = [{"region": each, **distribution} for each in regions or [self.region_name]]
        settings["distributionConfigurationArn"] = self.call(
            "CreateDistributionConfiguration", name=f"{name}-distribution", distributions=distributions
        )["distributionConfigurationArn"]
        if workflows is not None:
            settings |= {"workflows": list(workflows), "executionRole": "simulated"}
        if log_group is not None:
            settings["loggingConfiguration"] = {"imageLogGroupName": log_group}
        response = self.call("CreateImagePipeline", name=name, **settings)
        return str(response["imagePipelineArn"])

    @checked
    def create_workflow(self, name: str, data: str, *, type: str = "BUILD", version: str = "1.0.0") -> str:  # noqa: A002
        """Create a workflow from a YAML document and return its build version ARN."""
        response = self.call("CreateWorkflow", name=name, data=data, type=type, semanticVersion=version)
        return str(response["workflowBuildVersionArn"])

    @checked
    def start_build(self, pipeline_arn: str) -> str:
        """Start a build of the pipeline and return the image build version ARN."""
        response = self.call("StartImagePipelineExecution", imagePipelineArn=pipeline_arn)
        return str(response["imageBuildVersionArn"])
