"""Whatever bytes come from either side: a legal reply, or an error that says whose mistake it was. Never another exception."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.codec import Audience, Codec, Operation, Peek, Source, Target
from dragoman.ir.collecting import expand
from dragoman.ir.events import Event, ReplyEnd, ReplyFailed
from dragoman.ir.failures import DragomanError, Failure, FailureKind, RequestError
from dragoman.ir.grammar import Guard, State
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Reply
from dragoman.protocols import discover
from dragoman.receiver import Receiver
from dragoman.transforms.caching import with_breakpoints, with_cache_key
from dragoman.transforms.counting import estimate_tokens
from dragoman.transforms.history import repair
from dragoman.transforms.tools import shorten
from tests.support.mutations import any_reply, any_request, any_stream

CODECS = discover()
codecs = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS.keys())
SOURCE = Source("upstream", "model-1")
TARGET = Target("upstream", "model-1")
REFUSED = 499
"""The highest status of what is the client's mistake."""
AUDIENCE = Audience("model-1", created=1, new_id=lambda prefix: f"{prefix}1")


def assert_told(codec: Codec, failure: Failure, least: int = 400, most: int = 599) -> None:
    """Check that clients of `codec` can be told of `failure`, with a status in this range; it is a peer's and not ours."""
    assert failure.kind is not FailureKind.INTERNAL
    assert least <= codec.failure_status(failure) <= most
    assert failure.message
    assert codec.encode_failure(failure, "req_1")
    assert codec.encode_failure_event(failure, "req_1")


def assert_written(reply: Reply) -> None:
    """Check that every client can read `reply`, whole and streamed."""
    for client in CODECS.values():
        whole = client.encode_reply(reply, AUDIENCE)
        assert whole.decode()
        if reply.blocks:
            client.decode_reply(whole, SOURCE)
            assert_read_back(client, list(expand(reply)))


@codecs
@given(data=st.data())
def test_any_request_is_translated_or_refused_by_name(codec: Codec, data: st.DataObject) -> None:
    body = data.draw(any_request(codec))
    try:
        request = codec.decode_request(body, Ledger())
    except DragomanError as error:
        assert_told(codec, error.failure, most=REFUSED)
        return
    assert estimate_tokens(request) >= 0
    for upstream in CODECS.values():
        fit, _ = shorten(repair(request, Ledger()), 64, Ledger())
        fit = with_breakpoints(fit, Ledger()) if upstream.caches_by_breakpoint else with_cache_key(fit, None)
        try:
            sent = upstream.encode_request(fit, TARGET, Ledger())
        except DragomanError as error:
            assert_told(codec, error.failure)
        else:
            assert sent.decode()
            upstream.decode_request(sent, Ledger())


@codecs
@given(data=st.data())
def test_any_request_takes_the_raw_lane_or_is_refused_by_name(codec: Codec, data: st.DataObject) -> None:
    body = data.draw(any_request(codec))
    try:
        peek: Peek = codec.peek(body)
    except DragomanError as error:
        assert_told(codec, error.failure, most=REFUSED)
        return
    names_model = not any("{model}" in end.path for end in codec.endpoints if end.operation is Operation.GENERATE)
    assert bool(peek.model) == names_model
    try:
        sent = codec.splice_model(codec.unseal(body, TARGET, Ledger()), "another")
    except DragomanError as error:
        assert_told(codec, error.failure, most=REFUSED)
    else:
        assert codec.peek(sent).stream == peek.stream


@codecs
@given(data=st.data())
def test_any_count_is_read_or_refused_by_name(codec: Codec, data: st.DataObject) -> None:
    if codec.decode_count is None:
        return
    try:
        assert estimate_tokens(codec.decode_count(data.draw(any_request(codec)), Ledger())) >= 0
    except DragomanError as error:
        assert_told(codec, error.failure, most=REFUSED)


@codecs
@given(data=st.data())
def test_any_reply_is_read_or_blamed_on_the_upstream(codec: Codec, data: st.DataObject) -> None:
    body = data.draw(any_reply(codec))
    try:
        reply = codec.decode_reply(body, SOURCE)
    except DragomanError as error:
        for client in CODECS.values():
            assert_told(client, error.failure)
    else:
        assert_written(reply)


@codecs
@given(data=st.data())
def test_any_stream_is_one_legal_reply_for_every_client(codec: Codec, data: st.DataObject) -> None:
    stream = data.draw(any_stream(codec))
    receiver = Receiver(codec, SOURCE)
    events = receiver.feed(stream) + receiver.flush()
    guard = Guard()
    for event in events:
        guard.check(event)
    assert guard.state is State.DONE
    last = events[-1]
    if isinstance(last, ReplyFailed):
        assert "NoneType" not in last.failure.message, "a mistake of the decoder's, told as the upstream's"
    for client in CODECS.values():
        assert_read_back(client, events)


def assert_read_back(client: Codec, events: list[Event]) -> None:
    """Check that a client can read what it is given of these events, and what kind of end they have."""
    encoder = client.stream_encoder(AUDIENCE)
    receiver = Receiver(client, SOURCE)
    stream = b"".join(encoder.feed([event]) for event in events) + encoder.flush()
    assert stream.decode()
    seen = receiver.feed(stream) + receiver.flush()
    if isinstance(events[-1], ReplyFailed):
        assert isinstance(seen[-1], ReplyFailed)
    assert isinstance(seen[-1], ReplyEnd | ReplyFailed)


@codecs
@given(data=st.data())
def test_any_bytes_pass_the_raw_lanes_reply(codec: Codec, data: st.DataObject) -> None:
    stream = data.draw(any_stream(codec))
    echo = codec.echo("another")
    assert echo.feed(stream) + echo.flush() is not None
    codec.read_usage(stream[:100], stream[-200:])
    codec.is_finished(stream)
    body = data.draw(any_reply(codec))
    codec.read_usage(body, body)
    codec.echo_whole(body, "another")


@codecs
@given(data=st.data(), status=st.integers(300, 599))
def test_any_error_has_words_for_every_client(codec: Codec, data: st.DataObject, status: int) -> None:
    body = data.draw(any_reply(codec))
    retry = data.draw(st.sampled_from(["", "3", "soon", "-1", "Wed, 21 Oct 2026 07:28:00 GMT"]))
    failure = codec.decode_failure(status, {"retry-after": retry, "content-type": "application/json"}, body)
    for client in CODECS.values():
        assert_told(client, failure)


@codecs
def test_a_sealed_request_that_is_no_utf_8_is_refused_on_the_raw_lane(codec: Codec) -> None:
    """Nobody could tell whose seals are in it."""
    with pytest.raises(RequestError, match="not valid UTF-8"):
        codec.unseal(b'{"model":"m","\x80":"DRAGOMAN"}', TARGET, Ledger())


@codecs
def test_an_empty_model_is_refused_by_name(codec: Codec) -> None:
    """Where the body names it at all: in Gemini's protocol the path does."""
    if any("{model}" in end.path for end in codec.endpoints if end.operation is Operation.GENERATE):
        return
    with pytest.raises(RequestError, match="`model` must not be empty"):
        codec.peek(b'{"model":""}')
