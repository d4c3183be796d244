"""The invariants can fail: each way to break the library here is seen within a few worlds."""

import random
import time
from functools import cache

import anyio
import anyio.lowlevel
import pytest

from aioimagebuilder.aws import rate_limiter
from aioimagebuilder.models import executions
from aioimagebuilder.polling import history, schedule, subscriptions
from aioimagebuilder.waiting import waiters
from randomized.clock import run_reproducibly
from randomized.invariants import violations
from randomized.runner import run_world
from randomized.scenarios import draw_world

_ENOUGH = 120


@cache
def _small_ones_first():
    def waits(seed):
        return sum(len(waiter.identifiers) for waiter in draw_world(seed).waiters)

    return sorted(range(_ENOUGH), key=waits)


def _lose_some_news(patch):
    deliver = subscriptions.Subscription.deliver

    def deliver_some(self, *args, **options):
        if random.random() > 0.05:
            deliver(self, *args, **options)

    patch.setattr(subscriptions.Subscription, "deliver", deliver_some)


def _let_deadlines_pass(patch):
    patch.setattr(waiters, "_LAST_POLL_TIMEOUT", 60.0)


def _forget_the_last_poll(patch):
    def later(now, attempt, cadence, deadline, dice, batch_due=None):
        return now + schedule.delay_before_poll(attempt, cadence, dice)

    patch.setattr("aioimagebuilder.polling.poller.next_poll", later)


def _keep_waiting_for_nobody(patch):
    patch.setattr(waiters.Gathering, "close", lambda _: None)


def _swallow_cancellations(patch):
    ended = waiters.Gathering.next_ended

    async def next_ended(self):
        try:
            return await ended(self)
        except BaseException as error:
            raise RuntimeError("swallowed") from error

    patch.setattr(waiters.Gathering, "next_ended", next_ended)


def _believe_stale_reads(patch):
    patch.setattr(executions.Execution, "is_older_than", lambda *_: False)


def _hurry(patch):
    patch.setattr("aioimagebuilder.polling.schedule.delay_before_poll", lambda *_: 0.3)


def _know_no_rate(patch):
    patch.setattr(rate_limiter.RateLimiter, "reserve", lambda _, now: now)


def _claim_that_work_goes_on(patch):
    patch.setattr(history.History, "is_outdated", lambda *_: False)


def _mix_up_outcomes(patch):
    gather = waiters.wait_all

    async def wait_all(*args, **options):
        return (await gather(*args, **options))[::-1]

    patch.setattr("aioimagebuilder.client.wait_all", wait_all)


def _go_by_the_wall_clock(patch):
    real = subscriptions.UpdateQueue.wait

    async def wait(self, until):
        await anyio.sleep(time.time() % 1e-3)
        await real(self, until)

    patch.setattr(subscriptions.UpdateQueue, "wait", wait)


@pytest.mark.parametrize(
    "break_it",
    [
        _lose_some_news,
        _let_deadlines_pass,
        _forget_the_last_poll,
        _keep_waiting_for_nobody,
        _swallow_cancellations,
        _believe_stale_reads,
        _hurry,
        _know_no_rate,
        _claim_that_work_goes_on,
        _mix_up_outcomes,
    ],
)
def test_what_breaks_the_library_breaks_an_invariant(monkeypatch, break_it):
    break_it(monkeypatch)
    assert any(violations(run_world(seed)) for seed in _small_ones_first())


def test_a_look_at_the_wall_clock_changes_the_trace(monkeypatch):
    _go_by_the_wall_clock(monkeypatch)
    assert run_world(3).trace != run_world(3, wall_clock_jumps=True).trace


def test_a_world_that_goes_round_and_round_is_broken_off():
    async def main():
        while True:
            await anyio.lowlevel.checkpoint()

    with pytest.raises(RuntimeError, match="livelock"):
        run_reproducibly("asyncio", 0, main)
