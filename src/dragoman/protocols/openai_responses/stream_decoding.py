"""An upstream's stream to events. https://platform.openai.com/docs/api-reference/responses-streaming.

Items are known by their `output_index`: their ids rotate at some servers. What was not said in deltas is taken from the item when
it is done, and an item that never was from the response at the end. Only `response.completed` and
`response.incomplete` end a reply.
"""

from collections.abc import Sequence
from typing import Final, get_args

import msgspec
from msgspec import Raw

from dragoman.codec import NOTHING_MORE, Source
from dragoman.ir.collecting import expand_block
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
from dragoman.ir.failures import Failure, FailureKind, UpstreamProtocolError
from dragoman.ir.reply import Finish
from dragoman.ir.request import Block, Reasoning, Refusal, Text, ToolCall, ToolKind
from dragoman.protocols.openai_responses import wire_replies as wire
from dragoman.protocols.openai_responses.endings import decode_finish, decode_usage
from dragoman.protocols.openai_responses.item_decoding import decode_citation
from dragoman.protocols.openai_responses.reply_decoding import OutputReader, require_end, says_something
from dragoman.protocols.openai_responses.sealing import phase_seal
from dragoman.protocols.openai_responses.wire import is_given
from dragoman.vendors.openai.arguments import broken_off, is_json
from dragoman.vendors.openai.errors import decode_error
from dragoman.wire.sse import Frame

_event_of: Final[msgspec.json.Decoder[wire.AnyEvent]] = msgspec.json.Decoder(wire.AnyEvent)
_tag_of: Final = msgspec.json.Decoder(wire.Tag).decode
_head_of: Final = msgspec.json.Decoder(wire.HeadItem).decode
_DONE: Final = b"[DONE]"
_NOTHING: Final[tuple[Event, ...]] = ()
_CALLS: Final = {"function_call": ToolKind.FUNCTION, "custom_tool_call": ToolKind.CUSTOM}


class _Part:
    """A block that is open: `index` is its place in the reply. Of a call what it has `said` is kept, to see whether it is whole."""

    __slots__ = ("block", "citations", "has_said", "index", "said")

    def __init__(self, index: int, block: Block) -> None:
        self.index = index
        self.block = block
        self.has_said = False
        self.said: list[str] = []
        self.citations = 0


class _Item:
    """An item while it arrives. `parts` are its blocks by their place in its content; a call and a thought have one, at 0."""

    __slots__ = ("head", "held", "parts")

    def __init__(self, head: wire.HeadItem) -> None:
        self.head = head
        self.held = ""
        self.parts: dict[int, _Part] = {}


