"""What upstreams answer, whole and in pieces. Lenient: only what is read is named, and nearly all of it may be missing."""

from typing import Any

import msgspec
from msgspec import Raw

Number = int | float | None


class PromptDetails(msgspec.Struct, frozen=True, gc=False):
    """How the prompt's tokens divide."""

    cached_tokens: Number = None
    cache_write_tokens: Number = None


class CompletionDetails(msgspec.Struct, frozen=True, gc=False):
    """How the completion's tokens divide."""

    reasoning_tokens: Number = None


class WireUsage(msgspec.Struct, frozen=True):
    """Tokens, with every vendor's field for the cached ones."""

    prompt_tokens: Number = None
    completion_tokens: Number = None
    total_tokens: Number = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: Number = None
    cached_tokens: Number = None
    cache_read_input_tokens: Number = None
    cache_creation_input_tokens: Number = None


class FunctionPiece(msgspec.Struct, frozen=True, gc=False):
    """A function's name and arguments, whole or a piece."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class CustomPiece(msgspec.Struct, frozen=True, gc=False):
    """A custom tool's name and input, whole or a piece."""

    name: str | None = None
    input: str | None = None


class ToolCallPiece(msgspec.Struct, frozen=True):
    """A tool call, whole or a piece."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: FunctionPiece | None = None
    custom: CustomPiece | None = None
    extra_content: Raw = Raw()


class ContentPiece(msgspec.Struct, frozen=True):
    """A part of a reply's content where that is a list (Mistral): text, or thinking made of parts of text."""

    type: str = "text"
    text: str | None = None
    refusal: str | None = None
    thinking: str | list["ContentPiece"] | None = None


class PictureUrl(msgspec.Struct, frozen=True, gc=False):
    """Where a picture of a reply is."""

    url: str


class Picture(msgspec.Struct, frozen=True):
    """A picture that a model made (OpenRouter's `images`)."""

    image_url: PictureUrl


class UrlCitation(msgspec.Struct, frozen=True, gc=False):
    """A page that the answer comes from."""

    url: str
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class Annotation(msgspec.Struct, frozen=True):
    """What an answer is annotated with."""

    type: str = ""
    url_citation: UrlCitation | None = None


class Answer(msgspec.Struct, frozen=True):
    """A whole message of the model, or a stream's delta: the same fields."""

    content: str | list[ContentPiece] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: Raw = Raw()
    refusal: str | None = None
    tool_calls: list[ToolCallPiece] | None = None
    function_call: FunctionPiece | None = None
    annotations: list[Raw] | None = None
    images: list[Picture] | None = None


class WireChoice(msgspec.Struct, frozen=True):
    """One of the answers. `error` is OpenRouter's."""

    index: int | None = None
    message: Answer | None = None
    finish_reason: str | None = None
    error: Raw = Raw()


class WireReply(msgspec.Struct, frozen=True):
    """A whole reply, or an error that came with status 200."""

    id: str | None = None
    model: str | None = None
    choices: list[WireChoice] | None = None
    usage: WireUsage | None = None
    error: Raw = Raw()


class ChunkChoice(msgspec.Struct, frozen=True):
    """A piece of one of the answers. `usage` is Moonshot's place for it."""

    index: int | None = None
    delta: Answer | None = None
    finish_reason: str | None = None
    usage: WireUsage | None = None
    error: Raw = Raw()


class Chunk(msgspec.Struct, frozen=True):
    """One event of a stream."""

    id: str | None = None
    model: str | None = None
    choices: list[ChunkChoice] | None = None
    usage: WireUsage | None = None
    error: Raw = Raw()
