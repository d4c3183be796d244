"""HTTP routes that control a simulator from another process.

All bodies are JSON objects. ``GET /_simulator/`` lists the routes with what each takes. Errors have the
status 400, 403 or 404 and the body ``{"message": …}``.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from http import HTTPStatus
from typing import Any, get_args, get_origin
from urllib.parse import parse_qs

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from .checks import AnyJson, Burst, Rate, Seconds, TimeScale, check, describe, restore
from .imagebuilder.controller import Control
from .imagebuilder.errors import ServiceError
from .imagebuilder.faults import Fault
from .json_objects import parse_object
from .scripts import Json
from .simulation.state_history import Members

PREFIX = "/_simulator/"
"""The prefix of every control route."""

MAX_BODY_LENGTH = 4 * 1024 * 1024
"""The number of bytes that the body of a request to a control route may have."""

_UNSET: Any = ...
"""The default of a member without which a route leaves something as it is."""


@dataclass
class Route:
    """A control route.

    Args:
        method: HTTP method.
        path: Path after the prefix.
        summary: What it does, in one phrase.
        handler: What it calls, with the control and the members of the request.
        returns: The members of the response: what the handler returns, or each item of a tuple.
        takes: The members of the request; by default the parameters of the handler.
    """

    method: str
    path: str
    summary: str
    handler: Callable[..., object]
    returns: tuple[str, ...] = ()
    takes: Mapping[str, inspect.Parameter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.takes = self.takes or _parameters_of(self.handler)


def is_control_request(environ: Mapping[str, Any]) -> bool:
    """Return whether a request is for a control route."""
    path: str = environ["PATH_INFO"]
    return f"{path}/".startswith(PREFIX)


def serve_control(control: Control, environ: Mapping[str, Any]) -> Response:
    """Handle a request to a control route."""
    try:
        return make_json_response(HTTPStatus.OK, _respond(control, environ))
    except NotFound as error:
        return make_json_response(HTTPStatus.NOT_FOUND, {"message": error.description})
    except (ServiceError, TypeError, ValueError) as error:
        return make_json_response(HTTPStatus.BAD_REQUEST, {"message": str(error)})


def make_json_response(status: HTTPStatus, content: Members) -> Response:
    """Return a response with a JSON object."""
    return Response(json.dumps(content), status, content_type="application/json")


def _respond(control: Control, environ: Mapping[str, Any]) -> Members:
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    route = ROUTES.get((method, f"{path}/".removeprefix(PREFIX).rstrip("/")))
    if route is None:
        raise NotFound(f"there is no route {method} {path}; GET {PREFIX} lists the routes")
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    sent = {name: values[-1] for name, values in query.items()}
    request = _parse_request(route, {**sent, **parse_object(environ["wsgi.input"].read())})
    result = route.handler(control, **request)
    return dict(zip(route.returns, result if isinstance(result, tuple) else (result,), strict=False))


def _parse_request(route: Route, request: Members) -> Members:
    for name in request.keys() - route.takes.keys():
        known = ", ".join(route.takes) or "nothing"
        raise TypeError(f"unknown member {name!r}; {route.method} {PREFIX}{route.path} takes {known}")
    for name, member in route.takes.items():
        hint = member.annotation
        if name in request:
            check(name, request[name], Mapping[str, AnyJson] if is_dataclass(hint) else hint)
            request[name] = restore(request[name], hint)
        elif member.default is member.empty:
            raise TypeError(f"the member {name!r} is missing")
    return request


def _parameters_of(function: Callable[..., object]) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a function, or of a dataclass, that can be members of a request."""
    parameters = inspect.signature(function, eval_str=True, locals={"Json": AnyJson}).parameters
    return {
        name: parameter
        for name, parameter in parameters.items()
        if parameter.annotation not in (parameter.empty, Control) and parameter.kind != parameter.VAR_KEYWORD
    }


def _describe_members(members: Mapping[str, inspect.Parameter]) -> Members:
    return {name: _describe_member(member) for name, member in members.items()}


def _describe_member(member: inspect.Parameter) -> Json | Members:
    hint, default = member.annotation, member.default
    script = next((each for each in (hint, *get_args(hint)) if is_dataclass(each)), None)
    if isinstance(script, type):
        members = _describe_members(_parameters_of(script))
        return {"<name>": members} if get_origin(hint) is Mapping else members
    text = describe(hint).replace("None", "null")
    if default is member.empty:
        return f"{text}; required"
    if isinstance(default, str | int | float | tuple | dict | None):
        return f"{text}; default {json.dumps(default)}"
    return text


