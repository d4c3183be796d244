"""The events of Image Builder in the messages of a queue, as hints what to poll. No I/O and no clock.

EventBridge delivers them to SQS directly, or through SNS, as the envelope of a notification or raw (user
guide, "EventBridge integration in Image Builder"; EventBridge user guide, "AWS events"). Anybody who may send
to the queue can forge them, so nothing in them is believed: a hint only makes a poll happen sooner.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from ..models.identifiers import Identifier
from ..models.kinds import ExecutionKind

SOURCE: Final = "aws.imagebuilder"
IMAGE_STATE_CHANGE: Final = "EC2 Image Builder Image State Change"
WORKFLOW_STEP_WAITING: Final = "EC2 Image Builder Workflow Step Waiting"

# The events in question have less than two kilobytes, twice as much in the envelope of SNS.
_MAXIMUM_LENGTH: Final = 65_536
_MAXIMUM_RESOURCES: Final = 10
_MAXIMUM_STATUS_LENGTH: Final = 64
# The members of `detail` that name executions.
_EXECUTIONS: Final = (
    ("workflow-execution-id", ExecutionKind.WORKFLOW_EXECUTION),
    ("workflow-step-execution-id", ExecutionKind.WORKFLOW_STEP_EXECUTION),
)


class Ignored(Enum):
    """Why a message is not a hint."""

    MALFORMED = "malformed"
    FOREIGN = "of another source, account or region, or about something else"


@dataclass(frozen=True, slots=True)
class Hint:
    """What an event says of an image.

    Attributes:
        event_id: The id of the event, the same in each of its copies; ``None`` if it has none.
        image: The ARN of the image, in lower case, as all names here.
        names: The ARNs and ids of all executions that the event names.
        status: The status that the image has reached; ``None`` if the event does not say.
        is_waiting_step: Whether a step waits for a person.
    """

    event_id: str | None
    image: str
    names: frozenset[str]
    status: str | None = None
    is_waiting_step: bool = False


def parse_hint(body: object, region: str) -> Hint | Ignored:
    """Return the hint in the body of a message, or why it is none.

    Args:
        body: The body.
        region: The region of the client.
    """
    event = _object(body)
    if event is not None and event.get("Type") == "Notification" and "Message" in event:
        event = _object(event["Message"])
    if event is None:
        return Ignored.MALFORMED
    detail_type = event.get("detail-type")
    # CloudTrail's events have the same source, and another detail-type.
    if event.get("source") != SOURCE or detail_type not in (IMAGE_STATE_CHANGE, WORKFLOW_STEP_WAITING):
        return Ignored.FOREIGN
    resources = event.get("resources")
    if not isinstance(resources, list):
        return Ignored.MALFORMED
    images = [each for each in resources[:_MAXIMUM_RESOURCES] if _is_id(each, ExecutionKind.IMAGE)]
    if not images:
        return Ignored.MALFORMED
    # An ARN contains region and account.
    _, _, _, *origin, _ = images[0].split(":", 5)
    if origin[0] != region or origin != [event.get("region", region), event.get("account", origin[1])]:
        return Ignored.FOREIGN
    detail = event.get("detail")
    detail = detail if isinstance(detail, Mapping) else {}
    names = [each for name, kind in _EXECUTIONS if _is_id(each := detail.get(name), kind)]
    event_id = event.get("id")
    return Hint(
        event_id=event_id if isinstance(event_id, str) else None,
        image=images[0].casefold(),
        names=frozenset(each.casefold() for each in [images[0], *names]),
        status=_status(detail) if detail_type == IMAGE_STATE_CHANGE else None,
        is_waiting_step=detail_type == WORKFLOW_STEP_WAITING,
    )


def _object(text: object) -> Mapping[str, object] | None:
    if not isinstance(text, str) or len(text) > _MAXIMUM_LENGTH:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_id(value: object, kind: ExecutionKind) -> bool:
    try:
        Identifier.parse(value, kind)  # type: ignore[arg-type] # that it is a string is checked as well
    except (TypeError, ValueError):
        return False
    return True


def _status(detail: Mapping[str, object]) -> str | None:
    state = detail.get("state")
    status = state.get("status") if isinstance(state, Mapping) else None
    return status if isinstance(status, str) and len(status) <= _MAXIMUM_STATUS_LENGTH else None
