"""What the head of a request says: who asks for what, and on which terms. Read once for all the requests that share a head."""

from collections.abc import Mapping, MutableSet, Sequence
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from dragoman.codec import Codec
from dragoman.engine.client import ClientHeaders, Headers
from dragoman.ir.failures import RequestError
from dragoman.server.auth import OriginCheck, check_key, client_key, losses_for
from dragoman.server.connection import KNOWN_HEAD, Scope
from dragoman.server.gateway import Gateway
from dragoman.server.heads import KnownHead
from dragoman.server.router import Match
from dragoman.settings import Key, LossPolicy

_NO_QUERY: Final[Mapping[str, str]] = {}
_QUERY_KEY: Final = "x-goog-api-key"
"""The header that is meant by `?key=`."""
_LENGTH: Final = "content-length"


class Entry(msgspec.Struct, frozen=True):
    """What is asked for by somebody who may ask. `key` is the client's, `own_key` which of the gateway's that is."""

    match: Match
    codec: Codec
    key: str | None
    own_key: Key | None


class Head:
    """A request's head. What is found wrong in it is found again for each request; what is right is remembered."""

    __slots__ = ("_entry", "_gateway", "_policy", "headers", "method", "path", "query", "reply_headers")

    def __init__(self, scope: Scope, gateway: Gateway) -> None:
        self._gateway = gateway
        self._entry: Entry | None = None
        self._policy: tuple[LossPolicy | None] | None = None
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        query = scope["query_string"]
        self.query = dict(parse_qsl(query.decode("latin-1"))) if query else _NO_QUERY
        self.headers = ClientHeaders(
            {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        )
        if "key" in self.query and client_key(self.headers) is None:
            self.headers[_QUERY_KEY] = self.query[
                "key"
            ]  # from here on it is a key like any other: no URL of ours holds it
        self.reply_headers = _cors(self.headers.get("origin"), gateway.origins)
        """Headers that every answer has."""

    @classmethod
    def of(cls, scope: Scope, gateway: Gateway, known_heads: MutableSet[KnownHead]) -> "Head":
        """Return what the head of a request says, or has said before; `known_heads` get each that remembers it."""
        known = scope.get("extensions", {}).get(KNOWN_HEAD)
        if known is None:
            return cls(scope, gateway)
        head = known.meaning
        if head is None or head._gateway is not gateway:  # noqa: SLF001 - one of us
            head = known.meaning = cls(scope, gateway)
            known_heads.add(known)
            head.headers.pop(_LENGTH, None)  # the only thing in it that is not the same for all of them
        found: Head = head
        return found

    def entry(self) -> Entry | None:
        """Return what is asked for; None when the path is no endpoint of a protocol.

        Raises DragomanError for a web page that may not ask, and for somebody without a key of ours where there are some.
        """
        if self._entry is None:
            self._gateway.origins.check(self.headers)
            match = self._gateway.router.find(self.method, self.path)
            if match is None:
                return None
            codec = match.codecs[0] if len(match.codecs) == 1 else choose(match.codecs, self.headers)
            key = client_key(self.headers)
            self._entry = Entry(match, codec, key, check_key(key, self._gateway.keys))
        return self._entry

    def policy(self, entry: Entry) -> LossPolicy | None:
        """Return the loss policy that is asked for. Raises RequestError for a body that cannot be read, by what is said of it."""
        if self._policy is None:
            encoding = self.headers.get("content-encoding", "").lower()
            if encoding not in ("", "identity"):
                raise RequestError(f"the `body` is compressed with `{encoding}`", hint="send it uncompressed")
            self._policy = (losses_for(self.headers, entry.own_key),)
        return self._policy[0]

    def length(self) -> int:
        """Return how long the body is going to be; 0 when that is not told here."""
        length = self.headers.get(_LENGTH, "")
        return int(length) if length.isdigit() else 0


def choose(codecs: Sequence[Codec], headers: Mapping[str, str]) -> Codec:
    """Return the protocol among those that share a path whose client this is: the one it shows a mark of, else the one without."""
    plain = (codec for codec in codecs if not codec.marks)
    return marked(codecs, headers) or next(plain, codecs[0])


def marked(codecs: Sequence[Codec], headers: Mapping[str, str]) -> Codec | None:
    """Return the protocol whose mark a client shows; None when it shows none."""
    return next((codec for codec in codecs if any(mark in headers for mark in codec.marks)), None)


def _cors(origin: str | None, origins: OriginCheck) -> Headers:
    if origin is None or not origins.allows(origin):
        return ()
    return (
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", b"*"),
        (b"vary", b"origin"),
    )
