"""The operations that start something to wait for.

Every one of them carries a client token, made once for all tries of a call: so a retry after a broken
connection can start nothing twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import uuid4

from ..models.identifiers import ResourceKind
from .call import Answer, parameters
from .showing import ShowingOperations

__all__ = ["Members", "StartingOperations", "Tags"]

Tags = Mapping[str, str]
Members = Mapping[str, object]


class StartingOperations(ShowingOperations):
    """Starts of builds, typed, each retried while that can help.

    Every method gives the ARN of the image to wait for. It raises ValueError for an id or ARN of the wrong
    shape, kind or region before anything is sent, and OperationError for a call that failed. `client_token`
    (1 to 64 characters) makes a call idempotent for the service: the same token with the same parameters
    gives the same answer. One is made for each call if none is given.
    """

    async def _steer(self, operation: str, output: str, client_token: str | None, **params: object) -> str:
        def parse(answer: Answer) -> str:
            if not isinstance(value := answer.get(output), str):
                raise TypeError(f"the answer has no {output}")
            return value

        sent = parameters(**params, client_token=client_token or str(uuid4()))
        return await self._caller.call(operation, sent, parse)

    async def start_image_pipeline_execution(
        self, image_pipeline_arn: str, *, tags: Tags | None = None, client_token: str | None = None
    ) -> str:
        """Start a build of a pipeline, and get the ARN of the image to wait for.

        Args:
            image_pipeline_arn: the pipeline.
            tags: tags of the new image.
            client_token: the same token gives the same build again.
        """
        return await self._steer(
            "StartImagePipelineExecution",
            "imageBuildVersionArn",
            client_token,
            image_pipeline_arn=self._identify(image_pipeline_arn, ResourceKind.IMAGE_PIPELINE).value,
            tags=tags,
        )

    async def create_image(
        self,
        infrastructure_configuration_arn: str,
        *,
        image_recipe_arn: str | None = None,
        container_recipe_arn: str | None = None,
        distribution_configuration_arn: str | None = None,
        image_tests_configuration: Members | None = None,
        enhanced_image_metadata_enabled: bool | None = None,
        image_scanning_configuration: Members | None = None,
        workflows: Sequence[Members] | None = None,
        execution_role: str | None = None,
        logging_configuration: Members | None = None,
        tags: Tags | None = None,
        client_token: str | None = None,
    ) -> str:
        """Start a build of a recipe, and get the ARN of the image to wait for.

        Args:
            infrastructure_configuration_arn: where it is built.
            image_recipe_arn: what is built: this, or `container_recipe_arn`.
            container_recipe_arn: what is built: this, or `image_recipe_arn`.
            distribution_configuration_arn: where the image goes.
            image_tests_configuration: the service's structure of that name.
            enhanced_image_metadata_enabled: whether to collect what is installed.
            image_scanning_configuration: the service's structure of that name.
            workflows: the service's workflow configurations.
            execution_role: the name or ARN of the role that runs the workflows.
            logging_configuration: the service's structure of that name.
            tags: tags of the new image.
            client_token: the same token gives the same build again.
        """
        if (image_recipe_arn is None) == (container_recipe_arn is None):
            raise ValueError("Pass either image_recipe_arn or container_recipe_arn.")
        arns = {
            name: self._identify(arn, kind).value
            for name, arn, kind in (
                (
                    "infrastructure_configuration_arn",
                    infrastructure_configuration_arn,
                    ResourceKind.INFRASTRUCTURE_CONFIGURATION,
                ),
                ("image_recipe_arn", image_recipe_arn, ResourceKind.IMAGE_RECIPE),
                ("container_recipe_arn", container_recipe_arn, ResourceKind.CONTAINER_RECIPE),
                (
                    "distribution_configuration_arn",
                    distribution_configuration_arn,
                    ResourceKind.DISTRIBUTION_CONFIGURATION,
                ),
            )
            if arn is not None
        }
        return await self._steer(
            "CreateImage",
            "imageBuildVersionArn",
            client_token,
            **arns,
            image_tests_configuration=image_tests_configuration,
            enhanced_image_metadata_enabled=enhanced_image_metadata_enabled,
            image_scanning_configuration=image_scanning_configuration,
            workflows=workflows,
            execution_role=execution_role,
            logging_configuration=logging_configuration,
            tags=tags,
        )

    async def distribute_image(
        self,
        source_image: str,
        distribution_configuration_arn: str,
        execution_role: str,
        *,
        logging_configuration: Members | None = None,
        tags: Tags | None = None,
        client_token: str | None = None,
    ) -> str:
        """Start the distribution of an image that exists, and get the ARN of the new image to wait for.

        Args:
            source_image: an AMI id, an SSM parameter, or the ARN of an image.
            distribution_configuration_arn: where it goes.
            execution_role: the name or ARN of the role that distributes.
            logging_configuration: the service's structure of that name.
            tags: tags of the new image.
            client_token: the same token gives the same distribution again.
        """
        kind = ResourceKind.DISTRIBUTION_CONFIGURATION
        return await self._steer(
            "DistributeImage",
            "imageBuildVersionArn",
            client_token,
            source_image=source_image,
            distribution_configuration_arn=self._identify(distribution_configuration_arn, kind).value,
            execution_role=execution_role,
            logging_configuration=logging_configuration,
            tags=tags,
        )

    async def import_vm_image(
        self,
        name: str,
        semantic_version: str,
        platform: str,
        vm_import_task_id: str,
        *,
        os_version: str | None = None,
        description: str | None = None,
        logging_configuration: Members | None = None,
        tags: Tags | None = None,
        client_token: str | None = None,
    ) -> str:
        """Start the import of a virtual machine, and get the ARN of the image to wait for.

        Args:
            name: the name of the new image.
            semantic_version: its version, ``x.y.z``.
            platform: Windows, Linux or macOS.
            vm_import_task_id: the EC2 import task, which may still be running.
            os_version: the version of its operating system.
            description: a description of it.
            logging_configuration: the service's structure of that name.
            tags: tags of the new image.
            client_token: the same token gives the same import again.
        """
        return await self._steer(
            "ImportVmImage",
            "imageArn",
            client_token,
            name=name,
            semantic_version=semantic_version,
            platform=platform,
            vm_import_task_id=vm_import_task_id,
            os_version=os_version,
            description=description,
            logging_configuration=logging_configuration,
            tags=tags,
        )

    async def import_disk_image(
        self,
        name: str,
        semantic_version: str,
        platform: str,
        os_version: str,
        infrastructure_configuration_arn: str,
        uri: str,
        *,
        description: str | None = None,
        execution_role: str | None = None,
        logging_configuration: Members | None = None,
        register_image_options: Members | None = None,
        windows_configuration: Members | None = None,
        tags: Tags | None = None,
        client_token: str | None = None,
    ) -> str:
        """Start the import of an ISO disk image, and get the ARN of the image to wait for.

        Args:
            name: the name of the new image.
            semantic_version: its version, ``x.y.z``.
            platform: the platform of the disk image.
            os_version: the version of its operating system.
            infrastructure_configuration_arn: where it is imported.
            uri: where the disk image lies in S3.
            description: a description of it.
            execution_role: the name or ARN of the role that imports.
            logging_configuration: the service's structure of that name.
            register_image_options: the service's structure of that name.
            windows_configuration: the service's structure of that name.
            tags: tags of the new image.
            client_token: the same token gives the same import again.
        """
        kind = ResourceKind.INFRASTRUCTURE_CONFIGURATION
        return await self._steer(
            "ImportDiskImage",
            "imageBuildVersionArn",
            client_token,
            name=name,
            semantic_version=semantic_version,
            platform=platform,
            os_version=os_version,
            infrastructure_configuration_arn=self._identify(infrastructure_configuration_arn, kind).value,
            uri=uri,
            description=description,
            execution_role=execution_role,
            logging_configuration=logging_configuration,
            register_image_options=register_image_options,
            windows_configuration=windows_configuration,
            tags=tags,
        )
