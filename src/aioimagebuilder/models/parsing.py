"""How an answer of the service becomes a frozen dataclass, whatever the answer holds.

Every member may be absent, of another type than promised, or new: a member that cannot be read as what it
should be is left ``None`` and kept as it came in ``raw``, beside the members that this library does not
know. So nothing is lost, and no answer crashes a wait.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from functools import cache
from types import MappingProxyType
from typing import Any, Final, Self, TypeVar

from .redaction import redact
from .statuses import OpenEnum

__all__ = ["Structure", "boolean", "enumerated", "integer", "list_of", "member", "parse_time", "text"]

T = TypeVar("T")
E = TypeVar("E", bound=OpenEnum)
S = TypeVar("S", bound="Structure")

Convert = Callable[[object], T]

# With the sign, 64.
_MOST_BITS: Final = 63
_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})


def member(convert: Convert[T], *, compare: bool = True) -> T | None:
    """Get a dataclass field for a member of the service, read by `convert`, ``None`` where it is absent.

    `convert` raises ValueError or TypeError for a value that is not what the member should be. A member
    that says nothing of the state itself (a request id) is not to `compare`.
    """
    # dataclasses.field() is typed to give the field's own type; the value a caller sees is T or None.
    result: T | None = field(default=None, compare=compare, metadata={"convert": convert})
    return result


@dataclass(frozen=True, kw_only=True, repr=False)
class Structure:
    """A structure of the service's model.

    Attributes:
        raw: the members that this library does not know or could not read, as they came.
    """

    raw: Mapping[str, object] = field(default_factory=lambda: _NOTHING, compare=False, repr=False)

    def __repr__(self) -> str:
        # What is absent is left out: most members of most answers are.
        shown = ((each.name, getattr(self, each.name)) for each in fields(self) if each.repr)
        present = ", ".join(f"{name}={value!r}" for name, value in shown if value is not None)
        return redact(f"{type(self).__name__}({present})")

    @classmethod
    def parse(cls, value: object) -> Self:
        """Get the structure that `value`, a parsed JSON object, is.

        Raises:
            TypeError: `value` is no JSON object.
        """
        if not isinstance(value, Mapping):
            raise TypeError(f"expected an object, not {type(value).__name__}")
        read, left = _read(cls, value)
        return cls(**read, raw=MappingProxyType(left) if left else _NOTHING)


def _read(cls: type[Structure], members: Mapping[str, object]) -> tuple[dict[str, Any], dict[str, object]]:
    read: dict[str, Any] = {}
    left: dict[str, object] = dict(members)
    for name, wire_name, convert in _plan(cls):  # type: ignore[arg-type] # a class is hashable
        if (value := left.pop(wire_name, None)) is None:
            continue
        try:
            read[name] = convert(value)
        except (TypeError, ValueError, OverflowError, RecursionError):
            left[wire_name] = value
    return read, left


@cache
def _plan(cls: type[Structure]) -> tuple[tuple[str, str, Convert[object]], ...]:
    return tuple(_planned(cls))


def _planned(cls: type[Structure]) -> Iterator[tuple[str, str, Convert[object]]]:
    for each in fields(cls):
        if convert := each.metadata.get("convert"):
            yield each.name, wire_name(each.name), convert


def wire_name(name: str) -> str:
    """Get the service's spelling of a member: ``total_step_count`` is ``totalStepCount``."""
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def text(value: object) -> str:
    """Read a string."""
    if not isinstance(value, str):
        raise TypeError(f"expected a string, not {type(value).__name__}")
    return value


def integer(value: object) -> int:
    """Read a whole number of up to 64 bits: Python refuses to print one of thousands of digits."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"expected a whole number, not {type(value).__name__}")
    if value.bit_length() > _MOST_BITS:
        raise ValueError(f"expected a whole number of 64 bits, not {value.bit_length()}")
    return value


def boolean(value: object) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise TypeError(f"expected true or false, not {type(value).__name__}")
    return value


def enumerated(enum: type[E]) -> Convert[E]:
    """Read a value of an open enum."""
    # To call the enum costs ten times as much.
    known: dict[str, E] = {each.value: each for each in enum}

    def read(value: object) -> E:
        return known.get(word := text(value)) or enum(word)

    return read


def list_of(convert: Convert[T]) -> Convert[tuple[T, ...]]:
    """Read a list, as a tuple; a list with an item that cannot be read is left whole in ``raw``."""

    def read(value: object) -> tuple[T, ...]:
        if not isinstance(value, list | tuple):
            raise TypeError(f"expected a list, not {type(value).__name__}")
        return tuple(map(convert, value))

    return read


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# SNS bodies carry "Jul 28, 2022 1:13:45 AM"; strptime would read the months and AM/PM by the locale.
_US_TIME: Final = re.compile(
    rf"(?P<month>{'|'.join(_MONTHS)})\s(?P<day>\d{{1,2}}),\s(?P<year>\d{{4}}),?"
    r"\s(?P<hour>\d{1,2}):(?P<minute>\d{2}):(?P<second>\d{2})\s(?P<half>AM|PM)"
)


def parse_time(value: object) -> datetime:
    """Get the aware datetime, in UTC, that a time in any of the service's forms is.

    Args:
        value: an ISO string with any number of decimals, epoch seconds, the US text of SNS bodies, or a
            datetime that botocore made in the machine's own zone.

    Raises:
        TypeError, ValueError, OverflowError: it is none of these.
    """
    match value:
        case bool():
            raise TypeError("expected a time, not true or false")
        case datetime():
            time = value
        case int() | float():
            # Not fromtimestamp(): the C library has limits of its own, and raises OSError at them.
            time = _EPOCH + timedelta(seconds=value)
        case str() if us := _US_TIME.fullmatch(value):
            time = datetime(
                int(us["year"]),
                _MONTHS.index(us["month"]) + 1,
                int(us["day"]),
                # 12 AM is the hour 0, and 12 PM the hour 12.
                int(us["hour"]) % 12 + (12 if us["half"] == "PM" else 0),
                int(us["minute"]),
                int(us["second"]),
                tzinfo=UTC,
            )
        case str():
            time = datetime.fromisoformat(value)
        case _:
            raise TypeError(f"expected a time, not {type(value).__name__}")
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
