"""The shared call rate: reduced once for each burst of throttles, recovered, never zero, and fair."""

import heapq
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioimagebuilder.aws.rate_limiter import RateLimiter


def _reserve_permits(limiter: RateLimiter, now: float, count: int) -> list[float]:
    return [limiter.reserve(now) for _ in range(count)]


def test_first_call_is_immediate_and_a_burst_is_spread():
    permits = _reserve_permits(RateLimiter(), 100.0, 100)
    assert permits[0] == 100.0
    assert permits == sorted(permits)
    gaps = [b - a for a, b in pairwise(permits[20:])]
    assert all(abs(gap - gaps[0]) < 1e-9 for gap in gaps)
    assert permits[-1] - 100.0 > 5


def test_burst_of_throttles_reduces_the_rate_once():
    limiter = RateLimiter()
    before = limiter.rate
    for _ in range(50):
        limiter.throttled(10.1, sent=10.0)
    reduced = limiter.rate
    assert reduced < before
    limiter.throttled(10.3, sent=10.2)
    assert limiter.rate < reduced


def test_rate_grows_only_while_demand_exceeds_it():
    limiter = RateLimiter()
    initial = limiter.rate
    for second in range(100):
        limiter.reserve(second * 10.0)
        limiter.succeeded()
    assert limiter.rate == initial
    for _ in range(100):
        limiter.reserve(1000.0)
        limiter.succeeded()
    assert limiter.rate > 2 * initial


def test_slow_start_grows_by_half_per_second_or_per_call():
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
    assert limiter.paused_until == 65.0
    # A shorter pause does not end a longer one.
    limiter.throttled(6.0, sent=4.0, retry_after=1.0)
    assert limiter.paused_until == 65.0


def test_throttle_delays_the_next_call_by_one_interval():
    limiter = RateLimiter()
    limiter.throttled(10.0, sent=9.0)
    assert limiter.reserve(10.0) == 10.0 + 1 / limiter.rate


def test_only_calls_sent_after_a_reduction_reduce_again():
    limiter = RateLimiter()
    limiter.throttled(10.0, sent=9.0)
    reduced = limiter.rate
    limiter.throttled(10.5, sent=9.9)
    assert limiter.rate == reduced
    limiter.throttled(11.0, sent=10.0)
    assert limiter.rate == pytest.approx(reduced * 0.85)


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from(["reserve", "succeeded", "throttled"]))))
def test_limiter_never_stalls_and_reserves_no_past_time(events):
    limiter = RateLimiter()
    now = reserved = 0.0
    for delay, event in events:
        now += delay
        if event == "reserve":
            permit = limiter.reserve(now)
            assert permit >= now
            assert permit >= reserved or permit == now
            reserved = permit
        elif event == "succeeded":
            limiter.succeeded()
        else:
            limiter.throttled(now, sent=now)
    assert 0 < limiter.rate <= 1000
    assert limiter.reserve(now) - max(now, reserved) <= 10


def _simulate_clients(
    clients: int, *, rate: float, burst: float, seconds: float, seed: int
) -> list[list[bool]]:
    """Return which calls of each client a shared token bucket permitted after a third of the time."""
    rng = random.Random(seed)
    limiters = [RateLimiter() for _ in range(clients)]
    outcomes: list[list[bool]] = [[] for _ in range(clients)]
    tokens, refilled = burst, 0.0
    events: list[tuple[float, int, str, float, bool]] = []
    for client in range(clients):
        heapq.heappush(events, (rng.random(), client, "reserve", 0.0, False))
    while events:
        now, client, event, sent, is_permitted = heapq.heappop(events)
        if now > seconds:
            break
        if event == "reserve":
            heapq.heappush(events, (limiters[client].reserve(now), client, "send", 0.0, False))
        elif event == "send":
            tokens, refilled = min(burst, tokens + (now - refilled) * rate), now
            is_permitted = tokens >= 1
            tokens -= is_permitted
            if now > seconds / 3:
                outcomes[client].append(is_permitted)
            heapq.heappush(events, (now + 0.02 + rng.random() * 0.02, client, "response", now, is_permitted))
            heapq.heappush(events, (now, client, "reserve", 0.0, False))
        elif is_permitted:
            limiters[client].succeeded()
        else:
            limiters[client].throttled(now, sent=sent)
    return outcomes


@pytest.mark.parametrize("seed", range(5))
def test_single_client_uses_the_limit_with_few_throttles(seed):
    (outcomes,) = _simulate_clients(1, rate=10, burst=20, seconds=120, seed=seed)
    assert sum(outcomes) > 0.85 * 10 * 80
    assert outcomes.count(False) / len(outcomes) < 0.03


@pytest.mark.parametrize("seed", range(5))
def test_two_clients_share_the_limit_fairly(seed):
    both = _simulate_clients(2, rate=10, burst=20, seconds=150, seed=seed)
    permitted = [sum(each) for each in both]
    assert 0.4 <= permitted[0] / sum(permitted) <= 0.6
    assert sum(each.count(False) for each in both) / sum(map(len, both)) < 0.08


def test_throttle_without_a_retry_hint_requests_no_pause():
    limiter = RateLimiter()
    limiter.throttled(10.0, sent=9.0)
    assert limiter.paused_until <= 10.0
