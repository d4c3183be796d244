"""Faults and call records of CloudWatch Logs, whose operations moto implements."""

from __future__ import annotations

from collections.abc import Mapping

from .imagebuilder.controller import Control
from .imagebuilder.errors import ServiceError
from .imagebuilder.gateway import WireResponse, fault_response, record_call
from .json_objects import parse_object
from .simulation.state_history import Members

_THROTTLED = ServiceError("ThrottlingException", "Rate exceeded", 400)


def apply_faults(control: Control, target: str, body: bytes) -> tuple[float, WireResponse | None, bool]:
    """Record a call, and return what its faults do to it.

    Args:
        control: The control that holds the faults and records the call.
        target: The request's ``X-Amz-Target``.
        body: The request's body.

    Returns:
        The delay in real seconds, the response that replaces moto's, and whether moto performs the call.
    """
    operation = target.rpartition(".")[2]
    params = _parse_parameters(body)
    with control.lock:
        faults = control.faults.match(operation, params, "logs")
    delay = sum(fault.seconds or 0.0 for fault in faults if fault.kind == "delay")
    failure = next((fault for fault in faults if fault.kind != "delay"), None)
    response = None if failure is None else fault_response(failure, delay, _THROTTLED)
    record_call(control, operation, _find_identifier(params), params, response or WireResponse(), "logs")
    return (
        delay if response is None else response.delay,
        response,
        failure is None or failure.performed,
    )


def _parse_parameters(body: bytes) -> Members:
    try:
        return parse_object(body)
    except ValueError:
        return {}


def _find_identifier(params: Mapping[str, object]) -> str | None:
    names = [params[name] for name in ("logGroupName", "logStreamName") if name in params]
    return " ".join(map(str, names)) or None
