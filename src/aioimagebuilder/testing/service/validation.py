"""The service's own model as a judge: of requests as the service judges them, of answers without mercy.

One checker per shape, compiled once from botocore's service model. Patterns must match the whole text, as the
service's own checks do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from functools import lru_cache
from typing import Any

import botocore.session
from botocore.model import OperationModel, ServiceModel, Shape

from ..simulation.state_history import Members
from .errors import SimulatorBugError, invalid

Complaint = tuple[object, str, str]
"""(value, path, constraint)."""

Checker = Callable[[Any, str, list[Complaint]], None]

# The guide lets a gate wait for three days by default; the model's bound of a step's timeout is older.
_OUTGROWN = frozenset({"WorkflowStepTimeoutSecondsInteger"})
_SIZED = {
    "string": "length",
    "list": "length",
    "map": "length",
    "integer": "value",
    "long": "value",
    "float": "value",
}
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (int, float, str),
    "list": (list, tuple),
    "map": (dict,),
    "structure": (dict,),
}


@lru_cache(maxsize=1)
def service_model() -> ServiceModel:
    """Get botocore's model of imagebuilder."""
    return botocore.session.get_session().get_service_model("imagebuilder")


@lru_cache(maxsize=1)
def operations() -> Mapping[tuple[str, str], str]:
    """(HTTP method, path) to operation; a path with a parameter ends at it (``/tags/``)."""
    model = service_model()
    found = {}
    for name in model.operation_names:
        http = model.operation_model(name).http
        found[http["method"], http["requestUri"].partition("{")[0]] = name
    return found


@lru_cache(maxsize=256)
def operation(name: str) -> OperationModel:
    """Get the model of this operation."""
    return service_model().operation_model(name)


@lru_cache(maxsize=256)
def member_names(shape: str) -> frozenset[str]:
    """Names of the members of this structure."""
    return frozenset(service_model().shape_for(shape).members)


@lru_cache(maxsize=256)
def input_members(name: str) -> frozenset[str]:
    """Names of the members that a request for this operation has."""
    shape = operation(name).input_shape
    return frozenset(shape.members) if shape else frozenset()


@lru_cache(maxsize=256)
def output_members(name: str) -> frozenset[str]:
    """Names of the members that this operation answers with."""
    shape = operation(name).output_shape
    return frozenset(shape.members) if shape else frozenset()


@lru_cache(maxsize=64)
def error_status(code: str) -> int:
    """Get the HTTP status of an error code; 400 for one that the model lacks."""
    model = service_model()
    if code not in model.shape_names:
        return 400
    return int(model.shape_for(code).metadata.get("error", {}).get("httpStatusCode", 400))


def project(shape: str, members: Members) -> Members:
    """Those members that this structure has."""
    names = member_names(shape)
    return {name: value for name, value in members.items() if name in names}


def check_request(name: str, params: Members) -> None:
    """Refuse a request that the model does not allow.

    Raises:
        ServiceError: InvalidRequestException that names every member at fault.
    """
    shape = operation(name).input_shape
    if shape is not None:
        check_value(shape.name, params)


def check_value(shape: str, value: object, path: str = "") -> None:
    """Refuse a value of a request that is not what this shape of the model allows.

    Raises:
        ServiceError: InvalidRequestException that names every member at fault.
    """
    complaints: list[Complaint] = []
    _checker(shape, answers=False)(value, path, complaints)
    if complaints:
        count = len(complaints)
        texts = "; ".join(
            f"Value {_quoted(value)} at '{path}' failed to satisfy constraint: {constraint}"
            for value, path, constraint in complaints
        )
        raise invalid(f"{count} validation error{'s' * (count > 1)} detected: {texts}")


def check_answer(name: str, answer: Members, words: Container[str] = ()) -> None:
    """Refuse an answer that the model does not allow; statuses among the words are let through.

    Raises:
        SimulatorBugError: The simulator is wrong.
    """
    shape = operation(name).output_shape
    if shape is None:
        return
    complaints: list[Complaint] = []
    _checker(shape.name, answers=True)(answer, "", complaints)
    real = [each for each in complaints if not (_is_status(each[1]) and each[0] in words)]
    if real:
        texts = "; ".join(f"{path}={_quoted(value)}: {constraint}" for value, path, constraint in real)
        raise SimulatorBugError(f"simulator bug: the answer to {name} breaks the service's model: {texts}")


