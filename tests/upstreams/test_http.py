"""Laws of the HTTP edge, over real sockets on the loopback and on both event loops."""

import asyncio
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from dragoman.engine.errors import UpstreamCutError, UpstreamTimeoutError, UpstreamUnreachableError
from dragoman.engine.ports import Call, CallHeaders, Timeouts, Upstream, UpstreamReply
from dragoman.ir.failures import RequestError
from dragoman.upstreams.http import ConnectionCount, HttpUpstream
from dragoman.upstreams.http_connection import HIGH_WATER, MAX_HEAD, SLICE
from dragoman.upstreams.http_request import encode_head, split_url
from tests.support import faulty_upstream as faulty
from tests.support.faulty_upstream import Behaviour, FaultyUpstream, ThreadedUpstream, answering, saying, serving

Run = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]

QUICK = Timeouts(connect=5.0, first_byte=10.0, idle=10.0)
IMPATIENT = Timeouts(connect=0.2, first_byte=0.2, idle=0.2)
SECRET = "sk-do-not-show"
UNREAD_BY_KERNELS = 32 * 1024 * 1024
"""More than both sockets of a loopback connection hold."""
TOO_LONG = faulty.head("200 OK", "x: " + "x" * MAX_HEAD, "content-length: 0")


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a check on an event loop; nothing here takes longer than 20 seconds."""

    def run_in_time(check: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(20):
                await check()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(bounded())

    return run_in_time


@asynccontextmanager
async def client(
    *, max_idle: int = 64, idle_seconds: float = 60.0, ssl_verify: bool = True
) -> AsyncIterator[HttpUpstream]:
    http = HttpUpstream(max_idle=max_idle, idle_seconds=idle_seconds, ssl_verify=ssl_verify)
    try:
        yield http
    finally:
        await http.aclose()


def call(upstream: FaultyUpstream | ThreadedUpstream, body: bytes = b'{"model":"m"}', method: str = "POST") -> Call:
    headers = (("authorization", f"Bearer {SECRET}"), ("content-type", "application/json"))
    return Call(method, f"{upstream.url}/v1/messages?beta=true", headers, body)


async def body_of(reply: UpstreamReply, pieces: list[bytes] | None = None) -> bytes:
    pieces = [] if pieces is None else pieces
    while (piece := await reply.read()) is not None:
        pieces.append(piece)
    return b"".join(pieces)


async def until(claim: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not claim():  # noqa: ASYNC110 - a claim about sockets sets no event
            await asyncio.sleep(0.005)


def only_count(http: HttpUpstream) -> ConnectionCount:
    (count,) = http.counts().values()
    return count


# What is sent.


def test_the_edge_is_an_upstream() -> None:
    """For mypy to check: what it takes and what it gives fit the port."""
    upstream: Upstream = HttpUpstream()
    assert callable(upstream.send)


def test_a_request_is_written_as_http(run: Run) -> None:
    seen: list[tuple[bytes, bytes]] = []

    async def record(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await faulty.read_request(reader))
        writer.write(faulty.whole(b"{}"))

    async def check() -> None:
        async with serving(record) as upstream, client() as http:
            await body_of(await http.send(call(upstream), QUICK))
            authority = upstream.url.removeprefix("http://")
            head, body = seen[0]
            assert head.decode() == (
                f"POST /v1/messages?beta=true HTTP/1.1\r\nhost: {authority}\r\n"
                f"authorization: Bearer {SECRET}\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n"
            )
            assert body == b'{"model":"m"}'

    run(check)


def test_the_transports_own_headers_are_not_taken_from_the_caller() -> None:
    headers = (("host", "evil"), ("content-length", "99"), ("transfer-encoding", "chunked"), ("x-kept", "1"))
    head = encode_head(Call("POST", "http://a/", headers, b"{}"), split_url("http://a/"))
    assert head == b"POST / HTTP/1.1\r\nhost: a\r\nx-kept: 1\r\ncontent-length: 2\r\n\r\n"


def test_headers_that_calls_have_in_common_are_written_once_for_each_place() -> None:
    headers = CallHeaders((("x-api-key", SECRET),))
    line = f"x-api-key: {SECRET}\r\n"
    for url, host, method in (("http://a/", "a", "POST"), ("http://b/", "b", "POST"), ("http://b/", "b", "PUT")):
        for body in (b"{}", b"{ }"):
            head = encode_head(Call(method, url, headers, body), split_url(url)).decode()
            assert head == f"{method} / HTTP/1.1\r\nhost: {host}\r\n{line}content-length: {len(body)}\r\n\r\n"
    written = headers.encoded
    encode_head(Call("PUT", "http://b/", headers, b"{}"), split_url("http://b/"))
    assert headers.encoded is written


def test_nobody_keeps_headers_once_their_calls_are_made() -> None:
    """There are keys in them, which may be revoked; and a head may be long."""
    for kind in (CallHeaders, tuple):
        headers = kind([("x-api-key", SECRET)])
        before = sys.getrefcount(headers)
        encode_head(Call("POST", "http://a/", headers, b"{}"), split_url("http://a/"))
        assert sys.getrefcount(headers) == before


@pytest.mark.parametrize("value", ["a\r\nx: 1", "a\nb", "a\rb", "a\0b", "żółw"])
def test_a_header_cannot_break_out_of_its_line(value: str) -> None:
    """The refusal names the header and keeps its value to itself."""
    bad = Call("GET", "http://a/", (("x-fine", "1"), ("x-bad", value + SECRET)), b"")
    with pytest.raises(ValueError, match="x-bad") as caught:
        encode_head(bad, split_url(bad.url))
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("name", ["x\r\ny", "x\0"])
def test_a_header_name_cannot_break_out_either(name: str) -> None:
    bad = Call("GET", "http://a/", ((name, "1"),), b"")
    with pytest.raises(ValueError, match="header"):
        encode_head(bad, split_url(bad.url))


def test_a_method_cannot_break_out_either() -> None:
    bad = Call("GET / HTTP/1.1\r\nx: y", "http://a/", (), b"")
    with pytest.raises(ValueError, match="method"):
        encode_head(bad, split_url(bad.url))


def test_a_call_that_cannot_go_on_the_wire_is_the_clients_mistake(run: Run) -> None:
    async def check() -> None:
        async with client() as http:
            with pytest.raises(RequestError, match="x-bad"):
                await http.send(Call("GET", "http://127.0.0.1:1/", (("x-bad", "a\nb"),), b""), QUICK)

    run(check)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        (f"http://user:{SECRET}@host/", "user name"),
        ("ftp://host/", "ftp"),
        ("host/path", "scheme"),
        ("http:///path", "no host"),
        ("http://host/a b", "blank"),
        ("http://host/a\r\nb", "control"),
        ("http://host/ü", "non-ASCII"),
        ("http://host:99999/", "[Pp]ort"),
    ],
)
def test_a_url_that_cannot_be_called_is_refused(url: str, word: str) -> None:
    with pytest.raises(ValueError, match=word) as caught:
        split_url(url)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "origin", "authority", "path"),
    [
        ("http://Host", "http://host:80", "host", "/"),
        ("https://host:443/v1", "https://host:443", "host", "/v1"),
        ("https://host:8443/v1?a=b#part", "https://host:8443", "host:8443", "/v1?a=b"),
        ("http://[::1]:81/x", "http://[::1]:81", "[::1]:81", "/x"),
        ("http://[::1]/x", "http://[::1]:80", "[::1]", "/x"),
        ("http://host?a=b", "http://host:80", "host", "/?a=b"),
    ],
)
def test_a_url_leads_to_an_origin_and_a_path(url: str, origin: str, authority: str, path: str) -> None:
    target = split_url(url)
    assert (target.origin, target.authority, target.path) == (origin, authority, path)


def test_a_large_body_arrives_byte_for_byte(run: Run) -> None:
    sent = bytes(range(256)) * 4096 * 8
    seen: list[bytes] = []

    async def record(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            seen.append((await faulty.read_request(reader))[1])
            writer.write(faulty.whole(b"{}"))

    async def check() -> None:
        async with serving(record) as upstream, client() as http:
            for _ in range(2):
                assert await body_of(await http.send(call(upstream, sent), QUICK)) == b"{}"
            assert seen == [sent, sent]
            assert upstream.connections == 1

    run(check)


def test_a_large_body_is_handed_over_only_as_fast_as_it_is_taken(run: Run) -> None:
    sent = bytes(UNREAD_BY_KERNELS)
    may_read = asyncio.Event()

    async def dawdle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await faulty.read_head(reader)
        await may_read.wait()
        writer.write(faulty.whole(b"%d" % len(await reader.readexactly(len(sent)))))
        await faulty.until_left(reader)

    async def check() -> None:
        async with serving(dawdle) as upstream, client() as http:
            sending = asyncio.ensure_future(http.send(call(upstream, sent), QUICK))
            await asyncio.sleep(0.3)
            (connection,) = http._pool.members
            assert connection._transport is not None
            assert 0 < connection._transport.get_write_buffer_size() <= 2 * SLICE
            may_read.set()
            assert await body_of(await sending) == b"%d" % len(sent)
            assert only_count(http) == ConnectionCount(open=1, idle=1)

    run(check)


def test_a_large_body_on_its_way_is_no_silence(run: Run) -> None:
    sent = bytes(UNREAD_BY_KERNELS)

    async def sip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await faulty.read_head(reader)
        for _ in range(8):
            await reader.readexactly(len(sent) // 8)
            await asyncio.sleep(0.2)
        writer.write(faulty.whole(b"{}"))

    async def check() -> None:
        async with serving(sip) as upstream, client() as http:
            reply = await http.send(call(upstream, sent), Timeouts(first_byte=1.0, idle=1.0))
            assert await body_of(reply) == b"{}"

    run(check)


# What arrives.


@pytest.mark.parametrize(
    ("pieces", "body"),
    [
        ([faulty.whole(b"hello")], b"hello"),
        ([faulty.whole(b"")], b""),
        ([faulty.stream_head(), faulty.chunk(b"one"), faulty.chunk(b"two"), faulty.chunk(b"")], b"onetwo"),
        ([faulty.stream_head() + b"3;ext=1\r\none\r\n0\r\nx-trailer: 1\r\n\r\n"], b"one"),
        ([faulty.stream_head(), b"3", b"\r", b"\no", b"n", b"e\r\n", b"0", b"\r\n\r", b"\n"], b"one"),
        ([faulty.head("200 OK", "connection: close"), b"until", b"close"], b"untilclose"),
        ([b"HTTP/1.0 200 OK\r\n\r\n", b"old"], b"old"),
        ([faulty.head("204 No Content")], b""),
        ([faulty.head("304 Not Modified", "content-length: 10")], b""),
    ],
    ids=["length", "empty", "chunked", "extension-trailer", "torn", "until-close", "http-1.0", "204", "304"],
)
def test_every_kind_of_body_is_read_to_its_end(run: Run, pieces: list[bytes], body: bytes) -> None:
    async def check() -> None:
        async with serving(saying(*pieces, pause=0.002)) as upstream, client() as http:
            reply = await http.send(call(upstream), QUICK)
            assert await body_of(reply) == body
            assert await reply.read() is None
            assert "x-trailer" not in reply.headers

    run(check)


def test_a_head_request_is_answered_without_a_body(run: Run) -> None:
    async def check() -> None:
        answer = faulty.head("200 OK", "content-length: 1000")
        async with serving(saying(answer, then_stay=True)) as upstream, client() as http:
            reply = await http.send(call(upstream, b"", "HEAD"), QUICK)
            assert (reply.status, reply.headers["content-length"]) == (200, "1000")
            assert await body_of(reply) == b""
            assert http.counts() == {}

    run(check)


def test_header_names_are_lower_case_and_repeated_ones_are_joined(run: Run) -> None:
    async def check() -> None:
        answer = faulty.head("200 OK", "Content-Length: 0", "X-Request-ID: r\xe9", "Vary: a", "vary: b")
        async with serving(saying(answer)) as upstream, client() as http:
            reply = await http.send(call(upstream), QUICK)
            assert reply.headers == {"content-length": "0", "x-request-id": "r\xe9", "vary": "a, b"}

    run(check)


def test_interim_replies_are_passed_over(run: Run) -> None:
    async def check() -> None:
        async with serving(faulty.interim_replies_first) as upstream, client() as http:
            reply = await http.send(call(upstream), QUICK)
            assert (reply.status, await body_of(reply)) == (200, b'{"ok":true}')
            assert "link" not in reply.headers

    run(check)


def test_a_redirect_is_an_answer_like_any_other(run: Run) -> None:
    async def check() -> None:
        answer = faulty.head("302 Found", "location: http://127.0.0.1:1/", "content-length: 0")
        async with serving(saying(answer)) as upstream, client() as http:
            reply = await http.send(call(upstream), QUICK)
            assert (reply.status, reply.headers["location"]) == (302, "http://127.0.0.1:1/")
            assert upstream.connections == 1

    run(check)


@pytest.mark.parametrize(
    ("behaviour", "body"),
    [
        (faulty.slow_bytes, "data: 🐫\n\ndata: [DONE]\n\n"),
        (faulty.split_utf8, 'data: {"text":"größer 🐫"}\n\n'),
        (faulty.crlf_events, "data: one\r\n\r\ndata: two\r\n\r\n"),
        (faulty.html_page, "<html><body>502 Bad Gateway</body></html>"),
    ],
)
def test_odd_packets_lose_nothing(run: Run, behaviour: Behaviour, body: str) -> None:
    async def check() -> None:
        async with serving(behaviour) as upstream, client() as http:
            assert (await body_of(await http.send(call(upstream), QUICK))).decode() == body

    run(check)


def test_a_huge_event_comes_through_in_small_pieces(run: Run) -> None:
    async def check() -> None:
        async with serving(faulty.one_huge_event) as upstream, client() as http:
            reply = await http.send(call(upstream), QUICK)
            total = largest = 0
            while (piece := await reply.read()) is not None:
                total += len(piece)
                largest = max(largest, len(piece))
            assert total == faulty.LONG_EVENT + len(b"data: \n\n")
            assert largest <= 3 * HIGH_WATER

    run(check)


def test_a_piece_is_there_as_soon_as_it_has_come(run: Run) -> None:
    async def check() -> None:
        async with serving(faulty.stall_mid_body) as upstream, client() as http:
            reply = await http.send(call(upstream), QUICK)
            assert await asyncio.wait_for(reply.read(), 1) == b"data: one\n\n"
            reply.close()

    run(check)


@pytest.mark.parametrize("behaviour", [faulty.early_413, faulty.early_413_and_wait])
def test_an_answer_given_before_the_body_was_read_is_delivered(run: Run, behaviour: Behaviour) -> None:
    async def check() -> None:
        for size in (0, 1000, 300_000, UNREAD_BY_KERNELS):
            async with serving(behaviour) as upstream, client() as http:
                reply = await http.send(call(upstream, bytes(size)), QUICK)
                assert (reply.status, await body_of(reply)) == (413, b'{"error":"too large"}')

    run(check)


def test_a_request_answered_before_its_end_leaves_no_connection(run: Run) -> None:
    async def check() -> None:
        async with serving(faulty.early_413_and_wait) as upstream, client() as http:
            await body_of(await http.send(call(upstream, bytes(UNREAD_BY_KERNELS)), QUICK))
            assert http.counts() == {}

    run(check)


# Breaking off.


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (faulty.close_mid_head, "in the head"),
        (faulty.bare_html, "not HTTP/1.1: '<html><body>hello"),
        (faulty.junk_bytes, r"not HTTP/1.1: '\\x00\\x01"),
        (saying(b"SSH-2.0-OpenSSH_9.2\r\n"), "not HTTP/1.1: 'SSH-2.0"),
        (saying(faulty.head("101 Switching Protocols")), "not HTTP/1.1"),
        (faulty.endless_head, "reply head .* 64 KiB"),
        (saying(TOO_LONG), "64 KiB"),
        (saying(TOO_LONG[:40_000], TOO_LONG[40_000:], pause=0.01), "64 KiB"),
        (saying(*[faulty.head("103 Early Hints", "x: " + "x" * 1000)] * 70), "64 KiB"),
        (saying(faulty.head("200 OK", "content-length: 2", "content-length: 3") + b"{}"), "Content-Length"),
        (saying(faulty.head("200 OK", "content-length: 2", "transfer-encoding: chunked")), "Transfer-Encoding"),
    ],
    ids=[
        "cut",
        "html",
        "junk",
        "ssh",
        "101",
        "endless",
        "long",
        "long-in-two",
        "interim-flood",
        "two-lengths",
        "length-and-chunks",
    ],
)
def test_a_head_that_is_none_is_a_cut(run: Run, behaviour: Behaviour, words: str) -> None:
    async def check() -> None:
        async with serving(behaviour) as upstream, client() as http:
            with pytest.raises(UpstreamCutError, match=words) as caught:
                await http.send(call(upstream), QUICK)
            assert SECRET not in str(caught.value)
            assert http.counts() == {}

    run(check)


@pytest.mark.parametrize(
    ("behaviour", "before", "words"),
    [
        (faulty.reset_mid_body, b"data: one\n\n", "before the end of the body"),
        (faulty.close_mid_body, b"data: one\n\n", "before the end of the body"),
        (faulty.length_too_long, b'{"ok":true}', "before the end of the body"),
        (faulty.bad_chunk, b"data: one\n\n", "framing"),
        (saying(faulty.stream_head() + b"1;" + b"x" * 300_000, then_stay=True), b"", "64 KiB"),
        (saying(faulty.stream_head() + b"0\r\nx: " + b"x" * 300_000, then_stay=True), b"", "64 KiB"),
    ],
    ids=["reset", "close", "length-too-long", "bad-chunk", "endless-extension", "endless-trailer"],
)
def test_a_body_cut_short_never_looks_finished(run: Run, behaviour: Behaviour, before: bytes, words: str) -> None:
    async def check() -> None:
        async with serving(behaviour) as upstream, client() as http:
            reply = await http.send(call(upstream), QUICK)
            arrived: list[bytes] = []
            with pytest.raises(UpstreamCutError, match=words):
                await body_of(reply, arrived)
            assert b"".join(arrived) == before
            with pytest.raises(UpstreamCutError):
                await reply.read()
            assert http.counts() == {}

    run(check)


def test_a_fresh_connection_closed_without_an_answer_is_unreachable(run: Run) -> None:
    async def check() -> None:
        async with serving(faulty.close_without_answer) as upstream, client() as http:
            with pytest.raises(UpstreamUnreachableError, match="before any byte"):
                await http.send(call(upstream), QUICK)
            assert upstream.connections == 1

    run(check)


def test_nobody_listening_is_unreachable(run: Run) -> None:
    async def check() -> None:
        async with serving(answering()) as upstream:
            gone = call(upstream)
        async with client() as http:
            refused = r"no connection to `http://127\.0\.0\.1:\d+`: Connect"
            with pytest.raises(UpstreamUnreachableError, match=refused) as failed:
                await http.send(gone, QUICK)
            assert failed.value.failure.hint == "is `base_url` right, and does something listen there?"

    run(check)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".invalid"])
def test_an_unknown_host_is_unreachable(run: Run, host: str) -> None:
    async def check() -> None:
        async with client() as http:
            with pytest.raises(UpstreamUnreachableError, match="no connection"):
                await http.send(Call("GET", f"http://{host}/", (), b""), QUICK)

    run(check)


# Time.


def test_a_connection_that_is_not_accepted_in_time_is_unreachable(run: Run) -> None:
    """The queue of a listening socket is filled, so that further connections get no answer."""

    async def check() -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            address = listener.getsockname()
            queued = [socket.socket() for _ in range(4)]
            for one in queued:
                one.setblocking(False)
                one.connect_ex(address)
            async with client() as http:
                with pytest.raises(UpstreamUnreachableError, match=r"within 0\.2 seconds"):
                    await http.send(Call("GET", f"http://127.0.0.1:{address[1]}/", (), b""), IMPATIENT)
            for one in queued:
                one.close()

    run(check)


def test_an_upstream_that_says_nothing_times_out(run: Run) -> None:
    async def check() -> None:
        async with serving(faulty.stall_before_head) as upstream, client() as http:
            with pytest.raises(UpstreamTimeoutError, match=r"no byte of an answer for 0\.2 seconds"):
                await http.send(call(upstream), IMPATIENT)
            await asyncio.wait_for(upstream.someone_left.wait(), 1)
            assert http.counts() == {}

    run(check)


@pytest.mark.parametrize("behaviour", [faulty.stall_after_head, faulty.stall_mid_body])
def test_a_body_that_falls_silent_times_out(run: Run, behaviour: Behaviour) -> None:
    async def check() -> None:
        async with serving(behaviour) as upstream, client() as http:
            reply = await http.send(call(upstream), Timeouts(first_byte=10, idle=0.2))
            with pytest.raises(UpstreamTimeoutError, match=r"silent in its body for 0\.2 seconds"):
                await body_of(reply)
            await asyncio.wait_for(upstream.someone_left.wait(), 1)

    run(check)


def test_a_head_that_falls_silent_times_out(run: Run) -> None:
    async def check() -> None:
        half = saying(b"HTTP/1.1 200 OK\r\n", then_stay=True)
        async with serving(half) as upstream, client() as http:
            with pytest.raises(UpstreamTimeoutError, match="silent in the head"):
                await http.send(call(upstream), Timeouts(first_byte=10, idle=0.2))

    run(check)


def test_a_slow_upstream_that_keeps_talking_never_times_out(run: Run) -> None:
    async def check() -> None:
        pieces = [faulty.chunk(b"x")] * 12
        slow = saying(faulty.stream_head(), *pieces, faulty.chunk(b""), pause=0.05)
        async with serving(slow) as upstream, client() as http:
            assert await body_of(await http.send(call(upstream), IMPATIENT)) == b"x" * 12

    run(check)


def test_a_slow_reader_is_no_silent_upstream(run: Run) -> None:
    async def check() -> None:
        async with serving(faulty.endless_stream) as upstream, client() as http:
            reply = await http.send(call(upstream), IMPATIENT)
            for _ in range(2):
                await asyncio.sleep(0.5)
                for _ in range(20):
                    assert await reply.read()
            reply.close()

    run(check)


def test_no_timer_is_left_when_no_connection_is(run: Run) -> None:
    async def check() -> None:
        async with serving(answering()) as upstream, client() as http:
            await body_of(await http.send(call(upstream), QUICK))
            assert http._pool._timer is not None
            await http.aclose()
            assert http._pool._timer is None

    run(check)


def test_one_timer_serves_many_exchanges(run: Run) -> None:
    async def check() -> None:
        async with serving(answering()) as upstream, client() as http:
            await body_of(await http.send(call(upstream), QUICK))
            timer = http._pool._timer
            for _ in range(20):
                await body_of(await http.send(call(upstream), QUICK))
            assert http._pool._timer is timer

    run(check)


# The reader.


def test_a_slow_reader_holds_the_upstream_back(run: Run) -> None:
    """Nothing piles up here: what is not read stays with the kernels and, beyond them, unsent."""
    sent = 0

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await faulty.read_request(reader)
        writer.write(faulty.stream_head())
        while True:
            writer.write(faulty.chunk(bytes(65536)))
            await writer.drain()
            sent += 65536

    async def check() -> None:
        async with serving(count) as upstream, client() as http:
            reply = await http.send(call(upstream), QUICK)
            await asyncio.sleep(0.5)
            before = sent
            await asyncio.sleep(0.2)
            assert sent == before < UNREAD_BY_KERNELS
            assert reply.held <= 3 * HIGH_WATER
            taken = 0
            while taken < 2 * UNREAD_BY_KERNELS:
                taken += len(await reply.read() or b"")
                assert reply.held <= 3 * HIGH_WATER
            reply.close()

    run(check)


def test_a_nudge_wakes_a_pending_read_and_no_other(run: Run) -> None:
    async def check() -> None:
        async with serving(faulty.stall_mid_body) as upstream, client() as http:
            reply = await http.send(call(upstream), QUICK)
            reply.nudge()
            assert await reply.read() == b"data: one\n\n"
            pending = asyncio.ensure_future(reply.read())
            await asyncio.sleep(0.01)
            reply.nudge()
            assert await pending == b""
            reply.close()

    run(check)


def test_a_chunk_line_alone_is_no_news(run: Run) -> None:
    async def check() -> None:
        torn = saying(faulty.stream_head(), b"3\r\n", b"one\r\n", b"0\r\n", b"\r\n", pause=0.02)
        async with serving(torn) as upstream, client() as http:
            reply = await http.send(call(upstream), QUICK)
            assert [await reply.read(), await reply.read()] == [b"one", None]

    run(check)


def test_closing_a_reply_is_seen_by_the_upstream_at_once(run: Run) -> None:
    async def check() -> None:
        async with serving(faulty.stall_mid_body) as upstream, client() as http:
            reply = await http.send(call(upstream), QUICK)
            reply.close()
            await asyncio.wait_for(upstream.someone_left.wait(), 0.1)
            assert http.counts() == {}
            with pytest.raises(UpstreamCutError, match="closed here"):
                await reply.read()
            reply.close()

    run(check)


def test_closing_a_reply_under_way_stops_an_endless_upstream_at_once(run: Run) -> None:
    async def check() -> None:
        async with serving(faulty.endless_stream) as upstream, client() as http:
            reply = await http.send(call(upstream), QUICK)
            await asyncio.sleep(0.2)
            reply.close()
            await asyncio.wait_for(upstream.someone_left.wait(), 0.1)

    run(check)


def test_closing_wakes_a_pending_read(run: Run) -> None:
    async def check() -> None:
        async with serving(faulty.stall_after_head) as upstream, client() as http:
            reply = await http.send(call(upstream), QUICK)
            pending = asyncio.ensure_future(reply.read())
            await asyncio.sleep(0.01)
            reply.close()
            with pytest.raises(UpstreamCutError):
                await pending

    run(check)


def test_closing_a_whole_reply_keeps_the_connection(run: Run) -> None:
    async def check() -> None:
        async with serving(answering()) as upstream, client() as http:
            reply = await http.send(call(upstream), QUICK)
            reply.close()
            assert only_count(http) == ConnectionCount(open=1, idle=1)

    run(check)


def test_cancelling_a_send_is_seen_by_the_upstream_at_once(run: Run) -> None:
    async def check() -> None:
        async with serving(faulty.stall_before_head) as upstream, client() as http:
            sending = asyncio.ensure_future(http.send(call(upstream), QUICK))
            await until(lambda: upstream.open_connections == 1)
            sending.cancel()
            await asyncio.wait_for(upstream.someone_left.wait(), 0.1)
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert http.counts() == {}

    run(check)


def test_cancelling_a_read_spoils_nothing(run: Run) -> None:
    async def check() -> None:
        slow = saying(faulty.stream_head(), faulty.chunk(b"one"), faulty.chunk(b""), pause=0.1)
        async with serving(slow) as upstream, client() as http:
            reply = await http.send(call(upstream), QUICK)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reply.read(), 0.02)
            assert await body_of(reply) == b"one"

    run(check)


# The pool.


def test_a_connection_is_used_again(run: Run) -> None:
    async def check() -> None:
        async with serving(answering()) as upstream, client() as http:
            for _ in range(50):
                assert await body_of(await http.send(call(upstream), QUICK)) == b'{"ok":true}'
            assert upstream.connections == 1
            assert only_count(http) == ConnectionCount(open=1, idle=1)

    run(check)


def test_exchanges_at_the_same_time_have_connections_of_their_own(run: Run) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, body = await faulty.read_request(reader)
            await asyncio.sleep(0.001)
            writer.write(faulty.whole(body))

    async def check() -> None:
        async with serving(echo) as upstream, client() as http:

            async def ask(number: int) -> None:
                for turn in range(20):
                    words = b"%d-%d" % (number, turn)
                    assert await body_of(await http.send(call(upstream, words), QUICK)) == words

            await asyncio.gather(*map(ask, range(16)))
            assert only_count(http) == ConnectionCount(open=16, idle=16)
            assert upstream.connections == 16

    run(check)


def test_the_pool_keeps_no_more_than_its_limit(run: Run) -> None:
    async def check() -> None:
        slow = in_a_while(answering())
        async with serving(slow) as upstream, client(max_idle=2) as http:
            replies = await asyncio.gather(*(http.send(call(upstream), QUICK) for _ in range(5)))
            assert [reply.status for reply in replies] == [200] * 5
            assert only_count(http) == ConnectionCount(open=2, idle=2)
            await until(lambda: upstream.open_connections == 2)

    run(check)


def in_a_while(behaviour: Behaviour) -> Behaviour:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        await behaviour(reader, writer)

    return behave


def test_an_idle_connection_is_closed_after_a_while(run: Run) -> None:
    async def check() -> None:
        async with serving(answering()) as upstream, client(idle_seconds=0.1) as http:
            await body_of(await http.send(call(upstream), QUICK))
            assert only_count(http).idle == 1
            await asyncio.wait_for(upstream.someone_left.wait(), 1)
            assert http.counts() == {}
            assert http._pool._timer is None

    run(check)


def test_a_connection_closed_by_the_upstream_leaves_the_pool(run: Run) -> None:
    async def check() -> None:
        async with serving(saying(faulty.whole(b"{}"))) as upstream, client() as http:
            await body_of(await http.send(call(upstream), QUICK))
            await until(lambda: http.counts() == {})
            await body_of(await http.send(call(upstream), QUICK))
            assert upstream.connections == 2

    run(check)


@pytest.mark.parametrize(
    "answer",
    [
        faulty.head("200 OK", "content-length: 2", "connection: close") + b"{}",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}",
    ],
    ids=["close", "http-1.0"],
)
def test_a_connection_that_the_upstream_will_not_keep_is_not_kept(run: Run, answer: bytes) -> None:
    async def check() -> None:
        async with serving(saying(answer, then_stay=True)) as upstream, client() as http:
            assert await body_of(await http.send(call(upstream), QUICK)) == b"{}"
            assert http.counts() == {}

    run(check)


def test_bytes_after_the_declared_end_spoil_the_connection_and_not_the_reply(run: Run) -> None:
    async def check() -> None:
        async with serving(faulty.length_too_short) as upstream, client() as http:
            for turn in range(3):
                assert await body_of(await http.send(call(upstream), QUICK)) == b"{}"
                assert http.counts() == {}
                assert upstream.connections == turn + 1

    run(check)


def test_a_second_answer_that_nobody_asked_for_spoils_the_connection(run: Run) -> None:
    """Neither in the same packet nor in a later one may it become the answer to the next request."""

    async def check() -> None:
        for pieces in ([faulty.whole(b"1") + faulty.whole(b"2")], [faulty.whole(b"1"), faulty.whole(b"2")]):
            async with serving(saying(*pieces, pause=0.05, then_stay=True)) as upstream, client() as http:
                assert await body_of(await http.send(call(upstream), QUICK)) == b"1"
                await until(lambda http=http: http.counts() == {})  # type: ignore[misc]

    run(check)


def test_a_pooled_connection_that_broke_is_replaced_once_without_a_word(run: Run) -> None:
    """The upstream closes with the second request already on its way."""

    async def once_then_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await faulty.read_request(reader)
        writer.write(faulty.whole(b"first"))
        await faulty.read_request(reader)

    async def check() -> None:
        both = faulty.in_turn([once_then_close, answering(b"second")])
        async with serving(both) as upstream, client() as http:
            assert await body_of(await http.send(call(upstream), QUICK)) == b"first"
            for body in (bytes(10), bytes(1_000_000)):
                assert await body_of(await http.send(call(upstream, body), QUICK)) == b"second"
            assert upstream.connections == 2

    run(check)


def test_the_replacement_is_not_replaced(run: Run) -> None:
    async def once_then_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await faulty.read_request(reader)
        writer.write(faulty.whole(b"first"))
        await faulty.read_request(reader)

    async def check() -> None:
        both = faulty.in_turn([once_then_close, faulty.close_without_answer])
        async with serving(both) as upstream, client() as http:
            await body_of(await http.send(call(upstream), QUICK))
            with pytest.raises(UpstreamUnreachableError):
                await http.send(call(upstream), QUICK)
            assert upstream.connections == 2

    run(check)


def test_a_pooled_connection_that_broke_in_the_reply_is_not_replaced(run: Run) -> None:
    async def once_then_cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await faulty.read_request(reader)
        writer.write(faulty.whole(b"first"))
        await faulty.close_mid_head(reader, writer)

    async def check() -> None:
        async with serving(once_then_cut) as upstream, client() as http:
            await body_of(await http.send(call(upstream), QUICK))
            with pytest.raises(UpstreamCutError):
                await http.send(call(upstream), QUICK)
            assert upstream.connections == 1

    run(check)


def test_closing_the_edge_ends_running_replies_and_refuses_new_calls(run: Run) -> None:
    async def check() -> None:
        http = HttpUpstream()
        async with serving(faulty.stall_mid_body) as upstream:
            reply = await http.send(call(upstream), QUICK)
            assert await reply.read() == b"data: one\n\n"
            pending = asyncio.ensure_future(reply.read())
            await asyncio.sleep(0.01)
            await http.aclose()
            with pytest.raises(UpstreamCutError, match="closing"):
                await pending
            await asyncio.wait_for(upstream.someone_left.wait(), 0.1)
            with pytest.raises(UpstreamUnreachableError, match="closing"):
                await http.send(call(upstream), QUICK)
            assert http.counts() == {}

    run(check)


def test_many_broken_exchanges_leave_nothing_behind(run: Run) -> None:
    async def check() -> None:
        faults = [
            faulty.reset_mid_body,
            faulty.close_without_answer,
            faulty.bad_chunk,
            faulty.junk_bytes,
            faulty.close_mid_head,
        ]
        async with serving(faulty.in_turn(faults * 4)) as upstream, client() as http:
            for _ in range(len(faults) * 4):
                with pytest.raises((UpstreamCutError, UpstreamUnreachableError)):
                    await body_of(await http.send(call(upstream), QUICK))
            assert http.counts() == {}
            assert http._pool._timer is None

    run(check)


# Other ways there.


def test_ipv6_literals_are_reached(run: Run) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("there is no IPv6 loopback here")

    async def check() -> None:
        async with serving(answering(), host="::1") as upstream, client() as http:
            assert upstream.url.startswith("http://[::1]:")
            assert await body_of(await http.send(call(upstream), QUICK)) == b'{"ok":true}'

    run(check)


def test_the_faulty_upstream_also_runs_in_a_thread(run: Run) -> None:
    async def check() -> None:
        async with client() as http:
            assert await body_of(await http.send(call(threaded), QUICK)) == b'{"ok":true}'

    with ThreadedUpstream(answering()) as threaded:
        run(check)
        assert threaded.connections == 1


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for `localhost` that signs itself, made for this run and good for a day."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command, which makes the certificate, is not installed")
    folder = tmp_path_factory.mktemp("tls")
    key, path = folder / "localhost.key", folder / "localhost.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command.split(), *names, "-keyout", key, "-out", path], check=True, capture_output=True)
    path.write_text(key.read_text() + path.read_text())
    return path


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_tls_verifies_with_the_authorities_that_ssl_cert_file_names(
    run: Run, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    async def check() -> None:
        async with serving(answering(), tls=server_tls(certificate)) as upstream, client() as http:
            for _ in range(3):
                assert await body_of(await http.send(call(upstream), QUICK)) == b'{"ok":true}'
            assert upstream.connections == 1

    run(check)


def test_tls_refuses_an_unknown_authority_and_says_what_to_do(run: Run, certificate: Path) -> None:
    async def check() -> None:
        async with serving(answering(), tls=server_tls(certificate)) as upstream, client() as http:
            with pytest.raises(UpstreamUnreachableError, match="certificate verify failed") as failed:
                await http.send(call(upstream), QUICK)
            assert failed.value.failure.hint == "name the authority's certificate in SSL_CERT_FILE"

    run(check)


def test_tls_where_none_is_spoken_is_told_as_that(run: Run) -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async def check() -> None:
        async with await asyncio.start_server(refuse, "127.0.0.1") as upstream, client() as http:
            port = upstream.sockets[0].getsockname()[1]
            with pytest.raises(UpstreamUnreachableError) as failed:
                await http.send(Call("GET", f"https://127.0.0.1:{port}/", (), b""), QUICK)
            assert "begin with `http://`?" in str(failed.value.failure.hint)

    run(check)


def test_tls_verification_can_be_turned_off(run: Run, certificate: Path) -> None:
    async def check() -> None:
        async with serving(answering(), tls=server_tls(certificate)) as upstream, client(ssl_verify=False) as http:
            assert await body_of(await http.send(call(upstream), QUICK)) == b'{"ok":true}'

    run(check)


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [(faulty.close_mid_body, "before the end of the body"), (faulty.bad_chunk, "framing")],
)
def test_a_body_cut_short_over_tls_never_looks_finished(
    run: Run, certificate: Path, behaviour: Behaviour, words: str
) -> None:
    async def check() -> None:
        async with serving(behaviour, tls=server_tls(certificate)) as upstream, client(ssl_verify=False) as http:
            with pytest.raises(UpstreamCutError, match=words):
                await body_of(await http.send(call(upstream), QUICK))

    run(check)


def test_large_bodies_pass_through_tls_both_ways(run: Run, certificate: Path) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, body = await faulty.read_request(reader)
        writer.write(faulty.whole(body))
        await writer.drain()
        await faulty.until_left(reader)

    async def check() -> None:
        sent = bytes(range(256)) * 4096 * 5
        async with serving(echo, tls=server_tls(certificate)) as upstream, client(ssl_verify=False) as http:
            reply = await http.send(call(upstream, sent), QUICK)
            await asyncio.sleep(0.1)
            assert await body_of(reply) == sent

    run(check)


def test_a_plain_upstream_under_https_is_unreachable(run: Run) -> None:
    async def check() -> None:
        async with serving(answering()) as upstream, client() as http:
            wrong = Call("GET", upstream.url.replace("http://", "https://"), (), b"")
            with pytest.raises(UpstreamUnreachableError, match="no connection"):
                await http.send(wrong, Timeouts(connect=2.0))

    run(check)
