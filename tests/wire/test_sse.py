import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.ir.failures import UpstreamProtocolError
from dragoman.wire import sse
from dragoman.wire.sse import Frame, SseReader, comment, write_frame


def read(*chunks: bytes) -> list[Frame]:
    reader = SseReader()
    return [frame for chunk in chunks for frame in reader.feed(chunk)] + reader.flush()


CASES = {
    "a frame with a name": (b"event: ping\ndata: {}\n\n", [Frame(b"{}", "ping")]),
    "no space after the colon": (b"event:ping\ndata:{}\n\n", [Frame(b"{}", "ping")]),
    "several data lines": (b"data: a\ndata: b\n\n", [Frame(b"a\nb")]),
    "comments and other fields": (b": hi\nid: 1\nretry: 5\ndata: a\n\n", [Frame(b"a")]),
    "a name without data is no event": (b"event: ping\n\ndata: a\n\n", [Frame(b"a")]),
    "the name does not outlive its event": (b"event: x\ndata: a\n\ndata: b\n\n", [Frame(b"a", "x"), Frame(b"b")]),
    "a byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [Frame(b"a")]),
    "no empty line at the end": (b"data: a\n\ndata: b", [Frame(b"a"), Frame(b"b")]),
    "only spaces are data": (b"data:   a \n\n", [Frame(b"  a ")]),
    "empty data is no event": (b"data:\n\n", []),
    "a field without a colon": (b"data\ndata: a\n\n", [Frame(b"\na")]),
}


@pytest.mark.parametrize(("stream", "frames"), CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_the_reader_follows_the_specification(stream: bytes, frames: list[Frame], line_end: bytes) -> None:
    stream = stream.replace(b"\n", line_end)
    assert read(stream) == frames
    assert read(*(stream[index : index + 1] for index in range(len(stream)))) == frames


lines = st.lists(
    st.sampled_from([b"data: a", b"data:", b"event: x", b": c", b"", b"data: \xc3\xa9", b"id: 1"]), max_size=12
)


@given(lines=lines, ends=st.lists(st.sampled_from([b"\n", b"\r", b"\r\n"]), min_size=12, max_size=12), data=st.data())
def test_any_split_gives_the_same_frames(lines: list[bytes], ends: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + end for line, end in zip(lines, ends, strict=False))
    place = data.draw(st.integers(0, len(stream)))
    assert read(stream[:place], stream[place:]) == read(stream)


def test_a_written_frame_reads_back() -> None:
    assert read(write_frame(b"{}", "ping") + comment("keepalive") + write_frame(b"[1]")) == [
        Frame(b"{}", "ping"),
        Frame(b"[1]"),
    ]


def test_an_event_beyond_the_limit_is_an_error_not_a_full_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 1000)
    reader = SseReader()
    for _ in range(10):
        reader.feed(b"x" * 100)
    with pytest.raises(UpstreamProtocolError, match="larger"):
        reader.feed(b"x" * 100)


def test_a_twenty_megabyte_event_in_small_pieces_is_read_in_linear_time() -> None:
    reader = SseReader()
    piece = b"x" * 65_536
    reader.feed(b"data: ")
    for _ in range(320):
        assert reader.feed(piece) == []
    (frame,) = reader.feed(b"\n\n")
    assert len(frame.data) == 320 * 65_536
