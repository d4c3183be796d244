"""What may be kept of texts that nobody vouches for: messages, step outputs, log lines.

The user guide asks to treat error texts as untrusted input. So everything in a diagnosis is printable, of
one line and clipped, shows no secret, and an id is only taken for one if it looks like it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, cast

from ..models.redaction import redact

__all__ = [
    "LONGEST_LINE",
    "LONGEST_TEXT",
    "StepFacts",
    "clean",
    "component_arn",
    "facts_of",
    "find_instance",
    "find_workflow",
]

# The service's own reasons have up to 1024 characters.
LONGEST_TEXT: Final = 1024
LONGEST_LINE: Final = 400
_LONGEST_JSON: Final = 100_000
_DEEPEST: Final = 6

_WHITESPACE: Final = re.compile(r"[\t\n\v\f\r \x85\u2028\u2029]+")
_WORKFLOW: Final = re.compile(r"wf-[0-9A-Za-z]{8}(?:-[0-9A-Za-z]{4}){3}-[0-9A-Za-z]{12}")
_INSTANCE: Final = re.compile(r"\(id: (i-[0-9A-Za-z]{8,17})\b")
_COMPONENT: Final = re.compile(r"arn:aws[a-z-]*:imagebuilder:[a-z0-9-]+:[a-z0-9-]+:component/[\w./-]+")

# What is looked for in the outputs of a step, however deep it stands: the names, and what the value looks
# like. Source: aws-samples/amazon-ec2-image-builder-samples, debugging/README.md.
_SOUGHT: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "instance_id": (("instanceId",), r"i-[0-9A-Za-z]{8,17}"),
    "run_command_id": (("runCommandId",), r"[0-9A-Za-z]{8}(?:-[0-9A-Za-z]{4}){3}-[0-9A-Za-z]{12}"),
    "log_url": (("logUrl",), r"s3://[ -~]{3,1000}"),
    "error": (("error", "errorMessage", "failureMessage"), r"(?s).*\S.*"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFacts:
    """What the outputs of a step tell, as far as they do."""

    instance_id: str | None = None
    run_command_id: str | None = None
    log_url: str | None = None
    error: str | None = None


def clean(text: str | None, longest: int = LONGEST_TEXT) -> str | None:
    """Get `text` as one printable line of at most `longest` characters; ``None`` if nothing is left."""
    if text is None:
        return None
    # An escaped character takes up to ten, so what is looked at can be clipped first.
    spaced = redact(_WHITESPACE.sub(" ", text[: longest + 1]).strip())
    shown = "".join(char if char.isprintable() else _escaped(char) for char in spaced)
    return (shown if len(shown) <= longest else f"{shown[: longest - 1]}…") or None


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def find_workflow(text: str | None) -> str | None:
    """Get the id of the workflow execution that a reason names, if it names one."""
    found = _WORKFLOW.search(text or "")
    return found[0] if found else None


def find_instance(text: str) -> str | None:
    """Get the id of the EC2 instance that a log line of the service names, if it names one."""
    found = _INSTANCE.search(text)
    return found[1] if found else None


def component_arn(*texts: str | None) -> str | None:
    """Get the ARN of the component that the first of these texts names which names one."""
    found = next(filter(None, (_COMPONENT.search(text or "") for text in texts)), None)
    return found[0].rstrip(".") if found else None


def facts_of(outputs: str | None) -> StepFacts:
    """Get what the outputs of a step tell; the outputs of a failed one may be its message, and no JSON."""
    value = _parsed(outputs)
    if value is None:
        return StepFacts(error=clean(outputs))
    pairs = list(_pairs(value, _DEEPEST))
    found = {
        fact: next((text for key, text in pairs if key in names and re.fullmatch(shape, text)), None)
        for fact, (names, shape) in _SOUGHT.items()
    }
    return StepFacts(**{fact: clean(text) for fact, text in found.items()})


def _parsed(text: str | None) -> object:
    if text is None or len(text) > _LONGEST_JSON or text.lstrip()[:1] not in {"{", "["}:
        return None
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def _pairs(value: object, depth: int) -> Iterator[tuple[str, str]]:
    """Get the texts in a JSON value by their keys, the outer ones first, also from JSON inside of texts."""
    if depth == 0:
        return
    if isinstance(value, Mapping):
        members = list(cast("Mapping[str, object]", value).items())
        yield from ((key, text) for key, text in members if isinstance(text, str))
        inner: list[object] = [item for _, item in members]
    else:
        inner = list(cast("list[object]", value)) if isinstance(value, list) else []
    for item in inner:
        yield from _pairs(_parsed(item) if isinstance(item, str) else item, depth - 1)
