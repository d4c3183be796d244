"""HTTP routes that control a simulator from another process.

All bodies are JSON objects. Errors have status 400 or 404 and the body ``{"message": …}``.

| route | request or effect | response |
|---|---|---|
| ``GET /_simulator/config`` | | ``{"time_scale", "rate_limit", "burst", "now"}`` |
| ``PUT /_simulator/config`` | any of ``time_scale`` and ``rate_limit`` (with ``burst``) | as for GET |
| ``POST /_simulator/scripts`` | ``{"script": {…}, "recipe": name, "default": bool}``: see `BuildScript` | |
| ``POST /_simulator/executions`` | ``{"kind", "schedule": [[status, seconds]…], "members"}`` | ``{"id"}`` |
| ``POST /_simulator/pipelines`` | keywords of `Simulator.create_pipeline` | ``{"imagePipelineArn"}`` |
| ``POST /_simulator/lifecycle-runs`` | ``{"policy": ARN, …}`` | ``{"id"}`` |
| ``GET /_simulator/faults`` | | ``{"faults": […]}`` that have not expired |
| ``POST /_simulator/faults`` | a fault to inject: see `Fault` | |
| ``DELETE /_simulator/faults`` | removes all faults | |
| ``POST /_simulator/advance`` | ``{"seconds": …}`` | ``{"now"}`` |
| ``GET /_simulator/calls`` | ``?operation=`` selects an operation | ``{"calls": […], "count": n}`` |
| ``DELETE /_simulator/calls`` | clears the recorded calls | |
| ``POST /_simulator/reset`` | discards the simulator's state | |
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qs

from .controller import Control
from .faults import Fault
from .scripts import BuildScript
from .service.errors import ServiceError
from .simulation.state_history import Members

PREFIX = "/_simulator/"
"""The prefix of every control route."""

Handler = Callable[[Control, Members], Members]
"""(control, body and query) to the response."""


def serve_control(
    control: Control, environ: Mapping[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    """Handle a request to a control route."""
    status, response = _respond(control, environ)
    body = json.dumps(response).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def _respond(control: Control, environ: Mapping[str, Any]) -> tuple[str, Members]:
    handler = ROUTES.get((environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix(PREFIX)))
    if handler is None:
        return "404 Not Found", {"message": f"there is no route {environ['PATH_INFO']}"}
    try:
        return "200 OK", handler(control, _parse_request(environ))
    except ServiceError as error:
        return "400 Bad Request", {"message": str(error)}
    except (KeyError, TypeError, ValueError) as error:
        return "400 Bad Request", {"message": f"{type(error).__name__}: {error}"}


def _parse_request(environ: Mapping[str, Any]) -> Members:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    query = {name: values[-1] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
    body = json.loads(environ["wsgi.input"].read(length)) if length else {}
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004
    return {**query, **body}


def _get_config(control: Control, _: Members) -> Members:
    return {
        "time_scale": control.time_scale,
        "rate_limit": control.rate_limit,
        "burst": control.burst,
        "now": control.now(),
    }


def _set_config(control: Control, request: Members) -> Members:
    if "time_scale" in request:
        control.set_time_scale(request["time_scale"])
    if "rate_limit" in request:
        control.set_rate_limit(request["rate_limit"], burst=request.get("burst"))
    return _get_config(control, {})


def _add_script(control: Control, request: Members) -> Members:
    script = BuildScript(**request["script"])
    control.script(script, recipe=request.get("recipe"), default=request.get("default", False))
    return {}


def _add_execution(control: Control, request: Members) -> Members:
    location = {name: request[name] for name in ("region_name", "account_id") if name in request}
    schedule = [(status, seconds) for status, seconds in request["schedule"]]
    return {"id": control.add_execution(request["kind"], schedule, **location, **request.get("members", {}))}


def _create_pipeline(control: Control, request: Members) -> Members:
    return {"imagePipelineArn": control.create_pipeline(**request)}


def _run_lifecycle_policy(control: Control, request: Members) -> Members:
    request = dict(request)
    return {"id": control.run_lifecycle_policy(request.pop("policy"), **request)}


def _list_faults(control: Control, _: Members) -> Members:
    return {"faults": [asdict(fault) for fault in control.faults.active]}


def _inject_fault(control: Control, request: Members) -> Members:
    control.inject(Fault(**request))
    return {}


def _clear_faults(control: Control, _: Members) -> Members:
    control.clear_faults()
    return {}


def _advance(control: Control, request: Members) -> Members:
    control.advance(request["seconds"])
    return {"now": control.now()}


def _list_calls(control: Control, request: Members) -> Members:
    operation = request.get("operation")
    calls = [asdict(call) for call in control.calls if operation in (None, call.operation)]
    return {"calls": calls, "count": control.call_count(operation)}


def _reset_calls(control: Control, _: Members) -> Members:
    control.reset_calls()
    return {}


def _reset(control: Control, _: Members) -> Members:
    control.reset()
    return {}


ROUTES: Mapping[tuple[str, str], Handler] = {
    ("GET", "config"): _get_config,
    ("PUT", "config"): _set_config,
    ("POST", "scripts"): _add_script,
    ("POST", "executions"): _add_execution,
    ("POST", "pipelines"): _create_pipeline,
    ("POST", "lifecycle-runs"): _run_lifecycle_policy,
    ("GET", "faults"): _list_faults,
    ("POST", "faults"): _inject_fault,
    ("DELETE", "faults"): _clear_faults,
    ("POST", "advance"): _advance,
    ("GET", "calls"): _list_calls,
    ("DELETE", "calls"): _reset_calls,
    ("POST", "reset"): _reset,
}
"""Handlers by (HTTP method, path after the prefix)."""
