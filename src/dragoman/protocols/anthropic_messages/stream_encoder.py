"""Streamed replies from the IR to the wire: one open block at a time, in a row without gaps.

https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from collections.abc import Sequence
from typing import Any, Final, assert_never

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
from dragoman.ir.request import Foreign, Image, Reasoning, Refusal, Text, ToolCall, ToolKind
from dragoman.ir.seals import Seal
from dragoman.protocols.anthropic_messages import losses, sealing
from dragoman.protocols.anthropic_messages.errors import encode_failure_event
from dragoman.protocols.anthropic_messages.ids import ToolIds, message_id
from dragoman.protocols.anthropic_messages.reply import (
    IMAGE_NOTE,
    Losing,
    encode_citation,
    final_usage,
    note_call,
    own,
    said_instead,
    stop_reason,
    whole_usage,
)
from dragoman.protocols.anthropic_messages.safeguards import with_results
from dragoman.protocols.anthropic_messages.wire import NAME
from dragoman.wire.arguments import compact

HEARTBEAT: Final = b'event: ping\ndata: {"type":"ping"}\n\n'

_json: Final = msgspec.json.encode
_STOP: Final = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_DELTA: Final = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":'
_DELTA_END: Final = b"}}\n\n"
_EMPTY_TEXT: Final = b'{"type":"text","text":""}'
_EMPTY_THINKING: Final = b'{"type":"thinking","thinking":"","signature":""}'

_TOP_LEVEL: Final = frozenset({"context_management", "input_transformations"})
"""Extras that stand beside the `delta` of `message_delta`, not in it."""

_BlockEvent = BlockStart | TextDelta | ReasoningDelta | ArgumentsDelta | SealDelta | CitationDelta | BlockEnd


class _Open:
    """The block that is being written. `head` is the delta's beginning, up to its text."""

    __slots__ = ("head", "index", "is_custom", "is_hosted", "is_thinking", "is_written", "part", "seal", "wire_index")

    def __init__(self, index: int, wire_index: int) -> None:
        self.index = index
        self.wire_index = wire_index
        self.head = b""
        self.is_written = False
        self.is_thinking = False
        self.is_custom = False
        self.is_hosted = False
        self.part = 0
        self.seal: Seal | None = None


