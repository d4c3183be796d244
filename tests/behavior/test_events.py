"""Hooks: which events a client emits, in which order, and that no hook changes a wait."""

import asyncio
import logging
import math
import re
import threading
from collections import Counter
from itertools import pairwise

import anyio
import pytest
from botocore.exceptions import WaiterError
from tenacity import wait_none

from aioimagebuilder import (
    Backoff,
    ClientClosedError,
    ExecutionFailedError,
    ImageBuilder,
    ObservationError,
    SqsHints,
    WaitGroupError,
    WaitTimeoutError,
)
from aioimagebuilder.instrumentation import (
    HintReceived,
    Notice,
    OutageBegan,
    OutageEnded,
    PollFinished,
    PollStarted,
    RateChanged,
    StateChanged,
    WaitEnded,
    WaitStarted,
)
from aioimagebuilder.instrumentation.emitter import Emitter
from support.marked_secrets import MARKS, SECRET, TOKEN
from support.scripted_queue import URL, ScriptedQueue, image_event
from support.scripted_service import (
    PIPELINE,
    REGION,
    UNKNOWN,
    ScriptedService,
    aws_error,
    image_arn,
    throttle,
    workflow_id,
)

BROKEN = aws_error("ServiceUnavailableException", 503)


def of(events: list, *classes: type) -> list:
    return [each for each in events if isinstance(each, classes)]


def check_pairs(events: list) -> None:
    """Check that every wait and every poll that started has ended, once and later, and what they share."""
    for start, end, name in ((WaitStarted, WaitEnded, "wait"), (PollStarted, PollFinished, "poll")):
        ends = {getattr(each, name): each for each in of(events, end)}
        assert len(ends) == len(of(events, end))
        assert set(ends) == {getattr(each, name) for each in of(events, start)}
        for started in of(events, start):
            ended = ends[getattr(started, name)]
            assert events.index(started) < events.index(ended)
            assert (started.id, started.kind) == (ended.id, ended.kind)
            assert 0 <= ended.duration < math.inf
    assert {each.region for each in events} <= {REGION}


def test_events_of_a_wait_are_in_order(run):
    async def main():
        events = []
        service = ScriptedService()
        arn = service.image((0, "BUILDING"), (4, "AVAILABLE"))
        async with ImageBuilder(client=service, on_event=events.append) as ib:
            await ib.wait(arn, timeout=3600)
        check_pairs(events)
        rate, started, sent, building, polled, *_ = events
        assert rate == RateChanged(region=REGION, service="imagebuilder", rate=5.0, previous=None)
        assert (started.id, started.kind, started.timeout) == (arn, "image", 3600)
        assert (sent.operation, sent.id, sent.kind, sent.attempt) == ("GetImage", arn, "image", 1)
        assert building == StateChanged(
            region=REGION,
            id=arn,
            kind="image",
            status="BUILDING",
            previous=None,
            outcome=None,
            is_known=True,
        )
        assert polled.duration == pytest.approx(0.01)
        assert (polled.outcome, polled.status, polled.executions) == ("succeeded", "BUILDING", 1)
        assert (polled.waits, polled.error, polled.error_type, polled.retry_in) == (
            (started.wait,),
            None,
            None,
            None,
        )
        *_, sent, available, polled, ended = events
        assert (available.status, available.previous, available.outcome) == (
            "AVAILABLE",
            "BUILDING",
            "succeeded",
        )
        assert (ended.wait, ended.outcome, ended.status) == (started.wait, "succeeded", "AVAILABLE")
        assert (ended.poll, ended.error, ended.error_type) == (sent.poll, None, None)
        assert ended.polls == len(of(events, PollFinished)) > 1
        assert ended.duration == pytest.approx(service.now, abs=0.1)

    run(main)


async def _wait(ib: ImageBuilder, identifier: str) -> None:
    await ib.wait(identifier, timeout=60)


async def _return(ib: ImageBuilder, identifier: str) -> None:
    await ib.wait(identifier, timeout=60, check=False)


