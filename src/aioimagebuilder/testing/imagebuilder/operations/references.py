"""What a request refers to: documents in S3, parent images, and resources with their parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress

from moto.s3.exceptions import MissingBucket
from moto.s3.models import s3_backends

from ...simulation.state_history import Members
from ..errors import invalid, invalid_combination, invalid_value
from ..models import ImageBuilderBackend
from .lookup import find_image, find_resource

_MACHINE_IMAGE = re.compile(
    # An AMI id, an SSM parameter, and the two forms of a Marketplace product id.
    r"ami-[0-9a-f]{8,17}|ssm:[A-Za-z0-9_.:/-]+|prod-[a-z0-9]+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
_REGISTRY_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._/:-]*(?:@sha256:[0-9a-f]{64})?")
_ECR = re.compile(r"public\.ecr\.aws/.*|[0-9]{12}\.dkr\.ecr\..*")
_SINGLE_VALUES = {"string": ".*", "String": ".*", "integer": "-?[0-9]+", "boolean": "true|false"}
"""Patterns of the values of parameters by type; a stringList has any number of any values."""


def read_content(
    backend: ImageBuilderBackend, request: Members, inline: str, uri: str, *, missing: str | None = None
) -> str:
    """Return the document that a request has in one member, or in S3 at the URI in the other member.

    Args:
        backend: The backend of the account and region.
        request: The request.
        inline: The member with the document.
        uri: The member with the URI.
        missing: The document to assume if moto's S3 does not have the bucket.

    Raises:
        ServiceError: The request has both or neither, or the object cannot be read.
    """
    if (inline in request) == (uri in request):
        raise invalid_combination(f"Specify either the {inline} or the {uri} property, but not both.")
    if inline in request:
        return str(request[inline])
    match = re.fullmatch("s3://([^/]+)/(.+)", request[uri])
    buckets = s3_backends[backend.account_id][backend.partition]
    with suppress(UnicodeDecodeError):
        try:
            key = match and buckets.get_object(match[1], match[2])
        except MissingBucket:
            if missing is not None:
                return missing
        else:
            if key:
                return bytes(key.value).decode()
    raise invalid_value(uri, f"{request[uri]} is not the URL (s3://bucket/key) of a text in Amazon S3.")


def check_parent(backend: ImageBuilderBackend, member: str, image: str) -> Members:
    """Return what is known of the image that is the base of an AMI or an instance.

    That an AMI or an SSM parameter exists is not checked: a simulated build does not launch it.
    """
    if ":imagebuilder:" in image:
        found = find_image(backend, image)
        if found is None:
            raise invalid_value(member, f"The image {image} does not exist.")
        return found.static
    if not _MACHINE_IMAGE.fullmatch(image):
        raise invalid_value(
            member,
            f"'{image}' is not an AMI ID, the ARN of an Image Builder image, ssm: with the name or ARN of a "
            "parameter, or a Marketplace product ID.",
        )
    return {}


def check_container_parent(backend: ImageBuilderBackend, request: Members) -> Members:
    """Return what is known of the image that is the base of a container."""
    image = request["parentImage"]
    if ":imagebuilder:" in image:
        return check_parent(backend, "parentImage", image)
    if not _REGISTRY_IMAGE.fullmatch(image):
        raise invalid_value("parentImage", f"'{image}' is not the ARN or the URI of a container image.")
    if _ECR.fullmatch(image) and "platformOverride" not in request:
        text = "You must specify a platform override when using ECR Repositories as your parent image."
        raise invalid_value("parentImage", text)
    return {}


def check_build(request: Members) -> None:
    """Check what a build, or a pipeline, is made from.

    Raises:
        ServiceError: It has not exactly one recipe, or has workflows and no role.
    """
    if ("imageRecipeArn" in request) == ("containerRecipeArn" in request):
        raise invalid("Specify either an image recipe or a container recipe, but not both.")
    if "workflows" in request and "executionRole" not in request:
        raise invalid("You must provide an executionRole when you specify workflows.")


def check_references(backend: ImageBuilderBackend, request: Members) -> frozenset[str]:
    """Return the ARNs of the resources that a request refers to.

    Raises:
        ServiceError: A resource does not exist, or the values for its parameters are invalid.
    """
    found = set()
    for where, arn, parameters in _find_references(request):
        resource = find_resource(backend, arn)
        if resource is None:
            raise invalid(f"The value supplied for parameter '{where}' is not valid. {arn} does not exist.")
        if resource.kind == "Component" and resource.arn in found:
            raise invalid_value(where, f"{arn} is in the recipe more than once.")
        found.add(resource.arn)
        declared = {each["name"]: each for each in resource.record.get("parameters", ())}
        given = {each["name"]: each["value"] for each in parameters}
        _check_parameters(f"{where}.parameters", resource.kind.lower(), declared, given)
    return frozenset(found)


def _find_references(request: Members) -> Iterator[tuple[str, str, list[Members]]]:
    """Yield (where, ARN, parameters) of every resource that a request refers to."""
    for member in (
        "imageRecipeArn",
        "containerRecipeArn",
        "infrastructureConfigurationArn",
        "distributionConfigurationArn",
    ):
        if member in request:
            yield member, request[member], []
    for member, inner in (("components", "componentArn"), ("workflows", "workflowArn")):
        for index, each in enumerate(request.get(member, ())):
            yield f"{member}[{index}]", each[inner], each.get("parameters", [])


def _check_parameters(
    where: str, noun: str, declared: Mapping[str, Members], given: Mapping[str, list[str]]
) -> None:
    unknown = given.keys() - declared
    missing = {name for name in declared.keys() - given if "defaultValue" not in declared[name]}
    wrong = {name for name in given.keys() & declared if not _fits(declared[name], given[name])}
    for names, problem in (
        (unknown, f"are not defined in the provided {noun}"),
        (missing, "have no default value and must be provided"),
        (wrong, "do not have a value of their type"),
    ):
        if names:
            text = f"The following parameters {problem}: {', '.join(sorted(names))}"
            raise invalid_combination(f"The value supplied for parameter '{where}' is not valid. {text}")


def _fits(parameter: Members, values: list[str]) -> bool:
    pattern = _SINGLE_VALUES.get(parameter["type"])
    return pattern is None or (len(values) == 1 and bool(re.fullmatch(pattern, values[0], re.DOTALL)))
