"""Parsing of the JSON objects that requests have as their bodies."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

MAX_DEPTH = 100


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse a JSON object in UTF-8; an empty body is an empty object.

    Raises:
        ValueError: The body is no JSON object, is nested too deeply, or has a number that is none in JSON.
    """
    try:
        value = json.loads(body.decode() or "{}", parse_constant=_reject_constant, parse_float=_parse_float)
    except UnicodeDecodeError:
        raise ValueError("the body is not UTF-8") from None
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise ValueError(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004
    if is_deeper(value, MAX_DEPTH):
        raise _too_deep()
    return value


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"the body is not JSON: {name} is not a number in JSON")


def _parse_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the body has a number that is too large: {text[:20]}")
    return value


def _too_deep() -> ValueError:
    return ValueError(f"the body is nested more than {MAX_DEPTH} levels deep")


def is_deeper(value: object, depth: int) -> bool:
    """Return whether objects and arrays are nested more than some levels deep."""
    if not isinstance(value, dict | list):
        return False
    if depth == 0:
        return True
    items = value.values() if isinstance(value, dict) else value
    return any(is_deeper(each, depth - 1) for each in items)
