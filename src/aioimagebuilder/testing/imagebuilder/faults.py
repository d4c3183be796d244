"""Faults between the service and its caller.

| kind | effect |
|---|---|
| ``throttle`` | 429 CallRateLimitExceededException |
| ``throttle_bare`` | 429 with neither a code nor a body |
| ``error`` | ``status`` with ``code`` and ``message``, or with a literal ``body`` such as an HTML page |
| ``reset`` | the connection is reset before any response |
| ``truncate`` | the body breaks off in the middle |
| ``delay`` | the response is delayed by ``seconds`` |
| ``hang`` | no response; the connection closes after ``seconds`` (default: one hour) |
| ``garbage`` | 200 with a body that is not JSON (``body``, if given) |
| ``stale`` | Get and List operations return the state of ``lag`` simulated seconds ago |
| ``missing_rows`` | lists omit the rows of ``identifiers`` (or ``identifier``) |
| ``unknown_status`` | the status (of ``identifier``, if given) is ``execution_status`` |
| ``not_found_yet`` | ResourceNotFoundException until ``seconds`` after the first request for an id |
| ``repeat_token`` | a list returns the token that it was requested with |
| ``event_lost`` | an event is not delivered |
| ``event_late`` | an event is delivered ``lag`` simulated seconds late |
| ``event_doubled`` | an event is delivered twice, with the same id |
| ``event_out_of_order`` | an event is delivered after the next one |

CloudWatch Logs (``service="logs"``) supports the kinds in `LOGS_KINDS`; its ``throttle`` is a
ThrottlingException. The kinds in `EVENT_KINDS` apply to events whose detail-type matches ``operation`` and
whose resources include ``identifier``, and to messages to SNS topics and Lambda functions (``SNS``,
``Lambda``). A fault expires after it applied to ``times`` calls or events, or after ``seconds`` real seconds
unless the table gives ``seconds`` another meaning.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Any

from ..checks import Checked, Choice, HeaderText, HttpStatus, PositiveCount, Probability, Seconds
from ..simulation.state_history import Members

_KINDS_WITH_OWN_SECONDS = frozenset({"delay", "hang", "not_found_yet"})
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
        "event_lost",
        "event_late",
        "event_doubled",
        "event_out_of_order",
    }
)
"""Every kind of fault."""

EVENT_KINDS = frozenset(kind for kind in KINDS if kind.startswith("event_"))
"""Kinds that apply to events and messages, not to calls."""

LOGS_KINDS = frozenset({"throttle", "error", "reset", "delay", "hang"})
"""Kinds that CloudWatch Logs supports."""


@dataclass(frozen=True)
class Fault(Checked):
    """A fault to inject.

    Args:
        kind: See the table of the module.
        service: Service that the fault applies to: ``imagebuilder`` or ``logs``.
        operation: Operation, or detail-type of events, or a pattern such as ``Get*``; ``None`` = any.
        identifier: The id or ARN that a request or an event must contain, or, for row faults, that a row must
            have.
        times: Number of calls or events after which the fault expires.
        seconds: Real seconds after which the fault expires; see the table of the module.
        probability: Probability that the fault applies to a matching call.
        code: Error code of ``error``.
        status: HTTP status of ``error``.
        message: Message of ``error``.
        body: Literal body of the response.
        lag: Age of ``stale`` responses, and delay of ``event_late``, in simulated seconds.
        execution_status: The status of ``unknown_status``.
        identifiers: The rows of ``missing_rows``.
        performed: Whether the operation is performed when ``reset``, ``hang`` or an error hides its result.

    Raises:
        TypeError: A member has the wrong type.
        ValueError: A member is out of range, or the service has no fault of the kind.
    """

    kind: Annotated[str, Choice(tuple(sorted(KINDS)))]
    _: KW_ONLY
    service: Annotated[str, Choice(("imagebuilder", "logs"))] = "imagebuilder"
    operation: str | None = None
    identifier: str | None = None
    times: PositiveCount | None = None
    seconds: Seconds | None = None
    probability: Probability = 1.0
    code: HeaderText = "ServiceException"
    status: HttpStatus = 500
    message: str = "An internal error has occurred."
    body: str | None = None
    lag: Seconds = 60.0
    execution_status: str = "SOMETHING_NEW"
    identifiers: tuple[str, ...] = ()
    performed: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.service == "logs" and self.kind not in LOGS_KINDS:
            raise ValueError(f"the service {self.service!r} has no fault of kind {self.kind!r}")


@dataclass(kw_only=True)
class _InjectedFault:
    fault: Fault
    injected_at: float
    matches: int = 0
    first_requested: dict[str, float] = field(default_factory=dict)


class FaultRegistry:
    """The injected faults, and which of them apply to a call.

    Args:
        monotonic: Source of real time in seconds.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self.clear()

    def add(self, fault: Fault) -> None:
        """Inject a fault."""
        self._injected.append(_InjectedFault(fault=fault, injected_at=self._monotonic()))

    def clear(self) -> None:
        """Remove all faults and reset the random numbers."""
        self._injected: list[_InjectedFault] = []
        self._random = random.Random(0)  # noqa: S311

    @property
    def active(self) -> list[Fault]:
        """The faults that have not expired."""
        now = self._monotonic()
        self._injected = [each for each in self._injected if not self._is_expired(each, now)]
        return [each.fault for each in self._injected]

    def match(self, operation: str, params: Members, service: str = "imagebuilder") -> list[Fault]:
        """Return the faults that apply to a call, and count the call for each of them."""
        if not self._injected:
            return []
        now = self._monotonic()
        matching = [each for each in self._injected if self._applies(each, operation, params, service, now)]
        for each in matching:
            each.matches += 1
        return [each.fault for each in matching]

    def _applies(
        self, injected: _InjectedFault, operation: str, params: Members, service: str, now: float
    ) -> bool:
        fault = injected.fault
        return (
            service == ("events" if fault.kind in EVENT_KINDS else fault.service)
            and not self._is_expired(injected, now)
            and _matches(fault, operation, params)
            and (fault.probability >= 1 or self._random.random() < fault.probability)
            and (fault.kind != "not_found_yet" or self._is_hidden(injected, params, now))
        )

    def _is_expired(self, injected: _InjectedFault, now: float) -> bool:
        fault = injected.fault
        if fault.times is not None and injected.matches >= fault.times:
            return True
        lifetime = None if fault.kind in _KINDS_WITH_OWN_SECONDS else fault.seconds
        return lifetime is not None and now - injected.injected_at >= lifetime

    def _is_hidden(self, injected: _InjectedFault, params: Members, now: float) -> bool:
        if injected.fault.seconds is None:
            return True
        key = str(sorted(params.items(), key=str))
        return now - injected.first_requested.setdefault(key, now) < injected.fault.seconds


