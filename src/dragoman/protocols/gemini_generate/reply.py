"""Whole replies, both ways. https://ai.google.dev/api/generate-content#generatecontentresponse."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, assert_never

import msgspec
from msgspec import Raw

from dragoman.codec import Audience, LossNote, Source
from dragoman.ir.collecting import collect
from dragoman.ir.events import Event, ReplyEnd
from dragoman.ir.failures import DragomanError, UpstreamProtocolError
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Reply, Usage
from dragoman.ir.request import (
    Audio,
    Base64Data,
    Block,
    Citation,
    Document,
    FileId,
    Foreign,
    Image,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
    UrlData,
)
from dragoman.protocols.gemini_generate import losses, sealing
from dragoman.protocols.gemini_generate.citations import encode_citations
from dragoman.protocols.gemini_generate.endings import encode_finish, encode_usage
from dragoman.protocols.gemini_generate.errors import decode_failure
from dragoman.protocols.gemini_generate.stream_decoder import ContentDecoder
from dragoman.protocols.gemini_generate.wire import NAME
from dragoman.wire.arguments import as_object
from dragoman.wire.sse import Frame

Json = dict[str, Any]
_encode: Final = msgspec.json.encode


# From an upstream -----------------------------------------------------------------------------------------------------


def decode_reply(body: bytes, source: Source) -> Reply:
    """Return the reply that `body` is: a stream of one chunk. Raises DragomanError when it is an error or none at all."""
    decoder = ContentDecoder(source)
    try:
        events: list[Event] = [*decoder.feed(Frame(body)), *decoder.finish()]
    except msgspec.ValidationError as error:
        raise UpstreamProtocolError(f"the upstream's reply could not be read: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise DragomanError(decode_failure(200, {}, body)) from None
    return collect(events)


# To a client ----------------------------------------------------------------------------------------------------------


def encode_reply(reply: Reply, audience: Audience) -> bytes:
    """Return the reply as the client gets it, with the model name that it asked for."""
    written = Written(audience.ledger)
    parts = [part for place, block in enumerate(reply.blocks) for part in written.parts(block, place)]
    end = ReplyEnd(reply.finish, reply.usage, reply.finish_word, reply.stop_sequence, reply.extras)
    return _encode(
        {
            "candidates": [written.candidate(parts, end)],
            "usageMetadata": written.usage(reply.usage),
            "modelVersion": audience.model,
            "responseId": reply.id or audience.new_id("resp_"),
        }
    )


class Written:
    """Writes the blocks of one reply; what one block says may be carried by a later one."""

    __slots__ = ("_citations", "_ledger", "_thoughts")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._citations: list[Citation] = []
        self._thoughts: list[Reasoning] = []

    def parts(self, block: Block, place: int) -> Sequence[Json | Raw]:
        """Return the parts that stand for a whole block, the reply's `place`th."""
        match block:
            case Text(text, citations, seal=seal):
                self.cite(citations, place)
                part: Json = {"text": text}
                return [{**part, "thoughtSignature": sealing.shown(seal)} if seal else part] if text or seal else []
            case Reasoning():
                return [self.thought(block)]
            case ToolCall(kind=ToolKind.HOSTED):
                self.note(losses.REPLY_HOSTED_CALL, place)
                return []
            case ToolCall():
                return [self.call(block, place)]
            case Refusal(text):
                self.note(losses.REPLY_REFUSAL, place)
                return [{"text": text}] if text else []
            case Foreign(origin=origin, raw=raw) if origin == NAME:
                return [raw]
            case Foreign():
                return self._foreign(block, place)
            case Image():
                return [_picture(block)]
            case Document() | Audio() | ToolResult():
                raise ValueError(f"a reply has no `{type(block).__name__}`")
            case _:
                assert_never(block)

    def thought(self, block: Reasoning, *, says_text: bool = True) -> Json:
        """Return the part of a thought; `says_text`: its words have not left yet."""
        if block.seal is not None and block.seal.protocol != NAME:
            self._thoughts.append(block)
        part: Json = {"text": block.text if says_text else "", "thought": True}
        return {**part, "thoughtSignature": sealing.shown(block.seal)} if block.seal else part

    def call(self, block: ToolCall, place: int) -> Json:
        """Return the part of a call. One without a seal of its own carries the thoughts that led to it.

        Gemini CLI gives calls and their signatures back, and no thoughts; whoever made them may want to see them again.
        """
        if block.namespace is not None:
            self.note(losses.REPLY_NAMESPACE, place)
        if block.kind is ToolKind.CUSTOM:
            self.note(losses.REPLY_CUSTOM_CALL, place)
        given = (
            Raw(_encode({"input": block.arguments})) if block.kind is ToolKind.CUSTOM else as_object(block.arguments)[0]
        )
        part: Json = {"functionCall": {"id": block.id, "name": block.name, "args": given}}
        if block.seal is not None:
            part["thoughtSignature"] = sealing.shown(block.seal)
        elif self._thoughts:
            part["thoughtSignature"] = sealing.carried(self._thoughts)
        self._thoughts = []
        return part

    def cite(self, citations: Iterable[Citation], place: int) -> None:
        """Remember where the words of a block come from: it is told at the end."""
        for citation in citations:
            if citation.origin != NAME and citation.url is None:
                self.note(losses.REPLY_CITATIONS, place)
            self._citations.append(citation)

    def note(self, loss: LossNote, place: int) -> None:
        """Record that a block loses something."""
        loss.once(self._ledger, f"reply.content[{place}]")

    def usage(self, usage: Usage) -> Json:
        """Return the figures."""
        if usage.cache_write:
            losses.REPLY_CACHE_WRITE.once(self._ledger, "reply.usage")
        return encode_usage(usage)

    def candidate(self, parts: Sequence[Json | Raw], end: ReplyEnd) -> Json:
        """Return the candidate with its end."""
        if end.stop_sequence is not None:
            losses.REPLY_STOP_SEQUENCE.once(self._ledger, "reply.stop_sequence")
        # A content without parts is one that clients take for a broken answer.
        candidate: Json = {
            "content": {"parts": parts or [{"text": ""}], "role": "model"},
            "finishReason": encode_finish(end.finish),
            "index": 0,
        }
        if sources := encode_citations(self._citations):
            candidate["citationMetadata"] = {"citations": sources}
        return candidate | {extra.name: extra.value for extra in end.extras if extra.origin == NAME}

    def _foreign(self, block: Foreign, place: int) -> Sequence[Json]:
        """Return what stands for a block of another protocol."""
        if block.search is not None:
            self.note(losses.REPLY_SEARCH, place)
            return []
        self.note(losses.REPLY_FOREIGN if block.text else losses.REPLY_FOREIGN_DROPPED, place)
        return [{"text": block.text}] if block.text else []


def _picture(image: Image) -> Json:
    match image.source:
        case Base64Data(media_type, data):
            return {"inlineData": {"mimeType": media_type, "data": data}}
        case UrlData(url=uri) | FileId(id=uri):
            return {"fileData": {"mimeType": "image/png", "fileUri": uri}}
        case _:
            assert_never(image.source)
