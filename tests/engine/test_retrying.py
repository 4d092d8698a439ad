"""How long to wait before asking again. Pure."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.engine.retrying import LONGEST_WAIT, retry_delay, seconds_of
from dragoman.ir.failures import Failure, FailureKind

NOW = 1_800_000_000.0
BUSY = Failure(FailureKind.OVERLOADED, "busy")


@pytest.mark.parametrize("kind", FailureKind)
def test_only_what_may_pass_is_tried_again(kind: FailureKind) -> None:
    assert (retry_delay(Failure(kind, ""), 0, NOW, 0.5) is not None) == kind.retryable
    assert kind.retryable == (kind.status in (429, 500, 502, 529) and kind is not FailureKind.INTERNAL)
    assert retry_delay(Failure(kind, "", should_retry=False), 0, NOW, 0.5) is None


@given(jitter=st.floats(0, 1), retries=st.integers(0, 5))
def test_without_a_word_the_wait_doubles_around_its_middle(jitter: float, retries: int) -> None:
    delay = retry_delay(BUSY, retries, NOW, jitter)
    assert delay is not None
    assert 0.75 <= delay / (0.4 * 2**retries) <= 1.25


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        (" 0.5 ", 0.5),
        ("-3", 0),
        (formatdate(NOW + 9, usegmt=True), 9),
        (formatdate(NOW - 9, usegmt=True), 0),
        ("soon", None),
        ("", None),
        (None, None),
        ("nan", None),
        ("Fri, 99 Jan 2027 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    assert seconds_of(text, NOW) == seconds


@pytest.mark.parametrize("after", [str(LONGEST_WAIT + 1), "inf", formatdate(NOW + 3600, usegmt=True)])
def test_too_long_a_wait_is_none(after: str) -> None:
    assert retry_delay(Failure(FailureKind.RATE_LIMITED, "", retry_after=after), 0, NOW, 0.5) is None


@given(text=st.text())
def test_any_words_are_read(text: str) -> None:
    seconds = seconds_of(text, NOW)
    assert seconds is None or seconds >= 0
