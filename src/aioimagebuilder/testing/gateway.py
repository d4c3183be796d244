"""The service's front door: rate limit, faults, the call itself, and its answer as bytes."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .controller import CallRecord, Control
from .faults import WIRE_KINDS, Fault, drop_rows, replace_status
from .service.errors import ServiceError, SimulatorBugError
from .service.validation import error_status
from .simulation.state_history import Members

_LONG = 3600.0
_ERROR_KINDS = frozenset({"throttle", "throttle_bare", "error", "not_found_yet"})
_IDENTIFIERS = (
    "workflowExecutionId",
    "stepExecutionId",
    "lifecycleExecutionId",
    "imageBuildVersionArn",
    "imageVersionArn",
    "resourceArn",
    "imagePipelineArn",
)
_THROTTLED = "The request was denied because the call rate limit was exceeded. Retry with increasing delay."


@dataclass(frozen=True, kw_only=True)
class WireAnswer:
    """An answer as it goes over the wire.

    Args:
        status: HTTP status.
        body: The body.
        headers: Its headers.
        code: The error code, if it is an error.
        disturbance: ``reset``, ``truncate`` or ``hang``: what the connection does instead.
        delay: Real seconds until it goes out.
    """

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str | None = None
    disturbance: str | None = None
    delay: float = 0.0


def answer(control: Control, operation: str, params: Members, *, account_id: str, region: str) -> WireAnswer:
    """Answer this call as the caller shall see it, and record it."""
    if control.admits(account_id):
        made = _answer(control, operation, params, account_id, region)
    else:
        made = error("CallRateLimitExceededException", _THROTTLED)
    control.record(
        CallRecord(
            operation=operation,
            identifier=next((str(params[name]) for name in _IDENTIFIERS if name in params), None),
            parameters=params,
            status=0 if made.disturbance in ("reset", "hang") else made.status,
            code=made.code,
            at=time.time(),
        )
    )
    return replace(made, headers={**made.headers, "x-amzn-RequestId": str(uuid.uuid4())})


def error(code: str, message: str, status: int | None = None) -> WireAnswer:
    """Get an error in the service's own form."""
    body = json.dumps({"__type": code, "message": message}).encode()
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
    return WireAnswer(status=status or error_status(code), body=body, headers=headers, code=code)


def _answer(control: Control, operation: str, params: Members, account_id: str, region: str) -> WireAnswer:
    with control.lock:
        faults = control.faults.hitting(operation, params)
    kinds = {fault.kind: fault for fault in reversed(faults)}
    delay = sum(fault.seconds or 0.0 for fault in faults if fault.kind == "delay")
    lost = next((fault for fault in faults if fault.kind in _ERROR_KINDS | {"reset", "hang"}), None)
    if lost is not None and not lost.performed:
        return _lost(lost, delay)
    lag = kinds["stale"].lag if "stale" in kinds and operation.startswith(("Get", "List")) else 0.0
    try:
        members = control.perform(operation, params, account_id=account_id, region=region, lag=lag)
    except ServiceError as refused:
        return error(refused.code, refused.message)
    except SimulatorBugError as bug:
        return error("SimulatorBug", str(bug), 500)
    if lost is not None:
        return _lost(lost, delay)
    return _sent(_disturbed(members, faults, params), kinds, delay)


def _disturbed(members: Members, faults: list[Fault], params: Members) -> Members:
    for fault in faults:
        if fault.kind == "missing_rows":
            members = drop_rows(members, fault)
        elif fault.kind == "unknown_status":
            members = replace_status(members, fault)
        elif fault.kind == "repeat_token" and "nextToken" in params:
            members = {**members, "nextToken": params["nextToken"]}
    return members


def _sent(members: Members, kinds: Mapping[str, Fault], delay: float) -> WireAnswer:
    headers = {"Content-Type": "application/json"}
    if "garbage" in kinds:
        body = kinds["garbage"].body or "<<< this is no JSON >>>"
        return WireAnswer(body=body.encode(), headers=headers, delay=delay)
    body = json.dumps(members, separators=(",", ":"))
    disturbance = "truncate" if "truncate" in kinds else None
    return WireAnswer(body=body.encode(), headers=headers, delay=delay, disturbance=disturbance)


def _lost(fault: Fault, delay: float) -> WireAnswer:
    if fault.kind in WIRE_KINDS:
        wait = (fault.seconds or _LONG) if fault.kind == "hang" else 0.0
        return WireAnswer(disturbance=fault.kind, delay=delay + wait)
    if fault.kind == "throttle_bare":
        return WireAnswer(status=429, body=b"", delay=delay)
    if fault.kind == "error" and fault.body is not None:
        return WireAnswer(
            status=fault.status, body=fault.body.encode(), headers={"Content-Type": "text/html"}, delay=delay
        )
    codes = {
        "throttle": ("CallRateLimitExceededException", _THROTTLED, None),
        "not_found_yet": ("ResourceNotFoundException", "The resource cannot be found.", None),
    }
    made = error(*codes.get(fault.kind, (fault.code, fault.message, fault.status)))
    return WireAnswer(status=made.status, body=made.body, headers=made.headers, code=made.code, delay=delay)
