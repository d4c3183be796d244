"""Loading of YAML: the simulator's own data, and documents, with validation by a JSON schema."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

import yaml  # type: ignore[import-untyped]
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from jsonschema.exceptions import best_match  # type: ignore[import-untyped]

from ..json_objects import MAX_DEPTH, is_deeper

_LONGEST_MESSAGE = 200
# Both are safe, but without libyaml a deeply nested document takes seconds.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class DocumentError(ValueError):
    """An invalid workflow or component document; the message is one or more sentences."""


def read_data(name: str) -> Any:  # noqa: ANN401
    """Return the content of a file in ``data``."""
    return _load(files(__package__).joinpath("data", f"{name}.yaml").read_text("utf-8"))


def load_document(data: str, schema: Mapping[str, object]) -> dict[str, Any]:
    """Load a document with the schema version 1.0.

    Raises:
        DocumentError: The text is not YAML, or violates the schema; the message says where.
    """
    try:
        content = _load(data)
    except yaml.YAMLError as error:
        raise DocumentError(f"The document is not YAML: {error}.") from error
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        # PyYAML raises these for tags that do not fit their values, such as `!!bool x`.
        raise DocumentError(f"The document has a value that JSON cannot represent: {error}.") from error
    if is_deeper(content, MAX_DEPTH):
        raise DocumentError(f"The document is nested more than {MAX_DEPTH} levels deep.")
    if not isinstance(content, dict):
        raise DocumentError("The document is not a mapping.")
    if str(content.get("schemaVersion")) != "1.0":
        raise DocumentError("Invalid schema version. Supported versions include: 1.0.")
    violation = best_match(Draft202012Validator(schema).iter_errors(content))
    if violation is not None:
        limit = f" ({violation.validator} {violation.validator_value})"
        text = violation.message + (limit if isinstance(violation.validator_value, int) else "")
        text = text if len(text) <= _LONGEST_MESSAGE else f"…{text[-_LONGEST_MESSAGE:]}"
        raise DocumentError(f"Invalid document at {violation.json_path}: {text}.")
    return content


def _load(text: str) -> Any:  # noqa: ANN401
    # Through JSON, so that keys are strings, and no value is a set or occurs twice.
    content = yaml.load(text, _Loader)  # noqa: S506
    return json.loads(json.dumps(content, allow_nan=False, default=str))


def check_unique(names: Iterable[str], what: str) -> None:
    """Raise a `DocumentError` if a name occurs twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DocumentError(f"Duplicate {what} '{name}'.")
        seen.add(name)
