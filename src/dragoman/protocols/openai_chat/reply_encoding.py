"""Whole replies for a client. https://platform.openai.com/docs/api-reference/chat/object."""

from collections.abc import Sequence
from typing import Any, Final, assert_never

import msgspec

from dragoman.codec import Audience, LossNote
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Reply
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
    Search,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
    UrlData,
)
from dragoman.protocols.openai_chat import losses
from dragoman.protocols.openai_chat.endings import encode_finish, encode_usage
from dragoman.protocols.openai_chat.reasoning import Detail, call_extra, details_for_client
from dragoman.protocols.openai_chat.wire import ORIGIN

_ID_PREFIX: Final = "chatcmpl"


def encode_reply(reply: Reply, audience: Audience) -> bytes:
    """Return the reply as a client of this protocol reads it."""
    blocks, ledger = reply.blocks, audience.ledger
    kinds = set(map(type, blocks))
    for place, block in enumerate(blocks):
        note_block(block, ledger, place)
    calls = [encode_call(block) for block in blocks if isinstance(block, ToolCall) and is_for_client(block)]
    refusal = "".join([block.text for block in blocks if isinstance(block, Refusal)])
    finish = encode_finish(reply.finish, ledger, has_calls=bool(calls), has_refusal=bool(refusal))
    texts = [visible_text(block) for block in blocks]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) or None, "refusal": refusal or None}
    if Reasoning in kinds:
        message |= _encode_reasoning(blocks)
    if annotations := _encode_annotations(blocks, texts, ledger):
        message["annotations"] = annotations
    if Image in kinds:
        message["images"] = [encode_picture(block) for block in blocks if isinstance(block, Image)]
    if calls:
        message["tool_calls"] = calls
    return msgspec.json.encode(
        {
            "id": client_id(reply.id, audience),
            "object": "chat.completion",
            "created": audience.created,
            "model": audience.model,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
            "usage": encode_usage(reply.usage),
        }
    )


def client_id(upstream_id: str, audience: Audience) -> str:
    """Return the reply's id: the upstream's when it looks like one of this protocol."""
    return upstream_id if upstream_id.startswith(_ID_PREFIX) else audience.new_id(f"{_ID_PREFIX}-")


def note_block(block: Block, ledger: Ledger, place: int) -> None:
    """Record what a block of a reply loses; its citations are not looked at."""
    loss: LossNote | None = None
    match block:
        case Text(seal=seal):
            loss = losses.REPLY_SEAL if seal else None
        case ToolCall(kind=ToolKind.HOSTED):
            loss = losses.REPLY_HOSTED_CALL
        case ToolCall(namespace=str()):
            loss = losses.REPLY_NAMESPACE
        case Foreign(search=Search()):
            loss = losses.REPLY_SEARCH
        case Foreign(text=text):
            loss = losses.REPLY_FOREIGN if text else losses.REPLY_FOREIGN_DROPPED
        case _:
            pass
    if loss is not None:
        loss.once(ledger, f"reply.content[{place}]")


def visible_text(block: Block) -> str:
    """Return what a block puts into the message's content."""
    match block:
        case Text(text=text):
            return text
        case Foreign(text=text, search=search):
            return "" if search else text or ""
        case Reasoning() | Refusal() | ToolCall() | Image() | Document() | Audio() | ToolResult():
            return ""
        case _:
            assert_never(block)


def _encode_reasoning(blocks: Sequence[Block]) -> dict[str, Any]:
    """Return the fields that hold the reasoning. Several blocks repeat their texts in the details, to be told apart."""
    thoughts = [block for block in blocks if isinstance(block, Reasoning)]
    fields: dict[str, Any] = {}
    if text := "\n\n".join(filter(None, (thought.text for thought in thoughts))):
        fields["reasoning_content"] = text
    details: list[Detail] = []
    for place, thought in enumerate(thoughts):
        details += details_for_client(thought, len(details), repeats_text=place > 0)
    if details:
        fields["reasoning_details"] = details
    return fields


def _encode_annotations(blocks: Sequence[Block], texts: Sequence[str], ledger: Ledger) -> list[dict[str, Any]]:
    """Return the citations as annotations. One that does not say which words it is for is for all of its block."""
    annotations: list[dict[str, Any]] = []
    length = 0
    for place, (block, text) in enumerate(zip(blocks, texts, strict=True)):
        start, length = length, length + len(text)
        for citation in block.citations if isinstance(block, Text) else ():
            if not note_citation(citation, ledger, place):
                continue
            whole = msgspec.structs.replace(citation, start=start, end=length)
            annotations.append(encode_citation(whole if citation.start is None else citation, len(annotations)))
    return annotations


def note_citation(citation: Citation, ledger: Ledger, place: int) -> bool:
    """Record what a citation loses; tell whether anything is left of it."""
    if citation.origin != ORIGIN or not citation.url:
        loss = losses.REPLY_CITED_TEXT if citation.url else losses.REPLY_CITATIONS
        loss.once(ledger, f"reply.content[{place}]")
    return bool(citation.url)


def encode_citation(citation: Citation, index: int) -> dict[str, Any]:
    """Return a citation as an annotation; `index` counts those of the reply, as the SDKs need it in a stream."""
    page = {
        "start_index": citation.start or 0,
        "end_index": citation.end or 0,
        "title": citation.title or "",
        "url": citation.url,
    }
    return {"type": "url_citation", "index": index, "url_citation": page}


def encode_picture(image: Image) -> dict[str, Any]:
    """Return a picture that the model made, in OpenRouter's form."""
    match image.source:
        case Base64Data(media_type=media_type, data=data):
            url = f"data:{media_type};base64,{data}"
        case UrlData(url=url):
            pass
        case FileId(id=url):
            pass
        case _:
            assert_never(image.source)
    return {"type": "image_url", "image_url": {"url": url}}


def is_for_client(call: ToolCall) -> bool:
    """Tell whether a call is the client's to run; what a vendor runs itself is not."""
    return call.kind is not ToolKind.HOSTED


def encode_call(block: ToolCall) -> dict[str, Any]:
    """Return a tool call."""
    if block.kind is ToolKind.CUSTOM:
        call: dict[str, Any] = {
            "id": block.id,
            "type": "custom",
            "custom": {"name": block.name, "input": block.arguments},
        }
    else:
        function = {"name": block.name, "arguments": block.arguments or "{}"}
        call = {"id": block.id, "type": "function", "function": function}
    if block.seal:
        call["extra_content"] = call_extra(block.seal)
    return call
