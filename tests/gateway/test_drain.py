"""A gateway that is told to stop finishes what runs, takes nothing new, and ends with status 0 within its limit."""

import signal
import socket
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.support.endless import EndlessUpstream
from tests.support.exact_upstream import Answer, ExactUpstream, silence, stream_answer
from tests.support.faulty_upstream import chunk, stream_head
from tests.support.lanes import LANES, PATHS, Lane, ask, asking, error_of, read_until
from tests.support.process import Served, serving

BY_LANE = pytest.mark.parametrize("lane", LANES, ids=str)


def wait_until_refused(port: int) -> None:
    deadline = time.monotonic() + 5
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return
        assert time.monotonic() < deadline, "it still listens"
        time.sleep(0.01)


def paused(lane: Lane, gate: threading.Event) -> Answer:
    pieces = (stream_head(), chunk(lane.start + lane.content), chunk(lane.ending), chunk(b""))
    return Answer(pieces, gate=gate, until=2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_what_runs_is_finished_and_nothing_new_is_taken(tmp_path: Path, number: signal.Signals) -> None:
    lane, gate = Lane("messages", "chat"), threading.Event()
    with ExactUpstream() as server, serving(tmp_path, server, {"drain_s": 20}) as served:
        server.answers(paused(lane, gate))
        with asking(served.port, lane, streams=True) as connection:
            response = connection.getresponse()
            body = read_until(response, b"Hello")
            served.process.send_signal(number)
            wait_until_refused(served.port)
            gate.set()
            body += response.read()
            assert lane.says_hello(body)
        assert served.wait(5) == 0
    assert "Traceback" not in "".join(served.said)


def test_a_connection_that_is_open_gets_a_clear_refusal(tmp_path: Path) -> None:
    """A client that keeps its connection busy must not be served for ever."""
    lane, gate = Lane("chat", "chat"), threading.Event()
    with ExactUpstream() as server, serving(tmp_path, server) as served:
        server.answers(paused(lane, gate))
        with asking(served.port, lane, streams=True) as running, socket.socket() as second:
            read_until(running.getresponse(), b"Hello")
            # A request whose body is on its way when the signal comes.
            second.connect(("127.0.0.1", served.port))
            body = lane.request(streams=False)
            second.sendall(b"POST %b HTTP/1.1\r\nhost: 127.0.0.1\r\n" % PATHS["chat"].encode())
            time.sleep(0.05)
            served.terminate()
            time.sleep(0.02)
            second.sendall(b"content-length: %d\r\n\r\n%b" % (len(body), body))
            second.settimeout(5)
            try:
                answer = second.recv(65536)
            except ConnectionResetError:
                answer = b""  # it had not asked for anything yet
            assert not answer or (answer.startswith(b"HTTP/1.1 503 ") and b"retry-after: 1" in answer.lower())
            assert len(server.asked) == 1
            gate.set()
        assert served.wait(5) == 0


@BY_LANE
def test_whoever_runs_out_of_time_is_told(tmp_path: Path, lane: Lane) -> None:
    with ExactUpstream() as server, serving(tmp_path, server, {"drain_s": 0.3}) as served:
        server.answers(stream_answer(lane.start, lane.content, stays=True), silence())
        streamed = asking(served.port, lane, streams=True)
        whole = asking(served.port, lane, streams=False)
        with streamed as first, whole as second:
            response = first.getresponse()
            body = read_until(response, b"Hello")
            while len(server.asked) < 2:
                server.wait()
            began = time.monotonic()
            served.terminate()
            body += response.read()
            answer = second.getresponse()
            answered = answer.read()
            assert served.wait(5) == 0
            assert time.monotonic() - began < 3
    assert lane.fails(body)
    assert "shutting down" in error_of(body)["message"]
    assert lane.end not in body
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"
    assert "shutting down" in error_of(answered)["message"]
    assert sum("shutting_down" in line for line in served.said) == 2
    assert "Traceback" not in "".join(served.said)


def test_a_client_that_does_not_read_does_not_hold_it_up(tmp_path: Path) -> None:
    lane = Lane("messages", "chat")
    with (
        EndlessUpstream(lane) as server,
        serving(tmp_path, server, {"drain_s": 0.2}) as served,
        asking(served.port, lane, streams=True) as connection,
    ):
        connection.getresponse()
        server.wait_until_blocked()
        served.terminate()
        assert served.wait(5) == 0


def test_an_idle_gateway_ends_at_once(tmp_path: Path) -> None:
    lane = LANES[0]
    with ExactUpstream() as server, serving(tmp_path, server) as served:
        server.answers(lane.good(streams=True))
        kept = HTTPConnection("127.0.0.1", served.port)
        kept.request("GET", "/ping")
        assert kept.getresponse().read() == b"pong"
        assert ask(served.port, lane, streams=True)[0].status == 200
        began = time.monotonic()
        served.terminate()
        assert served.wait(5) == 0
        assert time.monotonic() - began < 2
        kept.close()


def test_two_signals_end_it_at_once(tmp_path: Path) -> None:
    lane = LANES[0]
    with ExactUpstream() as server, serving(tmp_path, server) as served:
        server.answers(stream_answer(lane.start, lane.content, stays=True))
        with asking(served.port, lane, streams=True) as connection:
            read_until(connection.getresponse(), b"Hello")
            interrupt_twice(served)
            assert served.wait(5) == 0


def interrupt_twice(served: Served) -> None:
    served.process.send_signal(signal.SIGINT)
    wait_until_refused(served.port)
    served.process.send_signal(signal.SIGINT)
