"""The entry point of Image Builder calls: rate limit, faults, the operation, and its response as bytes."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..simulation.state_history import Members
from .controller import CallRecord, Control
from .errors import ServiceError, SimulatorBugError
from .faults import CONNECTION_KINDS, Fault, drop_rows, replace_status
from .validation import error_status

_DEFAULT_HANG_SECONDS = 3600.0
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
class WireResponse:
    """A response as it goes over the wire.

    Args:
        status: HTTP status.
        body: The body.
        headers: The headers.
        code: Error code, if the response is an error.
        connection_fault: ``reset``, ``truncate`` or ``hang``: what happens to the connection instead.
        delay: Delay of the response in real seconds.
    """

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str | None = None
    connection_fault: str | None = None
    delay: float = 0.0


def handle_call(
    control: Control, operation: str, params: Members, *, account_id: str, region: str
) -> WireResponse:
    """Return the response to a call, with faults applied, and record the call."""
    if control.admits(account_id):
        response = _perform(control, operation, params, account_id, region)
    else:
        response = error_response("CallRateLimitExceededException", _THROTTLED)
    control.record(
        CallRecord(
            operation=operation,
            identifier=next((str(params[name]) for name in _IDENTIFIERS if name in params), None),
            parameters=params,
            status=0 if response.connection_fault in ("reset", "hang") else response.status,
            code=response.code,
            at=time.time(),
        )
    )
    return replace(response, headers={**response.headers, "x-amzn-RequestId": str(uuid.uuid4())})


def error_response(code: str, message: str, status: int | None = None) -> WireResponse:
    """Return an error in the service's wire format."""
    body = json.dumps({"__type": code, "message": message}).encode()
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
    return WireResponse(status=status or error_status(code), body=body, headers=headers, code=code)


def _perform(control: Control, operation: str, params: Members, account_id: str, region: str) -> WireResponse:
    with control.lock:
        faults = control.faults.match(operation, params)
    kinds = {fault.kind: fault for fault in reversed(faults)}
    delay = sum(fault.seconds or 0.0 for fault in faults if fault.kind == "delay")
    failure = next((fault for fault in faults if fault.kind in _ERROR_KINDS | {"reset", "hang"}), None)
    if failure is not None and not failure.performed:
        return fault_response(failure, delay)
    lag = kinds["stale"].lag if "stale" in kinds and operation.startswith(("Get", "List")) else 0.0
    try:
        members = control.perform(operation, params, account_id=account_id, region=region, lag=lag)
    except ServiceError as error:
        return error_response(error.code, error.message, error.status)
    except SimulatorBugError as bug:
        # Not a 500: every SDK retries that for seconds, and a waiter until its deadline.
        return error_response("SimulatorBug", f"simulator bug: {bug}", 501)
    if failure is not None:
        return fault_response(failure, delay)
    return _success_response(_apply_content_faults(members, faults, params), kinds, delay)


def _apply_content_faults(members: Members, faults: list[Fault], params: Members) -> Members:
    for fault in faults:
        if fault.kind == "missing_rows":
            members = drop_rows(members, fault)
        elif fault.kind == "unknown_status":
            members = replace_status(members, fault)
        elif fault.kind == "repeat_token" and "nextToken" in params:
            members = {**members, "nextToken": params["nextToken"]}
    return members


def _success_response(members: Members, kinds: Mapping[str, Fault], delay: float) -> WireResponse:
    headers = {"Content-Type": "application/json"}
    if "garbage" in kinds:
        garbage = kinds["garbage"].body or "<<< this is not JSON >>>"
        return WireResponse(body=garbage.encode(), headers=headers, delay=delay)
    body = json.dumps(members, separators=(",", ":"))
    connection_fault = "truncate" if "truncate" in kinds else None
    return WireResponse(body=body.encode(), headers=headers, delay=delay, connection_fault=connection_fault)


def fault_response(fault: Fault, delay: float, throttled: WireResponse | None = None) -> WireResponse:
    """Return the response that a fault causes in place of the service's, after a delay in real seconds."""
    if fault.kind in CONNECTION_KINDS:
        hang = (
            (_DEFAULT_HANG_SECONDS if fault.seconds is None else fault.seconds)
            if fault.kind == "hang"
            else 0.0
        )
        return WireResponse(connection_fault=fault.kind, delay=delay + hang)
    if fault.kind == "throttle_bare":
        return WireResponse(status=429, body=b"", delay=delay)
    if fault.kind == "error" and fault.body is not None:
        return WireResponse(
            status=fault.status, body=fault.body.encode(), headers={"Content-Type": "text/html"}, delay=delay
        )
    if fault.kind == "throttle":
        response = throttled or error_response("CallRateLimitExceededException", _THROTTLED)
    elif fault.kind == "not_found_yet":
        response = error_response("ResourceNotFoundException", "The resource cannot be found.")
    else:
        response = error_response(fault.code, fault.message, fault.status)
    return replace(response, delay=delay)
