"""Bytes and files: parts of a content to blocks, and blocks to parts.

https://ai.google.dev/api/caching#Blob and https://ai.google.dev/gemini-api/docs/file-input-methods
"""

from typing import Any, Final, assert_never

import msgspec
from msgspec import Raw

from dragoman.codec import Target
from dragoman.ir.failures import UnsupportedError
from dragoman.ir.request import (
    Audio,
    Base64Data,
    BlockContent,
    Document,
    FileId,
    Foreign,
    Image,
    PlainText,
    UrlData,
)
from dragoman.protocols.gemini_generate.wire import NAME, Blob, FileData, Part
from dragoman.wire.media import decode_file as decode_bytes
from dragoman.wire.media import standard_base64, standard_type

Json = dict[str, Any]
Seen = Image | Document | Audio | Foreign

_AUDIO_FORMATS: Final = {"audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp4": "m4a"}
_AUDIO_TYPES: Final = {"mp3": "audio/mp3", "m4a": "audio/mp4"}
_BARE_SOUND: Final = frozenset({"audio/l16", "audio/l24", "audio/pcm"})
_GOOGLE_ONLY: Final = ("gs://", "files/", "https://generativelanguage.googleapis.com/")
_READ_BY_GOOGLE: Final = (*_GOOGLE_ONLY, "https://www.youtube.com/", "https://youtube.com/", "https://youtu.be/")
_TYPES_BY_ENDING: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "mp4": "video/mp4",
}


# From a client --------------------------------------------------------------------------------------------------------


def decode_blob(blob: Blob, path: str) -> Seen:
    """Return what the bytes of the part at `path` are. Raises RequestError when they are no base64, or of no type."""
    type_path = f"{path}.mimeType"
    kind = standard_type(blob.mime_type, type_path)
    family = kind.partition("/")[0]
    if family not in ("image", "audio", "video"):
        return Document(decode_bytes(blob.mime_type, blob.data, f"{path}.data", type_path), blob.display_name)
    data = standard_base64(blob.data, f"{path}.data")
    if family == "image":
        return Image(Base64Data(kind, data))
    if family == "audio":
        # Bare samples can be heard with their parameters alone, which stay in the format's name.
        form = kind if kind not in _BARE_SOUND else blob.mime_type.strip().lower()
        return Audio(data, _AUDIO_FORMATS.get(form) or form.partition("/")[2])
    return Foreign(NAME, "inlineData", Raw(msgspec.json.encode(Part(inline_data=blob))))


def decode_file(file: FileData) -> Seen:
    """Return what a file is, by its type or else its name; what only Google can read is known by its id there."""
    kind = (file.mime_type or _type_of(file.file_uri) or "").lower()
    if kind.startswith(("audio/", "video/")):
        return Foreign(NAME, "fileData", Raw(msgspec.json.encode(Part(file_data=file))))
    is_open = file.file_uri.startswith(("https://", "http://")) and not file.file_uri.startswith(_GOOGLE_ONLY)
    source = UrlData(file.file_uri) if is_open else FileId(NAME, file.file_uri)
    return Image(source) if kind.startswith("image/") else Document(source, file.display_name)


def _type_of(uri: str) -> str | None:
    path = uri.partition("?")[0].partition("#")[0]
    return _TYPES_BY_ENDING.get(path.rpartition(".")[2].lower())


# To an upstream -------------------------------------------------------------------------------------------------------


def encode_media(block: Image | Document | Audio, path: str, target: Target) -> list[Json]:
    """Return the parts for `block`. Raises UnsupportedError naming what Google cannot read."""
    match block:
        case Image(source=source):
            return [_encode_source(source, path, target)]
        case Audio(data, form):
            return [_inline(_AUDIO_TYPES.get(form, f"audio/{form}"), data)]
        case Document():
            return _encode_document(block, path, target)
        case _:
            assert_never(block)


def _encode_document(document: Document, path: str, target: Target) -> list[Json]:
    head = "\n".join(filter(None, (document.title, document.context)))
    match document.source:
        case PlainText(text):
            return [{"text": f"{head}\n{text}" if head else text}]
        case BlockContent(blocks):
            before = [{"text": head}] if head else []
            inner = [
                part
                for place, block in enumerate(blocks)
                for part in (
                    encode_media(block, f"{path}.source.content[{place}]", target)
                    if isinstance(block, Image)
                    else [{"text": block.text}]
                )
            ]
            return [*before, *inner]
        case Base64Data() | UrlData() | FileId() as source:
            before = [{"text": document.context}] if document.context else []
            return [*before, _encode_source(source, path, target)]
        case _:
            assert_never(document.source)


def _encode_source(source: Base64Data | UrlData | FileId, path: str, target: Target) -> Json:
    match source:
        case Base64Data(media_type, data):
            return _inline("image/jpeg" if media_type == "image/jpg" else media_type, data)
        case UrlData(url) if url.startswith(_READ_BY_GOOGLE) or target.dialect.fetches_urls:
            return _file(url)
        case UrlData():
            raise UnsupportedError(
                f"`{path}`: the model's server fetches nothing from the web", param=path, hint="send the content itself"
            )
        case FileId(origin, id) if origin == NAME:
            return _file(id)
        case FileId(origin, id):
            raise UnsupportedError(f"`{path}`: the file `{id}` is only known to {origin}", param=path)
        case _:
            assert_never(source)


def _inline(media_type: str, data: str) -> Json:
    return {"inlineData": {"mimeType": media_type, "data": data}}


def _file(uri: str) -> Json:
    kind = _type_of(uri)
    return {"fileData": {"mimeType": kind, "fileUri": uri} if kind else {"fileUri": uri}}
