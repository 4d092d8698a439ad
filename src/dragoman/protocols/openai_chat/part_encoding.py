"""What the messages for an upstream are made of: words, pictures, files, and the breakpoints on them.

https://platform.openai.com/docs/api-reference/chat/create#chat-create-messages
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, assert_never

from dragoman.dialects import Dialect
from dragoman.ir.failures import UnsupportedError
from dragoman.ir.request import (
    Audio,
    Base64Data,
    BlockContent,
    CacheBreakpoint,
    Document,
    FileId,
    Foreign,
    Image,
    PlainText,
    Text,
    UrlData,
)
from dragoman.protocols.openai_chat.losses import Tally
from dragoman.protocols.openai_chat.wire import ORIGIN
from dragoman.vendors.openai.files import data_url, file_name
from dragoman.wire.media import plain_text

Wire = dict[str, Any]

_SOUNDS: Final = frozenset({"wav", "mp3", "aiff", "aac", "ogg", "flac", "m4a", "pcm16", "pcm24", "opus", "webm"})
"""OpenAI takes the first two; the others OpenRouter (https://openrouter.ai/docs/features/multimodal/audio) and vLLM."""


class PartWriter:
    """Writes the parts of one request's messages; what they lose goes into the tally."""

    __slots__ = ("_dialect", "_tally")

    def __init__(self, dialect: Dialect, tally: Tally) -> None:
        self._dialect = dialect
        self._tally = tally

    def note_text(self, block: Text, path: str) -> None:
        """Record what a text loses."""
        if block.citations:
            self._tally.add("citations", path)
        if block.seal:
            self._tally.add("foreign_reasoning", path)

    def of(self, block: Text | Image | Document | Audio | Foreign, path: str) -> Iterator[Wire]:
        """Yield what a block at `path` becomes. Raises UnsupportedError for a file or picture that cannot be sent."""
        match block:
            case Text():
                self.note_text(block, path)
                yield self._cached(text_part(block.text), block.cache, path)
            case Image():
                yield self._cached(_image_part(block, path), block.cache, path)
            case Document():
                *others, last = self._document_parts(block, path)
                yield from others
                yield self._cached(last, block.cache, path)
            case Audio(data=data, format=form):
                if form not in _SOUNDS:
                    raise UnsupportedError(
                        f"`{path}` is sound in the format `{form}`, which Chat does not take",
                        param=path,
                        hint="send wav or mp3",
                    )
                yield {"type": "input_audio", "input_audio": {"data": data, "format": form}}
            case Foreign():
                yield from (text_part(text.text) for text in self.foreign_text(block, path))
            case _:
                assert_never(block)

    def _document_parts(self, document: Document, path: str) -> Sequence[Wire]:
        """Return at least one part. Chat has no place for a document's context but in the words before it."""
        if document.citations:
            self._tally.add("citations", path)
        head = "\n".join(filter(None, (document.title, document.context)))
        match document.source:
            case PlainText(text=text):
                return [text_part(f"{head}\n{text}" if head else text)]
            case BlockContent(blocks=blocks):
                inner = [
                    part
                    for place, block in enumerate(blocks)
                    for part in self.of(block, f"{path}.source.content[{place}]")
                ]
                return [text_part(head), *inner] if head or not inner else inner
            case Base64Data() as source:
                if (plain := plain_text(source)) is not None:
                    return [text_part(f"{head}\n{plain}" if head else plain)]
                file = {"filename": file_name(document.title, source.media_type), "file_data": data_url(source)}
            case FileId(origin=origin, id=file_id) if origin == ORIGIN:
                file = {"file_id": file_id}
            case FileId():
                raise UnsupportedError(
                    f"`{path}` is a file uploaded to another vendor", param=path, hint="send its content"
                )
            case UrlData(url=url):
                raise UnsupportedError(
                    f"`{path}` is a document at `{url}`, and this model's server fetches none",
                    param=path,
                    hint="send its content",
                )
            case _:
                assert_never(document.source)
        if not self._dialect.files:
            raise UnsupportedError(f"`{path}` is a file, and this model takes none", param=path)
        part = {"type": "file", "file": file}
        return [text_part(document.context), part] if document.context else [part]

    def document_texts(self, document: Document, path: str, code: str) -> Iterator[Text]:
        """Yield a document's words, where only words may stand."""
        if not isinstance(document.source, PlainText | BlockContent):
            self._tally.add(code, path)
            return
        for part in self._document_parts(document, path):
            if part["type"] == "text":
                yield Text(part["text"])
            else:
                self._tally.add(code, path)

    def foreign_text(self, block: Foreign, path: str) -> Iterator[Text]:
        """Yield the words that stand for another protocol's block, if it has any."""
        if block.text is None:
            self._tally.add("foreign_block_dropped", path, f"`{block.type}`")
        else:
            self._tally.add("foreign_block", path, f"`{block.type}`")
            yield Text(block.text, cache=block.cache)

    def joined(self, texts: Sequence[Text], separator: str, path: str) -> str | list[Wire]:
        """Return texts as one string, or as parts where a cache breakpoint stands on one of them."""
        if any(text.cache for text in texts):
            if self._dialect.cache_control:
                return [self._cached(text_part(text.text), text.cache, path) for text in texts]
            for text in texts:
                if text.cache:
                    self._tally.add("cache_control", path)
        return separator.join(text.text for text in texts)

    def _cached(self, part: Wire, cache: CacheBreakpoint | None, path: str) -> Wire:
        if cache is None:
            return part
        if not self._dialect.cache_control:
            self._tally.add("cache_control", path)
            return part
        return {**part, "cache_control": encode_cache(cache)}


def encode_cache(cache: CacheBreakpoint) -> Wire:
    """Return a cache breakpoint in Anthropic's form, which OpenRouter and Qwen take."""
    return {"type": "ephemeral", "ttl": cache.ttl} if cache.ttl else {"type": "ephemeral"}


def text_part(text: str) -> Wire:
    """Return words as a part."""
    return {"type": "text", "text": text}


def _image_part(image: Image, path: str) -> Wire:
    match image.source:
        case Base64Data() as source:
            url = data_url(source)
        case UrlData(url=url):
            pass
        case FileId():
            raise UnsupportedError(f"`{path}` is a picture uploaded to a vendor", param=path, hint="send its content")
        case _:
            assert_never(image.source)
    location = {"url": url, "detail": image.detail} if image.detail else {"url": url}
    return {"type": "image_url", "image_url": location}
