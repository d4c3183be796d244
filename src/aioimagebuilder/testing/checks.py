"""Checks of arguments, and of the members of scripts and faults, by their annotations.

`Range`, `Text` and `Choice` in an ``Annotated`` type restrict numbers and strings. The HTTP routes describe
what they take by the same annotations.
"""

from __future__ import annotations

import inspect
import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, reduce, wraps
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

_P = ParamSpec("_P")
_R = TypeVar("_R")

_MAX_DEPTH = 32


class AnyJson:
    """The type ``Json`` in annotations, which is recursive."""


_JSON = None | bool | int | float | str | list[AnyJson] | dict[str, AnyJson]
_Violation = type[TypeError] | type[ValueError] | None

_UNIONS = frozenset({Union, UnionType})
_CONTAINERS = frozenset({tuple, list, Sequence, dict, Mapping})
_WORDS: Mapping[object, str] = {
    str: "a string",
    bool: "a boolean",
    int: "a whole number",
    float: "a number",
    NoneType: "None",
    AnyJson: "a JSON value",
}


@dataclass(frozen=True)
class Range:
    """The range of a number, which includes the bounds unless `is_open` excludes the lower one."""

    minimum: int
    maximum: int
    is_open: bool = False

    def __contains__(self, value: float) -> bool:
        # Comparisons with NaN are false.
        return self.minimum <= value <= self.maximum and not (self.is_open and value == self.minimum)

    def __str__(self) -> str:
        lower = f"above {self.minimum:,} and up to" if self.is_open else f"from {self.minimum:,} to"
        return f"{lower} {self.maximum:,}"


@dataclass(frozen=True)
class Text:
    """The form of a string: its length, and a pattern that the whole of it matches."""

    minimum: int = 0
    maximum: int = 384_000
    pattern: str = r"(?s:.*)"

    def __contains__(self, value: str) -> bool:
        fits = self.minimum <= len(value) <= self.maximum
        return fits and re.fullmatch(self.pattern, value) is not None

    def __str__(self) -> str:
        if self.pattern != Text.pattern:
            return f"that matches {self.pattern}"
        return f"of {self.minimum:,} to {self.maximum:,} characters"


@dataclass(frozen=True)
class Choice:
    """The strings that are allowed."""

    names: tuple[str, ...]

    def __contains__(self, value: str) -> bool:
        return value in self.names

    def __str__(self) -> str:
        return f"that is one of: {', '.join(self.names)}"


Seconds = Annotated[float, Range(0, 1_000_000_000)]
TimeScale = Annotated[float, Range(0, 1_000_000_000)]
Pace = Annotated[float, Range(0, 1_000_000)]
Rate = Annotated[float, Range(0, 1_000_000_000, is_open=True)]
Burst = Annotated[float, Range(1, 1_000_000_000)]
EpochSeconds = Annotated[float, Range(0, 100_000_000_000)]
Probability = Annotated[float, Range(0, 1)]
Count = Annotated[int, Range(0, 100_000)]
PositiveCount = Annotated[int, Range(1, 1_000_000_000)]
HttpStatus = Annotated[int, Range(200, 599)]
Port = Annotated[int, Range(0, 65535)]
Message = Annotated[str, Text(0, 500)]
NonEmpty = Annotated[str, Text(1, 1024)]
Name = Annotated[str, Text(1, 256)]
ErrorText = Annotated[str, Text(1)]
HeaderText = Annotated[str, Text(pattern="[ -~]*")]
Region = Annotated[str, Text(pattern="[a-z]{2,}(-[a-z]+)+-[0-9]+")]
ComponentArn = Annotated[
    str,
    Text(
        pattern=r"arn:aws[^:]*:imagebuilder:[^:]+:[a-z0-9-]+:component/[a-z0-9-_]+/[0-9]+\.[0-9]+\.[0-9]+/[0-9]+"
    ),
]
Account = Annotated[str, Text(pattern="[0-9]{12}")]


