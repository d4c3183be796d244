"""A diagnosis, as data: what is told to a caller, complete as JSON, and readable as text."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from ..diagnosis.evidence import Source
from ..diagnosis.rendering import render
from .causes import Place, RootCause
from .identifiers import ExecutionKind
from .log_streams import LogLine
from .statuses import Outcome

__all__ = ["Diagnosis", "Json"]

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Why an execution failed, with the evidence, and where to look next.

    All texts are printable, of one line and clipped, whatever they were at AWS. ``str()`` is one line.

    Attributes:
        identifier: the id or ARN of the execution.
        kind: what sort of execution it is.
        status: the service's word for where it stands.
        outcome: what became of it; ``None`` while it runs.
        summary: the whole in one line.
        cause: the root cause; ``None`` where nothing failed. A cancellation is none. An execution that
            succeeded has one if a part of it failed which it goes on without.
        also: other failures.
        place: where it stands, or stood when it was cancelled.
        image_build_version_arn: the image that it is, or belongs to.
        instance_id: the EC2 instance that it failed on.
        run_command_id: the SSM Run Command that did the work; Systems Manager keeps it for 30 days.
        log_url: the S3 location of the component logs.
        log_group: the CloudWatch log group of the build's log.
        log_stream: the stream in it.
        log_lines: the last lines of it up to the failure.
        next_steps: what to look at next.
        sources: what was asked, and what could not be read.
    """

    identifier: str
    kind: ExecutionKind
    status: str | None
    outcome: Outcome | None
    summary: str
    cause: RootCause | None = None
    also: tuple[RootCause, ...] = ()
    place: Place | None = None
    image_build_version_arn: str | None = None
    instance_id: str | None = None
    run_command_id: str | None = None
    log_url: str | None = None
    log_group: str | None = None
    log_stream: str | None = None
    log_lines: tuple[LogLine, ...] = ()
    next_steps: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()

    def __str__(self) -> str:
        return self.summary

    def report(self) -> str:
        """Get the whole as text, the root cause first; several lines, without a newline at the end."""
        return render(self)

    def as_dict(self) -> dict[str, Json]:
        """Get the whole as JSON: members by the names of the attributes, times in ISO 8601."""
        members = _jsonable(self)
        assert isinstance(members, dict)  # noqa: S101 - for the type checker: a dataclass becomes one
        return members


def _jsonable(value: object) -> Json:
    match value:
        case Enum():
            return str(value.value)
        case datetime():
            return value.isoformat()
        case str() | int() | float() | None:
            return value
        case tuple():
            return [_jsonable(each) for each in value]
        case Mapping():
            return {str(name): _jsonable(each) for name, each in value.items()}
    return {
        each.name: _jsonable(getattr(value, each.name))
        for each in dataclasses.fields(value)  # type: ignore[arg-type]  # all else here is a dataclass
    }
