"""The raw lane: Anthropic Messages on both sides, bytes passed on with as little touched as can be."""

import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from operator import is_
from typing import Final

import msgspec
from msgspec import Raw

from dragoman.codec import Peek, Target
from dragoman.ir.failures import RequestError
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Usage
from dragoman.ir.seals import MARK_BYTES, read_seal
from dragoman.protocols.anthropic_messages import wire_replies as wire
from dragoman.protocols.anthropic_messages.reply import to_usage
from dragoman.protocols.anthropic_messages.request_blocks import to_citation
from dragoman.protocols.anthropic_messages.sealing import returnable
from dragoman.protocols.anthropic_messages.wire import NAME
from dragoman.wire.reading import UNREADABLE, read, require_text


class _Metadata(msgspec.Struct, gc=False):
    user_id: str | None = None


class _Envelope(msgspec.Struct):
    model: str
    stream: bool | None = None
    metadata: _Metadata | None = None


class _Thought(msgspec.Struct, gc=False):
    """What is read of a block to find a seal in it."""

    type: str
    signature: str | None = None
    data: str | None = None


_envelope: Final = msgspec.json.Decoder(_Envelope)
_fields: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_items: Final = msgspec.json.Decoder(list[Raw]).decode
_thought: Final = msgspec.json.Decoder(_Thought).decode
_usage: Final = msgspec.json.Decoder(wire.UsageCounts).decode
_json: Final = msgspec.json.encode

_LAST: Final = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_NOTHING: Final = Raw(b'[{"type":"text","text":"(no content)"}]')
"""What is left of a message that held nothing but another upstream's thought."""
_FIELDS: Final = {"thinking": "signature", "redacted_thinking": "data"}
_USAGE: Final = re.compile(rb'"usage"\s*:\s*(?=\{)')
_LONGEST_USAGE: Final = 4096
_END: Final = re.compile(
    rb'^event: ?(message_stop|error)\b|^data: ?\{\s*"type"\s*:\s*"(message_stop|error)"', re.MULTILINE
)


def peek(body: bytes) -> Peek:
    """Return the model, whether the reply streams, and who asks. Raises RequestError naming the field that is wrong."""
    envelope = read(_envelope, body, "", Ledger())
    if not envelope.model:
        raise RequestError("`model` must not be empty", param="model")
    user = envelope.metadata.user_id if envelope.metadata else None
    return Peek(envelope.model, bool(envelope.stream), user)


def unseal(body: bytes, target: Target, ledger: Ledger) -> bytes:
    """Return the request with our seals opened where they are the target's, and their blocks left out where not."""
    if MARK_BYTES not in body:
        return body
    require_text(body)
    fields = _read_fields(body)
    if "messages" not in fields:
        return body
    messages = _read_items(fields["messages"])
    opened = [
        _unsealed(raw, f"messages[{place}]", target, ledger) if MARK_BYTES in bytes(raw) else raw
        for place, raw in enumerate(messages)
    ]
    if _are_same(opened, messages):
        return body
    fields["messages"] = Raw(_json(opened))
    return _json(fields)


def _unsealed(raw: Raw, path: str, target: Target, ledger: Ledger) -> Raw:
    message = _read_fields(raw)
    content = message.get("content")
    if content is None or not bytes(content).startswith(b"["):
        return raw
    items, kept = _read_items(content), list[Raw]()
    for place, item in enumerate(items):
        where = f"{path}.content[{place}]"
        block = _opened(item, where, target, ledger) if MARK_BYTES in bytes(item) else item
        if block is None:
            ledger.dropped("foreign_reasoning", where, "another upstream's thought")
        else:
            kept.append(block)
    if _are_same(kept, items):
        return raw
    message["content"] = Raw(_json(kept)) if kept else _NOTHING
    return Raw(_json(message))


def _are_same(new: Sequence[Raw], old: Sequence[Raw]) -> bool:
    """Tell whether nothing was touched: what only mentions our mark keeps its bytes."""
    return len(new) == len(old) and all(map(is_, new, old))


def _opened(raw: Raw, path: str, target: Target, ledger: Ledger) -> Raw | None:
    """Return the block with its seal's native form in place; None when the seal is another upstream's."""
    try:
        thought = _thought(raw)
    except UNREADABLE:
        return raw
    if thought.type == "text":
        return _without_citations(raw, path, ledger)
    field = _FIELDS.get(thought.type)
    seal = read_seal(getattr(thought, field) or "") if field else None
    if field is None or seal is None:
        return raw
    if not returnable(seal, target):
        return None
    block = _read_fields(raw)
    block[field] = Raw(_json(seal.data))
    return Raw(_json(block))


def _without_citations(raw: Raw, path: str, ledger: Ledger) -> Raw:
    """Return the text without the citations that another protocol's upstream made."""
    try:
        block = _fields(raw)
        cited = _items(block.get("citations", b"[]"))
    except (msgspec.DecodeError, RecursionError):
        return raw
    own = [citation for citation in cited if to_citation(citation).origin == NAME]
    if len(own) == len(cited):
        return raw
    ledger.dropped("citations", path, "citations of another protocol")
    return Raw(_json(block | {"citations": own or None}))


def _read_fields(raw: bytes | Raw) -> dict[str, Raw]:
    try:
        return _fields(raw)
    except UNREADABLE as error:
        raise RequestError(f"the body could not be read: {error}") from None


def _read_items(raw: Raw) -> list[Raw]:
    try:
        return _items(raw)
    except UNREADABLE as error:
        raise RequestError(f"`messages` could not be read: {error}", param="messages") from None


# Replies --------------------------------------------------------------------------------------------------------------


def read_usage(head: bytes, tail: bytes) -> Usage:
    """Return the usage that the first and the last bytes of a reply tell of, streamed or whole; best effort."""
    last = _usage_in(tail, tail.rfind, -1)
    if head.lstrip().startswith(b"{"):
        return last or _usage_in(head, head.rfind, -1) or Usage()
    first = _usage_in(head, head.find, 1) or Usage()
    return first.merged(last) if last else first


def _usage_in(data: bytes, find: Callable[..., int], step: int) -> Usage | None:
    """Return the first usage object that `find` leads to, from the start (`step` 1) or from the end (-1).

    Inside a JSON string its quotes would be escaped, so that no text can look like one.
    """
    place = find(b'"usage"')
    while place >= 0:
        found = _USAGE.match(data, place)
        if found is not None and data[place - 1 : place] != b"\\":
            with suppress(ValueError, RecursionError):
                counts, _ = _DECODER.raw_decode(
                    data[found.end() : found.end() + _LONGEST_USAGE].decode(errors="replace")
                )
                return to_usage(_usage(_json(counts)))
        place = find(b'"usage"', place + 1) if step > 0 else find(b'"usage"', 0, place)
    return None


_DECODER: Final = json.JSONDecoder()


def is_finished(tail: bytes) -> bool:
    """Tell whether the stream's last bytes hold its end: `message_stop`, or an error that the client has been told."""
    return tail.endswith(_LAST) or _END.search(tail) is not None
