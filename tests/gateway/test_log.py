"""One line an exchange, with what happened in it and nothing that was said; a mistake of our own is told without its details."""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from dragoman.settings import Server
from tests.support.exact_upstream import Answer, ExactUpstream, json_answer, stream_answer
from tests.support.faulty_upstream import whole
from tests.support.gateway import RunningGateway
from tests.support.lanes import (
    CLIENT_KEY,
    LANES,
    PROMPT,
    Lane,
    ask,
    asking,
    error_of,
    read_until,
    still_works,
    upstreams,
)
from tests.support.process import UPSTREAM_KEY, serving

BY_LANE = pytest.mark.parametrize("lane", LANES, ids=str)
BY_FORM = pytest.mark.parametrize("streams", [True, False], ids=["streamed", "whole"])
TOLD = f"not with `{CLIENT_KEY}` and `{UPSTREAM_KEY}` and <{PROMPT}>"
"""What an upstream says of a request that it refuses, all too openly."""


@pytest.fixture(scope="module")
def server() -> Iterator[ExactUpstream]:
    with ExactUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def running(server: ExactUpstream) -> Iterator[RunningGateway]:
    with RunningGateway(upstreams(server), Server(port=0, retries=0)) as gateway:
        yield gateway


@pytest.fixture
def gateway(running: RunningGateway) -> RunningGateway:
    running.forget_lines()
    return running


def talkative(lane: Lane) -> list[Answer]:
    """Answers of every kind with secrets in them."""
    error = {"error": {"type": "invalid_request_error", "message": TOLD}}
    event = b"event: error\ndata: %b\n\n" % json.dumps({"type": "error", **error}).encode()
    return [
        lane.good(streams=True),
        json_answer(error, 400),
        json_answer(error, 500),
        Answer((whole(TOLD.encode(), "502 Bad Gateway", "text/html"),)),
        Answer((whole(TOLD.encode(), content_type="text/html"),)),
        stream_answer(lane.start, event if lane.upstream == "messages" else event[13:]),
        stream_answer(lane.start, lane.content, event if lane.upstream == "messages" else event[13:]),
        stream_answer(lane.start, lane.content, b"data: {" + TOLD.encode() + b"\n\n"),
    ]


@pytest.mark.parametrize("words", [(), ("--log-json",)], ids=["text", "json"])
def test_every_exchange_has_one_line_without_keys_and_bodies(tmp_path: Path, words: tuple[str, ...]) -> None:
    port = free_port()
    asked = 0
    with ExactUpstream() as server, serving(tmp_path, server, {"retries": 0}, "--port", str(port), *words) as served:
        wait_for(port)
        for lane in LANES:
            server.answers(*talkative(lane))
            for _ in talkative(lane):
                ask(port, lane, streams=True)
                asked += 1
        bad = json.dumps({"model": "chat/x", "messages": [{"role": PROMPT, "content": PROMPT}], "max_tokens": 1})
        asked += refused(port, bad.encode())
        asked += refused(port, json.dumps({"model": "nobody/x", "messages": PROMPT}).encode())
        asked += refused(port, PROMPT.encode())
        served.terminate()
        assert served.wait(10) == 0
    log = "".join(served.said)
    lines = [line for line in served.said if "req_" in line]
    assert len(lines) == asked, log
    for secret in (CLIENT_KEY, UPSTREAM_KEY, PROMPT, "Hello", "Traceback"):
        assert secret not in log
    if words:
        rows = [json.loads(line) for line in lines]
        assert {"time", "level", "logger", "event", "request_id", "status", "protocol", "total_ms"} <= rows[0].keys()
        assert {row["level"] for row in rows} == {"info", "warning"}
        assert len({row["request_id"] for row in rows}) == asked


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(port: int) -> None:
    for _ in range(400):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("it does not listen")


def refused(port: int, body: bytes) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    for path in ("/v1/messages", "/v1/chat/completions"):
        connection.request("POST", path, body, {"x-api-key": CLIENT_KEY})
        response = connection.getresponse()
        response.read()
        assert response.status >= 400
    connection.close()
    return 2


