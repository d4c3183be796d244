"""What goes wrong between the service and its caller: one row for each fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

ENDPOINT: Final = "https://imagebuilder.us-east-1.amazonaws.com"
_READ_TIMEOUT: Final = 30.0
_FOR_EVER: Final = 1e6


@dataclass(frozen=True, slots=True)
class Effect:
    """What becomes of one call.

    Attributes:
        delay: seconds that it takes longer.
        error: what it raises instead of an answer.
        spoil: which way its answer is no answer; ``None`` if it is one.
        lag: by how many seconds its answer is stale.
        hidden: the share of rows that its page lacks.
        shuffles: whether its rows come in an order of their own.
        repeats: whether its page names the token of the page itself as the next.
    """

    delay: float = 0.0
    error: Exception | None = None
    spoil: str | None = None
    lag: float = 0.0
    hidden: float = 0.0
    shuffles: bool = False
    repeats: bool = False


THROTTLES: Final = ("CallRateLimitExceededException", "TooManyRequestsException", "429")
# The codes that no retry would change.
REFUSALS: Final = frozenset({"ResourceNotFoundException", "ExpiredTokenException", "ForbiddenException"})

NO_EFFECT: Final = Effect()


def aws_error(code: str, status: int, headers: Mapping[str, str] | None = None) -> ClientError:
    """Get the error that botocore raises for an answer of the service's."""
    metadata = {"HTTPStatusCode": status, "RequestId": "r", "HTTPHeaders": headers or {}}
    said = {"Code": code, "Message": f"{code}, said the service."}
    return ClientError({"Error": said, "ResponseMetadata": metadata}, "AnyOperation")  # type: ignore[arg-type]


def _throttle(dice: Random) -> Effect:
    hint = {"retry-after": str(dice.choice((1, 5, 40)))} if dice.random() < 0.05 else None
    code = dice.choices(THROTTLES, (3, 1, 1))[0]
    return Effect(error=aws_error(code, 429, hint))


def _server_error(dice: Random) -> Effect:
    choices = (("ServiceException", 500), ("ServiceUnavailableException", 503), ("502", 502), ("504", 504))
    return Effect(error=aws_error(*dice.choice(choices)))


def _refuse(_: Random) -> Effect:
    return Effect(error=EndpointConnectionError(endpoint_url=ENDPOINT))


def _reset(dice: Random) -> Effect:
    return Effect(delay=dice.uniform(0, 2), error=ConnectionClosedError(endpoint_url=ENDPOINT))


def _hang(dice: Random) -> Effect:
    kind = dice.random()
    if kind < 0.05:
        return Effect(delay=_FOR_EVER)
    if kind < 0.1:
        return Effect(delay=10.0, error=ConnectTimeoutError(endpoint_url=ENDPOINT))
    return Effect(delay=_READ_TIMEOUT, error=ReadTimeoutError(endpoint_url=ENDPOINT))


def _slow(dice: Random) -> Effect:
    return Effect(delay=dice.uniform(0.5, _READ_TIMEOUT - 1))


def _truncated(dice: Random) -> Effect:
    if dice.random() < 0.5:
        return Effect(error=ResponseParserError("Unable to parse response: Unterminated string"))
    return Effect(error=IncompleteReadError(actual_bytes=100, expected_bytes=4000))


def _malformed(dice: Random) -> Effect:
    return Effect(spoil=dice.choice(SPOILS))


def _expired(_: Random) -> Effect:
    return Effect(error=aws_error("ExpiredTokenException", 403))


def _no_lists(_: Random) -> Effect:
    return Effect(error=aws_error("ForbiddenException", 403))


# The ways in which an answer is none; the service applies them.
SPOILS: Final = ("nothing", "no object", "no list", "row is text", "token is a number")


@dataclass(frozen=True, slots=True)
class Plan:
    """A row of the table: what a fault does, and how it is drawn.

    Attributes:
        effect: makes the effect on one call; ``None`` for those that `draw_fault` fixes for good.
        weight: how often it is drawn.
        longest: the longest that it lasts, in seconds.
        is_lists_only: whether only lists meet it.
    """

    effect: Callable[[Random], Effect]
    weight: int
    longest: float
    is_lists_only: bool = False


PLANS: Final[Mapping[str, Plan]] = {
    "throttles": Plan(_throttle, 4, 300),
    "5xx": Plan(_server_error, 3, 600),
    "refused connections": Plan(_refuse, 1, 600),
    "resets": Plan(_reset, 2, 300),
    "hanging reads": Plan(_hang, 2, 300),
    "slow reads": Plan(_slow, 2, 300),
    "truncated bodies": Plan(_truncated, 2, 120),
    "malformed bodies": Plan(_malformed, 2, 120),
    "expired credentials": Plan(_expired, 1, 60),
    "refused lists": Plan(_no_lists, 1, 1e6, is_lists_only=True),
    "stale reads": Plan(lambda dice: Effect(lag=dice.uniform(0, 90)), 4, 2000),
    "hidden ids": Plan(lambda _: Effect(hidden=0.3), 2, 2000, is_lists_only=True),
    "pages in changing order": Plan(lambda _: Effect(shuffles=True), 2, 2000, is_lists_only=True),
    "repeated page tokens": Plan(lambda _: Effect(repeats=True), 1, 600, is_lists_only=True),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a world: which, from when to when, and how likely a call meets it."""

    name: str
    begins: float
    ends: float
    likelihood: float

    def strike(self, dice: Random, *, is_list: bool) -> Effect:
        """Get the effect on one call that is made while it lasts."""
        plan = PLANS[self.name]
        if (plan.is_lists_only and not is_list) or dice.random() >= self.likelihood:
            return NO_EFFECT
        return plan.effect(dice)


def draw_fault(dice: Random, span: float) -> Fault:
    """Draw a fault that begins within `span` seconds."""
    name = dice.choices(tuple(PLANS), [plan.weight for plan in PLANS.values()])[0]
    begins = dice.choice((0.0, dice.uniform(0, span)))
    # A full outage of ten minutes costs as much as a thousand waits: most are short, or partial.
    lasts = PLANS[name].longest * dice.random() ** 4
    likelihood = 1.0 if name == "refused lists" else dice.choice((0.1, 0.3, 0.7, 1.0))
    return Fault(name, begins, begins + lasts, likelihood)


def combine(effects: list[Effect]) -> Effect:
    """Get the effect of several faults on one call: the delays add up, the first error wins."""
    found = effects[0]
    for each in effects[1:]:
        found = replace(
            found,
            delay=found.delay + each.delay,
            error=found.error or each.error,
            spoil=found.spoil or each.spoil,
            lag=max(found.lag, each.lag),
            hidden=max(found.hidden, each.hidden),
            shuffles=found.shuffles or each.shuffles,
            repeats=found.repeats or each.repeats,
        )
    return found