def _list_routes(_: Control) -> list[Members]:
    return [
        {
            "route": f"{route.method} {PREFIX}{route.path}",
            "summary": route.summary,
            "takes": _describe_members(route.takes),
            "returns": list(route.returns),
        }
        for route in ROUTES.values()
    ]


def _get_config(control: Control) -> tuple[object, ...]:
    return control.time_scale, control.rate_limit, control.burst, control.now()


def _set_config(
    control: Control,
    time_scale: TimeScale = _UNSET,
    rate_limit: Rate | None = _UNSET,
    burst: Burst | None = None,
) -> tuple[object, ...]:
    if burst is not None and rate_limit is _UNSET:
        raise ValueError("burst needs rate_limit")
    if time_scale is not _UNSET:
        control.set_time_scale(time_scale)
    if rate_limit is not _UNSET:
        control.set_rate_limit(rate_limit, burst=burst)
    return _get_config(control)


def _add_execution(control: Control, *, members: Members | None = None, **request: Any) -> str:  # noqa: ANN401
    members = members or {}
    for name in members.keys() & {"self", *_EXECUTION}:
        raise ValueError(
            f"the execution has no member {name!r}: members are those of the service's responses"
        )
    return control.add_execution(**request, **members)


def _run_lifecycle_policy(control: Control, policy: str, **request: Any) -> str:  # noqa: ANN401
    return control.run_lifecycle_policy(policy, **request)


def _list_faults(control: Control) -> list[Members]:
    with control.lock:
        return [asdict(fault) for fault in control.faults.active]


def _inject_fault(control: Control, **request: Any) -> None:  # noqa: ANN401
    control.inject(Fault(**request))


def _advance(control: Control, seconds: Seconds) -> float:
    control.advance(seconds)
    return control.now()


def _list_calls(control: Control, operation: str | None = None) -> tuple[list[Members], int]:
    calls = [asdict(call) for call in control.calls if operation in (None, call.operation)]
    return calls, control.call_count(operation)


def _reset(control: Control) -> None:
    control.reset()


_SETTINGS = ("time_scale", "rate_limit", "burst", "now")
_EXECUTION = _parameters_of(Control.add_execution)
_MEMBERS = inspect.Parameter(
    "members", inspect.Parameter.KEYWORD_ONLY, default={}, annotation=Mapping[str, AnyJson]
)
_LIFECYCLE_RUN = dict(_parameters_of(Control.run_lifecycle_policy))

_ROUTES = (
    Route("GET", "", "lists the routes", _list_routes, ("routes",)),
    Route("GET", "config", "returns the settings and the simulated time", _get_config, _SETTINGS),
    Route(
        "PUT",
        "config",
        "changes the settings that are given; a rate limit of null removes the limit",
        _set_config,
        _SETTINGS,
    ),
    Route(
        "POST",
        "scripts",
        "queues a script for the next build, or sets that of all builds without another",
        Control.script,
    ),
    Route(
        "POST",
        "executions",
        "adds an execution that follows a schedule of statuses and seconds",
        _add_execution,
        ("id",),
        {**_EXECUTION, "members": _MEMBERS},
    ),
    Route(
        "POST",
        "pipelines",
        "creates a pipeline with its resources",
        Control.create_pipeline,
        ("imagePipelineArn",),
    ),
    Route(
        "POST",
        "lifecycle-runs",
        "runs a lifecycle policy, given by its ARN",
        _run_lifecycle_policy,
        ("id",),
        {"policy": _LIFECYCLE_RUN.pop("policy_arn"), **_LIFECYCLE_RUN},
    ),
    Route("GET", "faults", "returns the faults that have not expired", _list_faults, ("faults",)),
    Route("POST", "faults", "injects a fault", _inject_fault, takes=_parameters_of(Fault)),
    Route("DELETE", "faults", "removes all faults", Control.clear_faults),
    Route("POST", "advance", "advances the clock", _advance, ("now",)),
    Route(
        "GET",
        "calls",
        "returns the recorded calls, of one operation if it is given",
        _list_calls,
        ("calls", "count"),
    ),
    Route("DELETE", "calls", "clears the recorded calls", Control.reset_calls),
    Route("POST", "reset", "discards all state, including that of moto's other services", _reset),
)
ROUTES: Mapping[tuple[str, str], Route] = {(route.method, route.path): route for route in _ROUTES}
"""The routes by HTTP method and path after the prefix."""
