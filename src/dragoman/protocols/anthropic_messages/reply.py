"""Whole replies, both ways. https://platform.claude.com/docs/en/api/messages/create#response."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple, assert_never

import msgspec
from msgspec import Raw

from dragoman.codec import Audience, LossNote, Source
from dragoman.ir.failures import DragomanError, UpstreamProtocolError
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Finish, Reply, Usage
from dragoman.ir.request import (
    Audio,
    Block,
    Citation,
    Document,
    Extra,
    Foreign,
    Image,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
)
from dragoman.ir.seals import Seal
from dragoman.protocols.anthropic_messages import losses, sealing, usual
from dragoman.protocols.anthropic_messages import wire_replies as wire
from dragoman.protocols.anthropic_messages.errors import decode_failure
from dragoman.protocols.anthropic_messages.foreign import foreign
from dragoman.protocols.anthropic_messages.ids import ToolIds, message_id
from dragoman.protocols.anthropic_messages.request_blocks import to_citations
from dragoman.protocols.anthropic_messages.safeguards import with_results
from dragoman.protocols.anthropic_messages.wire import NAME, Tag
from dragoman.wire.arguments import as_object
from dragoman.wire.reading import UNREADABLE, check_text

_fields: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_usual: Final = msgspec.json.Decoder(usual.Message).decode
_said: Final = msgspec.json.Decoder(wire.SaidBlock).decode
_tag: Final = msgspec.json.Decoder(Tag).decode
_items: Final = msgspec.json.Decoder(list[Raw]).decode
_started: Final = msgspec.json.Decoder(wire.StartedMessage).decode
_ending: Final = msgspec.json.Decoder(wire.EndingDelta).decode

SAID_TYPES: Final = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})
KNOWN_FIELDS: Final = frozenset({"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"})
"""The fields of a message that the IR has; others are extras."""

_ERROR_FIELDS: Final = frozenset({"error", "errors", "detail", "message"})

FINISH: Final = {
    "end_turn": Finish.DONE,
    "max_tokens": Finish.LENGTH,
    "stop_sequence": Finish.STOP_SEQUENCE,
    "tool_use": Finish.TOOL_CALLS,
    "pause_turn": Finish.PAUSED,
    "refusal": Finish.REFUSAL,
    "model_context_window_exceeded": Finish.CONTEXT_FULL,
}
_STOP_REASONS: Final = {
    Finish.DONE: "end_turn",
    Finish.LENGTH: "max_tokens",
    Finish.TOOL_CALLS: "tool_use",
    Finish.STOP_SEQUENCE: "stop_sequence",
    Finish.REFUSAL: "refusal",
    Finish.FILTERED: "refusal",
    Finish.PAUSED: "pause_turn",
    Finish.CONTEXT_FULL: "model_context_window_exceeded",
}


# From an upstream -----------------------------------------------------------------------------------------------------


def decode_reply(body: bytes, source: Source) -> Reply:
    """Return the reply that `body` is. Raises DragomanError when it is an error or none at all."""
    try:
        message = _usual(body)
        check_text(body)
    except UNREADABLE:
        return _decode_parts(body, source)
    return Reply(
        message.id,
        message.model,
        tuple([to_block(block, source) for block in message.content]),
        FINISH.get(message.stop_reason or "", Finish.DONE),
        to_usage(message.usage),
        message.stop_reason,
        message.stop_sequence,
    )


def _decode_parts(body: bytes, source: Source) -> Reply:
    """Return the reply, read a part at a time: there is something in it that the IR does not have, or it is none."""
    try:
        fields = _fields(body)
        check_text(body)
    except msgspec.ValidationError:
        raise UpstreamProtocolError("the upstream's reply is no JSON object") from None
    except UNREADABLE:
        raise DragomanError(decode_failure(200, {}, body)) from None
    if "content" not in fields:
        if fields.keys() & _ERROR_FIELDS:
            raise DragomanError(decode_failure(200, {}, body))
        raise UpstreamProtocolError("the upstream's reply has no `content`")
    try:
        start, ending = _started(body), _ending(body)
        blocks = tuple(said_block(raw, source) for raw in _items(fields["content"]))
    except UNREADABLE as error:
        raise UpstreamProtocolError(f"the upstream's reply could not be read: {error}") from None
    return Reply(
        start.id,
        start.model,
        blocks,
        FINISH.get(ending.stop_reason or "", Finish.DONE),
        to_usage(start.usage),
        ending.stop_reason,
        ending.stop_sequence,
        extras_of(fields),
    )


def said_block(raw: Raw, source: Source) -> Block:
    """Return one whole block of a reply."""
    kind = _tag(raw).type
    return to_block(_said(raw), source) if kind in SAID_TYPES else foreign(kind, raw)


def to_block(block: wire.SaidBlock, source: Source) -> Block:
    """Return the IR's block."""
    match block:
        case wire.SaidText(text, citations):
            return Text(text, to_citations(citations))
        case wire.SaidToolUse(id, name, arguments):
            return ToolCall(id, name, str(arguments, "utf-8") if isinstance(arguments, Raw) else "{}")
        case wire.SaidThinking(thinking, signature):
            return Reasoning((thinking,) if thinking else (), seal=sealing.issued(signature or "", source))
        case wire.SaidRedacted(data):
            return Reasoning(is_redacted=True, seal=sealing.issued(data, source, sealing.REDACTED))
        case _:
            assert_never(block)


