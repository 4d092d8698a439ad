"""Estimates are compared with what upstreams report, when nobody waits."""

import asyncio

import pytest

from dragoman.engine.calibrating import CalibratingSink, note_sample
from dragoman.engine.record import Record
from dragoman.ir.failures import Failure, FailureKind, RequestError
from dragoman.ir.reply import Usage
from dragoman.routing.plan import Asked, plan_request
from dragoman.routing.registry import Registry
from dragoman.settings import Provider, Settings
from dragoman.stores.calibration import Calibrations


def record(estimate: int | None, usage: Usage = Usage(), failure: Failure | None = None) -> Record:  # noqa: B008 - frozen
    made = Record("req_1", "openai-chat", 0.0)
    made.provider, made.upstream_model, made.usage, made.failure = "p", "m", usage, failure
    if estimate is not None:
        made.estimate = lambda: estimate
    return made


def learned(*records: Record) -> float:
    calibrations = Calibrations()
    passed: list[Record] = []

    async def run() -> None:
        sink = CalibratingSink(passed.append, calibrations)
        for one in records:
            sink(one)
        assert calibrations.factor("p", "m") == 1.0, "nobody waits for it"
        await asyncio.sleep(0.1)

    asyncio.run(run())
    assert passed == list(records)
    return calibrations.factor("p", "m")


def test_all_that_was_sent_counts_from_a_cache_or_not() -> None:
    assert learned(record(9_000, Usage(1_000, cache_read=8_000, cache_write=8_000))) == pytest.approx(1.79, abs=0.02)


@pytest.mark.parametrize(
    "said_nothing",
    [
        record(None, Usage(10**6)),
        record(1000, Usage()),
        record(1000, Usage(0)),
        record(1000, Usage(10**6), Failure(FailureKind.UPSTREAM_CUT, "cut")),
    ],
)
def test_nothing_is_learned_where_nothing_was_reported(said_nothing: Record) -> None:
    assert learned(said_nothing) == 1.0


@pytest.mark.parametrize(
    ("body", "is_noted"),
    [(b'{"messages":[]}', True), (b'{"type":"image_url"}', False), (b" " * 600_000, False)],
    ids=["words", "a picture", "too large"],
)
def test_only_words_of_a_reasonable_size_are_compared(body: bytes, is_noted: bool) -> None:
    class Lane:
        def estimate(self) -> int:
            return 1

    registry = Registry(Settings(providers={"p": Provider(protocol="openai-chat", base_url="http://127.0.0.1:1")}))
    (attempt,) = plan_request(registry, "p/m", "openai-chat", ("openai-chat",), Asked()).attempts
    one = record(None)
    note_sample(one, Calibrations(), attempt, Lane(), body)  # type: ignore[arg-type] # all that it is asked
    assert (one.estimate is not None) is is_noted


def test_a_body_that_only_the_upstream_understands_is_passed_over() -> None:
    def refuse() -> int:
        raise RequestError("`messages[0]` is new to us")

    odd = record(1, Usage(10**6))
    odd.estimate = refuse
    assert learned(odd, record(1000, Usage(3000))) > 1.5