@BY_LANE
@BY_FORM
def test_the_line_tells_who_asked_whom_and_what_it_cost(
    gateway: RunningGateway, server: ExactUpstream, lane: Lane, streams: bool
) -> None:
    server.answers(lane.good(streams=streams))
    response, _ = ask(gateway, lane, streams=streams, headers={"x-session-id": "talk-1"})
    (line,) = gateway.wait_for_lines(1)
    names = {
        "chat": "openai-chat",
        "messages": "anthropic-messages",
        "gemini": "gemini-generate",
        "responses": "openai-responses",
    }
    assert line.request_id == response.headers["x-request-id"]
    assert (line.status, line.stream, line.session) == (200, streams, "talk-1")
    assert (line.protocol, line.upstream_protocol) == (names[lane.client], names[lane.upstream])
    assert (line.model, line.upstream_model) == (f"{lane.upstream}/some-model", "some-model")
    assert (line.provider, line.lane) == (lane.upstream, "raw" if lane.is_raw else "translated")
    assert (line.input_tokens, line.output_tokens) == (11, 7)
    assert line.first_byte_ms is not None
    assert 0 <= line.first_byte_ms <= line.total_ms
    assert (line.failure, line.retries, line.client_left) == (None, 0, False)


@BY_LANE
def test_the_line_tells_what_went_wrong(gateway: RunningGateway, server: ExactUpstream, lane: Lane) -> None:
    server.answers(
        json_answer({"error": {"message": "no", "code": "some_code"}}, 429), stream_answer(lane.start, lane.content)
    )
    ask(gateway, lane, streams=True)
    ask(gateway, lane, streams=True)
    refused, cut = gateway.wait_for_lines(2)
    assert (refused.status, refused.failure) == (429, "rate_limited")
    assert (cut.status, cut.failure, cut.message) == (
        200,
        "upstream_cut",
        "the upstream's stream ended before the reply did",
    )


@BY_LANE
@BY_FORM
def test_a_mistake_of_our_own_is_an_error_in_the_clients_dialect(
    gateway: RunningGateway,
    server: ExactUpstream,
    lane: Lane,
    streams: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a secret of the house")

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr("dragoman.engine.exchange.identify", fail)
        response, body = ask(gateway, lane, streams=streams)
    assert response.status == 500
    assert "the gateway made a mistake" in error_of(body)["message"]
    assert b"secret" not in body
    assert b"Traceback" not in body
    (line,) = gateway.wait_for_lines(1)
    assert (line.status, line.failure) == (500, "internal")
    mistakes = [record for record in caplog.records if record.exc_info]
    assert len(mistakes) == 1
    assert line.request_id in mistakes[0].getMessage()
    still_works(gateway, server, lane)


@BY_LANE
def test_a_mistake_in_mid_stream_is_an_error_event(
    gateway: RunningGateway,
    server: ExactUpstream,
    lane: Lane,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> bytes:
        raise ZeroDivisionError("a secret of the house")

    gate = threading.Event()
    pieces = stream_answer(lane.start, lane.content, lane.ending).pieces
    server.answers(Answer(pieces, gate=gate, until=3))
    stage = "RawStage" if lane.is_raw else "TranslatedStage"
    with (
        monkeypatch.context() as patch,
        caplog.at_level(logging.ERROR),
        asking(gateway, lane, streams=True) as connection,
    ):
        response = connection.getresponse()
        body = read_until(response, b"Hello")
        patch.setattr(f"dragoman.engine.stages.{stage}.feed", fail)
        gate.set()
        body += response.read()
    assert response.status == 200
    assert lane.fails(body)
    assert "the gateway made a mistake" in error_of(body)["message"]
    assert b"secret" not in body
    assert gateway.wait_for_lines(1)[0].failure == "internal"
    still_works(gateway, server, lane)
