"""The service of a scenario with the interface of an aiobotocore client: scripted responses, and faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from types import SimpleNamespace
from typing import Any, Final

import anyio
from botocore.exceptions import ClientError

from randomized.executions import ScriptedExecution
from randomized.faults import NO_EFFECT, Effect, aws_error, combine
from randomized.kinds import IMAGE, KINDS, REGION, STEP, WORKFLOW, Kind
from randomized.scenarios import Scenario

_METADATA: Final = {"HTTPStatusCode": 200, "HTTPHeaders": {}}


@dataclass(slots=True, eq=False)
class Call:
    """A call that was sent.

    Attributes:
        operation: The name of the operation.
        argument: The id or ARN for a Get, the parent for a list.
        first_row: The index of the first row for a list; 0 for a Get.
        sent_at: When it was sent.
        answered_at: When it was answered, by a response or an error; ``None`` if it was cancelled before.
        cancelled_at: When it was cancelled.
        error: The code or class of its error, or how its response was malformed; ``None`` for a well-formed
            response.
        is_degraded: Whether a fault made its response slow or stale.
    """

    operation: str
    argument: str | None
    first_row: int
    sent_at: float
    answered_at: float | None = None
    cancelled_at: float | None = None
    error: str | None = None
    is_degraded: bool = False


class Service:
    """Answers calls from the scripts of executions.

    Args:
        scenario: The scenario.
        now: The clock.

    Attributes:
        calls: The calls so far.
        unneeded_calls: Those that were sent while `has_waiters` returned false.
        has_waiters: Returns whether anything is awaited.
        hooks: Callbacks by event number. A call is an event when it is sent, and when it is answered.
    """

    meta: Final = SimpleNamespace(region_name=REGION)

    def __init__(self, scenario: Scenario, now: Callable[[], float]) -> None:
        self.calls: list[Call] = []
        self.unneeded_calls: list[Call] = []
        self.in_flight = 0
        self.has_waiters: Callable[[], bool] = lambda: True
        self.hooks: dict[int, Callable[[], None]] = {}
        self._scenario = scenario
        self._now = now
        self._rng = Random(scenario.seed)
        self._events = 0
        self._tokens = scenario.rate_limit or 0.0
        self._refilled_at = 0.0
        self._children: dict[tuple[str, str | None], list[ScriptedExecution]] = {}
        for kind in KINDS:
            self._add_operations(kind)
        for execution in scenario.executions.values():
            self._children.setdefault((execution.kind.name, execution.parent), []).append(execution)
            if execution.kind is IMAGE:
                self._children.setdefault((IMAGE.name, None), []).append(execution)

    def _add_operations(self, kind: Kind) -> None:
        get_operation, id_parameter, _ = kind.get
        list_operation, parent_parameter, _ = kind.list

        async def get(**params: str) -> Mapping[str, Any]:
            identifier = params[id_parameter]
            return await self._call(
                Call(get_operation, identifier, 0, self._now()),
                lambda at, effect: self._get(identifier, at, effect),
                is_list=False,
            )

        async def list_page(**params: Any) -> Mapping[str, Any]:
            parent = params.get(parent_parameter)
            start = int(params.get("nextToken", 0))
            return await self._call(
                Call(list_operation, parent, start, self._now()),
                lambda at, effect: self._list(kind, parent, start, at, effect),
                is_list=True,
            )

        setattr(self, get_operation, get)
        setattr(self, list_operation, list_page)

    async def _call(
        self, call: Call, respond: Callable[[float, Effect], Mapping[str, Any]], *, is_list: bool
    ) -> Mapping[str, Any]:
        effect = self._draw_effect(call.sent_at, is_list=is_list)
        self._count_event()
        self.calls.append(call)
        self.in_flight += 1
        is_needed = self.has_waiters()
        try:
            await anyio.sleep(self._scenario.latency + effect.delay)
        except BaseException:
            call.cancelled_at = self._now()
            if call.cancelled_at == call.sent_at:
                # A real client would not have sent anything yet.
                self.calls.remove(call)
                is_needed = True
            raise
        finally:
            self.in_flight -= 1
            if not is_needed:
                self.unneeded_calls.append(call)
        call.answered_at = self._now()
        call.is_degraded = effect.delay > 0 or effect.lag > 0
        self._count_event()
        try:
            response = respond(call.sent_at - effect.lag, effect)
        except Exception as error:
            call.error = _error_code(error)
            if isinstance(error, ClientError):
                error.operation_name = "".join(map(str.capitalize, call.operation.split("_")))
            raise
        call.error = effect.malformation
        return response

    def _draw_effect(self, now: float, *, is_list: bool) -> Effect:
        effects = [
            effect
            for fault in self._scenario.faults
            if fault.start <= now < fault.end
            and (effect := fault.draw_effect(self._rng, is_list=is_list)) is not NO_EFFECT
        ]
        if (rate := self._scenario.rate_limit) is not None:
            self._tokens = min(rate, self._tokens + (now - self._refilled_at) * rate)
            self._refilled_at = now
            if self._tokens < 1:
                effects.insert(0, Effect(error=aws_error("CallRateLimitExceededException", 429)))
            else:
                self._tokens -= 1
        if not effects:
            return NO_EFFECT
        return effects[0] if len(effects) == 1 else combine(effects)

    def _count_event(self) -> None:
        self._events += 1
        if (hook := self.hooks.pop(self._events, None)) is not None:
            hook()

    def _get(self, identifier: str, at: float, effect: Effect) -> Mapping[str, Any]:
        if effect.error is not None:
            raise effect.error
        if effect.malformation is not None:
            return {}
        execution = self._scenario.executions.get(identifier)
        index = -1 if execution is None else execution.index_at(at)
        if execution is None or index < 0 or execution.states[index].status is None:
            raise aws_error("ResourceNotFoundException", 404)
        execution.deliveries.append((self._now(), index))
        return execution.states[index].response

    def _list(
        self, kind: Kind, parent: str | None, start: int, at: float, effect: Effect
    ) -> Mapping[str, Any]:
        if effect.error is not None:
            raise effect.error
        present: list[tuple[ScriptedExecution, int]] = []
        for execution in self._children.get((kind.name, parent), ()):
            index = execution.index_at(at)
            if index >= 0 and execution.states[index].status is not None:
                present.append((execution, index))
        if effect.shuffles:
            self._rng.shuffle(present)
        end = start + self._scenario.page_size
        page = present[start:end]
        if effect.omission:
            page = [each for each in page if self._rng.random() >= effect.omission]
        _, parent_parameter, output = kind.list
        rows = [execution.states[index].row for execution, index in page]
        if effect.malformation is not None:
            return _malformed_page(output, rows, effect.malformation)
        now = self._now()
        for execution, index in page:
            is_incomplete = kind in {IMAGE, STEP} and execution.states[index].is_terminal
            (execution.listed_ends if is_incomplete else execution.deliveries).append((now, index))
        response: dict[str, Any] = {output: rows, "ResponseMetadata": _METADATA}
        if parent is not None and kind in {WORKFLOW, STEP}:
            response[parent_parameter] = parent
        if end < len(present):
            response["nextToken"] = str(start if effect.repeats else end)
        return response


def _malformed_page(output: str, rows: list[Any], malformation: str) -> Mapping[str, Any]:
    match malformation:
        case "null row":
            return {output: [*rows, None]}
        case "list as row":
            return {output: [[], *rows]}
        case "text as list":
            return {output: "oops"}
        case "text as row":
            return {output: [*rows, "oops"]}
        case _:
            return {output: rows, "nextToken": 7}


def _error_code(error: Exception) -> str:
    response = getattr(error, "response", None)
    return str(response["Error"]["Code"]) if response else type(error).__name__
