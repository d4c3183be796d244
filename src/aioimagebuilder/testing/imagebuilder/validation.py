"""Validation of requests and responses by botocore's service model.

Invalid requests raise the service's errors; invalid responses are bugs of the simulator. Each shape of the
model is compiled to a checker once. Patterns must match the whole string, as in the service.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from functools import lru_cache
from typing import Any

import botocore.session
from botocore.model import OperationModel, ServiceModel, Shape

from ..simulation.state_history import Members
from .errors import ServiceError, SimulatorBugError

Violation = tuple[object, str, str]
"""(value, path, constraint)."""

Checker = Callable[[Any, str, list[Violation]], None]

# The model's maximum of a step's timeout predates WaitForAction, whose default in the guide is three days.
_OUTDATED_MAXIMUM = frozenset({"WorkflowStepTimeoutSecondsInteger"})
# The model's pattern has "String", but its text, and the component documents themselves, have "string".
_OUTDATED_PATTERN = frozenset({"ComponentParameterType"})
_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
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
    """Return botocore's service model of imagebuilder."""
    return botocore.session.get_session().get_service_model("imagebuilder")


@lru_cache(maxsize=1)
def operations() -> Mapping[tuple[str, str], str]:
    """Return the operations by (HTTP method, path); paths are cut before a parameter (``/tags/``)."""
    model = service_model()
    found = {}
    for name in model.operation_names:
        http = model.operation_model(name).http
        found[http["method"], http["requestUri"].partition("{")[0]] = name
    return found


@lru_cache(maxsize=256)
def operation(name: str) -> OperationModel:
    """Return the model of an operation."""
    return service_model().operation_model(name)


@lru_cache(maxsize=256)
def member_names(shape: str) -> frozenset[str]:
    """Return the names of the members of a structure."""
    return frozenset(service_model().shape_for(shape).members)


def input_members(name: str) -> frozenset[str]:
    """Return the names of the members of an operation's request."""
    shape = operation(name).input_shape
    return member_names(shape.name) if shape else frozenset()


def output_members(name: str) -> frozenset[str]:
    """Return the names of the members of an operation's response."""
    shape = operation(name).output_shape
    return member_names(shape.name) if shape else frozenset()


@lru_cache(maxsize=64)
def error_status(code: str) -> int:
    """Return the HTTP status of an error code, or 400 if it is not in the model."""
    model = service_model()
    if code not in model.shape_names:
        return 400
    return int(model.shape_for(code).metadata.get("error", {}).get("httpStatusCode", 400))


def project(shape: str, members: Members) -> Members:
    """Return the members that belong to a structure."""
    names = member_names(shape)
    return {name: value for name, value in members.items() if name in names}


def check_request(name: str, params: Members) -> None:
    """Validate a request.

    Raises:
        ServiceError: The request violates the model; the error names every invalid member. Its code is
            InvalidRequestException, or InvalidParameterException where the operation has only that.
    """
    model = operation(name)
    if model.input_shape is not None:
        codes = [each.name for each in model.error_shapes]
        only_parameters = "InvalidParameterException" in codes and "InvalidRequestException" not in codes
        code = "InvalidParameterException" if only_parameters else "InvalidRequestException"
        check_value(model.input_shape.name, params, code=code)


def check_value(shape: str, value: object, path: str = "", *, code: str = "InvalidRequestException") -> None:
    """Validate a value in a request by its shape.

    Raises:
        ServiceError: The value violates the model; the error names every invalid member.
    """
    violations: list[Violation] = []
    _compile(shape, is_response=False)(value, path, violations)
    if violations:
        count = len(violations)
        texts = "; ".join(
            f"Value {_quote(value)} at '{path}' failed to satisfy constraint: {constraint}"
            for value, path, constraint in violations
        )
        raise ServiceError(code, f"{count} validation error{'s' * (count > 1)} detected: {texts}")


def check_response(name: str, response: Members, extra_statuses: Container[str] = ()) -> None:
    """Validate a response; `extra_statuses` are allowed although they are not in the model.

    Raises:
        SimulatorBugError: The response violates the model.
    """
    shape = operation(name).output_shape
    if shape is None:
        return
    violations: list[Violation] = []
    _compile(shape.name, is_response=True)(response, "", violations)
    bugs = [each for each in violations if not (_is_status_path(each[1]) and each[0] in extra_statuses)]
    if bugs:
        texts = "; ".join(f"{path}={_quote(value)}: {constraint}" for value, path, constraint in bugs)
        raise SimulatorBugError(f"the response of {name} violates the service model: {texts}")


