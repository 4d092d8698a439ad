"""An upstream's stream to events.

https://platform.openai.com/docs/api-reference/chat/streaming

What servers differ in is met by rules, not by names: a call is known by its id, then by its index; it opens when id and name are
there; nothing ends before the stream does, because a finished-looking argument may go on and the usage comes last.
"""

from collections.abc import Sequence
from typing import Final

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
from dragoman.ir.reply import Finish, Usage
from dragoman.ir.request import Reasoning, Refusal, Text, ToolCall, ToolKind
from dragoman.ir.seals import Seal
from dragoman.protocols.openai_chat.deltas import chunk_of, is_only_calls, text_alone, thought_alone
from dragoman.protocols.openai_chat.endings import decode_finish, decode_usage, interruption
from dragoman.protocols.openai_chat.reasoning import Detail, details_in, merged
from dragoman.protocols.openai_chat.reply_decoding import (
    arguments_of,
    call_seal,
    decode_citation,
    decode_picture,
    is_custom,
    is_redacted,
    made_up_id,
    readable_reasoning,
    refusal_of,
    require_name,
    seal_for,
    text_of_content,
)
from dragoman.protocols.openai_chat.wire import is_given
from dragoman.protocols.openai_chat.wire_replies import Answer, Chunk, ChunkChoice, FunctionPiece, ToolCallPiece
from dragoman.vendors.openai.arguments import broken_off, is_json
from dragoman.vendors.openai.errors import decode_error
from dragoman.wire.arguments import is_object
from dragoman.wire.likeness import Likeness
from dragoman.wire.sse import Frame

_DONE: Final = b"[DONE]"
_NOTHING: Final[tuple[Event, ...]] = ()


class _Call:
    """A tool call while it arrives. `block` is its index once it is open, -1 before; `is_sealed`: its seal has been told."""

    __slots__ = ("block", "fragments", "held", "id", "is_sealed", "kind", "name", "seal")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.kind = ToolKind.FUNCTION
        self.block = -1
        self.held = ""
        self.fragments: list[str] = []
        self.seal: Seal | None = None
        self.is_sealed = False


