"""The structures inside the executions: states, failure contexts, what was made, what was touched."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .parsing import Structure, boolean, enumerated, list_of, member, parse_time, text
from .statuses import (
    ImageScanStatus,
    ImageStatus,
    LifecycleExecutionResourceStatus,
    LifecycleExecutionStatus,
)

__all__ = [
    "Ami",
    "ComponentFailureContext",
    "Container",
    "DistributionFailureContext",
    "ImageFailureContext",
    "ImageLoggingConfiguration",
    "ImageScanState",
    "ImageState",
    "LifecycleExecutionResource",
    "LifecycleExecutionResourceAction",
    "LifecycleExecutionResourceState",
    "LifecycleExecutionResourcesImpactedSummary",
    "LifecycleExecutionSnapshotResource",
    "LifecycleExecutionState",
    "OutputResources",
    "RegionFailure",
]


@dataclass(frozen=True, kw_only=True, repr=False)
class RegionFailure(Structure):
    """Why distribution to one region and account failed."""

    region: str | None = member(text)
    status: str | None = member(text)
    image_configuration_step: str | None = member(text)
    error_message: str | None = member(text)
    target_account_id: str | None = member(text)


@dataclass(frozen=True, kw_only=True, repr=False)
class DistributionFailureContext(Structure):
    """Why distribution failed, region by region."""

    error_message: str | None = member(text)
    region_failures: tuple[RegionFailure, ...] | None = member(list_of(RegionFailure.parse))


@dataclass(frozen=True, kw_only=True, repr=False)
class ComponentFailureContext(Structure):
    """Which phase and step of a component failed, and what it said."""

    component_arn: str | None = member(text)
    phase_name: str | None = member(text)
    step_name: str | None = member(text)
    action: str | None = member(text)
    error_message: str | None = member(text)


@dataclass(frozen=True, kw_only=True, repr=False)
class ImageFailureContext(Structure):
    """Where an image failed: the first step that did. Given for FAILED images alone, and not for all."""

    image_status: ImageStatus | None = member(enumerated(ImageStatus))
    workflow_execution_id: str | None = member(text)
    workflow_arn: str | None = member(text)
    step_execution_id: str | None = member(text)
    failed_step: str | None = member(text)
    component_failure: ComponentFailureContext | None = member(ComponentFailureContext.parse)
    distribution_failure: DistributionFailureContext | None = member(DistributionFailureContext.parse)


@dataclass(frozen=True, kw_only=True, repr=False)
class ImageState(Structure):
    """Where an image stands, and why it failed if it did."""

    status: ImageStatus | None = member(enumerated(ImageStatus))
    reason: str | None = member(text)
    failure_context: ImageFailureContext | None = member(ImageFailureContext.parse)


@dataclass(frozen=True, kw_only=True, repr=False)
class Ami(Structure):
    """An AMI that a build made: `image` is its id in `region`."""

    region: str | None = member(text)
    image: str | None = member(text)
    name: str | None = member(text)
    description: str | None = member(text)
    account_id: str | None = member(text)
    state: ImageState | None = member(ImageState.parse)


@dataclass(frozen=True, kw_only=True, repr=False)
class Container(Structure):
    """The URIs in one region of a container image that a build made."""

    region: str | None = member(text)
    image_uris: tuple[str, ...] | None = member(list_of(text))


@dataclass(frozen=True, kw_only=True, repr=False)
class OutputResources(Structure):
    """What a build made. A FAILED image can have some, too."""

    amis: tuple[Ami, ...] | None = member(list_of(Ami.parse))
    containers: tuple[Container, ...] | None = member(list_of(Container.parse))


@dataclass(frozen=True, kw_only=True, repr=False)
class ImageScanState(Structure):
    """Where the vulnerability scan of an image stands."""

    status: ImageScanStatus | None = member(enumerated(ImageScanStatus))
    reason: str | None = member(text)


@dataclass(frozen=True, kw_only=True, repr=False)
class ImageLoggingConfiguration(Structure):
    """Where an image's log goes, if not to ``/aws/imagebuilder/<image name>``."""

    log_group_name: str | None = member(text)


@dataclass(frozen=True, kw_only=True, repr=False)
class LifecycleExecutionState(Structure):
    """Where a lifecycle execution stands."""

    status: LifecycleExecutionStatus | None = member(enumerated(LifecycleExecutionStatus))
    reason: str | None = member(text)


@dataclass(frozen=True, kw_only=True, repr=False)
class LifecycleExecutionResourcesImpactedSummary(Structure):
    """Whether a lifecycle execution touched anything."""

    has_impacted_resources: bool | None = member(boolean)


@dataclass(frozen=True, kw_only=True, repr=False)
class LifecycleExecutionResourceState(Structure):
    """What became of a resource in a lifecycle execution."""

    status: LifecycleExecutionResourceStatus | None = member(enumerated(LifecycleExecutionResourceStatus))
    reason: str | None = member(text)


@dataclass(frozen=True, kw_only=True, repr=False)
class LifecycleExecutionResourceAction(Structure):
    """What a lifecycle execution set out to do with a resource."""

    name: str | None = member(text)
    reason: str | None = member(text)


@dataclass(frozen=True, kw_only=True, repr=False)
class LifecycleExecutionSnapshotResource(Structure):
    """A snapshot that a lifecycle execution dealt with."""

    snapshot_id: str | None = member(text)
    state: LifecycleExecutionResourceState | None = member(LifecycleExecutionResourceState.parse)


@dataclass(frozen=True, kw_only=True, repr=False)
class LifecycleExecutionResource(Structure):
    """A resource that a lifecycle execution deals with: a row of ListLifecycleExecutionResources."""

    resource_id: str | None = member(text)
    account_id: str | None = member(text)
    region: str | None = member(text)
    state: LifecycleExecutionResourceState | None = member(LifecycleExecutionResourceState.parse)
    action: LifecycleExecutionResourceAction | None = member(LifecycleExecutionResourceAction.parse)
    snapshots: tuple[LifecycleExecutionSnapshotResource, ...] | None = member(
        list_of(LifecycleExecutionSnapshotResource.parse)
    )
    image_uris: tuple[str, ...] | None = member(list_of(text))
    start_time: datetime | None = member(parse_time)
    end_time: datetime | None = member(parse_time)
