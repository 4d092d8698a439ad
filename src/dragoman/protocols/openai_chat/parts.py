"""Parts of a message's content to blocks of the IR.

https://platform.openai.com/docs/api-reference/chat/create#chat-create-messages
"""

import base64
from collections.abc import Sequence
from typing import Final, TypeVar, assert_never
from urllib.parse import unquote_to_bytes

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

_Cached = TypeVar("_Cached", bound=Block)

_MEDIA_TYPES: Final = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
}
"""By a file name's ending, for files whose data does not say what they are."""

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
            return ToolCall(part.id, part.name, bytes(part.input).decode(), cache=cache_of(part))
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
            return Audio(part.input_audio.data, part.input_audio.format)
        case FilePart():
            return _decode_file(part.file, f"{path}.file", cache_of(part))
        case SourceImagePart():
            return Image(_decode_source(part.source), cache=cache_of(part))
        case SourceDocumentPart():
            return _decode_document(part)
        case _:
            assert_never(part)


def decode_image(image: ImageUrl | str, path: str, cache: CacheBreakpoint | None = None) -> Image:
    """Return the picture at a data or http URL; `path` is the part's."""
    url, detail, where = (
        (image, None, f"{path}.image_url")
        if isinstance(image, str)
        else (image.url, image.detail, f"{path}.image_url.url")
    )
    if not is_data_url(url):
        return Image(_decode_url(url, where), detail, cache)
    data = decode_data_url(url, where)
    if not data.media_type.startswith("image/"):
        raise RequestError(f"`{where}` is a data URL of the type `{data.media_type}`, not of an image", param=where)
    return Image(data, detail, cache)


def is_data_url(url: str) -> bool:
    """Tell whether `url` holds its data itself."""
    return url[:5].lower() == "data:"


def decode_data_url(url: str, path: str) -> Base64Data:
    """Return what a data URL holds. Raises RequestError when it is none.

    https://www.rfc-editor.org/rfc/rfc2397
    """
    head, comma, data = url[5:].partition(",")
    if not comma:
        raise RequestError(f"`{path}` is a data URL without a comma", param=path, hint="data:image/png;base64,...")
    media_type, *parameters = head.split(";")
    if parameters and parameters[-1].strip().lower() == "base64":
        return Base64Data(
            media_type.lower() or "text/plain",
            unquote_to_bytes(data).decode("ascii", "replace") if "%" in data else data,
        )
    return Base64Data(media_type.lower() or "text/plain", base64.b64encode(unquote_to_bytes(data)).decode())


def _decode_url(url: str, path: str) -> UrlData:
    if url.partition(":")[0].lower() not in ("http", "https", "gs"):
        raise RequestError(f"`{path}` is neither an http nor a data URL", param=path)
    return UrlData(url)


def _decode_file(file: FileData, path: str, cache: CacheBreakpoint | None) -> Document:
    if file.file_id is not None:
        return Document(FileId(ORIGIN, file.file_id), file.filename, cache=cache)
    if file.file_data is None:
        raise RequestError(f"`{path}` has neither `file_data` nor `file_id`", param=f"{path}.file_data")
    where = f"{path}.file_data"
    if file.file_data.startswith(("http://", "https://")):
        return Document(UrlData(file.file_data), file.filename, cache=cache)
    source = (
        decode_data_url(file.file_data, where)
        if is_data_url(file.file_data)
        else Base64Data(_media_type_of(file.filename, where), file.file_data)
    )
    return Document(_as_text(source), file.filename, cache=cache)


def _media_type_of(filename: str | None, path: str) -> str:
    ending = (filename or "").rpartition(".")[2].lower()
    if ending not in _MEDIA_TYPES:
        raise RequestError(
            f"`{path}` does not say what it is",
            param=path,
            hint="write it as a data URL: data:application/pdf;base64,...",
        )
    return _MEDIA_TYPES[ending]


def _as_text(source: Base64Data) -> Base64Data | PlainText:
    """Return a text file as its text, which every protocol can carry."""
    if not source.media_type.startswith("text/"):
        return source
    try:
        return PlainText(base64.b64decode(source.data, validate=True).decode())
    except ValueError:
        return source


def _decode_document(part: SourceDocumentPart) -> Document:
    source = PlainText(part.source.data) if isinstance(part.source, TextSource) else _decode_source(part.source)
    return Document(source, part.title, part.context, cache=cache_of(part))


def _decode_source(source: Base64Source | UrlSource) -> Base64Data | UrlData:
    if isinstance(source, UrlSource):
        return UrlData(source.url)
    return Base64Data(source.media_type, source.data)
