"""Faults and call records of CloudWatch Logs, whose operations moto implements."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from .controller import CallRecord, Control
from .faults import CONNECTION_KINDS, Fault
from .gateway import WireResponse, error_response
from .simulation.state_history import Members

_DEFAULT_HANG_SECONDS = 3600.0
_THROTTLED = error_response("ThrottlingException", "Rate exceeded", 400)


def apply_faults(control: Control, target: str, body: bytes) -> tuple[float, WireResponse | None]:
    """Record a call, and return the delay in real seconds and the replacement response that its faults cause.

    Args:
        control: The control that holds the faults and records the call.
        target: The request's ``X-Amz-Target``.
        body: The request's body.
    """
    operation = target.rpartition(".")[2]
    params = _parse_parameters(body)
    with control.lock:
        faults = control.faults.match(operation, params, "logs")
    delay = sum(fault.seconds or 0.0 for fault in faults if fault.kind == "delay")
    failure = next((fault for fault in faults if fault.kind != "delay"), None)
    response = None if failure is None else _fault_response(failure)
    control.record(
        CallRecord(
            operation=operation,
            identifier=_find_identifier(params),
            parameters=params,
            status=200 if response is None else 0 if response.connection_fault else response.status,
            code=None if response is None else response.code,
            at=time.time(),
            service="logs",
        )
    )
    if failure is not None and failure.kind == "hang":
        delay += failure.seconds or _DEFAULT_HANG_SECONDS
    return delay, response


def _fault_response(fault: Fault) -> WireResponse:
    if fault.kind in CONNECTION_KINDS:
        return WireResponse(connection_fault=fault.kind)
    if fault.kind == "throttle":
        return _THROTTLED
    return error_response(fault.code, fault.message, fault.status)


def _parse_parameters(body: bytes) -> Members:
    try:
        params = json.loads(body or b"{}")
    except ValueError:
        return {}
    return params if isinstance(params, dict) else {}


def _find_identifier(params: Mapping[str, object]) -> str | None:
    names = [params[name] for name in ("logGroupName", "logStreamName") if name in params]
    return " ".join(map(str, names)) or None
