"""Builds from start to end, and what steers them on the way: for people, not call by call."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Final, TypedDict, Unpack, cast

from ..errors import RequestError, ResourceInUseException
from ..models.executions import Execution, Image, WorkflowStepExecution
from ..models.identifiers import ExecutionKind
from ..models.statuses import WorkflowStepActionType
from ..polling.schedule import Seconds, seconds
from .options import OnTimeout, OnWaitingStep, WaitOptions, check_cancellable
from .waits import Waits

__all__ = ["Builds", "Configurations"]

_log: Final = logging.getLogger("aioimagebuilder")


class Configurations(TypedDict, total=False):
    """What `ImageBuilder.build` builds, where it names no pipeline: the arguments of `create_image`."""

    infrastructure_configuration_arn: str
    image_recipe_arn: str
    container_recipe_arn: str
    distribution_configuration_arn: str
    image_tests_configuration: Mapping[str, object]
    enhanced_image_metadata_enabled: bool
    image_scanning_configuration: Mapping[str, object]
    workflows: Sequence[Mapping[str, object]]
    execution_role: str
    logging_configuration: Mapping[str, object]


class Builds(Waits):
    """The operations and the waits, and what is made of both."""

    async def build(
        self,
        pipeline_arn: str | None = None,
        *,
        timeout: Seconds | None,
        client_token: str | None = None,
        tags: Mapping[str, str] | None = None,
        check: bool = True,
        on_waiting_step: OnWaitingStep = "ignore",
        on_timeout: OnTimeout = "leave",
        diagnose: bool = False,
        min_delay: Seconds | None = None,
        max_delay: Seconds | None = None,
        **configurations: Unpack[Configurations],
    ) -> Image:
        """Get the image of a build that this starts, or joins, once it has ended.

        The ARN of the image is logged as soon as it is known (INFO), and every error has it. Cancelling
        this touches nothing at AWS: to join the build again, pass the same `client_token`.

        Args:
            pipeline_arn: the pipeline to build; if ``None``, a recipe and its configurations are needed.
            timeout: seconds, or a timedelta, until the deadline, as in `wait`.
            client_token: whoever starts a build with the same token and the same arguments joins it: the
                service starts no second one. 1 to 64 characters.
            tags: tags of the new image.
            check: raise for a failed or cancelled build, rather than return the image.
            on_waiting_step: what to do about a step that waits for a person, as in `wait`.
            on_timeout: what to do at the deadline, as in `wait`.
            diagnose: find out why it failed, as in `wait`.
            min_delay: the least seconds between two polls; the client's if ``None``.
            max_delay: the most seconds between two polls; the client's if ``None``.
            configurations: instead of a pipeline, the arguments of `create_image`.

        Raises:
            OperationError: the build could not be started.
            ExecutionFailedError, WaitTimeoutError, WaitingForActionError, ObservationError: as in `wait`.
            ValueError: both a pipeline and a recipe, or neither; or as in `wait`.
        """
        options = WaitOptions.parse(
            self._cadence,
            timeout,
            min_delay=min_delay,
            max_delay=max_delay,
            check=check,
            on_waiting_step=on_waiting_step,
            on_timeout=on_timeout,
            diagnose=diagnose,
        )
        if (pipeline_arn is None) == (not configurations):
            raise ValueError(
                "Pass either pipeline_arn, or a recipe and its configurations as to create_image."
            )
        if pipeline_arn is not None:
            operation = "StartImagePipelineExecution"
            arn = await self.start_image_pipeline_execution(
                pipeline_arn, tags=tags, client_token=client_token
            )
        elif "infrastructure_configuration_arn" not in configurations:
            raise ValueError("A build of a recipe needs infrastructure_configuration_arn, too.")
        else:
            operation = "CreateImage"
            arn = await self.create_image(**configurations, tags=tags, client_token=client_token)
        identifier = self._identify_answered(operation, arn, ExecutionKind.IMAGE)
        _log.info("Building %s", identifier)
        return cast("Image", await self._wait_as(options, identifier))

    async def retry(
        self,
        image_build_version_arn: str,
        *,
        timeout: Seconds | None,
        client_token: str | None = None,
        check: bool = True,
        on_waiting_step: OnWaitingStep = "ignore",
        on_timeout: OnTimeout = "leave",
        diagnose: bool = False,
        min_delay: Seconds | None = None,
        max_delay: Seconds | None = None,
    ) -> Image:
        """Get a failed or cancelled image once it has run again, in place, from where it had stopped.

        The service runs an AMI again from its test or distribution phase. Its old end, which may be read
        for some time yet, is not taken for an answer: see `retry_image`. If it runs already, that run is
        joined.

        Args:
            image_build_version_arn: the image.
            timeout: seconds, or a timedelta, until the deadline, as in `wait`.
            client_token: makes the start of the re-run idempotent.
            check: raise for a failed or cancelled re-run, rather than return the image.
            on_waiting_step: what to do about a step that waits for a person, as in `wait`.
            on_timeout: what to do at the deadline, as in `wait`.
            diagnose: find out why it failed, as in `wait`.
            min_delay: the least seconds between two polls; the client's if ``None``.
            max_delay: the most seconds between two polls; the client's if ``None``.

        Raises:
            OperationError: it could not be run again.
            ExecutionFailedError, WaitTimeoutError, WaitingForActionError, ObservationError: as in `wait`.
            ValueError: as in `wait`.
        """
        options = WaitOptions.parse(
            self._cadence,
            timeout,
            min_delay=min_delay,
            max_delay=max_delay,
            check=check,
            on_waiting_step=on_waiting_step,
            on_timeout=on_timeout,
            diagnose=diagnose,
        )
        identifier = self._identify(image_build_version_arn, ExecutionKind.IMAGE)
        before = await self.get_image(identifier.value)
        try:
            await super().retry_image(identifier.value, client_token=client_token)
        except ResourceInUseException as refusal:
            _log.info("%s runs already, and is joined: %s", identifier, refusal)
        if before.is_terminal:
            self._poller.expect_rerun(identifier, before)
        return cast("Image", await self._wait_as(options, identifier))

    async def retry_image(self, image_build_version_arn: str, *, client_token: str | None = None) -> str:
        """Ask to run a failed or cancelled image again in place, and get its ARN, which is the same.

        Reads lag behind: for two minutes, waits and watches of this client take an end that reads as the
        old one did for the old one, and wait on.

        Args:
            image_build_version_arn: the image: an AMI, FAILED or CANCELLED.
            client_token: makes the call idempotent.
        """
        identifier = self._identify(image_build_version_arn, ExecutionKind.IMAGE)
        answer = await super().retry_image(identifier.value, client_token=client_token)
        self._poller.expect_rerun(identifier)
        return answer

    async def cancel(self, identifier: str, *, timeout: Seconds | None = 300) -> Execution:
        """Get what really became of an image or a lifecycle execution, after asking to cancel it.

        Its ``outcome`` says it: mostly ``cancelled``; but it may have succeeded or failed before the service
        came to it, or have ended before it was asked. What it has made already stays.

        Args:
            identifier: the ARN of an image build version, or the id of a lifecycle execution.
            timeout: seconds, or a timedelta, for it to end; ``None`` for ever.

        Raises:
            WaitTimeoutError: it has not ended by then; the cancel stays asked for.
            ObservationError: nobody could observe what became of it.
            OperationError: the cancel was refused, though it has not ended.
            ValueError: an id of the wrong shape or region, or of what the service cannot cancel.
        """
        found = self._identify(identifier)
        check_cancellable(found)
        limit = None if timeout is None else seconds(timeout, "timeout")
        return await self._canceller.cancel(found, limit)

    async def resume(self, step: str | WorkflowStepExecution, *, reason: str | None = None) -> str:
        """Let a build go on at a step that waits for a person, and get the id of the step.

        Args:
            step: the step, or its id: ``progress.waiting_steps`` and `WaitingForActionError.steps` have them.
            reason: why, for those who read the step later; up to 1024 characters.

        Raises:
            OperationError: the service refused: it does not wait (any more).
            ValueError: an id of the wrong shape.
        """
        return await self._answer(step, WorkflowStepActionType.RESUME, reason)

    async def stop(self, step: str | WorkflowStepExecution, *, reason: str) -> str:
        """Fail a step that waits for a person, and get its id. Its workflow says whether the build goes on.

        Args:
            step: the step, or its id: ``progress.waiting_steps`` and `WaitingForActionError.steps` have them.
            reason: why: it becomes the reason of the failed image. Up to 1024 characters.

        Raises:
            OperationError: the service refused: it does not wait (any more).
            ValueError: an id of the wrong shape.
        """
        return await self._answer(step, WorkflowStepActionType.STOP, reason)

    async def _answer(
        self, step: str | WorkflowStepExecution, action: WorkflowStepActionType, reason: str | None
    ) -> str:
        if isinstance(step, WorkflowStepExecution):
            step_id, arn = step.id, step.image_build_version_arn
        else:
            step_id, arn = step, None
        # SendWorkflowStepAction wants the image, too.
        arn = arn or (await self.get_workflow_step_execution(step_id)).image_build_version_arn
        if arn is None:
            raise RequestError.made("SendWorkflowStepAction", f"{step_id} does not tell its image.")
        self._identify_answered("GetWorkflowStepExecution", arn, ExecutionKind.IMAGE)
        answer = await self.send_workflow_step_action(step_id, arn, action, reason=reason)
        self._inspector.answered(step_id)
        return answer