def _is_status_path(path: str) -> bool:
    return path.endswith(("status", "Status"))


def _quote(value: object) -> str:
    return "null" if value is None else f"'{value}'"


@lru_cache(maxsize=2048)
def _compile(shape_name: str, *, is_response: bool) -> Checker:
    shape = service_model().shape_for(shape_name)
    factories: Mapping[str, Callable[[Shape, bool], Checker]] = {
        "structure": _compile_structure,
        "list": _compile_list,
        "map": _compile_map,
        "string": _compile_string,
    }
    check_content = factories.get(shape.type_name, _compile_size)(shape, is_response)
    types = _PYTHON_TYPES[shape.type_name]
    rejects_bool = bool not in types

    def check(value: Any, path: str, violations: list[Violation]) -> None:  # noqa: ANN401
        if not isinstance(value, types) or (rejects_bool and isinstance(value, bool)):
            violations.append((value, path, f"Member must be a {shape.type_name}"))
        else:
            check_content(value, path, violations)

    return check


def _compile_structure(shape: Any, is_response: bool) -> Checker:  # noqa: ANN401
    checkers = {
        name: _compile(member.name, is_response=is_response) for name, member in shape.members.items()
    }
    required = frozenset(shape.required_members)

    def check(value: Members, path: str, violations: list[Violation]) -> None:
        prefix = f"{path}." if path else ""
        missing = sorted(required - value.keys())
        violations.extend((None, prefix + name, "Member must not be null") for name in missing)
        for name, item in value.items():
            checker = checkers.get(name)
            if checker is not None:
                checker(item, prefix + name, violations)
            elif is_response:
                violations.append((item, prefix + name, "the model has no such member"))

    return check


def _compile_list(shape: Any, is_response: bool) -> Checker:  # noqa: ANN401
    check_item = _compile(shape.member.name, is_response=is_response)
    check_size = _compile_size(shape, is_response)

    def check(value: list[Any], path: str, violations: list[Violation]) -> None:
        check_size(value, path, violations)
        for index, item in enumerate(value, 1):
            check_item(item, f"{path}.{index}.member", violations)

    return check


def _compile_map(shape: Any, is_response: bool) -> Checker:  # noqa: ANN401
    check_key = _compile(shape.key.name, is_response=is_response)
    check_item = _compile(shape.value.name, is_response=is_response)
    check_size = _compile_size(shape, is_response)

    def check(value: Members, path: str, violations: list[Violation]) -> None:
        check_size(value, path, violations)
        for name, item in value.items():
            check_key(name, f"{path}.key", violations)
            check_item(item, f"{path}.{name}.value", violations)

    return check


def _compile_string(shape: Any, is_response: bool) -> Checker:  # noqa: ANN401
    check_size = _compile_size(shape, is_response)
    allowed_values = frozenset(shape.enum)
    source = None if shape.name in _OUTDATED_PATTERN else shape.metadata.get("pattern")
    pattern = re.compile(source) if source else None

    def check(value: str, path: str, violations: list[Violation]) -> None:
        check_size(value, path, violations)
        if allowed_values and value not in allowed_values:
            allowed = ", ".join(sorted(allowed_values))
            violations.append((value, path, f"Member must satisfy enum value set: [{allowed}]"))
        if pattern is not None and not pattern.fullmatch(value):
            violations.append((value, path, f"Member must satisfy regular expression pattern: {source}"))

    return check


def _compile_size(shape: Any, is_response: bool) -> Checker:  # noqa: ANN401
    # The real service returns empty tags although its model requires at least one.
    collection = shape.type_name in ("list", "map")
    minimum = None if is_response and collection else shape.metadata.get("min")
    maximum = None if is_response and shape.name in _OUTDATED_MAXIMUM else shape.metadata.get("max")
    measure = "length" if collection or shape.type_name == "string" else "value"

    def check(value: Any, path: str, violations: list[Violation]) -> None:  # noqa: ANN401
        size = len(value) if measure == "length" else value
        if minimum is not None and size < minimum:
            violations.append((value, path, f"Member must have {measure} greater than or equal to {minimum}"))
        if maximum is not None and size > maximum:
            violations.append((value, path, f"Member must have {measure} less than or equal to {maximum}"))

    return check