def extras_of(fields: dict[str, Raw], known: frozenset[str] = KNOWN_FIELDS) -> tuple[Extra, ...]:
    """Return the fields of a message that only Anthropic has."""
    return tuple(
        Extra(NAME, name, value) for name, value in fields.items() if name not in known and bytes(value) != b"null"
    )


def to_usage(counts: wire.UsageCounts | None) -> Usage:
    """Return the tokens that were counted."""
    if counts is None:
        return Usage()
    created, details = counts.cache_creation, counts.output_tokens_details
    return Usage(
        counts.input_tokens,
        counts.cache_read_input_tokens,
        counts.cache_creation_input_tokens,
        counts.output_tokens,
        details.thinking_tokens if details else None,
        created.ephemeral_1h_input_tokens if created else None,
    )


# To a client ----------------------------------------------------------------------------------------------------------


def encode_reply(reply: Reply, audience: Audience) -> bytes:
    """Return the reply as the client gets it, with the model name that it asked for."""
    ids = ToolIds(audience.new_id)
    content: list[dict[str, Any] | Raw] = []
    has_calls = False
    for place, block in enumerate(reply.blocks):
        has_calls = has_calls or is_for_client(block)
        content += encode_said(block, ids, Losing(audience.ledger, place))
    message: dict[str, Any] = {
        "id": message_id(reply.id, audience.new_id),
        "type": "message",
        "role": "assistant",
        "model": audience.model,
        "content": content,
        "stop_reason": stop_reason(reply.finish, audience.ledger, has_calls=has_calls),
        "stop_sequence": reply.stop_sequence,
        "usage": whole_usage(reply.usage, audience.input_tokens),
    }
    for extra in with_results(own(reply.extras), audience.request):
        message[extra.name] = extra.value
    return msgspec.json.encode(message)


def own(extras: Iterable[Extra]) -> list[Extra]:
    """Return the extras that came from this protocol."""
    return [extra for extra in extras if extra.origin == NAME and extra.name not in KNOWN_FIELDS]


def is_for_client(block: Block) -> bool:
    """Tell whether a block is a call for the client to run."""
    return isinstance(block, ToolCall) and block.kind is not ToolKind.HOSTED


def stop_reason(finish: Finish, ledger: Ledger, *, has_calls: bool) -> str:
    """Return why the message ended. Clients act on `tool_use`: it is said when there are calls, and only then."""
    if finish is Finish.FILTERED:
        losses.REPLY_FILTERED.once(ledger, "reply.finish")
    if has_calls and finish is Finish.DONE:
        finish = Finish.TOOL_CALLS
    elif not has_calls and finish is Finish.TOOL_CALLS:
        finish = Finish.DONE
    return _STOP_REASONS[finish]


class Losing(NamedTuple):
    """Where a block of a reply stands, and the ledger for what it loses."""

    ledger: Ledger
    place: int

    def note(self, loss: LossNote) -> None:
        """Record that the block loses something."""
        loss.once(self.ledger, f"reply.content[{self.place}]")


