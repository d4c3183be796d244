"""The simulated clock and the token bucket."""

from __future__ import annotations

import pytest

from aioimagebuilder.testing.rate_limit import TokenBucket
from aioimagebuilder.testing.simulation.clock import SimulatedClock, format_time


class FakeMonotonic:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_clock_scales_and_advances():
    real_time = FakeMonotonic()
    clock = SimulatedClock(scale=60, start=0.0, monotonic=real_time)
    real_time.now += 2
    assert clock.now() == 120
    clock.set_scale(0)
    real_time.now += 100
    assert clock.now() == 120
    clock.advance(5)
    assert clock.now() == 125
    clock.set_scale(1)
    real_time.now += 3
    assert clock.now() == 128


def test_clock_rejects_negative_scale_and_advance():
    with pytest.raises(ValueError, match="backwards"):
        SimulatedClock(scale=-1)
    clock = SimulatedClock()
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="backwards"):
        clock.set_scale(-1)


def test_times_have_service_format():
    assert format_time(1788981143.175) == "2026-09-09T19:12:23.175Z"
    assert format_time(float("inf")) == ""


def test_token_bucket_allows_burst_then_rate():
    real_time = FakeMonotonic()
    bucket = TokenBucket(2, 3, monotonic=real_time)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    real_time.now += 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]
    real_time.now += 100
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize(("rate", "burst"), [(0, None), (-1, None), (1, 0)])
def test_token_bucket_rejects_invalid_rate_or_burst(rate, burst):
    with pytest.raises(ValueError, match="rate limit"):
        TokenBucket(rate, burst)
