"""The lines that the service itself writes to the log of a build: steps, instances, commands, stages. No I/O.

Samples: https://github.com/amazonlinux/amazon-linux-2023/issues/1054 and
https://github.com/aws/aws-parallelcluster/issues/6358.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ..models.log_streams import LogLine
from ..models.statuses import ImageStatus
from .facts import Command, find_command, find_instance
from .toe_log import is_component_output

_STARTED: Final = re.compile(r"Started step ([A-Za-z][\w-]{0,99}) with action ([A-Za-z]\w{0,99})")
_FAILED: Final = re.compile(
    r"Action failed for step ([A-Za-z][\w-]{0,99})\b|Step ([A-Za-z][\w-]{0,99}) failed\b"
)
_TRANSITION: Final = re.compile(r"Image transitioned to ([A-Z]+) state\b")
_STAGES: Final = frozenset(
    {ImageStatus.BUILDING, ImageStatus.TESTING, ImageStatus.DISTRIBUTING, ImageStatus.INTEGRATING}
)


def step_lines(lines: Sequence[LogLine], name: str) -> Sequence[LogLine]:
    """Return the lines of a step's last run: all if the log names no steps; none if it names only others."""
    starts = [
        (number, found[1]) for number, line in enumerate(lines) if (found := _STARTED.match(line.message))
    ]
    if not starts:
        return lines
    own = [number for number, started in starts if started == name]
    if own:
        first = own[-1]
    elif any(name in found.groups() for line in lines if (found := _FAILED.match(line.message))):
        # Its start is beyond the lines that were read.
        first = 0
    else:
        return ()
    end = next((number for number, started in starts if number >= first and started != name), len(lines))
    return lines[first:end]


def stage_lines(lines: Sequence[LogLine]) -> Sequence[LogLine]:
    """Return the lines from the start of the last stage; all if the log names none."""
    stages = _stages(lines)
    return lines[stages[-1][0] :] if stages else lines


def last_stage(lines: Sequence[LogLine]) -> str | None:
    """Return the last stage of the image; ``None`` if the log does not name it."""
    stages = _stages(lines)
    return stages[-1][1] if stages else None


def failed_step_name(lines: Sequence[LogLine]) -> str | None:
    """Return the name of the last step that failed; ``None`` if the log does not name it."""
    found = (_FAILED.match(line.message) for line in reversed(lines))
    # AWSTOE has steps, too: only those of the workflow have an action of the service.
    names = (each[1] or each[2] for each in found if each)
    named = next((name for name in names if action_of(lines, name)), None)
    return named or _step_of_failed_command(lines)


def _step_of_failed_command(lines: Sequence[LogLine]) -> str | None:
    name = failed = None
    for line in lines:
        if (started := _STARTED.match(line.message)) is not None:
            name = started[1]
        elif (command := _command(line)) is not None and command.has_failed:
            failed = name
    return failed


def action_of(lines: Sequence[LogLine], name: str) -> str | None:
    """Return the action of a step; ``None`` if the log does not name it."""
    found = (_STARTED.match(line.message) for line in reversed(lines))
    return next((each[2] for each in found if each and each[1] == name), None)


def instance_of(lines: Sequence[LogLine]) -> str | None:
    """Return the last EC2 instance that the service names."""
    own = (line.message for line in reversed(lines) if not is_component_output(line.message))
    return next(filter(None, map(find_instance, own)), None)


def command_of(lines: Sequence[LogLine]) -> Command | None:
    """Return the last Run Command that the service says has failed, or else the last one that it names."""
    last = None
    for command in filter(None, map(_command, reversed(lines))):
        if command.has_failed:
            return command
        last = last or command
    return last


def _command(line: LogLine) -> Command | None:
    return None if is_component_output(line.message) else find_command(line.message)


def _stages(lines: Sequence[LogLine]) -> list[tuple[int, str]]:
    """Return the starts of stages: the index of the line, and the stage."""
    found = ((number, _TRANSITION.match(line.message)) for number, line in enumerate(lines))
    return [(number, each[1]) for number, each in found if each and each[1] in _STAGES]
