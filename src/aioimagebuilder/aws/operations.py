"""The operations that show, start and steer executions, typed, one AWS call each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Final, TypedDict, TypeVar, Unpack, cast
from uuid import uuid4

from ..errors import MalformedResponseError, RequestError
from ..models.executions import Execution, Image, LifecycleExecution, WorkflowExecution, WorkflowStepExecution
from ..models.identifiers import Identifier, IdentifierKind, ResourceKind
from ..models.kinds import KINDS, ExecutionKind, ListOperation
from ..models.parsing import Structure
from ..models.shapes import LifecycleExecutionResource
from ..models.statuses import ImageStatus, WorkflowStepActionType
from .call import Caller, Response, parameters
from .reads import (
    IMAGE_PIPELINE_IMAGES,
    LIFECYCLE_EXECUTION_RESOURCES,
    WAITING_WORKFLOW_STEPS,
    get,
    list_pages,
)

S = TypeVar("S", bound=Structure)

Filters = Sequence[Mapping[str, object]]
Tags = Mapping[str, str]
Members = Mapping[str, object]

NOT_OPEN: Final = "This ImageBuilder is not open: use `async with ImageBuilder(...) as ib:`."


class Configurations(TypedDict, total=False):
    """What `ImageBuilder.build` builds if not a pipeline: the arguments of `create_image`."""

    infrastructure_configuration_arn: str
    image_recipe_arn: str
    container_recipe_arn: str
    distribution_configuration_arn: str
    image_tests_configuration: Members
    enhanced_image_metadata_enabled: bool
    image_scanning_configuration: Members
    workflows: Sequence[Members]
    execution_role: str
    logging_configuration: Members


class Operations:
    """The operations of the service as methods, named as in boto3 and retried where that can help.

    Every method raises ValueError for an id or ARN that is malformed, of the wrong kind or of another region,
    before anything is sent, and OperationError for a call that failed. Lists are async iterators over the
    rows of all pages; their `page_size` is the number of rows per call, from 1 to 25, and the service's
    default if ``None``.

    Operations that start or change something accept a `client_token` of 1 to 64 characters: the service
    executes calls with the same token and the same parameters once. If it is ``None``, one is created for
    each method call and used for all of its retries, so a lost response never starts anything twice.
    """

    def __init__(self) -> None:
        self._open_caller: Caller | None = None

    @property
    def _caller(self) -> Caller:
        if self._open_caller is None:
            raise RuntimeError(NOT_OPEN)
        return self._open_caller

    def _until(self, deadline: float) -> Operations:
        """Return the operations with retries that end at a deadline; see `Caller.until`."""
        limited = Operations()
        limited._open_caller = self._caller.until(deadline)
        return limited

    def _identify(self, value: str, *kinds: IdentifierKind) -> Identifier:
        return Identifier.parse(value, *kinds, client_region=self._caller.region)

    def _identify_returned(self, operation: str, value: str, kind: ExecutionKind) -> Identifier:
        """Parse an id or ARN that was returned by `operation` and not passed by the caller."""
        try:
            return self._identify(value, kind)
        except ValueError as error:
            raise MalformedResponseError.create(operation, str(error)) from error

    async def _get(self, kind: ExecutionKind, value: str) -> Execution:
        return await get(self._caller, kind, self._identify(value, kind).value)

    async def _list(self, listing: ListOperation, cls: type[S], **params: object) -> AsyncIterator[S]:
        async with aclosing(list_pages(self._caller, listing, cls.parse, parameters(**params))) as pages:
            async for page in pages:
                for row in page:
                    yield row

    async def _change(self, operation: str, output: str, client_token: str | None, **params: object) -> str:
        """Call an operation with a client token, and return the member `output` of its response."""

        def parse(response: Response) -> str:
            if not isinstance(value := response.get(output), str):
                raise TypeError(f"the response has no {output}")
            return value

        params["client_token"] = str(uuid4()) if client_token is None else client_token
        return await self._caller.call(operation, parameters(**params), parse)

    async def _start_build(
        self,
        pipeline_arn: str | None,
        *,
        tags: Tags | None,
        client_token: str | None,
        **configurations: Unpack[Configurations],
    ) -> Identifier:
        """Start a build of a pipeline, or else of a recipe, and return the image.

        Raises:
            ValueError: Both a pipeline and a recipe are given, or neither, or the recipe lacks something.
        """
        if (pipeline_arn is None) == (not configurations):
            raise ValueError("Pass either pipeline_arn, or a recipe and configurations as for create_image.")
        if pipeline_arn is not None:
            operation = "StartImagePipelineExecution"
            arn = await self.start_image_pipeline_execution(
                pipeline_arn, tags=tags, client_token=client_token
            )
        elif "infrastructure_configuration_arn" not in configurations:
            raise ValueError("A build of a recipe also needs infrastructure_configuration_arn.")
        else:
            operation = "CreateImage"
            arn = await self.create_image(**configurations, tags=tags, client_token=client_token)
        return self._identify_returned(operation, arn, ExecutionKind.IMAGE)

    async def _retry_image(self, identifier: Identifier, client_token: str | None) -> str:
        """Request a retry of an image, and return its ARN."""
        return await self._change(
            "RetryImage", "imageBuildVersionArn", client_token, image_build_version_arn=identifier.value
        )

    async def resume(self, step: str | WorkflowStepExecution, *, reason: str | None = None) -> str:
        """Resume a build at a waiting step, and return the id of the step.

        Args:
            step: The step or its id, from ``progress.waiting_steps`` or `WaitingForActionError.steps`.
            reason: The reason, of up to 1024 characters, which becomes an output of the step.

        Raises:
            OperationError: The service rejected it, since the step does not wait (any more).
            ValueError: The id is malformed.
        """
        return await self._answer_step(step, WorkflowStepActionType.RESUME, reason)

    async def stop(self, step: str | WorkflowStepExecution, *, reason: str) -> str:
        """Fail a waiting step, and return its id. The workflow decides whether the build continues.

        Args:
            step: The step or its id, from ``progress.waiting_steps`` or `WaitingForActionError.steps`.
            reason: The reason, of up to 1024 characters, which becomes the reason of the failed image.

        Raises:
            OperationError: The service rejected it, since the step does not wait (any more).
            ValueError: The id is malformed.
        """
        return await self._answer_step(step, WorkflowStepActionType.STOP, reason)

    async def _answer_step(
        self, step: str | WorkflowStepExecution, action: WorkflowStepActionType, reason: str | None
    ) -> str:
        """Answer a waiting step, and return its id."""
        step_id = step if isinstance(step, str) else step.id
        arn = None if isinstance(step, str) else step.image_build_version_arn
        # SendWorkflowStepAction also requires the image.
        arn = arn or (await self.get_workflow_step_execution(step_id)).image_build_version_arn
        if arn is None:
            raise RequestError.create("SendWorkflowStepAction", f"the image of {step_id} is unknown")
        self._identify_returned("GetWorkflowStepExecution", arn, ExecutionKind.IMAGE)
        return await self.send_workflow_step_action(step_id, arn, action, reason=reason)

    async def get_image(self, image_build_version_arn: str) -> Image:
        """Return an image build version: its state, the reason of a failure, and its output."""
        return cast("Image", await self._get(ExecutionKind.IMAGE, image_build_version_arn))

    async def get_workflow_execution(self, workflow_execution_id: str) -> WorkflowExecution:
        """Return a workflow execution: its status, and the numbers of its steps."""
        found = await self._get(ExecutionKind.WORKFLOW_EXECUTION, workflow_execution_id)
        return cast("WorkflowExecution", found)

    async def get_workflow_step_execution(self, step_execution_id: str) -> WorkflowStepExecution:
        """Return a step of a workflow execution, with its inputs, outputs and rollback status."""
        found = await self._get(ExecutionKind.WORKFLOW_STEP_EXECUTION, step_execution_id)
        return cast("WorkflowStepExecution", found)

    async def get_lifecycle_execution(self, lifecycle_execution_id: str) -> LifecycleExecution:
        """Return a lifecycle execution."""
        found = await self._get(ExecutionKind.LIFECYCLE_EXECUTION, lifecycle_execution_id)
        return cast("LifecycleExecution", found)

    def list_workflow_executions(
        self, image_build_version_arn: str, *, page_size: int | None = None
    ) -> AsyncIterator[WorkflowExecution]:
        """List the workflow executions of an image, including those replaced by a retry (`retried`).

        The list grows during a build: a workflow appears when it starts. The service keeps it "for a limited
        time" (service model), so the list of an old image may be empty.
        """
        return self._list(
            KINDS[ExecutionKind.WORKFLOW_EXECUTION].list,
            WorkflowExecution,
            image_build_version_arn=self._identify(image_build_version_arn, ExecutionKind.IMAGE).value,
            max_results=page_size,
        )

    def list_workflow_step_executions(
        self, workflow_execution_id: str, *, page_size: int | None = None
    ) -> AsyncIterator[WorkflowStepExecution]:
        """List the steps of a workflow execution, in the service's order."""
        kind = ExecutionKind.WORKFLOW_EXECUTION
        return self._list(
            KINDS[ExecutionKind.WORKFLOW_STEP_EXECUTION].list,
            WorkflowStepExecution,
            workflow_execution_id=self._identify(workflow_execution_id, kind).value,
            max_results=page_size,
        )

    def list_waiting_workflow_steps(
        self, *, page_size: int | None = None
    ) -> AsyncIterator[WorkflowStepExecution]:
        """List the waiting steps of the whole account and region. They have no status."""
        return self._list(WAITING_WORKFLOW_STEPS, WorkflowStepExecution, max_results=page_size)

    def list_image_build_versions(
        self,
        image_version_arn: str | None = None,
        *,
        filters: Filters | None = None,
        page_size: int | None = None,
    ) -> AsyncIterator[Image]:
        """List the builds of an image version, or of all image versions of the account, with their states.

        Args:
            image_version_arn: The image version; all of the account if ``None``.
            filters: The service's filters, ``[{"name": …, "values": […]}]``.
            page_size: See the class.
        """
        arn = image_version_arn and self._identify(image_version_arn, ResourceKind.IMAGE_VERSION).value
        return self._list(
            KINDS[ExecutionKind.IMAGE].list,
            Image,
            image_version_arn=arn,
            filters=filters,
            max_results=page_size,
        )

    def list_image_pipeline_images(
        self, image_pipeline_arn: str, *, filters: Filters | None = None, page_size: int | None = None
    ) -> AsyncIterator[Image]:
        """List the images built by a pipeline, including those in progress.

        Args:
            image_pipeline_arn: The pipeline.
            filters: The service's filters, ``[{"name": …, "values": […]}]``.
            page_size: See the class.
        """
        return self._list(
            IMAGE_PIPELINE_IMAGES,
            Image,
            image_pipeline_arn=self._identify(image_pipeline_arn, ResourceKind.IMAGE_PIPELINE).value,
            filters=filters,
            max_results=page_size,
        )

    def list_lifecycle_executions(
        self, resource_arn: str, *, page_size: int | None = None
    ) -> AsyncIterator[LifecycleExecution]:
        """List the lifecycle executions of a lifecycle policy, or of an image build version."""
        identifier = self._identify(resource_arn, ResourceKind.LIFECYCLE_POLICY, ExecutionKind.IMAGE)
        return self._list(
            KINDS[ExecutionKind.LIFECYCLE_EXECUTION].list,
            LifecycleExecution,
            resource_arn=identifier.value,
            max_results=page_size,
        )

    def list_lifecycle_execution_resources(
        self,
        lifecycle_execution_id: str,
        *,
        parent_resource_id: str | None = None,
        page_size: int | None = None,
    ) -> AsyncIterator[LifecycleExecutionResource]:
        """List the resources that a lifecycle execution affects, with their states.

        Args:
            lifecycle_execution_id: The lifecycle execution.
            parent_resource_id: List only the resources that belong to this one.
            page_size: See the class.
        """
        kind = ExecutionKind.LIFECYCLE_EXECUTION
        return self._list(
            LIFECYCLE_EXECUTION_RESOURCES,
            LifecycleExecutionResource,
            lifecycle_execution_id=self._identify(lifecycle_execution_id, kind).value,
            parent_resource_id=parent_resource_id,
            max_results=page_size,
        )

    async def start_image_pipeline_execution(
        self, image_pipeline_arn: str, *, tags: Tags | None = None, client_token: str | None = None
    ) -> str:
        """Start a build of a pipeline, and return the ARN of the image to wait for.

        Args:
            image_pipeline_arn: The pipeline.
            tags: The tags of the new image.
            client_token: See the class.
        """
        return await self._change(
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
        """Start a build of a recipe, and return the ARN of the image to wait for.

        Args:
            infrastructure_configuration_arn: The infrastructure to build on.
            image_recipe_arn: The recipe, unless `container_recipe_arn` is given.
            container_recipe_arn: The recipe, unless `image_recipe_arn` is given.
            distribution_configuration_arn: The destinations of the image.
            image_tests_configuration: The service's structure of that name.
            enhanced_image_metadata_enabled: Whether to collect what is installed.
            image_scanning_configuration: The service's structure of that name.
            workflows: The service's workflow configurations.
            execution_role: The name or ARN of the role that runs the workflows.
            logging_configuration: The service's structure of that name.
            tags: The tags of the new image.
            client_token: See the class.

        Raises:
            ValueError: Both recipes are given, or neither.
        """
        if (image_recipe_arn is None) == (container_recipe_arn is None):
            raise ValueError("Pass either image_recipe_arn or container_recipe_arn.")
        arns = {
            "infrastructure_configuration_arn": (
                infrastructure_configuration_arn,
                ResourceKind.INFRASTRUCTURE_CONFIGURATION,
            ),
            "image_recipe_arn": (image_recipe_arn, ResourceKind.IMAGE_RECIPE),
            "container_recipe_arn": (container_recipe_arn, ResourceKind.CONTAINER_RECIPE),
            "distribution_configuration_arn": (
                distribution_configuration_arn,
                ResourceKind.DISTRIBUTION_CONFIGURATION,
            ),
        }
        return await self._change(
            "CreateImage",
            "imageBuildVersionArn",
            client_token,
            **{name: arn and self._identify(arn, kind).value for name, (arn, kind) in arns.items()},
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
        """Start the distribution of an existing image, and return the ARN of the new image to wait for.

        Args:
            source_image: An AMI id, an SSM parameter, or the ARN of an image.
            distribution_configuration_arn: The destinations.
            execution_role: The name or ARN of the role that distributes.
            logging_configuration: The service's structure of that name.
            tags: The tags of the new image.
            client_token: See the class.
        """
        kind = ResourceKind.DISTRIBUTION_CONFIGURATION
        return await self._change(
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
        """Start the import of a virtual machine, and return the ARN of the image to wait for.

        Args:
            name: The name of the new image.
            semantic_version: Its version, ``x.y.z``.
            platform: Windows, Linux or macOS.
            vm_import_task_id: The EC2 import task, which may still be running.
            os_version: The version of the operating system.
            description: The description of the new image.
            logging_configuration: The service's structure of that name.
            tags: The tags of the new image.
            client_token: See the class.
        """
        return await self._change(
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
        """Start the import of an ISO disk image, and return the ARN of the image to wait for.

        Args:
            name: The name of the new image.
            semantic_version: Its version, ``x.y.z``.
            platform: The platform of the disk image.
            os_version: The version of the operating system.
            infrastructure_configuration_arn: The infrastructure to import on.
            uri: The location of the disk image in S3.
            description: The description of the new image.
            execution_role: The name or ARN of the role that imports.
            logging_configuration: The service's structure of that name.
            register_image_options: The service's structure of that name.
            windows_configuration: The service's structure of that name.
            tags: The tags of the new image.
            client_token: See the class.
        """
        kind = ResourceKind.INFRASTRUCTURE_CONFIGURATION
        return await self._change(
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

    async def cancel_image_creation(
        self, image_build_version_arn: str, *, client_token: str | None = None
    ) -> str:
        """Request the cancellation of a build, and return its ARN. Wait for the image to see the outcome.

        AMIs and snapshots that the build has already created remain.

        Args:
            image_build_version_arn: The image.
            client_token: See the class.
        """
        return await self._change(
            "CancelImageCreation",
            "imageBuildVersionArn",
            client_token,
            image_build_version_arn=self._identify(image_build_version_arn, ExecutionKind.IMAGE).value,
        )

    async def cancel_lifecycle_execution(
        self, lifecycle_execution_id: str, *, client_token: str | None = None
    ) -> str:
        """Request the cancellation of a lifecycle execution, and return its id. Nothing is rolled back.

        Args:
            lifecycle_execution_id: The lifecycle execution.
            client_token: See the class.
        """
        kind = ExecutionKind.LIFECYCLE_EXECUTION
        return await self._change(
            "CancelLifecycleExecution",
            "lifecycleExecutionId",
            client_token,
            lifecycle_execution_id=self._identify(lifecycle_execution_id, kind).value,
        )

    async def send_workflow_step_action(
        self,
        step_execution_id: str,
        image_build_version_arn: str,
        action: WorkflowStepActionType,
        *,
        reason: str | None = None,
        client_token: str | None = None,
    ) -> str:
        """Resume or stop a waiting step, and return its id.

        Args:
            step_execution_id: The step. The service rejects the call if it is not waiting.
            image_build_version_arn: The image that the step belongs to.
            action: RESUME completes the step; STOP fails it.
            reason: The reason, of up to 1024 characters, which becomes an output of the step.
            client_token: See the class.
        """
        kind = ExecutionKind.WORKFLOW_STEP_EXECUTION
        return await self._change(
            "SendWorkflowStepAction",
            "stepExecutionId",
            client_token,
            step_execution_id=self._identify(step_execution_id, kind).value,
            image_build_version_arn=self._identify(image_build_version_arn, ExecutionKind.IMAGE).value,
            action=WorkflowStepActionType(action).value,
            reason=reason,
        )

    async def start_resource_state_update(
        self,
        resource_arn: str,
        status: ImageStatus,
        *,
        execution_role: str | None = None,
        include_resources: Mapping[str, bool] | None = None,
        exclusion_rules: Members | None = None,
        update_at: datetime | None = None,
        client_token: str | None = None,
    ) -> str | None:
        """Start to change the state of an image, and return the id of the lifecycle execution to wait for.

        The service starts an execution only if `include_resources` is given or the change is scheduled for
        later. Otherwise the change is immediate, and this returns ``None``.

        Args:
            resource_arn: The image.
            status: AVAILABLE, DEPRECATED, DISABLED or DELETED.
            execution_role: The name or ARN of the role that changes the resources.
            include_resources: Which of ``amis``, ``snapshots`` and ``containers`` to change as well.
            exclusion_rules: The service's structure of that name.
            update_at: When to change it; at once if ``None``. The execution is IN_PROGRESS until then.
            client_token: See the class.
        """

        def parse(response: Response) -> str | None:
            return cast("str | None", response.get("lifecycleExecutionId"))

        params = parameters(
            resource_arn=self._identify(resource_arn, ExecutionKind.IMAGE).value,
            state={"status": ImageStatus(status).value},
            execution_role=execution_role,
            include_resources=include_resources,
            exclusion_rules=exclusion_rules,
            update_at=update_at,
            client_token=client_token or str(uuid4()),
        )
        return await self._caller.call("StartResourceStateUpdate", params, parse)
