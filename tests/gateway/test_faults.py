"""Whatever an upstream does wrong, its client gets a clear error in its own dialect, and the next request works."""

import gzip
import json
import zlib
from collections.abc import Iterator

import pytest

from dragoman.settings import Server
from tests.support.exact_upstream import Answer, ExactUpstream, json_answer, stream_answer
from tests.support.faulty_upstream import chunk, head, stream_head, whole
from tests.support.gateway import RunningGateway
from tests.support.lanes import LANES, Lane, ask, asking, error_of, read_until, still_works, upstreams
from tests.support.wires import piece

BY_LANE = pytest.mark.parametrize("lane", LANES, ids=str)
BY_FORM = pytest.mark.parametrize("streams", [True, False], ids=["streamed", "whole"])
PAGE = b"<html><head><title>Oops</title></head><body>The tubes are clogged</body></html>"
EVENT_STREAM = "content-type: text/event-stream"
CHUNKED = "transfer-encoding: chunked"


@pytest.fixture(scope="module")
def server() -> Iterator[ExactUpstream]:
    with ExactUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def gateway(server: ExactUpstream) -> Iterator[RunningGateway]:
    """A gateway that tries nothing again."""
    with RunningGateway(upstreams(server), Server(port=0, retries=0)) as running:
        yield running


@pytest.fixture(scope="module")
def impatient(server: ExactUpstream) -> Iterator[RunningGateway]:
    """One that soon loses patience, too."""
    settings = Server(port=0, retries=0, first_byte_timeout_s=0.4, idle_timeout_s=0.4)
    with RunningGateway(upstreams(server), settings) as running:
        yield running


@pytest.fixture
def fitting(name: str, gateway: RunningGateway, impatient: RunningGateway) -> RunningGateway:
    """The gateway for the fault `name`."""
    return impatient if name.startswith("silence") else gateway


def closing(*pieces: bytes) -> Answer:
    return Answer(pieces, closes=True)


BEFORE_THE_REPLY = {
    "a page with status 502": (closing(whole(PAGE, "502 Bad Gateway", "text/html")), 502, "The tubes are clogged"),
    "a page with status 404": (closing(whole(PAGE, "404 Not Found", "text/html")), 502, "The tubes are clogged"),
    "a page with status 200": (closing(whole(PAGE, content_type="text/html")), 502, "The tubes are clogged"),
    "a page without a type": (closing(head("200 OK", f"content-length: {len(PAGE)}") + PAGE), 502, "tubes are clogged"),
    "a page that calls itself a stream": (closing(whole(PAGE, content_type="text/event-stream")), 502, "are clogged"),
    "a page and no head": (closing(PAGE), 502, "<html>"),
    "JSON of another kind": (closing(whole(b'{"answer":42}')), 502, ""),
    "words that are no JSON": (closing(whole(b"all is well")), 502, "all is well"),
    "an empty body": (closing(whole(b"")), 502, ""),
    "a redirect": (closing(head("302 Found", "location: https://elsewhere.test/", "content-length: 0")), 502, "302"),
    "junk": (closing(bytes(range(256))), 502, "not HTTP"),
    "no byte": (closing(), 502, "before any byte"),
    "half a head": (closing(b"HTTP/1.1 200 OK\r\ncontent-ty"), 502, "in the head"),
    "a reset before the head": (Answer((), resets=True), 502, "before any byte"),
    "a reset in the head": (Answer((b"HTTP/1.1 200 OK\r\nx: ",), resets=True), 502, ""),
    "a reset behind the head": (Answer((stream_head(),), resets=True), 502, ""),
    "an empty stream": (closing(stream_head() + chunk(b"")), 502, ""),
    "a stream of comments": (closing(stream_head() + chunk(b": hello?\n\n") + chunk(b"")), 502, ""),
    "a stream that is cut before it begins": (closing(stream_head()), 502, ""),
    "a length that is too long": (
        closing(head("200 OK", "content-type: application/json", "content-length: 999") + b'{"id":"x"}'),
        502,
        "before the end of the body",
    ),
    "a chunk whose size is no number": (closing(stream_head() + b"zz\r\nnonsense\r\n"), 502, "framing"),
    "an unknown compression": (
        closing(head("200 OK", EVENT_STREAM, "content-encoding: br", "content-length: 1") + b"x"),
        502,
        "`br`",
    ),
    "a compression that is none": (
        closing(head("200 OK", EVENT_STREAM, "content-encoding: gzip", "content-length: 5") + b"hello"),
        502,
        "compressed",
    ),
    "silence": (Answer((), stays=True), 504, "no byte of an answer"),
    "silence behind the head": (Answer((stream_head(),), stays=True), 504, "fell silent"),
    "silence within the head": (Answer((b"HTTP/1.1 200 OK\r\n",), stays=True), 504, "fell silent"),
}


