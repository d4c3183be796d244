"""What is told of executions on standard output: members for JSON, and lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import datetime
from enum import Enum

from ...errors import ImageBuilderError, WaitError
from ...models.executions import Execution, Image, Progress
from ...models.parsing import Structure
from ..exit_codes import ExitCode, exit_code_of_error
from .escaping import escaped

__all__ = [
    "ended_line",
    "ended_members",
    "error_members",
    "made_by",
    "plain",
    "plain_members",
    "state_members",
    "words",
]

# How an execution ended that did not, to the exit code that says so.
_ENDINGS: Mapping[ExitCode, str] = {
    ExitCode.NOT_OBSERVED: "not_observed",
    ExitCode.WAITS_FOR_A_PERSON: "waiting",
    ExitCode.TIMED_OUT: "timed_out",
}


def state_members(execution: Execution) -> dict[str, object]:
    """Get what an execution has in common with all others, for JSON."""
    progress = execution.progress
    return {
        "id": execution.id,
        "kind": execution.kind.value,
        "status": execution.status,
        "outcome": execution.outcome,
        "reason": execution.reason,
        "progress": plain(progress),
    }


def ended_members(execution: Execution, exit_code: ExitCode) -> dict[str, object]:
    """Get what is told of an execution that has ended, for JSON."""
    return {**state_members(execution), "exit_code": int(exit_code), "members": plain_members(execution)}


def error_members(error: ImageBuilderError) -> dict[str, object]:
    """Get what is told of an error, for JSON."""
    members: dict[str, object] = {
        "error": type(error).__name__,
        "message": str(error),
        "exit_code": int(exit_code_of_error(error)),
    }
    if isinstance(error, WaitError):
        members |= {
            "id": error.identifier,
            "elapsed": round(error.elapsed, 3),
            "polls": error.polls,
            "throttles": error.throttles,
            "last": None if error.execution is None else state_members(error.execution),
        }
    return members


def ended_line(identifier: str, execution: Execution | None, error: ImageBuilderError | None = None) -> str:
    """Get the line of text for an execution that is not awaited any more: its columns divided by tabs."""
    outcome = None if execution is None else execution.outcome
    ending = outcome or (error and _ENDINGS.get(exit_code_of_error(error))) or "running"
    columns = [identifier, ending, "-" if execution is None else str(execution.status)]
    if execution is not None:
        columns.append(" ".join(made_by(execution)) or execution.reason or "")
    return "\t".join(escaped(column) for column in columns).rstrip("\t")


def made_by(execution: Execution, *, region: str | None = None) -> list[str]:
    """Get what a build has made: ids of AMIs, those of `region` first, or URIs of container images."""
    if not isinstance(execution, Image) or execution.outcome != "succeeded":
        return []
    amis = sorted(execution.amis, key=lambda ami: ami.region != region)
    return [ami.image for ami in amis if ami.image] or list(execution.image_uris)


def words(members: Mapping[str, object], indent: str = "") -> Iterator[str]:
    """Get members as lines of text that people read, what is nested indented."""
    width = max((len(name) for name, value in members.items() if not _is_nested(value)), default=0)
    for name, value in members.items():
        if isinstance(value, Mapping) and value:
            yield f"{indent}{escaped(name)}:"
            yield from words(value, indent + "  ")
        elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
            yield f"{indent}{escaped(name)}:"
            for each in value:
                first, *rest = words(each, "") if isinstance(each, Mapping) else [escaped(str(each))]
                yield f"{indent}- {first}"
                yield from (f"{indent}  {line}" for line in rest)
        elif value not in (None, [], {}):
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield f"{indent}{escaped(name) + ':':{width + 1}} {escaped(shown)}"


def plain(value: object) -> object:
    """Get `value` as what JSON knows, without what is absent."""
    match value:
        case Enum():
            return value.value
        case Structure() | Progress():
            return plain_members(value)
        case Mapping():
            return {str(name): plain(each) for name, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            return value.isoformat() if isinstance(value, datetime) else str(value)


def plain_members(value: Structure | Progress) -> dict[str, object]:
    """Get the members of a structure as what JSON knows: those that are present, and those in ``raw``."""
    members = {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    raw = members.pop("raw", None)
    present = {name: each for name, each in members.items() if each is not None}
    return {**present, **raw} if isinstance(raw, dict) else present


def _is_nested(value: object) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, list) and any(isinstance(e, Mapping) for e in value)
    )
