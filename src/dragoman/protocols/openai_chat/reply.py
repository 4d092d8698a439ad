"""Whole replies, both ways.

https://platform.openai.com/docs/api-reference/chat/object
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, assert_never

import msgspec
from msgspec import Raw

from dragoman.codec import Audience, LossNote, Source
from dragoman.ir.failures import DragomanError, RequestError, UpstreamProtocolError
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Finish, Reply
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
from dragoman.ir.seals import Seal
from dragoman.protocols.openai_chat import losses
from dragoman.protocols.openai_chat.endings import (
    decode_finish,
    decode_usage,
    encode_finish,
    encode_usage,
    interruption,
)
from dragoman.protocols.openai_chat.reasoning import (
    DETAILS,
    EXTRA_CONTENT,
    PLAIN,
    Detail,
    call_extra,
    details_for_client,
    details_in,
    merged,
    text_of,
    write_details,
)
from dragoman.protocols.openai_chat.wire import ORIGIN, is_given
from dragoman.protocols.openai_chat.wire_replies import (
    Annotation,
    Answer,
    ContentPiece,
    CustomPiece,
    FunctionPiece,
    Picture,
    ToolCallPiece,
    WireChoice,
    WireReply,
)
from dragoman.vendors.openai.errors import decode_error, unreadable
from dragoman.vendors.openai.files import decode_data_url, is_data_url
from dragoman.wire.arguments import as_object, is_object
from dragoman.wire.reading import UNREADABLE, check_text

_REPLY: Final = msgspec.json.Decoder(WireReply)
_annotation_of: Final = msgspec.json.Decoder(Annotation).decode
_ID_PREFIX: Final = "chatcmpl"
_NOT_IN_IDS: Final = re.compile("[^a-zA-Z0-9_-]")
_ID_LENGTH: Final = 32


# From an upstream ---------------------------------------------------------------------------------------------------------


def decode_reply(data: bytes, source: Source) -> Reply:
    """Return the reply in the IR. Raises DragomanError for an error that came with status 200, and for what is no reply."""
    try:
        reply = _REPLY.decode(data)
        check_text(data)
    except msgspec.ValidationError as error:
        raise UpstreamProtocolError(f"the upstream's reply has an unexpected form: {error}") from None
    except UNREADABLE:
        raise DragomanError(unreadable(200, data)) from None
    if is_given(reply.error):
        raise DragomanError(decode_error(reply.error))
    choice = _first_choice(reply, data)
    if (failure := interruption(choice.finish_reason)) is not None:
        raise DragomanError(failure)
    reply_id = reply.id or ""
    answer = choice.message or Answer()
    calls = tuple(_decode_calls(answer, reply_id, source)) if answer.tool_calls or answer.function_call else ()
    finish = decode_finish(choice.finish_reason, has_calls=bool(calls), has_refusal=bool(answer.refusal))
    blocks = (*_decode_content(answer, source), *_finished(calls, finish))
    return Reply(reply_id, reply.model or source.model, blocks, finish, decode_usage(reply.usage), choice.finish_reason)


def _first_choice(reply: WireReply, data: bytes) -> WireChoice:
    for choice in reply.choices or ():
        if not choice.index:
            break
    else:
        excerpt = data[:200].decode(errors="replace")
        raise UpstreamProtocolError(f"the upstream's reply has no `choices`: `{excerpt}`")
    if is_given(choice.error):
        raise DragomanError(decode_error(choice.error))
    return choice


def _decode_content(answer: Answer, source: Source) -> Iterator[Block]:
    """Yield everything but the calls: what was thought comes first."""
    details = details_in(answer)
    reasoning = readable_reasoning(answer)
    if reasoning or details:
        yield Reasoning(
            (reasoning,) if reasoning else (),
            is_redacted=is_redacted(reasoning, details),
            seal=seal_for(merged(details), source),
        )
    text = text_of_content(answer)
    if text:
        yield Text(text, tuple(map(decode_citation, answer.annotations or ())))
    if refusal := refusal_of(answer):
        yield Refusal(refusal)
    yield from map(decode_picture, answer.images or ())


def readable_reasoning(answer: Answer) -> str:
    """Return what can be read of an answer's, or a delta's, reasoning."""
    if text := answer.reasoning_content or answer.reasoning:
        return text
    if details := details_in(answer):
        return "".join(map(text_of, details))
    if isinstance(answer.content, list):
        return "".join(map(_thought, answer.content))
    return ""


def is_redacted(text: str, details: Sequence[Detail]) -> bool:
    """Tell whether nobody is meant to read the reasoning that these details, and no words, are of."""
    return not text and all(detail.get("type") == "reasoning.encrypted" for detail in details)


def seal_for(details: Sequence[Detail], source: Source) -> Seal:
    """Return the seal of reasoning that came from `source`."""
    if details:
        return Seal(ORIGIN, write_details(details), source.provider, source.model, DETAILS)
    return Seal(ORIGIN, "", source.provider, source.model, PLAIN)


def text_of_content(answer: Answer) -> str:
    """Return the words of an answer's, or a delta's, content, which is a list at some servers (Mistral)."""
    if isinstance(answer.content, list):
        return "".join(piece.text or "" for piece in answer.content if piece.type != "thinking")
    return answer.content or ""


def refusal_of(answer: Answer) -> str:
    """Return the words with which the model declined."""
    if answer.refusal or not isinstance(answer.content, list):
        return answer.refusal or ""
    return "".join(piece.refusal or "" for piece in answer.content)


def _thought(piece: ContentPiece) -> str:
    if isinstance(piece.thinking, list):
        return "".join(part.text or "" for part in piece.thinking)
    return piece.thinking or ""


def decode_citation(raw: Raw) -> Citation:
    """Return an annotation as a citation, with what is known of the page."""
    try:
        page = _annotation_of(raw).url_citation
    except UNREADABLE:
        page = None
    if page is None:
        return Citation(ORIGIN, raw)
    return Citation(ORIGIN, raw, page.url, page.title, page.start_index, page.end_index)


def decode_picture(picture: Picture) -> Image:
    """Return a picture that the model made."""
    url = picture.image_url.url
    try:
        return Image(decode_data_url(url, "images") if is_data_url(url) else UrlData(url))
    except RequestError as error:
        raise UpstreamProtocolError(error.failure.message) from None


def _decode_calls(answer: Answer, reply_id: str, source: Source) -> Iterator[ToolCall]:
    for number, call in enumerate(answer.tool_calls or ()):
        call_id = call.id or made_up_id(reply_id, number)
        seal = call_seal(call, source)
        if is_custom(call):
            custom = call.custom or CustomPiece()
            yield ToolCall(
                call_id,
                require_name(custom.name),
                custom.input or "",
                ToolKind.CUSTOM,
                seal=seal,
            )
        else:
            yield _decode_function(call.function or FunctionPiece(), call_id, seal)
    if answer.function_call:
        yield _decode_function(answer.function_call, made_up_id(reply_id, len(answer.tool_calls or ())), None)


def _decode_function(function: FunctionPiece, call_id: str, seal: Seal | None) -> ToolCall:
    return ToolCall(call_id, require_name(function.name), arguments_of(function), seal=seal)


def require_name(name: str | None) -> str:
    """Return a call's name. Raises UpstreamProtocolError when there is none: nobody could run it."""
    if not name:
        raise UpstreamProtocolError("the upstream sent a tool call without a name")
    return name


