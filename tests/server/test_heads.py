"""A head that came before is not parsed again: whatever a connection is sent, that must show in nothing but the time."""

import asyncio
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.server.connection import KNOWN_HEAD, Message, Receive, Scope, Send
from dragoman.server.heads import KnownHead
from tests.server.test_http_protocol import PATIENCE, Client, connected, serving

HEAD = b"POST /v1 HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\nX-Key: k\r\n\r\n"
FIELDS = [(b"host", b"here"), (b"content-length", b"4"), (b"x-key", b"k")]


def request(body: bytes, head: bytes = HEAD) -> bytes:
    return head % len(body) + body


def learned() -> KnownHead:
    head = KnownHead.learn(request(b"body"), FIELDS, {"method": "POST"})
    assert head is not None
    return head


@pytest.mark.parametrize("body", [b"", b"x", b"body", b"\r\n\r\n" * 500, b"0" * 12_345])
def test_the_same_head_is_known_with_a_body_of_any_length(body: bytes) -> None:
    head = learned()
    assert head.body_of(request(body)) == body
    assert head.scope(len(body)) == {
        "method": "POST",
        "headers": [(b"host", b"here"), (b"content-length", b"%d" % len(body)), (b"x-key", b"k")],
    }
    assert FIELDS[1] == (b"content-length", b"4")


@pytest.mark.parametrize(
    "data",
    [
        request(b"body")[:-1],
        request(b"body") + b"!",
        request(b"body") * 2,
        request(b"body").replace(b": 4", b":  4"),
        request(b"body").replace(b": 4", b": +4"),
        request(b"body").replace(b": 4", b": 4 "),
        request(b"body").replace(b": 4", b": 4_0"),
        request(b"body").replace(b": 4", b": "),
        request(b"body").replace(b": 4", b": " + b"0" * 15 + b"4"),
        request(b"body").replace(b"X-Key: k", b"X-Key: l"),
        request(b"body").replace(b"/v1", b"/v2"),
        request(b"body").replace(b"\r\n\r\n", b"\r\nMore: of it\r\n\r\n"),
        request(b"body").lower(),
        b"",
        HEAD[:20],
    ],
)
def test_anything_else_is_not(data: bytes) -> None:
    assert learned().body_of(data) is None


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        (b"GET / HTTP/1.1\r\nhost: here\r\n\r\n", [(b"host", b"here")]),
        (request(b"body") + b"!", FIELDS),
        (request(b"body").replace(b"Host: here\r\n", b"Host: here\n"), FIELDS),
        (request(b"body").replace(b"Host: here", b"Host:\r\n here"), FIELDS),
        (request(b"body", HEAD.replace(b"X-Key: k", b"Content-Length: 4")), [*FIELDS[:2], FIELDS[1]]),
        (request(b"body", HEAD.replace(b"X-Key: k", b"expect: 100-continue")), [*FIELDS[:2], (b"expect", b"x")]),
        (request(b"body", HEAD.replace(b"X-Key: k", b"upgrade: x")), [*FIELDS[:2], (b"upgrade", b"x")]),
        (
            request(b"body", HEAD.replace(b"X-Key: k", b"transfer-encoding: chunked")),
            [*FIELDS[:2], (b"transfer-encoding", b"chunked")],
        ),
        (request(b"body", HEAD.replace(b": k", b": " + b"k" * 9_000)), [*FIELDS[:2], (b"x-key", b"k" * 9_000)]),
    ],
)
def test_what_is_not_plain_is_not_learned(data: bytes, fields: list[tuple[bytes, bytes]]) -> None:
    assert KnownHead.learn(data, fields, {}) is None


def test_an_application_that_changes_its_headers_changes_no_other_requests() -> None:
    fields = FIELDS.copy()
    head = KnownHead.learn(request(b"body"), fields, {})
    assert head is not None
    fields[:] = [(b"x-key", b"another's")]
    assert head.scope(4)["headers"] == FIELDS


# --- over a connection ------------------------------------------------------------------------------------------------


