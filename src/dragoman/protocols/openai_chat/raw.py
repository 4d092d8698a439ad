"""The raw lane: what is read of, and done to, bytes that pass between a client and an upstream that both speak Chat."""

import re
from typing import Any, Final

import msgspec
from msgspec import Raw

from dragoman.codec import Peek, Target
from dragoman.ir.failures import RequestError
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Usage
from dragoman.ir.seals import MARK_BYTES, may_return
from dragoman.protocols.openai_chat.endings import decode_usage
from dragoman.protocols.openai_chat.losses import RAW_LOSSES
from dragoman.protocols.openai_chat.reasoning import (
    DETAILS,
    EXTRA_CONTENT,
    Detail,
    decode_call_seal,
    native_details,
    native_extra,
    seal_of,
)
from dragoman.protocols.openai_chat.wire import ORIGIN, is_given
from dragoman.protocols.openai_chat.wire_replies import WireUsage
from dragoman.wire.reading import UNREADABLE, read_with, require_text
from dragoman.wire.splicing import MODEL, ModelEcho, splice_model


class _Peek(msgspec.Struct):
    model: str
    stream: bool | None = None
    user: Any = None
    prompt_cache_key: Any = None
    stream_options: Raw = Raw()


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Holder(msgspec.Struct):
    usage: WireUsage | None = None


class _Shape(msgspec.Struct):
    messages: Raw = Raw()
    input: Raw = Raw()


_PEEK: Final = msgspec.json.Decoder(_Peek)
_stream_options_of: Final = msgspec.json.Decoder(_StreamOptions).decode
_shape_of: Final = msgspec.json.Decoder(_Shape).decode
_fields_of: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_items_of: Final = msgspec.json.Decoder(list[Raw]).decode
_details_of: Final = msgspec.json.Decoder(list[Detail]).decode
_usage_of: Final = msgspec.json.Decoder(WireUsage).decode
_holder_of: Final = msgspec.json.Decoder(_Holder).decode

_REASONING_FIELDS: Final = ("reasoning_content", "reasoning", "reasoning_details")

# Inside JSON strings quotes are escaped, so that no text can look like these fields.
_USAGE: Final = re.compile(rb'"usage"\s*:\s*(\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})')
_FINISH: Final = re.compile(rb'"finish_reason"\s*:\s*"[^"]')
_NO_CHOICES: Final = re.compile(rb'"choices"\s*:\s*\[\s*\]')
_EVENTS: Final = re.compile(rb".+?(?:\n\n|\r\n\r\n|\r\r|\Z)", re.DOTALL)
_DONE: Final = re.compile(rb"^data: ?\[DONE\]", re.MULTILINE)
_ERROR: Final = re.compile(rb'^data: ?\{[^{}]*"error"\s*:\s*[{"]', re.MULTILINE)


def peek(body: bytes) -> Peek:
    """Return the model, whether the reply streams, and who asks. Raises RequestError naming the field that is wrong."""
    found = read_with(_PEEK, body, "", lambda _path, _value: None)
    if not found.model:
        raise RequestError("`model` must not be empty", param="model")
    user, cache_key = _text(found.user), _text(found.prompt_cache_key)
    if not found.stream:
        return Peek(found.model, stream=False, user=user, cache_key=cache_key)
    wants_usage, has_options = _usage_asked(found.stream_options)
    return Peek(
        found.model,
        stream=True,
        user=user,
        cache_key=cache_key,
        wants_usage=wants_usage,
        has_stream_options=has_options,
    )


def _usage_asked(options: Raw) -> tuple[bool, bool]:
    """Tell whether a stream's usage is asked for, and whether there are options at all.

    What is no legal option is the upstream's to refuse: it goes up as it is.
    """
    if not is_given(options):
        return False, bool(options)
    try:
        return bool(_stream_options_of(options).include_usage), True
    except UNREADABLE:
        return True, True


def really(body: bytes) -> str | None:
    """Return the protocol's name when the body is a Responses request, as Cursor posts them here; None for Chat's own."""
    if b'"input"' not in body:
        return None
    try:
        found = _shape_of(body)
    except UNREADABLE:
        return None
    return "openai-responses" if found.input and not found.messages else None


