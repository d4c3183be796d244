"""A diagnosis as text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Final

from ..models.causes import RootCause
from .evidence import SourceState
from .sentences import duration, sentence, short_name, target_name, with_action

if TYPE_CHECKING:
    from ..models.diagnosis import Diagnosis

__all__ = ["render"]

_LABEL: Final = 12
_MOST_ALIKE: Final = 3
_NUMBER: Final = re.compile(r"\d+")


def render(diagnosis: Diagnosis) -> str:
    """Get a diagnosis as text: root cause, evidence, what to look at next, what could not be read."""
    sections = [
        ("Root cause", list(_cause(diagnosis.cause)) if diagnosis.cause else []),
        ("Evidence", list(_evidence(diagnosis))),
        ("Also failed", [f"- {sentence(each)}" for each in diagnosis.also]),
        ("Look next", [f"- {each}" for each in diagnosis.next_steps]),
        (
            "Could not be read",
            [
                f"- {each.name}: {each.detail}"
                for each in diagnosis.sources
                if each.state is SourceState.UNREADABLE
            ],
        ),
    ]
    shown = [diagnosis.summary]
    for title, lines in sections:
        if lines:
            shown += ["", title, *(f"  {line}".rstrip() for line in lines)]
    return "\n".join(shown)


def _cause(cause: RootCause) -> Iterator[str]:
    place, component = cause.place, cause.component
    yield from _row("message", cause.message or "the service gives none")
    yield from _row("stderr", cause.error_output)
    yield from _row("stage", place.stage)
    if component is not None:
        yield from _row("component", component.arn)
        where = [
            f"phase {component.phase}" if component.phase else "",
            f"step {with_action(component.step, component.action)}" if component.step else "",
        ]
        yield from _row("", ", ".join(filter(None, where)))
    if place.workflow_arn:
        yield from _row("workflow", f"{short_name(place.workflow_arn)}   {place.workflow_execution_id or ''}")
    if place.step:
        name = with_action(place.step, place.action)
        yield from _row("step", f"{name}   {place.step_execution_id or ''}")
    tries = [
        f"attempt {place.attempt} of {place.max_attempts or 1}" if place.attempt else "",
        f"timeout {duration(place.timeout_seconds)}" if place.timeout_seconds else "",
    ]
    yield from _row("", ", ".join(filter(None, tries)))
    if place.started and place.ended:
        yield from _row("", f"{place.started:%Y-%m-%d %H:%M:%S} to {place.ended:%H:%M:%S} UTC")
    for target in cause.targets:
        parts = [target.action, target.account_id and f"account {target.account_id}", target.message]
        yield from _row("failed", f"{target_name(target)}: {', '.join(filter(None, parts))}")


def _evidence(diagnosis: Diagnosis) -> Iterator[str]:
    yield from _row("instance", diagnosis.instance_id)
    yield from _row("SSM command", diagnosis.run_command_id)
    yield from _row("S3 logs", diagnosis.log_url)
    if diagnosis.log_group:
        yield from _row("log", f"{diagnosis.log_group}   {diagnosis.log_stream}")
    for _, alike in groupby(diagnosis.log_lines, key=lambda line: _NUMBER.sub("0", line.message)):
        lines = [f"  {line.timestamp:%H:%M:%S}  {line.message}" for line in alike]
        # The attempts of one thing, counted: the first and the last tell it all.
        yield from (
            lines if len(lines) <= _MOST_ALIKE else (lines[0], f"  … {len(lines) - 2} like it", lines[-1])
        )


def _row(label: str, value: str | None) -> Iterator[str]:
    if value:
        yield f"{label:<{_LABEL}}{value}".rstrip()
