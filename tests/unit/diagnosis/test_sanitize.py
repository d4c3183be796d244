"""Untrusted text: how it is made printable."""

from hypothesis import given
from hypothesis import strategies as st

from aioimagebuilder.diagnosis.sanitize import clean


@given(st.text())
def test_clean_text_is_one_printable_line(text):
    shown = clean(text, 50)
    assert shown is None or (shown.isprintable() and 1 <= len(shown) <= 50)
    if text.isprintable() and text == text.strip() and "  " not in text and 1 <= len(text) <= 50:
        assert shown == text


def test_truncation_and_escapes_are_visible():
    assert clean("a" * 51, 50) == "a" * 49 + "…"
    assert clean("\x1b[31mred\x07 \u202e\ud800") == "\\x1b[31mred\\x07 \\u202e\\ud800"
    assert clean("two\r\nlines\tand more") == "two lines and more"
    assert clean(" \n ") is clean(None) is None
