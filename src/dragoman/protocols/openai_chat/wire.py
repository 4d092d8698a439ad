"""The shapes on the wire: strict where a client speaks, lenient where an upstream answers.

https://platform.openai.com/docs/api-reference/chat and the extensions that back ends share: `reasoning_content` (DeepSeek, vLLM),
`reasoning_details` and `cache_control` (OpenRouter), `enable_thinking` (Qwen). A field that is only carried is `Raw`;
`Raw()` is false and means that it was absent.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Raw

from dragoman.ir.request import Effort

ORIGIN: Final = "openai-chat"
"""This protocol's name, which marks its extras, foreign blocks and seals."""

Count = Annotated[int, Meta(ge=0, le=2**53)]


def is_given(raw: Raw) -> bool:
    """Tell whether a carried field says anything."""
    return bool(raw) and bytes(raw) != b"null"


# What clients send: parts of a message's content -----------------------------------------------------------------------


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


# What clients send: messages ---------------------------------------------------------------------------------------------


class FunctionCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A function's name and arguments: JSON text, or the object itself from careless clients.

    `parsed_arguments` is what OpenAI's own SDK makes of them and sends back; it says nothing new.
    """

    name: str
    arguments: str | dict[str, Raw] | None = None
    parsed_arguments: Raw = Raw()


class CustomCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A custom tool's name and free text."""

    name: str
    input: str = ""


class ToolCallPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One call of an assistant message. `extra_content` is where Google's endpoint keeps its thought signature."""

    id: str
    type: Literal["function", "custom"] = "function"
    function: FunctionCall | None = None
    custom: CustomCall | None = None
    index: Raw = Raw()
    extra_content: Raw = Raw()
    cache_control: CacheControl | None = None


class MessageBase(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="role", kw_only=True):
    """What every message may have."""

    name: str | None = None
    cache_control: CacheControl | None = None


class SystemMessage(MessageBase, frozen=True, kw_only=True, tag="system"):
    """Instructions."""

    content: str | list[TextPart]


class DeveloperMessage(MessageBase, frozen=True, kw_only=True, tag="developer"):
    """Instructions, as reasoning models call them."""

    content: str | list[TextPart]


class UserMessage(MessageBase, frozen=True, kw_only=True, tag="user"):
    """What the user says."""

    content: str | list[UserPart]


class AssistantMessage(MessageBase, frozen=True, kw_only=True, tag="assistant"):
    """What the model said before."""

    content: str | list[AssistantPart] | None = None
    refusal: str | None = None
    tool_calls: list[ToolCallPart] | None = None
    function_call: FunctionCall | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: Raw = Raw()
    annotations: Raw = Raw()
    audio: Raw = Raw()
    images: Raw = Raw()
    parsed: Raw = Raw()


class ToolMessage(MessageBase, frozen=True, kw_only=True, tag="tool"):
    """What a tool answered."""

    tool_call_id: str
    content: str | list[ResultPart] | None


class FunctionMessage(MessageBase, frozen=True, kw_only=True, tag="function"):
    """What a function answered, before there were tools."""

    content: str | None


WireMessage = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage


# What clients send: tools and settings -----------------------------------------------------------------------------------


class ToolKindOf(msgspec.Struct, frozen=True):
    """The fields that tell the shapes of tools apart: Chat's, Responses' flat one, Anthropic's."""

    type: str | None = None
    name: str | None = None
    function: Raw = Raw()
    custom: Raw = Raw()
    input_schema: Raw = Raw()


class FunctionDefinition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A function's name and JSON Schema."""

    name: str
    description: str | None = None
    parameters: Raw = Raw()
    strict: bool | None = None


class FunctionToolPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"type": "function", "function": {...}}`."""

    type: str
    function: FunctionDefinition
    cache_control: CacheControl | None = None


class FlatFunctionTool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A function without its envelope: Responses' `parameters` or Anthropic's `input_schema`."""

    name: str
    type: str | None = None
    description: str | None = None
    parameters: Raw = Raw()
    input_schema: Raw = Raw()
    strict: bool | None = None
    cache_control: CacheControl | None = None


class CustomDefinition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A custom tool's name and the grammar of its input."""

    name: str
    description: str | None = None
    format: Raw = Raw()


class CustomToolPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"type": "custom", "custom": {...}}`."""

    type: str
    custom: CustomDefinition


class FlatCustomTool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A custom tool without its envelope (Responses)."""

    type: str
    name: str
    description: str | None = None
    format: Raw = Raw()


class Named(msgspec.Struct, frozen=True):
    """Something with a name."""

    name: str


class AllowedTool(msgspec.Struct, frozen=True):
    """One of the tools that may be called."""

    type: str | None = None
    function: Named | None = None
    custom: Named | None = None
    name: str | None = None


class AllowedTools(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tools that may, or must, be called."""

    mode: Literal["auto", "required"]
    tools: list[AllowedTool]


class NamedChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A choice that names its tool, in Chat's shapes or Anthropic's."""

    type: Literal["function", "custom", "allowed_tools", "auto", "any", "none", "tool", "required"]
    function: Named | None = None
    custom: Named | None = None
    allowed_tools: AllowedTools | None = None
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class JsonSchema(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A JSON Schema for the answer."""

    name: str | None = None
    schema: Raw = Raw()
    strict: bool | None = None
    description: str | None = None


class ResponseFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What form the answer takes."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What a stream carries beside the answer."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ReasoningOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """OpenRouter's `reasoning`.

    https://openrouter.ai/docs/use-cases/reasoning-tokens
    """

    effort: Effort | None = None
    max_tokens: Count | None = None
    exclude: bool | None = None
    enabled: bool | None = None
    summary: str | None = None


class ThinkingOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """`thinking` of DeepSeek, GLM, Kimi and of Anthropic's own Chat endpoint."""

    type: Literal["enabled", "disabled", "adaptive", "auto"]
    budget_tokens: Count | None = None


class LegacyFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of `functions`, before there were tools."""

    name: str
    description: str | None = None
    parameters: Raw = Raw()


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request. Messages and tools are decoded one by one; the fields from `audio` on have no counterpart elsewhere."""

    model: str
    messages: list[Raw] | None = None
    tools: list[Raw] | None = None
    tool_choice: str | NamedChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: list[LegacyFunction] | None = None
    function_call: str | Named | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: str | list[str] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: Effort | None = None
    reasoning: ReasoningOptions | None = None
    thinking: ThinkingOptions | None = None
    enable_thinking: bool | None = None
    thinking_budget: Count | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    cache_control: CacheControl | None = None
    audio: Raw = Raw()
    modalities: Raw = Raw()
    logprobs: Raw = Raw()
    top_logprobs: Raw = Raw()
    web_search_options: Raw = Raw()
    prediction: Raw = Raw()
    logit_bias: Raw = Raw()
    store: Raw = Raw()
    metadata: Raw = Raw()
    verbosity: Raw = Raw()
    moderation: Raw = Raw()
    prompt_cache_options: Raw = Raw()
    prompt_cache_retention: Raw = Raw()
    input: Raw = Raw()


# What upstreams answer ---------------------------------------------------------------------------------------------------


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
