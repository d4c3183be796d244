"""Validation of the options of a wait."""

from datetime import timedelta

import pytest

from aioimagebuilder.waiting.options import parse_seconds


def test_parse_seconds_accepts_numbers_and_timedeltas():
    assert parse_seconds(2, "x") == parse_seconds(2.0, "x") == parse_seconds(timedelta(seconds=2), "x") == 2.0
    for invalid in (True, "2", None):
        with pytest.raises(TypeError, match="x must be seconds or a timedelta"):
            parse_seconds(invalid, "x")
    for invalid in (timedelta(days=-1), float("inf"), float("nan")):
        with pytest.raises(ValueError, match="at least 0"):
            parse_seconds(invalid, "x")
