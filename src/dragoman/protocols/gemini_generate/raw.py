"""The raw lane: generateContent on both sides, bytes passed on with as little touched as can be."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import msgspec
from msgspec import Raw

from dragoman.codec import Peek, Target
from dragoman.ir.failures import RequestError
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Usage
from dragoman.ir.seals import MARK, MARK_BYTES
from dragoman.protocols.gemini_generate import sealing
from dragoman.protocols.gemini_generate.endings import decode_usage
from dragoman.protocols.gemini_generate.wire import camel_cased
from dragoman.protocols.gemini_generate.wire_replies import Chunk, UsageMetadata
from dragoman.wire.reading import UNREADABLE, read, require_text
from dragoman.wire.splicing import ModelEcho, NameField
from dragoman.wire.splicing import echo_whole as echo_named


class _Envelope(msgspec.Struct):
    """A JSON object; the path says everything else."""


_envelope: Final = msgspec.json.Decoder(_Envelope)
_fields: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_items: Final = msgspec.json.Decoder(list[Raw]).decode
_text: Final = msgspec.json.Decoder(str).decode
_chunk: Final = msgspec.json.Decoder(Chunk).decode
_usage: Final = msgspec.json.Decoder(UsageMetadata).decode
_json: Final = msgspec.json.encode
_decoder: Final = json.JSONDecoder()

_VERSION: Final = NameField("modelVersion")
_MODELS: Final = "models/"
_NOTHING: Final = Raw(b'[{"text":"(no content)"}]')
"""What is left of a content that held nothing but another upstream's thought."""
_USAGE: Final = re.compile(rb'"usageMetadata"\s*:\s*(?=\{)')
_FINISH: Final = re.compile(rb'"finishReason"\s*:\s*"[A-Z_]+"')
_LONGEST_USAGE: Final = 4096


def peek(body: bytes) -> Peek:
    """Check that the body is an object; the model and whether to stream stand in the path. Raises RequestError."""
    read(_envelope, body, "", Ledger())
    return Peek("")


def splice_model(body: bytes, model: str) -> bytes:
    """Return the request for another model: the path names it, and hardly ever the body, too."""
    if b'"model"' not in body:
        return body
    fields = _read_fields(body)
    changed = _renamed(fields, model)
    for name, value in fields.items():
        if camel_cased(name) == "generateContentRequest" and bytes(value).startswith(b"{"):
            changed[name] = Raw(_json(_renamed(_read_fields(value), model)))
    return body if changed == fields else _json(changed)


def _renamed(fields: dict[str, Raw], model: str) -> dict[str, Raw]:
    if "model" not in fields:
        return dict(fields)
    return {**fields, "model": Raw(_json(model if "/" in model else _MODELS + model))}


# Seals ----------------------------------------------------------------------------------------------------------------


def unseal(body: bytes, target: Target, ledger: Ledger) -> bytes:
    """Return the request with our seals opened where they are the target's, and taken out where not."""
    if MARK_BYTES not in body:
        return body
    require_text(body)
    fields = _read_fields(body)
    opened = _with_contents_opened(fields, "", target, ledger)
    for name, value in fields.items():
        # A count may hold the whole request that it is about.
        if camel_cased(name) == "generateContentRequest" and bytes(value).startswith(b"{"):
            inner = _read_fields(value)
            changed = _with_contents_opened(inner, f"{name}.", target, ledger)
            opened[name] = value if changed == inner else Raw(_json(changed))
    return body if opened == fields else _json(opened)


def _with_contents_opened(fields: dict[str, Raw], path: str, target: Target, ledger: Ledger) -> dict[str, Raw]:
    try:
        contents = _items(fields.get("contents", b""))
    except UNREADABLE:
        return dict(fields)
    opened = [
        _unsealed(raw, f"{path}contents[{place}]", target, ledger) if MARK_BYTES in bytes(raw) else raw
        for place, raw in enumerate(contents)
    ]
    if all(new is old for new, old in zip(opened, contents, strict=True)):
        return dict(fields)
    return fields | {"contents": Raw(_json(opened))}


