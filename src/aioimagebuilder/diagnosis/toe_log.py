"""The output of AWSTOE in the log of a build: what failed in a component, and what it said. No I/O.

AWSTOE, which runs the components, writes a line at the start of each document, phase and step, around each
execution of an action, and the exit code of each command. What a command has written says nothing about the
commands after it.

Sources: the user guide, "Action modules supported by AWSTOE component manager" (exit codes), and public logs,
as in https://github.com/aws/aws-parallelcluster/pull/7097.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from ..models.log_streams import LogLine
from .sanitize import clean

# Success, and the requests for a reboot on Linux and Windows, after which the step continues.
_GOOD_EXITS: Final = frozenset({0, 194, 3010})
_MAXIMUM_EVENT: Final = 20_000
_MAXIMUM_MATCHED: Final = 2_000

_DOCUMENT: Final = re.compile(
    r"(?:Setup: |Executor: )?(?:Currently validating )?document:? '?(arn:\S+?)'?", re.IGNORECASE
)
_PHASE: Final = re.compile(r"Phase:? '?([\w-]+)'?")
_STEP: Final = re.compile(r"Step:? '?([\w-]+)'?")
_EXECUTION: Final = re.compile(r"(\w+): (STARTED|FINISHED) EXECUTION\b.*")
_SUCCEEDED: Final = re.compile(r"TOE has completed execution successfully\b.*")
_EXIT: Final = re.compile(
    r"(?:CmdExecution: |Execute\w+: )?Exit ?code:? ?=? ?(-?\d{1,12})\b.*", re.IGNORECASE
)
_STREAM: Final = re.compile(r"(?:CmdExecution: |Execute\w+: )?(Stdout|Stderr): ?(.*)", re.IGNORECASE)
_MODULE_LINE: Final = re.compile(r"CmdExecution: .*|\w+: (?:STARTED|FINISHED) EXECUTION\b.*")

# A line that reports a failure without its cause, except in the group `why`.
_ECHO: Final = re.compile(
    r"(?:\w+: )?(?:\[ ?ERROR ?\] ?)?(?:"
    r"(?:Command execution has|Command \w+ \(command id:|TOE has completed|Image transitioned|Waiting for"
    r"|Started) .*|Action failed for step [\w-]+\W*(?:Failing step.*)?"
    r"|(?:Execution|(?:Document|Workflow) \S+) failed\W*|Step [\w-]+ failed(?:: (?P<why>.*)|\W*))",
    re.IGNORECASE,
)
_NOTHING_FAILED: Final = re.compile(
    r"\b(?:0|no|zero|without) (?:\w+ )?(?:errors?|failed|failures?)\b"
    r"|\b(?:errors?|failed|failures?)\W{1,3}0\b",
    re.IGNORECASE,
)
_FAILED: Final = re.compile(
    r"\[ ?(?:error|fatal|critical) ?\]|(?<![\w-])(?:error|fatal|critical|panic) ?[:!]"
    r"|(?-i:\b(?:ERROR|FATAL|CRITICAL)\b|(?:^|\s)E: )|\w(?:Error|Exception)\b ?:"
    r"|\b(?:failed|failure|exception|traceback)\b",
    re.IGNORECASE,
)
_FAILED_LOOSELY: Final = re.compile(
    r"(?<![\w-])errors?(?![\w-])|\b(?:fail(?:s|ed|ure)?|fatal|exception|abort(?:ed|ing)?|killed|fault|conflicts?"
    r"|unable to|could ?n[o']t|can ?not|can't|not (?:found|recognized|exist)|doesn't exist"
    r"|no (?:such|space left)|denied|refused|invalid|missing|timed out|timeout|unexpected|unsupported)\b"
    r"|\w(?:Error|Exception)\b|\bE: ",
    re.IGNORECASE,
)
# What a shell that traces its commands writes, and where PowerShell says that an error occurred.
_TRACE: Final = re.compile(r"\s*\++ .*|\s*\++")
_POSITION: Final = re.compile(r"At .*:\d+ char:\d+")
_WRAPPED: Final = re.compile(r"\n\s+")
_CLIXML: Final = re.compile(r"<S S=\"Error\">([^<]*)</S>")
_MARK: Final = re.compile(r"^(?:\w+: (?=\[))?\[ ?(?:error|fatal|critical) ?\]:? ?", re.IGNORECASE)
_NAMED_PLACE: Final = re.compile(r"\bstep '([\w-]+)' in phase '([\w-]+)'", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToeFailure:
    """Where AWSTOE failed, and what it said; what is unknown is ``None``.

    Attributes:
        document: The ARN of the component.
        phase: The phase of its document.
        step: The step in that phase.
        action: The action of the step.
        output: The error that the failed command wrote.
        from_stderr: Whether it wrote that to standard error.
    """

    document: str | None = None
    phase: str | None = None
    step: str | None = None
    action: str | None = None
    output: str | None = None
    from_stderr: bool = False


@dataclass(kw_only=True)
class _Run:
    """A part of the log in which one command ran, or what else lies between two boundaries."""

    document: str | None = None
    phase: str | None = None
    step: str | None = None
    action: str | None = None
    # Whether it only follows the end of something, and whether its own end was written.
    is_trailing: bool = True
    is_finished: bool = False
    stderr: list[str] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    exit_code: int | None = None

    @property
    def is_bad(self) -> bool:
        return self.exit_code is not None and self.exit_code not in _GOOD_EXITS

    @property
    def has_ended_well(self) -> bool:
        if self.exit_code is None:
            return self.is_finished and not self.says_failed
        return not self.is_bad

    @property
    def is_empty(self) -> bool:
        return self.is_trailing and self.exit_code is None and not (self.stderr or self.says_failed)

    @property
    def says_failed(self) -> bool:
        return self.failed_output is not None or _last_failed(self.stderr, _FAILED_LOOSELY) is not None

    @cached_property
    def failed_output(self) -> str | None:
        return _last_failed(self.output, _FAILED)

    def rest(self) -> _Run:
        """Return an empty run in the same place, for what follows the end of this one."""
        return _Run(document=self.document, phase=self.phase, step=self.step, action=self.action)


def toe_failure(lines: Sequence[LogLine], document: str | None = None) -> ToeFailure:
    """Return where and how AWSTOE failed according to these lines.

    Args:
        lines: The lines of the failed step, oldest first.
        document: The ARN of the component that failed, if it is known: other components are not to blame.
    """
    runs = _runs(lines)
    if document is not None:
        own = [each for each in runs if each.document and _is_same(each.document, document)]
        runs = own or [each for each in runs if each.document is None]
    failed = _failed_run(runs)
    if failed is None:
        return ToeFailure(output=clean(_echoed_reason(lines)))
    output, from_stderr = _error(failed)
    output = output or _echoed_reason(lines)
    named = _NAMED_PLACE.search(output or "")
    return ToeFailure(
        document=clean(failed.document),
        phase=clean(failed.phase or (named[2] if named else None)),
        step=clean(failed.step or (named[1] if named else None)),
        action=clean(failed.action),
        output=clean(output),
        from_stderr=from_stderr,
    )


def has_toe_output(lines: Sequence[LogLine]) -> bool:
    """Return whether AWSTOE ran: whether its output is among these lines."""
    patterns = (_STREAM, _EXIT, _EXECUTION, _DOCUMENT)
    texts = (text for line in lines for text in _split(line.message))
    return any(pattern.fullmatch(text) for text in texts for pattern in patterns)


def is_component_output(text: str) -> bool:
    """Return whether a component wrote this line."""
    return _STREAM.match(text) is not None


def _split(message: str) -> list[str]:
    return [text.rstrip() for text in message[:_MAXIMUM_EVENT].splitlines()]


def _is_same(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _runs(lines: Sequence[LogLine]) -> list[_Run]:
    runs = [_Run()]
    for line in lines:
        stream: list[str] | None = None
        for text in _split(line.message):
            if found := _STREAM.fullmatch(text):
                stream = runs[-1].stderr if found[1].lower() == "stderr" else runs[-1].output
                stream.append(found[2])
            elif stream is not None and not _MODULE_LINE.fullmatch(text):
                # Further lines of an event belong to the stream of its first line.
                stream.append(text)
            else:
                stream = None
                _add_line(runs, text)
    return [each for each in runs if not each.is_empty]


def _add_line(runs: list[_Run], text: str) -> None:
    """Add a line that no command wrote to the last run, or the run that it begins."""
    run = runs[-1]
    if _SUCCEEDED.fullmatch(text):
        runs[:] = [_Run()]
    elif (following := _after_boundary(run, text)) is not None:
        runs.append(following)
    elif found := _EXIT.fullmatch(text):
        run.exit_code = int(found[1])
        if not run.is_bad:
            runs.append(run.rest())
    elif not _ECHO.fullmatch(text):
        run.output.append(text)


def _after_boundary(run: _Run, text: str) -> _Run | None:
    """Return the run that begins with this line; ``None`` if the line does not end the present one."""
    if found := _DOCUMENT.fullmatch(text):
        return _Run(document=found[1], is_trailing=False)
    if found := _PHASE.fullmatch(text):
        return _Run(document=run.document, phase=found[1], is_trailing=False)
    if found := _STEP.fullmatch(text):
        return _Run(document=run.document, phase=run.phase, step=found[1], is_trailing=False)
    if (found := _EXECUTION.fullmatch(text)) is None:
        return None
    run.is_finished = found[2] == "FINISHED"
    if found[1] == "Executor":
        return _Run()
    return run.rest() if run.is_finished else replace(run.rest(), action=found[1], is_trailing=False)


def _failed_run(runs: Sequence[_Run]) -> _Run | None:
    """Return the run that failed: the last one, or if that ended well, the last one with a bad exit code."""
    if not runs:
        return None
    *earlier, last = runs
    before = earlier[-1] if earlier else last
    if last.is_trailing and last.exit_code is None and (before.is_bad or before.says_failed):
        return before
    if not last.has_ended_well:
        return last
    # A component continues after a step whose onFailure is Continue, and fails at its end.
    return next((each for each in reversed(earlier) if each.is_bad and each.document == last.document), None)


def _error(run: _Run) -> tuple[str | None, bool]:
    """Return the error that a run reports, and whether it wrote that to standard error."""
    error = _last_error(run.stderr)
    if error and (run.failed_output is None or _says_failed(error, _FAILED_LOOSELY)):
        return error, True
    found = run.failed_output or _last_failed(run.output, _FAILED_LOOSELY)
    if found is not None:
        return _MARK.sub("", found), False
    return (f"exit code {run.exit_code}" if run.is_bad else None), False


def _echoed_reason(lines: Sequence[LogLine]) -> str | None:
    """Return the last reason that stands behind the mere statement that something failed."""
    echoes = (_ECHO.fullmatch(text) for line in reversed(lines) for text in reversed(_split(line.message)))
    return next((found["why"] for found in echoes if found and found["why"]), None)


def _says_failed(text: str, pattern: re.Pattern[str]) -> bool:
    start = text[:_MAXIMUM_MATCHED]
    return bool(pattern.search(start)) and bool(pattern.search(_NOTHING_FAILED.sub("", start)))


def _last_failed(texts: Sequence[str], pattern: re.Pattern[str]) -> str | None:
    return next((text for text in reversed(texts) if _says_failed(text, pattern)), None)


def _last_error(stderr: Sequence[str]) -> str | None:
    """Return the last message in standard error that reports a failure, or else the last one."""
    messages = [text.strip() for text in _messages(_decoded(stderr)) if text.strip()]
    numbers = reversed(range(len(messages)))
    failed = (number for number in numbers if _says_failed(messages[number], _FAILED_LOOSELY))
    last = next(failed, len(messages) - 1)
    return " ".join(messages[last:]) or None


def _decoded(stderr: Sequence[str]) -> list[str]:
    """Return the lines of standard error, with the errors that PowerShell writes as XML as plain text."""
    text = "\n".join(stderr)
    if "<S S=" not in text:
        return list(stderr)
    errors = "".join(_CLIXML.findall(text)).replace("_x000D_", "").replace("_x000A_", "\n")
    return errors.splitlines()


def _messages(lines: Sequence[str]) -> Iterator[str]:
    """Yield the messages in these lines."""
    block: list[str] = []
    for line in (*lines, ""):
        text = line.strip()
        if _POSITION.fullmatch(text):
            # PowerShell wraps a message at the width of the console.
            yield " ".join(each.strip() for each in block)
        elif text and not _TRACE.fullmatch(line):
            block.append(line)
            continue
        else:
            # An indented line continues the one before it.
            yield from _WRAPPED.sub(" ", "\n".join(block)).splitlines()
        block = []