async def _watch(ib: ImageBuilder, identifier: str) -> None:
    async for _ in ib.watch(identifier, timeout=60):
        pass


async def _gather(ib: ImageBuilder, identifier: str) -> None:
    async for _ in ib.as_completed([identifier], timeout=60):
        pass


async def _wait_for_all(ib: ImageBuilder, identifier: str) -> None:
    await ib.wait_all([identifier, identifier], timeout=60)


async def _cancel_the_wait(ib: ImageBuilder, identifier: str) -> None:
    with anyio.move_on_after(20):
        await ib.wait(identifier, timeout=None)


async def _leave_the_watch(ib: ImageBuilder, identifier: str) -> None:
    async for _ in ib.watch(identifier):
        break


async def _close_the_client(ib: ImageBuilder, identifier: str) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_wait, ib, identifier)
        await anyio.sleep(20)
        await ib.aclose()


async def _stop_at_a_step(ib: ImageBuilder, identifier: str) -> None:
    await ib.wait(identifier, timeout=60, on_waiting_step="raise")


WAITING = (_wait, _watch, _gather, _wait_for_all)


@pytest.mark.parametrize(
    ("wait", "status", "outcome", "error_type"),
    [
        *((wait, "COMPLETED", "succeeded", None) for wait in (*WAITING, _return)),
        *((wait, "SKIPPED", "skipped", None) for wait in WAITING),
        *((wait, "FAILED", "failed", None) for wait in (_watch, _gather, _return)),
        *((wait, "FAILED", "failed", "ExecutionFailedError") for wait in (_wait, _wait_for_all)),
        (_return, "CANCELLED", "cancelled", None),
        (_wait, "CANCELLED", "cancelled", "ExecutionCancelledError"),
        *((wait, "RUNNING", "timed_out", "WaitTimeoutError") for wait in (*WAITING, _return)),
        *((wait, None, "unobserved", "ExecutionNotFoundError") for wait in (*WAITING, _return)),
        (_cancel_the_wait, "RUNNING", "left", None),
        (_leave_the_watch, "RUNNING", "left", None),
        (_close_the_client, "RUNNING", "client_closed", "ClientClosedError"),
    ],
)
def test_every_end_of_a_wait_is_an_event(run, wait, status, outcome, error_type):
    async def main():
        events = []
        service = ScriptedService()
        states = [(0, "RUNNING"), (10, status or "RUNNING")]
        identifier = workflow_id(99) if status is None else service.workflow(*states)
        async with ImageBuilder(client=service, on_event=events.append) as ib:
            try:
                await wait(ib, identifier)
            except* (ExecutionFailedError, WaitTimeoutError, ObservationError, ClientClosedError) as raised:
                text = str(raised.exceptions[0])
            else:
                text = None
        check_pairs(events)
        (ended,) = of(events, WaitEnded)
        assert (ended.outcome, ended.status, ended.error_type) == (outcome, status, error_type)
        assert (ended.error is None) == (error_type is None)
        if text is not None and not text.startswith("1 of 1"):
            assert ended.error == text
        served = [each for each in of(events, PollFinished) if ended.wait in each.waits]
        assert ended.polls == len(served)

    run(main)


def test_waiting_step_ends_the_wait_with_its_event(run):
    async def main():
        events = []
        service = ScriptedService()
        arn = service.image((0, "BUILDING"))
        service.step((0, "WAITING"), imageBuildVersionArn=arn, name="Approve")
        async with ImageBuilder(client=service, on_event=events.append) as ib:
            with pytest.raises(Exception, match="Approve"):
                await _stop_at_a_step(ib, arn)
        (ended,) = of(events, WaitEnded)
        assert (ended.outcome, ended.error_type) == ("step_waiting", "WaitingForActionError")

    run(main)


