"""The entry point of calls: rate limit, faults, the operation, and its response as bytes.

The operations of CloudWatch Logs are moto's; its calls have only faults and records here.
"""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from ..json_objects import parse_object
from ..simulation.state_history import Members
from .controller import CallRecord, Control
from .errors import ServiceError, SimulatorBugError
from .faults import Fault, drop_rows, replace_status
from .validation import error_status

_DEFAULT_HANG_SECONDS = 3600.0
_FAILURES = frozenset({"throttle", "throttle_bare", "error", "not_found_yet", "reset", "hang"})
_IDENTIFIERS = (
    "workflowExecutionId",
    "stepExecutionId",
    "lifecycleExecutionId",
    "imageBuildVersionArn",
    "imageVersionArn",
    "resourceArn",
    "imagePipelineArn",
)
_THROTTLED = ServiceError(
    "CallRateLimitExceededException",
    "The request was denied because the call rate limit was exceeded. Retry with increasing delay.",
)
_LOGS_THROTTLED = ServiceError("ThrottlingException", "Rate exceeded", 400)
_NOT_FOUND = ServiceError("ResourceNotFoundException", "The resource cannot be found.")

CONNECTION_FAULT_HEADER = "x-simulator-connection-fault"
"""Internal header that asks the server to break the connection instead of responding."""


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

    @property
    def sent_headers(self) -> dict[str, str]:
        """The headers, with the internal one for what happens to the connection."""
        fault = {CONNECTION_FAULT_HEADER: self.connection_fault} if self.connection_fault else {}
        return {**self.headers, **fault}


def handle_call(
    control: Control, operation: str, params: Members, *, account_id: str, region: str
) -> WireResponse:
    """Return the response to a call, with faults applied, and record the call."""
    with control.lock:
        is_admitted = control.admits(account_id)
        faults = control.faults.match(operation, params) if is_admitted else []
    perform = partial(_perform, control, operation, params, account_id, region, faults)
    response = _apply_faults(faults, perform, _THROTTLED) if is_admitted else error_response(_THROTTLED)
    identifier = next((str(params[name]) for name in _IDENTIFIERS if name in params), None)
    _record(control, operation, identifier, params, response)
    return replace(response, headers={**response.headers, "x-amzn-RequestId": str(uuid.uuid4())})


def handle_logs_call(
    control: Control, target: str, body: bytes, perform: Callable[[], WireResponse]
) -> WireResponse:
    """Return the response to a CloudWatch Logs call, with faults applied, and record the call.

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
    response = _apply_faults(faults, perform, _LOGS_THROTTLED)
    names = [str(params[name]) for name in ("logGroupName", "logStreamName") if name in params]
    _record(control, operation, " ".join(names) or None, params, response, "logs")
    return response


def _apply_faults(
    faults: Sequence[Fault], perform: Callable[[], WireResponse], throttled: ServiceError
) -> WireResponse:
    """Perform a call unless a fault prevents it, and return its response, or that of the fault.

    Args:
        faults: The faults that apply to the call.
        perform: Performs the call.
        throttled: The service's error for too many calls.
    """
    failure = next((fault for fault in faults if fault.kind in _FAILURES), None)
    response = WireResponse()
    if failure is None or failure.performed:
        response = perform()
    if failure is not None and response.code is None:
        response = _fail(failure, throttled)
    delay = sum(fault.seconds or 0.0 for fault in faults if fault.kind == "delay")
    return replace(response, delay=response.delay + delay)


def _record(
    control: Control,
    operation: str,
    identifier: str | None,
    parameters: Members,
    response: WireResponse,
    service: str = "imagebuilder",
) -> None:
    """Record a call with its response."""
    control.record(
        CallRecord(
            operation=operation,
            identifier=identifier,
            parameters=parameters,
            status=0 if response.connection_fault in ("reset", "hang") else response.status,
            code=response.code,
            at=time.time(),
            service=service,
        )
    )


def error_response(error: ServiceError) -> WireResponse:
    """Return an error in the service's wire format."""
    body = json.dumps({"__type": error.code, "message": error.message}).encode()
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": error.code}
    status = error.status or error_status(error.code)
    return WireResponse(status=status, body=body, headers=headers, code=error.code)


def _perform(
    control: Control, operation: str, params: Members, account_id: str, region: str, faults: Sequence[Fault]
) -> WireResponse:
    kinds = {fault.kind: fault for fault in reversed(faults)}
    lag = kinds["stale"].lag if "stale" in kinds and operation.startswith(("Get", "List")) else 0.0
    try:
        members = control.perform(operation, params, account_id=account_id, region=region, lag=lag)
    except ServiceError as error:
        return error_response(error)
    except SimulatorBugError as bug:
        # Not a 500: every SDK retries that for seconds, and a waiter until its deadline.
        return error_response(ServiceError("SimulatorBug", f"simulator bug: {bug}", 501))
    body = json.dumps(_apply_content_faults(members, faults, params), separators=(",", ":"))
    if "garbage" in kinds:
        body = kinds["garbage"].body or "<<< this is not JSON >>>"
    headers = {"Content-Type": "application/json"}
    connection_fault = "truncate" if "truncate" in kinds and "garbage" not in kinds else None
    return WireResponse(body=body.encode(), headers=headers, connection_fault=connection_fault)


def _apply_content_faults(members: Members, faults: Sequence[Fault], params: Members) -> Members:
    for fault in faults:
        if fault.kind == "missing_rows":
            members = drop_rows(members, fault)
        elif fault.kind == "unknown_status":
            members = replace_status(members, fault)
        elif fault.kind == "repeat_token" and "nextToken" in params:
            members = {**members, "nextToken": params["nextToken"]}
    return members


def _fail(fault: Fault, throttled: ServiceError) -> WireResponse:
    """Return the response that a fault causes in place of the service's."""
    errors = {"throttle": throttled, "not_found_yet": _NOT_FOUND}
    match fault.kind:
        case "reset":
            return WireResponse(connection_fault="reset")
        case "hang":
            seconds = _DEFAULT_HANG_SECONDS if fault.seconds is None else fault.seconds
            return WireResponse(connection_fault="hang", delay=seconds)
        case "throttle_bare":
            return WireResponse(status=429, body=b"")
        case "error" if fault.body is not None:
            headers = {"Content-Type": "text/html"}
            return WireResponse(status=fault.status, body=fault.body.encode(), headers=headers)
    return error_response(errors.get(fault.kind) or ServiceError(fault.code, fault.message, fault.status))
