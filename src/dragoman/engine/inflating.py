"""Upstreams are asked for plain bytes; one that compresses all the same is read all the same."""

import zlib
from collections.abc import Mapping
from typing import Final

from dragoman.engine.errors import UpstreamCutError
from dragoman.engine.ports import UpstreamReply

_WINDOW_BITS: Final = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


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
        self.status = reply.status
        self.headers: Mapping[str, str] = reply.headers
        self.nudge = reply.nudge
        self.close = reply.close

    async def read(self) -> bytes | None:
        """Return the next unpacked bytes, as UpstreamReply does."""
        while chunk := await self._reply.read():
            try:
                plain = self._inflater.decompress(chunk)
            except zlib.error as error:
                raise UpstreamCutError(f"the upstream's compressed reply is broken: {error}") from None
            if plain:
                return plain
        return chunk