@BY_LANE
@BY_FORM
@pytest.mark.parametrize("name", BEFORE_THE_REPLY)
def test_what_goes_wrong_before_the_reply_is_an_error_answer(
    fitting: RunningGateway, server: ExactUpstream, lane: Lane, streams: bool, name: str
) -> None:
    answer, status, words = BEFORE_THE_REPLY[name]
    if name == "JSON of another kind" and lane.is_raw and not streams:
        pytest.skip("the raw lane passes JSON as it is")
    server.answers(answer, answer)  # an upstream that hangs up without a word is asked again on a fresh connection
    response, body = ask(fitting, lane, streams=streams)
    assert response.status == status, body
    assert response.headers["content-type"] == "application/json"
    assert words in error_of(body)["message"]
    assert response.headers["x-request-id"]
    still_works(fitting, server, lane)


@BY_LANE
@BY_FORM
@pytest.mark.parametrize("kind", ["text/html", "text/event-stream"])
@pytest.mark.parametrize("sent", ["200 OK", "404 Not Found", "502 Bad Gateway"])
def test_a_page_is_told_with_the_status_that_it_had(
    gateway: RunningGateway, server: ExactUpstream, lane: Lane, streams: bool, sent: str, kind: str
) -> None:
    server.answers(closing(whole(PAGE, sent, kind)))
    response, body = ask(gateway, lane, streams=streams)
    told = error_of(body)["message"]
    assert response.status == 502
    assert told.startswith(f"the upstream answered with status {sent[:3]} and no JSON: `Oops The tubes are clogged`")


@BY_LANE
@pytest.mark.parametrize("sent", ["200 OK", "203 Non-Authoritative Information"])
def test_an_empty_answer_is_told_with_the_status_that_it_had(
    gateway: RunningGateway, server: ExactUpstream, lane: Lane, sent: str
) -> None:
    server.answers(closing(whole(b"", sent)))
    _, body = ask(gateway, lane, streams=False)
    assert f" {sent[:3]} " in error_of(body)["message"]


