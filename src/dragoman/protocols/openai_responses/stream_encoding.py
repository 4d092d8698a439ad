"""Events to a client's stream. https://platform.openai.com/docs/api-reference/responses-streaming.

Every item is added, told in deltas and told whole, and the response at the end has all of them. Several items may be open at
once: each event names its own.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

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
from dragoman.ir.failures import Failure
from dragoman.ir.reply import Usage
from dragoman.ir.request import (
    Block,
    Citation,
    Foreign,
    Image,
    Reasoning,
    Refusal,
    Search,
    Text,
    ToolCall,
    ToolKind,
)
from dragoman.ir.seals import Seal
from dragoman.protocols.openai_responses.endings import encode_usage, incomplete_reason
from dragoman.protocols.openai_responses.errors import encode_failure_event, error_event, response_error
from dragoman.protocols.openai_responses.output import Envelope, ItemWriter, Wire, found_pages, open_search
from dragoman.protocols.openai_responses.reply_encoding import note_ending

_json: Final = msgspec.json.encode
_EVENT: Final = b'event: %b\ndata: {"type":"%b","sequence_number":%d,%b}\n\n'
_EMPTY_TEXT: Final = b'{"type":"output_text","annotations":[],"logprobs":[],"text":""}'
_EMPTY_REFUSAL: Final = b'{"type":"refusal","refusal":""}'


def _drop(_text: str) -> None:
    """Keep nothing: there is no block yet."""


class _Open:
    """A block while it leaves: `place` is its item's in the output, `form` an event with room for a delta and its number."""

    __slots__ = ("block", "citations", "form", "id", "part", "parts", "place", "seal", "where")

    def __init__(self, block: Text | Refusal | Reasoning | ToolCall, place: int, id: str) -> None:
        self.block = block
        self.place = place
        self.id = id
        self.where = b'"item_id":%b,"output_index":%d' % (_json(id), place)
        self.form = b""
        self.parts: list[list[str]] = [[]]
        self.part = -1
        """The summary's part that is open; -1: none is."""
        self.citations: list[Citation] = []
        self.seal: Seal | None = block.seal if not isinstance(block, Refusal) else None

    @property
    def said(self) -> str:
        return "".join(self.parts[0])

    def stream(self, event: bytes, place: bytes = b"", more: bytes = b"") -> None:
        """Have the block's deltas go out as `event`: at `place` of their item, with `more` fields."""
        head = b'event: %b\ndata: {"type":"%b",%b%b,"delta":' % (event, event, self.where, place)
        self.form = b'%b%%b%b,"sequence_number":%%d}\n\n' % (head.replace(b"%", b"%%"), more)


