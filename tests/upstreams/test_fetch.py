"""Laws of the edge that calls `fetch`, on a stand-in for JavaScript."""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from dragoman.engine.errors import UpstreamCutError, UpstreamTimeoutError, UpstreamUnreachableError
from dragoman.engine.ports import Call, Timeouts, Upstream
from dragoman.ir.failures import RequestError
from dragoman.upstreams.fetch import FetchReply, FetchUpstream
from tests.support.javascript import Body, JsError, Signal, javascript

CALL = Call("POST", "https://models.example/v1/messages", (("x-api-key", "k"), ("connection", "close")), b"{}")
PATIENT = Timeouts(first_byte=5, idle=5)
IMPATIENT = Timeouts(first_byte=0.02, idle=0.02)


class Fetch:
    """Remembers how it was called; answers with `body`, or as `error` and `wait` say."""

    def __init__(self, body: Body | None = None, error: Exception | None = None, wait: float = 0) -> None:
        self.body, self.error, self.wait = body, error, wait
        self.headers: Mapping[str, str] = {"content-type": "text/event-stream", "content-encoding": "gzip"}
        self.options: dict[str, Any] = {}
        self.signal = Signal()

    async def __call__(self, url: str, signal: Signal, **options: Any) -> object:  # noqa: ANN401 - as JavaScript's
        self.options, self.signal = options | {"url": url}, signal
        await asyncio.sleep(self.wait)
        if self.error:
            raise self.error
        return SimpleNamespace(status=200, headers=list(self.headers.items()), body=self.body)


async def begun(fetch: Fetch, timeouts: Timeouts = PATIENT, call: Call = CALL) -> FetchReply:
    upstream: Upstream = FetchUpstream(javascript(fetch))
    reply = await upstream.send(call, timeouts)
    assert isinstance(reply, FetchReply)
    return reply


def test_a_call_is_sent_as_it_is_and_redirects_are_not_followed() -> None:
    fetch = Fetch(Body())
    asyncio.run(begun(fetch))
    assert dict(fetch.options.pop("headers")) == {"x-api-key": "k", "accept-encoding": "identity"}
    assert fetch.options == {"url": CALL.url, "method": "POST", "redirect": "manual", "body": b"{}"}


def test_a_get_has_no_body() -> None:
    fetch = Fetch()
    reply = asyncio.run(begun(fetch, call=Call("GET", CALL.url, (), b"")))
    assert "body" not in fetch.options
    assert reply.is_over


def test_a_reply_is_read_to_its_end_and_then_left_alone() -> None:
    async def check() -> None:
        fetch = Fetch(Body(b"one", b"two"))
        reply = await begun(fetch)
        assert reply.headers == {"content-type": "text/event-stream"}  # unpacked already
        assert [await reply.read(), await reply.read(), await reply.read()] == [b"one", b"two", None]
        assert reply.is_over
        assert await reply.read() is None
        reply.close()
        assert not fetch.signal.is_aborted

    asyncio.run(check())


def test_a_nudge_wakes_the_reader_and_loses_nothing() -> None:
    async def check() -> None:
        gate = asyncio.Event()
        reply = await begun(Fetch(Body(gate.wait(), b"late")))
        reply.nudge()  # nobody waits: no effect
        reading = asyncio.ensure_future(reply.read())
        await asyncio.sleep(0.01)
        reply.nudge()
        assert await reading == b""
        gate.set()
        assert await reply.read() == b"late"

    asyncio.run(check())


def test_silence_in_the_body_is_a_timeout_and_aborts_the_call() -> None:
    async def check() -> None:
        fetch = Fetch(Body(b"one", asyncio.sleep(5)))
        reply = await begun(fetch, IMPATIENT)
        assert await reply.read() == b"one"
        with pytest.raises(UpstreamTimeoutError, match="fell silent in its body"):
            await reply.read()
        assert fetch.signal.is_aborted

    asyncio.run(check())


async def all_of(reply: FetchReply) -> None:
    while await reply.read() is not None:
        pass


def test_nudges_do_not_prolong_the_patience() -> None:
    async def check() -> None:
        reply = await begun(Fetch(Body(asyncio.sleep(5))), Timeouts(idle=0.1))

        async def nudged() -> None:
            while True:
                await asyncio.sleep(0.02)
                reply.nudge()

        nudging = asyncio.ensure_future(nudged())
        with pytest.raises(UpstreamTimeoutError):
            await asyncio.wait_for(all_of(reply), 3)
        nudging.cancel()

    asyncio.run(check())


def test_a_body_that_breaks_off_is_cut() -> None:
    async def check() -> None:
        reply = await begun(Fetch(Body(b"one", JsError("terminated"))))
        await reply.read()
        with pytest.raises(UpstreamCutError, match="before the end of the body: terminated"):
            await reply.read()

    asyncio.run(check())


def test_closing_aborts_what_has_not_ended() -> None:
    async def check() -> None:
        fetch = Fetch(Body(b"one", b"two"))
        reply = await begun(fetch)
        assert await reply.read() == b"one"
        reply.close()
        reply.close()
        assert fetch.signal.is_aborted
        assert await reply.read() is None

    asyncio.run(check())


def test_no_answer_is_unreachable_and_a_slow_one_a_timeout() -> None:
    with pytest.raises(UpstreamUnreachableError, match=r"`https://models\.example:443`: fetch failed"):
        asyncio.run(begun(Fetch(error=JsError("fetch failed"))))
    fetch = Fetch(wait=5)
    with pytest.raises(UpstreamTimeoutError, match=r"sent no byte of an answer for 0\.02 seconds"):
        asyncio.run(begun(fetch, IMPATIENT))
    assert fetch.signal.is_aborted


def test_a_cancelled_call_is_aborted() -> None:
    async def check() -> None:
        fetch = Fetch(wait=5)
        sending = asyncio.ensure_future(begun(fetch))
        await asyncio.sleep(0.01)
        sending.cancel()
        await asyncio.wait((sending,))
        assert sending.cancelled()
        assert fetch.signal.is_aborted

    asyncio.run(check())


@pytest.mark.parametrize(
    "call", [Call("POST", "ftp://models.example", (), b""), Call("POST", CALL.url, (("x", "a\r\nb: c"),), b"")]
)
def test_what_must_not_be_on_the_wire_is_refused_as_natively(call: Call) -> None:
    with pytest.raises(RequestError):
        asyncio.run(begun(Fetch(Body()), call=call))
