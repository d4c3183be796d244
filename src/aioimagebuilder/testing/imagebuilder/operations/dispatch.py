"""Dispatch of one call to its operation, with validation of request and response."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from ...simulation.state_history import Members
from ..errors import ServiceError, unknown_operation
from ..models import ImageBuilderBackend
from ..validation import check_request, check_response, output_members
from . import images, lifecycle, marketplace, policies, resources, scans, schedules, workflows
from .lists import check_list_options
from .resources import Handler

HANDLERS: Mapping[str, Handler] = {
    **resources.HANDLERS,
    **schedules.HANDLERS,
    **images.HANDLERS,
    **workflows.HANDLERS,
    **lifecycle.HANDLERS,
    **policies.HANDLERS,
    **scans.HANDLERS,
    **marketplace.HANDLERS,
}
"""Handlers of every operation of the service."""


def perform(backend: ImageBuilderBackend, operation: str, params: Members) -> Members:
    """Perform an operation and return the response members.

    Args:
        backend: The backend of the account and region.
        operation: Operation name as in the service model, such as ``GetImage``.
        params: Request members in wire names.

    Raises:
        ServiceError: The service rejects the request, or the simulator does not know the operation.
        SimulatorBugError: The response violates the service model.
    """
    handler = HANDLERS.get(operation)
    if handler is None:
        raise unknown_operation(operation)
    check_request(operation, params)
    check_list_options(operation, params)
    token = params.get("clientToken")
    replay = _find_replay(backend, operation, params) if token else None
    result = handler(backend, params) if replay is None else replay
    if token and replay is None:
        backend.tokens[operation, token] = (params, result)
    members = output_members(operation)
    response = dict(result)
    if "requestId" in members:
        response["requestId"] = str(uuid.uuid4())
    if token and "clientToken" in members:
        response["clientToken"] = token
    check_response(operation, response, backend.shared.extra_statuses)
    return response


def _find_replay(backend: ImageBuilderBackend, operation: str, params: Members) -> Members | None:
    """Return the result of an earlier request with the same client token, if any."""
    known = backend.tokens.get((operation, params["clientToken"]))
    if known is None:
        return None
    first, result = known
    if first != params:
        raise ServiceError(
            "IdempotentParameterMismatchException",
            "The client token was used before with other parameters.",
        )
    return result
