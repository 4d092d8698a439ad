"""Events to a client's stream: `data` lines alone, each a whole response with one more piece in it.

https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent. Google's SDKs take nothing else: no comments, no
names of events, no `[DONE]`. Words leave as they come; a call leaves when it is whole, for the wire has no pieces of one.
"""

from collections.abc import Sequence
from typing import Any, Final, assert_never

import msgspec
from msgspec import Raw

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
from dragoman.ir.request import Foreign, Image, Reasoning, Refusal, Text, ToolCall
from dragoman.ir.seals import Seal
from dragoman.protocols.gemini_generate import losses, sealing
from dragoman.protocols.gemini_generate.errors import encode_failure_event
from dragoman.protocols.gemini_generate.reply import Written

_encode: Final = msgspec.json.Encoder().encode
_TEXT: Final = b'data: {"candidates":[{"content":{"parts":[{"text":'
_PART: Final = b'data: {"candidates":[{"content":{"parts":['
_THOUGHT_END: Final = b',"thought":true'
_PARAGRAPH: Final = "\n\n"


class _Thought:
    """A thought while it leaves. Its text is kept: a call may have to carry it."""

    __slots__ = ("head", "part", "pieces", "seal")

    def __init__(self, head: Reasoning) -> None:
        self.head = head
        self.part = 0
        self.pieces = [head.text]
        self.seal = head.seal


class _Call:
    """A call while it is put together."""

    __slots__ = ("head", "pieces", "seal")

    def __init__(self, head: ToolCall) -> None:
        self.head = head
        self.pieces = [head.arguments]
        self.seal = head.seal


class ContentEncoder:
    """Writes one reply for one client."""

    __slots__ = ("_audience", "_calls", "_names", "_seals", "_tail", "_thoughts", "_usage", "_written")

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self._written = Written(audience.ledger)
        self._names = b""
        self._tail = b""
        self._thoughts: dict[int, _Thought] = {}
        self._calls: dict[int, _Call] = {}
        self._seals: dict[int, Seal] = {}
        self._usage = Usage()

    def feed(self, batch: Sequence[Event]) -> bytes:
        """Return the chunks that say `batch`."""
        out: list[bytes] = []
        for event in batch:
            # Most events are more words.
            if type(event) is TextDelta and event.text:
                out += (_TEXT, _encode(event.text), self._tail)
            else:
                out.append(self._write(event))
        return b"".join(out)

    def flush(self) -> bytes:
        """Return nothing: the end is an event."""
        return b""

    def _write(self, event: Event) -> bytes:
        match event:
            case TextDelta(_, text):
                return b"%b%b%b" % (_TEXT, _encode(text), self._tail) if text else b""
            case ReasoningDelta():
                return self._write_thought(event)
            case ArgumentsDelta(index, text):
                self._calls[index].pieces.append(text)
                return b""
            case BlockStart(index, block):
                return self._begin(index, block)
            case BlockEnd(index):
                return self._finish_block(index)
            case SealDelta(index, seal):
                return self._keep_seal(index, seal)
            case CitationDelta(index, citation):
                self._written.cite((citation,), index)
                return b""
            case ReplyStart():
                return self._start(event)
            case ReplyEnd():
                return self._finish(event)
            case ReplyFailed(failure):
                return encode_failure_event(failure, "")
            case _:
                assert_never(event)

    def _part(self, part: dict[str, Any] | Raw) -> bytes:
        return b"%b%b%b" % (_PART, _encode(part), self._tail[1:])

    # --- the reply ---

    def _start(self, start: ReplyStart) -> bytes:
        """What says nothing yet is not sent: a chunk without parts looks like a broken answer."""
        self._usage = start.usage
        names = {"modelVersion": self._audience.model, "responseId": start.id or self._audience.new_id("resp_")}
        self._names = b"%b\n\n" % _encode(names)[1:]
        self._tail = b'}],"role":"model"},"index":0}],%b' % self._names
        return b""

    def _finish(self, end: ReplyEnd) -> bytes:
        candidate = self._written.candidate((), end)
        usage = self._written.usage(self._usage.merged(end.usage))
        return b'data: {"candidates":[%b],"usageMetadata":%b,%b' % (_encode(candidate), _encode(usage), self._names)

    # --- blocks ---

    def _begin(self, index: int, block: Text | Reasoning | ToolCall | Refusal | Foreign | Image) -> bytes:
        match block:
            case Text(text, citations, seal=seal):
                self._written.cite(citations, index)
                if seal is not None:
                    self._seals[index] = seal
                return b"%b%b%b" % (_TEXT, _encode(text), self._tail) if text else b""
            case Refusal(text):
                self._written.note(losses.REPLY_REFUSAL, index)
                return b"%b%b%b" % (_TEXT, _encode(text), self._tail) if text else b""
            case Reasoning():
                self._thoughts[index] = _Thought(block)
                text = block.text
                return b"%b%b%b%b" % (_TEXT, _encode(text), _THOUGHT_END, self._tail) if text else b""
            case ToolCall():
                self._calls[index] = _Call(block)
                return b""
            case Foreign() | Image():
                return b"".join(map(self._part, self._written.parts(block, index)))
            case _:
                assert_never(block)

    def _write_thought(self, delta: ReasoningDelta) -> bytes:
        thought = self._thoughts[delta.index]
        text = delta.text
        if delta.part > thought.part:
            text = _PARAGRAPH * (delta.part - thought.part) + text
            thought.part = delta.part
        if not text:
            return b""
        thought.pieces.append(text)
        return b"%b%b%b%b" % (_TEXT, _encode(text), _THOUGHT_END, self._tail)

    def _keep_seal(self, index: int, seal: Seal) -> bytes:
        """Keep a seal until its block is complete."""
        carrier = self._calls.get(index) or self._thoughts.get(index)
        if carrier is not None:
            carrier.seal = seal
        else:
            self._seals[index] = seal
        return b""

    def _finish_block(self, index: int) -> bytes:
        if index in self._calls:
            call = self._calls.pop(index)
            whole = msgspec.structs.replace(call.head, arguments="".join(call.pieces), seal=call.seal)
            return b"".join(map(self._part, self._written.parts(whole, index)))
        if index in self._thoughts:
            return self._finish_thought(self._thoughts.pop(index))
        if index in self._seals:
            return self._part({"text": "", "thoughtSignature": sealing.shown(self._seals.pop(index))})
        return b""

    def _finish_thought(self, thought: _Thought) -> bytes:
        """Return the part that bears a thought's seal; its words have left already."""
        if thought.seal is None:
            return b""
        text = "".join(thought.pieces)
        head = thought.head
        whole = Reasoning((text,) if text else (), head.is_summary, head.is_redacted, thought.seal)
        return self._part(self._written.thought(whole, says_text=False))
