"""The raw lane: what is read of, and done to, bytes that pass between a client and an upstream that both speak Responses."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec
from msgspec import Raw

from dragoman.codec import Peek, Target
from dragoman.ir.failures import RequestError
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Usage
from dragoman.ir.seals import MARK_BYTES, read_seal
from dragoman.protocols.openai_responses.endings import decode_usage
from dragoman.protocols.openai_responses.losses import Notes
from dragoman.protocols.openai_responses.sealing import returnable
from dragoman.protocols.openai_responses.wire_replies import WireUsage
from dragoman.wire.reading import UNREADABLE, read_with, require_text
from dragoman.wire.splicing import ModelEcho, NameField


class _Peek(msgspec.Struct):
    model: str
    stream: bool | None = None
    user: Any = None
    safety_identifier: Any = None
    prompt_cache_key: Any = None


class _Thought(msgspec.Struct, gc=False):
    type: str | None = None
    encrypted_content: str | None = None


_PEEK: Final = msgspec.json.Decoder(_Peek)
_fields_of: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_items_of: Final = msgspec.json.Decoder(list[Raw]).decode
_thought_of: Final = msgspec.json.Decoder(_Thought).decode
_usage_of: Final = msgspec.json.Decoder(WireUsage).decode
_DECODER: Final = json.JSONDecoder()
_RESPONSES_MODEL: Final = NameField("model", inside="response")

# Inside JSON strings quotes are escaped, so that no text can look like these fields.
_USAGE: Final = re.compile(rb'"usage"\s*:\s*(?=\{)')
_LONGEST_USAGE: Final = 4096
_END: Final = re.compile(
    rb'^(?:event: ?|data: ?\{\s*"type"\s*:\s*")(?:response\.completed|response\.incomplete|response\.failed|error)\b',
    re.MULTILINE,
)
_ERROR: Final = re.compile(rb'^data: ?\{[^{}]*"error"\s*:\s*[{"]', re.MULTILINE)


def peek(body: bytes) -> Peek:
    """Return the model, whether the reply streams, and who asks. Raises RequestError naming the field that is wrong."""
    found = read_with(_PEEK, body, "", lambda _path, _value: None)
    if not found.model:
        raise RequestError("`model` must not be empty", param="model")
    user = _text(found.user) or _text(found.safety_identifier)
    return Peek(found.model, bool(found.stream), user, _text(found.prompt_cache_key))


def _text(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    return value if isinstance(value, str) and value else None


def echo(model: str) -> ModelEcho:
    """Return what puts the client's model name into the events that have the response in them."""
    return ModelEcho(model, once=False, field=_RESPONSES_MODEL)


def read_usage(head: bytes, tail: bytes) -> Usage:
    """Return the last figures that stand in the ends of a relayed reply; none when there are none."""
    return _last_usage(tail) or _last_usage(head) or Usage()


def _last_usage(part: bytes) -> Usage | None:
    place = part.rfind(b'"usage"')
    while place >= 0:
        found = _USAGE.match(part, place)
        if found is not None:
            with suppress(ValueError, RecursionError, msgspec.DecodeError):
                text = part[found.end() : found.end() + _LONGEST_USAGE].decode(errors="replace")
                counts, _ = _DECODER.raw_decode(text)
                return decode_usage(_usage_of(msgspec.json.encode(counts)))
        place = part.rfind(b'"usage"', 0, place)
    return None


def is_finished(tail: bytes) -> bool:
    """Tell whether a relayed stream has said that it ends, or has told the client of an error.

    Nearly always the last event says it.
    """
    last = max(tail.rfind(b"\n\n", 0, -2), 0)
    return any(pattern.search(part) for part in (tail[last:], tail) for pattern in (_END, _ERROR))


# Seals --------------------------------------------------------------------------------------------------------------------


def unseal(body: bytes, target: Target, ledger: Ledger) -> bytes:
    """Return the request with the seals of `target` opened, and the reasoning of others taken out."""
    if MARK_BYTES not in body:
        return body
    require_text(body)
    fields = _fields_of(body)
    try:
        items = _items_of(fields["input"])
    except (KeyError, msgspec.DecodeError):
        return body
    notes = Notes(ledger)
    kept: list[Any] = []
    is_changed = False
    for place, raw in enumerate(items):
        opened = _opened(raw, target) if MARK_BYTES in bytes(raw) else raw
        is_changed = is_changed or opened is not raw
        if opened is None:
            notes.add("foreign_reasoning", f"input[{place}]")
        else:
            kept.append(opened)
    return msgspec.json.encode(fields | {"input": kept}) if is_changed else body


def _opened(raw: Raw, target: Target) -> Raw | Mapping[str, Any] | None:
    """Return the item with what is encrypted in its native form; None when the seal is another upstream's."""
    try:
        thought = _thought_of(raw)
        fields = _fields_of(raw)
    except UNREADABLE:
        return raw
    seal = read_seal(thought.encrypted_content or "") if thought.type == "reasoning" else None
    if seal is None:
        return raw
    if not returnable(seal, target) or not seal.data:
        return None
    rest: dict[str, Any] = {name: value for name, value in fields.items() if name != "id"}
    named = {"id": seal.form} if seal.form else {}
    return {**named, **rest, "encrypted_content": seal.data}
