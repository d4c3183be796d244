"""The delay between two polls, and the queue of what is due, by property."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioimagebuilder.polling.schedule import Cadence, Delay, DueQueue, hinted_delay, next_poll, smithy_delay

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
    due = next_poll(now, delay, cadence, deadline)
    assert now <= due <= deadline
    assert due == deadline or deadline - due > cadence.min_delay


@given(st.floats(0, 1e6), st.integers(1, 100), CADENCES, JITTER)
def test_poll_without_a_deadline_follows_the_delay_alone(now, attempt, cadence, jitter):
    delay = smithy_delay(attempt, cadence, lambda: jitter)
    assert next_poll(now, delay, cadence, math.inf) == now + delay.seconds


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
    assert next_poll(100.0, delay, Cadence(5, 60), math.inf, batch_due) == due


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


HINTED = 300.0


def next_hinted_poll(now, attempt, cadence, deadline, jitter, batch_due=None, maximum=HINTED):
    delay = smithy_delay(attempt, cadence, lambda: jitter)
    hinted = hinted_delay(attempt, cadence, maximum, lambda: jitter)
    return next_poll(now, delay, cadence, deadline, batch_due, hinted)


@pytest.mark.parametrize(
    ("attempt", "jitter", "due"),
    [
        (1, 0.0, 15),
        (1, 1.0, 30),
        (2, 1.0, 60),
        (4, 0.5, 180),
        (5, 0.0, 150),
        (5, 1.0, 300),
        (10**9, 1.0, 300),
    ],
)
def test_hinted_delay_grows_on_from_the_maximum(attempt, jitter, due):
    assert next_hinted_poll(0.0, attempt, Cadence(5, 30), math.inf, jitter) == due


@pytest.mark.parametrize(
    ("batch_due", "due"), [(149.9, 150.0), (150.0, 150.0), (299.0, 299.0), (301.0, 150.0)]
)
def test_batch_is_joined_within_the_hinted_bounds(batch_due, due):
    assert next_hinted_poll(0.0, 9, Cadence(5, 30), math.inf, 0.0, batch_due) == due


@given(st.floats(0, 1e6), st.integers(1, 100), CADENCES, st.floats(0, 1e6), JITTER, st.floats(0, 1e6))
def test_hinted_poll_is_never_past_or_just_before_the_deadline(
    now, attempt, cadence, remaining, jitter, hinted
):
    deadline = now + remaining
    due = next_hinted_poll(now, attempt, cadence, deadline, jitter, None, hinted)
    assert now <= due <= deadline
    assert due == deadline or deadline - due > cadence.min_delay
    longest = max(cadence.max_delay, hinted)
    # A large time is rounded by more than a short delay.
    assert due <= now + longest + 2 * math.ulp(due) or due == deadline


@given(st.integers(1, 100), CADENCES, JITTER, st.floats(0, 1))
def test_hinted_delay_below_the_maximum_has_no_effect(attempt, cadence, jitter, share):
    assert hinted_delay(attempt, cadence, cadence.max_delay * share, lambda: jitter) is None


@pytest.mark.parametrize(("now", "due"), [(0.0, 300.0), (700.0, 940.0), (938.0, 968.0), (940.0, 970.0)])
def test_state_is_read_again_before_the_deadline(now, due):
    # The deadline is at 1000 s, and the state of 60 s before it is not outdated.
    assert next_hinted_poll(now, 9, Cadence(5, 30), 1000.0, 1.0) == due


@given(DELAYS, DELAYS)
def test_hints_lengthen_the_delay_of_any_pace_and_never_shorten_it(seconds, hinted):
    delay, announced = Delay(seconds, seconds, seconds), Delay(hinted, hinted, hinted)
    assert next_poll(0.0, delay, Cadence(0.001, 1e6), math.inf, None, announced) == max(seconds, hinted)
