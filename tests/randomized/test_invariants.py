"""The invariants detect defects: each defect introduced here violates one of them within few scenarios."""

import random
import time
from functools import cache

import anyio
import anyio.lowlevel
import pytest

from aioimagebuilder.aws import rate_limiter
from aioimagebuilder.models import executions
from aioimagebuilder.polling import history, poll_events, schedule, subscriptions
from aioimagebuilder.waiting import wait_events, waiters
from randomized.clock import run_reproducibly
from randomized.invariants import violations
from randomized.runner import run_scenario
from randomized.scenarios import draw_scenario

_SCENARIOS = 120


@cache
def _seeds_by_size():
    def wait_count(seed):
        return sum(len(waiter.identifiers) for waiter in draw_scenario(seed).waiters)

    return sorted(range(_SCENARIOS), key=wait_count)


def _lose_some_updates(patch):
    deliver = subscriptions.Subscription.deliver

    def deliver_some(self, *args, **options):
        if random.random() > 0.05:
            deliver(self, *args, **options)

    patch.setattr(subscriptions.Subscription, "deliver", deliver_some)


def _exceed_deadlines(patch):
    patch.setattr(waiters, "_LAST_POLL_TIMEOUT", 60.0)


def _omit_last_poll(patch):
    def next_poll(now, delay, cadence, deadline, *_):
        return now + delay.seconds

    patch.setattr("aioimagebuilder.polling.poller.next_poll", next_poll)


def _keep_subscriptions_of_ended_waits(patch):
    patch.setattr(waiters.Gathering, "close", lambda _: None)


def _replace_cancellations(patch):
    original = waiters.Gathering.next_ended

    async def next_ended(self):
        try:
            return await original(self)
        except BaseException as error:
            raise RuntimeError("swallowed") from error

    patch.setattr(waiters.Gathering, "next_ended", next_ended)


def _accept_stale_reads(patch):
    patch.setattr(executions.Execution, "is_older_than", lambda *_: False)


def _poll_too_often(patch):
    patch.setattr("aioimagebuilder.polling.pace.smithy_delay", lambda *_: schedule.Delay(0.3, 0.3, 0.3))


def _ignore_call_rate(patch):
    patch.setattr(rate_limiter.RateLimiter, "reserve", lambda _, now: now)


def _report_outdated_states_as_running(patch):
    patch.setattr(history.History, "is_outdated", lambda *_: False)


def _reverse_results(patch):
    original = waiters.wait_all

    async def wait_all(*args, **options):
        return (await original(*args, **options))[::-1]

    patch.setattr("aioimagebuilder.client.wait_all", wait_all)


def _omit_ends_of_some_waits(patch):
    def end(self, *args, **options):
        if random.random() > 0.05:
            original(self, *args, **options)

    original = wait_events.WaitRecorder.end
    patch.setattr(wait_events.WaitRecorder, "end", end)


def _omit_cancelled_polls(patch):
    patch.setattr(poll_events.PollRecorder, "close", lambda _: None)


def _read_wall_clock(patch):
    original = subscriptions.UpdateQueue.wait

    async def wait(self, until):
        await anyio.sleep(time.time() % 1e-3)
        await original(self, until)

    patch.setattr(subscriptions.UpdateQueue, "wait", wait)


@pytest.mark.parametrize(
    "introduce_defect",
    [
        _lose_some_updates,
        _exceed_deadlines,
        _omit_last_poll,
        _keep_subscriptions_of_ended_waits,
        _replace_cancellations,
        _accept_stale_reads,
        _poll_too_often,
        _ignore_call_rate,
        _report_outdated_states_as_running,
        _reverse_results,
        _omit_ends_of_some_waits,
        _omit_cancelled_polls,
    ],
)
def test_defect_violates_an_invariant(monkeypatch, introduce_defect):
    introduce_defect(monkeypatch)
    assert any(violations(run_scenario(seed)) for seed in _seeds_by_size())


def test_dependence_on_wall_clock_changes_trace(monkeypatch):
    _read_wall_clock(monkeypatch)
    assert run_scenario(3).trace != run_scenario(3, wall_clock_jumps=True).trace


def test_livelock_raises_runtime_error():
    async def main():
        while True:
            await anyio.lowlevel.checkpoint()

    with pytest.raises(RuntimeError, match="livelock"):
        run_reproducibly("asyncio", 0, main)
