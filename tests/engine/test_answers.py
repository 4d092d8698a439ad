"""What is said of an upstream's refusal."""

from dragoman.catalog import Capabilities
from dragoman.dialects import Dialect
from dragoman.engine.answers import of_our_key
from dragoman.ir.failures import Failure, FailureKind
from dragoman.routing.plan import Attempt
from dragoman.settings import Secret

REFUSED = Failure(FailureKind.AUTHENTICATION, "no such key")


def attempt(api_key: Secret | None) -> Attempt:
    place = ("chat", "m", "openai-chat", "http://x")
    return Attempt(*place, Dialect(), Capabilities(), "addressed", raw=True, losses="warn", api_key=api_key)


def test_only_a_key_of_the_gateways_own_is_told_to_be_none_of_the_clients() -> None:
    ours = attempt(Secret("sk"))
    assert "`chat`" in (of_our_key(REFUSED, ours).hint or "")
    assert of_our_key(REFUSED, attempt(None)) is REFUSED
    busy = Failure(FailureKind.RATE_LIMITED, "later")
    assert of_our_key(busy, ours) is busy