def _matches(fault: Fault, operation: str, params: Members) -> bool:
    if fault.operation is not None and not fnmatchcase(operation, fault.operation):
        return False
    if fault.kind in _ROW_KINDS or fault.identifier is None:
        return True
    return fault.identifier in (value for value in params.values() if isinstance(value, str))


def drop_rows(members: Members, fault: Fault) -> Members:
    """Return the response members without the rows that the fault hides."""
    hidden = {*fault.identifiers, *([fault.identifier] if fault.identifier else [])}
    return {
        name: [row for row in value if not (isinstance(row, dict) and hidden & _ids(row))]
        if isinstance(value, list)
        else value
        for name, value in members.items()
    }


def replace_status(value: Any, fault: Fault) -> Any:  # noqa: ANN401 - members, or a value inside them
    """Return the response members with the fault's status in place of the real one."""
    if isinstance(value, list):
        return [replace_status(item, fault) for item in value]
    if not isinstance(value, dict):
        return value
    state = value if "status" in value else value.get("state")
    if not isinstance(state, dict) or "status" not in state:
        return {name: replace_status(item, fault) for name, item in value.items()}
    if fault.identifier is not None and fault.identifier not in _ids(value):
        return value
    replaced = {**state, "status": fault.execution_status}
    return replaced if state is value else {**value, "state": replaced}


def _ids(row: Members) -> set[str]:
    # The row of a step also has the id of its workflow, so only the first id that is present counts.
    own = ("stepExecutionId", "workflowExecutionId", "lifecycleExecutionId", "arn", "resourceId")
    return {next((row[name] for name in own if name in row), "")}
