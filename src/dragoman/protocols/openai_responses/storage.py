"""What OpenAI keeps of a reply, where the gateway has to: which earlier replies and items a request refers to, put in their places.

https://platform.openai.com/docs/guides/conversation-state. A reply is kept with the items that were new in its request; the
reply before it has those before them. Instructions are not carried over, as at OpenAI.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Raw

from dragoman.codec import KeptReply, References
from dragoman.ir.failures import DragomanError, Failure, FailureKind
from dragoman.protocols.openai_responses.item_decoding import not_found
from dragoman.protocols.openai_responses.request_decoding import previous_not_found
from dragoman.wire.sse import SseReader

ENDS: Final = (b"response.completed", b"response.incomplete")
"""What stands in the event that ends a stream well, and in little else."""

_REFERENCE: Final = b'"item_reference"'
_PREVIOUS: Final = b'"previous_response_id"'
_NO_PREVIOUS: Final = re.compile(rb'("previous_response_id"\s*:\s*)null')
"""Inside JSON strings quotes are escaped, so that no text can look like it."""


class _Asked(msgspec.Struct):
    input: str | list[Raw] | None = None
    previous_response_id: str | None = None


class _Store(msgspec.Struct, gc=False):
    store: bool | None = None


class _Named(msgspec.Struct, gc=False):
    type: str | None = None
    id: str | None = None


class _Told(msgspec.Struct):
    id: str
    status: str | None = None
    output: list[Raw] = []


class _Event(msgspec.Struct):
    type: str = ""
    response: Raw = Raw()


_asked_of: Final = msgspec.json.Decoder(_Asked).decode
_store_of: Final = msgspec.json.Decoder(_Store).decode
_named_of: Final = msgspec.json.Decoder(_Named).decode
_told_of: Final = msgspec.json.Decoder(_Told).decode
_event_of: Final = msgspec.json.Decoder(_Event).decode
_fields_of: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_items_of: Final = msgspec.json.Decoder(list[Raw]).decode
_json: Final = msgspec.json.encode


def references(body: bytes) -> References | None:
    """Return what a request refers to; None for one that says all itself, and for one that cannot be read."""
    if _PREVIOUS not in body and _REFERENCE not in body:
        return None
    asked = _asked(body)
    items = tuple(dict.fromkeys(named.id or "" for named in map(_named, _list(asked.input)) if _is_reference(named)))
    if not items and asked.previous_response_id is None:
        return None
    return References(asked.previous_response_id, items)


def spliced(body: bytes, before: Sequence[bytes], items: Mapping[str, bytes]) -> bytes:
    """Return a request that says itself what it referred to: `before` are lists of items, the oldest first."""
    fields = _fields_of(body)
    written = [*(item for part in before for item in _items_of(part)), *_own_items(body, items)]
    rest = {name: value for name, value in fields.items() if name not in ("input", "previous_response_id")}
    return _json({**rest, "input": written})


def linked(told: bytes, previous: str) -> bytes:
    """Return a reply, or events of its stream, which tells of the reply before it as OpenAI does: whoever answered knew of none."""
    if _PREVIOUS not in told:
        return told
    if told.lstrip().startswith(b"{"):
        return _link(told, previous)
    return b"\n".join(_link(line, previous) for line in told.split(b"\n"))


def _link(response: bytes, previous: str) -> bytes:
    """Return a response, or an event of one, with the id. What else is called so, in the schema of a tool, comes later."""
    return _NO_PREVIOUS.sub(lambda found: found[1] + _json(previous), response, count=1)


def keeps(body: bytes) -> bool:
    """Tell whether the client wants the reply to be kept: it does unless it says otherwise."""
    return b'"store"' not in body or _is_wanted(body)


def kept(body: bytes, items: Mapping[str, bytes], told: bytes) -> KeptReply | None:
    """Return what to keep of a reply, whole or the end of its stream; None when it did not end well."""
    response = _response_in(told)
    if response is None:
        return None
    said = _told_of(response)
    if said.status not in ("completed", "incomplete"):
        return None
    new = [*_own_items(body, items), *said.output]
    named = ((_named(raw), raw) for raw in new)
    return KeptReply(
        said.id,
        _asked(body).previous_response_id,
        _json(new),
        bytes(response),
        tuple((name.id, bytes(raw)) for name, raw in named if name.id),
    )


def missing(id: str, *, is_item: bool) -> DragomanError:
    """Return the error for a request that refers to what nobody remembers."""
    return not_found(id, "input") if is_item else previous_not_found(id)


def unknown(id: str) -> DragomanError:
    """Return the error for asking after a reply that nobody remembers."""
    return DragomanError(
        Failure(
            FailureKind.NOT_FOUND,
            f"Response with id '{id}' not found.",
            param="response_id",
            hint="the gateway remembers what it answered itself, for a while; replies that an upstream keeps are not asked for",
        )
    )


def encode_deleted(id: str) -> bytes:
    """Return the answer to a deletion."""
    return _json({"id": id, "object": "response", "deleted": True})


def _is_wanted(body: bytes) -> bool:
    try:
        return _store_of(body).store is not False
    except (msgspec.DecodeError, RecursionError):
        return True


def _asked(body: bytes) -> _Asked:
    try:
        return _asked_of(body)
    except (msgspec.DecodeError, RecursionError):
        return _Asked()  # what is wrong with it is told by whoever decodes it


def _own_items(body: bytes, items: Mapping[str, bytes]) -> Iterator[Raw]:
    """Yield the items of a request's input, those that were only named by themselves."""
    given = _asked(body).input
    if isinstance(given, str):
        yield Raw(_json({"type": "message", "role": "user", "content": given}))
    for raw in _list(given):
        named = _named(raw)
        known = items.get(named.id or "") if _is_reference(named) else None
        yield raw if known is None else Raw(known)


def _list(given: str | list[Raw] | None) -> list[Raw]:
    return given if isinstance(given, list) else []


def _named(raw: Raw) -> _Named:
    try:
        return _named_of(raw)
    except (msgspec.DecodeError, RecursionError):
        return _Named()


def _is_reference(named: _Named) -> bool:
    return named.type == "item_reference"


def _response_in(told: bytes) -> Raw | bytes | None:
    """Return the response object in a whole reply, or in the last event of a stream."""
    if told.lstrip().startswith(b"{"):
        return told
    reader = SseReader()
    for frame in reversed(reader.feed(told) + reader.flush()):
        try:
            event = _event_of(frame.data)
        except (msgspec.DecodeError, RecursionError):
            continue
        if event.type.encode() in ENDS and event.response:
            return event.response
    return None
