"""The operations that steer what runs: cancel, retry, answer a gate, change a state."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import cast
from uuid import uuid4

from ..models.identifiers import ExecutionKind
from ..models.statuses import ImageStatus, WorkflowStepActionType
from .call import Answer, parameters
from .starting import Members, StartingOperations

__all__ = ["SteeringOperations"]


class SteeringOperations(StartingOperations):
    """Cancel, retry, resume and stop, typed, each retried while that can help.

    Every method raises ValueError for an id or ARN of the wrong shape, kind or region before anything is
    sent, and OperationError for a call that failed. `client_token` (1 to 64 characters) makes a call
    idempotent for the service: the same token with the same parameters gives the same answer. One is made
    for each call if none is given.
    """

    async def cancel_image_creation(
        self, image_build_version_arn: str, *, client_token: str | None = None
    ) -> str:
        """Ask to cancel a build, and get its ARN; wait for the image to see what really became of it.

        Args:
            image_build_version_arn: the image. What it has made already stays.
            client_token: makes the call idempotent.
        """
        return await self._steer(
            "CancelImageCreation",
            "imageBuildVersionArn",
            client_token,
            image_build_version_arn=self._identify(image_build_version_arn, ExecutionKind.IMAGE).value,
        )

    async def retry_image(self, image_build_version_arn: str, *, client_token: str | None = None) -> str:
        """Ask to run a failed or cancelled image again in place, and get its ARN, which is the same.

        Args:
            image_build_version_arn: the image: an AMI, FAILED or CANCELLED.
            client_token: makes the call idempotent.
        """
        return await self._steer(
            "RetryImage",
            "imageBuildVersionArn",
            client_token,
            image_build_version_arn=self._identify(image_build_version_arn, ExecutionKind.IMAGE).value,
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
        """Resume or stop a step that waits for a person, and get its id.

        Args:
            step_execution_id: the step; one that does not wait is refused by the service.
            image_build_version_arn: the image that the step belongs to.
            action: RESUME completes the step; STOP fails it.
            reason: why, for those who read the step later; up to 1024 characters.
            client_token: makes the call idempotent.
        """
        kind = ExecutionKind.WORKFLOW_STEP_EXECUTION
        return await self._steer(
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
        """Start to change the state of an image, and get the lifecycle execution to wait for, if any.

        The service starts an execution only where `include_resources` is given, or the change is set for
        later; otherwise the change is immediate, and the answer is ``None``.

        Args:
            resource_arn: the image.
            status: AVAILABLE, DEPRECATED, DISABLED or DELETED.
            execution_role: the name or ARN of the role that changes the resources.
            include_resources: which of ``amis``, ``snapshots`` and ``containers`` to change, too.
            exclusion_rules: the service's structure of that name.
            update_at: when; at once if ``None``. The execution is IN_PROGRESS until then.
            client_token: makes the call idempotent.
        """

        def parse(answer: Answer) -> str | None:
            return cast("str | None", answer.get("lifecycleExecutionId"))

        return await self._caller.call(
            "StartResourceStateUpdate",
            parameters(
                resource_arn=self._identify(resource_arn, ExecutionKind.IMAGE).value,
                state={"status": ImageStatus(status).value},
                execution_role=execution_role,
                include_resources=include_resources,
                exclusion_rules=exclusion_rules,
                update_at=update_at,
                client_token=client_token or str(uuid4()),
            ),
            parse,
        )

    async def cancel_lifecycle_execution(
        self, lifecycle_execution_id: str, *, client_token: str | None = None
    ) -> str:
        """Ask to cancel a lifecycle execution, and get its id; what it has done already stays done.

        Args:
            lifecycle_execution_id: the lifecycle execution.
            client_token: makes the call idempotent.
        """
        kind = ExecutionKind.LIFECYCLE_EXECUTION
        return await self._steer(
            "CancelLifecycleExecution",
            "lifecycleExecutionId",
            client_token,
            lifecycle_execution_id=self._identify(lifecycle_execution_id, kind).value,
        )
