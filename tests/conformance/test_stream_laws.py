"""The laws of a stream, for every codec in the registry, without I/O."""

import itertools
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.codec import Audience, Codec, Source
from dragoman.ir.collecting import collect
from dragoman.ir.events import (
    ArgumentsDelta,
    BlockStart,
    Event,
    ReasoningDelta,
    ReplyEnd,
    ReplyFailed,
    ReplyStart,
    TextDelta,
)
from dragoman.ir.failures import DragomanError, Failure, FailureKind
from dragoman.ir.grammar import Guard, State
from dragoman.ir.reply import Reply
from dragoman.ir.request import Reasoning, Text, ToolCall
from dragoman.protocols import discover
from dragoman.receiver import Receiver
from tests.support.ir_strategies import essence, event_lists, replies, texts

codecs = pytest.mark.parametrize("codec", discover().values(), ids=discover().keys())
SOURCE = Source("upstream", "model-1")
SAYS_CALLS_WHOLE = {"gemini-generate"}
"""The protocols whose wire has no pieces of a call's arguments: a call leaves when it is complete."""
AUDIENCE = Audience("model-1", created=1, new_id=lambda prefix: f"{prefix}1")


def encoded(codec: Codec, events: Sequence[Event]) -> bytes:
    encoder = codec.stream_encoder(AUDIENCE)
    return b"".join(encoder.feed([event]) for event in events) + encoder.flush()


def received(codec: Codec, chunks: Iterator[bytes] | Sequence[bytes]) -> list[Event]:
    receiver = Receiver(codec, SOURCE)
    events = [event for chunk in chunks for event in receiver.feed(chunk)]
    return events + receiver.flush()


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def assert_one_legal_reply(events: Sequence[Event]) -> None:
    guard = Guard()
    for event in events:
        guard.check(event)
    assert guard.state is State.DONE


@codecs
@given(events=event_lists(), places=st.lists(st.integers(0, 10**6), max_size=20))
def test_any_split_of_the_bytes_gives_the_same_events(codec: Codec, events: list[Event], places: list[int]) -> None:
    data = encoded(codec, events)
    assert received(codec, cut(data, places)) == received(codec, [data])


@codecs
@given(events=event_lists())
def test_a_stream_that_is_written_and_read_says_the_same(codec: Codec, events: list[Event]) -> None:
    back = received(codec, [encoded(codec, events)])
    assert_one_legal_reply(back)
    assert essence(collect(back), codec) == essence(collect(events), codec)


@codecs
@given(reply=replies())
def test_a_whole_reply_that_is_written_and_read_says_the_same(codec: Codec, reply: Reply) -> None:
    back = codec.decode_reply(codec.encode_reply(reply, AUDIENCE), SOURCE)
    assert essence(back, codec) == essence(reply, codec)


@codecs
@given(events=event_lists())
def test_a_stream_and_the_whole_reply_agree(codec: Codec, events: list[Event]) -> None:
    streamed = collect(received(codec, [encoded(codec, events)]))
    whole = codec.decode_reply(codec.encode_reply(collect(events), AUDIENCE), SOURCE)
    assert essence(streamed, codec) == essence(whole, codec)


@codecs
@given(data=st.binary(max_size=300))
def test_any_bytes_at_all_give_exactly_one_legal_reply(codec: Codec, data: bytes) -> None:
    assert_one_legal_reply(received(codec, [data]))


@codecs
@given(events=event_lists(), data=st.data())
def test_a_damaged_stream_gives_exactly_one_legal_reply(codec: Codec, events: list[Event], data: st.DataObject) -> None:
    stream = bytearray(encoded(codec, events))
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(stream) - 1))
        stream[place : place + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
        if not stream:
            break
    assert_one_legal_reply(received(codec, [bytes(stream)]))


@codecs
@given(events=event_lists(), data=st.data())
def test_a_stream_cut_short_never_looks_finished(codec: Codec, events: list[Event], data: st.DataObject) -> None:
    stream = encoded(codec, events)
    got = received(codec, [stream[: data.draw(st.integers(0, len(stream) - 1))]])
    assert_one_legal_reply(got)
    if isinstance(got[-1], ReplyEnd):
        # Only what is optional may be missing: the usage behind the end, the last empty line.
        whole, expected = essence(collect(got), codec), essence(collect(events), codec)
        assert {**whole, "usage": None} == {**expected, "usage": None}


@codecs
@given(events=event_lists())
def test_a_partial_tool_call_is_never_completed(codec: Codec, events: list[Event]) -> None:
    place = next((index for index, event in enumerate(events) if isinstance(event, ArgumentsDelta)), None)
    if place is None:
        return
    failed = [*events[:place], ReplyFailed(Failure(FailureKind.UPSTREAM_CUT, "gone"))]
    got = received(codec, [encoded(codec, failed)])
    with pytest.raises(DragomanError):
        collect(got)


@codecs
@given(word=texts)
def test_a_delta_leaves_in_the_step_it_came_in(codec: Codec, word: str) -> None:
    """What the encoder is given is readable, whole, in what it returns at once; so is what the decoder is given."""
    deltas: list[tuple[BlockStart, Event]] = [
        (BlockStart(0, Text("")), TextDelta(0, word)),
        (BlockStart(0, Reasoning()), ReasoningDelta(0, word)),
    ]
    if codec.name not in SAYS_CALLS_WHOLE:
        deltas.append((BlockStart(0, ToolCall("call_1", "tool", "")), ArgumentsDelta(0, word)))
    for start, delta in deltas:
        encoder = codec.stream_encoder(AUDIENCE)
        receiver = Receiver(codec, SOURCE)
        receiver.feed(encoder.feed([ReplyStart("reply_1", "model-1"), start]))
        came = receiver.feed(encoder.feed([delta]))
        assert "".join(getattr(event, "text", "") for event in came) == word


@codecs
@given(events=event_lists())
def test_a_failure_ends_the_stream_as_the_clients_own_error(codec: Codec, events: list[Event]) -> None:
    failure = Failure(FailureKind.OVERLOADED, "the upstream's own words")
    got = received(codec, [encoded(codec, [*events[:-1], ReplyFailed(failure)])])
    assert isinstance(got[-1], ReplyFailed)
    assert "the upstream's own words" in got[-1].failure.message
