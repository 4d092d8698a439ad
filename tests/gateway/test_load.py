"""Many streams, endless streams and readers that do not read: the gateway's memory stays as it is."""

import asyncio
import json
import resource
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.support.endless import EndlessUpstream
from tests.support.exact_upstream import ExactUpstream, stream_answer
from tests.support.lanes import CLIENT_KEY, LANES, PATHS, Lane, ask, asking
from tests.support.process import Served, serving

BY_LANE = pytest.mark.parametrize("lane", LANES, ids=str)
MB = 1024 * 1024
IN_SOCKETS = 32 * MB
"""What the buffers of the kernel may hold between an upstream and a client that does not read."""


@BY_LANE
def test_a_client_that_does_not_read_stops_the_upstream_and_costs_no_memory(tmp_path: Path, lane: Lane) -> None:
    with (
        EndlessUpstream(lane) as server,
        serving(tmp_path, server) as served,
        asking(served.port, lane, streams=True) as connection,
    ):
        response = connection.getresponse()
        response.read(MB)
        before = served.memory
        blocked_at = server.wait_until_blocked(0.4)
        assert blocked_at < IN_SOCKETS
        assert served.memory - before < 4 * MB + kept(lane, server)
        # It goes on where it stood as soon as somebody reads.
        response.read(IN_SOCKETS)
        assert server.wait_until_blocked() > blocked_at


@BY_LANE
def test_a_client_that_reads_slowly_slows_the_upstream_down(tmp_path: Path, lane: Lane) -> None:
    with (
        EndlessUpstream(lane) as server,
        serving(tmp_path, server) as served,
        asking(served.port, lane, streams=True) as connection,
    ):
        response = connection.getresponse()
        read = len(response.read(MB))
        before = served.memory
        for _ in range(50):
            read += len(response.read(64 * 1024))
            time.sleep(0.005)
            # A translation may be shorter than what it translates.
            assert server.sent < 3 * read + IN_SOCKETS
        assert served.memory - before < 4 * MB + kept(lane, server)


def kept(lane: Lane, server: EndlessUpstream) -> int:
    """Return what may be kept of a reply: Responses says all of it again at the end."""
    return server.sent if lane.client == "responses" and not lane.is_raw else 0


def test_large_bodies_are_let_go_when_they_have_gone_up(tmp_path: Path) -> None:
    """A body is JSON in one piece, and held a few times over while it is carried; what stays may not grow with their number."""
    lane, size = LANES[0], 12 * MB
    with ExactUpstream() as server, serving(tmp_path, server) as served:
        before = served.memory
        for _ in range(12):
            ask_for(served, server, lane, "x" * size)
        assert served.memory - before < 6 * size


def ask_for(served: Served, server: ExactUpstream, lane: Lane, prompt: str) -> None:
    server.answers(lane.good(streams=True))
    response, body = ask(served.port, lane, streams=True, prompt=prompt, timeout=60)
    assert response.status == 200
    assert lane.says_hello(body)


STREAMS = 500


@pytest.mark.parametrize("lane", [Lane("chat", "chat"), Lane("messages", "chat")], ids=str)
def test_five_hundred_idle_streams_at_once(tmp_path: Path, lane: Lane) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 3 * STREAMS:
        pytest.skip(f"only {hard} files may be open at once")
    if soft < 3 * STREAMS:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3 * STREAMS, hard))
    with ExactUpstream() as server, serving(tmp_path, server, {"heartbeat_s": 0.4}) as served:
        ask_for(served, server, lane, "warm up")
        server.answers(*[stream_answer(lane.start, lane.content, stays=True)] * STREAMS)
        before = served.memory
        asyncio.run(hold_streams(served, lane, before))
        assert all(asked.left.wait(10) for asked in server.asked)
        assert len(server.asked) == STREAMS
        deadline = time.monotonic() + 5
        while running(served):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        ask_for(served, server, lane, "hello again")


async def hold_streams(served: Served, lane: Lane, before: int) -> None:
    streams = [await begin(served.port, lane) for _ in range(STREAMS)]
    await asyncio.gather(*(reader.readuntil(b"Hello") for reader, _ in streams))
    assert (await asyncio.to_thread(running, served)) == STREAMS
    full = served.memory
    assert full - before < STREAMS * 100_000
    for _ in range(3):
        await asyncio.gather(*(reader.readuntil(lane.beat) for reader, _ in streams))
    assert served.memory - full < 4 * MB
    for _, writer in streams:
        writer.close()


async def begin(port: int, lane: Lane) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = lane.request(streams=True)
    head = f"POST {PATHS[lane.client]} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {CLIENT_KEY}\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    return reader, writer


def running(served: Served) -> int:
    """Return how many exchanges run, as `/health` says."""
    connection = HTTPConnection("127.0.0.1", served.port, timeout=10)
    connection.request("GET", "/health")
    health: Any = json.loads(connection.getresponse().read())
    connection.close()
    return int(health["requests"]["running"])
