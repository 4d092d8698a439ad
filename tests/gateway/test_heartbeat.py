"""A silent stream shows its client that it lives, in the client's protocol and only between events; a dead one is not hidden."""

import threading
import time
from collections.abc import Iterator

import pytest

from dragoman.settings import Server
from tests.support.exact_upstream import Answer, ExactUpstream, json_answer, silence, stream_answer
from tests.support.faulty_upstream import chunk, stream_head
from tests.support.gateway import RunningGateway
from tests.support.lanes import LANES, Lane, ask, asking, error_of, read_until, upstreams

BY_LANE = pytest.mark.parametrize("lane", [lane for lane in LANES if lane.beat], ids=str)
BEAT = 0.1


@pytest.fixture(scope="module")
def server() -> Iterator[ExactUpstream]:
    with ExactUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def gateway(server: ExactUpstream) -> Iterator[RunningGateway]:
    with RunningGateway(upstreams(server), Server(port=0, retries=1, heartbeat_s=BEAT)) as running:
        yield running


@pytest.fixture(scope="module")
def strict(server: ExactUpstream) -> Iterator[RunningGateway]:
    """A gateway whose watchdogs bite while its heart beats."""
    settings = Server(port=0, retries=1, heartbeat_s=BEAT, first_byte_timeout_s=0.35, idle_timeout_s=0.35)
    with RunningGateway(upstreams(server), settings) as running:
        yield running


def without_beats(lane: Lane, body: bytes) -> bytes:
    return body.replace(lane.beat, b"")