class ChatStreamDecoder:
    """Reads one reply. Only the first of several choices counts."""

    __slots__ = (
        "_calls",
        "_calls_by_id",
        "_calls_by_index",
        "_details",
        "_finish_word",
        "_is_over",
        "_is_started",
        "_next_block",
        "_reasoning",
        "_refusal",
        "_reply_id",
        "_saw_refusal",
        "_source",
        "_text",
        "_texts",
        "_thoughts",
        "_usage",
    )

    def __init__(self, source: Source) -> None:
        self._source = source
        self._is_started = False
        self._is_over = False
        self._reply_id = ""
        self._next_block = 0
        self._text: int | None = None
        self._texts = Likeness(text_alone)
        self._thoughts = Likeness(thought_alone)
        self._refusal: int | None = None
        self._reasoning: int | None = None
        self._details: list[Detail] = []
        self._saw_refusal = False
        self._calls: list[_Call] = []
        self._calls_by_id: dict[str, _Call] = {}
        self._calls_by_index: dict[int, _Call] = {}
        self._finish_word: str | None = None
        self._usage = Usage()

    def feed(self, frame: Frame) -> Sequence[Event]:
        """Return the events that `frame` brings."""
        if self._is_over:
            return _NOTHING
        data = frame.data
        if frame.event == "error":
            error = chunk_of(data).error
            return self._fail(error if is_given(error) else data)
        # Most deltas are more words of what is open.
        if self._text is not None:
            if text := self._texts.read(data):
                return (TextDelta(self._text, text),)
        elif self._reasoning is not None and (text := self._thoughts.read(data)):
            return (ReasoningDelta(self._reasoning, text),)
        if data.startswith(_DONE):
            return self._end()
        chunk = chunk_of(data)
        if chunk.error and is_given(chunk.error):
            return self._fail(chunk.error)
        if chunk.usage is not None:
            self._usage = self._usage.merged(decode_usage(chunk.usage))
        if not chunk.choices:
            # The figures come last, in a chunk of their own.
            return self._end() if self._finish_word and chunk.usage is not None else _NOTHING
        events: list[Event] = []
        if not self._is_started:
            self._start(chunk, events)
        for choice in chunk.choices:
            if not choice.index:
                self._take(choice, events)
        if len(events) == 1:
            self._learn(data, events[0])
        return events

    def go_on(self, packet: bytes) -> tuple[Sequence[Event], int]:
        """Return the deltas with which `packet` goes on like the last event, and how many bytes they are."""
        if self._is_over:
            return NOTHING_MORE
        if (index := self._text) is not None:
            texts, size = self._texts.read_all(packet)
            return [TextDelta(index, text) for text in texts], size
        if (index := self._reasoning) is not None:
            texts, size = self._thoughts.read_all(packet)
            return [ReasoningDelta(index, text) for text in texts], size
        return NOTHING_MORE

    def _learn(self, data: bytes, event: Event) -> None:
        match event:
            case TextDelta(text=text):
                self._texts.learn(data, text)
            case ReasoningDelta(text=text):
                self._thoughts.learn(data, text)
            case _:
                pass

    def flush(self) -> Sequence[Event]:
        """Return the reply's end when the model has said that it finished; nothing otherwise."""
        return self._end() if self._finish_word and not self._is_over else _NOTHING

    # The course of a reply

    def _fail(self, error: Raw | bytes) -> Sequence[Event]:
        self._is_over = True
        return (ReplyFailed(decode_error(error)),)

    def _start(self, chunk: Chunk, events: list[Event]) -> None:
        self._is_started = True
        self._reply_id = chunk.id or ""
        events.append(ReplyStart(self._reply_id, chunk.model or self._source.model, self._usage))

    def _take(self, choice: ChunkChoice, events: list[Event]) -> None:
        delta = choice.delta
        if delta is not None:
            if delta.tool_calls and not delta.content and is_only_calls(delta):
                for piece in delta.tool_calls:
                    self._take_call(piece, events)
            else:
                self._take_delta(delta, events)
        if choice.usage is not None:
            self._usage = self._usage.merged(decode_usage(choice.usage))
        if is_given(choice.error):
            self._is_over = True
            events.append(ReplyFailed(decode_error(choice.error)))
        elif choice.finish_reason:
            self._finish_word = choice.finish_reason

    def _take_delta(self, delta: Answer, events: list[Event]) -> None:
        self._take_reasoning(delta, events)
        if text := text_of_content(delta):
            events.append(TextDelta(self._open_text(events), text))
        if delta.annotations:
            index = self._open_text(events)
            events += (CitationDelta(index, decode_citation(raw)) for raw in delta.annotations)
        if refusal := refusal_of(delta):
            events.append(TextDelta(self._open_refusal(events), refusal))
        for picture in delta.images or ():
            self._close_words(events)
            index = self._new_block()
            events += (BlockStart(index, decode_picture(picture)), BlockEnd(index))
        for piece in delta.tool_calls or ():
            self._take_call(piece, events)
        if delta.function_call:
            self._take_call(_legacy(delta.function_call), events)

    def _end(self) -> Sequence[Event]:
        """Return what closes all blocks and the reply. Raises DragomanError when a call in it is not whole."""
        self._is_over = True
        if (failure := interruption(self._finish_word)) is not None:
            return (ReplyFailed(failure),)
        events: list[Event] = []
        if not self._is_started:
            events.append(ReplyStart("", self._source.model, self._usage))
        self._close_words(events)
        finish = decode_finish(self._finish_word, has_calls=bool(self._calls), has_refusal=self._saw_refusal)
        for number, call in enumerate(self._calls):
            self._close_call(call, number, finish, events)
        events.append(ReplyEnd(finish, self._usage, self._finish_word))
        return events

    # Words

    def _take_reasoning(self, delta: Answer, events: list[Event]) -> None:
        pieces, text = details_in(delta), readable_reasoning(delta)
        if not pieces and not text:
            return
        if self._reasoning is None:
            self._close_words(events)
            self._reasoning = self._new_block()
            events.append(BlockStart(self._reasoning, Reasoning(is_redacted=is_redacted(text, pieces))))
        self._details += pieces
        if text:
            events.append(ReasoningDelta(self._reasoning, text))

    def _open_text(self, events: list[Event]) -> int:
        if self._text is None:
            self._close_words(events)
            self._text = self._new_block()
            events.append(BlockStart(self._text, Text("")))
        return self._text

    def _open_refusal(self, events: list[Event]) -> int:
        if self._refusal is None:
            self._close_words(events)
            self._refusal = self._new_block()
            self._saw_refusal = True
            events.append(BlockStart(self._refusal, Refusal("")))
        return self._refusal

    def _close_words(self, events: list[Event]) -> None:
        """End the reasoning, the text or the refusal that is open: another kind of content begins."""
        if self._reasoning is not None:
            seal = seal_for(merged(self._details), self._source)
            events += (SealDelta(self._reasoning, seal), BlockEnd(self._reasoning))
            self._reasoning, self._details = None, []
        if self._text is not None:
            events.append(BlockEnd(self._text))
            self._text = None
        if self._refusal is not None:
            events.append(BlockEnd(self._refusal))
            self._refusal = None

    def _new_block(self) -> int:
        self._next_block += 1
        return self._next_block - 1

    # Calls

    def _take_call(self, piece: ToolCallPiece, events: list[Event]) -> None:
        call = self._find_call(piece)
        function = piece.function
        # Most pieces are more arguments of an open call.
        if call.block >= 0 and function is not None and isinstance(function.arguments, str) and not piece.extra_content:
            if function.arguments:
                self._add(call, function.arguments, events)
            return
        if is_custom(piece):
            call.kind = ToolKind.CUSTOM
        name, text = _content_of(piece)
        call.name = call.name or name
        if (seal := call_seal(piece, self._source)) is not None:
            call.seal, call.is_sealed = seal, False
        if call.block < 0:
            call.held += text
            if call.id and call.name:
                self._open_call(call, events)
        elif text:
            self._add(call, text, events)

    def _find_call(self, piece: ToolCallPiece) -> _Call:
        """Return the call that a piece belongs to; a new id at an index that is taken is a new call (Ollama)."""
        if piece.id:
            known = self._calls_by_id.get(piece.id)
            if known is None and piece.index is not None:
                at_index = self._calls_by_index.get(piece.index)
                known = at_index if at_index and not at_index.id else None
            call = known or self._new_call(piece.index)
            call.id = piece.id
            self._calls_by_id[piece.id] = call
            return call
        if piece.index is not None:
            return self._calls_by_index.get(piece.index) or self._new_call(piece.index)
        return self._calls[-1] if self._calls else self._new_call(None)

    def _new_call(self, index: int | None) -> _Call:
        call = _Call()
        self._calls.append(call)
        if index is not None:
            self._calls_by_index[index] = call
        return call

    def _open_call(self, call: _Call, events: list[Event]) -> None:
        self._close_words(events)
        call.block = self._new_block()
        # Some clients' protocols can only take the seal before the call begins.
        events.append(BlockStart(call.block, ToolCall(call.id, call.name, "", call.kind, seal=call.seal)))
        call.is_sealed = True
        text, call.held = call.held, ""
        if text:
            self._add(call, text, events)

    def _add(self, call: _Call, text: str, events: list[Event]) -> None:
        call.fragments.append(text)
        events.append(ArgumentsDelta(call.block, text))

    def _close_call(self, call: _Call, number: int, finish: Finish, events: list[Event]) -> None:
        """End a call. One that the token limit cut off is left out; if it is open already, the reply fails."""
        if call.block < 0:
            if finish is Finish.LENGTH and not is_object(call.held):
                return
            require_name(call.name)
            call.id = call.id or made_up_id(self._reply_id, number)
            self._open_call(call, events)
        if call.kind is ToolKind.FUNCTION:
            self._complete(call, finish, events)
        if call.seal and not call.is_sealed:
            events.append(SealDelta(call.block, call.seal))
        events.append(BlockEnd(call.block))

    def _complete(self, call: _Call, finish: Finish, events: list[Event]) -> None:
        """Check that a call's arguments are whole. Nothing at all is `{}`, unless the token limit was reached."""
        arguments = "".join(call.fragments)
        if not arguments.strip() and finish is not Finish.LENGTH:
            if arguments:
                events.append(ArgumentsDelta(call.block, "{}"))
        elif not is_json(arguments):
            raise broken_off(call.name, finish)


def _content_of(piece: ToolCallPiece) -> tuple[str, str]:
    """Return a piece's name and its fragment of the arguments, or of a custom tool's input."""
    if is_custom(piece) and piece.custom:
        return piece.custom.name or "", piece.custom.input or ""
    if piece.function:
        return piece.function.name or "", arguments_of(piece.function)
    return "", ""


def _legacy(function: FunctionPiece) -> ToolCallPiece:
    """Return a piece of the one function call that there was before there were tools."""
    return ToolCallPiece(index=-1, function=function)
