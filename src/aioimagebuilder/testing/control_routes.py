"""The control of a simulator over HTTP, for processes that only know its address.

All bodies are JSON objects; an error answers 400 (or 404) with ``{"message": …}``.

| route | does |
|---|---|
| ``GET /_simulator/config`` | ``{"time_scale", "rate_limit", "burst", "now"}`` |
| ``PUT /_simulator/config`` | sets those of ``time_scale``, ``rate_limit`` (and ``burst``) that are given |
| ``POST /_simulator/scripts`` | ``{"script": {…}, "recipe": name, "default": bool}``: see `BuildScript` |
| ``POST /_simulator/executions`` | ``{"kind", "schedule": [[status, seconds]…], "members"}``; gives ``id`` |
| ``POST /_simulator/pipelines`` | keywords of `Simulator.create_pipeline`; gives ``{"imagePipelineArn"}`` |
| ``POST /_simulator/lifecycle-runs`` | ``{"policy": ARN, …}``; gives ``{"id"}`` |
| ``GET /_simulator/faults`` | ``{"faults": […]}`` that have not ended |
| ``POST /_simulator/faults`` | one fault: see `Fault` |
| ``DELETE /_simulator/faults`` | switches every fault off |
| ``POST /_simulator/advance`` | ``{"seconds": …}`` |
| ``GET /_simulator/calls`` | ``{"calls": […], "count": n}``; with ``?operation=`` only those |
| ``DELETE /_simulator/calls`` | forgets the calls |
| ``POST /_simulator/reset`` | forgets everything |
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
"""Every control route begins with this."""

Route = Callable[[Control, Members], Members]
"""(control, body or query) to the answer."""


def serve_control(
    control: Control, environ: Mapping[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    """Answer a request to a control route."""
    status, answer = _answer(control, environ)
    body = json.dumps(answer).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def _answer(control: Control, environ: Mapping[str, Any]) -> tuple[str, Members]:
    route = ROUTES.get((environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix(PREFIX)))
    if route is None:
        return "404 Not Found", {"message": f"there is no route {environ['PATH_INFO']}"}
    try:
        return "200 OK", route(control, _request(environ))
    except ServiceError as error:
        return "400 Bad Request", {"message": str(error)}
    except (KeyError, TypeError, ValueError) as error:
        return "400 Bad Request", {"message": f"{type(error).__name__}: {error}"}


def _request(environ: Mapping[str, Any]) -> Members:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    query = {name: values[-1] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
    body = json.loads(environ["wsgi.input"].read(length)) if length else {}
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004
    return {**query, **body}


def _config(control: Control, _: Members) -> Members:
    return {
        "time_scale": control.time_scale,
        "rate_limit": control.rate_limit,
        "burst": control.burst,
        "now": control.now(),
    }


def _configure(control: Control, request: Members) -> Members:
    if "time_scale" in request:
        control.set_time_scale(request["time_scale"])
    if "rate_limit" in request:
        control.set_rate_limit(request["rate_limit"], burst=request.get("burst"))
    return _config(control, {})


def _script(control: Control, request: Members) -> Members:
    script = BuildScript(**request["script"])
    control.script(script, recipe=request.get("recipe"), default=request.get("default", False))
    return {}


def _execution(control: Control, request: Members) -> Members:
    places = {name: request[name] for name in ("region_name", "account_id") if name in request}
    schedule = [(status, seconds) for status, seconds in request["schedule"]]
    return {"id": control.add_execution(request["kind"], schedule, **places, **request.get("members", {}))}


def _pipeline(control: Control, request: Members) -> Members:
    return {"imagePipelineArn": control.create_pipeline(**request)}


def _lifecycle_run(control: Control, request: Members) -> Members:
    request = dict(request)
    return {"id": control.run_lifecycle_policy(request.pop("policy"), **request)}


def _faults(control: Control, _: Members) -> Members:
    return {"faults": [asdict(fault) for fault in control.faults.active]}


def _inject(control: Control, request: Members) -> Members:
    control.inject(Fault(**request))
    return {}


def _clear_faults(control: Control, _: Members) -> Members:
    control.clear_faults()
    return {}


def _advance(control: Control, request: Members) -> Members:
    control.advance(request["seconds"])
    return {"now": control.now()}


def _calls(control: Control, request: Members) -> Members:
    operation = request.get("operation")
    calls = [asdict(call) for call in control.calls if operation in (None, call.operation)]
    return {"calls": calls, "count": control.call_count(operation)}


def _forget_calls(control: Control, _: Members) -> Members:
    control.reset_calls()
    return {}


def _reset(control: Control, _: Members) -> Members:
    control.reset()
    return {}


ROUTES: Mapping[tuple[str, str], Route] = {
    ("GET", "config"): _config,
    ("PUT", "config"): _configure,
    ("POST", "scripts"): _script,
    ("POST", "executions"): _execution,
    ("POST", "pipelines"): _pipeline,
    ("POST", "lifecycle-runs"): _lifecycle_run,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _inject,
    ("DELETE", "faults"): _clear_faults,
    ("POST", "advance"): _advance,
    ("GET", "calls"): _calls,
    ("DELETE", "calls"): _forget_calls,
    ("POST", "reset"): _reset,
}
"""(HTTP method, path after the prefix) to what serves it."""
