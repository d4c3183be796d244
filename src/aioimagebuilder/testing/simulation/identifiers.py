"""Ids and ARNs in the service's grammars, derived from seeds to keep them stable across recomputations."""

from __future__ import annotations

import hashlib
import re
from uuid import UUID, uuid5

_NAMESPACE = UUID("6f5bb3a0-6a3c-4d0e-9d5c-2f7d6f0a8f11")
_SEPARATORS = re.compile(r"[ _]")
_VERSION_PART = r"(?:[0-9]+|x+)"
_ARN = re.compile(
    r"arn:(?P<partition>[^:]+):imagebuilder:(?P<region>[^:]*):(?P<account>[^:]+):"
    r"(?P<type>[a-z-]+(?:/(?:build|test|distribution)(?=/))?)/(?P<name>[^/]+)"
    rf"(?:/(?P<version>{_VERSION_PART}\.{_VERSION_PART}\.{_VERSION_PART})(?:/(?P<build>[0-9]+|x))?)?"
)


def make_id(prefix: str, *seed: object) -> str:
    """Return an id such as ``wf-…`` that is determined by the seed."""
    return prefix + str(uuid5(_NAMESPACE, "/".join(map(str, seed))))


def make_ec2_id(prefix: str, *seed: object) -> str:
    """Return an EC2 id such as ``ami-…`` (17 hexadecimal digits) that is determined by the seed."""
    digest = hashlib.sha256("/".join(map(str, seed)).encode()).hexdigest()
    return prefix + digest[:17]


def slugify(name: str) -> str:
    """Return a resource name as in ARNs: lower case, with hyphens for spaces and underscores."""
    return _SEPARATORS.sub("-", name).lower()


def get_partition(region: str) -> str:
    """Return the partition of a region: ``aws``, ``aws-cn`` or ``aws-us-gov``."""
    prefixes = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
    return next((name for prefix, name in prefixes.items() if region.startswith(prefix)), "aws")


def make_arn(region: str, account: str, *path: object) -> str:
    """Return the ARN of a path (type, name, version…) in a region and account."""
    return f"arn:{get_partition(region)}:imagebuilder:{region}:{account}:" + "/".join(map(str, path))


def parse_arn(arn: str) -> dict[str, str]:
    """Parse an ARN into partition, region, account, type, name, version and build; absent parts are empty.

    Raises:
        ValueError: The string is not an Image Builder ARN.
    """
    match = _ARN.fullmatch(arn)
    if match is None:
        raise ValueError(f"{arn!r} is not an Image Builder ARN")
    return {name: value or "" for name, value in match.groupdict().items()}


def strip_build(arn: str) -> str:
    """Return the version ARN of a build version ARN."""
    return arn.rpartition("/")[0]


def version_key(version: str) -> tuple[int, ...]:
    """Return a key that sorts versions from oldest to newest."""
    return tuple(int(part) for part in version.replace("/", ".").split("."))


def matches_version(pattern: str, version: str) -> bool:
    """Return whether the version matches a pattern in which ``x`` (or ``xxxx``) stands for any number."""
    parts = zip(pattern.split("."), version.split("."), strict=True)
    return all(wanted in (part, "x" * len(wanted)) for wanted, part in parts)