def encode_said(block: Block, ids: ToolIds, losing: Losing) -> list[dict[str, Any] | Raw]:
    """Return the blocks that stand for `block`: one, none when there is nothing to say, two when a call has a seal."""
    match block:
        case Text(text, citations, seal=seal):
            if seal is not None:
                losing.note(losses.REPLY_SEAL)
            written: dict[str, Any] = {"type": "text", "text": text}
            if not citations:
                return [written]
            cited = [shown for citation in citations if (shown := encode_citation(citation, losing)) is not None]
            return [{**written, "citations": cited} if cited else written]
        case Refusal(text):
            losing.note(losses.REPLY_REFUSAL)
            return [{"type": "text", "text": text}]
        case Reasoning(seal=seal) if sealing.is_redacted(block):
            return [{"type": "redacted_thinking", "data": sealing.shown(seal)}] if seal else []
        case Reasoning(seal=seal):
            return [{"type": "thinking", "thinking": block.text, "signature": sealing.shown(seal) if seal else ""}]
        case ToolCall(kind=ToolKind.HOSTED):
            losing.note(losses.REPLY_HOSTED_CALL)
            return []
        case ToolCall(id, name, arguments, kind, seal=seal):
            note_call(block, losing)
            given = (
                Raw(msgspec.json.encode({"input": arguments})) if kind is ToolKind.CUSTOM else as_object(arguments)[0]
            )
            call = {"type": "tool_use", "id": ids.issue(id), "name": name, "input": given}
            return [_carrier(seal), call] if seal else [call]
        case Foreign(origin=origin, raw=raw) if origin == NAME:
            return [raw]
        case Foreign():
            instead = said_instead(block, losing)
            return [{"type": "text", "text": instead}] if instead else []
        case Image():
            losing.note(losses.REPLY_IMAGE)
            return [{"type": "text", "text": IMAGE_NOTE}]
        case Document() | Audio() | ToolResult():
            raise ValueError(f"a reply has no `{type(block).__name__}`")
        case _:
            assert_never(block)


def note_call(call: ToolCall, losing: Losing) -> None:
    """Record what a client's call loses."""
    if call.namespace is not None:
        losing.note(losses.REPLY_NAMESPACE)
    if call.kind is ToolKind.CUSTOM:
        losing.note(losses.REPLY_CUSTOM_CALL)


def said_instead(block: Foreign, losing: Losing) -> str | None:
    """Return the text that stands for a block of another protocol."""
    if block.search is not None:
        losing.note(losses.REPLY_SEARCH)
        return None
    losing.note(losses.REPLY_FOREIGN if block.text else losses.REPLY_FOREIGN_DROPPED)
    return block.text


def encode_citation(citation: Citation, losing: Losing) -> Raw | None:
    """Return a citation as the client gets it: of another protocol only the page, if it is one.

    The page's `encrypted_index` is ours, so that no upstream gets to see it as its own.
    """
    if citation.origin == NAME:
        return citation.raw
    if citation.url is None:
        losing.note(losses.REPLY_CITATIONS)
        return None
    return Raw(
        msgspec.json.encode(
            {
                "type": "web_search_result_location",
                "cited_text": "",
                "url": citation.url,
                "title": citation.title,
                "encrypted_index": sealing.shown_citation(citation),
            }
        )
    )


IMAGE_NOTE: Final = "[The model made an image, which Anthropic Messages cannot carry.]"


def _carrier(seal: Seal) -> dict[str, Any]:
    """Return the empty thought that takes a call's seal to the client and back: `tool_use` has no field for it."""
    return {"type": "thinking", "thinking": "", "signature": sealing.shown(seal)}


def whole_usage(usage: Usage, estimate: int) -> dict[str, Any]:
    """Return the usage of a whole message, or of its start: clients need integers throughout."""
    counts = final_usage(usage, estimate)
    if usage.cache_write_1h is not None:
        in_five_minutes = max(0, (usage.cache_write or 0) - usage.cache_write_1h)
        counts["cache_creation"] = {
            "ephemeral_5m_input_tokens": in_five_minutes,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        }
    return counts


def final_usage(usage: Usage, estimate: int) -> dict[str, Any]:
    """Return the usage at a stream's end. `estimate` stands for the input when the upstream did not count it."""
    counts: dict[str, Any] = {
        "input_tokens": estimate if usage.input_tokens is None else usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_write or 0,
        "cache_read_input_tokens": usage.cache_read or 0,
        "output_tokens": usage.output_tokens or 0,
    }
    if usage.reasoning is not None:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return counts