class ResponseStreamEncoder:
    """Writes one reply for one client."""

    __slots__ = (
        "_audience",
        "_envelope",
        "_has_refusal",
        "_next",
        "_open",
        "_output",
        "_search",
        "_sequence",
        "_usage",
        "_writer",
    )

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self._envelope: Envelope
        self._writer: ItemWriter
        self._sequence = 0
        self._next = 0
        self._open: dict[int, _Open] = {}
        self._output: dict[int, bytes] = {}
        self._search: tuple[Search, int] | None = None
        """A search of another vendor's that is open: what was found comes in the next block."""
        self._has_refusal = False
        self._usage = Usage()

    def feed(self, batch: Sequence[Event]) -> bytes:
        """Return the events that say `batch`."""
        out: list[bytes] = []
        sequence, index, form = self._sequence, -1, b""
        keep: Callable[[str], None] = _drop
        for event in batch:
            # Most events are more words of one block.
            if type(event) is TextDelta:
                if event.index != index:
                    index = event.index
                    form, keep = self._open[index].form, self._open[index].parts[0].append
                keep(event.text)
                out.append(form % (_json(event.text), sequence))
                sequence += 1
            else:
                self._sequence, index = sequence, -1
                self._write(event, out)
                sequence = self._sequence
        self._sequence = sequence
        return b"".join(out)

    def flush(self) -> bytes:
        """Return nothing: every event has left in the step it came in."""
        return b""

    def _write(self, event: Event, out: list[bytes]) -> None:
        match event:
            case ArgumentsDelta(index, text):
                self._argue(index, text, out)
            case ReasoningDelta(index, text, part):
                if index in self._open:
                    self._think(self._open[index], text, part, out)
            case BlockStart(index, block):
                self._begin(index, block, out)
            case BlockEnd(index):
                block_open = self._open.pop(index, None)
                if block_open is not None:
                    self._finish_block(block_open, out)
            case ReplyStart():
                self._start(event, out)
            case ReplyEnd():
                self._finish(event, out)
            case SealDelta(index, seal):
                self._keep_seal(self._open.get(index), seal)
            case CitationDelta(index, citation):
                self._cite(self._open[index], citation, out)
            case ReplyFailed(failure):
                self._fail(failure, out)
            case TextDelta():
                raise AssertionError(event)

    def _event(self, name: bytes, fields: bytes, out: list[bytes]) -> None:
        out.append(_EVENT % (name, name, self._sequence, fields))
        self._sequence += 1

    def _delta(self, block: _Open, text: str, out: list[bytes]) -> None:
        out.append(block.form % (_json(text), self._sequence))
        self._sequence += 1

    # The response

    def _start(self, start: ReplyStart, out: list[bytes]) -> None:
        self._usage = start.usage
        self._envelope = Envelope(start.id, self._audience)
        self._writer = ItemWriter(self._envelope, self._audience)
        response = b'"response":' + self._envelope.write("in_progress")
        self._event(b"response.created", response, out)
        self._event(b"response.in_progress", response, out)

    def _finish(self, end: ReplyEnd, out: list[bytes]) -> None:
        self._close_search(None, out)
        note_ending(self._writer, end.finish, end.stop_sequence, end.extras)
        reason = incomplete_reason(end.finish, has_refusal=self._has_refusal)
        status = "incomplete" if reason else "completed"
        usage = encode_usage(self._usage.merged(end.usage))
        response = self._envelope.write(status, self._items(), usage=usage, reason=reason)
        self._event(b"response." + status.encode(), b'"response":' + response, out)

    def _fail(self, failure: Failure, out: list[bytes]) -> None:
        if not self._sequence:
            out.append(encode_failure_event(failure, self._audience.new_id("")))
            return
        out.append(error_event(failure, self._sequence))
        self._sequence += 1
        response = self._envelope.write("failed", self._items(), error=response_error(failure))
        self._event(b"response.failed", b'"response":' + response, out)

    def _items(self) -> list[bytes]:
        return [self._output[place] for place in sorted(self._output)]

    # Items

    def _add(self, item: bytes, out: list[bytes]) -> int:
        place = self._next
        self._next += 1
        self._event(b"response.output_item.added", b'"output_index":%d,"item":%b' % (place, item), out)
        return place

    def _done(self, item: Wire | msgspec.Raw, place: int, out: list[bytes]) -> None:
        written = _json(item)
        self._output[place] = written
        self._event(b"response.output_item.done", b'"output_index":%d,"item":%b' % (place, written), out)

    def _say_whole(self, item: Wire | msgspec.Raw, out: list[bytes]) -> None:
        """Write an item that has no deltas."""
        self._done(item, self._add(_json(item), out), out)

    def _begin(
        self, index: int, block: Text | Reasoning | ToolCall | Refusal | Foreign | Image, out: list[bytes]
    ) -> None:
        if self._search is not None and self._close_search(block, out):
            return
        match block:
            case Text() | Refusal():
                self._begin_message(index, block, out)
            case Reasoning():
                self._begin_thought(index, block, out)
            case ToolCall(kind=ToolKind.HOSTED):
                self._writer.items(block, self._next)
            case ToolCall():
                self._begin_call(index, block, out)
            case Foreign() if (search := open_search(block)) is not None:
                self._begin_search(search, out)
            case Foreign() | Image():
                for item in self._writer.items(block, self._next):
                    self._say_whole(item, out)

    def _finish_block(self, block: _Open, out: list[bytes]) -> None:
        match block.block:
            case Text() | Refusal():
                self._finish_message(block, out)
            case Reasoning():
                self._finish_thought(block, out)
            case ToolCall() as call:
                self._finish_call(block, call, out)

    def _keep_seal(self, block: _Open | None, seal: Seal) -> None:
        if block is None or isinstance(block.block, ToolCall):
            self._writer.note("reply_seal")
        else:
            block.seal = seal

    # Words

    def _begin_message(self, index: int, block: Text | Refusal, out: list[bytes]) -> None:
        is_text = isinstance(block, Text)
        place = self._next
        head = self._writer.message(block, place) if isinstance(block, Text) else self._writer.refusal(block, place)
        self._add(_json({**head, "status": "in_progress", "content": []}), out)
        opened = self._open[index] = _Open(block, place, head["id"])
        if is_text:
            opened.stream(b"response.output_text.delta", b',"content_index":0', b',"logprobs":[]')
        else:
            opened.stream(b"response.refusal.delta", b',"content_index":0')
        self._has_refusal = self._has_refusal or not is_text
        empty = _EMPTY_TEXT if is_text else _EMPTY_REFUSAL
        self._event(b"response.content_part.added", b'%b,"content_index":0,"part":%b' % (opened.where, empty), out)
        if block.text:
            opened.parts[0].append(block.text)
            self._delta(opened, block.text, out)
        for citation in block.citations if isinstance(block, Text) else ():
            self._cite(opened, citation, out)

    def _cite(self, block: _Open, citation: Citation, out: list[bytes]) -> None:
        for annotation in self._writer.annotations((citation,)):
            fields = b'%b,"content_index":0,"annotation_index":%d,"annotation":%b'
            written = fields % (block.where, len(block.citations), _json(annotation))
            self._event(b"response.output_text.annotation.added", written, out)
            block.citations.append(citation)

    def _finish_message(self, block: _Open, out: list[bytes]) -> None:
        text = block.said
        where = block.where + b',"content_index":0,'
        if isinstance(block.block, Text):
            item = self._writer.message(Text(text, tuple(block.citations), seal=block.seal), block.place)
            self._event(b"response.output_text.done", b'%b"text":%b,"logprobs":[]' % (where, _json(text)), out)
        else:
            item = self._writer.refusal(Refusal(text), block.place)
            self._event(b"response.refusal.done", b'%b"refusal":%b' % (where, _json(text)), out)
        self._event(b"response.content_part.done", b'%b"part":%b' % (where, _json(item["content"][0])), out)
        self._done(item, block.place, out)

    # Reasoning

    def _begin_thought(self, index: int, block: Reasoning, out: list[bytes]) -> None:
        place = self._next
        empty = Reasoning(is_redacted=block.is_redacted, seal=block.seal)
        item = self._writer.reasoning(empty, place)
        self._add(_json({**item, "encrypted_content": None}), out)
        opened = self._open[index] = _Open(block, place, item["id"])
        for part, text in enumerate(block.parts):
            self._think(opened, text, part, out)

    def _think(self, block: _Open, text: str, part: int, out: list[bytes]) -> None:
        if part != block.part:
            self._close_part(block, out)
            block.part = part
            while len(block.parts) <= part:
                block.parts.append([])
            fields = b'%b,"summary_index":%d,"part":{"type":"summary_text","text":""}' % (block.where, part)
            self._event(b"response.reasoning_summary_part.added", fields, out)
            block.stream(b"response.reasoning_summary_text.delta", b',"summary_index":%d' % part)
        if text:
            block.parts[part].append(text)
            self._delta(block, text, out)

    def _close_part(self, block: _Open, out: list[bytes]) -> None:
        if block.part < 0:
            return
        where = b'%b,"summary_index":%d,' % (block.where, block.part)
        text = _json("".join(block.parts[block.part]))
        self._event(b"response.reasoning_summary_text.done", b'%b"text":%b' % (where, text), out)
        part = b'%b"part":{"type":"summary_text","text":%b}' % (where, text)
        self._event(b"response.reasoning_summary_part.done", part, out)

    def _finish_thought(self, block: _Open, out: list[bytes]) -> None:
        self._close_part(block, out)
        parts = tuple("".join(part) for part in block.parts) if block.part >= 0 else ()
        thought = Reasoning(parts, is_summary=True, seal=block.seal)
        self._done(self._writer.reasoning(thought, block.place, block.id), block.place, out)

    # Calls

    def _begin_call(self, index: int, block: ToolCall, out: list[bytes]) -> None:
        if block.seal is not None:
            self._say_whole(self._writer.carrier(block.seal, self._next), out)
        if self._writer.native_kind(block) is not None:
            self._open[index] = _Open(block, -1, "")
            self._argue(index, block.arguments, out)
            return
        place = self._next
        head = self._writer.call_head(block, place)
        is_custom = block.kind is ToolKind.CUSTOM
        field = "input" if is_custom else "arguments"
        self._add(_json({**head, "status": "in_progress", field: ""}), out)
        opened = self._open[index] = _Open(block, place, head["id"])
        opened.stream(
            b"response.custom_tool_call_input.delta" if is_custom else b"response.function_call_arguments.delta"
        )
        self._argue(index, block.arguments, out)

    def _argue(self, index: int, text: str, out: list[bytes]) -> None:
        block = self._open.get(index)
        if block is None or not text:
            return
        block.parts[0].append(text)
        if block.place >= 0:
            self._delta(block, text, out)

    def _finish_call(self, block: _Open, call: ToolCall, out: list[bytes]) -> None:
        said = block.said
        whole = msgspec.structs.replace(call, arguments=said, seal=None)
        if block.place < 0:
            self._say_whole(self._writer.call(whole, self._next), out)
            return
        item: dict[str, Any] = self._writer.call(whole, block.place)
        if call.kind is ToolKind.CUSTOM:
            fields = b'%b,"input":%b' % (block.where, _json(said))
            self._event(b"response.custom_tool_call_input.done", fields, out)
        else:
            if not said:
                self._delta(block, item["arguments"], out)
            fields = b'%b,"name":%b,"arguments":%b' % (block.where, _json(call.name), _json(item["arguments"]))
            self._event(b"response.function_call_arguments.done", fields, out)
        self._done(item, block.place, out)

    # Searches

    def _begin_search(self, search: Search, out: list[bytes]) -> None:
        place = self._next
        item = self._writer.search(search, place)
        self._add(_json({**item, "status": "in_progress"}), out)
        where = b'"item_id":%b,"output_index":%d' % (_json(item["id"]), place)
        self._event(b"response.web_search_call.in_progress", where, out)
        self._event(b"response.web_search_call.searching", where, out)
        self._search = (search, place)

    def _close_search(self, following: Block | None, out: list[bytes]) -> bool:
        """Finish the search that is open, if one is; tell whether the block that follows it is what it found."""
        if self._search is None:
            return False
        (search, place), self._search = self._search, None
        pages = found_pages(following)
        item = self._writer.search(msgspec.structs.replace(search, pages=pages or ()), place)
        where = b'"item_id":%b,"output_index":%d' % (_json(item["id"]), place)
        self._event(b"response.web_search_call.completed", where, out)
        self._done(item, place, out)
        return pages is not None