def _unsealed(raw: Raw, path: str, target: Target, ledger: Ledger) -> Raw:
    try:
        content = _fields(raw)
        parts = _items(content.get("parts", b""))
    except UNREADABLE:
        return raw
    kept: list[Raw] = []
    for place, part in enumerate(parts):
        opened = _opened(part, f"{path}.parts[{place}]", target, ledger) if MARK_BYTES in bytes(part) else part
        if opened is not None:
            kept.append(opened)
    if len(kept) == len(parts) and all(new is old for new, old in zip(kept, parts, strict=True)):
        return raw
    content["parts"] = Raw(_json(kept)) if kept else _NOTHING
    return Raw(_json(content))


def _opened(raw: Raw, path: str, target: Target, ledger: Ledger) -> Raw | None:
    """Return a part with its signature's native form in place; None for another upstream's thought."""
    try:
        fields = _fields(raw)
    except UNREADABLE:
        return raw
    field = next((name for name in fields if camel_cased(name) == "thoughtSignature"), None)
    if field is None or not bytes(fields[field]).startswith(b'"' + MARK.encode()):
        return raw
    with suppress(msgspec.DecodeError):
        seal = sealing.received(_text(fields[field]))
        if seal is not None and sealing.returnable(seal, target) and not seal.data.startswith(MARK):
            fields[field] = Raw(_json(seal.data))
            return Raw(_json(fields))
    ledger.dropped("foreign_reasoning", path, "another upstream's thought")
    del fields[field]
    if any(camel_cased(name) == "functionCall" for name in fields) and target.dialect.placeholder_signatures:
        fields[field] = Raw(_json(sealing.PLACEHOLDER))
    return None if "thought" in fields else Raw(_json(fields))


def _read_fields(body: bytes | Raw) -> dict[str, Raw]:
    try:
        return _fields(body)
    except UNREADABLE as error:
        raise RequestError(f"the body could not be read: {error}") from None


# Replies --------------------------------------------------------------------------------------------------------------


def echo(model: str) -> ModelEcho:
    """Return what puts the client's model name into every chunk."""
    return ModelEcho(model, once=False, field=_VERSION)


def echo_whole(body: bytes, model: str) -> bytes:
    """Return a whole reply with the client's model name."""
    return echo_named(body, model, _VERSION)


def read_usage(head: bytes, tail: bytes) -> Usage:
    """Return the last figures that stand in the ends of a relayed reply; none when there are none."""
    return _last_usage(tail) or _last_usage(head) or Usage()


def _last_usage(part: bytes) -> Usage | None:
    """Inside a JSON string its quotes would be escaped, so that no text can look like the field."""
    place = part.rfind(b'"usageMetadata"')
    while place >= 0:
        found = _USAGE.match(part, place)
        if found is not None:
            with suppress(ValueError, RecursionError):
                text = part[found.end() : found.end() + _LONGEST_USAGE].decode(errors="replace")
                counts: Any = _decoder.raw_decode(text)[0]
                return decode_usage(_usage(_json(counts)))
        place = part.rfind(b'"usageMetadata"', 0, place)
    return None


def is_finished(tail: bytes) -> bool:
    """Tell whether a relayed stream has said why it ends, or has told the client of an error."""
    return any(map(_is_last, _lines(tail)))


def _lines(tail: bytes) -> Iterator[bytes]:
    """Yield the last lines of data, the last one first; the beginning of the first may be missing."""
    for line in reversed(tail.splitlines()):
        if line.startswith(b"data:"):
            yield line[5:]
    if not tail.startswith(b"data:"):
        yield tail.partition(b"\n")[0]


def _is_last(line: bytes) -> bool:
    try:
        chunk = _chunk(line)
    except UNREADABLE:
        return _FINISH.search(line) is not None
    if chunk.error:
        return True
    if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason:
        return True
    return any(candidate.finish_reason for candidate in chunk.candidates or ())