def _is_status(path: str) -> bool:
    return path.endswith(("status", "Status"))


def _quoted(value: object) -> str:
    return "null" if value is None else f"'{value}'"


@lru_cache(maxsize=2048)
def _checker(shape_name: str, *, answers: bool) -> Checker:
    shape = service_model().shape_for(shape_name)
    makers: Mapping[str, Callable[[Shape, bool], Checker]] = {
        "structure": _structure,
        "list": _list,
        "map": _map,
        "string": _string,
    }
    inner = makers.get(shape.type_name, _plain)(shape, answers)
    types = _TYPES[shape.type_name]
    numeric = bool not in types

    def check(value: Any, path: str, complaints: list[Complaint]) -> None:  # noqa: ANN401
        if not isinstance(value, types) or (numeric and isinstance(value, bool)):
            complaints.append((value, path, f"Member must be a {shape.type_name}"))
        else:
            inner(value, path, complaints)

    return check


def _structure(shape: Any, answers: bool) -> Checker:  # noqa: ANN401
    members = {name: _checker(member.name, answers=answers) for name, member in shape.members.items()}
    required = frozenset(shape.required_members)

    def check(value: Members, path: str, complaints: list[Complaint]) -> None:
        prefix = f"{path}." if path else ""
        missing = sorted(required - value.keys())
        complaints.extend((None, prefix + name, "Member must not be null") for name in missing)
        for name, item in value.items():
            checker = members.get(name)
            if checker is not None:
                checker(item, prefix + name, complaints)
            elif answers:
                complaints.append((item, prefix + name, "the model has no such member"))

    return check


def _list(shape: Any, answers: bool) -> Checker:  # noqa: ANN401
    inner = _checker(shape.member.name, answers=answers)
    size = _size(shape, answers)

    def check(value: list[Any], path: str, complaints: list[Complaint]) -> None:
        size(value, path, complaints)
        for place, item in enumerate(value, 1):
            inner(item, f"{path}.{place}.member", complaints)

    return check


def _map(shape: Any, answers: bool) -> Checker:  # noqa: ANN401
    key, inner = _checker(shape.key.name, answers=answers), _checker(shape.value.name, answers=answers)
    size = _size(shape, answers)

    def check(value: Members, path: str, complaints: list[Complaint]) -> None:
        size(value, path, complaints)
        for name, item in value.items():
            key(name, f"{path}.key", complaints)
            inner(item, f"{path}.{name}.value", complaints)

    return check


def _string(shape: Any, answers: bool) -> Checker:  # noqa: ANN401
    size = _size(shape, answers)
    words = frozenset(shape.enum)
    source = shape.metadata.get("pattern")
    pattern = re.compile(source) if source else None

    def check(value: str, path: str, complaints: list[Complaint]) -> None:
        size(value, path, complaints)
        if words and value not in words:
            allowed = ", ".join(sorted(words))
            complaints.append((value, path, f"Member must satisfy enum value set: [{allowed}]"))
        if pattern is not None and not pattern.fullmatch(value):
            complaints.append((value, path, f"Member must satisfy regular expression pattern: {source}"))

    return check


def _plain(shape: Any, answers: bool) -> Checker:  # noqa: ANN401
    return _size(shape, answers)


def _size(shape: Any, answers: bool) -> Checker:  # noqa: ANN401
    # The real service answers with empty tags although its model wants one at least.
    collection = shape.type_name in ("list", "map")
    least = None if answers and collection else shape.metadata.get("min")
    most = None if answers and shape.name in _OUTGROWN else shape.metadata.get("max")
    what = _SIZED.get(shape.type_name)
    if what is None or (least is None and most is None):
        return _anything
    measured = what == "length"

    def check(value: Any, path: str, complaints: list[Complaint]) -> None:  # noqa: ANN401
        size = len(value) if measured else value
        if least is not None and size < least:
            complaints.append((value, path, f"Member must have {what} greater than or equal to {least}"))
        if most is not None and size > most:
            complaints.append((value, path, f"Member must have {what} less than or equal to {most}"))

    return check


def _anything(value: Any, path: str, complaints: list[Complaint]) -> None:  # noqa: ANN401
    """Every value will do."""
