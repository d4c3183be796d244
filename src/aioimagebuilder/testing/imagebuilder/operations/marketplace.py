"""Operations on the resources of AWS Marketplace: the caller is subscribed to all of its components."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from ...simulation.identifiers import make_id, parse_arn
from ...simulation.state_history import Members
from ..errors import invalid
from ..models import ImageBuilderBackend
from .resources import Handler

_ACCOUNTS = frozenset({"aws-marketplace", "third-party"})


def _get_resource(backend: ImageBuilderBackend, request: Members) -> Members:
    arn = request["resourceArn"]
    named = parse_arn(arn)
    if named["account"] not in _ACCOUNTS or named["type"] != "component" or not named["build"]:
        raise invalid(f"The resource {arn} is not a build version of an AWS Marketplace component.")
    if request["resourceType"] == "COMPONENT_DATA":
        document = f"name: {named['name']}\nschemaVersion: 1.0\nphases: [{{name: build, steps: []}}]\n"
        return {"resourceArn": arn, "data": base64.b64encode(document.encode()).decode()}
    if "resourceLocation" not in request:
        raise invalid("You must provide a resourceLocation to retrieve a component artifact.")
    bucket, _, key = request["resourceLocation"].removeprefix("s3://").partition("/")
    signature = make_id("", arn, key).replace("-", "")
    url = f"https://{bucket}.s3.{backend.region_name}.amazonaws.com/{key}?X-Amz-Signature={signature}"
    return {"resourceArn": arn, "url": url[:1024]}


HANDLERS: Mapping[str, Handler] = {"GetMarketplaceResource": _get_resource}
"""Handlers by operation."""
