"""Replies that a client refers to later, kept here where its model's upstream does not keep them."""

import asyncio
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Final

import msgspec
from msgspec import Raw

from dragoman.codec import KeptReply, References, Storage
from dragoman.engine.client import Arrival, ClientConnection, Headers
from dragoman.engine.exchange import Exchange
from dragoman.engine.parts import Parts
from dragoman.engine.ports import Store
from dragoman.ir.failures import DragomanError

_OK: Final = 200


class _Row(msgspec.Struct, array_like=True):
    """A reply in the store: which came before it, the items that it added to the conversation, and itself."""

    previous: str | None
    items: Raw
    response: Raw


_row_of: Final = msgspec.json.Decoder(_Row).decode


class Replies:
    """What one client's key has in the store: nobody finds what belongs to another."""

    __slots__ = ("_owner", "_storage", "_store")

    def __init__(self, store: Store, storage: Storage, key: str | None) -> None:
        self._store = store
        self._storage = storage
        self._owner = blake2b((key or "").encode(), digest_size=16).digest()

    def get(self, id: str) -> bytes:
        """Return a reply as it was told. Raises DragomanError when there is none of that id."""
        row = self._row(id)
        if row is None:
            raise self._storage.unknown(id)
        return bytes(row.response)

    def delete(self, id: str) -> bytes:
        """Forget a reply and return the answer that says so. Raises DragomanError when there is none of that id."""
        self.get(id)
        self._store.delete(self._key("reply", id))
        return self._storage.encode_deleted(id)

    def keep(self, reply: KeptReply) -> None:
        """Keep a reply and the items that may be referred to."""
        row = _Row(reply.previous, Raw(reply.items), Raw(reply.response))
        self._store.put(self._key("reply", reply.id), msgspec.json.encode(row))
        for id, item in reply.named:
            self._store.put(self._key("item", id), item)

    def named(self, ids: tuple[str, ...]) -> Mapping[str, bytes]:
        """Return those of the items `ids` that are known."""
        found = ((id, self._store.get(self._key("item", id))) for id in ids)
        return {id: item for id, item in found if item is not None}

    def conversation(self, id: str) -> list[bytes]:
        """Return the items of the reply `id` and of all before it, the oldest first. Raises DragomanError when one is missing."""
        parts: list[bytes] = []
        place: str | None = id
        while place is not None:
            row = self._row(place)
            if row is None:
                raise self._storage.missing(id, is_item=False)
            parts.append(bytes(row.items))
            place = row.previous
        parts.reverse()
        return parts

    def _row(self, id: str) -> _Row | None:
        found = self._store.get(self._key("reply", id))
        return None if found is None else _row_of(found)

    def _key(self, kind: str, id: str) -> bytes:
        return b"%b %b %b" % (self._owner, kind.encode(), id.encode(errors="surrogatepass"))


async def exchange(parts: Parts, arrival: Arrival, client: ClientConnection) -> None:
    """Run an exchange whose request may refer to earlier replies, and whose reply may be referred to later.

    Raises DragomanError for a reference to what nobody remembers; everything else is as `Exchange.run` has it.
    """
    storage = arrival.codec.storage
    refers = storage.references(arrival.body) if storage else None
    if storage is None or (refers is None and not storage.keeps(arrival.body)):
        await Exchange(parts, arrival, client).run()
        return
    replies = Replies(parts.replies, storage, arrival.key)
    is_native = _is_native(parts, arrival)
    body, items = _resolved(arrival.body, refers, replies, storage, is_native=is_native)
    previous = refers.previous if refers and body is not arrival.body else None

    def tell(told: bytes) -> bytes:
        return told if previous is None else storage.linked(told, previous)

    def keep(told: bytes) -> None:
        reply = storage.kept(arrival.body, items, told)
        if reply is not None:
            replies.keep(reply)

    if not is_native and storage.keeps(arrival.body):
        client = _Listener(client, storage.ends, tell, keep)
    elif previous is not None:
        client = _Listener(client, (), tell, _forget)
    await Exchange(parts, msgspec.structs.replace(arrival, body=body), client).run()


def _forget(_told: bytes) -> None:
    """Keep nothing."""


def resolved(parts: Parts, arrival: Arrival) -> Arrival:
    """Return a request for anything else than a reply with what it refers to in place. Raises DragomanError as `exchange` does."""
    storage = arrival.codec.storage
    if storage is None:
        return arrival
    replies = Replies(parts.replies, storage, arrival.key)
    refers = storage.references(arrival.body)
    body, _ = _resolved(arrival.body, refers, replies, storage, is_native=_is_native(parts, arrival))
    return msgspec.structs.replace(arrival, body=body)


def _is_native(parts: Parts, arrival: Arrival) -> bool:
    """Tell whether the model's upstream keeps replies itself. What is wrong with the request is told when it is decoded."""
    try:
        attempt = parts.plan(arrival.codec.peek(arrival.body).model, arrival).attempts[0]
    except DragomanError:
        return True
    return attempt.protocol == arrival.codec.name and attempt.dialect.stores_replies


def _resolved(
    body: bytes, refers: References | None, replies: Replies, storage: Storage, *, is_native: bool
) -> tuple[bytes, Mapping[str, bytes]]:
    """Return the request with what it refers to in place, and the items that were named.

    To an upstream that keeps replies itself goes what is not known here as it is.
    """
    if refers is None:
        return body, {}
    items = replies.named(refers.items)
    try:
        before = [] if refers.previous is None else replies.conversation(refers.previous)
        lost = next((id for id in refers.items if id not in items), None)
        if lost is not None:
            raise storage.missing(lost, is_item=True)
    except DragomanError:
        if is_native:
            return body, {}
        raise
    return storage.spliced(body, before, items), items


class _Listener:
    """A client to whom a reply is told in other words, and kept before it has it: the next request may come at once.

    `tell` makes the words, `keep` is told the whole answer, or those bytes of a stream in which one of the `ends` stands.
    """

    __slots__ = ("_client", "_ends", "_keep", "_tell")

    def __init__(
        self,
        client: ClientConnection,
        ends: tuple[bytes, ...],
        tell: Callable[[bytes], bytes],
        keep: Callable[[bytes], None],
    ) -> None:
        self._client = client
        self._ends = ends
        self._tell = tell
        self._keep = keep

    @property
    def has_started(self) -> bool:
        return self._client.has_started

    @property
    def is_finished(self) -> bool:
        return self._client.is_finished

    async def start(self, status: int, headers: Headers) -> None:
        await self._client.start(status, headers)

    async def write(self, data: bytes) -> None:
        await self._client.write(self._heard(data))

    async def finish(self, data: bytes = b"") -> None:
        await self._client.finish(self._heard(data))

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        if status == _OK:
            body = self._tell(body)
            self._keep(body)
        await self._client.answer(status, headers, body)

    def on_gone(self, callback: Callable[["asyncio.Task[None]"], object]) -> Callable[[], object]:
        return self._client.on_gone(callback)

    def _heard(self, data: bytes) -> bytes:
        told = self._tell(data)
        if any(end in told for end in self._ends):
            self._keep(told)
        return told