def test_bug_of_the_client_ends_waits_and_polls_with_events(run):
    async def main():
        events = []
        service = ScriptedService(fault=lambda now: ZeroDivisionError("a bug") if now > 10 else None)
        identifier = service.workflow((0, "RUNNING"))
        async with ImageBuilder(client=service, on_event=events.append) as ib:
            with pytest.raises(ZeroDivisionError):
                await ib.wait(identifier, timeout=None)
        check_pairs(events)
        (ended,) = of(events, WaitEnded)
        assert (ended.outcome, ended.error, ended.error_type) == ("error", "a bug", "ZeroDivisionError")
        assert of(events, PollFinished)[-1].error_type == "ZeroDivisionError"

    run(main)


@pytest.mark.parametrize(("final", "outcome"), [("CANCELLED", "timed_out"), ("AVAILABLE", "succeeded")])
def test_wait_that_cancels_at_aws_ends_after_the_confirmation(run, final, outcome):
    async def main():
        events = []
        service = ScriptedService()
        arn = service.image((0, "BUILDING"), (90, final))
        service.actions["cancel_image_creation"] = lambda params, _: {
            "imageBuildVersionArn": params["imageBuildVersionArn"]
        }
        async with ImageBuilder(client=service, on_event=events.append) as ib:
            try:
                await ib.wait(arn, timeout=60, on_timeout="cancel")
            except WaitTimeoutError:
                assert final == "CANCELLED"
        check_pairs(events)
        confirmed, ended = of(events, WaitEnded)
        assert (confirmed.outcome, confirmed.status) == (
            "cancelled" if final == "CANCELLED" else outcome,
            final,
        )
        assert (ended.outcome, ended.status) == (outcome, final)
        assert ended.duration == pytest.approx(service.now, abs=0.1)

    run(main)


def test_cancelled_confirmation_ends_the_wait_once(run):
    async def main():
        events = []
        service = ScriptedService()
        arn = service.image((0, "BUILDING"))
        service.actions["cancel_image_creation"] = lambda params, _: {
            "imageBuildVersionArn": params["imageBuildVersionArn"]
        }
        async with ImageBuilder(client=service, on_event=events.append) as ib:
            with anyio.move_on_after(100):
                await ib.wait(arn, timeout=60, on_timeout="cancel")
        check_pairs(events)
        assert [each.outcome for each in of(events, WaitEnded)] == ["left", "left"]

    run(main)


def test_poll_names_all_waits_that_it_serves(run):
    async def main():
        events = []
        service = ScriptedService(page_size=5)
        ids = [
            service.workflow(
                (0, "RUNNING"),
                (30 + 10 * number, "COMPLETED"),
                number=number,
                imageBuildVersionArn=image_arn(),
            )
            for number in range(12)
        ]
        async with ImageBuilder(client=service, on_event=events.append) as ib:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_wait, ib, ids[0])
                await ib.wait_all(ids, timeout=None)
        check_pairs(events)
        waits = of(events, WaitStarted)
        assert Counter(each.id for each in waits) == Counter([*ids, ids[0]])
        assert len(of(events, PollStarted)) < 60
        lists = [each for each in of(events, PollFinished) if each.operation == "ListWorkflowExecutions"]
        assert {(each.id, each.kind, each.status) for each in lists} == {
            (image_arn(), "workflow execution", None)
        }
        assert max(len(each.waits) for each in lists) >= 12
        assert all(each.executions <= len(each.waits) for each in lists)
        for ended in of(events, WaitEnded):
            polls = [each for each in of(events, PollFinished) if ended.wait in each.waits]
            assert ended.polls == len(polls)
            # The poll that ended a wait may read more pages afterwards.
            assert ended.poll == polls[-1].poll

    run(main)


