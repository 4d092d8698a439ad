"""Replies from the wire to the IR, streamed and whole: a chunk and a reply have one shape.

https://ai.google.dev/api/generate-content#generatecontentresponse. Words come in pieces, calls whole. There is no event for the
end: it is the finish reason, together with the figures. Some servers give a reason in every chunk: theirs end when the stream does.
"""

from collections.abc import Sequence
from typing import Final

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
from dragoman.ir.reply import Finish
from dragoman.ir.request import Base64Data, Extra, Foreign, Image, Reasoning, Refusal, Text, ToolCall, UrlData
from dragoman.protocols.gemini_generate import sealing
from dragoman.protocols.gemini_generate.citations import cited_sources, grounding_pages
from dragoman.protocols.gemini_generate.contents import OWN_PARTS, foreign
from dragoman.protocols.gemini_generate.endings import decode_finish, decode_usage, mistake
from dragoman.protocols.gemini_generate.errors import failure_of
from dragoman.protocols.gemini_generate.ids import made_up_id
from dragoman.protocols.gemini_generate.partial_args import Arguments
from dragoman.protocols.gemini_generate.wire import NAME, is_given
from dragoman.protocols.gemini_generate.wire_replies import (
    Call,
    Candidate,
    Chunk,
    PromptFeedback,
    SaidPart,
    UsageMetadata,
)
from dragoman.wire.arguments import is_object, squeezed
from dragoman.wire.sse import Frame

_chunk: Final = msgspec.json.Decoder(Chunk).decode
_chunks: Final = msgspec.json.Decoder(list[Raw]).decode
_json: Final = msgspec.json.encode
_anything: Final = msgspec.json.Decoder().decode

_EXTRAS: Final = {
    "citation_metadata": "citationMetadata",
    "grounding_metadata": "groundingMetadata",
    "url_context_metadata": "urlContextMetadata",
    "safety_ratings": "safetyRatings",
    "logprobs_result": "logprobsResult",
    "avg_logprobs": "avgLogprobs",
    "continuation_token": "continuationToken",
}
"""What a candidate says beside its content, for clients of this protocol."""
_NOTHING: Final[tuple[Event, ...]] = ()


