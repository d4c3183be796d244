"""The simulated clock and the token bucket."""

from __future__ import annotations

from aioimagebuilder.testing.imagebuilder.rate_limit import TokenBucket
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


def test_clock_stops_at_the_end_of_time():
    real_time = FakeMonotonic()
    clock = SimulatedClock(scale=1e9, monotonic=real_time)
    real_time.now += 1000
    clock.advance(1e9)
    assert format_time(clock.now()) == format_time(clock.now() + 1e9) == "9000-01-01T00:00:00.000Z"


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