def test_failed_polls_are_events_with_error_and_delay(run):
    async def main():
        events = []
        faults = iter([throttle(), BROKEN])
        service = ScriptedService(fault=lambda _: next(faults, None))
        identifier = service.workflow((0, "RUNNING"), (60, "COMPLETED"))
        async with ImageBuilder(client=service, on_event=events.append) as ib:
            await ib.wait(identifier, timeout=None)
        check_pairs(events)
        throttled, failed, third, *_ = polls = of(events, PollFinished)
        assert (throttled.outcome, throttled.error_type) == ("throttled", "CallRateLimitExceededException")
        assert (failed.outcome, failed.error_type) == ("failed", "ServiceUnavailableException")
        assert "HTTP 429" in throttled.error
        assert [each.attempt for each in polls][:4] == [1, 2, 3, 1]
        assert (third.outcome, third.error, third.retry_in) == ("succeeded", None, None)
        started = of(events, PollStarted)
        assert service.times[1] >= service.times[0] + throttled.retry_in
        assert len({each.poll for each in started}) == len(started) == len(service.calls)
        (ended,) = of(events, WaitEnded)
        assert (ended.polls, ended.throttles) == (len(polls), 1)
        slower, *_ = of(events, RateChanged)[1:]
        assert slower.rate < slower.previous == 5.0

    run(main)


def test_poll_that_nobody_waits_for_is_cancelled(run):
    async def main():
        events = []
        service = ScriptedService(hang=lambda _: 100)
        async with ImageBuilder(client=service, on_event=events.append) as ib:
            with anyio.move_on_after(20):
                await ib.wait(service.workflow((0, "RUNNING")), timeout=None)
            await anyio.sleep(1)
            with anyio.move_on_after(20):
                await ib.wait_for_next_image(PIPELINE, timeout=None)
            await anyio.sleep(1)
        check_pairs(events)
        assert [each.outcome for each in of(events, PollFinished)] == ["cancelled", "cancelled"]
        assert [each.poll for each in of(events, WaitEnded)] == [None, None]

    run(main)


def test_waits_for_a_pipeline_have_events(run):
    async def main():
        events = []
        faults = iter([throttle()])
        service = ScriptedService(fault=lambda _: next(faults, None))
        arn = service.image((100, "BUILDING"), (300, "AVAILABLE"), sourcePipelineArn=PIPELINE)
        async with ImageBuilder(client=service, on_event=events.append) as ib:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_leave_pipeline, ib)
                await ib.wait_for_next_image(PIPELINE, timeout=None)
            with pytest.raises(WaitTimeoutError):
                await anext(ib.watch_pipeline(PIPELINE, timeout=10))
            service.fault = lambda _: aws_error("ResourceNotFoundException", 404)
            with pytest.raises(ObservationError):
                await anext(ib.watch_pipeline(PIPELINE))
        check_pairs(events)
        assert [(each.id, each.kind, each.outcome) for each in of(events, WaitEnded)] == [
            (PIPELINE, "image pipeline", "left"),
            (PIPELINE, "image pipeline", "succeeded"),
            (arn, "image", "succeeded"),
            (PIPELINE, "image pipeline", "timed_out"),
            (PIPELINE, "image pipeline", "unobserved"),
        ]
        lists = [each for each in of(events, PollFinished) if each.kind == "image pipeline"]
        assert {each.operation for each in lists} == {"ListImagePipelineImages"}
        assert "throttled" in {each.outcome for each in lists}
        assert len(lists[0].waits) == 2

    async def _leave_pipeline(ib: ImageBuilder) -> None:
        with anyio.move_on_after(50):
            await anext(ib.watch_pipeline(PIPELINE))

    run(main)


def test_status_changes_alone_are_state_events(run):
    async def main():
        events = []
        service = ScriptedService()
        identifier = service.workflow((0, "PENDING"), (50, "RUNNING"), (300, UNKNOWN), (400, "FAILED"))
        async with ImageBuilder(client=service, on_event=events.append) as ib:
            await ib.wait(identifier, timeout=None, check=False)
        states = of(events, StateChanged)
        assert [each.status for each in states] == ["PENDING", "RUNNING", UNKNOWN, "FAILED"]
        assert [each.previous for each in states] == [None, "PENDING", "RUNNING", UNKNOWN]
        assert [each.is_known for each in states] == [True, True, False, True]
        assert [each.outcome for each in states] == [None, None, None, "failed"]

    run(main)


