"""The delay between two polls, and the queue of what is due, by property."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioimagebuilder.polling.schedule import Cadence, DueQueue, next_poll, smithy_delay

DELAYS = st.floats(0.001, 1e6)
CADENCES = st.builds(lambda a, b: Cadence(min(a, b), max(a, b)), DELAYS, DELAYS)
JITTER = st.floats(0, 1)


@given(st.integers(1, 10**9), CADENCES, JITTER)
def test_delay_is_within_its_bounds_at_any_attempt(attempt, cadence, jitter):
    delay = smithy_delay(attempt, cadence, lambda: jitter).seconds
    assert cadence.min_delay <= delay <= cadence.max_delay * (1 + 1e-9)


@given(st.integers(1, 60), CADENCES)
def test_longest_delay_doubles_up_to_the_maximum(attempt, cadence):
    longest = smithy_delay(attempt, cadence, lambda: 1.0).seconds
    assert longest == pytest.approx(min(cadence.min_delay * 2 ** (attempt - 1), cadence.max_delay))
    assert smithy_delay(attempt, cadence, lambda: 0.0).seconds == cadence.min_delay


@given(st.floats(0, 1e6), st.integers(1, 100), CADENCES, st.floats(0, 1e6), JITTER)
def test_poll_is_never_past_or_just_before_the_deadline(now, attempt, cadence, remaining, jitter):
    deadline = now + remaining
    delay = smithy_delay(attempt, cadence, lambda: jitter)
    due = next_poll(now, delay, cadence.min_delay, deadline)
    assert now <= due <= deadline
    assert due == deadline or deadline - due > cadence.min_delay


@given(st.floats(0, 1e6), st.integers(1, 100), CADENCES, JITTER)
def test_poll_without_a_deadline_follows_the_delay_alone(now, attempt, cadence, jitter):
    delay = smithy_delay(attempt, cadence, lambda: jitter)
    assert next_poll(now, delay, cadence.min_delay, math.inf) == now + delay.seconds


@pytest.mark.parametrize(
    ("batch_due", "jitter", "due"),
    [
        (104.9, 1.0, 120.0),
        (105.0, 1.0, 105.0),
        (112.0, 1.0, 112.0),
        (120.0, 0.0, 120.0),
        (120.1, 0.0, 105.0),
        (None, 0.0, 105.0),
    ],
)
def test_batch_is_joined_if_it_is_due_within_the_bounds(batch_due, jitter, due):
    # The delay before the third poll is 5 to 20 seconds.
    delay = smithy_delay(3, Cadence(5, 60), lambda: jitter)
    assert next_poll(100.0, delay, 5.0, math.inf, batch_due) == due


@given(CADENCES, CADENCES)
def test_fastest_of_two_cadences_satisfies_both(one, other):
    both = one.fastest(other)
    assert both == other.fastest(one)
    assert both.min_delay == min(one.min_delay, other.min_delay)
    assert both.max_delay == min(one.max_delay, other.max_delay)


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.floats(0, 100) | st.none()), max_size=30))
def test_due_queue_returns_keys_in_order_of_their_last_due(operations):
    queue: DueQueue[str] = DueQueue()
    expected: dict[str, float] = {}
    for key, due in operations:
        if due is None:
            queue.discard(key)
            expected.pop(key, None)
        else:
            queue.put(key, due)
            expected[key] = due
        assert queue.due_of(key) == expected.get(key, math.inf)
    assert queue.next_due <= min(expected.values(), default=math.inf)
    first_due = list(queue.pop_due(50))
    assert sorted(first_due) == sorted(key for key, due in expected.items() if due <= 50)
    assert [expected[key] for key in first_due] == sorted(expected[key] for key in first_due)
    assert set(queue.pop_due(100)) == expected.keys() - set(first_due)
    assert queue.next_due == math.inf
