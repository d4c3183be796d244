"""One call to the simulated service, without any network: request in, answer out, judged by the model."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from ..simulation.state_history import Members
from . import builds, lifecycle, resources, workflows
from .errors import ServiceError, SimulatorBugError
from .resources import Handler
from .state import RegionState
from .validation import check_answer, check_request, output_members

HANDLERS: Mapping[str, Handler] = {
    **resources.HANDLERS,
    **builds.HANDLERS,
    **workflows.HANDLERS,
    **lifecycle.HANDLERS,
}
"""Every operation that the simulator serves."""


def perform(state: RegionState, operation: str, params: Members) -> Members:
    """Get the answer of the service.

    Args:
        state: The account and region that is called.
        operation: As in the service's model, ``GetImage``.
        params: By wire names.

    Raises:
        ServiceError: What the service refuses.
        SimulatorBugError: The simulator does not serve the operation, or its answer breaks the model.
    """
    handler = HANDLERS.get(operation)
    if handler is None:
        raise SimulatorBugError(f"the simulator does not serve {operation}")
    check_request(operation, params)
    token = params.get("clientToken")
    replay = _replay(state, operation, params) if token else None
    answer = handler(state, params) if replay is None else replay
    if token and replay is None:
        state.tokens[operation, token] = (params, answer)
    members = output_members(operation)
    shown = dict(answer)
    if "requestId" in members:
        shown["requestId"] = str(uuid.uuid4())
    if token and "clientToken" in members:
        shown["clientToken"] = token
    check_answer(operation, shown, state.world.words)
    return shown


def _replay(state: RegionState, operation: str, params: Members) -> Members | None:
    """Get the first answer to the same token."""
    known = state.tokens.get((operation, params["clientToken"]))
    if known is None:
        return None
    first, answer = known
    if first != params:
        raise ServiceError(
            "IdempotentParameterMismatchException",
            "The client token was used before with other parameters.",
        )
    return answer