def test_outage_is_two_events_however_long_it_lasts(run):
    async def main():
        events = []
        service = ScriptedService(fault=lambda now: BROKEN if 60 <= now < 960 else None)
        identifier = service.workflow((0, "RUNNING"), (1000, "COMPLETED"))
        async with ImageBuilder(client=service, on_event=events.append) as ib:
            await ib.wait(identifier, timeout=None)
        began, ended = of(events, OutageBegan, OutageEnded)
        assert 10 <= began.duration <= 26
        assert (began.error_type, began.service) == ("ServiceUnavailableException", "imagebuilder")
        assert 870 <= ended.duration <= 940
        reminders = [each for each in of(events, Notice) if each.level == logging.WARNING]
        assert len(reminders) == 2
        assert all(each.text.startswith("No call has succeeded for") for each in reminders)

    run(main)


def test_rate_of_calls_is_followed(run):
    async def main():
        events = []
        service = ScriptedService(fault=lambda now: throttle() if 5 < now < 8 else None)
        ids = [service.workflow((0, "RUNNING"), (40, "COMPLETED"), number=number) for number in range(50)]
        async with ImageBuilder(client=service, on_event=events.append) as ib:
            await ib.wait_all(ids, timeout=None)
            rate = ib._parts.caller._rate_limiter.rate
        changes = of(events, RateChanged)
        assert {each.rate > (each.previous or 0) for each in changes[1:]} == {True, False}
        assert all(later.previous == earlier.rate != later.rate for earlier, later in pairwise(changes))
        assert changes[-1].rate == rate

    run(main)


def test_hint_is_an_event_whether_awaited_or_not(run):
    async def main():
        events = []
        service = ScriptedService()
        queue = ScriptedQueue(service)
        arn = service.image((0, "BUILDING"), (110, "AVAILABLE"))
        queue.send(20, image_event(image_arn(7), "TESTING"))
        queue.send(111, image_event(arn, "AVAILABLE"))
        hints = SqsHints(URL, client=queue)
        async with ImageBuilder(client=service, hints=hints, on_event=events.append) as ib:
            await ib.wait(arn, timeout=None)
        assert of(events, HintReceived) == [
            HintReceived(
                region=REGION,
                id=each.casefold(),
                status=status,
                is_waiting_step=False,
                is_awaited=is_awaited,
            )
            for each, status, is_awaited in ((image_arn(7), "TESTING", False), (arn, "AVAILABLE", True))
        ]

    run(main)


