"""The shared call rate: cut by throttles, once a burst; grown back; never at a standstill."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from aioimagebuilder.rate_limiter import RateLimiter


def _turns(limiter: RateLimiter, now: float, count: int) -> list[float]:
    return [limiter.reserve(now) for _ in range(count)]


def test_a_first_call_goes_at_once_and_a_herd_is_spread():
    turns = _turns(RateLimiter(), 100.0, 100)
    assert turns[0] == 100.0
    assert turns == sorted(turns)
    spread = [b - a for a, b in pairwise(turns[20:])]
    assert all(abs(gap - spread[0]) < 1e-9 for gap in spread)
    assert turns[-1] - 100.0 > 5


def test_a_burst_of_throttles_cuts_once_and_the_next_burst_again():
    limiter = RateLimiter()
    before = limiter.rate
    for _ in range(50):
        limiter.throttled(10.0)
    assert limiter.rate == before / 2
    limiter.throttled(12.0)
    assert limiter.rate == before / 4


def test_success_grows_the_rate_back():
    limiter = RateLimiter()
    limiter.throttled(0.0)
    cut = limiter.rate
    for _ in range(100):
        limiter.succeeded()
    assert limiter.rate > 2 * cut


def test_after_a_throttle_nobody_calls_at_once_and_a_hint_is_kept():
    limiter = RateLimiter()
    limiter.reserve(0.0)
    limiter.throttled(0.0)
    assert limiter.reserve(0.0) >= 1 / limiter.rate
    limiter.throttled(5.0, retry_after=60.0)
    assert limiter.reserve(5.0) >= 65.0


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from(["reserve", "succeeded", "throttled"]))))
def test_it_never_comes_to_a_standstill_nor_lets_a_turn_lie_in_the_past(events):
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
            limiter.throttled(now)
    assert 0 < limiter.rate < 1000
    assert limiter.reserve(now) - max(now, reserved) <= 10
