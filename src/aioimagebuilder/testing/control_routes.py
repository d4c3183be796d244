"""HTTP routes that control a simulator from another process.

All bodies are JSON objects. ``GET /_simulator/`` lists the routes with what each takes. Errors have the
status 400, 403 or 404 and the body ``{"message": …}``.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from functools import cache
from http import HTTPStatus
from typing import Any, get_args, get_origin
from urllib.parse import parse_qs

from .checks import AnyJson, Burst, Rate, TimeScale, check, describe, hints_of
from .imagebuilder.controller import Control
from .imagebuilder.errors import ServiceError
from .imagebuilder.faults import Fault
from .json_objects import parse_object
from .scripts import BuildScript, Json
from .simulation.state_history import Members

PREFIX = "/_simulator/"
"""The prefix of every control route."""

MAX_BODY_LENGTH = 4 * 1024 * 1024
"""The number of bytes that the body of a request to a control route may have."""

_REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True)
class Member:
    """A member of a request: its annotation, and its default, or ``...`` if it is optional without one."""

    hint: object
    default: object = _REQUIRED


@dataclass(frozen=True)
class Route:
    """A control route.

    Args:
        method: HTTP method.
        path: Path after the prefix.
        summary: What it does, in one phrase.
        handler: (control, request) to the response.
        takes: The members of the request.
        returns: The members of the response.
    """

    method: str
    path: str
    summary: str
    handler: Callable[[Control, Members], Members | None]
    takes: Mapping[str, Member] = field(default_factory=dict)
    returns: tuple[str, ...] = ()


class _UnknownRouteError(Exception):
    """A request to a route that does not exist."""


def is_control_request(environ: Mapping[str, Any]) -> bool:
    """Return whether a request is for a control route."""
    path: str = environ["PATH_INFO"]
    return f"{path}/".startswith(PREFIX)


def serve_control(
    control: Control, environ: Mapping[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    """Handle a request to a control route."""
    try:
        status, response = HTTPStatus.OK, _respond(control, environ)
    except _UnknownRouteError as error:
        status, response = HTTPStatus.NOT_FOUND, {"message": str(error)}
    except (ServiceError, TypeError, ValueError) as error:
        status, response = HTTPStatus.BAD_REQUEST, {"message": str(error)}
    return send_json(status, response, start_response)


def send_json(status: HTTPStatus, response: Members, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Send a JSON object."""
    body = json.dumps(response).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(f"{status} {status.phrase}", headers)
    return [body]


def _respond(control: Control, environ: Mapping[str, Any]) -> Members:
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    route = ROUTES.get((method, f"{path}/".removeprefix(PREFIX).rstrip("/")))
    if route is None:
        raise _UnknownRouteError(f"there is no route {method} {path}; GET {PREFIX} lists the routes")
    request = parse_object(environ["wsgi.input"].read())
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    request = {**{name: values[-1] for name, values in query.items()}, **request}
    _check_request(route, request)
    return route.handler(control, request) or {}


def _check_request(route: Route, request: Members) -> None:
    for name in request.keys() - route.takes.keys():
        known = ", ".join(route.takes) or "nothing"
        raise TypeError(f"unknown member {name!r}; {route.method} {PREFIX}{route.path} takes {known}")
    for name, member in route.takes.items():
        if name in request:
            check(name, request[name], Mapping[str, AnyJson] if is_dataclass(member.hint) else member.hint)
        elif member.default is _REQUIRED:
            raise TypeError(f"the member {name!r} is missing")