class Told:
    """An application that keeps what it was told of each request, and how many of them had a known head."""

    def __init__(self) -> None:
        self.told: list[tuple[dict[str, Any], bytes]] = []
        self.known = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        body: bytes = message["body"]
        while message["more_body"]:
            message = await receive()
            body += message["body"]
        self.known += KNOWN_HEAD in scope["extensions"]
        self.told.append(({k: v for k, v in scope.items() if k not in ("extensions", "client", "server")}, body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        last: Message = {"type": "http.response.body", "body": b""}
        await send(last)


ONE = b"POST /a?b=c HTTP/1.1\r\nhost: here\r\nx-api-key: one\r\ncontent-length: %d\r\n\r\n"
OTHER = ONE.replace(b"one", b"two")
ELSEWHERE = ONE.replace(b"/a", b"/d")
CHUNKED = b"POST /a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
GET = b"GET /a HTTP/1.1\r\nhost: here\r\n\r\n"
UPGRADE = ONE.replace(b"host: here", b"connection: upgrade\r\nupgrade: websocket")
WITHOUT_UPGRADE = UPGRADE.replace(b"upgrade: websocket\r\n", b"")
BODIES = [b"", b"{}", b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\nno", b"x" * 70_000]
HEADS = (ONE, OTHER, ELSEWHERE, UPGRADE, WITHOUT_UPGRADE)
REQUESTS = [head % len(body) + body for head in HEADS for body in BODIES] + [CHUNKED, GET]


async def answered(client: Client, count: int) -> None:
    for _ in range(count):
        assert (await client.reply())[0] == 200


async def told_of(requests: list[bytes], cut: int | None, *, at_once: bool) -> Told:
    """What an application is told when these come on one connection: one by one, each cut in two, or all at once."""
    told = Told()
    async with serving(told) as served, connected(served) as client:
        if at_once:
            await client.send(b"".join(requests))
            await answered(client, len(requests))
        else:
            for data in requests:
                await client.send(data[:cut])
                if cut is not None:
                    await asyncio.sleep(0.001)
                    await client.send(data[cut:])
                await answered(client, 1)
    return told


@cache
def told_alone(data: bytes) -> tuple[dict[str, Any], bytes]:
    """What an application is told of a request that has a connection of its own."""
    (told,) = asyncio.run(told_of([data], None, at_once=False)).told
    return told


@given(
    requests=st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=6),
    cut=st.none() | st.integers(1, 60),
    at_once=st.booleans(),
)
def test_an_application_is_told_the_same_as_on_fresh_connections(
    requests: list[bytes], cut: int | None, at_once: bool
) -> None:
    told = asyncio.run(told_of(requests, cut, at_once=at_once))
    assert told.told == [told_alone(data) for data in requests]


@pytest.mark.parametrize(
    ("requests", "known"),
    [
        ([ONE % 2 + b"{}"] * 4, 3),
        ([ONE % len(body) + body for body in BODIES[:3]], 2),
        ([ONE % 2 + b"{}", OTHER % 2 + b"{}", OTHER % 0, ONE % 0, ONE % 0], 2),
        ([CHUNKED, ONE % 0, GET, ONE % 0], 1),
        ([ONE.replace(b"one", b"%d" % n) % 0 for n in range(9)] + [ONE % 0] * 3, 0),
        ([UPGRADE % 0, WITHOUT_UPGRADE % 0, WITHOUT_UPGRADE % 0], 1),
    ],
    ids=["alike", "of other lengths", "changing", "others between", "always another", "not as the client wrote it"],
)
def test_heads_are_known_from_the_second_time_on_and_not_looked_for_in_vain(requests: list[bytes], known: int) -> None:
    assert asyncio.run(told_of(requests, None, at_once=False)).known == known


def test_a_request_that_asked_for_another_protocol_leaves_nothing_to_the_next_one() -> None:
    requests = [UPGRADE % 0, WITHOUT_UPGRADE % 0, WITHOUT_UPGRADE % 0]
    assert asyncio.run(told_of(requests, None, at_once=False)).told == [told_alone(data) for data in requests]


@pytest.mark.parametrize(
    ("beginning", "told"),
    [
        (b"POST /more HTTP/1.1\r\nx-more: ", ("/more", b"{}")),
        (b"POST /more HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(ONE % 2 + b"{}"), ("/more", ONE % 2 + b"{}")),
    ],
    ids=["a head", "a body"],
)
def test_a_known_head_within_another_request_is_a_part_of_that(beginning: bytes, told: tuple[str, bytes]) -> None:
    """Who answered it would serve a request that a proxy in front has never seen."""

    async def check() -> None:
        app = Told()
        async with serving(app) as served, connected(served) as client:
            for data in [ONE % 2 + b"{}"] * 2:
                await client.ask(data)
            await client.send(beginning)
            await asyncio.sleep(0.02)
            await client.ask(ONE % 2 + b"{}")
        assert app.known == 1
        assert [(scope["path"], body) for scope, body in app.told[2:]] == [told]

    asyncio.run(asyncio.wait_for(check(), PATIENCE))


def test_nothing_is_served_after_the_last_request() -> None:
    async def check() -> None:
        told = Told()
        async with serving(told) as served, connected(served) as client:
            await client.ask(ONE % 0)
            await client.ask(ONE % 0)
            await client.send(ONE.replace(b"host", b"connection: close\r\nhost") % 0 + ONE % 0)
            await answered(client, 1)
            assert await client.has_ended()
        assert len(told.told) == 3

    asyncio.run(check())
