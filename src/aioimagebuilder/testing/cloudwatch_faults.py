"""Faults and call records of CloudWatch Logs, whose operations moto implements."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from .imagebuilder.controller import Control
from .imagebuilder.errors import ServiceError
from .imagebuilder.gateway import WireResponse, apply_faults, record_call
from .json_objects import parse_object
from .simulation.state_history import Members

_THROTTLED = ServiceError("ThrottlingException", "Rate exceeded", 400)


def handle_logs_call(
    control: Control, target: str, body: bytes, perform: Callable[[], WireResponse]
) -> WireResponse:
    """Return the response to a call, with faults applied, and record the call.

    Args:
        control: The control that holds the faults and records the call.
        target: The request's ``X-Amz-Target``.
        body: The request's body.
        perform: Performs the call in moto.
    """
    operation = target.rpartition(".")[2]
    params: Members = {}
    with contextlib.suppress(ValueError):
        params = parse_object(body)
    with control.lock:
        faults = control.faults.match(operation, params, "logs")
    response = apply_faults(faults, perform, _THROTTLED)
    names = [str(params[name]) for name in ("logGroupName", "logStreamName") if name in params]
    record_call(control, operation, " ".join(names) or None, params, response, "logs")
    return response
