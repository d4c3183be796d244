"""Ids and ARNs: which kind of thing they name, in which region.

Formats are checked leniently: AWS's own documentation ids (``wf-…-EXAMPLE33333``) and image names with
capitals
violate the service's patterns, and people paste them. The check catches ids of the wrong kind; the service
has the last word on the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from .kinds import ARN, KINDS, NAME, VERSION, ExecutionKind, IdentifierFormat

_MAXIMUM_SHOWN: Final = 200


class ResourceKind(StrEnum):
    """The resources other than executions that operations accept by ARN."""

    IMAGE_VERSION = "image version"
    IMAGE_PIPELINE = "image pipeline"
    IMAGE_RECIPE = "image recipe"
    CONTAINER_RECIPE = "container recipe"
    INFRASTRUCTURE_CONFIGURATION = "infrastructure configuration"
    DISTRIBUTION_CONFIGURATION = "distribution configuration"
    LIFECYCLE_POLICY = "lifecycle policy"
    WORKFLOW = "workflow"
    COMPONENT = "component"


IdentifierKind = ExecutionKind | ResourceKind


def _resource(pattern: str, example: str) -> IdentifierFormat:
    return IdentifierFormat(f"{ARN}{pattern}", f"arn:aws:imagebuilder:REGION:ACCOUNT:{example}")


_FORMATS: Final[Mapping[IdentifierKind, IdentifierFormat]] = {
    **{kind: KINDS[kind].identifier for kind in ExecutionKind},
    ResourceKind.IMAGE_VERSION: _resource(f"image/{NAME}/{VERSION}", "image/NAME/1.0.0"),
    ResourceKind.IMAGE_PIPELINE: _resource(f"image-pipeline/{NAME}", "image-pipeline/NAME"),
    ResourceKind.IMAGE_RECIPE: _resource(f"image-recipe/{NAME}/{VERSION}", "image-recipe/NAME/1.0.0"),
    ResourceKind.CONTAINER_RECIPE: _resource(
        f"container-recipe/{NAME}/{VERSION}", "container-recipe/NAME/1.0.0"
    ),
    ResourceKind.INFRASTRUCTURE_CONFIGURATION: _resource(
        f"infrastructure-configuration/{NAME}", "infrastructure-configuration/NAME"
    ),
    ResourceKind.DISTRIBUTION_CONFIGURATION: _resource(
        f"distribution-configuration/{NAME}", "distribution-configuration/NAME"
    ),
    ResourceKind.LIFECYCLE_POLICY: _resource(f"lifecycle-policy/{NAME}", "lifecycle-policy/NAME"),
    ResourceKind.WORKFLOW: _resource(
        rf"workflow/[a-z]+/{NAME}/{VERSION}(?:/[0-9]+)?", "workflow/build/NAME/1.0.0/1"
    ),
    ResourceKind.COMPONENT: _resource(rf"component/{NAME}/{VERSION}(?:/[0-9]+)?", "component/NAME/1.0.0/1"),
}

# What to do with a valid ARN of something that is not itself an execution.
_HINTS: Final[Mapping[IdentifierKind, str]] = {
    ResourceKind.IMAGE_VERSION: (
        " An image version has many builds: append the build number (…/1), or list them with "
        "list_image_build_versions()."
    ),
    ResourceKind.IMAGE_PIPELINE: (
        " A pipeline has many builds: start one with start_image_pipeline_execution() and wait for the ARN "
        "that it returns, wait for the next one with wait_for_next_image(), or list them with "
        "list_image_pipeline_images()."
    ),
    ResourceKind.LIFECYCLE_POLICY: " A policy has many runs: list them with list_lifecycle_executions().",
}


@dataclass(frozen=True, slots=True)
class Identifier:
    """An id or ARN, and what it says about itself.

    Attributes:
        value: The id or ARN as given, which is also what is sent.
        kind: What it names.
        region: The region in an ARN; ``None`` for an id, which has none.
    """

    value: str
    kind: IdentifierKind
    region: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.value

    @property
    def image_version_arn(self) -> str | None:
        """The ARN of the image version of an image build version; ``None`` for everything else."""
        return self.value.rpartition("/")[0] if self.kind is ExecutionKind.IMAGE else None

    @classmethod
    def parse(cls, value: str, *kinds: IdentifierKind, client_region: str | None = None) -> Identifier:
        """Parse an id (``wf-…``, ``step-…``, ``lce-…``) or an ARN.

        Args:
            value: The id or ARN.
            kinds: The kinds to accept; any kind of execution if empty.
            client_region: The region that an ARN must be in; ``None`` to accept any.

        Raises:
            TypeError: `value` is not a string.
            ValueError: `value` is malformed, of another kind, or of another region.
        """
        wanted = kinds or tuple(ExecutionKind)
        if not isinstance(value, str):
            raise TypeError(f"An id or ARN must be a str, not {type(value).__name__}.")
        found = _parse(value)
        if found is None or found.kind not in wanted:
            raise ValueError(_explain(value, found, wanted))
        if client_region is not None and found.region not in {None, client_region}:
            raise ValueError(
                f"{_shown(value)} is in region {found.region}, but this client is for {client_region}. "
                f'Use ImageBuilder(region_name="{found.region}").'
            )
        return found


def parse_arn(value: str) -> Identifier | None:
    """Parse an ARN of Image Builder; return ``None`` for anything else."""
    return _parse(value) if value.startswith("arn:") else None


def _parse(value: str) -> Identifier | None:
    for kind, each in _FORMATS.items():
        if match := re.fullmatch(each.pattern, value):
            return Identifier(value, kind, match.groupdict().get("region"))
    return None


def _explain(value: str, found: Identifier | None, wanted: tuple[IdentifierKind, ...]) -> str:
    wants = " or ".join(f"the id of {_article(kind)} ({_FORMATS[kind].example})" for kind in wanted)
    if found is None:
        return f"{_shown(value)} is not an Image Builder id: expected {wants}."
    return f"{_shown(value)} names {_article(found.kind)}: expected {wants}.{_HINTS.get(found.kind, '')}"


def _shown(value: str) -> str:
    return repr(value if len(value) <= _MAXIMUM_SHOWN else value[:_MAXIMUM_SHOWN] + "…")


def _article(kind: IdentifierKind) -> str:
    return f"{'an' if kind.value[0] in 'aeiou' else 'a'} {kind.value}"
