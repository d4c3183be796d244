"""Results on standard output: the members of JSON events, and lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from enum import Enum

from ...errors import ImageBuilderError, WaitError
from ...models.diagnosis import Diagnosis
from ...models.estimates import Estimate
from ...models.executions import Execution, Image, Progress
from ...models.parsing import Structure
from ..exit_codes import ExitCode, exit_code_of_error
from .escaping import escape
from .messages import message_of, translate_message

# What a wait that ended before its execution writes in place of an outcome.
_RESULTS: Mapping[ExitCode, str] = {
    ExitCode.NOT_OBSERVED: "not_observed",
    ExitCode.WAITING_STEP: "waiting",
    ExitCode.TIMED_OUT: "timed_out",
}


def execution_members(execution: Execution) -> dict[str, object]:
    """Return the JSON members that all kinds of executions have in common."""
    return {
        "id": execution.id,
        "kind": execution.kind.value,
        "status": execution.status,
        "outcome": execution.outcome,
        "reason": execution.reason,
        "progress": _to_json(execution.progress),
    }


def result_members(execution: Execution, exit_code: ExitCode) -> dict[str, object]:
    """Return the JSON members of an execution that has ended."""
    members = {"exit_code": int(exit_code), "members": structure_members(execution)}
    return {**execution_members(execution), **members}


def error_members(error: ImageBuilderError) -> dict[str, object]:
    """Return the JSON members of an error."""
    members: dict[str, object] = {
        "error": type(error).__name__,
        "message": message_of(error),
        "exit_code": int(exit_code_of_error(error)),
    }
    if isinstance(error, WaitError):
        members |= {
            "id": error.identifier,
            "elapsed": round(error.elapsed, 3),
            "polls": error.polls,
            "throttles": error.throttles,
            "last": None if error.execution is None else execution_members(error.execution),
        }
    return members


def diagnosis_members(diagnosis: Diagnosis) -> dict[str, object]:
    """Return the JSON members of a diagnosis."""
    return {**diagnosis.as_dict(), "next_steps": [translate_message(each) for each in diagnosis.next_steps]}


def format_diagnosis(diagnosis: Diagnosis) -> list[str]:
    """Return the report of a diagnosis as lines of escaped text."""
    lines = diagnosis.report().splitlines()
    # Only the hints are messages of the library: everything else quotes the service.
    return [escape(translate_message(line) if line.startswith("  - ") else line) for line in lines]


def result_of(execution: Execution | None, error: ImageBuilderError | None) -> str:
    """Return the outcome of an execution, or what became of a wait that ended before it."""
    outcome = None if execution is None else execution.outcome
    return outcome or (error and _RESULTS.get(exit_code_of_error(error))) or "running"


def format_result(
    identifier: str, execution: Execution | None, error: ImageBuilderError | None = None
) -> str:
    """Return the result of a wait as a line of escaped text with columns separated by tabs."""
    columns = [identifier, result_of(execution, error), "-" if execution is None else str(execution.status)]
    if execution is not None:
        columns.append(" ".join(artifacts_of(execution)) or execution.reason or "")
    return "\t".join(escape(column) for column in columns).rstrip("\t")


def artifacts_of(execution: Execution, *, region: str | None = None) -> list[str]:
    """Return the AMI ids that a build created, those in `region` first, or the URIs of container images."""
    if not isinstance(execution, Image) or execution.outcome != "succeeded":
        return []
    amis = sorted(execution.amis, key=lambda ami: ami.region != region)
    return [ami.image for ami in amis if ami.image] or list(execution.image_uris)


def format_members(members: Mapping[str, object], indent: str = "") -> Iterator[str]:
    """Return members as indented lines of escaped text."""
    width = max((len(name) for name, value in members.items() if not _is_nested(value)), default=0)
    for name, value in members.items():
        if isinstance(value, Mapping) and value:
            yield f"{indent}{escape(name)}:"
            yield from format_members(value, indent + "  ")
        elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
            yield f"{indent}{escape(name)}:"
            for each in value:
                first, *rest = format_members(each, "") if isinstance(each, Mapping) else [escape(str(each))]
                yield f"{indent}- {first}"
                yield from (f"{indent}  {line}" for line in rest)
        elif value not in (None, [], {}):
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield f"{indent}{escape(name) + ':':{width + 1}} {escape(text)}"


def structure_members(value: Structure | Progress | Estimate) -> dict[str, object]:
    """Return the members that are present, including those in ``raw``, as JSON values; times in seconds."""
    members = {each.name: _to_json(getattr(value, each.name)) for each in fields(value)}
    raw = members.pop("raw", None)
    present = {name: each for name, each in members.items() if each is not None}
    return {**present, **raw} if isinstance(raw, dict) else present


def _to_json(value: object) -> object:
    match value:
        case Enum():
            return value.value
        case Structure() | Progress() | Estimate():
            return structure_members(value)
        case Mapping():
            return {str(name): _to_json(each) for name, each in value.items()}
        case list() | tuple():
            return [_to_json(each) for each in value]
        case datetime():
            return value.isoformat()
        case timedelta():
            value = value.total_seconds()
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _is_nested(value: object) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, list) and any(isinstance(e, Mapping) for e in value)
    )
