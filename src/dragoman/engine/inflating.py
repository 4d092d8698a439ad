"""Upstreams are asked for plain bytes; one that compresses all the same is read all the same."""

import zlib
from collections.abc import Mapping
from typing import Final

from dragoman.engine.errors import UpstreamCutError
from dragoman.engine.ports import UpstreamReply

_WINDOW_BITS: Final = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_STEP: Final = 256 * 1024
"""The most that is unpacked at a time: a small packet can unpack to a thousand times its size."""


def inflated(reply: UpstreamReply) -> UpstreamReply:
    """Return `reply` with its body unpacked. Raises UpstreamCutError for an encoding that was not asked for and is not known."""
    encoding = reply.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return reply
    bits = _WINDOW_BITS.get(encoding)
    if bits is None:
        raise UpstreamCutError(
            f"the upstream compressed its reply with `{encoding}`, although plain bytes were asked for"
        )
    return InflatedReply(reply, bits)


class InflatedReply:
    """A reply whose body is unpacked while it is read."""

    def __init__(self, reply: UpstreamReply, window_bits: int) -> None:
        self._reply = reply
        self._inflater = zlib.decompressobj(window_bits)
        self._packed = b""
        self._is_full = False
        self._is_empty = True
        self.status = reply.status
        self.headers: Mapping[str, str] = reply.headers
        self.nudge = reply.nudge
        self.close = reply.close

    @property
    def is_over(self) -> bool:
        """Whether the packed bytes end where they should is found out by reading."""
        return False

    async def read(self) -> bytes | None:
        """Return the next unpacked bytes, as UpstreamReply does."""
        while True:
            if self._packed or self._is_full:
                if plain := self._unpack():
                    return plain
                continue
            chunk = await self._reply.read()
            if chunk is None:
                self._require_end()
            if not chunk:
                return chunk
            self._packed = chunk
            self._is_empty = False

    def _unpack(self) -> bytes:
        """Return a step's worth; when it is full there may be more of it, even of a packet that has been taken in whole."""
        try:
            plain = self._inflater.decompress(self._packed, _STEP)
        except zlib.error as error:
            raise UpstreamCutError(f"the upstream's compressed reply is broken: {error}") from None
        self._packed = self._inflater.unconsumed_tail
        self._is_full = len(plain) == _STEP
        return plain

    def _require_end(self) -> None:
        if not self._inflater.eof and not self._is_empty:
            raise UpstreamCutError("the upstream's compressed reply ended too early")