class _UnprintableError(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize("error", [ValueError(f"aws_secret_access_key={SECRET}"), _UnprintableError()])
def test_failing_hook_changes_no_wait_and_is_logged_once(run, caplog, error):
    async def main():
        events = []

        def fail(event: object) -> None:
            raise error

        service = ScriptedService(fault=lambda now: throttle() if now < 20 else None)
        ids = [service.workflow((0, "RUNNING"), (90, "COMPLETED"), number=each) for each in range(20)]
        async with ImageBuilder(client=service, on_event=[fail, events.append]) as ib:
            found = await ib.wait_all(ids, timeout=None)
        assert [each.status for each in found] == ["COMPLETED"] * 20
        check_pairs(events)
        return {type(each).__name__ for each in events}

    caplog.set_level(logging.WARNING, "aioimagebuilder")
    names = run(main)
    messages = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    pattern = rf"on_event raised {type(error).__name__}, and missed a (\w+): .*"
    failures = [found[1] for each in messages if (found := re.fullmatch(pattern, each))]
    assert sorted(failures) == sorted(names)
    assert not any(mark in caplog.text for mark in MARKS)


def test_error_without_a_text_is_a_notice():
    events = []
    emitter = Emitter(REGION, [events.append])
    emitter.notice(logging.WARNING, "%s failed", "_History", error=_UnprintableError())
    emitter.notice(logging.WARNING, "%s failed", "_History", error=_StubbornError(f"token={TOKEN}"))
    assert [each.text for each in events] == [
        "_History failed: _UnprintableError: (it has no text)",
        "_History failed: _StubbornError: session_token=[redacted]",
    ]
    assert [each.error for each in events] == [None, None]


class _StubbornError(Exception):
    def __str__(self) -> str:
        return f"session_token={TOKEN}"


@pytest.mark.parametrize("hook_error", [KeyboardInterrupt, asyncio.CancelledError])
def test_interruption_of_a_hook_is_not_swallowed(hook_error):
    def interrupt(event: object) -> None:
        raise hook_error

    with pytest.raises(hook_error):
        Emitter(REGION, [interrupt]).notice(logging.INFO, "hello")


def test_texts_of_events_are_redacted_and_on_one_line(run, caplog):
    caplog.set_level(logging.DEBUG, "aioimagebuilder")

    async def main():
        events = []
        secret = f"x\ny x-amz-security-token={TOKEN}"
        faults = iter([aws_error("ServiceException", 500, message=secret)] * 3)
        service = ScriptedService(fault=lambda _: next(faults, None))
        arn = service.image((0, "BUILDING"), (60, "FAILED"), reason=secret)
        strange = service.workflow((0, f"x-amz-security-token={TOKEN}\n"), (60, "COMPLETED"))
        history = _BrokenHistory(secret)
        options = {"pace": "forecast", "history": history, "backoff": Backoff(transient=wait_none())}
        async with ImageBuilder(client=service, on_event=events.append, **options) as ib:
            with pytest.raises(WaitGroupError):
                await ib.wait_all([arn, strange], timeout=None)
        assert {"PollFinished", "StateChanged", "WaitEnded", "Notice"} <= {
            type(each).__name__ for each in events
        }
        assert "[redacted]" in "".join(map(repr, events))
        for event in events:
            texts = [value for name in event.__slots__ if isinstance(value := getattr(event, name), str)]
            assert not any(mark in f"{text}{event!r}" for text in texts for mark in MARKS), event
            assert not any("\n" in text for text in texts), event
        assert not any(mark in caplog.text for mark in MARKS)

    run(main)


class _BrokenHistory:
    def __init__(self, text: str) -> None:
        self.text = text

    async def load(self, pipeline_arn: str) -> list:
        raise RuntimeError(self.text)

    async def add(self, pipeline_arn: str, build: object) -> None:
        raise RuntimeError(self.text)


def test_nothing_is_built_without_hook_and_log(run, monkeypatch):
    def fail(*arguments: object, **options: object) -> None:
        raise AssertionError

    async def main():
        service = ScriptedService(fault=lambda now: throttle() if 20 < now < 25 else None)
        arn = service.image((0, "BUILDING"), (60, "AVAILABLE"))
        async with ImageBuilder(client=service) as ib:
            await ib.wait(arn, timeout=None)

    monkeypatch.setattr(Emitter, "emit", fail)
    monkeypatch.setattr("aioimagebuilder.polling.poll_events.PollFinished", fail)
    monkeypatch.setattr(logging.getLogger("aioimagebuilder"), "level", logging.WARNING)
    run(main)


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.WARNING])
def test_log_is_the_same_with_and_without_a_hook(run, caplog, level):
    async def main(**options: object):
        faults = iter([throttle()] * 3)
        service = ScriptedService(fault=lambda _: next(faults, None))
        arn = service.image((0, "BUILDING"), (60, UNKNOWN), (90, "AVAILABLE"))
        async with ImageBuilder(client=service, backoff=Backoff(throttled=wait_none()), **options) as ib:
            await ib.wait(arn, timeout=None)

    caplog.set_level(level, "aioimagebuilder")
    logged = []
    for options in ({}, {"on_event": lambda _: None}):
        caplog.clear()
        run(lambda options=options: main(**options))
        logged.append(
            {(each.levelno, re.sub(r"[\d.]+ s", "… s", each.getMessage())) for each in caplog.records}
        )
    assert logged[0] == logged[1]
    assert {levelno for levelno, _ in logged[0]} == {
        each for each in (logging.DEBUG, logging.INFO, logging.WARNING) if each >= level
    }


async def _coroutine_function(event: object) -> None: ...


class _AsyncCallable:
    async def __call__(self, event: object) -> None: ...


