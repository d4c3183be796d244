"""The reasons that the service gives for a failure: the message inside, and what the text names. No I/O.

Sources: aws-samples/amazon-ec2-image-builder-samples, debugging/README.md; of the engine before 2023
https://github.com/aws/aws-parallelcluster/issues/3995; of distribution
https://github.com/aws-deepracer-community/deepracer-on-the-spot/issues/106.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ..models.causes import FailedTarget
from ..models.statuses import ImageStatus
from .facts import TIMEOUT_STATES, WORKFLOW_ID
from .sanitize import clean

# The service's own reasons have up to 1024 characters.
_MAXIMUM: Final = 4096

_WORKFLOW: Final = re.compile(
    rf"Workflow Execution ID: '?{WORKFLOW_ID}'? failed with reason: (?P<message>.*)", re.DOTALL
)
_AUTOMATION: Final = re.compile(
    r"(?:SSM|Systems Manager)(?: Automation)? execution '?[\w-]+'? failed.{0,400}?"
    r"status ?= ?'(?P<status>\w+)'(?: in state ?= ?'(?P<stage>\w+)')?"
    r"(?:,? and)? failure message ?= ?'(?P<message>.*)",
    re.DOTALL | re.IGNORECASE,
)
_JOB: Final = re.compile(
    r"(?P<job>Distribution|Integration) failed with JobId '[^']*',? status ?= ?'(?P<status>\w+)'"
    r"(?: for ARN '[^']*')?[.:,]? ?(?P<message>.*)",
    re.DOTALL | re.IGNORECASE,
)
_JOB_STAGES: Final = {"distribution": ImageStatus.DISTRIBUTING, "integration": ImageStatus.INTEGRATING}
_ERROR: Final = re.compile(r"^Error: ?(?=')")
_QUOTED: Final = re.compile(r"'(.*)'\.?|(.*?)'\.?", re.DOTALL)

UNREPORTED: Final = "ExpectationNotMet"
_STATE: Final = re.compile(r"\bterminal state '?(\w+)")
_STEP: Final = re.compile(
    r"\bin workflow step '?([A-Za-z][\w-]{1,99})|^Step '?(?!timed\b)([A-Za-z][\w-]{1,99})'? timed out"
)
_COMPONENT: Final = re.compile(
    r"\b(?:Document|Component) '?(arn:aws[\w-]*:imagebuilder:[\w-]+:[\w-]+:component/[\w./-]+?)'? failed\b",
    re.IGNORECASE,
)
_TIMED_OUT: Final = re.compile(r"\bstep\b.*\btimed out\b", re.IGNORECASE)

_DISTRIBUTION: Final = re.compile(r"\bdistribution job|\bdistributing the image\b", re.IGNORECASE)
_ITEM: Final = re.compile(r"(?:^|(?<!ID:)\s)\d{1,3}\) ")
_REGION: Final = re.compile(r"\bregions?:? '?([a-z]{2,}(?:-[a-z]+)+-\d+)", re.IGNORECASE)
_ACCOUNT: Final = re.compile(r"\bdestination account \(ID: (\w{1,20})\)")
_ROUTE: Final = re.compile(r"'? when distributing the image\b.*", re.DOTALL)
_CLIENT_ERROR: Final = re.compile(r"^EC2 Client Error: '?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A reason of the service; what it does not contain is ``None``.

    Attributes:
        message: The message, without what is wrapped around it.
        stage: The status of the image in the stage that it names.
        timed_out: Whether it reports a timeout.
        step: The step of the workflow that it names.
        component: The ARN of the component that it says has failed.
        regions: The regions in which it says that distribution failed.
    """

    message: str | None = None
    stage: str | None = None
    timed_out: bool = False
    step: str | None = None
    component: str | None = None
    regions: tuple[FailedTarget, ...] = ()


def parse_reason(text: str | None) -> Reason:
    """Return what a reason says."""
    message = (text or "")[:_MAXIMUM].strip()
    stage, states = None, list[str]()
    if found := _WORKFLOW.search(message):
        message = found["message"]
    if found := _AUTOMATION.search(message):
        stage, message = found["stage"], _unquoted(found["message"])
        states.append(found["status"])
    if found := _JOB.search(message):
        stage, message = _JOB_STAGES[found["job"].lower()], found["message"] or message
        states.append(found["status"])
    if _ERROR.match(message):
        message = _unquoted(_ERROR.sub("", message))
    states += _STATE.findall(message)
    step = _STEP.search(message)
    regions = _regions(message) if _DISTRIBUTION.search(message) or stage == ImageStatus.DISTRIBUTING else ()
    return Reason(
        message=(regions[0].message if len(regions) == 1 else None) or message or None,
        stage=stage or (ImageStatus.DISTRIBUTING if regions else None),
        timed_out=_TIMED_OUT.search(message) is not None
        or not TIMEOUT_STATES.isdisjoint(map(str.lower, states)),
        step=(step[1] or step[2]) if step else None,
        component=failed_component(message),
        regions=regions,
    )


def is_unreported(text: str | None) -> bool:
    """Return whether a command failed, and the service does not say how."""
    return UNREPORTED in (text or "")


def failed_component(text: str) -> str | None:
    """Return the ARN of the component that a text says has failed; ``None`` if it says of none."""
    found = _COMPONENT.search(text)
    return found[1] if found else None


def _unquoted(message: str) -> str:
    found = _QUOTED.fullmatch(message.strip())
    return (found[1] or found[2] or "").strip() if found else message.strip()


def _regions(message: str) -> tuple[FailedTarget, ...]:
    items = [each for each in (_ITEM.split(message)[1:] or [message]) if _REGION.search(each)]
    return tuple(map(_region, items))


def _region(item: str) -> FailedTarget:
    region, account = _REGION.search(item), _ACCOUNT.search(item)
    error = _CLIENT_ERROR.sub("", _ROUTE.sub("", item)).strip()
    return FailedTarget(
        name=(region and clean(region[1])) or "a region without a name",
        region=region and clean(region[1]),
        account_id=account and clean(account[1]),
        message=clean(error),
    )
