"""Streamed replies from the wire to the IR. https://platform.claude.com/docs/en/build-with-claude/streaming."""

from collections.abc import Sequence
from typing import Final, assert_never

import msgspec
from msgspec import Raw

from dragoman.codec import NOTHING_MORE, Source
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
from dragoman.ir.failures import UpstreamProtocolError
from dragoman.ir.reply import Finish, Usage
from dragoman.ir.request import Extra, Foreign, Reasoning, Text, ToolCall
from dragoman.protocols.anthropic_messages import sealing, usual
from dragoman.protocols.anthropic_messages import wire_replies as wire
from dragoman.protocols.anthropic_messages.errors import failure_of
from dragoman.protocols.anthropic_messages.foreign import foreign
from dragoman.protocols.anthropic_messages.reply import FINISH, SAID_TYPES, extras_of, to_usage
from dragoman.protocols.anthropic_messages.request_blocks import to_citation
from dragoman.protocols.anthropic_messages.wire import Tag
from dragoman.wire.arguments import is_object
from dragoman.wire.likeness import Likeness
from dragoman.wire.sse import Frame

_usual: Final = msgspec.json.Decoder(usual.StreamEvent).decode
_any: Final = msgspec.json.Decoder(wire.StreamEvent).decode
_fields: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_tag: Final = msgspec.json.Decoder(Tag).decode
_started: Final = msgspec.json.Decoder(wire.StartedMessage).decode
_ending: Final = msgspec.json.Decoder(wire.EndingDelta).decode
_said: Final = msgspec.json.Decoder(wire.SaidBlock).decode

_DONE: Final = b"[DONE]"
_OPENING: Final = b"event: content_block_delta\ndata: "
_EVENT_TYPES: Final = frozenset(
    {
        "content_block_delta",
        "content_block_start",
        "content_block_stop",
        "message_start",
        "message_delta",
        "message_stop",
        "ping",
        "error",
    }
)
_DELTA_TYPES: Final = frozenset(
    {"text_delta", "input_json_delta", "thinking_delta", "signature_delta", "citations_delta", "compaction_delta"}
)
_DELTA_FIELDS: Final = frozenset({"type", "delta", "usage"})


class _Call:
    """A tool call that is open: its fragments are kept until it is known that they are whole."""

    __slots__ = ("given", "index", "parts")

    def __init__(self, index: int, given: Raw | msgspec.UnsetType) -> None:
        self.index = index
        self.given = str(given, "utf-8") if isinstance(given, Raw) else "{}"
        self.parts: list[str] = []


class _Held:
    """A block of Anthropic's own that is held until it is whole."""

    __slots__ = ("compaction", "kind", "parts", "raw")

    def __init__(self, kind: str, raw: Raw) -> None:
        self.kind = kind
        self.raw = raw
        self.parts: list[str] = []
        self.compaction: wire.CompactionDelta | None = None

    def whole(self) -> Foreign:
        changes: dict[str, Raw] = {}
        arguments = "".join(self.parts)
        if arguments:
            changes["input"] = Raw(arguments.encode())
        if self.compaction is not None:
            said = msgspec.structs.asdict(self.compaction)
            changes |= {name: Raw(msgspec.json.encode(text)) for name, text in said.items() if text is not None}
        raw = Raw(msgspec.json.encode(_fields(self.raw) | changes)) if changes else self.raw
        return foreign(self.kind, raw)


