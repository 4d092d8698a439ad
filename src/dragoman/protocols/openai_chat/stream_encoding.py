"""Events to a client's stream.

https://platform.openai.com/docs/api-reference/chat/streaming

Chunks of one reply differ in little, so that most of each is written once: a chunk is a head, a JSON string and a tail. Several
tool calls may be open at once; their number counts calls, not blocks.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from dragoman.codec import Audience
from dragoman.ir.events import (
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    CitationDelta,
    Event,
    ReasoningDelta,
    ReplyEnd,
    ReplyFailed,
    ReplyStart,
    SealDelta,
    TextDelta,
)
from dragoman.ir.reply import Usage
from dragoman.ir.request import Citation, Foreign, Image, Reasoning, Refusal, Text, ToolCall, ToolKind
from dragoman.ir.seals import Seal
from dragoman.protocols.openai_chat import losses
from dragoman.protocols.openai_chat.endings import encode_finish, encode_usage
from dragoman.protocols.openai_chat.reasoning import call_extra, details_for_client
from dragoman.protocols.openai_chat.reply_encoding import (
    client_id,
    encode_citation,
    encode_picture,
    is_for_client,
    note_block,
    note_citation,
    visible_text,
)
from dragoman.vendors.openai.errors import encode_failure_event

_encode: Final = msgspec.json.Encoder().encode
_DONE: Final = b"data: [DONE]\n\n"
_PARAGRAPH: Final = "\n\n"


class _Thought:
    """A reasoning block while it leaves. Its text is kept only when the seal has to repeat it."""

    __slots__ = ("has_text", "head", "part", "repeats_text", "seal", "text")

    def __init__(self, head: Reasoning, *, repeats_text: bool) -> None:
        self.head = head
        self.part = 0
        self.has_text = False
        self.repeats_text = repeats_text
        self.seal: Seal | None = head.seal
        self.text: list[str] = []


class _OpenCall:
    """A tool call while it leaves: the bytes round each fragment of its arguments."""

    __slots__ = ("head", "is_silent", "number", "seal", "tail")

    def __init__(self, number: int, head: bytes, tail: bytes, *, is_silent: bool) -> None:
        self.number = number
        self.head = head
        self.tail = tail
        self.is_silent = is_silent
        self.seal: Seal | None = None


class ChatStreamEncoder:
    """Writes one reply for one client."""

    __slots__ = (
        "_audience",
        "_calls",
        "_citations",
        "_delta_tail",
        "_details",
        "_has_refusal",
        "_has_thought",
        "_head",
        "_next_call",
        "_text_heads",
        "_thoughts",
        "_thoughts_seen",
        "_usage",
    )

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self._head = b""
        # OpenAI's own: every chunk but the last has a null usage when usage was asked for.
        self._delta_tail = b'},"finish_reason":null}]%b}\n\n' % (b',"usage":null' if audience.wants_usage else b"")
        self._text_heads: dict[int, bytes] = {}
        self._calls: dict[int, _OpenCall] = {}
        self._thoughts: dict[int, _Thought] = {}
        self._next_call = 0
        self._citations = 0
        self._details = 0
        self._thoughts_seen = 0
        self._has_thought = False
        self._has_refusal = False
        self._usage = Usage()

    def feed(self, batch: Sequence[Event]) -> bytes:
        """Return the chunks that say `batch`."""
        heads, tail = self._text_heads, self._delta_tail
        out: list[bytes] = []
        for event in batch:
            # Most events are more words.
            if type(event) is TextDelta:
                out += (heads[event.index], _encode(event.text), tail)
            else:
                out.append(self._write(event))
        return b"".join(out)

    def flush(self) -> bytes:
        """Return nothing: every event has left in the step it came in."""
        return b""

    def _write(self, event: Event) -> bytes:
        match event:
            case TextDelta(index, text):
                return self._text_heads[index] + _encode(text) + self._delta_tail
            case ArgumentsDelta(index, text):
                return self._write_arguments(index, text)
            case ReasoningDelta():
                return self._write_thought(event)
            case BlockStart(index, block):
                return self._begin(index, block)
            case BlockEnd(index):
                return self._finish_block(index)
            case SealDelta(index, seal):
                return self._keep_seal(index, seal)
            case CitationDelta(index, citation):
                return self._write_citation(index, citation)
            case ReplyStart():
                return self._start(event)
            case ReplyEnd():
                return self._finish(event)
            case ReplyFailed(failure):
                return encode_failure_event(failure)

    def _delta(self, fields: bytes) -> bytes:
        return self._head + fields + self._delta_tail

    # The reply

    def _start(self, start: ReplyStart) -> bytes:
        audience = self._audience
        self._usage = start.usage
        self._head = (
            b'data: {"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,"choices":[{"index":0,"delta":{'
            % (
                _encode(client_id(start.id, audience)),
                audience.created,
                _encode(audience.model),
            )
        )
        return self._delta(b'"role":"assistant","content":null')

    def _finish(self, end: ReplyEnd) -> bytes:
        word = encode_finish(
            end.finish, self._audience.ledger, has_calls=self._next_call > 0, has_refusal=self._has_refusal
        )
        tail = self._delta_tail.replace(b"null", b'"%b"' % word.encode(), 1)
        if not self._audience.wants_usage:
            return self._head + tail + _DONE
        usage = _encode(encode_usage(self._usage.merged(end.usage)))
        figures = self._head.replace(b'"choices":[{"index":0,"delta":{', b'"choices":[],"usage":%b}\n\n' % usage)
        return self._head + tail + figures + _DONE

    # Blocks

    def _begin(self, index: int, block: Text | Reasoning | ToolCall | Refusal | Foreign | Image) -> bytes:
        note_block(block, self._audience.ledger, index)
        match block:
            case Text(text=text, citations=citations):
                self._text_heads[index] = head = self._head + b'"content":'
                written = head + _encode(text) + self._delta_tail if text else b""
                return written + b"".join(self._write_citation(index, citation) for citation in citations)
            case Refusal(text=text):
                self._has_refusal = True
                self._text_heads[index] = head = self._head + b'"refusal":'
                return head + _encode(text) + self._delta_tail if text else b""
            case Reasoning():
                return self._begin_thought(index, block)
            case ToolCall():
                return self._begin_call(index, block) if is_for_client(block) else b""
            case Foreign():
                text = visible_text(block)
                return self._delta(b'"content":' + _encode(text)) if text else b""
            case Image():
                return self._delta(b'"images":' + _encode([encode_picture(block)]))

    def _finish_block(self, index: int) -> bytes:
        if index in self._calls:
            return self._finish_call(self._calls.pop(index))
        if index in self._thoughts:
            return self._finish_thought(self._thoughts.pop(index))
        return b""

    def _keep_seal(self, index: int, seal: Seal) -> bytes:
        """Keep the seal of a call or a thought for its end. Chat has no place for one of a text."""
        carrier = self._calls.get(index) or self._thoughts.get(index)
        if carrier is not None:
            carrier.seal = seal
        else:
            losses.REPLY_SEAL.once(self._audience.ledger, f"reply.content[{index}]")
        return b""

    def _write_citation(self, index: int, citation: Citation) -> bytes:
        ledger = self._audience.ledger
        if not note_citation(citation, ledger, index):
            return b""
        if citation.start is None:
            losses.REPLY_CITED_PLACE.once(ledger, f"reply.content[{index}]")
        annotation = encode_citation(citation, self._citations)
        self._citations += 1
        return self._delta(b'"annotations":' + _encode([annotation]))

    # Reasoning

    def _begin_thought(self, index: int, block: Reasoning) -> bytes:
        # The first block's text need not be repeated beside its seal: the client has it from the deltas.
        self._thoughts[index] = _Thought(block, repeats_text=self._thoughts_seen > 0)
        self._thoughts_seen += 1
        parts = (ReasoningDelta(index, text, part) for part, text in enumerate(block.parts))
        return b"".join(map(self._write_thought, parts))

    def _write_thought(self, delta: ReasoningDelta) -> bytes:
        thought = self._thoughts[delta.index]
        text = delta.text
        if delta.part > thought.part:
            text = _PARAGRAPH * (delta.part - thought.part) + text
            thought.part = delta.part
        if not text:
            return b""
        if thought.repeats_text:
            thought.text.append(text)
        if not thought.has_text:
            thought.has_text = True
            if self._has_thought:
                text = _PARAGRAPH + text
            self._has_thought = True
        return self._head + b'"reasoning_content":' + _encode(text) + self._delta_tail

    def _finish_thought(self, thought: _Thought) -> bytes:
        """Return the details that carry the block's seal, if any are needed."""
        head = thought.head
        text = "".join(thought.text)
        whole = Reasoning((text,) if text else (), head.is_summary, head.is_redacted, thought.seal)
        details = details_for_client(whole, self._details, repeats_text=thought.repeats_text)
        self._details += len(details)
        return self._delta(b'"reasoning_details":' + _encode(details)) if details else b""

    # Calls

    def _begin_call(self, index: int, block: ToolCall) -> bytes:
        number = self._next_call
        self._next_call += 1
        kind, field = (b"custom", b"input") if block.kind is ToolKind.CUSTOM else (b"function", b"arguments")
        call = _OpenCall(
            number,
            b'%b"tool_calls":[{"index":%d,"%b":{"%b":' % (self._head, number, kind, field),
            b"}}]" + self._delta_tail,
            is_silent=block.kind is not ToolKind.CUSTOM and not block.arguments,
        )
        call.seal = block.seal
        self._calls[index] = call
        return self._delta(
            b'"tool_calls":[{"index":%d,"id":%b,"type":"%b","%b":{"name":%b,"%b":%b}}]'
            % (number, _encode(block.id), kind, kind, _encode(block.name), field, _encode(block.arguments))
        )

    def _write_arguments(self, index: int, text: str) -> bytes:
        call = self._calls.get(index)
        if call is None or not text:
            return b""
        call.is_silent = False
        return call.head + _encode(text) + call.tail

    def _finish_call(self, call: _OpenCall) -> bytes:
        """Return what a call still lacks: arguments, if it has none, and its seal."""
        if call.seal is None:
            return call.head + b'"{}"' + call.tail if call.is_silent else b""
        rest = b'"{}"}' if call.is_silent else b'""}'
        return self._delta(
            call.head[len(self._head) :] + rest + b',"extra_content":%b}]' % bytes(call_extra(call.seal))
        )
