"""Ids and ARNs in the service's grammars, made from seeds so that the same course gets the same ids."""

from __future__ import annotations

import hashlib
import re
from uuid import UUID, uuid5

_NAMESPACE = UUID("6f5bb3a0-6a3c-4d0e-9d5c-2f7d6f0a8f11")
_SEPARATORS = re.compile(r"[ _]")
_VERSION_PART = r"(?:[0-9]+|x)"
_ARN = re.compile(
    r"arn:(?P<partition>[^:]+):imagebuilder:(?P<region>[^:]*):(?P<account>[^:]+):"
    r"(?P<type>[a-z-]+(?:/(?:build|test|distribution)(?=/))?)/(?P<name>[^/]+)"
    rf"(?:/(?P<version>{_VERSION_PART}\.{_VERSION_PART}\.{_VERSION_PART})(?:/(?P<build>[0-9]+|x))?)?"
)


def unique(prefix: str, *seed: object) -> str:
    """Get an id such as ``wf-…`` that depends on the seed alone."""
    return prefix + str(uuid5(_NAMESPACE, "/".join(map(str, seed))))


def hexadecimal(prefix: str, *seed: object) -> str:
    """Get an EC2 id such as ``ami-…`` (17 hexadecimal digits) that depends on the seed alone."""
    digest = hashlib.sha256("/".join(map(str, seed)).encode()).hexdigest()
    return prefix + digest[:17]


def normalised(name: str) -> str:
    """Get a resource name as it stands in an ARN: lower case, spaces and underscores as hyphens."""
    return _SEPARATORS.sub("-", name).lower()


def partition_of(region: str) -> str:
    """Get the partition of a region: ``aws``, ``aws-cn`` or ``aws-us-gov``."""
    prefixes = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
    return next((name for prefix, name in prefixes.items() if region.startswith(prefix)), "aws")


def make_arn(region: str, account: str, *path: object) -> str:
    """Get the ARN of this path (type, name, version…) in this region and account."""
    return f"arn:{partition_of(region)}:imagebuilder:{region}:{account}:" + "/".join(map(str, path))


def parts(arn: str) -> dict[str, str]:
    """Partition, region, account, type, name, version and build of an ARN; absent ones are empty.

    Raises:
        ValueError: It is no Image Builder ARN.
    """
    match = _ARN.fullmatch(arn)
    if match is None:
        raise ValueError(f"{arn!r} is no Image Builder ARN")
    return {name: value or "" for name, value in match.groupdict().items()}


def without_build(arn: str) -> str:
    """Get the version ARN of a build version ARN."""
    return arn.rpartition("/")[0]


def version_key(version: str) -> tuple[int, ...]:
    """Get what sorts versions from old to new."""
    return tuple(int(part) for part in version.replace("/", ".").split("."))


def version_matches(pattern: str, version: str) -> bool:
    """Whether the version fits the pattern, in which ``x`` is any number."""
    return all(
        wanted in ("x", part) for wanted, part in zip(pattern.split("."), version.split("."), strict=True)
    )
