"""How hints are scored by what polls find."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioimagebuilder.polling.hint_health import TIMELY, HintHealth

TESTING = ("TESTING", "image")
AVAILABLE = ("AVAILABLE", "image")


def _change(number: int) -> tuple[str, str]:
    return ("TESTING", f"image-{number}")


def _prove(health: HintHealth, now: float, changes: int = 2) -> None:
    for number in range(changes):
        health.announced(_change(number), now, is_awaited=True)
        health.found(_change(number), now + 1)


def _miss(health: HintHealth, now: float, number: int = 99) -> bool:
    health.found(_change(number), now)
    return health.expire(now + TIMELY)


def test_two_changes_announced_in_time_prove_hints():
    health = HintHealth()
    _prove(health, 0, 1)
    assert not health.is_proven
    health.announced(AVAILABLE, 10, is_awaited=True)
    assert not health.is_proven
    health.found(AVAILABLE, 11)
    assert health.is_proven


@pytest.mark.parametrize(("delay", "is_timely"), [(0, True), (9.9, True), (10, False), (60, False)])
def test_hint_is_timely_up_to_ten_seconds_after_the_poll(delay, is_timely):
    health = HintHealth()
    health.found(TESTING, 100)
    health.expire(100 + delay)
    health.announced(TESTING, 100 + delay, is_awaited=False)
    assert (health.in_time, health.misses) == (is_timely, not is_timely)


def test_hint_of_another_status_or_image_announces_nothing():
    health = HintHealth()
    health.announced(TESTING, 0, is_awaited=True)
    health.found(AVAILABLE, 1)
    health.found(("TESTING", "other"), 1)
    health.expire(20)
    assert health.in_time == 0


def test_one_hint_announces_one_change():
    health = HintHealth()
    health.announced(TESTING, 0, is_awaited=True)
    health.found(TESTING, 1)
    health.found(TESTING, 2)
    assert health.in_time == 1
    health.expire(12)
    assert health.misses == 1


def test_hint_that_no_poll_confirms_is_forgotten():
    health = HintHealth()
    health.announced(TESTING, 0, is_awaited=True)
    health.expire(300)
    health.found(TESTING, 301)
    assert health.in_time == 0


def test_hint_of_an_image_that_nobody_awaits_is_not_kept():
    health = HintHealth()
    health.announced(TESTING, 0, is_awaited=False)
    health.found(TESTING, 1)
    assert health.in_time == 0


def test_one_miss_ends_the_proof():
    health = HintHealth()
    _prove(health, 0)
    assert not _miss(health, 10)
    assert not health.is_proven
    assert health.paused_until == -math.inf


@pytest.mark.parametrize("misses", [1, 2])
def test_ten_changes_in_a_row_prove_hints_after_a_miss(misses):
    health = HintHealth()
    _prove(health, 0)
    for _ in range(misses):
        _miss(health, 10)
    _prove(health, 50, 9)
    assert not health.is_proven
    _prove(health, 60, 1)
    assert health.is_proven


def test_two_changes_prove_hints_after_an_error():
    health = HintHealth()
    _prove(health, 0)
    health.pause(10)
    assert not health.is_proven
    _prove(health, 20)
    assert health.is_proven


def test_two_misses_start_a_pause_that_doubles():
    health = HintHealth()
    pauses = []
    now = 0.0
    for _ in range(9):
        assert not _miss(health, now)
        assert _miss(health, now)
        pauses.append(health.paused_until - now - TIMELY)
        now = health.paused_until
        assert (health.in_time, health.misses) == (0, 0)
    assert pauses == [10, 20, 40, 80, 160, 320, 640, 900, 900]


def test_ten_changes_in_a_row_make_misses_and_pauses_forgotten():
    health = HintHealth()
    health.pause(0)
    assert health.paused_until == 10
    _prove(health, 10)
    _miss(health, 20)
    _prove(health, 40, 9)
    assert health.misses == 1
    _prove(health, 50, 1)
    assert health.misses == 0
    health.pause(100)
    assert health.paused_until == 110


def test_what_was_found_before_a_pause_is_no_miss():
    health = HintHealth()
    health.found(TESTING, 0)
    assert health.awaited_until == TIMELY
    health.forget()
    assert health.awaited_until == -math.inf
    assert not health.expire(100)
    assert health.misses == 0


@given(st.lists(st.tuples(st.sampled_from("afpx"), st.integers(0, 3), st.floats(0, 400)), max_size=60))
def test_any_sequence_keeps_the_score_consistent(steps):
    health, now = HintHealth(), 0.0
    for kind, number, delay in steps:
        now += delay
        if kind == "a":
            health.announced(_change(number), now, is_awaited=True)
        elif kind == "f":
            health.found(_change(number), now)
        elif kind == "p":
            health.pause(now)
        else:
            health.expire(now)
        assert health.in_time >= 0
        assert health.misses >= 0
        assert health.in_time >= 2 or not health.is_proven
        assert health.in_time < 10 or health.is_proven
        assert health.paused_until <= now + 900
        assert health.awaited_until <= now + TIMELY
