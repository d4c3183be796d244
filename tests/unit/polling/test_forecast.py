"""Forecasts by property: quantiles are ordered and calibrated, and no durations break them."""

import itertools
import math
import random

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from aioimagebuilder.polling import student_t
from aioimagebuilder.polling.forecast import Forecast

DURATIONS = st.lists(st.floats(0, 1e9), min_size=2, max_size=20)
SHARES = st.floats(0.01, 0.99)
HALF_AN_HOUR = 1800.0


@pytest.mark.parametrize(
    ("value", "freedom", "survival", "density"),
    [
        # From scipy.stats.t 1.17: sf and pdf.
        (0.0, 5, 0.5, 0.3796066898224944),
        (1.5, 5, 0.09695184012123664, 0.12451734464635511),
        (-2.0, 8, 0.9597418810213687, 0.0623680846346818),
        (6.0, 8, 0.00016169661094257446, 0.00018019426713034836),
        (40.0, 8, 8.392859439572896e-11, 1.6710552690805505e-11),
        (3.0, 1, 0.10241638234956672, 0.03183098861837907),
        (0.5, 30, 0.3103615024425636, 0.34787857969720376),
    ],
)
def test_student_t_agrees_with_reference(value, freedom, survival, density):
    assert student_t.survival(value, freedom) == pytest.approx(survival, rel=1e-12)
    assert student_t.density(value, freedom) == pytest.approx(density, rel=1e-12)


@given(st.floats(-1e6, 1e6), st.integers(1, 1000))
def test_student_t_is_symmetric(value, freedom):
    both = student_t.survival(value, freedom) + student_t.survival(-value, freedom)
    assert both == pytest.approx(1, rel=1e-12)
    assert student_t.density(value, freedom) == student_t.density(-value, freedom)


@given(DURATIONS, st.floats(0, 1e9), SHARES, SHARES)
@example([0.0, 1e9], 0.0, 0.1, 0.9)
@example([1e-300, 1e300], 1e12, 0.1, 0.9)
def test_quantiles_are_ordered_and_not_in_the_past(durations, elapsed, one, other):
    forecast = Forecast(durations)
    low, high = (forecast.quantile(share, elapsed) for share in sorted((one, other)))
    assert elapsed <= low <= high < math.inf


@given(DURATIONS, st.floats(0, 1e6), SHARES)
def test_quantile_is_the_inverse_of_survival(durations, elapsed, share):
    forecast = Forecast(durations)
    found = forecast.quantile(share, elapsed)
    assume(found > 1.01)
    expected = (1 - share) * forecast.survival(elapsed)
    assert forecast.survival(found) == pytest.approx(expected, rel=1e-3)


@given(DURATIONS, st.floats(0, 1e9), st.floats(0, 1e9))
def test_survival_falls_from_one(durations, one, other):
    forecast = Forecast(durations)
    sooner, later = sorted((one, other))
    assert 1 >= forecast.survival(sooner) >= forecast.survival(later) > 0
    assert 0 <= forecast.hazard(sooner) < math.inf


@given(st.lists(st.floats(60, 1e5), min_size=2, max_size=20), st.floats(0, 1), st.floats(1.05, 1.5))
def test_hazard_is_the_rate_at_which_survival_falls(durations, share, factor):
    forecast = Forecast(durations)
    start = forecast.quantile(0.05 + 0.8 * share)
    times = [start * factor ** (each / 200) for each in range(201)]
    integral = sum(
        (after - before) * (forecast.hazard(before) + forecast.hazard(after)) / 2
        for before, after in itertools.pairwise(times)
    )
    expected = forecast.survival(times[-1]) / forecast.survival(start)
    assert math.exp(-integral) == pytest.approx(expected, rel=1e-2)