def is_custom(call: ToolCallPiece) -> bool:
    """Tell whether a call is one of a custom tool."""
    return call.custom is not None and (call.type == "custom" or call.function is None)


def arguments_of(function: FunctionPiece) -> str:
    """Return the arguments' text; some servers give the object itself."""
    if isinstance(function.arguments, dict):
        return msgspec.json.encode(function.arguments).decode()
    return function.arguments or ""


def call_seal(call: ToolCallPiece, source: Source) -> Seal | None:
    """Return what an upstream wants back beside a call."""
    if not is_given(call.extra_content):
        return None
    return Seal(ORIGIN, bytes(call.extra_content).decode(), source.provider, source.model, EXTRA_CONTENT)


def made_up_id(reply_id: str, number: int) -> str:
    """Return an id for a call that came without one: the same for the same reply."""
    return f"call_{_NOT_IN_IDS.sub('', reply_id)[-_ID_LENGTH:]}_{number}".replace("__", "_")


def _finished(calls: Sequence[ToolCall], finish: Finish) -> Iterator[ToolCall]:
    """Yield the calls with whole arguments. What the token limit cut off is left out: nobody may run it."""
    for call in calls:
        if call.kind is ToolKind.CUSTOM:
            yield call
        elif finish is not Finish.LENGTH or is_object(call.arguments):
            arguments, _ = as_object(call.arguments)
            yield msgspec.structs.replace(call, arguments=bytes(arguments).decode())


# To a client --------------------------------------------------------------------------------------------------------------


def encode_reply(reply: Reply, audience: Audience) -> bytes:
    """Return the reply as a client of this protocol reads it."""
    ledger = audience.ledger
    for place, block in enumerate(reply.blocks):
        note_block(block, ledger, place)
    calls = [encode_call(block) for block in reply.blocks if isinstance(block, ToolCall) and is_for_client(block)]
    refusal = "".join(block.text for block in reply.blocks if isinstance(block, Refusal))
    finish = encode_finish(reply.finish, ledger, has_calls=bool(calls), has_refusal=bool(refusal))
    message: dict[str, Any] = {"role": "assistant", "content": _encode_text(reply.blocks), "refusal": refusal or None}
    message |= _encode_reasoning(reply.blocks)
    if annotations := list(_encode_annotations(reply.blocks, ledger)):
        message["annotations"] = annotations
    if images := [encode_picture(block) for block in reply.blocks if isinstance(block, Image)]:
        message["images"] = images
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
        case Text(seal=Seal()):
            loss = losses.REPLY_SEAL
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


def _encode_text(blocks: Sequence[Block]) -> str | None:
    return "".join(map(visible_text, blocks)) or None


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


def _encode_annotations(blocks: Sequence[Block], ledger: Ledger) -> Iterator[dict[str, Any]]:
    """Yield the citations as annotations. One that does not say which words it is for is for all of its block."""
    index = length = 0
    for place, block in enumerate(blocks):
        start, length = length, length + len(visible_text(block))
        for citation in block.citations if isinstance(block, Text) else ():
            if not note_citation(citation, ledger, place):
                continue
            whole = msgspec.structs.replace(citation, start=start, end=length)
            yield encode_citation(whole if citation.start is None else citation, index)
            index += 1


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
