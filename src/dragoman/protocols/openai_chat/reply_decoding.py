"""Whole replies of an upstream. https://platform.openai.com/docs/api-reference/chat/object."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Raw

from dragoman.codec import Source
from dragoman.ir.failures import DragomanError, RequestError, UpstreamProtocolError
from dragoman.ir.reply import Finish, Reply
from dragoman.ir.request import (
    Block,
    Citation,
    Image,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolKind,
    UrlData,
)
from dragoman.ir.seals import Seal
from dragoman.protocols.openai_chat.endings import decode_finish, decode_usage, interruption
from dragoman.protocols.openai_chat.reasoning import (
    DETAILS,
    EXTRA_CONTENT,
    PLAIN,
    Detail,
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
from dragoman.vendors.openai.errors import decode_error
from dragoman.vendors.openai.files import decode_data_url, is_data_url
from dragoman.wire.arguments import as_object, is_object
from dragoman.wire.pages import page_failure
from dragoman.wire.reading import UNREADABLE, check_text

_REPLY: Final = msgspec.json.Decoder(WireReply)
_annotation_of: Final = msgspec.json.Decoder(Annotation).decode
_NOT_IN_IDS: Final = re.compile("[^a-zA-Z0-9_-]")
_ID_LENGTH: Final = 32


def decode_reply(data: bytes, source: Source) -> Reply:
    """Return the reply in the IR. Raises DragomanError for an error that came with status 200, and for what is no reply."""
    try:
        reply = _REPLY.decode(data)
        check_text(data)
    except msgspec.ValidationError as error:
        raise UpstreamProtocolError(f"the upstream's reply has an unexpected form: {error}") from None
    except UNREADABLE:
        raise DragomanError(page_failure(200, data)) from None
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