class MessageEncoder:
    """Writes one message. The first open block streams; what belongs to later ones waits until it closes."""

    __slots__ = ("_audience", "_current", "_has_calls", "_ids", "_next", "_start_usage", "_waiting")

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self._ids = ToolIds(audience.new_id)
        self._current: _Open | None = None
        self._waiting: dict[int, list[_BlockEvent]] = {}
        self._next = 0
        self._has_calls = False
        self._start_usage = Usage()

    def feed(self, batch: Sequence[Event]) -> bytes:
        """Return what the client gets for these events."""
        out: list[bytes] = []
        for event in batch:
            current = self._current
            # Most events are more words of the block that is being written.
            if type(event) is TextDelta and current is not None and event.index == current.index:
                out.append(b"%b%b}}\n\n" % (current.head, _json(event.text)))
            else:
                self._take(event, out)
        return b"".join(out)

    def flush(self) -> bytes:
        """Return nothing: the end is an event."""
        return b""

    def _take(self, event: Event, out: list[bytes]) -> None:
        match event:
            case TextDelta() | ReasoningDelta() | ArgumentsDelta() | SealDelta() | CitationDelta():
                current = self._current
                if current is not None and event.index == current.index:
                    self._continue(current, event, out)
                else:
                    self._waiting[event.index].append(event)
            case BlockStart():
                if self._current is None:
                    self._begin(event, out)
                else:
                    self._waiting[event.index] = [event]
            case BlockEnd():
                if self._current is not None and event.index == self._current.index:
                    self._close(self._current, out)
                    self._release(out)
                else:
                    self._waiting[event.index].append(event)
            case ReplyStart():
                out.append(self._start(event))
            case ReplyEnd():
                out.append(self._finish(event))
            case ReplyFailed(failure):
                out.append(encode_failure_event(failure, ""))
            case _:
                assert_never(event)

    def _release(self, out: list[bytes]) -> None:
        """Write the blocks that waited, up to the first that is still open."""
        while self._current is None and self._waiting:
            for event in self._waiting.pop(next(iter(self._waiting))):
                self._take(event, out)

    # --- blocks ---

    def _begin(self, event: BlockStart, out: list[bytes]) -> None:
        block = event.block
        current = self._current = _Open(event.index, self._next)
        match block:
            case Text(text) | Refusal(text):
                if isinstance(block, Refusal):
                    self._losing(event.index).note(losses.REPLY_REFUSAL)
                current.head = _DELTA % (self._next, b"text_delta", b"text")
                self._write(current, _EMPTY_TEXT, out)
                if text:
                    self._say(current, text, out)
            case Reasoning(seal=seal):
                current.seal = seal
                current.is_thinking = True
                current.head = _DELTA % (self._next, b"thinking_delta", b"thinking")
                if not sealing.is_redacted(block):
                    self._write(current, _EMPTY_THINKING, out)
                    if block.text:
                        self._say(current, block.text, out)
                elif seal is not None:
                    self._write_redacted(current, seal, out)
            case ToolCall(kind=ToolKind.HOSTED):
                current.is_hosted = True
                self._losing(event.index).note(losses.REPLY_HOSTED_CALL)
            case ToolCall():
                self._begin_call(current, block, out)
            case Foreign(origin=origin, raw=raw) if origin == NAME:
                self._write(current, compact(raw), out)
            case Foreign():
                if instead := said_instead(block, self._losing(event.index)):
                    self._write_text(current, instead, out)
            case Image():
                self._losing(event.index).note(losses.REPLY_IMAGE)
                self._write_text(current, IMAGE_NOTE, out)
            case _:
                assert_never(block)

    def _begin_call(self, current: _Open, block: ToolCall, out: list[bytes]) -> None:
        self._has_calls = True
        note_call(block, self._losing(current.index))
        if block.seal is not None:
            carrier = {"type": "thinking", "thinking": "", "signature": sealing.shown(block.seal)}
            self._write(current, _json(carrier), out)
            self._close_wire(current, out)
            current.wire_index = self._next
        current.head = _DELTA % (self._next, b"input_json_delta", b"partial_json")
        current.is_custom = block.kind is ToolKind.CUSTOM
        call = {"type": "tool_use", "id": self._ids.issue(block.id), "name": block.name, "input": {}}
        self._write(current, _json(call), out)
        if current.is_custom:
            self._say(current, '{"input":"', out)
        if block.arguments:
            self._say(current, _inner(block.arguments) if current.is_custom else block.arguments, out)

    def _continue(
        self,
        current: _Open,
        event: TextDelta | ReasoningDelta | ArgumentsDelta | SealDelta | CitationDelta,
        out: list[bytes],
    ) -> None:
        match event:
            case TextDelta(text=text):
                self._say(current, text, out)
            case ArgumentsDelta() if current.is_hosted:
                pass
            case ArgumentsDelta(text=text):
                self._say(current, _inner(text) if current.is_custom else text, out)
            case ReasoningDelta(text=text, part=part):
                if part != current.part:
                    current.part = part
                    text = f"\n\n{text}"
                self._say(current, text, out)
            case SealDelta(seal=seal):
                current.seal = seal
                if current.is_thinking and not current.is_written:
                    self._write_redacted(current, seal, out)
                elif not current.is_thinking:
                    self._losing(current.index).note(losses.REPLY_SEAL)
            case CitationDelta(citation=citation):
                shown = encode_citation(citation, self._losing(current.index))
                if shown is not None:
                    head = _DELTA % (current.wire_index, b"citations_delta", b"citation")
                    out.append(head + compact(shown) + _DELTA_END)
            case _:
                assert_never(event)

    def _say(self, current: _Open, text: str, out: list[bytes]) -> None:
        out.append(b"%b%b}}\n\n" % (current.head, _json(text)))

    def _write(self, current: _Open, block: bytes, out: list[bytes]) -> None:
        out.append(
            b'event: content_block_start\ndata: {"type":"content_block_start","index":%d,"content_block":%b}\n\n'
            % (current.wire_index, block)
        )
        current.is_written = True
        self._next += 1

    def _write_text(self, current: _Open, text: str, out: list[bytes]) -> None:
        current.head = _DELTA % (current.wire_index, b"text_delta", b"text")
        self._write(current, _EMPTY_TEXT, out)
        self._say(current, text, out)

    def _write_redacted(self, current: _Open, seal: Seal, out: list[bytes]) -> None:
        """The whole block is in its start: it cannot be written before its seal is known."""
        current.is_thinking = False
        self._write(current, _json({"type": "redacted_thinking", "data": sealing.shown(seal)}), out)

    def _losing(self, index: int) -> Losing:
        return Losing(self._audience.ledger, index)

    def _close(self, current: _Open, out: list[bytes]) -> None:
        self._current = None
        if not current.is_written:
            return
        if current.is_custom:
            self._say(current, '"}', out)
        if current.is_thinking and current.seal is not None and (signature := sealing.shown(current.seal)):
            head = _DELTA % (current.wire_index, b"signature_delta", b"signature")
            out.append(head + _json(signature) + _DELTA_END)
        self._close_wire(current, out)

    def _close_wire(self, current: _Open, out: list[bytes]) -> None:
        out.append(
            b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n' % current.wire_index
        )

    # --- the message ---

    def _start(self, event: ReplyStart) -> bytes:
        self._start_usage = event.usage
        message: dict[str, Any] = {
            "id": message_id(event.id, self._audience.new_id),
            "type": "message",
            "role": "assistant",
            "model": self._audience.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": whole_usage(event.usage, self._audience.input_tokens),
        }
        return b'event: message_start\ndata: {"type":"message_start","message":%b}\n\n' % _json(message)

    def _finish(self, event: ReplyEnd) -> bytes:
        delta: dict[str, Any] = {
            "stop_reason": stop_reason(event.finish, self._audience.ledger, has_calls=self._has_calls),
            "stop_sequence": event.stop_sequence,
        }
        ending: dict[str, Any] = {"type": "message_delta", "delta": delta}
        for extra in with_results(own(event.extras), self._audience.request):
            (ending if extra.name in _TOP_LEVEL else delta)[extra.name] = extra.value
        ending["usage"] = final_usage(self._start_usage.merged(event.usage), self._audience.input_tokens)
        return b"event: message_delta\ndata: %b\n\n%b" % (compact(_json(ending)), _STOP)


def _inner(text: str) -> str:
    """Return `text` as the inside of a JSON string."""
    return _json(text)[1:-1].decode()