@pytest.mark.parametrize(
    "on_event",
    [
        7,
        "hook",
        [print, None],
        Emitter,
        [print, Emitter],
        _coroutine_function,
        _AsyncCallable(),
        [print, _coroutine_function],
    ],
)
def test_invalid_hook_is_rejected_at_once(on_event):
    with pytest.raises(TypeError, match="on_event"):
        ImageBuilder(on_event=on_event)


@pytest.mark.parametrize(
    "on_event", [None, (), [], print, [print], (each for each in [print]), [print, repr]]
)
def test_hook_may_be_none_one_or_several(on_event):
    ImageBuilder(on_event=on_event)


@pytest.mark.parametrize(
    ("cls", "seen"),
    # What was delivered before remains.
    [
        (WaitStarted, []),
        (PollStarted, []),
        (StateChanged, ["BUILDING"]),
        (PollFinished, ["BUILDING"]),
        (WaitEnded, ["BUILDING", "TESTING", "AVAILABLE"]),
    ],
)
def test_hook_may_close_a_watch(run, cls, seen):
    async def main():
        events = []
        service = ScriptedService()
        arn = service.image((0, "BUILDING"), (60, "TESTING"), (90, "AVAILABLE"))
        watches = []

        def close(event: object) -> None:
            if isinstance(event, cls):
                watches[0].close()

        async with ImageBuilder(client=service, on_event=[close, events.append]) as ib:
            watches.append(ib.watch(arn))
            assert [each.status async for each in watches[0]] == seen
            await anyio.sleep(1)
            assert ib._parts.poller.is_idle
        names = ["wait", "poll"]
        for name, start, end in zip(
            names, (WaitStarted, PollStarted), (WaitEnded, PollFinished), strict=True
        ):
            started, ended = (
                Counter(getattr(each, name) for each in of(events, of_)) for of_ in (start, end)
            )
            assert started == ended
            assert set(ended.values()) <= {1}

    run(main)


def test_abandoned_watch_ends_in_the_event_loop(run):
    async def main():
        threads, events = [], []
        service = ScriptedService()
        arn = service.image((0, "BUILDING"))

        def record(event: object) -> None:
            threads.append(threading.get_ident())
            events.append(event)

        async with ImageBuilder(client=service, on_event=record) as ib:
            watches = [ib.watch(arn)]
            await anext(watches[0])
            await anyio.sleep(20)
            # The garbage collector calls finalizers in whatever thread it runs.
            thread = threading.Thread(target=watches.clear)
            thread.start()
            thread.join()
            assert not of(events, WaitEnded)
            await anyio.sleep(1)
            assert ib._parts.poller.is_idle
        (ended,) = of(events, WaitEnded)
        assert ended.outcome == "left"
        assert 20 <= ended.duration < 22
        assert set(threads) == {threading.get_ident()}

    run(main)


def test_duration_leaves_out_the_time_of_a_slow_consumer(run):
    async def main():
        events = []
        service = ScriptedService()
        ids = [service.workflow((0, "RUNNING"), (60, "COMPLETED"), number=number) for number in range(1, 5)]
        async with ImageBuilder(client=service, on_event=events.append) as ib:
            async for _ in ib.as_completed(ids, timeout=None):
                await anyio.sleep(100)
        assert [60 <= each.duration < 95 for each in of(events, WaitEnded)] == [True] * 4

    run(main)


def test_ids_of_events_are_on_one_line_without_secrets(run):
    async def main():
        events = []
        service = ScriptedService()
        arn = f"x\nERROR forged https://example.com/?X-Amz-Signature={SECRET}"
        async with ImageBuilder(client=service, on_event=events.append) as ib:
            with pytest.raises(WaiterError):
                await ib.get_waiter("image_available").wait(imageBuildVersionArn=arn)
        ids = {each.id for each in of(events, WaitStarted, WaitEnded, PollStarted, PollFinished)}
        assert len(ids) == 1
        assert not any("\n" in each or SECRET in each for each in ids)

    run(main)