class MessageDecoder:
    """Reads the events of one message; what is open is known by the wire's index, and numbered anew for the IR."""

    __slots__ = (
        "_ending",
        "_extras",
        "_id",
        "_is_done",
        "_likeness",
        "_next",
        "_open",
        "_said",
        "_source",
        "_unsigned",
        "_usage",
    )

    def __init__(self, source: Source) -> None:
        self._source = source
        self._id: str | None = None
        self._open: dict[int, int | _Call | _Held] = {}
        self._next = 0
        self._unsigned: set[int] = set()
        self._usage = Usage()
        self._extras: dict[str, Extra] = {}
        self._ending: usual.Ending | wire.EndingDelta | None = None
        self._is_done = False
        self._said: TextDelta | ReasoningDelta | None = None
        """The last words of the open block, if it goes on as it has: `_likeness` reads the next ones."""
        self._likeness = Likeness(_words_alone, _OPENING)

    def feed(self, frame: Frame) -> Sequence[Event]:
        """Return the events that `frame` brings. What comes behind the end is not looked at: some servers add a price."""
        if self._is_done:
            return ()
        said = self._said
        if said is not None and (text := self._likeness.read(frame.data)):
            return (type(said)(said.index, text),)
        try:
            event = _event(frame.data)
        except msgspec.ValidationError as error:
            return _unknown(frame.data, error)
        except msgspec.DecodeError:
            if frame.data == _DONE:
                return ()
            raise
        match event:
            case wire.ContentBlockDelta(index, delta):
                events = self._continue(index, delta)
                if events:
                    self._learn(frame.data, events[0])
                return events
            case usual.ContentBlockStart(index, block):
                return self._open_said(index, block)
            case wire.ContentBlockStop(index):
                return self._close(self._open.pop(index)) if index in self._open else ()
            case wire.Ping():
                return ()
            case usual.MessageStart(message):
                return self._start(message)
            case usual.MessageDelta(delta, usage):
                return self._finish(delta, usage)
            case wire.MessageStop():
                return self._stop()
            case wire.ErrorEvent():
                self._is_done = True
                return (ReplyFailed(failure_of(msgspec.json.decode(frame.data))),)
            case _:
                return self._take_parts(event, frame.data)

    def _take_parts(
        self, event: wire.MessageStart | wire.ContentBlockStart | wire.MessageDelta, data: bytes
    ) -> Sequence[Event]:
        """Take an event with more in it than usual: fields that only Anthropic has, a block of its own."""
        match event:
            case wire.MessageStart(raw):
                self._keep(extras_of(_fields(raw)))
                return self._start(_started(raw))
            case wire.ContentBlockStart(index, raw):
                return self._begin(index, raw)
            case wire.MessageDelta(raw, usage):
                self._keep(extras_of(_fields(data), _DELTA_FIELDS))
                self._keep(extras_of(_fields(raw)))
                return self._finish(_ending(raw), usage)
            case _:
                assert_never(event)

    def go_on(self, packet: bytes) -> tuple[Sequence[Event], int]:
        """Return the deltas with which `packet` goes on like the last event, and how many bytes they are."""
        said = self._said
        if said is None or self._is_done:
            return NOTHING_MORE
        texts, size = self._likeness.read_all(packet)
        kind, index = type(said), said.index
        return [kind(index, text) for text in texts], size

    def _learn(self, data: bytes, event: Event) -> None:
        if isinstance(event, TextDelta | ReasoningDelta):
            if type(event) is not type(self._said) or event.index != self._said.index:
                self._likeness = Likeness(_words_alone, _OPENING)
            self._said = event
            self._likeness.learn(data, event.text)

    def flush(self) -> Sequence[Event]:
        """Return the end of a message whose reason to stop was told, although `message_stop` is missing."""
        if self._is_done or self._ending is None or self._ending.stop_reason is None:
            return ()
        return self._stop()

    def _start(self, message: usual.Started | wire.StartedMessage) -> Sequence[Event]:
        if self._id is not None:
            if message.id == self._id:
                return ()
            raise UpstreamProtocolError(f"the upstream began message `{message.id}` inside message `{self._id}`")
        self._id = message.id
        self._usage = to_usage(message.usage)
        return (ReplyStart(message.id, message.model, self._usage),)

    def _begin(self, wire_index: int, raw: Raw) -> Sequence[Event]:
        kind = _tag(raw).type
        if kind in SAID_TYPES:
            return self._open_said(wire_index, _said(raw))
        self._refuse_open(wire_index)
        self._open[wire_index] = _Held(kind, raw)
        return ()

    def _refuse_open(self, wire_index: int) -> None:
        if wire_index in self._open:
            raise UpstreamProtocolError(f"the upstream opened content block {wire_index} twice")

    def _open_said(self, wire_index: int, block: wire.SaidBlock) -> Sequence[Event]:
        self._refuse_open(wire_index)
        index = self._next
        self._next += 1
        self._open[wire_index] = index
        match block:
            case wire.SaidText(text, citations):
                start: list[Event] = [BlockStart(index, Text(""))]
                if text:
                    start.append(TextDelta(index, text))
                start += [CitationDelta(index, to_citation(citation)) for citation in citations or ()]
                return start
            case wire.SaidToolUse(id, name, given):
                self._open[wire_index] = _Call(index, given)
                return (BlockStart(index, ToolCall(id, name, "")),)
            case wire.SaidThinking(thinking, signature):
                start = [BlockStart(index, Reasoning())]
                if thinking:
                    start.append(ReasoningDelta(index, thinking))
                if signature:
                    start.append(SealDelta(index, sealing.issued(signature, self._source)))
                else:
                    self._unsigned.add(index)
                return start
            case wire.SaidRedacted(data):
                seal = sealing.issued(data, self._source, sealing.REDACTED)
                return (BlockStart(index, Reasoning(is_redacted=True)), SealDelta(index, seal))
            case _:
                assert_never(block)

    def _continue(self, wire_index: int, delta: wire.BlockDelta) -> Sequence[Event]:
        block = self._open.get(wire_index)
        if block is None:
            raise UpstreamProtocolError(f"the upstream continued content block {wire_index}, which is not open")
        if isinstance(block, int):
            return self._say(block, delta)
        match delta:
            case wire.InputJsonDelta(fragment):
                block.parts.append(fragment)
                return (ArgumentsDelta(block.index, fragment),) if isinstance(block, _Call) and fragment else ()
            case wire.CompactionDelta() if isinstance(block, _Held):
                block.compaction = delta
            case _:
                pass
        return ()

    def _say(self, index: int, delta: wire.BlockDelta) -> Sequence[Event]:
        match delta:
            case wire.TextDelta(text):
                return (TextDelta(index, text),) if text else ()
            case wire.ThinkingDelta(thinking):
                return (ReasoningDelta(index, thinking),) if thinking else ()
            case wire.SignatureDelta(signature):
                return self._sign(index, signature) if signature else ()
            case wire.CitationsDelta(citation):
                return (CitationDelta(index, to_citation(citation)),)
            case wire.InputJsonDelta() | wire.CompactionDelta():
                raise UpstreamProtocolError(f"the upstream sent a `{type(delta).__name__}` for text or thinking")
            case _:
                assert_never(delta)

    def _sign(self, index: int, signature: str) -> Sequence[Event]:
        self._unsigned.discard(index)
        return (SealDelta(index, sealing.issued(signature, self._source)),)

    def _close(self, block: int | _Call | _Held) -> list[Event]:
        self._said = None
        if isinstance(block, int):
            # Thought that nobody signed (other vendors' servers) goes back to where it came from all the same.
            return [*(self._sign(block, "") if block in self._unsigned else ()), BlockEnd(block)]
        if isinstance(block, _Call):
            given: list[Event] = [] if any(block.parts) else [ArgumentsDelta(block.index, block.given)]
            return [*given, BlockEnd(block.index)]
        index = self._next
        self._next += 1
        return [BlockStart(index, block.whole()), BlockEnd(index)]

    def _finish(self, ending: usual.Ending | wire.EndingDelta, usage: wire.UsageCounts | None) -> list[Event]:
        """The reason to stop and the final figures; blocks whose end the upstream forgot end here."""
        self._usage = self._usage.merged(to_usage(usage))
        if ending.stop_reason is None and self._ending is not None:
            return []
        self._ending = ending
        return [] if ending.stop_reason is None else self._close_all()

    def _close_all(self) -> list[Event]:
        events: list[Event] = []
        for wire_index, block in self._open.items():
            if isinstance(block, _Call) and any(block.parts) and not is_object("".join(block.parts)):
                raise UpstreamProtocolError(f"the upstream ended inside the tool call of content block {wire_index}")
            events += self._close(block)
        self._open.clear()
        return events

    def _stop(self) -> list[Event]:
        ending = self._ending or usual.Ending()
        if self._open and ending.stop_reason is None:
            raise UpstreamProtocolError("the upstream ended the message inside a content block")
        events = self._close_all()
        self._is_done = True
        events.append(
            ReplyEnd(
                FINISH.get(ending.stop_reason or "", Finish.DONE),
                self._usage,
                ending.stop_reason,
                ending.stop_sequence,
                tuple(self._extras.values()),
            )
        )
        return events

    def _keep(self, extras: tuple[Extra, ...]) -> None:
        self._extras.update((extra.name, extra) for extra in extras)


def _event(data: bytes) -> usual.StreamEvent | wire.StreamEvent:
    event: usual.StreamEvent | wire.StreamEvent
    try:
        event = _usual(data)
    except msgspec.ValidationError:
        event = _any(data)
    return event


def _words_alone(data: bytes) -> str | None:
    """Return the words of an event that is nothing but more of a text or a thought."""
    match _event(data):
        case wire.ContentBlockDelta(delta=wire.TextDelta(text) | wire.ThinkingDelta(text)):
            return text
        case _:
            return None


def _unknown(data: bytes, error: msgspec.ValidationError) -> Sequence[Event]:
    """Skip an event or a delta of a type that is new (https://platform.claude.com/docs/en/api/versioning)."""
    match msgspec.json.decode(data):
        case {"type": str(kind)} if kind not in _EVENT_TYPES:
            return ()
        case {"delta": {"type": str(kind)}} if kind not in _DELTA_TYPES:
            return ()
        case {"error": _} as failed if "type" not in failed:
            return (ReplyFailed(failure_of(failed)),)
        case _:
            raise UpstreamProtocolError(f"the upstream's stream broke its protocol: {error}")
