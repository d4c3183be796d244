"""The operations that show executions: get and list."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import TypeVar, cast

from ..errors import MalformedResponseError
from ..models.executions import Execution, Image, LifecycleExecution, WorkflowExecution, WorkflowStepExecution
from ..models.identifiers import AnyKind, ExecutionKind, Identifier, ResourceKind
from ..models.shapes import LifecycleExecutionResource
from . import listings
from .call import Caller, parameters
from .listings import Listing
from .reads import get

__all__ = ["ShowingOperations"]

T = TypeVar("T")

Filters = Sequence[Mapping[str, object]]


class ShowingOperations:
    """Get and list, typed, each retried while that can help.

    Every method raises ValueError for an id or ARN of the wrong shape, kind or region before anything is
    sent, and OperationError for a call that failed.
    """

    @property
    def _caller(self) -> Caller:
        raise NotImplementedError

    def _identify(self, value: str, *kinds: AnyKind) -> Identifier:
        return Identifier.parse(value, *kinds, client_region=self._caller.region)

    def _identify_answered(self, operation: str, value: str, kind: ExecutionKind) -> Identifier:
        """Get what an answer of `operation` names, which is not the caller's to have checked."""
        try:
            return self._identify(value, kind)
        except ValueError as error:
            raise MalformedResponseError.made(operation, str(error)) from error

    async def _get(self, kind: ExecutionKind, value: str) -> Execution:
        return await get(self._caller, kind, self._identify(value, kind).value)

    async def _list(self, listing: Listing[T], **params: object) -> AsyncIterator[T]:
        async with aclosing(listing.pages(self._caller, parameters(**params))) as pages:
            async for page in pages:
                for row in page:
                    yield row

    async def get_image(self, image_build_version_arn: str) -> Image:
        """Get an image build version: its state, why it failed if it did, and what it made."""
        return cast("Image", await self._get(ExecutionKind.IMAGE, image_build_version_arn))

    async def get_workflow_execution(self, workflow_execution_id: str) -> WorkflowExecution:
        """Get a workflow execution: its status and how many of its steps are done."""
        found = await self._get(ExecutionKind.WORKFLOW_EXECUTION, workflow_execution_id)
        return cast("WorkflowExecution", found)

    async def get_workflow_step_execution(self, step_execution_id: str) -> WorkflowStepExecution:
        """Get a step of a workflow execution, with its inputs, outputs and rollback."""
        found = await self._get(ExecutionKind.WORKFLOW_STEP_EXECUTION, step_execution_id)
        return cast("WorkflowStepExecution", found)

    async def get_lifecycle_execution(self, lifecycle_execution_id: str) -> LifecycleExecution:
        """Get a lifecycle execution."""
        found = await self._get(ExecutionKind.LIFECYCLE_EXECUTION, lifecycle_execution_id)
        return cast("LifecycleExecution", found)

    def list_workflow_executions(
        self, image_build_version_arn: str, *, page_size: int | None = None
    ) -> AsyncIterator[WorkflowExecution]:
        """Get the workflow executions of an image, those that a retry replaced too (`retried`).

        The list grows while the image is built: a workflow appears when it starts. The service keeps it
        "for a limited time" (its model), so that of an old image may be empty.

        Args:
            image_build_version_arn: the image.
            page_size: rows that one call asks for, 1 to 25; the service's default if ``None``.
        """
        return self._list(
            listings.WORKFLOW_EXECUTIONS,
            image_build_version_arn=self._identify(image_build_version_arn, ExecutionKind.IMAGE).value,
            max_results=page_size,
        )

    def list_workflow_step_executions(
        self, workflow_execution_id: str, *, page_size: int | None = None
    ) -> AsyncIterator[WorkflowStepExecution]:
        """Get the steps of a workflow execution, in the order of the service.

        Args:
            workflow_execution_id: the workflow execution.
            page_size: rows that one call asks for, 1 to 25; the service's default if ``None``.
        """
        kind = ExecutionKind.WORKFLOW_EXECUTION
        return self._list(
            listings.WORKFLOW_STEP_EXECUTIONS,
            workflow_execution_id=self._identify(workflow_execution_id, kind).value,
            max_results=page_size,
        )

    def list_waiting_workflow_steps(
        self, *, page_size: int | None = None
    ) -> AsyncIterator[WorkflowStepExecution]:
        """Get the steps of the whole account and region that wait for a person; they carry no status.

        Args:
            page_size: rows that one call asks for, 1 to 25; the service's default if ``None``.
        """
        return self._list(listings.WAITING_WORKFLOW_STEPS, max_results=page_size)

    def list_image_build_versions(
        self,
        image_version_arn: str | None = None,
        *,
        filters: Filters | None = None,
        page_size: int | None = None,
    ) -> AsyncIterator[Image]:
        """Get the builds of an image version, or of all your image versions, with their states.

        Args:
            image_version_arn: the image version; all of yours if ``None``.
            filters: the service's filters, ``[{"name": …, "values": […]}]``.
            page_size: rows that one call asks for, 1 to 25; the service's default if ``None``.
        """
        arn = image_version_arn and self._identify(image_version_arn, ResourceKind.IMAGE_VERSION).value
        return self._list(
            listings.IMAGE_BUILD_VERSIONS,
            image_version_arn=arn,
            filters=filters,
            max_results=page_size,
        )

    def list_image_pipeline_images(
        self, image_pipeline_arn: str, *, filters: Filters | None = None, page_size: int | None = None
    ) -> AsyncIterator[Image]:
        """Get the images that a pipeline has built, or is building.

        Args:
            image_pipeline_arn: the pipeline.
            filters: the service's filters, ``[{"name": …, "values": […]}]``.
            page_size: rows that one call asks for, 1 to 25; the service's default if ``None``.
        """
        return self._list(
            listings.IMAGE_PIPELINE_IMAGES,
            image_pipeline_arn=self._identify(image_pipeline_arn, ResourceKind.IMAGE_PIPELINE).value,
            filters=filters,
            max_results=page_size,
        )

    def list_lifecycle_executions(
        self, resource_arn: str, *, page_size: int | None = None
    ) -> AsyncIterator[LifecycleExecution]:
        """Get the lifecycle executions of a lifecycle policy, or of an image.

        Args:
            resource_arn: the ARN of a lifecycle policy, or of an image build version.
            page_size: rows that one call asks for, 1 to 25; the service's default if ``None``.
        """
        identifier = self._identify(resource_arn, ResourceKind.LIFECYCLE_POLICY, ExecutionKind.IMAGE)
        return self._list(
            listings.LIFECYCLE_EXECUTIONS,
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
        """Get what a lifecycle execution deals with, and what became of each.

        Args:
            lifecycle_execution_id: the lifecycle execution.
            parent_resource_id: only what belongs to this resource.
            page_size: rows that one call asks for, 1 to 25; the service's default if ``None``.
        """
        kind = ExecutionKind.LIFECYCLE_EXECUTION
        return self._list(
            listings.LIFECYCLE_EXECUTION_RESOURCES,
            lifecycle_execution_id=self._identify(lifecycle_execution_id, kind).value,
            parent_resource_id=parent_resource_id,
            max_results=page_size,
        )