@given(DURATIONS, st.floats(0, 1e9), st.floats(0.1, 1e4))
@example([0.0, 1e9], 1e300, 10.0)
@example([5e-324, 5e-324], 0.0, 10.0)
def test_delay_is_positive_and_grows_with_the_lateness(durations, elapsed, lateness):
    forecast = Forecast(durations)
    poll = forecast.next_poll(elapsed, lateness)
    assert 0 < poll.delay < math.inf
    assert 0 <= poll.hazard < math.inf
    assert forecast.next_poll(elapsed, 2 * lateness).delay >= poll.delay


def test_two_durations_are_needed():
    with pytest.raises(ValueError, match="needs 2 durations, not 1"):
        Forecast([100.0])


def test_polls_are_dense_where_the_end_is_likely():
    forecast = Forecast([1700.0, 1800.0, 1900.0])
    assert forecast.next_poll(1800, 10).delay < 20
    assert forecast.next_poll(600, 10).delay > 60


def test_hazard_until_the_next_poll_is_that_of_the_forecast():
    forecast = Forecast([1700.0, 1800.0, 1900.0])
    for elapsed in (600.0, 1750.0, 2000.0):
        poll = forecast.next_poll(elapsed, 10)
        assert poll.hazard == pytest.approx(forecast.hazard(elapsed + poll.delay / 2), rel=0.1)


def test_a_duration_a_third_of_the_usual_is_unusual():
    forecast = Forecast([1700.0, 1800.0, 1900.0, 1750.0, 1850.0])
    assert forecast.is_unusual(600, 600)
    assert forecast.is_unusual(5400, 5400)
    assert not forecast.is_unusual(600, 1700)
    assert not forecast.is_unusual(1800, 1800)


def test_four_fifths_of_builds_end_within_the_range():
    """Of 10,000 builds, each of a pipeline with a spread of its own, of which a twentieth fails early."""
    share = _share_within_the_range(random.Random(1), 0.05, _spread_of_the_prior)
    assert share == pytest.approx(0.8, abs=0.03)


def test_range_is_a_little_too_wide_if_nothing_fails():
    share = _share_within_the_range(random.Random(1), 0.0, _spread_of_the_prior)
    assert 0.83 < share < 0.88


@pytest.mark.parametrize("elapsed", [900.0, 1500.0, 2000.0])
def test_range_of_what_remains_is_calibrated(elapsed):
    rng = random.Random(2)
    share = _share_within_the_range(rng, 0.05, _spread_of_the_prior, elapsed)
    assert share == pytest.approx(0.8, abs=0.07)


@pytest.mark.parametrize("freedom", [1, 2, 3])
def test_heavy_tails_do_not_break_the_range(freedom):
    """Even if logarithms of durations have no mean (Cauchy's distribution), it is right to a tenth."""
    rng = random.Random(3)

    def draw_heavy() -> float:
        chi_squared = rng.gammavariate(freedom / 2, 2)
        return 0.25 * math.sqrt(freedom / chi_squared)

    share = _share_within_the_range(rng, 0.05, lambda _: draw_heavy)
    assert share == pytest.approx(0.8, abs=0.1)


def _spread_of_the_prior(rng):
    # The variance is inverse gamma with a mean of about 0.25², and worth four observations.
    variance = 4 * 0.25**2 / rng.gammavariate(2, 2)
    return lambda: math.sqrt(variance)


def _share_within_the_range(rng, failing, draw_pipeline, elapsed=0.0, builds=10_000):
    """Return the share of builds that end between the 10th and the 90th percentile of their forecast."""
    within = count = 0
    while count < builds:
        spread = draw_pipeline(rng)

        def draw(spread=spread):
            return HALF_AN_HOUR * math.exp(min(rng.gauss(0, spread()), 500))

        history, duration = [draw() for _ in range(5)], draw()
        if rng.random() < failing:
            duration *= rng.random() / 3
        if duration <= elapsed:
            continue
        count += 1
        forecast = Forecast(history)
        survived = forecast.survival(duration) / forecast.survival(elapsed)
        within += 0.1 <= survived <= 0.9
    return within / builds