@cache
def _members_of(function: Callable[..., object]) -> Mapping[str, Member]:
    """Return the parameters of a function, or of a dataclass, as members of a request."""
    hints = hints_of(function)
    return {
        name: Member(hints[name], parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if name in hints and parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }


def describe_routes() -> list[Members]:
    """Return every route with what it does, takes and returns."""
    return [
        {
            "route": f"{route.method} {PREFIX}{route.path}",
            "summary": route.summary,
            "takes": _describe_members(route.takes),
            "returns": list(route.returns),
        }
        for route in ROUTES.values()
    ]


def _describe_members(members: Mapping[str, Member]) -> Members:
    return {name: _describe_member(member) for name, member in members.items()}


def _describe_member(member: Member) -> Json | Members:
    script = next((each for each in (member.hint, *get_args(member.hint)) if is_dataclass(each)), None)
    if isinstance(script, type):
        members = _describe_members(_members_of(script))
        return {"<name>": members} if get_origin(member.hint) is Mapping else members
    text = describe(member.hint).replace("None", "null")
    if member.default is _REQUIRED:
        return f"{text}; required"
    if isinstance(member.default, str | int | float | tuple | dict | None):
        return f"{text}; default {json.dumps(member.default)}"
    return text


def _list_routes(_: Control, __: Members) -> Members:
    return {"routes": describe_routes()}


def _get_config(control: Control, _: Members) -> Members:
    return {
        "time_scale": control.time_scale,
        "rate_limit": control.rate_limit,
        "burst": control.burst,
        "now": control.now(),
    }


def _set_config(control: Control, request: Members) -> Members:
    if "burst" in request and "rate_limit" not in request:
        raise ValueError("burst needs rate_limit")
    if "time_scale" in request:
        control.set_time_scale(request["time_scale"])
    if "rate_limit" in request:
        control.set_rate_limit(request["rate_limit"], burst=request.get("burst"))
    return _get_config(control, {})


def _add_script(control: Control, request: Members) -> None:
    control.script(BuildScript(**request.pop("script")), **request)


def _add_execution(control: Control, request: Members) -> Members:
    members = request.pop("members", {})
    for name in members.keys() & {"self", *_EXECUTION_MEMBERS}:
        raise ValueError(
            f"the execution has no member {name!r}: members are those of the service's responses"
        )
    return {"id": control.add_execution(**request, **members)}


def _create_pipeline(control: Control, request: Members) -> Members:
    return {"imagePipelineArn": control.create_pipeline(**request)}


def _run_lifecycle_policy(control: Control, request: Members) -> Members:
    return {"id": control.run_lifecycle_policy(request.pop("policy"), **request)}


def _list_faults(control: Control, _: Members) -> Members:
    with control.lock:
        return {"faults": [asdict(fault) for fault in control.faults.active]}


def _inject_fault(control: Control, request: Members) -> None:
    control.inject(Fault(**request))


def _clear_faults(control: Control, _: Members) -> None:
    control.clear_faults()


def _advance(control: Control, request: Members) -> Members:
    control.advance(request["seconds"])
    return {"now": control.now()}


def _list_calls(control: Control, request: Members) -> Members:
    operation = request.get("operation")
    calls = [asdict(call) for call in control.calls if operation in (None, call.operation)]
    return {"calls": calls, "count": control.call_count(operation)}


def _reset_calls(control: Control, _: Members) -> None:
    control.reset_calls()


def _reset(control: Control, _: Members) -> None:
    control.reset()


_SETTINGS = ("time_scale", "rate_limit", "burst", "now")
_PIPELINE_MEMBERS = _members_of(Control.create_pipeline)
_EXECUTION_MEMBERS = _members_of(Control.add_execution)
_LIFECYCLE_MEMBERS = dict(_members_of(Control.run_lifecycle_policy))

_ROUTES = (
    Route("GET", "", "lists the routes", _list_routes, returns=("routes",)),
    Route("GET", "config", "returns the settings and the simulated time", _get_config, returns=_SETTINGS),
    Route(
        "PUT",
        "config",
        "changes the settings that are given; a rate limit of null removes the limit",
        _set_config,
        {
            "time_scale": Member(TimeScale, ...),
            "rate_limit": Member(Rate | None, ...),
            "burst": Member(Burst | None, None),
        },
        _SETTINGS,
    ),
    Route(
        "POST",
        "scripts",
        "queues a script for the next build, or sets that of all builds without another",
        _add_script,
        {"script": Member(BuildScript), **_members_of(Control.script)},
    ),
    Route(
        "POST",
        "executions",
        "adds an execution that follows a schedule of statuses and seconds",
        _add_execution,
        {**_EXECUTION_MEMBERS, "members": Member(Mapping[str, AnyJson], {})},
        ("id",),
    ),
    Route(
        "POST",
        "pipelines",
        "creates a pipeline with its resources",
        _create_pipeline,
        _PIPELINE_MEMBERS,
        ("imagePipelineArn",),
    ),
    Route(
        "POST",
        "lifecycle-runs",
        "runs a lifecycle policy, given by its ARN",
        _run_lifecycle_policy,
        {"policy": _LIFECYCLE_MEMBERS.pop("policy_arn"), **_LIFECYCLE_MEMBERS},
        ("id",),
    ),
    Route("GET", "faults", "returns the faults that have not expired", _list_faults, returns=("faults",)),
    Route("POST", "faults", "injects a fault", _inject_fault, _members_of(Fault)),
    Route("DELETE", "faults", "removes all faults", _clear_faults),
    Route("POST", "advance", "advances the clock", _advance, _members_of(Control.advance), returns=("now",)),
    Route(
        "GET",
        "calls",
        "returns the recorded calls, of one operation if it is given",
        _list_calls,
        _members_of(Control.call_count),
        ("calls", "count"),
    ),
    Route("DELETE", "calls", "clears the recorded calls", _reset_calls),
    Route("POST", "reset", "discards all state, including that of moto's other services", _reset),
)
ROUTES: Mapping[tuple[str, str], Route] = {(route.method, route.path): route for route in _ROUTES}
"""The routes by HTTP method and path after the prefix."""
