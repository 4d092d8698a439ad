"""What is said of an upstream's refusal."""

import pytest

from dragoman.catalog import Capabilities
from dragoman.dialects import Dialect
from dragoman.engine.answers import of_our_key, with_hint
from dragoman.ir.failures import Failure, FailureKind
from dragoman.routing.plan import Attempt
from dragoman.settings import Secret

REFUSED = Failure(FailureKind.AUTHENTICATION, 'no "such" key \N{COLLISION SYMBOL}', hint="ours")


def attempt(api_key: Secret | None) -> Attempt:
    place = ("chat", "m", "openai-chat", "http://x")
    return Attempt(*place, Dialect(), Capabilities(), "addressed", raw=True, losses="warn", api_key=api_key)


def test_only_a_key_of_the_gateways_own_is_told_to_be_none_of_the_clients() -> None:
    ours = attempt(Secret("sk"))
    assert "`chat`" in (of_our_key(REFUSED, ours).hint or "")
    assert of_our_key(REFUSED, attempt(None)) is REFUSED
    busy = Failure(FailureKind.RATE_LIMITED, "later")
    assert of_our_key(busy, ours) is busy


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            '{ "message" : "no \\"such\\" key \N{COLLISION SYMBOL}", "a": 1.0}',
            '{ "message" : "no \\"such\\" key \N{COLLISION SYMBOL}\\nhint: ours", "a": 1.0}',
        ),
        ('["no \\"such\\" key \\ud83d\\udca5"]', '["no \\"such\\" key \\ud83d\\udca5\\nhint: ours"]'),
        ("no such key", "no such key"),
        ("", ""),
    ],
)
def test_a_hint_stands_behind_the_words_and_changes_nothing_else(body: str, told: str) -> None:
    assert with_hint(body.encode(), REFUSED).decode() == told


def test_words_that_stand_twice_are_left_alone() -> None:
    body = b'{"error": {"message": "error"}}'
    assert with_hint(body, Failure(FailureKind.AUTHENTICATION, "error", hint="ours")) == body
