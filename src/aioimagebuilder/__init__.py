"""Await anything that EC2 Image Builder runs.

    from aioimagebuilder import ImageBuilder

    async with ImageBuilder(region_name="eu-west-1") as ib:
        arn = await ib.start_image_pipeline_execution(pipeline_arn)
        image = await ib.wait_for_image(arn, timeout=7200)

`aioimagebuilder.blocking` has the same methods for scripts, `aioimagebuilder.instrumentation` the events that
hooks receive, and `aioimagebuilder.testing` a simulator of the service. The names exported here and by these
modules are the public API; everything else may change without notice.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .aws.backoff import (
        Backoff,
    )
    from .aws.sqs import (
        SqsHints,
    )
    from .client import (
        ImageBuilder,
    )
    from .errors import (
        AccessDeniedException,
        AccessError,
        CallRateLimitExceededException,
        CertificateError,
        ClientClosedError,
        ClientException,
        ConnectionFailedError,
        CredentialsError,
        CredentialsRefreshError,
        DryRunOperationException,
        ExecutionCancelledError,
        ExecutionFailedError,
        ExecutionNotFoundError,
        ForbiddenException,
        IdempotentParameterMismatchException,
        ImageBuilderError,
        ImageDeletedError,
        InvalidPaginationTokenException,
        InvalidParameterCombinationException,
        InvalidParameterException,
        InvalidParameterValueException,
        InvalidRequestException,
        InvalidVersionNumberException,
        MalformedResponseError,
        ObservationError,
        OperationError,
        ParameterValidationError,
        RequestError,
        ResourceAlreadyExistsException,
        ResourceDependencyException,
        ResourceInUseException,
        ResourceNotFoundException,
        ServerError,
        ServiceException,
        ServiceQuotaExceededException,
        ServiceUnavailableException,
        ThrottledError,
        TooManyRequestsException,
        WaitError,
        WaitGroupError,
        WaitingForActionError,
        WaitTimeoutError,
    )
    from .models.causes import (
        CauseKind,
        FailedComponent,
        FailedTarget,
        Place,
        RootCause,
    )
    from .models.diagnosis import (
        Diagnosis,
        Source,
        SourceState,
    )
    from .models.estimates import (
        Estimate,
    )
    from .models.executions import (
        Detail,
        Execution,
        Image,
        LifecycleExecution,
        Progress,
        WorkflowExecution,
        WorkflowStepExecution,
    )
    from .models.kinds import (
        ExecutionKind,
    )
    from .models.log_streams import (
        LogLine,
    )
    from .models.shapes import (
        Ami,
        ComponentFailureContext,
        Container,
        DistributionFailureContext,
        ImageFailureContext,
        ImageLoggingConfiguration,
        ImageScanState,
        ImageState,
        LifecycleExecutionResource,
        LifecycleExecutionResourceAction,
        LifecycleExecutionResourcesImpactedSummary,
        LifecycleExecutionResourceState,
        LifecycleExecutionSnapshotResource,
        LifecycleExecutionState,
        OutputResources,
        RegionFailure,
    )
    from .models.statuses import (
        BuildType,
        ImageScanStatus,
        ImageStatus,
        ImageType,
        LifecycleExecutionResourceStatus,
        LifecycleExecutionStatus,
        OpenEnum,
        Outcome,
        WorkflowExecutionStatus,
        WorkflowStepActionType,
        WorkflowStepExecutionRollbackStatus,
        WorkflowStepExecutionStatus,
        WorkflowType,
    )
    from .polling.build_history import (
        BuildHistory,
        CompletedBuild,
        MemoryBuildHistory,
    )
    from .polling.file_build_history import (
        FileBuildHistory,
    )
    from .waiting.options import (
        PollOptions,
        WaitOptions,
    )
    from .waiting.pipelines import (
        PipelineWatch,
    )
    from .waiting.waiters import (
        AsCompleted,
        Watch,
    )

__all__ = [
    "AccessDeniedException",
    "AccessError",
    "Ami",
    "AsCompleted",
    "Backoff",
    "BuildHistory",
    "BuildType",
    "CallRateLimitExceededException",
    "CauseKind",
    "CertificateError",
    "ClientClosedError",
    "ClientException",
    "CompletedBuild",
    "ComponentFailureContext",
    "ConnectionFailedError",
    "Container",
    "CredentialsError",
    "CredentialsRefreshError",
    "Detail",
    "Diagnosis",
    "DistributionFailureContext",
    "DryRunOperationException",
    "Estimate",
    "Execution",
    "ExecutionCancelledError",
    "ExecutionFailedError",
    "ExecutionKind",
    "ExecutionNotFoundError",
    "FailedComponent",
    "FailedTarget",
    "FileBuildHistory",
    "ForbiddenException",
    "IdempotentParameterMismatchException",
    "Image",
    "ImageBuilder",
    "ImageBuilderError",
    "ImageDeletedError",
    "ImageFailureContext",
    "ImageLoggingConfiguration",
    "ImageScanState",
    "ImageScanStatus",
    "ImageState",
    "ImageStatus",
    "ImageType",
    "InvalidPaginationTokenException",
    "InvalidParameterCombinationException",
    "InvalidParameterException",
    "InvalidParameterValueException",
    "InvalidRequestException",
    "InvalidVersionNumberException",
    "LifecycleExecution",
    "LifecycleExecutionResource",
    "LifecycleExecutionResourceAction",
    "LifecycleExecutionResourceState",
    "LifecycleExecutionResourceStatus",
    "LifecycleExecutionResourcesImpactedSummary",
    "LifecycleExecutionSnapshotResource",
    "LifecycleExecutionState",
    "LifecycleExecutionStatus",
    "LogLine",
    "MalformedResponseError",
    "MemoryBuildHistory",
    "ObservationError",
    "OpenEnum",
    "OperationError",
    "Outcome",
    "OutputResources",
    "ParameterValidationError",
    "PipelineWatch",
    "Place",
    "PollOptions",
    "Progress",
    "RegionFailure",
    "RequestError",
    "ResourceAlreadyExistsException",
    "ResourceDependencyException",
    "ResourceInUseException",
    "ResourceNotFoundException",
    "RootCause",
    "ServerError",
    "ServiceException",
    "ServiceQuotaExceededException",
    "ServiceUnavailableException",
    "Source",
    "SourceState",
    "SqsHints",
    "ThrottledError",
    "TooManyRequestsException",
    "WaitError",
    "WaitGroupError",
    "WaitOptions",
    "WaitTimeoutError",
    "WaitingForActionError",
    "Watch",
    "WorkflowExecution",
    "WorkflowExecutionStatus",
    "WorkflowStepActionType",
    "WorkflowStepExecution",
    "WorkflowStepExecutionRollbackStatus",
    "WorkflowStepExecutionStatus",
    "WorkflowType",
]


if not TYPE_CHECKING:
    # aiobotocore takes some 300 ms to import, and is not needed for the simulator, the pytest plugin and the
    # help of the command line. So a name is imported on first access.
    _MODULES = (
        "models.statuses",
        "models.kinds",
        "models.shapes",
        "models.estimates",
        "models.executions",
        "models.log_streams",
        "models.causes",
        "models.diagnosis",
        "errors",
        "aws.backoff",
        "aws.sqs",
        "polling.build_history",
        "polling.file_build_history",
        "waiting.options",
        "waiting.waiters",
        "waiting.pipelines",
        "client",
    )

    def __getattr__(name: str) -> object:
        if name in __all__:
            for module_name in _MODULES:
                module = import_module(f"{__name__}.{module_name}")
                if hasattr(module, name):
                    return getattr(module, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted(__all__)
