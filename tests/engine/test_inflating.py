"""A compressed body is unpacked in steps, however large, and a broken one is an error."""

import asyncio
import gzip
import zlib
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.engine.errors import UpstreamCutError
from dragoman.engine.inflating import inflated


class Reply:
    """A reply that has these pieces."""

    def __init__(self, pieces: Iterable[bytes | None], encoding: str) -> None:
        self.status = 200
        self.headers: Mapping[str, str] = {"content-encoding": encoding}
        self._pieces = iter(pieces)

    async def read(self) -> bytes | None:
        return next(self._pieces, None)

    is_over = False

    def nudge(self) -> None: ...

    def close(self) -> None: ...


def read(pieces: Iterable[bytes | None], encoding: str = "gzip") -> list[bytes]:
    async def run() -> list[bytes]:
        reply = inflated(Reply(pieces, encoding))
        parts = []
        while (part := await reply.read()) is not None:
            parts.append(part)
        return parts

    return asyncio.run(run())


@given(body=st.binary(max_size=300), size=st.integers(1, 40), encoding=st.sampled_from(["gzip", "x-gzip", "deflate"]))
def test_any_split_unpacks_to_the_same(body: bytes, size: int, encoding: str) -> None:
    packed = zlib.compress(body) if encoding == "deflate" else gzip.compress(body)
    assert b"".join(read((packed[at : at + size] for at in range(0, len(packed), size)), encoding)) == body


def test_a_small_packet_that_unpacks_to_a_lot_comes_in_steps() -> None:
    size = 50 * 1024 * 1024
    parts = read([gzip.compress(bytes(size))])
    assert sum(map(len, parts)) == size
    assert max(map(len, parts)) <= 256 * 1024


def test_a_nudge_passes() -> None:
    packed = gzip.compress(b"hello")
    assert read([packed[:9], b"", packed[9:]]) == [b"", b"hello"]


def test_an_empty_body_is_empty() -> None:
    assert read([]) == []


def test_what_follows_the_end_is_left_out() -> None:
    assert read([gzip.compress(b"hello") + b"rubbish", b"more"]) == [b"hello"]


@pytest.mark.parametrize("pieces", [[gzip.compress(b"hello")[:-9]], [b"hello"]], ids=["cut", "not compressed"])
def test_a_broken_body_is_an_error(pieces: list[bytes]) -> None:
    with pytest.raises(UpstreamCutError, match="compressed"):
        read(pieces)


def test_a_body_that_is_as_it_should_be_is_not_touched() -> None:
    reply = Reply([], "identity")
    assert inflated(reply) is reply