def checked(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return the function with its arguments checked by their annotations."""
    signature = inspect.signature(function)

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        hints = hints_of(function)
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
                for keyword, each in value.items():
                    check(keyword, each, hints[name])
            elif name in hints:
                check(name, value, hints[name])
        return function(*args, **kwargs)

    return call


@dataclass(frozen=True)
class Checked:
    """A dataclass whose members are checked by their annotations, and may be given as in JSON.

    Raises:
        TypeError: A member has the wrong type.
        ValueError: A member is out of range.
    """

    def __post_init__(self) -> None:
        kind: type = type(self)
        hints = hints_of(kind)
        for each in fields(self):
            value = restore(getattr(self, each.name), hints[each.name])
            object.__setattr__(self, each.name, value)
            check(f"{kind.__name__}.{each.name}", value, hints[each.name])


def restore(value: Any, hint: Any) -> Any:  # noqa: ANN401 - any value by any annotation
    """Return a value from JSON with its lists as tuples and its objects as dataclasses, by an annotation."""
    origin, arguments = get_origin(hint), get_args(hint)
    if is_dataclass(hint) and isinstance(value, Mapping):
        return hint(**value)  # type: ignore[operator]
    if origin in _UNIONS:
        return reduce(restore, arguments, value)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(restore(each, arguments[0]) for each in value)
    if origin is Mapping and isinstance(value, Mapping):
        return {name: restore(each, arguments[1]) for name, each in value.items()}
    return value


def check(name: str, value: object, hint: object) -> None:
    """Check a value by an annotation.

    Raises:
        TypeError: The value has the wrong type.
        ValueError: The value is out of range.
    """
    violation = _find_violation(value, hint)
    if violation is not None:
        raise violation(f"{name} must be {describe(hint)}, not {_quote(value)}")


@cache
def hints_of(annotated: object) -> Mapping[str, object]:
    """Return the annotations of a function or a class, resolved."""
    return get_type_hints(annotated, localns={"Json": AnyJson}, include_extras=True)


def describe(hint: Any) -> str:  # noqa: ANN401 - any annotation
    """Return an annotation in words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in _WORDS:
        return _WORDS[hint]
    if origin is Annotated:
        return f"{_WORDS[arguments[0]]} {arguments[1]}"
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin in _UNIONS:
        return " or ".join(map(describe, arguments))
    return _describe_container(hint) if origin in _CONTAINERS else f"a {hint.__name__}"


def _describe_container(hint: object) -> str:
    arguments = get_args(hint)
    if get_origin(hint) in (dict, Mapping):
        return f"an object, each value {describe(arguments[1])}"
    if _is_pair(hint):
        return f"a list with {' and '.join(map(describe, arguments))}"
    return f"a list, each item {describe(arguments[0])}"


def _find_violation(value: Any, hint: Any, depth: int = _MAX_DEPTH) -> _Violation:  # noqa: ANN401
    """Return the type of the error that a value is by an annotation, if it is one."""
    hint = _JSON if hint is AnyJson else hint
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in _WORDS:
        return _find_plain_violation(value, hint)
    if origin is Annotated:
        violation = _find_plain_violation(value, arguments[0])
        return violation or (None if value in arguments[1] else ValueError)
    if origin in _UNIONS:
        violations = [_find_violation(value, each, depth) for each in arguments]
        return None if None in violations else ValueError if ValueError in violations else TypeError
    if origin in _CONTAINERS:
        return _find_container_violation(value, hint, depth)
    if origin is Literal:
        return None if value in arguments else ValueError if isinstance(value, str) else TypeError
    # A callable or another annotation that says nothing to check.
    return TypeError if isinstance(hint, type) and not isinstance(value, hint) else None


def _find_plain_violation(value: Any, kind: type) -> _Violation:  # noqa: ANN401
    expected: Any = (int, float) if kind is float else kind
    if not isinstance(value, expected) or (isinstance(value, bool) and kind is not bool):
        return TypeError
    if kind is float and not float("-inf") < value < float("inf"):
        return ValueError
    if kind is str and any("\ud800" <= character <= "\udfff" for character in value):
        return ValueError
    return None


def _find_container_violation(value: Any, hint: Any, depth: int) -> _Violation:  # noqa: ANN401
    origin, arguments = get_origin(hint), get_args(hint)
    expected: Any = (list, tuple) if origin in (tuple, Sequence) else origin
    if not isinstance(value, expected):
        return TypeError
    if depth == 0:
        return ValueError
    if origin in (dict, Mapping):
        pairs = [
            *((each, arguments[0]) for each in value),
            *((each, arguments[1]) for each in value.values()),
        ]
    elif not _is_pair(hint):
        pairs = [(each, arguments[0]) for each in value]
    elif len(value) == len(arguments):
        pairs = list(zip(value, arguments, strict=True))
    else:
        return TypeError
    violations = (_find_violation(each, kind, depth - 1) for each, kind in pairs)
    return next((violation for violation in violations if violation), None)


def _is_pair(hint: object) -> bool:
    return get_origin(hint) is tuple and get_args(hint)[-1] is not ...


def _quote(value: object) -> str:
    try:
        return reprlib.repr(value)
    except ValueError:  # an int of thousands of digits
        return "a number of thousands of digits"
