"""Parsing of the service's responses into frozen dataclasses.

Any member may be absent, of an unexpected type, or unknown. A member that cannot be parsed is ``None`` and is
kept unchanged in ``raw``, together with the unknown members: nothing is lost, and no response crashes a wait.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final, Self, TypeVar

from .redaction import redact
from .statuses import OpenEnum

T = TypeVar("T")
E = TypeVar("E", bound=OpenEnum)
S = TypeVar("S", bound="Structure")

Convert = Callable[[object], T]

# 64 with the sign.
_MAXIMUM_BITS: Final = 63


def member(convert: Convert[T], *, compare: bool = True) -> T | None:
    """Return a dataclass field for a member of the service's response, ``None`` if it is absent.

    Args:
        convert: Parses the member; raises ValueError or TypeError if the value is not what it should be.
        compare: Whether the member is part of the state; a request id, for example, is not.
    """
    # dataclasses.field() is typed to return the type of the field, which is T or None here.
    result: T | None = field(default=None, compare=compare, metadata={"convert": convert})
    return result


@dataclass(frozen=True, kw_only=True, repr=False)
class Structure:
    """A structure of the service's model.

    Attributes:
        raw: The members that are unknown or could not be parsed, unchanged.
    """

    raw: dict[str, object] = field(default_factory=dict[str, object], compare=False, repr=False)

    def __repr__(self) -> str:
        # Most members of most responses are absent.
        shown = ((each.name, getattr(self, each.name)) for each in fields(self) if each.repr)
        present = ", ".join(f"{name}={value!r}" for name, value in shown if value is not None)
        return redact(f"{type(self).__name__}({present})")

    @classmethod
    def parse(cls, value: object) -> Self:
        """Parse a JSON object.

        Raises:
            TypeError: `value` is not a JSON object.
        """
        if not isinstance(value, Mapping):
            raise TypeError(f"expected an object, not {type(value).__name__}")
        read, left = _read(cls, value)
        return cls(**read, raw=left)

    def to_wire(self) -> dict[str, object]:
        """Return the members that are present as botocore returns them."""
        return self.raw | {
            wire_name: _to_wire(value, convert)
            for name, wire_name, convert in _plan(type(self))  # type: ignore[arg-type] # a class is hashable
            if (value := getattr(self, name)) is not None
        }


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


def _to_wire(value: object, convert: Convert[object]) -> object:
    match value:
        case Structure():
            return value.to_wire()
        case tuple():
            return [_to_wire(each, convert) for each in value]
        case OpenEnum():
            return value.value
        case datetime() if convert is parse_time:
            return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


def wire_name(name: str) -> str:
    """Return the service's spelling of a member: ``totalStepCount`` for ``total_step_count``."""
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def text(value: object) -> str:
    """Parse a string."""
    if not isinstance(value, str):
        raise TypeError(f"expected a string, not {type(value).__name__}")
    return value


def integer(value: object) -> int:
    """Parse an integer of at most 64 bits. Python refuses to print one with thousands of digits."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"expected an integer, not {type(value).__name__}")
    if value.bit_length() > _MAXIMUM_BITS:
        raise ValueError(f"expected an integer of 64 bits, not {value.bit_length()}")
    return value


def boolean(value: object) -> bool:
    """Parse a boolean."""
    if not isinstance(value, bool):
        raise TypeError(f"expected true or false, not {type(value).__name__}")
    return value


def enumerated(enum: type[E]) -> Convert[E]:
    """Return a function that parses a value of an open enum."""

    def read(value: object) -> E:
        return enum(text(value))

    return read


def list_of(convert: Convert[T]) -> Convert[tuple[T, ...]]:
    """Return a function that parses a list into a tuple; one malformed item makes the list malformed."""

    def read(value: object) -> tuple[T, ...]:
        if not isinstance(value, list | tuple):
            raise TypeError(f"expected a list, not {type(value).__name__}")
        return tuple(map(convert, value))

    return read


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# SNS messages contain "Jul 28, 2022 1:13:45 AM". strptime would parse months and AM/PM by the locale.
_US_TIME: Final = re.compile(
    rf"(?P<month>{'|'.join(_MONTHS)})\s(?P<day>\d{{1,2}}),\s(?P<year>\d{{4}}),?"
    r"\s(?P<hour>\d{1,2}):(?P<minute>\d{2}):(?P<second>\d{2})\s(?P<half>AM|PM)"
)


def parse_time(value: object) -> datetime:
    """Parse a time in any of the service's formats into an aware datetime in UTC.

    Args:
        value: An ISO 8601 string with any number of decimals, epoch seconds, the US format of SNS messages,
            or a datetime (botocore returns those in the local time zone).

    Raises:
        TypeError, ValueError, OverflowError: `value` is not a time.
    """
    match value:
        case bool():
            raise TypeError("expected a time, not true or false")
        case datetime():
            time = value
        case int() | float():
            # Not fromtimestamp(): it raises OSError at limits of the C library.
            time = _EPOCH + timedelta(seconds=value)
        case str() if us := _US_TIME.fullmatch(value):
            time = datetime(
                int(us["year"]),
                _MONTHS.index(us["month"]) + 1,
                int(us["day"]),
                # 12 AM is hour 0, 12 PM is hour 12.
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


def parse_timestamp(value: object) -> datetime:
    """Parse a time of the model's type timestamp, which botocore returns as a datetime; see `parse_time`."""
    return parse_time(value)
