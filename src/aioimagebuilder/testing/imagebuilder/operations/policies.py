"""Operations on the resource policies with which components, images and recipes are shared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial

from moto.iam.exceptions import MalformedPolicyDocument
from moto.iam.policy_validation import IAMPolicyDocumentValidator

from ...simulation.state_history import Members
from ..errors import invalid_value
from ..models import ImageBuilderBackend
from .resources import Handler, require_own

_NOUNS = {
    "Component": "componentArn",
    "ContainerRecipe": "containerRecipeArn",
    "Image": "imageArn",
    "ImageRecipe": "imageRecipeArn",
}


def _get(member: str, backend: ImageBuilderBackend, request: Members) -> Members:
    # The model: without a policy, the response has an empty JSON object.
    return {"policy": backend.policies.get(require_own(backend, request[member]), "{}")}


def _put(member: str, backend: ImageBuilderBackend, request: Members) -> Members:
    arn = require_own(backend, request[member])
    try:
        IAMPolicyDocumentValidator(request["policy"]).validate()
    except (MalformedPolicyDocument, AttributeError) as error:
        # moto raises AttributeError for an action that is null.
        raise invalid_value("policy", getattr(error, "message", "An action must be a string.")) from error
    statements = json.loads(request["policy"])["Statement"]
    if not all(
        "Principal" in each for each in ([statements] if isinstance(statements, dict) else statements)
    ):
        raise invalid_value("policy", "A statement of a resource policy must have a principal.")
    backend.policies[arn] = request["policy"]
    return {member: arn}


HANDLERS: Mapping[str, Handler] = {
    f"{verb}{noun}Policy": partial(handler, member)
    for noun, member in _NOUNS.items()
    for verb, handler in (("Get", _get), ("Put", _put))
}
"""Handlers by operation."""
