"""The faults between the service and its caller: one row for each kind of fault."""

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
THROTTLE_CODES: Final = ("CallRateLimitExceededException", "TooManyRequestsException", "429")
# The codes of errors that no retry changes.
PERMANENT_CODES: Final = frozenset(
    {"ResourceNotFoundException", "ExpiredTokenException", "ForbiddenException"}
)
# The ways in which a response can be malformed; the service applies them.
MALFORMATIONS: Final = ("null row", "list as row", "text as list", "text as row", "number as token")
DENIED_LISTS: Final = "denied lists"

_CONNECT_TIMEOUT: Final = 10.0
_READ_TIMEOUT: Final = 30.0
_FOREVER: Final = 1e6


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of faults on one call.

    Attributes:
        delay: The seconds by which the call takes longer.
        error: The exception that is raised instead of a response.
        malformation: The way in which the response is malformed; ``None`` if it is well-formed.
        lag: The seconds by which the response is stale.
        omission: The probability with which a row is omitted from the page.
        shuffles: Whether the rows are shuffled.
        repeats: Whether the token of the next page is that of the page itself.
    """

    delay: float = 0.0
    error: Exception | None = None
    malformation: str | None = None
    lag: float = 0.0
    omission: float = 0.0
    shuffles: bool = False
    repeats: bool = False


NO_EFFECT: Final = Effect()


def aws_error(code: str, status: int, headers: Mapping[str, str] | None = None) -> ClientError:
    """Return the exception that botocore raises for an error response."""
    metadata = {"HTTPStatusCode": status, "RequestId": "r", "HTTPHeaders": headers or {}}
    details = {"Code": code, "Message": f"{code}, said the service."}
    return ClientError({"Error": details, "ResponseMetadata": metadata}, "AnyOperation")


def _throttle(rng: Random) -> Effect:
    headers = {"retry-after": str(rng.choice((1, 5, 40)))} if rng.random() < 0.05 else None
    code = rng.choices(THROTTLE_CODES, (3, 1, 1))[0]
    return Effect(error=aws_error(code, 429, headers))


def _server_error(rng: Random) -> Effect:
    choices = (("ServiceException", 500), ("ServiceUnavailableException", 503), ("502", 502), ("504", 504))
    return Effect(error=aws_error(*rng.choice(choices)))


def _refused_connection(_: Random) -> Effect:
    return Effect(error=EndpointConnectionError(endpoint_url=ENDPOINT))


def _reset(rng: Random) -> Effect:
    return Effect(delay=rng.uniform(0, 2), error=ConnectionClosedError(endpoint_url=ENDPOINT))


def _hanging_read(rng: Random) -> Effect:
    variant = rng.random()
    if variant < 0.05:
        return Effect(delay=_FOREVER)
    if variant < 0.1:
        return Effect(delay=_CONNECT_TIMEOUT, error=ConnectTimeoutError(endpoint_url=ENDPOINT))
    return Effect(delay=_READ_TIMEOUT, error=ReadTimeoutError(endpoint_url=ENDPOINT))


def _slow_read(rng: Random) -> Effect:
    return Effect(delay=rng.uniform(0.5, _READ_TIMEOUT - 1))


def _truncated_body(rng: Random) -> Effect:
    if rng.random() < 0.5:
        return Effect(error=ResponseParserError("Unable to parse response: Unterminated string"))
    return Effect(error=IncompleteReadError(actual_bytes=100, expected_bytes=4000))


def _malformed_body(rng: Random) -> Effect:
    return Effect(malformation=rng.choice(MALFORMATIONS))


def _expired_credentials(_: Random) -> Effect:
    return Effect(error=aws_error("ExpiredTokenException", 403))


def _denied(_: Random) -> Effect:
    return Effect(error=aws_error("ForbiddenException", 403))


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A row of the table.

    Attributes:
        draw_effect: Draws the effect on one call.
        weight: The weight with which the fault is drawn.
        max_duration: Its maximum duration in seconds.
        is_for_lists: Whether it affects lists only.
    """

    draw_effect: Callable[[Random], Effect]
    weight: int
    max_duration: float
    is_for_lists: bool = False


FAULT_KINDS: Final[Mapping[str, FaultKind]] = {
    "throttles": FaultKind(_throttle, 4, 300),
    "5xx": FaultKind(_server_error, 3, 600),
    "refused connections": FaultKind(_refused_connection, 1, 600),
    "resets": FaultKind(_reset, 2, 300),
    "hanging reads": FaultKind(_hanging_read, 2, 300),
    "slow reads": FaultKind(_slow_read, 2, 300),
    "truncated bodies": FaultKind(_truncated_body, 2, 120),
    "malformed bodies": FaultKind(_malformed_body, 2, 120),
    "expired credentials": FaultKind(_expired_credentials, 1, 60),
    DENIED_LISTS: FaultKind(_denied, 1, 1e6, is_for_lists=True),
    "stale reads": FaultKind(lambda rng: Effect(lag=rng.uniform(0, 90)), 4, 2000),
    "omitted rows": FaultKind(lambda _: Effect(omission=0.3), 2, 2000, is_for_lists=True),
    "shuffled rows": FaultKind(lambda _: Effect(shuffles=True), 2, 2000, is_for_lists=True),
    "repeated page tokens": FaultKind(lambda _: Effect(repeats=True), 1, 600, is_for_lists=True),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a scenario: its kind, its start and end, and the probability that it affects a call."""

    name: str
    start: float
    end: float
    probability: float

    def draw_effect(self, rng: Random, *, is_list: bool) -> Effect:
        """Draw the effect on a call that is sent during the fault."""
        kind = FAULT_KINDS[self.name]
        if (kind.is_for_lists and not is_list) or rng.random() >= self.probability:
            return NO_EFFECT
        return kind.draw_effect(rng)


def draw_fault(rng: Random, span: float) -> Fault:
    """Draw a fault that starts within `span` seconds."""
    name = rng.choices(tuple(FAULT_KINDS), [kind.weight for kind in FAULT_KINDS.values()])[0]
    start = rng.choice((0.0, rng.uniform(0, span)))
    # A complete outage of ten minutes costs as much as a thousand waits: most are short, or partial.
    duration = FAULT_KINDS[name].max_duration * rng.random() ** 4
    probability = 1.0 if name == DENIED_LISTS else rng.choice((0.1, 0.3, 0.7, 1.0))
    return Fault(name, start, start + duration, probability)


def combine(effects: list[Effect]) -> Effect:
    """Return the effect of several faults on one call: delays are added, and the first error wins."""
    combined = effects[0]
    for each in effects[1:]:
        combined = replace(
            combined,
            delay=combined.delay + each.delay,
            error=combined.error or each.error,
            malformation=combined.malformation or each.malformation,
            lag=max(combined.lag, each.lag),
            omission=max(combined.omission, each.omission),
            shuffles=combined.shuffles or each.shuffles,
            repeats=combined.repeats or each.repeats,
        )
    return combined
