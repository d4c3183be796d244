"""Facts in texts of the service: the ids that they name, and the outputs of steps. No I/O.

These texts are untrusted, so an id is accepted only if it has the right format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, cast

from .sanitize import clean

_MAXIMUM_JSON: Final = 100_000
_MAXIMUM_DEPTH: Final = 6

WORKFLOW_ID: Final = r"wf-[0-9A-Za-z]{8}(?:-[0-9A-Za-z]{4}){3}-[0-9A-Za-z]{12}"
# Of commands and automations, in lower case.
TIMEOUT_STATES: Final = frozenset({"timedout", "executiontimedout"})

_WORKFLOW: Final = re.compile(WORKFLOW_ID)
_INSTANCE: Final = re.compile(r"(?<![\w-])i-[0-9a-f]{8,17}(?![\w-])")
_COMMAND: Final = re.compile(
    r"command[ _-]?(?:id)?\W{0,4}([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b"
    r"(?:\W{1,3}state\W{1,3}(\w+))?",
    re.IGNORECASE,
)
_GOOD_COMMAND_STATES: Final = frozenset({"Success", "Pending", "InProgress", "Delayed"})
_COMPONENT: Final = re.compile(
    r"(?<!on resource: )arn:aws[a-z-]*:imagebuilder:[a-z0-9-]+:[a-z0-9-]+:component/[\w./-]+"
)

# What the outputs of a step may contain, at any depth: the names in lower case, and the pattern of the value.
# Source: aws-samples/amazon-ec2-image-builder-samples, debugging/README.md.
_FACTS: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "instance_id": (("instanceid", "instanceids"), r"i-[0-9A-Za-z]{8,17}"),
    "run_command_id": (
        ("runcommandid", "commandid"),
        r"[0-9A-Za-z]{8}(?:-[0-9A-Za-z]{4}){3}-[0-9A-Za-z]{12}",
    ),
    "log_url": (("logurl",), r"s3://[ -~]{3,1000}"),
    "error": (("error", "errormessage", "failuremessage"), r"(?s).*\S.*"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFacts:
    """Facts from the outputs of a step."""

    instance_id: str | None = None
    run_command_id: str | None = None
    log_url: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """A Run Command of Systems Manager that a text names, with its state if the text contains it."""

    id: str
    state: str | None = None

    @property
    def has_timed_out(self) -> bool:
        """Whether it ended because of a timeout."""
        return (self.state or "").lower() in TIMEOUT_STATES

    @property
    def has_failed(self) -> bool:
        """Whether it ended unsuccessfully."""
        return self.state is not None and self.state not in _GOOD_COMMAND_STATES


def find_workflow(text: str | None) -> str | None:
    """Return the id of the workflow execution in a reason; ``None`` if there is none."""
    found = _WORKFLOW.search(text or "")
    return found[0] if found else None


def find_instance(text: str | None) -> str | None:
    """Return the id of the first EC2 instance in a text of the service; ``None`` if there is none."""
    found = _INSTANCE.search(text or "")
    return found[0] if found else None


def find_command(text: str | None) -> Command | None:
    """Return the first Run Command in a text of the service; ``None`` if there is none."""
    found = _COMMAND.search(text or "")
    return Command(found[1], found[2]) if found else None


def find_component(texts: Iterable[str | None]) -> str | None:
    """Return the first ARN of a component in these texts; ``None`` if there is none."""
    found = next(filter(None, (_COMPONENT.search(text or "") for text in texts)), None)
    return found[0].rstrip(".") if found else None


def facts_of(outputs: str | None) -> StepFacts:
    """Return the facts in the outputs of a step, which may also be the message of a failed one."""
    value = _parsed(outputs)
    if value is None:
        return StepFacts(error=clean(outputs))
    pairs = list(_pairs(value, _MAXIMUM_DEPTH))
    found = {
        fact: next(
            (text for key, text in pairs if key.lower() in names and re.fullmatch(pattern, text)), None
        )
        for fact, (names, pattern) in _FACTS.items()
    }
    return StepFacts(**{fact: clean(text) for fact, text in found.items()})


def _parsed(text: str | None) -> object:
    if text is None or len(text) > _MAXIMUM_JSON or text.lstrip()[:1] not in {"{", "["}:
        return None
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def _pairs(value: object, depth: int) -> Iterator[tuple[str, str]]:
    """Yield the strings in a JSON value with their keys, outer ones first, also from JSON in strings."""
    if depth == 0:
        return
    inner: list[object] = []
    if isinstance(value, Mapping):
        for key, item in cast("Mapping[str, object]", value).items():
            items = cast("list[object]", item) if isinstance(item, list) else [item]
            yield from ((key, text) for text in items if isinstance(text, str))
            inner.append(item)
    elif isinstance(value, list):
        inner = list(cast("list[object]", value))
    for item in inner:
        yield from _pairs(_parsed(item) if isinstance(item, str) else item, depth - 1)
