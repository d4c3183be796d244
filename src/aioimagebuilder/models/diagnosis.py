"""A diagnosis as data, as JSON and as text."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from itertools import groupby
from typing import Final

from .causes import Place, RootCause, duration, short_name
from .kinds import ExecutionKind
from .log_streams import LogLine
from .shapes import Ami
from .statuses import Outcome

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]

_LABEL_WIDTH: Final = 12
_MAXIMUM_SIMILAR: Final = 3
_NUMBER: Final = re.compile(r"\d+")


class SourceState(StrEnum):
    """The result of reading a source."""

    READ = "read"
    EMPTY = "empty"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Source:
    """A source of a diagnosis.

    Attributes:
        name: The operation, as AWS names it.
        state: The result of reading it.
        detail: Why it could not be read.
    """

    name: str
    state: SourceState
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Why an execution failed, with the evidence, and where to look next.

    All texts are printable, on one line and truncated, whatever AWS returned. ``str()`` is one line.

    Attributes:
        identifier: The id or ARN of the execution.
        kind: The kind of the execution.
        status: The service's status.
        outcome: The outcome; ``None`` while it runs.
        summary: The diagnosis in one line.
        cause: The root cause; ``None`` if nothing failed. A cancellation is not a cause. An execution that
            succeeded has a cause if a part of it failed that it continued without.
        also: Other failures.
        place: The step that it has reached, or had reached when it was cancelled.
        image_build_version_arn: The image that it is, or belongs to.
        instance_id: The EC2 instance on which it failed.
        run_command_id: The SSM Run Command that failed. Systems Manager keeps it for 30 days.
        log_url: The S3 location of the component logs.
        amis: The AMIs that the build left behind although it did not succeed.
        log_group: The CloudWatch log group of the build; ``None`` if it has no log.
        log_stream: The log stream of the build.
        log_lines: The last lines of the log up to the failure.
        next_steps: What to look at next.
        sources: What was read, and what could not be read.
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
    amis: tuple[Ami, ...] = ()
    log_group: str | None = None
    log_stream: str | None = None
    log_lines: tuple[LogLine, ...] = ()
    next_steps: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()

    def __str__(self) -> str:
        return self.summary

    def report(self) -> str:
        """Return the diagnosis as text: cause, evidence, next steps, sources that could not be read."""
        unreadable = [each for each in self.sources if each.state is SourceState.UNREADABLE]
        sections = [
            ("Root cause", list(_cause_lines(self.cause)) if self.cause else []),
            ("Evidence", list(_evidence_lines(self))),
            ("Also failed", [f"- {each}" for each in self.also]),
            ("Look next", [f"- {each}" for each in self.next_steps]),
            ("Could not be read", [f"- {each.name}: {each.detail}" for each in unreadable]),
        ]
        report = [self.summary]
        for title, lines in sections:
            if lines:
                report += ["", title, *(f"  {line}".rstrip() for line in lines)]
        return "\n".join(report)

    def as_dict(self) -> dict[str, Json]:
        """Return the whole diagnosis as JSON: members named as the attributes, times in ISO 8601."""
        return {each.name: _jsonable(getattr(self, each.name)) for each in dataclasses.fields(self)}


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
        for each in dataclasses.fields(value)  # type: ignore[arg-type]  # everything else here is a dataclass
    }


def _cause_lines(cause: RootCause) -> Iterator[str]:
    place, component = cause.place, cause.component
    yield from _row("message", cause.message or "the service gives none")
    yield from _row("stderr" if cause.from_stderr else "output", cause.error_output)
    yield from _row("stage", place.stage)
    if component is not None:
        yield from _row("component", component.arn)
        yield from _row("", component.document_place)
    if place.workflow_arn:
        yield from _row("workflow", f"{short_name(place.workflow_arn)}   {place.workflow_execution_id or ''}")
    if place.step:
        yield from _row("step", f"{place.step_with_action}   {place.step_execution_id or ''}")
    limits = [
        f"attempt {place.attempt} of {place.max_attempts or 1}" if place.attempt else "",
        f"timeout {duration(place.timeout_seconds)}" if place.timeout_seconds else "",
    ]
    yield from _row("", ", ".join(filter(None, limits)))
    if place.started and place.ended:
        yield from _row("", f"{place.started:%Y-%m-%d %H:%M:%S} to {place.ended:%H:%M:%S} UTC")
    for target in cause.targets:
        parts = [target.action, target.account_id and f"account {target.account_id}", target.message]
        yield from _row("failed", f"{target}: {', '.join(filter(None, parts))}")


def _evidence_lines(diagnosis: Diagnosis) -> Iterator[str]:
    yield from _row("instance", diagnosis.instance_id)
    yield from _row("SSM command", diagnosis.run_command_id)
    yield from _row("S3 logs", diagnosis.log_url)
    for ami in diagnosis.amis:
        yield from _row("AMI left", f"{ami.image} in {ami.region or 'an unknown region'}")
    if diagnosis.log_group:
        yield from _row("log", f"{diagnosis.log_group}   {diagnosis.log_stream}")
    for _, similar in groupby(diagnosis.log_lines, key=lambda line: _NUMBER.sub("0", line.message)):
        lines = [f"  {line.timestamp:%H:%M:%S}  {line.message}" for line in similar]
        # Of repeated attempts, the first and the last are enough.
        if len(lines) > _MAXIMUM_SIMILAR:
            lines = [lines[0], f"  … {len(lines) - 2} like it", lines[-1]]
        yield from lines


def _row(label: str, value: str | None) -> Iterator[str]:
    if value:
        yield f"{label:<{_LABEL_WIDTH}}{value}".rstrip()
