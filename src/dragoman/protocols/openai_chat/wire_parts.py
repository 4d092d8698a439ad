"""The parts of a message's content that clients send: OpenAI's own, and Anthropic's as Cursor posts them here."""

import msgspec
from msgspec import Raw


class CacheControl(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Anthropic's cache breakpoint as OpenRouter and Qwen take it, or OpenAI's own (`mode`)."""

    type: str = "ephemeral"
    ttl: str | None = None
    mode: str | None = None


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """One part of a message's content."""

    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: CacheControl | None = None


class TextPart(Part, frozen=True, kw_only=True, tag="text"):
    """Words."""

    text: str
    annotations: Raw = Raw()


class ImageUrl(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Where a picture is: an http or a data URL."""

    url: str
    detail: str | None = None


class ImagePart(Part, frozen=True, kw_only=True, tag="image_url"):
    """A picture; some clients give the URL bare."""

    image_url: ImageUrl | str


class InputAudio(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Sound in base64."""

    data: str
    format: str


class AudioPart(Part, frozen=True, kw_only=True, tag="input_audio"):
    """Sound."""

    input_audio: InputAudio


class FileData(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A file, inline or uploaded before."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class FilePart(Part, frozen=True, kw_only=True, tag="file"):
    """A file."""

    file: FileData


class RefusalPart(Part, frozen=True, kw_only=True, tag="refusal"):
    """The words with which the model declined."""

    refusal: str


# Anthropic-shaped parts, which Cursor posts to this endpoint.


class Base64Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="base64", gc=False):
    """Bytes in base64."""

    media_type: str
    data: str


class UrlSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="url", gc=False):
    """Something to fetch."""

    url: str


class TextSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="text", gc=False):
    """A document that is text."""

    data: str
    media_type: str = "text/plain"


class SourceImagePart(Part, frozen=True, kw_only=True, tag="image"):
    """Anthropic's picture."""

    source: Base64Source | UrlSource


class SourceDocumentPart(Part, frozen=True, kw_only=True, tag="document"):
    """Anthropic's document."""

    source: Base64Source | UrlSource | TextSource
    title: str | None = None
    context: str | None = None


class ToolUsePart(Part, frozen=True, kw_only=True, tag="tool_use"):
    """Anthropic's tool call."""

    id: str
    name: str
    input: Raw = Raw(b"{}")


ResultPart = TextPart | ImagePart | AudioPart | FilePart | SourceImagePart | SourceDocumentPart


class ToolResultPart(Part, frozen=True, kw_only=True, tag="tool_result"):
    """Anthropic's tool result."""

    tool_use_id: str
    content: str | list[ResultPart] | None = None
    is_error: bool = False


class ThinkingPart(Part, frozen=True, kw_only=True, tag="thinking"):
    """Anthropic's reasoning."""

    thinking: str
    signature: str = ""


UserPart = ResultPart | RefusalPart | ToolResultPart
AssistantPart = ResultPart | RefusalPart | ToolUsePart | ThinkingPart