@BY_LANE
def test_it_beats_while_the_upstream_keeps_even_its_head_back(
    gateway: RunningGateway, server: ExactUpstream, lane: Lane
) -> None:
    gate = threading.Event()
    good = lane.good(streams=True)
    server.answers(Answer(good.pieces, gate=gate, until=0))
    with asking(gateway, lane, streams=True) as connection:
        response = connection.getresponse()
        assert (response.status, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert response.headers["x-dragoman-provider"] == lane.upstream
        beats = read_until(response, lane.beat * 2)
        assert without_beats(lane, beats) == b""
        gate.set()
        assert lane.says_hello(response.read())


@BY_LANE
@pytest.mark.parametrize("until", [1, 2], ids=["behind the head", "behind the start"])
def test_it_beats_before_the_first_content(
    gateway: RunningGateway, server: ExactUpstream, lane: Lane, until: int
) -> None:
    gate = threading.Event()
    pieces = (stream_head(), chunk(lane.start), chunk(lane.content), chunk(lane.ending), chunk(b""))
    server.answers(Answer(pieces, gate=gate, until=until))
    with asking(gateway, lane, streams=True) as connection:
        response = connection.getresponse()
        body = read_until(response, lane.beat * 2)
        gate.set()
        body = without_beats(lane, body + response.read())
    assert lane.says_hello(body)


@BY_LANE
def test_it_beats_in_mid_stream(gateway: RunningGateway, server: ExactUpstream, lane: Lane) -> None:
    gate = threading.Event()
    pieces = (stream_head(), chunk(lane.start), chunk(lane.content), chunk(lane.ending), chunk(b""))
    server.answers(Answer(pieces, gate=gate, until=3))
    with asking(gateway, lane, streams=True) as connection:
        response = connection.getresponse()
        body = read_until(response, lane.beat * 2)
        assert b"Hello" in body
        gate.set()
        body += response.read()
    assert lane.says_hello(without_beats(lane, body))


@BY_LANE
def test_it_beats_never_within_an_event(gateway: RunningGateway, server: ExactUpstream, lane: Lane) -> None:
    """The upstream falls silent behind every other byte of an event; what the client reads is the event, and beats around it."""
    for cut in range(1, len(lane.more), len(lane.more) // 3):
        gate = threading.Event()
        first, second = lane.start + lane.content + lane.more[:cut], lane.more[cut:] + lane.ending
        server.answers(Answer((stream_head(), chunk(first), chunk(second), chunk(b"")), gate=gate, until=2))
        with asking(gateway, lane, streams=True) as connection:
            response = connection.getresponse()
            body = read_until(response, lane.beat)
            gate.set()
            body += response.read()
        assert lane.words_in(body) == "HelloHello"
        assert lane.says_hello(without_beats(lane, body))
        assert all(frame.startswith((b"event: ", b"data: ", b": ")) for frame in body.split(b"\n\n")[:-1])


@BY_LANE
def test_it_beats_while_a_whole_reply_is_awaited_for_a_client_that_wants_a_stream(
    gateway: RunningGateway, server: ExactUpstream, lane: Lane
) -> None:
    gate = threading.Event()
    (answer,) = json_answer(lane.whole).pieces
    server.answers(Answer((answer[:-5], answer[-5:]), gate=gate))
    with asking(gateway, lane, streams=True) as connection:
        response = connection.getresponse()
        body = read_until(response, lane.beat)
        gate.set()
        body += response.read()
    assert lane.says_hello(without_beats(lane, body))


@BY_LANE
def test_a_stream_that_flows_has_no_beats(gateway: RunningGateway, server: ExactUpstream, lane: Lane) -> None:
    server.answers(lane.good(streams=True))
    assert lane.beat not in ask(gateway, lane, streams=True)[1]


@BY_LANE
def test_a_client_that_wants_no_stream_gets_no_beats(
    gateway: RunningGateway, server: ExactUpstream, lane: Lane
) -> None:
    gate = threading.Event()
    good = lane.good(streams=False)
    server.answers(Answer(good.pieces, gate=gate, until=0))
    with asking(gateway, lane, streams=False) as connection:
        threading.Timer(3 * BEAT, gate.set).start()
        response = connection.getresponse()
        body = response.read()
    assert (response.status, response.headers["content-type"]) == (200, "application/json")
    assert lane.says_hello(body)
    assert lane.beat not in body


@pytest.mark.parametrize("lane", [lane for lane in LANES if not lane.beat], ids=str)
@pytest.mark.parametrize("until", [0, 2], ids=["before the head", "behind the start"])
def test_a_protocol_without_a_heartbeat_gets_none(
    gateway: RunningGateway, server: ExactUpstream, lane: Lane, until: int
) -> None:
    """Google's SDKs raise on a comment."""
    gate = threading.Event()
    pieces = (stream_head(), chunk(lane.start), chunk(lane.content), chunk(lane.ending), chunk(b""))
    server.answers(Answer(pieces, gate=gate, until=until))
    with asking(gateway, lane, streams=True) as connection:
        threading.Timer(3 * BEAT, gate.set).start()
        body = connection.getresponse().read().replace(b"\r", b"")
    assert lane.says_hello(body)
    assert all(frame.startswith(b"data: {") for frame in body.removesuffix(b"\n\n").split(b"\n\n"))


@BY_LANE
@pytest.mark.parametrize("place", ["before the head", "behind the head", "behind the start", "in mid-stream"])
def test_the_heart_does_not_hide_a_dead_upstream(
    strict: RunningGateway, server: ExactUpstream, lane: Lane, place: str
) -> None:
    answer = {
        "before the head": silence(),
        "behind the head": Answer((stream_head(),), stays=True),
        "behind the start": stream_answer(lane.start, stays=True),
        "in mid-stream": stream_answer(lane.start, lane.content, stays=True),
    }[place]
    server.answers(answer)
    began = time.monotonic()
    response, body = ask(strict, lane, streams=True)
    assert time.monotonic() - began < 3
    assert response.status == 200
    assert body.count(lane.beat) >= 2
    assert lane.fails(body)
    assert "0.35 seconds" in error_of(body)["message"]
    assert lane.end not in body
    assert server.asked[-1].left.wait(1), "the call to the upstream lives on"


@BY_LANE
def test_an_error_after_the_first_beat_is_an_event_and_is_not_tried_again(
    gateway: RunningGateway, server: ExactUpstream, lane: Lane
) -> None:
    gate = threading.Event()
    failing = json_answer({"error": {"type": "api_error", "message": "no luck today"}}, 500)
    server.answers(Answer(failing.pieces, gate=gate, until=0), lane.good(streams=True))
    with asking(gateway, lane, streams=True) as connection:
        response = connection.getresponse()
        body = read_until(response, lane.beat)
        gate.set()
        body += response.read()
    assert response.status == 200
    assert lane.fails(body)
    assert error_of(body)["message"].splitlines()[0] == "no luck today"
    assert len(server.asked) == 1
