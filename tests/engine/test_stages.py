"""Only whole events leave the raw stage, whatever the upstream's packets are, and a broken stream ends in one error event."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.engine.stages import RawStage
from dragoman.ir.failures import Failure, FailureKind, UpstreamProtocolError
from dragoman.protocols import discover
from dragoman.wire import sse
from dragoman.wire.sse import EventCutter, is_whole_event
from tests.support.lanes import LANES, Lane

CODECS = {
    "chat": discover()["openai-chat"],
    "messages": discover()["anthropic-messages"],
    "gemini": discover()["gemini-generate"],
    "responses": discover()["openai-responses"],
}
NAMES = (b"gpt-upstream-2026-09-01", b"claude-upstream-20260901", b"gemini-upstream-2026-09")
RAW = [lane for lane in LANES if lane.is_raw]
FAILURE = Failure(FailureKind.UPSTREAM_CUT, "gone")


def stage(lane: Lane) -> RawStage:
    return RawStage(CODECS[lane.client], "my/model", "req_1")


def cut(data: st.DataObject, stream: bytes) -> list[bytes]:
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=12).map(sorted))
    return [stream[start:end] for start, end in zip([0, *places], [*places, len(stream)], strict=True)]


@pytest.mark.parametrize("lane", RAW, ids=str)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@given(data=st.data())
def test_what_leaves_ends_with_an_event_and_says_all(lane: Lane, end: bytes, data: st.DataObject) -> None:
    stream = lane.stream.replace(b"\r\n", b"\n").replace(b"\n", end)
    raw = stage(lane)
    parts = [raw.feed(piece) for piece in cut(data, stream)]
    assert all(part.endswith((b"\n\n", b"\r\n\r\n")) for part in parts if part)
    whole = b"".join(parts) + raw.flush()
    assert raw.failure is None
    assert whole.count(b'"my/model"') >= 1
    for name in NAMES:
        stream = stream.replace(name, b"my/model")
    assert whole == stream


@pytest.mark.parametrize("lane", RAW, ids=str)
@given(data=st.data())
def test_a_stream_that_breaks_off_anywhere_ends_in_its_error_event(lane: Lane, data: st.DataObject) -> None:
    """Half an event never leaves: the error event stands in its place."""
    place = data.draw(st.integers(0, len((lane.start + lane.content + lane.more).rstrip()) - 1))
    raw = stage(lane)
    out = b"".join(raw.feed(piece) for piece in cut(data, (lane.start + lane.content + lane.more)[:place]))
    last = raw.flush() if data.draw(st.booleans()) else raw.fail(FAILURE)
    assert raw.failure is not None
    assert not out or out.endswith((b"\n\n", b"\r\n\r\n"))
    assert last == CODECS[lane.client].encode_failure_event(raw.failure, "req_1")


@pytest.mark.parametrize("lane", RAW, ids=str)
def test_a_last_event_without_its_empty_line_is_whole(lane: Lane) -> None:
    raw = stage(lane)
    stream = lane.stream.rstrip(b"\r\n")
    assert (raw.feed(stream) + raw.flush()).endswith(stream[-20:])
    assert raw.failure is None


@pytest.mark.parametrize("lane", RAW, ids=str)
def test_a_failure_behind_the_end_is_none(lane: Lane) -> None:
    raw = stage(lane)
    raw.feed(lane.stream)
    assert raw.fail(FAILURE) == b""
    assert raw.failure is None


def test_the_usage_is_read_from_what_left() -> None:
    for lane in RAW:
        raw = stage(lane)
        raw.feed(lane.stream)
        usage = raw.tap()()
        assert (usage.input_tokens, usage.output_tokens) == (11, 7)


@given(pieces=st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\r\n", b"\n\n", b"data: x"])))
def test_a_cutter_loses_nothing_and_keeps_less_than_an_event(pieces: list[bytes]) -> None:
    cutter = EventCutter()
    out = b"".join(cutter.feed(piece) for piece in pieces)
    rest = cutter.flush()
    assert out + rest == b"".join(pieces)
    assert b"\n\n" not in rest
    assert b"\r\n\r\n" not in rest


def test_an_event_without_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    cutter = EventCutter()
    cutter.feed(b"x" * 100)
    with pytest.raises(UpstreamProtocolError, match="larger"):
        cutter.feed(b"x")


@pytest.mark.parametrize(
    ("text", "is_whole"),
    [
        (b"data: {}", True),
        (b"event: a\ndata: [1]\r\n", True),
        (b"data:[DONE]", True),
        (b'data: {"a"', False),
        (b"event: a\n", False),
        (b"", False),
    ],
)
def test_an_event_is_whole_when_its_data_is(text: bytes, is_whole: bool) -> None:
    assert is_whole_event(text) is is_whole
