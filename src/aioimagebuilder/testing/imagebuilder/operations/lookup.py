"""Lookup of resources and images by ARN, among those of the account and those that Amazon manages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...simulation.identifiers import matches_version, parse_arn, version_key
from ...simulation.images import Image
from ..errors import not_found
from ..models import ImageBuilderBackend, Resource


def list_resources(backend: ImageBuilderBackend, owner: str) -> Mapping[str, Resource]:
    """Return the resources of an owner (``Self``, ``Amazon``…) by ARN."""
    return {"Self": backend.resources, "Amazon": backend.managed_resources}.get(owner, {})


def list_images(backend: ImageBuilderBackend, owner: str) -> Mapping[str, Image]:
    """Return the images of an owner (``Self``, ``Amazon``…) by ARN."""
    return {"Self": backend.images, "Amazon": backend.managed_images}.get(owner, {})


def list_pipeline_images(backend: ImageBuilderBackend, arn: str) -> list[Image]:
    """Return the images that a pipeline built, oldest first."""
    return [each for each in backend.images.values() if each.static.get("sourcePipelineArn") == arn]


def owner_of(arn: str) -> str:
    """Return the owner that an ARN names: ``Amazon`` or ``Self``."""
    return "Amazon" if arn.split(":")[4:5] == ["aws"] else "Self"


def find_resource(backend: ImageBuilderBackend, arn: str) -> Resource | None:
    """Return the resource that an ARN names, or ``None``; ``x`` in a version stands for the newest."""
    found = list_resources(backend, owner_of(arn))
    return found.get(arn) or found.get(_find_newest(found, arn))


def get_resource(backend: ImageBuilderBackend, arn: str) -> Resource:
    """Return the resource that an ARN names, as `find_resource` does.

    Raises:
        ServiceError: The resource does not exist (ResourceNotFoundException).
    """
    resource = find_resource(backend, arn)
    if resource is None:
        raise not_found(arn)
    return resource


def find_image(backend: ImageBuilderBackend, arn: str, *, status: str | None = None) -> Image | None:
    """Return the image that an ARN names, or ``None``; ``x`` in a version: the newest in the status."""
    found = list_images(backend, owner_of(arn))
    wanted = (each for each in found if status in (None, found[each].status(backend.now())))
    return found.get(arn) or found.get(_find_newest(wanted, arn))


def get_image(backend: ImageBuilderBackend, arn: str, *, status: str | None = None) -> Image:
    """Return the image that an ARN names, as `find_image` does.

    Raises:
        ServiceError: The image does not exist (ResourceNotFoundException).
    """
    image = find_image(backend, arn, status=status)
    if image is None:
        raise not_found(arn)
    return image


def _find_newest(arns: Iterable[str], arn: str) -> str:
    """Return the newest of the build version ARNs that an ARN with or without ``x`` and build names."""
    try:
        wanted = parse_arn(arn)
    except ValueError:
        return ""
    if not wanted["version"] or wanted["build"].isdecimal():
        return ""
    prefix = arn.partition("/" + wanted["version"])[0] + "/"
    found = [
        each
        for each in arns
        if each.startswith(prefix) and matches_version(wanted["version"], parse_arn(each)["version"])
    ]
    return max(found, key=_version_key, default="")


def _version_key(arn: str) -> tuple[int, ...]:
    found = parse_arn(arn)
    return (*version_key(found["version"]), int(found["build"] or 0))
