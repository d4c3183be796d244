"""What can go wrong between the service and its caller.

| kind | what the caller meets |
|---|---|
| ``throttle`` | 429 CallRateLimitExceededException |
| ``throttle_bare`` | 429 with neither a code nor a body |
| ``error`` | ``status`` with ``code`` and ``message``, or with ``body`` as it is (an HTML page, say) |
| ``reset`` | the connection is reset before any answer |
| ``truncate`` | the body breaks off in the middle |
| ``delay`` | the answer comes ``seconds`` late |
| ``hang`` | no answer; the connection closes after ``seconds`` (an hour if not given) |
| ``garbage`` | 200 with a body that is no JSON (``body`` if given) |
| ``stale`` | Get and List answer as of ``lag`` simulated seconds ago |
| ``missing_rows`` | lists leave out the rows of ``identifiers`` (or ``identifier``) |
| ``unknown_status`` | the status (of ``identifier``, if given) reads ``word`` |
| ``not_found_yet`` | ResourceNotFoundException until ``seconds`` after an id was first asked for |
| ``repeat_token`` | a list answers with the token that it was asked with |

Faults of CloudWatch Logs (``service="logs"``) are of `LOGS_KINDS`; a throttle is its ThrottlingException.
A fault ends after it matched ``times`` calls, or after ``seconds`` real seconds (save where the table gives
``seconds`` another meaning).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from fnmatch import fnmatchcase

from .simulation.state_history import Members

_OWN_SECONDS = frozenset({"delay", "hang", "not_found_yet"})
_ROW_KINDS = frozenset({"missing_rows", "unknown_status"})
KINDS = frozenset(
    {
        "throttle",
        "throttle_bare",
        "error",
        "reset",
        "truncate",
        "delay",
        "hang",
        "garbage",
        "stale",
        "missing_rows",
        "unknown_status",
        "not_found_yet",
        "repeat_token",
    }
)
"""Every kind of fault."""

LOGS_KINDS = frozenset({"throttle", "error", "reset", "delay", "hang"})
"""Kinds that CloudWatch Logs can have, too."""

WIRE_KINDS = frozenset({"reset", "truncate", "hang"})
"""Kinds that need a real connection, so that only the server can do them."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Args:
        kind: See the module's table.
        service: The service that it hits, ``imagebuilder`` or ``logs``.
        operation: The operation that it hits; a pattern such as ``Get*`` too; ``None`` = any.
        identifier: The id or ARN that a call must name (for lists of rows: that a row must have).
        times: It ends after so many calls.
        seconds: It ends after so many real seconds; see the module's table.
        probability: How likely it hits a call that it could hit.
        code: Error code of ``error``.
        status: HTTP status of ``error``.
        message: Message of an error.
        body: The whole body instead, as it is.
        lag: Simulated seconds that ``stale`` answers are old.
        word: The status of ``unknown_status``.
        identifiers: The rows of ``missing_rows``.
        performed: Whether ``reset``, ``hang`` and the errors carry out the operation and lose the answer.

    Raises:
        ValueError: There is no such kind, or not for that service.
    """

    kind: str
    _: KW_ONLY
    service: str = "imagebuilder"
    operation: str | None = None
    identifier: str | None = None
    times: int | None = None
    seconds: float | None = None
    probability: float = 1.0
    code: str = "ServiceException"
    status: int = 500
    message: str = "An internal error has occurred."
    body: str | None = None
    lag: float = 60.0
    word: str = "SOMETHING_NEW"
    identifiers: tuple[str, ...] = ()
    performed: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind!r} is no kind of fault; these are: {', '.join(sorted(KINDS))}")
        if self.service not in {"imagebuilder", "logs"} or (
            self.service == "logs" and self.kind not in LOGS_KINDS
        ):
            raise ValueError(f"{self.kind!r} is no kind of fault of the service {self.service!r}")
        object.__setattr__(self, "identifiers", tuple(self.identifiers))


@dataclass(kw_only=True)
class _Injected:
    fault: Fault
    since: float
    hits: int = 0
    first_asked: dict[str, float] = field(default_factory=dict)


class FaultBoard:
    """The faults that are on, and which of them hit a call.

    Args:
        monotonic: Where real seconds come from.
        seed: Seed of the dice behind ``probability``.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic, seed: int = 0) -> None:
        self._monotonic = monotonic
        self._seed = seed
        self._dice = random.Random(seed)  # noqa: S311
        self._injected: list[_Injected] = []

    def add(self, fault: Fault) -> None:
        """Switch this fault on."""
        self._injected.append(_Injected(fault=fault, since=self._monotonic()))

    def clear(self) -> None:
        """Switch every fault off."""
        self._injected.clear()
        self._dice = random.Random(self._seed)  # noqa: S311

    @property
    def active(self) -> list[Fault]:
        """Faults that have not ended."""
        now = self._monotonic()
        self._injected = [each for each in self._injected if not self._is_over(each, now)]
        return [each.fault for each in self._injected]

    def hitting(self, operation: str, params: Members, service: str = "imagebuilder") -> list[Fault]:
        """Get the faults that hit this call; each of them counts it."""
        if not self._injected:
            return []
        now = self._monotonic()
        hit = []
        for each in self._injected:
            if each.fault.service != service or self._is_over(each, now):
                continue
            if not _fits(each.fault, operation, params):
                continue
            if each.fault.probability < 1 and self._dice.random() >= each.fault.probability:
                continue
            if each.fault.kind == "not_found_yet" and not self._is_young(each, params, now):
                continue
            each.hits += 1
            hit.append(each.fault)
        return hit

    def _is_over(self, injected: _Injected, now: float) -> bool:
        fault = injected.fault
        if fault.times is not None and injected.hits >= fault.times:
            return True
        lasts = None if fault.kind in _OWN_SECONDS else fault.seconds
        return lasts is not None and now - injected.since >= lasts

    def _is_young(self, injected: _Injected, params: Members, now: float) -> bool:
        if injected.fault.seconds is None:
            return True
        key = str(sorted(params.items(), key=str))
        return now - injected.first_asked.setdefault(key, now) < injected.fault.seconds


