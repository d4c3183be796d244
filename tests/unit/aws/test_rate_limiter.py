"""The shared call rate: cut by throttles, once a burst; grown back; never at a standstill; fair."""

import heapq
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioimagebuilder.aws.rate_limiter import RateLimiter


def _turns(limiter: RateLimiter, now: float, count: int) -> list[float]:
    return [limiter.reserve(now) for _ in range(count)]


def test_first_call_is_immediate_and_a_burst_is_spread():
    turns = _turns(RateLimiter(), 100.0, 100)
    assert turns[0] == 100.0
    assert turns == sorted(turns)
    gaps = [b - a for a, b in pairwise(turns[20:])]
    assert all(abs(gap - gaps[0]) < 1e-9 for gap in gaps)
    assert turns[-1] - 100.0 > 5


def test_burst_of_throttles_reduces_the_rate_once():
    limiter = RateLimiter()
    before = limiter.rate
    for _ in range(50):
        limiter.throttled(10.1, sent=10.0)
    once = limiter.rate
    assert once < before
    limiter.throttled(10.3, sent=10.2)
    assert limiter.rate < once


def test_rate_grows_only_while_demand_exceeds_it():
    limiter = RateLimiter()
    idle = limiter.rate
    for second in range(100):
        limiter.reserve(second * 10.0)
        limiter.succeeded()
    assert limiter.rate == idle
    for _ in range(100):
        limiter.reserve(1000.0)
        limiter.succeeded()
    assert limiter.rate > 2 * idle


def test_slow_start_grows_by_half_in_each_second():
    fast, slow = RateLimiter(), RateLimiter()
    for second in range(40):
        slow.throttled(float(second), sent=float(second))
    for limiter, grown in ((fast, fast.rate + 0.5), (slow, slow.rate * 1.5)):
        limiter.reserve(100.0)
        for _ in range(20):
            limiter.reserve(100.0)
        limiter.succeeded()
        assert limiter.rate == pytest.approx(grown)


def test_rate_recovers_fast_to_its_threshold_and_then_slowly():
    limiter = RateLimiter()
    for _ in range(12):
        limiter.reserve(0.0)
        limiter.succeeded()
    limiter.throttled(1.0, sent=0.5)
    threshold = limiter.rate
    for second in range(2, 40):
        limiter.throttled(float(second), sent=second - 0.5)
    assert limiter.rate < 0.3
    calls = 0
    while limiter.rate < threshold:
        limiter.reserve(0.0)
        limiter.succeeded()
        calls += 1
    assert calls < 40
    limiter.reserve(0.0)
    limiter.succeeded()
    assert limiter.rate - threshold < 0.2


def test_throttle_and_retry_hint_delay_the_next_call():
    limiter = RateLimiter()
    limiter.reserve(0.0)
    limiter.throttled(0.0, sent=0.0)
    assert limiter.reserve(0.0) >= 1 / limiter.rate
    limiter.throttled(5.0, sent=4.0, retry_after=60.0)
    assert limiter.reserve(5.0) >= 65.0


def test_throttle_delays_the_next_call_by_one_interval():
    limiter = RateLimiter()
    limiter.throttled(10.0, sent=9.0)
    assert limiter.reserve(10.0) == 10.0 + 1 / limiter.rate


def test_only_calls_sent_after_a_reduction_reduce_again():
    limiter = RateLimiter()
    limiter.throttled(10.0, sent=9.0)
    cut = limiter.rate
    limiter.throttled(10.5, sent=9.9)
    assert limiter.rate == cut
    limiter.throttled(11.0, sent=10.0)
    assert limiter.rate == pytest.approx(cut * 0.85)


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from(["reserve", "succeeded", "throttled"]))))
def test_limiter_never_stalls_and_reserves_no_past_time(events):
    limiter = RateLimiter()
    now = reserved = 0.0
    for pause, event in events:
        now += pause
        if event == "reserve":
            turn = limiter.reserve(now)
            assert turn >= now
            assert turn >= reserved or turn == now
            reserved = turn
        elif event == "succeeded":
            limiter.succeeded()
        else:
            limiter.throttled(now, sent=now)
    assert 0 < limiter.rate <= 1000
    assert limiter.reserve(now) - max(now, reserved) <= 10


def _under_one_limit(
    clients: int, *, rate: float, burst: float, seconds: float, seed: int
) -> list[list[bool]]:
    """What becomes of the calls of greedy clients at one token bucket, after a third of the time."""
    rng = random.Random(seed)
    limiters = [RateLimiter() for _ in range(clients)]
    outcomes: list[list[bool]] = [[] for _ in range(clients)]
    tokens, refilled = burst, 0.0
    events: list[tuple[float, int, str, float, bool]] = []
    for client in range(clients):
        heapq.heappush(events, (rng.random(), client, "ask", 0.0, False))
    while events:
        now, client, event, sent, let_through = heapq.heappop(events)
        if now > seconds:
            break
        if event == "ask":
            heapq.heappush(events, (limiters[client].reserve(now), client, "send", 0.0, False))
        elif event == "send":
            tokens, refilled = min(burst, tokens + (now - refilled) * rate), now
            let_through = tokens >= 1
            tokens -= let_through
            if now > seconds / 3:
                outcomes[client].append(let_through)
            heapq.heappush(events, (now + 0.02 + rng.random() * 0.02, client, "answer", now, let_through))
            heapq.heappush(events, (now, client, "ask", 0.0, False))
        elif let_through:
            limiters[client].succeeded()
        else:
            limiters[client].throttled(now, sent=sent)
    return outcomes


@pytest.mark.parametrize("seed", range(5))
def test_single_client_uses_the_limit_with_few_throttles(seed):
    (mine,) = _under_one_limit(1, rate=10, burst=20, seconds=120, seed=seed)
    assert sum(mine) > 0.85 * 10 * 80
    assert mine.count(False) / len(mine) < 0.03


@pytest.mark.parametrize("seed", range(5))
def test_two_clients_share_the_limit_fairly(seed):
    both = _under_one_limit(2, rate=10, burst=20, seconds=150, seed=seed)
    through = [sum(each) for each in both]
    assert 0.4 <= through[0] / sum(through) <= 0.6
    assert sum(each.count(False) for each in both) / sum(map(len, both)) < 0.08
