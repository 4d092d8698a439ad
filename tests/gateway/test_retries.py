"""What fails before the first content is asked again, a little and with patience; what fails later or for good is told at once."""

import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from dragoman.settings import Server
from tests.support.exact_upstream import Answer, ExactUpstream, json_answer, stream_answer
from tests.support.faulty_upstream import chunk, stream_head
from tests.support.gateway import RunningGateway
from tests.support.lanes import LANES, Lane, ask, error_of, upstreams
from tests.support.wires import event, response

BY_LANE = pytest.mark.parametrize("lane", LANES, ids=str)
BY_FORM = pytest.mark.parametrize("streams", [True, False], ids=["streamed", "whole"])
WORDS = "come back later"


@pytest.fixture(scope="module")
def server() -> Iterator[ExactUpstream]:
    with ExactUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def running(server: ExactUpstream) -> Iterator[RunningGateway]:
    with RunningGateway(upstreams(server), Server(port=0)) as gateway:
        yield gateway


@pytest.fixture
def gateway(running: RunningGateway, waits: list[float]) -> RunningGateway:
    """A gateway with the default of two retries that does not really wait."""
    running.forget_lines()
    return running


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the gateway would have waited before its retries."""
    seconds: list[float] = []

    async def sleep(delay: float) -> None:
        seconds.append(delay)

    monkeypatch.setattr("dragoman.server.clocks.SystemClock.sleep", staticmethod(sleep))
    return seconds


def failing(lane: Lane, status: int, **headers: str) -> Answer:
    kind = {429: "rate_limit_error", 529: "overloaded_error"}.get(status, "some_error")
    body = {"type": "error", "error": {"type": kind, "message": WORDS}, "detail": {"kept": "as it is"}}
    return json_answer(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


@BY_LANE
@BY_FORM
@pytest.mark.parametrize("status", [429, 500, 503, 529])
def test_an_upstream_in_trouble_is_asked_at_most_twice_more(
    gateway: RunningGateway, server: ExactUpstream, waits: list[float], lane: Lane, streams: bool, status: int
) -> None:
    server.answers(*[failing(lane, status)] * 2, lane.good(streams=streams))
    response, body = ask(gateway, lane, streams=streams)
    assert response.status == 200
    assert lane.says_hello(body)
    assert len({asked.body for asked in server.asked}) == 1
    assert len(waits) == 2
    assert 0.3 <= waits[0] <= 0.5 < waits[1] <= 1.0
    assert gateway.wait_for_lines(1)[0].retries == 2

    server.answers(*[failing(lane, status)] * 4)
    response, body = ask(gateway, lane, streams=streams)
    assert response.status == (503 if status == 529 and lane.client != "messages" and not lane.is_raw else status)
    assert error_of(body)["message"] == WORDS
    assert len(server.asked) == 3


@BY_LANE
@BY_FORM
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 413, 422])
def test_what_asking_again_cannot_mend_is_told_at_once(
    gateway: RunningGateway, server: ExactUpstream, waits: list[float], lane: Lane, streams: bool, status: int
) -> None:
    server.answers(failing(lane, status), lane.good(streams=streams))
    response, body = ask(gateway, lane, streams=streams)
    assert response.status == status
    words, _, hint = error_of(body)["message"].partition("\nhint: ")
    assert (words, "configured" in hint) == (WORDS, status == 401 and not lane.is_raw)
    (line,) = gateway.wait_for_lines(1)
    assert ("is the one configured for" in (line.message or "")) == (status == 401)
    assert (len(server.asked), waits) == (1, [])
    if lane.is_raw:
        assert b'"detail": {"kept": "as it is"}' in body


@BY_LANE
@BY_FORM
def test_retry_after_in_seconds_is_waited_for(
    gateway: RunningGateway, server: ExactUpstream, waits: list[float], lane: Lane, streams: bool
) -> None:
    server.answers(failing(lane, 429, retry_after="7"), lane.good(streams=streams))
    assert ask(gateway, lane, streams=streams)[0].status == 200
    assert waits == [7]


@BY_LANE
def test_retry_after_as_a_date_is_waited_for(
    gateway: RunningGateway, server: ExactUpstream, waits: list[float], lane: Lane
) -> None:
    server.answers(failing(lane, 503, retry_after=formatdate(time.time() + 8, usegmt=True)), lane.good(streams=True))
    assert ask(gateway, lane, streams=True)[0].status == 200
    assert 6 <= waits[0] <= 8


@BY_LANE
@BY_FORM
@pytest.mark.parametrize("after", ["3600", formatdate(time.time() + 3600, usegmt=True)], ids=["seconds", "date"])
def test_a_retry_after_that_is_too_long_is_passed_on_at_once(
    gateway: RunningGateway, server: ExactUpstream, waits: list[float], lane: Lane, streams: bool, after: str
) -> None:
    """The client knows better what to do for an hour."""
    server.answers(failing(lane, 429, retry_after=after), lane.good(streams=streams))
    response, body = ask(gateway, lane, streams=streams)
    assert (response.status, response.headers["retry-after"]) == (429, after)
    assert error_of(body)["message"] == WORDS
    assert (len(server.asked), waits) == (1, [])


@BY_LANE
def test_an_upstream_that_says_not_to_try_again_is_obeyed(
    gateway: RunningGateway, server: ExactUpstream, waits: list[float], lane: Lane
) -> None:
    server.answers(failing(lane, 529, x_should_retry="false"), lane.good(streams=True))
    response, _ = ask(gateway, lane, streams=True)
    assert response.status in (503, 529)
    assert response.headers["x-should-retry"] == "false"
    assert (len(server.asked), waits) == (1, [])


def before_the_content(lane: Lane) -> dict[str, Answer]:
    own = b'data: {"error":{"message":"overloaded","code":529}}\n\n'
    if lane.upstream == "messages":
        own = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"overloaded"}}\n\n'
    return {
        "cut behind the head": stream_answer(is_cut=True),
        "ended behind the head": stream_answer(),
        "cut behind the start": stream_answer(lane.start, is_cut=True),
        "ended behind the start": stream_answer(lane.start),
        "reset behind the start": Answer((stream_head(), chunk(lane.start)), resets=True),
        "bad chunk behind the start": Answer((stream_head(), chunk(lane.start), b"zz\r\n"), closes=True),
        "an error event behind the start": stream_answer(lane.start, own),
        "half an event behind the start": stream_answer(lane.start + lane.content[:20], is_cut=True),
        "a page": Answer((stream_head(), chunk(b"<html>no</html>"), chunk(b""))),
    }


@BY_LANE
@BY_FORM
@pytest.mark.parametrize("name", before_the_content(LANES[0]))
def test_a_stream_that_fails_before_its_content_is_asked_for_again(
    gateway: RunningGateway, server: ExactUpstream, waits: list[float], lane: Lane, streams: bool, name: str
) -> None:
    server.answers(before_the_content(lane)[name], lane.good(streams=streams))
    response, body = ask(gateway, lane, streams=streams)
    assert response.status == 200
    assert lane.says_hello(body)
    assert (len(server.asked), len(waits)) == (2, 1)
    assert body.count(b"message_start") <= 2  # of one event: its name and its type


@BY_LANE
@pytest.mark.parametrize("name", ["cut", "ended", "reset", "an error event"])
def test_a_stream_that_fails_behind_its_content_is_not(
    gateway: RunningGateway, server: ExactUpstream, waits: list[float], lane: Lane, name: str
) -> None:
    own = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"overloaded"}}\n\n'
    if lane.upstream == "responses":
        failed = response(status="failed", error={"code": "server_is_overloaded", "message": "overloaded"})
        own = event("error", code="server_is_overloaded", message="overloaded") + event(
            "response.failed", response=failed
        )
    elif lane.upstream != "messages":
        own = b'data: {"error":{"message":"overloaded","code":529}}\n\n'
    answer = {
        "cut": stream_answer(lane.start, lane.content, is_cut=True),
        "ended": stream_answer(lane.start, lane.content),
        "reset": Answer((stream_head(), chunk(lane.start + lane.content)), resets=True),
        "an error event": stream_answer(lane.start, lane.content, own),
    }[name]
    server.answers(answer, lane.good(streams=True))
    told, body = ask(gateway, lane, streams=True)
    assert told.status == 200
    assert lane.fails(body)
    assert lane.errors_in(body) == 1
    assert (len(server.asked), waits) == (1, [])


@BY_LANE
@BY_FORM
def test_an_upstream_that_is_not_there_is_a_502_after_two_retries(
    waits: list[float], lane: Lane, streams: bool
) -> None:
    with ExactUpstream() as server:
        providers = upstreams(server)
    with RunningGateway(providers) as gateway:
        response, body = ask(gateway, lane, streams=streams)
        (line,) = gateway.wait_for_lines(1)
    assert response.status == 502
    assert "no connection" in error_of(body)["message"]
    assert len(waits) == line.retries == 2
    assert line.failure == "upstream_unreachable"


@BY_LANE
def test_silence_is_not_asked_again(server: ExactUpstream, waits: list[float], lane: Lane) -> None:
    """The client has waited long enough: another wait would be as long."""
    settings = Server(port=0, first_byte_timeout_s=0.1)
    with RunningGateway(upstreams(server), settings) as gateway:
        server.answers(Answer((), stays=True), lane.good(streams=True))
        assert ask(gateway, lane, streams=True)[0].status == 504
        assert (len(server.asked), waits) == (1, [])


def test_the_number_of_retries_is_a_setting(server: ExactUpstream, waits: list[float]) -> None:
    lane = LANES[0]
    for retries in (0, 1, 4):
        server.answers(*[failing(lane, 500)] * 9)
        with RunningGateway(upstreams(server), Server(port=0, retries=retries)) as gateway:
            assert ask(gateway, lane, streams=True)[0].status == 500
        assert len(server.asked) == 1 + retries


def test_it_really_waits(server: ExactUpstream) -> None:
    lane = LANES[0]
    with RunningGateway(upstreams(server)) as gateway:
        server.answers(failing(lane, 429, retry_after="0.3"), lane.good(streams=True))
        began = time.monotonic()
        assert ask(gateway, lane, streams=True)[0].status == 200
        assert time.monotonic() - began >= 0.3
