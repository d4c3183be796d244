"""The service of a world, behind the face of an aiobotocore client: answers from the truth, and faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from types import SimpleNamespace
from typing import Any, Final

import anyio

from randomized.executions import Truth
from randomized.faults import NO_EFFECT, Effect, Fault, aws_error, combine
from randomized.kinds import KINDS, REGION, Kind

_METADATA: Final = {"HTTPStatusCode": 200, "HTTPHeaders": {}}


@dataclass(slots=True, eq=False)
class Call:
    """A call that was sent.

    Attributes:
        operation: its name.
        argument: the id that is asked for, or whose children are.
        page: the number of its first row; 0 for what is no list.
        began: when it was sent.
        ended: when it was answered; ``None`` if it was given up before.
        given_up: when that was.
        error: the code or class of what it raised, or how its answer was none; ``None`` for an answer.
        is_late: whether its answer came with more than the usual delay, or was stale.
    """

    operation: str
    argument: str | None
    page: int
    began: float
    ended: float | None = None
    given_up: float | None = None
    error: str | None = None
    is_late: bool = False


class Service:
    """Answers as the script says.

    Args:
        executions: all that it knows, by id.
        faults: what goes wrong.
        dice: decides which calls a fault strikes.
        now: the clock.
        latency: what a call takes, in seconds.
        page: the rows of a page.
        rate: the calls a second that the account is allowed; ``None`` for any number.
    """

    meta: Final = SimpleNamespace(region_name=REGION)

    def __init__(
        self,
        executions: Mapping[str, Truth],
        faults: list[Fault],
        dice: Random,
        now: Callable[[], float],
        *,
        latency: float,
        page: int,
        rate: float | None,
    ) -> None:
        self.calls: list[Call] = []
        self.in_flight = 0
        self.may_call: Callable[[], bool] = lambda: True
        self.unwanted: list[Call] = []
        # What is to happen at the nth thing that happens here: whoever is to be cancelled just then.
        self.hooks: dict[int, Callable[[], None]] = {}
        self._happened = 0
        self._executions = executions
        self._faults = faults
        self._dice = dice
        self._now = now
        self._latency = latency
        self._page = page
        self._rate = rate
        self._tokens = rate or 0.0
        self._refilled = 0.0
        self._children: dict[tuple[str, str | None], list[Truth]] = {}
        for kind in KINDS:
            self._serve(kind)
        for truth in executions.values():
            self._children.setdefault((truth.kind.name, truth.parent), []).append(truth)
            if truth.kind is KINDS[0]:
                self._children.setdefault((truth.kind.name, None), []).append(truth)

    def _serve(self, kind: Kind) -> None:
        get, identifier, _ = kind.get
        listing, parent, _ = kind.lists

        async def get_one(**params: str) -> Mapping[str, Any]:
            argument = params[identifier]
            return await self._call(
                Call(get, argument, 0, self._now()),
                lambda at, effect: self._get(argument, at, effect),
                is_list=False,
            )

        async def list_some(**params: Any) -> Mapping[str, Any]:
            argument = params.get(parent)
            start = int(params.get("nextToken", 0))
            return await self._call(
                Call(listing, argument, start, self._now()),
                lambda at, effect: self._list(kind, argument, start, at, effect),
                is_list=True,
            )

        setattr(self, get, get_one)
        setattr(self, listing, list_some)

    async def _call(
        self, call: Call, answer: Callable[[float, Effect], Mapping[str, Any]], *, is_list: bool
    ) -> Mapping[str, Any]:
        effect = self._strike(call.began, is_list=is_list)
        self._happen()
        self.calls.append(call)
        self.in_flight += 1
        is_wanted = self.may_call()
        try:
            await anyio.sleep(self._latency + effect.delay)
        except BaseException:
            call.given_up = self._now()
            if call.given_up == call.began:
                # A real client would not have sent anything yet.
                self.calls.remove(call)
                is_wanted = True
            raise
        finally:
            self.in_flight -= 1
            if not is_wanted:
                self.unwanted.append(call)
        call.ended = self._now()
        call.is_late = effect.delay > 0 or effect.lag > 0
        self._happen()
        try:
            found = answer(call.began - effect.lag, effect)
        except Exception as error:
            call.error = _code(error)
            raise
        call.error = effect.spoil
        return found

    def _strike(self, now: float, *, is_list: bool) -> Effect:
        effects = [
            effect
            for fault in self._faults
            if fault.begins <= now < fault.ends
            and (effect := fault.strike(self._dice, is_list=is_list)) is not NO_EFFECT
        ]
        if self._rate is not None:
            self._tokens = min(self._rate, self._tokens + (now - self._refilled) * self._rate)
            self._refilled = now
            if self._tokens < 1:
                effects.insert(0, Effect(error=aws_error("CallRateLimitExceededException", 429)))
            else:
                self._tokens -= 1
        if not effects:
            return NO_EFFECT
        return effects[0] if len(effects) == 1 else combine(effects)

    def _happen(self) -> None:
        self._happened += 1
        if (hook := self.hooks.pop(self._happened, None)) is not None:
            hook()

    def _get(self, identifier: str, at: float, effect: Effect) -> Mapping[str, Any]:
        if effect.error is not None:
            raise effect.error
        if effect.spoil is not None:
            return {}
        truth = self._executions.get(identifier)
        index = -1 if truth is None else truth.index_at(at)
        if truth is None or index < 0 or truth.states[index].status is None:
            raise aws_error("ResourceNotFoundException", 404)
        truth.deliveries.append((self._now(), index))
        return truth.states[index].answer

    def _list(
        self, kind: Kind, parent: str | None, start: int, at: float, effect: Effect
    ) -> Mapping[str, Any]:
        if effect.error is not None:
            raise effect.error
        shown: list[tuple[Truth, int]] = []
        for truth in self._children.get((kind.name, parent), ()):
            index = truth.index_at(at)
            if index >= 0 and truth.states[index].status is not None:
                shown.append((truth, index))
        if effect.shuffles:
            self._dice.shuffle(shown)
        page = shown[start : start + self._page]
        if effect.hidden:
            page = [each for each in page if self._dice.random() >= effect.hidden]
        if effect.spoil is not None:
            return _spoiled(kind.lists[2], [truth.states[index].row for truth, index in page], effect.spoil)
        now = self._now()
        for truth, index in page:
            truth.deliveries.append((now, index))
        answer: dict[str, Any] = {
            kind.lists[2]: [truth.states[index].row for truth, index in page],
            "ResponseMetadata": _METADATA,
        }
        if parent is not None and kind in KINDS[1:3]:
            answer[kind.lists[1]] = parent
        if start + self._page < len(shown):
            answer["nextToken"] = str(start if effect.repeats else start + self._page)
        return answer


def _spoiled(output: str, rows: list[Any], spoil: str) -> Mapping[str, Any]:
    match spoil:
        case "nothing":
            return {output: [*rows, None]}
        case "no object":
            return {output: [[], *rows]}
        case "no list":
            return {output: "oops"}
        case "row is text":
            return {output: [*rows, "oops"]}
        case _:
            return {output: rows, "nextToken": 7}


def _code(error: Exception) -> str:
    response = getattr(error, "response", None)
    return str(response["Error"]["Code"]) if response else type(error).__name__