class ContentDecoder:
    """Reads one reply. At most one block of words is open; only the first candidate counts."""

    __slots__ = (
        "_block",
        "_calls",
        "_extras",
        "_finish_word",
        "_gives_reason_last",
        "_is_blocked",
        "_is_over",
        "_is_sealed",
        "_is_started",
        "_is_thought",
        "_next",
        "_partial",
        "_reply_id",
        "_source",
        "_usage",
    )

    def __init__(self, source: Source) -> None:
        self._source = source
        self._is_started = False
        self._is_over = False
        self._is_blocked = False
        self._gives_reason_last = False
        self._reply_id = ""
        self._next = 0
        self._block: int | None = None
        self._is_thought = False
        self._is_sealed = False
        self._calls = 0
        self._partial: tuple[Call, str | None, Arguments] | None = None
        self._usage: UsageMetadata | None = None
        self._extras: dict[str, Extra] = {}
        self._finish_word: str | None = None

    def feed(self, frame: Frame) -> Sequence[Event]:
        """Return the events that `frame` brings."""
        if self._is_over:
            return _NOTHING
        try:
            chunk = _chunk(frame.data)
        except msgspec.ValidationError:
            if frame.data.lstrip().startswith(b"["):
                return self._feed_list(frame.data)
            raise
        return self._take(chunk, frame.data)

    def go_on(self, packet: bytes) -> tuple[Sequence[Event], int]:  # noqa: ARG002 - each has figures of its own: none is like the last
        """Return nothing."""
        return NOTHING_MORE

    def flush(self) -> Sequence[Event]:
        """Return the reply's end when the model has said that it finished, or the prompt was blocked; nothing otherwise."""
        return self._end() if self._finish_word else _NOTHING

    def finish(self) -> Sequence[Event]:
        """Return the end of a reply that came whole, whatever it says of its end. Raises UpstreamProtocolError for none."""
        if not (self._is_started or self._is_over):
            raise UpstreamProtocolError("the upstream's reply has no `candidates`")
        return self._end()

    # --- the course of a reply ---

    def _feed_list(self, data: bytes) -> Sequence[Event]:
        """Google's errors, and whole streams of those who do not ask for events, are lists."""
        events: list[Event] = []
        for raw in _chunks(data):
            events += self.feed(Frame(bytes(raw)))
        return events

    def _take(self, chunk: Chunk, data: bytes) -> Sequence[Event]:
        events: list[Event] = []
        if is_given(chunk.error):
            self._is_over = True
            return (ReplyFailed(failure_of(_anything(data))),)
        if not self._is_started:
            if chunk.candidates is None and chunk.prompt_feedback is None and chunk.usage_metadata is None:
                return _NOTHING
            self._start(chunk, events)
        if chunk.usage_metadata is not None:
            self._note_usage(chunk.usage_metadata)
        for candidate in chunk.candidates or ():
            if not candidate.index:
                self._take_candidate(candidate, events)
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason:
            self._block_prompt(chunk.prompt_feedback, events)
        if self._finish_word is None:
            self._gives_reason_last = bool(chunk.candidates) or self._gives_reason_last
        elif chunk.usage_metadata is not None and (self._gives_reason_last or not chunk.candidates):
            events += self._end()
        return events

    def _start(self, chunk: Chunk, events: list[Event]) -> None:
        self._is_started = True
        self._reply_id = chunk.response_id or ""
        events.append(
            ReplyStart(self._reply_id, chunk.model_version or self._source.model, decode_usage(chunk.usage_metadata))
        )

    def _note_usage(self, counts: UsageMetadata) -> None:
        """The figures are cumulative: the last ones count, save that some servers name the prompt's only once."""
        if counts.prompt_token_count is None and self._usage is not None:
            counts = msgspec.structs.replace(
                counts,
                prompt_token_count=self._usage.prompt_token_count,
                cached_content_token_count=self._usage.cached_content_token_count,
            )
        self._usage = counts

    def _take_candidate(self, candidate: Candidate, events: list[Event]) -> None:
        if candidate.content is not None:
            for part in candidate.content.parts or ():
                self._take_part(part, events)
        if candidate.grounding_metadata or candidate.citation_metadata or candidate.finish_reason:
            self._take_rest(candidate, events)

    def _take_rest(self, candidate: Candidate, events: list[Event]) -> None:
        """Take what a candidate says beside its words, most of it in its last chunk."""
        for field, name in _EXTRAS.items():
            value: Raw = getattr(candidate, field)
            if is_given(value):
                self._extras[name] = Extra(NAME, name, value)
        sources = (*cited_sources(candidate.citation_metadata), *grounding_pages(candidate.grounding_metadata))
        if self._block is not None and not self._is_thought:
            events += (CitationDelta(self._block, source) for source in sources)
        if candidate.finish_reason and candidate.finish_reason != "FINISH_REASON_UNSPECIFIED":
            self._finish_word = candidate.finish_reason
            failure = mistake(candidate.finish_reason, candidate.finish_message)
            if failure is not None:
                self._is_over = True
                events.append(ReplyFailed(failure))

    def _block_prompt(self, feedback: PromptFeedback, events: list[Event]) -> None:
        self._is_blocked = True
        self._finish_word = feedback.block_reason
        if feedback.block_reason_message:
            self._add_whole(Refusal(""), events, TextDelta(self._next, feedback.block_reason_message))

    def _end(self) -> Sequence[Event]:
        """Return what closes the open block and the reply. Raises UpstreamProtocolError for a call that is not whole."""
        if self._is_over:
            return _NOTHING
        self._is_over = True
        if self._partial is not None:
            raise UpstreamProtocolError(f"the arguments of the call `{self._partial[0].name}` broke off")
        events: list[Event] = []
        self._close(events)
        finish = Finish.FILTERED if self._is_blocked else decode_finish(self._finish_word, has_calls=self._calls > 0)
        extras = tuple(self._extras.values())
        events.append(ReplyEnd(finish, decode_usage(self._usage), self._finish_word, extras=extras))
        return events

    # --- parts ---

    def _take_part(self, part: SaidPart, events: list[Event]) -> None:
        if part.text is not None:
            self._take_words(part.text, part.thought_signature, events, is_thought=bool(part.thought))
        elif part.function_call is not None:
            self._take_call(part.function_call, part.thought_signature, events)
        elif part.inline_data is not None and part.inline_data.mime_type.startswith("image/"):
            self._add_whole(Image(Base64Data(part.inline_data.mime_type, part.inline_data.data)), events)
        elif part.file_data is not None and part.file_data.mime_type.startswith("image/"):
            self._add_whole(Image(UrlData(part.file_data.file_uri)), events)
        elif (block := _own_part(part)) is not None:
            self._add_whole(block, events)
        elif part.thought_signature:
            self._take_words("", part.thought_signature, events, is_thought=bool(part.thought))

    def _take_words(self, text: str, signature: str | None, events: list[Event], *, is_thought: bool) -> None:
        """Take more words, or more of a thought. A signature ends what it stands on, empty as that piece often is."""
        if self._block is not None and (self._is_sealed or self._is_thought is not is_thought) and (text or signature):
            self._close(events)
        if not text and not signature:
            return
        if self._block is None:
            self._block, self._is_thought, self._is_sealed = self._next, is_thought, False
            self._next += 1
            events.append(BlockStart(self._block, Reasoning() if is_thought else Text("")))
        index = self._block
        if text:
            events.append(ReasoningDelta(index, text) if is_thought else TextDelta(index, text))
        if signature:
            form = "" if is_thought else sealing.TEXT
            events.append(SealDelta(index, sealing.issued(signature, self._source, form)))
            self._is_sealed = True

    def _take_call(self, call: Call, signature: str | None, events: list[Event]) -> None:
        if self._partial is not None or is_given(call.partial_args) or (call.will_continue and not is_given(call.args)):
            self._take_partial(call, signature, events)
            return
        self._add_call(call, squeezed(call.args).decode() if is_given(call.args) else "{}", signature, events)

    def _take_partial(self, call: Call, signature: str | None, events: list[Event]) -> None:
        first, first_signature, arguments = self._partial or (call, signature, Arguments())
        if is_given(call.partial_args):
            arguments.add(call.partial_args)
        self._partial = (first, first_signature or signature, arguments)
        if not call.will_continue:
            self._partial = None
            self._add_call(first, arguments.text(), first_signature or signature, events)

    def _add_call(self, call: Call, arguments: str, signature: str | None, events: list[Event]) -> None:
        if not call.name:
            raise UpstreamProtocolError("the upstream sent a function call without a name")
        if not is_object(arguments):
            raise UpstreamProtocolError(f"the arguments of the call `{call.name}` are no object")
        id_ = call.id or made_up_id(self._reply_id, self._calls)
        self._calls += 1
        seal = sealing.issued(signature, self._source, sealing.CALL) if signature else None
        self._add_whole(ToolCall(id_, call.name, "", seal=seal), events, ArgumentsDelta(self._next, arguments))

    def _add_whole(self, block: ToolCall | Refusal | Foreign | Image, events: list[Event], *deltas: Event) -> None:
        self._close(events)
        events += (BlockStart(self._next, block), *deltas, BlockEnd(self._next))
        self._next += 1

    def _close(self, events: list[Event]) -> None:
        if self._block is not None:
            events.append(BlockEnd(self._block))
            self._block = None


def _own_part(part: SaidPart) -> Foreign | None:
    """Return a part that only this protocol has; None when there is nothing in it."""
    signature = {"thoughtSignature": part.thought_signature} if part.thought_signature else {}
    for field, name in OWN_PARTS.items():
        value: Raw = getattr(part, field)
        if is_given(value):
            return foreign(name, value, Raw(_json({name: Raw(squeezed(value))} | signature)))
    if part.inline_data is not None:
        return Foreign(NAME, "inlineData", Raw(_json({"inlineData": part.inline_data} | signature)))
    if part.file_data is not None:
        return Foreign(NAME, "fileData", Raw(_json({"fileData": part.file_data} | signature)))
    return None
