"""Recordings: the stream and the whole reply of the same answer, as true bytes, say the same."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.codec import Codec
from dragoman.ir.collecting import collect
from dragoman.ir.reply import Reply
from dragoman.protocols import discover
from tests.conformance.test_stream_laws import SOURCE, cut, received

ROOT = Path(__file__).parent.parent / "recordings"
FOLDERS = {codec.name: ROOT / codec.name.replace("-", "_") for codec in discover().values()}
PAIRS = [
    pytest.param(codec, stream, id=f"{codec.name}:{stream.stem}")
    for codec in discover().values()
    for stream in sorted(FOLDERS[codec.name].glob("*.sse"))
]


@pytest.mark.parametrize("codec", discover().values(), ids=discover().keys())
def test_every_protocol_has_recordings_in_pairs(codec: Codec) -> None:
    streams = {path.stem for path in FOLDERS[codec.name].glob("*.sse")}
    assert streams
    assert streams == {path.stem for path in FOLDERS[codec.name].glob("*.json")}


def _comparable(reply: Reply) -> object:
    return (reply.model, reply.blocks, reply.finish, reply.usage, reply.stop_sequence)


@pytest.mark.parametrize(("codec", "stream"), PAIRS)
def test_collect_of_the_stream_is_the_decoded_whole(codec: Codec, stream: Path) -> None:
    whole = codec.decode_reply(stream.with_suffix(".json").read_bytes(), SOURCE)
    assert _comparable(collect(received(codec, [stream.read_bytes()]))) == _comparable(whole)


@pytest.mark.parametrize(("codec", "stream"), PAIRS)
@given(places=st.lists(st.integers(0, 10**6), max_size=20))
def test_a_recording_reads_the_same_however_it_is_cut(codec: Codec, stream: Path, places: list[int]) -> None:
    data = stream.read_bytes()
    assert received(codec, cut(data, places)) == received(codec, [data])


@pytest.mark.parametrize(("codec", "stream"), PAIRS)
def test_line_ends_make_no_difference(codec: Codec, stream: Path) -> None:
    data = stream.read_bytes()
    assert received(codec, [data.replace(b"\n", b"\r\n")]) == received(codec, [data])
