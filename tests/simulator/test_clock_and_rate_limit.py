"""The clock scales and jumps, never back; the bucket lets through what its rate allows."""

from __future__ import annotations

import pytest

from aioimagebuilder.testing.rate_limit import TokenBucket
from aioimagebuilder.testing.simulation.clock import SimulatedClock, format_time


class Wall:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_clock_runs_by_its_scale_and_jumps():
    wall = Wall()
    clock = SimulatedClock(scale=60, start=0.0, monotonic=wall)
    wall.now += 2
    assert clock.now() == 120
    clock.set_scale(0)
    wall.now += 100
    assert clock.now() == 120
    clock.advance(5)
    assert clock.now() == 125
    clock.set_scale(1)
    wall.now += 3
    assert clock.now() == 128


def test_a_clock_never_runs_backwards():
    with pytest.raises(ValueError, match="backwards"):
        SimulatedClock(scale=-1)
    clock = SimulatedClock()
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="backwards"):
        clock.set_scale(-1)


def test_a_stamp_is_the_form_of_the_service():
    assert format_time(1788981143.175) == "2026-09-09T19:12:23.175Z"
    assert format_time(float("inf")) == ""


def test_a_bucket_lets_a_burst_through_and_then_the_rate():
    wall = Wall()
    bucket = TokenBucket(2, 3, monotonic=wall)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    wall.now += 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]
    wall.now += 100
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize(("rate", "burst"), [(0, None), (-1, None), (1, 0)])
def test_a_bucket_needs_a_rate_and_a_burst(rate, burst):
    with pytest.raises(ValueError, match="rate limit"):
        TokenBucket(rate, burst)