def _fits(fault: Fault, operation: str, params: Members) -> bool:
    if fault.operation is not None and not fnmatchcase(operation, fault.operation):
        return False
    if fault.kind in _ROW_KINDS or fault.identifier is None:
        return True
    return fault.identifier in (value for value in params.values() if isinstance(value, str))


def drop_rows(answer: Members, fault: Fault) -> Members:
    """Get the answer without the rows that the fault hides."""
    gone = {*fault.identifiers, *([fault.identifier] if fault.identifier else [])}
    return {
        name: [row for row in value if not (isinstance(row, dict) and gone & _ids(row))]
        if isinstance(value, list)
        else value
        for name, value in answer.items()
    }


def replace_status(answer: Members, fault: Fault) -> Members:
    """Get the answer with the fault's word for a status."""
    if "status" in answer or (isinstance(answer.get("state"), dict) and "status" in answer["state"]):
        if fault.identifier is not None and fault.identifier not in _ids(answer):
            return answer
        if "status" in answer:
            return {**answer, "status": fault.word}
        return {**answer, "state": {**answer["state"], "status": fault.word}}
    return {name: _replaced(value, fault) for name, value in answer.items()}


def _replaced(value: object, fault: Fault) -> object:
    if isinstance(value, dict):
        return replace_status(value, fault)
    if isinstance(value, list):
        return [_replaced(item, fault) for item in value]
    return value


def _ids(row: Members) -> set[str]:
    # A step names its workflow too; the workflow is not what the row is about.
    own = ("stepExecutionId", "workflowExecutionId", "lifecycleExecutionId", "arn", "resourceId")
    return {next((row[name] for name in own if name in row), "")}