class ResponseStreamDecoder:
    """Reads one reply."""

    __slots__ = (
        "_done",
        "_has_calls",
        "_has_refusal",
        "_is_over",
        "_is_started",
        "_items",
        "_known",
        "_next_block",
        "_reader",
        "_source",
    )

    def __init__(self, source: Source) -> None:
        self._source = source
        self._reader = OutputReader(source)
        self._is_started = False
        self._is_over = False
        self._has_calls = False
        self._has_refusal = False
        self._next_block = 0
        self._items: dict[int, _Item] = {}
        self._done: set[int] = set()
        self._known: set[str] = set()

    def feed(self, frame: Frame) -> Sequence[Event]:
        """Return the events that `frame` brings. What comes behind the end is not looked at: some servers add a price."""
        if self._is_over or frame.data.startswith(_DONE):
            return _NOTHING
        try:
            event = _event_of.decode(frame.data)
        except msgspec.ValidationError as error:
            return self._unknown(frame, error)
        events: list[Event] = []
        if not self._is_started:
            self._start(event, events)
        # Most events are more words.
        if type(event) is wire.TextDelta:
            self._say(event.output_index, event.content_index, event.delta, events)
        else:
            self._take(event, frame, events)
        return events

    def go_on(self, packet: bytes) -> tuple[Sequence[Event], int]:  # noqa: ARG002 - each has figures of its own: none is like the last
        """Return nothing."""
        return NOTHING_MORE

    def flush(self) -> Sequence[Event]:
        """Return nothing: a reply has ended when the upstream said so, and not before."""
        return _NOTHING

    # The course of a reply

    def _unknown(self, frame: Frame, error: msgspec.ValidationError) -> Sequence[Event]:
        """Skip an event of a type that is new; an error may have no type."""
        tag = _tag_of(frame.data)
        if is_given(tag.error):
            self._is_over = True
            return (ReplyFailed(decode_error(tag.error)),)
        if tag.type is None or tag.type in _KNOWN_TYPES:
            raise UpstreamProtocolError(f"the upstream's stream broke its protocol: {error}")
        return _NOTHING

    def _start(self, event: wire.AnyEvent, events: list[Event]) -> None:
        match event:
            case wire.ErrorEvent() | wire.Failed():
                return
            case wire.Created(response) | wire.Queued(response) | wire.InProgress(response):
                events.append(ReplyStart(response.id or "", response.model or self._source.model))
            case wire.Completed(response) | wire.Incomplete(response):
                events.append(ReplyStart(response.id or "", response.model or self._source.model))
            case _:
                events.append(ReplyStart("", self._source.model))
        self._is_started = True

    def _take(self, event: wire.AnyEvent, frame: Frame, events: list[Event]) -> None:
        match event:
            case wire.TextDelta(delta, output, content):
                self._say(output, content, delta, events)
            case wire.ArgumentsDelta(delta, output) | wire.InputDelta(delta, output):
                self._argue(output, delta, events)
            case wire.SummaryDelta(delta, output, part):
                self._think(output, delta, part, events, is_summary=True)
            case wire.ThoughtDelta(delta, output, part):
                self._think(output, delta, part, events, is_summary=False)
            case wire.RefusalDelta(delta, output, content):
                self._decline(output, content, delta, events)
            case wire.ItemAdded(head, output):
                self._add(head, output, events)
            case wire.ItemDone(item, output):
                self._finish_item(item, output, events)
            case wire.AnnotationAdded(annotation, output, content):
                cited = self._text_part(output, content, events)
                cited.citations += 1
                events.append(CitationDelta(cited.index, decode_citation(annotation)))
            case wire.Completed(response) | wire.Incomplete(response):
                self._end(response, events)
            case wire.Failed(response):
                self._is_over = True
                events.append(ReplyFailed(_failure_of(response)))
            case wire.ErrorEvent():
                self._is_over = True
                events.append(ReplyFailed(decode_error(frame.data)))
            case _:
                self._complete_part(event, events)

    def _complete_part(self, event: wire.AnyEvent, events: list[Event]) -> None:
        """Take what a part says as a whole, if it was not said in deltas."""
        match event:
            case wire.TextDone(text, output, content):
                if not self._has_said(output, content):
                    self._say(output, content, text, events)
            case wire.RefusalDone(text, output, content):
                if not self._has_said(output, content):
                    self._decline(output, content, text, events)
            case wire.ArgumentsDone(text, output) | wire.InputDone(text, output):
                if not self._has_said(output, 0):
                    self._argue(output, text, events)
            case wire.SummaryDone() | wire.ThoughtDone():
                pass  # the item at its end has all of them
            case wire.Created() | wire.Queued() | wire.InProgress():
                pass
            case _:
                raise AssertionError(event)

    def _has_said(self, output: int, content: int) -> bool:
        item = self._items.get(output)
        part = item.parts.get(content) if item else None
        return bool(item and item.held) or bool(part and part.has_said)

    def _end(self, response: wire.WireResponse, events: list[Event]) -> None:
        """Close what is open, take what never came as an item, and end. Raises DragomanError when a call is not whole."""
        self._is_over = True
        if is_given(response.error):
            events.append(ReplyFailed(decode_error(response.error)))
            return
        require_end(response)
        for output, raw in enumerate(response.output or ()):
            if output not in self._done and not self._is_known(raw):
                self._finish_item(raw, output, events)
        finish, word = decode_finish(response, has_calls=self._has_calls, has_refusal=self._has_refusal)
        for item in self._items.values():
            self._close(item, finish, events)
        events.append(ReplyEnd(finish, decode_usage(response.usage), word))

    def _is_known(self, raw: Raw) -> bool:
        head = _head_of(raw)
        return (head.id or head.call_id) in self._known

    # Items

    def _add(self, head: wire.HeadItem, output: int, events: list[Event]) -> None:
        if output in self._items or output in self._done:
            raise UpstreamProtocolError(f"the upstream began the output item {output} twice")
        self._items[output] = _Item(head)
        self._open_call(output, events)

    def _item(self, output: int) -> _Item:
        item = self._items.get(output)
        if item is None:
            item = self._items[output] = _Item(wire.HeadItem())
        return item

    def _open(
        self, item: _Item, content: int, block: Text | Refusal | Reasoning | ToolCall, events: list[Event]
    ) -> _Part:
        part = item.parts[content] = _Part(self._new_block(), block)
        events.append(BlockStart(part.index, block))
        return part

    def _new_block(self) -> int:
        self._next_block += 1
        return self._next_block - 1

    def _finish_item(self, raw: Raw, output: int, events: list[Event]) -> None:
        """Say what an item has beyond what was said of it, and close it."""
        item = self._items.pop(output, None)
        self._done.add(output)
        head = _head_of(raw)
        self._known |= {id for id in (head.id, head.call_id) if id}
        blocks = self._reader.read(raw, output)
        if head.type in _CALLS and item is not None and (item.parts or item.held):
            self._finish_call(item, head, blocks, events)
        elif item is None or not item.parts:
            for block in blocks:
                self._say_whole(block, head, events)
        elif head.type == "reasoning":
            self._finish_thought(item, blocks, events)
        else:
            self._finish_message(item, head, blocks, events)

    def _say_whole(self, block: Block, head: wire.HeadItem, events: list[Event]) -> None:
        """Say a block of which nothing has been said. A call that the token limit cut off is left out: nobody may run it."""
        if not says_something(block):
            return
        if isinstance(block, ToolCall):
            if block.kind is ToolKind.FUNCTION and block.arguments.strip() and not is_json(block.arguments):
                if head.status == "incomplete":
                    return
                raise broken_off(block.name, Finish.DONE)
            self._has_calls = True
        self._has_refusal = self._has_refusal or isinstance(block, Refusal)
        events += expand_block(self._new_block(), block)

    def _close(self, item: _Item, finish: Finish, events: list[Event]) -> None:
        """Close an item that the upstream never said to be done."""
        if item.held:
            if finish is Finish.LENGTH:
                return
            raise UpstreamProtocolError("the upstream sent a tool call without a name")
        for part in item.parts.values():
            if isinstance(part.block, ToolCall) and part.block.kind is ToolKind.FUNCTION:
                self._check_arguments(part, finish, events)
            events.append(BlockEnd(part.index))

    # Words

    def _text_part(self, output: int, content: int, events: list[Event]) -> _Part:
        item = self._item(output)
        part = item.parts.get(content)
        return part or self._open(item, content, Text("", seal=phase_seal(item.head.phase)), events)

    def _say(self, output: int, content: int, delta: str, events: list[Event]) -> None:
        if delta:
            part = self._text_part(output, content, events)
            part.has_said = True
            events.append(TextDelta(part.index, delta))

    def _decline(self, output: int, content: int, delta: str, events: list[Event]) -> None:
        if not delta:
            return
        self._has_refusal = True
        item = self._item(output)
        part = item.parts.get(content) or self._open(item, content, Refusal(""), events)
        part.has_said = True
        events.append(TextDelta(part.index, delta))

    def _finish_message(self, item: _Item, head: wire.HeadItem, blocks: Sequence[Block], events: list[Event]) -> None:
        """Close the parts; what they have beyond their deltas is said first."""
        for place, part in item.parts.items():
            match blocks[place] if place < len(blocks) else None:
                case Text(citations=citations, seal=seal):
                    events += (CitationDelta(part.index, one) for one in citations[part.citations :])
                    if seal is not None and isinstance(part.block, Text) and part.block.seal != seal:
                        events.append(SealDelta(part.index, seal))
                case _:
                    pass
            events.append(BlockEnd(part.index))
        for place, block in enumerate(blocks):
            if place not in item.parts:
                self._say_whole(block, head, events)

    # Reasoning

    def _think(self, output: int, delta: str, place: int, events: list[Event], *, is_summary: bool) -> None:
        if not delta:
            return
        item = self._item(output)
        part = item.parts.get(0) or self._open(item, 0, Reasoning(is_summary=is_summary), events)
        if isinstance(part.block, Reasoning) and part.block.is_summary is is_summary:
            events.append(ReasoningDelta(part.index, delta, place))

    def _finish_thought(self, item: _Item, blocks: Sequence[Block], events: list[Event]) -> None:
        for part in item.parts.values():
            seals = [block.seal for block in blocks if isinstance(block, Reasoning) and block.seal is not None]
            events += (SealDelta(part.index, seal) for seal in seals[:1])
            events.append(BlockEnd(part.index))

    # Calls

    def _open_call(self, output: int, events: list[Event]) -> None:
        """Open a call as soon as its id and name are known."""
        item = self._items[output]
        head = item.head
        kind = _CALLS.get(head.type)
        if kind is not None and head.call_id and head.name:
            self._has_calls = True
            self._open(item, 0, ToolCall(head.call_id, head.name, "", kind, head.namespace), events)

    def _argue(self, output: int, delta: str, events: list[Event]) -> None:
        item = self._item(output)
        part = item.parts.get(0)
        if part is None:
            item.held += delta
        elif delta:
            part.has_said = True
            part.said.append(delta)
            events.append(ArgumentsDelta(part.index, delta))

    def _finish_call(self, item: _Item, head: wire.HeadItem, blocks: Sequence[Block], events: list[Event]) -> None:
        whole = blocks[0] if blocks else None
        if not isinstance(whole, ToolCall):
            raise UpstreamProtocolError(f"the upstream's call `{head.name}` could not be read")
        part = item.parts.get(0)
        if part is None:
            self._say_whole(whole, head, events)
            return
        if not part.said and whole.arguments:
            part.said.append(whole.arguments)
            events.append(ArgumentsDelta(part.index, whole.arguments))
        if whole.kind is ToolKind.FUNCTION:
            self._check_arguments(part, Finish.LENGTH if head.status == "incomplete" else Finish.DONE, events)
        events.append(BlockEnd(part.index))

    def _check_arguments(self, part: _Part, finish: Finish, events: list[Event]) -> None:
        """Check that a call's arguments are whole. Nothing at all is `{}`, unless the token limit was reached."""
        arguments = "".join(part.said)
        if not arguments.strip() and finish is not Finish.LENGTH:
            if arguments:
                events.append(ArgumentsDelta(part.index, "{}"))
        elif not is_json(arguments):
            raise broken_off(part.block.name if isinstance(part.block, ToolCall) else "", finish)


def _failure_of(response: wire.WireResponse) -> Failure:
    """Return why a response failed."""
    if is_given(response.error):
        return decode_error(response.error)
    return Failure(FailureKind.UPSTREAM_ERROR, "the upstream's response failed, and it does not say why")


_KNOWN_TYPES: Final = frozenset(kind.__struct_config__.tag for kind in get_args(wire.AnyEvent))
