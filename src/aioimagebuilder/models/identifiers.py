"""What an id or an ARN names: its kind, its region, and what it belongs to.

Shapes are checked leniently: AWS's own documentation ids
(``wf-…-EXAMPLE33333``) and image names with capitals fail the service's patterns, and people paste them.
So a shape is a hint that the right *sort* of thing was passed, and the service has the last word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

__all__ = ["ExecutionKind", "Identifier", "ResourceKind", "parse_arn"]


class ExecutionKind(StrEnum):
    """The kinds of execution that can be awaited."""

    IMAGE = "image"
    WORKFLOW_EXECUTION = "workflow execution"
    WORKFLOW_STEP_EXECUTION = "workflow step execution"
    LIFECYCLE_EXECUTION = "lifecycle execution"


class ResourceKind(StrEnum):
    """The resources that operations take by ARN, beside executions."""

    IMAGE_VERSION = "image version"
    IMAGE_PIPELINE = "image pipeline"
    IMAGE_RECIPE = "image recipe"
    CONTAINER_RECIPE = "container recipe"
    INFRASTRUCTURE_CONFIGURATION = "infrastructure configuration"
    DISTRIBUTION_CONFIGURATION = "distribution configuration"
    LIFECYCLE_POLICY = "lifecycle policy"
    WORKFLOW = "workflow"
    COMPONENT = "component"


AnyKind = ExecutionKind | ResourceKind

_UUID: Final = r"[0-9A-Za-z]{8}-(?:[0-9A-Za-z]{4}-){3}[0-9A-Za-z]{12}"
_VERSION: Final = r"(?:[0-9]+|x)\.(?:[0-9]+|x)\.(?:[0-9]+|x)"
# Any name that can be seen: with capitals, too, but with nothing that could move a cursor.
_NAME: Final = r"[!-.0-~]+"
_ARN: Final = (
    r"arn:aws[A-Za-z-]*:imagebuilder:(?P<region>[A-Za-z0-9-]+):"
    r"(?P<account>[0-9]{12}|aws(?:-[a-z-]+)?):(?P<resource>.+)"
)

# One row a kind: the shape of its id, or of the last part of its ARN. The first row that fits wins.
# As text: re compiles and remembers a pattern when it is first needed, so that importing costs nothing.
_ID_SHAPES: Final[Mapping[AnyKind, str]] = {
    ExecutionKind.WORKFLOW_EXECUTION: f"wf-{_UUID}",
    ExecutionKind.WORKFLOW_STEP_EXECUTION: f"step-{_UUID}",
    ExecutionKind.LIFECYCLE_EXECUTION: f"lce-{_UUID}",
}
_RESOURCE_SHAPES: Final[Mapping[AnyKind, str]] = {
    ExecutionKind.IMAGE: rf"image/{_NAME}/{_VERSION}/[0-9]+",
    ResourceKind.IMAGE_VERSION: rf"image/{_NAME}/{_VERSION}",
    ResourceKind.IMAGE_PIPELINE: f"image-pipeline/{_NAME}",
    ResourceKind.IMAGE_RECIPE: rf"image-recipe/{_NAME}/{_VERSION}",
    ResourceKind.CONTAINER_RECIPE: rf"container-recipe/{_NAME}/{_VERSION}",
    ResourceKind.INFRASTRUCTURE_CONFIGURATION: f"infrastructure-configuration/{_NAME}",
    ResourceKind.DISTRIBUTION_CONFIGURATION: f"distribution-configuration/{_NAME}",
    ResourceKind.LIFECYCLE_POLICY: f"lifecycle-policy/{_NAME}",
    ResourceKind.WORKFLOW: rf"workflow/[a-z]+/{_NAME}/{_VERSION}(?:/[0-9]+)?",
    ResourceKind.COMPONENT: rf"component/{_NAME}/{_VERSION}(?:/[0-9]+)?",
}

_EXECUTION_KINDS: Final = tuple(ExecutionKind)

_EXAMPLES: Final[Mapping[AnyKind, str]] = {
    ExecutionKind.WORKFLOW_EXECUTION: "wf-12345678-1234-1234-1234-123456789012",
    ExecutionKind.WORKFLOW_STEP_EXECUTION: "step-12345678-1234-1234-1234-123456789012",
    ExecutionKind.LIFECYCLE_EXECUTION: "lce-12345678-1234-1234-1234-123456789012",
    ExecutionKind.IMAGE: "arn:aws:imagebuilder:REGION:ACCOUNT:image/NAME/1.0.0/1",
    ResourceKind.IMAGE_VERSION: "arn:aws:imagebuilder:REGION:ACCOUNT:image/NAME/1.0.0",
    ResourceKind.IMAGE_PIPELINE: "arn:aws:imagebuilder:REGION:ACCOUNT:image-pipeline/NAME",
    ResourceKind.IMAGE_RECIPE: "arn:aws:imagebuilder:REGION:ACCOUNT:image-recipe/NAME/1.0.0",
    ResourceKind.CONTAINER_RECIPE: "arn:aws:imagebuilder:REGION:ACCOUNT:container-recipe/NAME/1.0.0",
    ResourceKind.INFRASTRUCTURE_CONFIGURATION: (
        "arn:aws:imagebuilder:REGION:ACCOUNT:infrastructure-configuration/NAME"
    ),
    ResourceKind.DISTRIBUTION_CONFIGURATION: (
        "arn:aws:imagebuilder:REGION:ACCOUNT:distribution-configuration/NAME"
    ),
    ResourceKind.LIFECYCLE_POLICY: "arn:aws:imagebuilder:REGION:ACCOUNT:lifecycle-policy/NAME",
    ResourceKind.WORKFLOW: "arn:aws:imagebuilder:REGION:ACCOUNT:workflow/build/NAME/1.0.0/1",
    ResourceKind.COMPONENT: "arn:aws:imagebuilder:REGION:ACCOUNT:component/NAME/1.0.0/1",
}

# What to do with an ARN that is right in itself, but of something that does not run.
_HINTS: Final[Mapping[AnyKind, str]] = {
    ResourceKind.IMAGE_VERSION: (
        "An image version has many builds: append the build number (…/1), or list them with "
        "list_image_build_versions()."
    ),
    ResourceKind.IMAGE_PIPELINE: (
        "A pipeline has many builds: start one with start_image_pipeline_execution() and wait for the ARN "
        "that it returns, or list them with list_image_pipeline_images()."
    ),
    ResourceKind.LIFECYCLE_POLICY: "A policy has many runs: list them with list_lifecycle_executions().",
}


@dataclass(frozen=True, slots=True)
class Identifier:
    """An id or ARN, and what it says of itself.

    Attributes:
        value: the id or ARN as it was given, and as it is sent.
        kind: what sort of thing it names.
        region: the region inside an ARN; ``None`` for an id, which names no region.
    """

    value: str
    kind: AnyKind = field(compare=False)
    region: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.value

    def __hash__(self) -> int:
        # The generated one makes a tuple first, and a poll looks its execution up some twenty times.
        return hash(self.value)

    @property
    def parent(self) -> str | None:
        """The ARN of the image version that an image build version belongs to; ``None`` for all else."""
        return self.value.rpartition("/")[0] if self.kind is ExecutionKind.IMAGE else None

    @classmethod
    def parse(cls, value: str, *kinds: AnyKind, client_region: str | None = None) -> Identifier:
        """Get the identifier that `value` is, checked before anything is sent.

        Args:
            value: an id (``wf-…``, ``step-…``, ``lce-…``) or an ARN.
            kinds: the kinds that will do; any kind of execution if none is named.
            client_region: the region that an ARN must be of; ``None`` to leave it unchecked.

        Raises:
            TypeError: `value` is no string.
            ValueError: it is no id or ARN, one of another kind, or one of another region.
        """
        wanted = kinds or _EXECUTION_KINDS
        if not isinstance(value, str):
            raise TypeError(f"An id or ARN must be a str, not {type(value).__name__}.")
        found = parse_arn(value) if value.startswith("arn:") else _parse_id(value)
        if found is None or found.kind not in wanted:
            raise ValueError(_explain(value, found, wanted))
        if client_region is not None and found.region not in {None, client_region}:
            raise ValueError(
                f"{_shown(value)} is in region {found.region}, but this client speaks to {client_region}. "
                f'Use ImageBuilder(region_name="{found.region}").'
            )
        return found


def parse_arn(value: str) -> Identifier | None:
    """Get the identifier of any Image Builder ARN, or ``None`` where it is of no kind that is known."""
    arn = re.fullmatch(_ARN, value)
    if arn is None:
        return None
    for kind, shape in _RESOURCE_SHAPES.items():
        if re.fullmatch(shape, arn["resource"]):
            return Identifier(value, kind, arn["region"])
    return None


def _parse_id(value: str) -> Identifier | None:
    for kind, shape in _ID_SHAPES.items():
        if re.fullmatch(shape, value):
            return Identifier(value, kind)
    return None


def _explain(value: str, found: Identifier | None, wanted: tuple[AnyKind, ...]) -> str:
    wants = " or ".join(f"the id of {_article(kind)} ({_EXAMPLES[kind]})" for kind in wanted)
    if found is None:
        return f"{_shown(value)} is no Image Builder id: expected {wants}."
    hint = _HINTS.get(found.kind, "")
    return f"{_shown(value)} names {_article(found.kind)}: expected {wants}.{' ' if hint else ''}{hint}"


def _shown(value: str) -> str:
    return repr(value if len(value) <= 200 else value[:200] + "…")  # noqa: PLR2004 - what fits on a screen


def _article(kind: AnyKind) -> str:
    return f"{'an' if kind.value[0] in 'aeiou' else 'a'} {kind.value}"