def _text(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    return value if isinstance(value, str) and value else None


def echo(model: str) -> ModelEcho:
    """Return what puts the client's model name into every chunk."""
    return ModelEcho(model, once=False)


def splice_asking(body: bytes, model: str, asked: Peek) -> bytes:
    """Return a request for a stream with another model name, and `stream_options.include_usage` beside it."""
    if not asked.has_stream_options:
        return MODEL.splice(body, model, b',"stream_options":{"include_usage":true}')
    fields = _fields_of(body)
    given = _fields_of(fields["stream_options"]) if is_given(fields["stream_options"]) else {}
    options = given | {"include_usage": Raw(b"true")}
    return splice_model(msgspec.json.encode(fields | {"stream_options": options}), model)


class HideUsage:
    """Takes the chunk out of a stream that has no choices and nothing but the usage."""

    __slots__ = ()

    def feed(self, batch: bytes) -> bytes:
        """Return the events that are the client's; `batch` holds whole ones."""
        if b'"prompt_tokens"' not in batch:
            return batch
        return b"".join(event for event in _EVENTS.findall(batch) if not _is_usage_alone(event))

    def flush(self) -> bytes:
        """Nothing is ever held back."""
        return b""


def _is_usage_alone(event: bytes) -> bool:
    return _NO_CHOICES.search(event) is not None and _USAGE.search(event) is not None


def read_usage(head: bytes, tail: bytes) -> Usage:
    """Return the last figures that stand in the ends of a relayed reply; none when there are none."""
    return _last_usage(tail) or _last_usage(head) or Usage()


def _last_usage(part: bytes) -> Usage | None:
    place = part.rfind(b'"usage"')
    while place >= 0:
        usage = _usage_at(part, place)
        if usage is not None:
            return decode_usage(usage)
        place = part.rfind(b'"usage"', 0, place)
    return None


def _usage_at(part: bytes, place: int) -> WireUsage | None:
    """Return the usage whose key stands at `place`. Most often it is the last field of its line's object, or nearly."""
    end = part.find(b"\n", place)
    try:
        return _holder_of(b"{" + (part[place:end] if end >= 0 else part[place:])).usage
    except msgspec.DecodeError:
        found = _USAGE.match(part, place)
    try:
        return _usage_of(found.group(1)) if found else None
    except msgspec.DecodeError:
        return None


def is_finished(tail: bytes) -> bool:
    """Tell whether a relayed stream has said that it ends, or why, or has told the client of an error.

    Nearly always the last line says it.
    """
    return tail.endswith(b"data: [DONE]\n\n") or any(pattern.search(tail) for pattern in (_DONE, _FINISH, _ERROR))


# Seals --------------------------------------------------------------------------------------------------------------------


def unseal(body: bytes, target: Target, ledger: Ledger) -> bytes:
    """Return the request with the seals of `target` opened and those of others taken out, together with their words."""
    if MARK_BYTES not in body:
        return body
    require_text(body)
    fields = _fields_of(body)
    try:
        messages = _items_of(fields["messages"])
    except (KeyError, msgspec.DecodeError):
        return body
    opened = [
        _unseal_message(raw, index, target, ledger) if MARK_BYTES in bytes(raw) else raw
        for index, raw in enumerate(messages)
    ]
    if all(new is old for new, old in zip(opened, messages, strict=True)):
        return body
    return msgspec.json.encode(fields | {"messages": opened})


def _unseal_message(raw: Raw, index: int, target: Target, ledger: Ledger) -> Raw:
    """Return a message without our seals; one that has none, for all that it mentions them, as it is."""
    try:
        fields = _fields_of(raw)
        details = _details_of(fields.get("reasoning_details", b"[]"))
        calls = _items_of(fields.get("tool_calls", b"[]"))
    except UNREADABLE:
        return raw
    changed: dict[str, Any] = dict(fields)
    if any(map(seal_of, details)):
        changed = _unseal_details(changed, details, f"messages[{index}]", target, ledger)
    opened = [_unseal_call(call, f"messages[{index}].tool_calls", target, ledger) for call in calls]
    if any(new is not old for new, old in zip(opened, calls, strict=True)):
        changed["tool_calls"] = opened
    return raw if changed == fields else Raw(msgspec.json.encode(changed))


def _unseal_details(
    fields: dict[str, Any], details: list[Detail], path: str, target: Target, ledger: Ledger
) -> dict[str, Any]:
    if any(seal and not may_return(seal, ORIGIN, target.provider) for seal in map(seal_of, details)):
        ledger.dropped("foreign_reasoning", f"{path}.reasoning_details", RAW_LOSSES["foreign_reasoning"].meaning)
        return {name: value for name, value in fields.items() if name not in _REASONING_FIELDS}
    opened = [entry for detail in details for entry in _opened(detail)]
    rest = {name: value for name, value in fields.items() if name != "reasoning_details"}
    return {**rest, "reasoning_details": opened} if opened else rest


def _opened(detail: Detail) -> list[Detail]:
    seal = seal_of(detail)
    if seal is None:
        return [detail]
    return native_details(seal) if seal.form == DETAILS else []


def _unseal_call(raw: Raw, path: str, target: Target, ledger: Ledger) -> Raw:
    if MARK_BYTES not in bytes(raw):
        return raw
    try:
        fields = _fields_of(raw)
    except UNREADABLE:
        return raw
    seal = decode_call_seal(fields.get("extra_content", Raw()))
    if seal is None or seal.is_native:
        return raw
    rest: dict[str, Any] = {name: value for name, value in fields.items() if name != "extra_content"}
    returns = seal.form == EXTRA_CONTENT and may_return(seal, ORIGIN, target.provider)
    if returns and (extra := native_extra(seal)) is not None:
        return Raw(msgspec.json.encode({**rest, "extra_content": extra}))
    ledger.dropped("foreign_reasoning", f"{path}.extra_content", RAW_LOSSES["foreign_reasoning"].meaning)
    return Raw(msgspec.json.encode(rest))
