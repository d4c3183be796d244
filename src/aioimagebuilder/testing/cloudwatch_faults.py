"""The front door of CloudWatch Logs: its faults and the record of its calls; moto answers the rest."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from .controller import CallRecord, Control
from .faults import WIRE_KINDS, Fault
from .gateway import WireAnswer, error
from .simulation.state_history import Members

_LONG = 3600.0
_THROTTLED = error("ThrottlingException", "Rate exceeded", 400)


def disturb(control: Control, target: str, body: bytes) -> tuple[float, WireAnswer | None]:
    """Record this call, and get what a fault makes of it: a delay in seconds, an answer instead of moto's.

    Args:
        control: Whose faults.
        target: The request's ``X-Amz-Target``.
        body: The request's body.
    """
    operation = target.rpartition(".")[2]
    params = _parameters(body)
    with control.lock:
        faults = control.faults.hitting(operation, params, "logs")
    delay = sum(fault.seconds or 0.0 for fault in faults if fault.kind == "delay")
    lost = next((fault for fault in faults if fault.kind != "delay"), None)
    made = None if lost is None else _lost(lost)
    control.record(
        CallRecord(
            operation=operation,
            identifier=_identifier(params),
            parameters=params,
            status=200 if made is None else 0 if made.disturbance else made.status,
            code=None if made is None else made.code,
            at=time.time(),
            service="logs",
        )
    )
    if lost is not None and lost.kind == "hang":
        delay += lost.seconds or _LONG
    return delay, made


def _lost(fault: Fault) -> WireAnswer:
    if fault.kind in WIRE_KINDS:
        return WireAnswer(disturbance=fault.kind)
    if fault.kind == "throttle":
        return _THROTTLED
    return error(fault.code, fault.message, fault.status)


def _parameters(body: bytes) -> Members:
    try:
        params = json.loads(body or b"{}")
    except ValueError:
        return {}
    return params if isinstance(params, dict) else {}


def _identifier(params: Mapping[str, object]) -> str | None:
    named = [params[name] for name in ("logGroupName", "logStreamName") if name in params]
    return " ".join(map(str, named)) or None