def mid_stream(lane: Lane) -> dict[str, Answer]:
    begun = stream_head() + chunk(lane.start + lane.content)
    half = lane.more[: len(lane.more) // 2]
    return {
        "an end in good order": closing(begun + chunk(b"")),
        "an end without the last chunk": closing(begun),
        "an end within an event": closing(begun + chunk(half) + chunk(b"")),
        "a reset": Answer((begun,), resets=True),
        "a reset within an event": Answer((begun + chunk(half),), resets=True),
        "a chunk whose size is no number": Answer((begun + b"zz\r\nnonsense\r\n",), stays=True),
        "a chunk that is cut": closing(begun + b"fff\r\nxx"),
        "silence": Answer((begun,), stays=True),
        "silence within an event": Answer((begun + chunk(half),), stays=True),
    }


@BY_LANE
@pytest.mark.parametrize("name", mid_stream(LANES[0]))
def test_what_goes_wrong_in_mid_stream_is_one_error_event_at_its_end(
    fitting: RunningGateway, server: ExactUpstream, lane: Lane, name: str
) -> None:
    server.answers(mid_stream(lane)[name])
    response, body = ask(fitting, lane, streams=True)
    assert response.status == 200
    assert b"Hello" in body
    assert lane.fails(body)
    assert lane.errors_in(body) == 1
    assert lane.end not in body
    for frame in body.replace(b"\r\n", b"\n").split(b"\n\n")[:-1]:
        json.loads(frame.rpartition(b"data: ")[2])  # no event is broken
    still_works(fitting, server, lane)


@BY_LANE
@pytest.mark.parametrize("name", mid_stream(LANES[0]))
def test_a_stream_that_fails_is_never_a_whole_reply(
    fitting: RunningGateway, server: ExactUpstream, lane: Lane, name: str
) -> None:
    """The client wanted no stream, and the upstream sent one: whoever collects it must not take a part for the whole."""
    server.answers(mid_stream(lane)[name])
    response, body = ask(fitting, lane, streams=False)
    assert response.status == (504 if name.startswith("silence") else 502), body
    assert error_of(body)["message"]
    still_works(fitting, server, lane)


@BY_LANE
def test_a_client_that_wants_a_stream_gets_one_from_an_upstream_that_sends_none(
    gateway: RunningGateway, server: ExactUpstream, lane: Lane
) -> None:
    server.answers(json_answer(lane.whole))
    response, body = ask(gateway, lane, streams=True)
    assert (response.status, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert lane.says_hello(body)
    assert body.count(f'"{lane.upstream}/some-model"'.encode()) >= 1


@BY_LANE
def test_a_client_that_wants_no_stream_gets_none_from_an_upstream_that_sends_one(
    gateway: RunningGateway, server: ExactUpstream, lane: Lane
) -> None:
    server.answers(stream_answer(lane.stream))
    response, body = ask(gateway, lane, streams=False)
    assert (response.status, response.headers["content-type"]) == (200, "application/json")
    assert lane.says_hello(body)
    assert lane.model_in(body) == f"{lane.upstream}/some-model"


def compressed(data: bytes, content_type: str, encoding: str) -> Answer:
    packed = gzip.compress(data) if encoding == "gzip" else zlib.compress(data)
    opening = head("200 OK", f"content-type: {content_type}", f"content-encoding: {encoding}", CHUNKED)
    middle = len(packed) // 2
    return Answer((opening, chunk(packed[:middle]), chunk(packed[middle:]), chunk(b"")))


@BY_LANE
@BY_FORM
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_reply_that_nobody_asked_for_is_read(
    gateway: RunningGateway, server: ExactUpstream, lane: Lane, streams: bool, encoding: str
) -> None:
    body = lane.stream if streams else json.dumps(lane.whole).encode()
    server.answers(compressed(body, "text/event-stream" if streams else "application/json", encoding))
    response, told = ask(gateway, lane, streams=streams)
    assert response.status == 200
    assert lane.says_hello(told)
    assert "content-encoding" not in response.headers
    assert "accept-encoding" not in server.asked[-1].headers


@BY_LANE
def test_a_compressed_error_is_read(gateway: RunningGateway, server: ExactUpstream, lane: Lane) -> None:
    packed = gzip.compress(b'{"error":{"type":"invalid_request_error","message":"no such thing"}}')
    rows = ("content-type: application/json", "content-encoding: gzip", f"content-length: {len(packed)}")
    server.answers(Answer((head("400 Bad Request", *rows) + packed,)))
    response, body = ask(gateway, lane, streams=True)
    assert response.status == 400
    assert error_of(body)["message"] == "no such thing"


@BY_LANE
def test_a_length_that_is_too_short_cuts_off_what_follows(
    gateway: RunningGateway, server: ExactUpstream, lane: Lane
) -> None:
    server.answers(closing(whole(json.dumps(lane.whole).encode()) + b"HTTP/1.1 200 OK\r\n\r\nsmuggled"))
    response, body = ask(gateway, lane, streams=False)
    assert response.status == 200
    assert lane.says_hello(body)
    assert b"smuggled" not in body
    still_works(gateway, server, lane)


@BY_LANE
@pytest.mark.parametrize("ends", [b"\r\n", b"\n"], ids=["CRLF", "LF"])
def test_a_stream_in_single_bytes_says_the_same(
    gateway: RunningGateway, server: ExactUpstream, lane: Lane, ends: bytes
) -> None:
    """Line ends, multi-byte characters and chunk sizes, all of them cut."""
    stream = lane.stream.replace(b"Hello", "Hello größer 🐫".encode()).replace(b"\n", ends)
    server.answers(Answer((stream_head(), *(chunk(stream[at : at + 1]) for at in range(len(stream))), chunk(b""))))
    response, body = ask(gateway, lane, streams=True)
    assert response.status == 200
    body = body.replace(b"\r\n", b"\n")
    assert lane.says_hello(body)
    assert lane.words_in(body) == "Hello größer 🐫"


@BY_LANE
def test_an_event_of_twenty_megabytes_is_carried(gateway: RunningGateway, server: ExactUpstream, lane: Lane) -> None:
    size = 20 * 1024 * 1024
    opening, _, rest = (lane.start + lane.content + lane.ending).partition(b"Hello")
    fill = [chunk(b"x" * 262144)] * (size // 262144)
    server.answers(Answer((stream_head(), chunk(opening + b"Hello"), *fill, chunk(rest), chunk(b""))))
    response, body = ask(gateway, lane, streams=True, timeout=60)
    assert response.status == 200
    assert lane.says_hello(body)
    assert body.count(b"x") >= size
    still_works(gateway, server, lane)


@BY_LANE
def test_an_event_without_end_is_cut_off(gateway: RunningGateway, server: ExactUpstream, lane: Lane) -> None:
    opening = lane.start + lane.content + lane.more.partition(b"Hello")[0]
    fill = [chunk(b"x" * 1024 * 1024)] * 66
    server.answers(Answer((stream_head(), chunk(opening), *fill), stays=True))
    response, body = ask(gateway, lane, streams=True, timeout=60)
    assert response.status == 200
    assert lane.fails(body)
    assert "larger than" in error_of(body)["message"]
    still_works(gateway, server, lane)


@BY_LANE
@BY_FORM
def test_a_reply_that_says_nothing_is_an_error_where_it_is_translated(
    gateway: RunningGateway, server: ExactUpstream, lane: Lane, streams: bool
) -> None:
    """On the raw lane it is the upstream's own word, whole and in order, and stays what it is."""
    if streams:
        server.answers(stream_answer(lane.start, lane.empty_ending))
    else:
        server.answers(json_answer(lane.silence))
    response, body = ask(gateway, lane, streams=streams)
    assert response.status == (200 if lane.is_raw else 502)
    if not lane.is_raw:
        assert "empty reply" in error_of(body)["message"]


COST = b'data: {"choices":[],"cost":"0.00012"}\n\n'


@BY_LANE
@BY_FORM
def test_what_follows_the_end_is_drained_and_the_connection_lives_on(lane: Lane, streams: bool) -> None:
    """OpenCode Zen sends a frame with the cost behind the end of the stream."""
    with ExactUpstream() as server, RunningGateway(upstreams(server)) as gateway:
        server.answers(*[stream_answer(lane.stream, COST)] * 3)
        for count in range(1, 4):
            response, body = ask(gateway, lane, streams=streams)
            gateway.wait_for_lines(count)
            assert response.status == 200
            assert (COST in body) == (lane.is_raw and streams)
            assert b"Hello" in body
        assert server.connections == 1


@BY_LANE
def test_an_upstream_that_talks_on_behind_its_end_is_cut_off(lane: Lane) -> None:
    with ExactUpstream() as server, RunningGateway(upstreams(server)) as gateway:
        server.answers(stream_answer(lane.stream, stays=True))
        with asking(gateway, lane, streams=True) as connection:
            response = connection.getresponse()
            assert lane.end in read_until(response, lane.end)
            if not lane.is_raw:
                assert server.wait().left.wait(5), "the gateway waits for more"


@BY_LANE
def test_a_call_that_cannot_be_written_down_is_the_clients_error(
    gateway: RunningGateway, server: ExactUpstream, lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bytes:
        raise ValueError("the request header 'x-odd' holds a line break")

    with monkeypatch.context() as patch:
        patch.setattr("dragoman.upstreams.http.encode_head", refuse)
        response, body = ask(gateway, lane, streams=True)
    assert response.status == 400
    assert "x-odd" in error_of(body)["message"]
    still_works(gateway, server, lane)


@BY_LANE
@BY_FORM
def test_an_error_in_a_stream_before_its_content_is_an_error_answer(
    gateway: RunningGateway, server: ExactUpstream, lane: Lane, streams: bool
) -> None:
    failing = b'data: {"error":{"message":"quite overloaded","code":529}}\n\n'
    if lane.upstream == "messages":
        failing = (
            b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"quite overloaded"}}\n\n'
        )
    server.answers(stream_answer(lane.start, failing))
    response, body = ask(gateway, lane, streams=streams)
    assert response.status == (529 if lane.client == "messages" else 503)
    assert error_of(body)["message"] == "quite overloaded"


def test_a_stream_whose_beginning_cannot_be_made_out_passes_on_the_raw_lane(
    gateway: RunningGateway, server: ExactUpstream
) -> None:
    """Same protocol on both sides: a client may know what we do not."""
    strange = (
        piece({"role": "assistant", "content": {"of": "a kind to come"}}) + piece({}, "stop") + b"data: [DONE]\n\n"
    )
    server.answers(stream_answer(strange))
    response, body = ask(gateway, Lane("chat", "chat"), streams=True)
    assert response.status == 200
    assert b"a kind to come" in body
