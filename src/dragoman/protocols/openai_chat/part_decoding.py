"""Parts of a message's content to blocks of the IR.

https://platform.openai.com/docs/api-reference/chat/create#chat-create-messages
"""

from collections.abc import Sequence
from typing import Final, TypeVar, assert_never

import msgspec

from dragoman.ir.failures import RequestError
from dragoman.ir.request import (
    Audio,
    Base64Data,
    Block,
    CacheBreakpoint,
    Document,
    FileId,
    Image,
    PlainText,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    UrlData,
)
from dragoman.ir.seals import read_seal
from dragoman.protocols.openai_chat.wire import ORIGIN
from dragoman.protocols.openai_chat.wire_parts import (
    AssistantPart,
    AudioPart,
    Base64Source,
    CacheControl,
    FileData,
    FilePart,
    ImagePart,
    ImageUrl,
    Part,
    RefusalPart,
    ResultPart,
    SourceDocumentPart,
    SourceImagePart,
    TextPart,
    TextSource,
    ThinkingPart,
    ToolResultPart,
    ToolUsePart,
    UrlSource,
    UserPart,
)
from dragoman.vendors.openai.files import decode_file_data, decode_image_url
from dragoman.wire.carried import object_text
from dragoman.wire.media import decode_file, standard_base64, standard_type

_Cached = TypeVar("_Cached", bound=Block)

_LIFETIMES: Final = {"1h": "1h", "12h": "1h", "5m": "5m"}
"""Lifetimes of cached prompts as the IR writes them; others are the default."""


def decode_parts(content: str | Sequence[UserPart | AssistantPart] | None, path: str) -> tuple[Block, ...]:
    """Return the blocks of a message's content; `path` is the content's own. A string is one text."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),)
    return tuple(_decode_part(part, f"{path}[{index}]") for index, part in enumerate(content))


def decode_result(content: str | Sequence[ResultPart] | None, path: str) -> tuple[Text | Image | Document | Audio, ...]:
    """Return the blocks of a tool's answer; an empty one has none."""
    if not content:
        return ()
    if isinstance(content, str):
        return (Text(content),)
    return tuple(_decode_result_part(part, f"{path}[{index}]") for index, part in enumerate(content))


def cache_of(part: Part) -> CacheBreakpoint | None:
    """Return the cache breakpoint on `part`."""
    return cache_from(part.cache_control or part.prompt_cache_breakpoint)


def cache_from(control: CacheControl | None) -> CacheBreakpoint | None:
    """Return the cache breakpoint that `control` asks for."""
    return CacheBreakpoint(_LIFETIMES.get(control.ttl or "")) if control else None


def with_cache(block: _Cached, control: CacheControl | None) -> _Cached:
    """Return `block` with the breakpoint that stood on its message."""
    cache = cache_from(control)
    return msgspec.structs.replace(block, cache=cache) if cache and hasattr(block, "cache") else block


def _decode_part(part: UserPart | AssistantPart, path: str) -> Block:
    match part:
        case RefusalPart():
            return Refusal(part.refusal)
        case ToolResultPart():
            blocks = decode_result(part.content, f"{path}.content")
            return ToolResult(part.tool_use_id, blocks, part.is_error, cache=cache_of(part))
        case ToolUsePart():
            return ToolCall(part.id, part.name, object_text(part.input, f"{path}.input"), cache=cache_of(part))
        case ThinkingPart():
            return Reasoning((part.thinking,), seal=read_seal(part.signature))
        case _:
            return _decode_result_part(part, path)


def _decode_result_part(part: ResultPart, path: str) -> Text | Image | Document | Audio:
    match part:
        case TextPart():
            return Text(part.text, cache=cache_of(part))
        case ImagePart():
            return decode_image(part.image_url, path, cache_of(part))
        case AudioPart():
            return Audio(
                standard_base64(part.input_audio.data, f"{path}.input_audio.data"), part.input_audio.format.lower()
            )
        case FilePart():
            return _decode_file(part.file, f"{path}.file", cache_of(part))
        case SourceImagePart():
            return Image(_decode_image_source(part.source, f"{path}.source"), cache=cache_of(part))
        case SourceDocumentPart():
            return _decode_document(part, f"{path}.source")
        case _:
            assert_never(part)


def decode_image(image: ImageUrl | str, path: str, cache: CacheBreakpoint | None = None) -> Image:
    """Return the picture at a data or http URL; `path` is the part's."""
    url, detail, where = (
        (image, None, f"{path}.image_url")
        if isinstance(image, str)
        else (image.url, image.detail, f"{path}.image_url.url")
    )
    return Image(decode_image_url(url, where), detail, cache)


def _decode_file(file: FileData, path: str, cache: CacheBreakpoint | None) -> Document:
    if file.file_id is not None:
        return Document(FileId(ORIGIN, file.file_id), file.filename, cache=cache)
    if file.file_data is None:
        raise RequestError(f"`{path}` has neither `file_data` nor `file_id`", param=f"{path}.file_data")
    where = f"{path}.file_data"
    if file.file_data.startswith(("http://", "https://")):
        return Document(UrlData(file.file_data), file.filename, cache=cache)
    return Document(decode_file_data(file.file_data, file.filename, where), file.filename, cache=cache)


def _decode_document(part: SourceDocumentPart, path: str) -> Document:
    source: PlainText | Base64Data | UrlData
    match part.source:
        case TextSource():
            source = PlainText(part.source.data)
        case UrlSource():
            source = UrlData(part.source.url)
        case Base64Source():
            source = decode_file(part.source.media_type, part.source.data, f"{path}.data", f"{path}.media_type")
        case _:
            assert_never(part.source)
    return Document(source, part.title, part.context, cache=cache_of(part))


def _decode_image_source(source: Base64Source | UrlSource, path: str) -> Base64Data | UrlData:
    if isinstance(source, UrlSource):
        return UrlData(source.url)
    media_type = standard_type(source.media_type, f"{path}.media_type", "image/")
    return Base64Data(media_type, standard_base64(source.data, f"{path}.data"))
