"""The structures inside executions: states, failure contexts, output resources, lifecycle resources."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .parsing import Structure, boolean, enumerated, list_of, member, parse_timestamp, text
from .statuses import (
    ImageScanStatus,
    ImageStatus,
    LifecycleExecutionResourceStatus,
    LifecycleExecutionStatus,
)


@dataclass(frozen=True, kw_only=True, repr=False)
class RegionFailure(Structure):
    """A failure to distribute to one region and account."""

    region: str | None = member(text)
    status: str | None = member(text)
    image_configuration_step: str | None = member(text)
    error_message: str | None = member(text)
    target_account_id: str | None = member(text)


@dataclass(frozen=True, kw_only=True, repr=False)
class DistributionFailureContext(Structure):
    """A failure to distribute, by region."""

    error_message: str | None = member(text)
    region_failures: tuple[RegionFailure, ...] | None = member(list_of(RegionFailure.parse))


@dataclass(frozen=True, kw_only=True, repr=False)
class ComponentFailureContext(Structure):
    """The phase and step of a component that failed, and its error message."""

    component_arn: str | None = member(text)
    phase_name: str | None = member(text)
    step_name: str | None = member(text)
    action: str | None = member(text)
    error_message: str | None = member(text)


@dataclass(frozen=True, kw_only=True, repr=False)
class ImageFailureContext(Structure):
    """The first step of an image that failed. Only FAILED images have it, and not all of them."""

    image_status: ImageStatus | None = member(enumerated(ImageStatus))
    workflow_execution_id: str | None = member(text)
    workflow_arn: str | None = member(text)
    step_execution_id: str | None = member(text)
    failed_step: str | None = member(text)
    component_failure: ComponentFailureContext | None = member(ComponentFailureContext.parse)
    distribution_failure: DistributionFailureContext | None = member(DistributionFailureContext.parse)


@dataclass(frozen=True, kw_only=True, repr=False)
class ImageState(Structure):
    """The state of an image, and the reason of a failure."""

    status: ImageStatus | None = member(enumerated(ImageStatus))
    reason: str | None = member(text)
    failure_context: ImageFailureContext | None = member(ImageFailureContext.parse)


@dataclass(frozen=True, kw_only=True, repr=False)
class Ami(Structure):
    """An AMI produced by a build. `image` is its id in `region`."""

    region: str | None = member(text)
    image: str | None = member(text)
    name: str | None = member(text)
    description: str | None = member(text)
    account_id: str | None = member(text)
    state: ImageState | None = member(ImageState.parse)


@dataclass(frozen=True, kw_only=True, repr=False)
class Container(Structure):
    """The URIs in one region of a container image produced by a build."""

    region: str | None = member(text)
    image_uris: tuple[str, ...] | None = member(list_of(text))


@dataclass(frozen=True, kw_only=True, repr=False)
class OutputResources(Structure):
    """The output of a build. A FAILED image can have some as well."""

    amis: tuple[Ami, ...] | None = member(list_of(Ami.parse))
    containers: tuple[Container, ...] | None = member(list_of(Container.parse))


@dataclass(frozen=True, kw_only=True, repr=False)
class ImageScanState(Structure):
    """The state of the vulnerability scan of an image."""

    status: ImageScanStatus | None = member(enumerated(ImageScanStatus))
    reason: str | None = member(text)


@dataclass(frozen=True, kw_only=True, repr=False)
class ImageLoggingConfiguration(Structure):
    """The log group of an image, if it is not ``/aws/imagebuilder/<image name>``."""

    log_group_name: str | None = member(text)


@dataclass(frozen=True, kw_only=True, repr=False)
class LifecycleExecutionState(Structure):
    """The state of a lifecycle execution."""

    status: LifecycleExecutionStatus | None = member(enumerated(LifecycleExecutionStatus))
    reason: str | None = member(text)


@dataclass(frozen=True, kw_only=True, repr=False)
class LifecycleExecutionResourcesImpactedSummary(Structure):
    """Whether a lifecycle execution affected any resource."""

    has_impacted_resources: bool | None = member(boolean)


@dataclass(frozen=True, kw_only=True, repr=False)
class LifecycleExecutionResourceState(Structure):
    """The state of a resource in a lifecycle execution."""

    status: LifecycleExecutionResourceStatus | None = member(enumerated(LifecycleExecutionResourceStatus))
    reason: str | None = member(text)


@dataclass(frozen=True, kw_only=True, repr=False)
class LifecycleExecutionResourceAction(Structure):
    """The action of a lifecycle execution on a resource."""

    name: str | None = member(text)
    reason: str | None = member(text)


@dataclass(frozen=True, kw_only=True, repr=False)
class LifecycleExecutionSnapshotResource(Structure):
    """A snapshot affected by a lifecycle execution."""

    snapshot_id: str | None = member(text)
    state: LifecycleExecutionResourceState | None = member(LifecycleExecutionResourceState.parse)


@dataclass(frozen=True, kw_only=True, repr=False)
class LifecycleExecutionResource(Structure):
    """A resource affected by a lifecycle execution: a row of ListLifecycleExecutionResources."""

    resource_id: str | None = member(text)
    account_id: str | None = member(text)
    region: str | None = member(text)
    state: LifecycleExecutionResourceState | None = member(LifecycleExecutionResourceState.parse)
    action: LifecycleExecutionResourceAction | None = member(LifecycleExecutionResourceAction.parse)
    snapshots: tuple[LifecycleExecutionSnapshotResource, ...] | None = member(
        list_of(LifecycleExecutionSnapshotResource.parse)
    )
    image_uris: tuple[str, ...] | None = member(list_of(text))
    start_time: datetime | None = member(parse_timestamp)
    end_time: datetime | None = member(parse_timestamp)
