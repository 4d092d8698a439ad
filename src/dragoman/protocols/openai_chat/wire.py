"""What clients send: messages, tools and settings. Strict: a field that is not named is reported.

https://platform.openai.com/docs/api-reference/chat and the extensions that back ends share: `reasoning_content` (DeepSeek, vLLM),
`reasoning_details` and `cache_control` (OpenRouter), `enable_thinking` (Qwen). A field that is only carried is `Raw`;
`Raw()` is false and means that it was absent.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw

from dragoman.ir.request import Effort
from dragoman.protocols.openai_chat.wire_parts import AssistantPart, CacheControl, ResultPart, TextPart, UserPart

ORIGIN: Final = "openai-chat"
"""This protocol's name, which marks its extras, foreign blocks and seals."""

Count = Annotated[int, Meta(ge=0, le=2**53)]
Seed = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
TopK = Annotated[int, Meta(ge=-1, le=2**31 - 1)]
"""vLLM's clients say -1 for all tokens, which is what nobody else has to ask for."""
Penalty = Annotated[float, Meta(ge=-2, le=2)]


def is_given(raw: Raw) -> bool:
    """Tell whether a carried field says anything."""
    return bool(raw) and bytes(raw) != b"null"


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
    """One call of an assistant message; some clients send what they gathered of a stream's chunks, whatever it held.

    A call without an id gets one with its result. `index` says nothing in a request: it may be anything.
    `extra_content` is where Google's endpoint keeps its thought signature.
    """

    id: str | None = None
    type: Literal["function", "custom", ""] = "function"
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
    """What the user says; null, from some clients, is nothing."""

    content: str | list[UserPart] | None


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

    content: str | list[ResultPart] | None
    tool_call_id: str | None = None


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


class Location(msgspec.Struct, frozen=True, gc=False):
    """Where the user is, roughly."""

    city: str | None = None
    region: str | None = None
    country: str | None = None
    timezone: str | None = None


class UserPlace(msgspec.Struct, frozen=True, gc=False):
    """`user_location` with Chat's envelope, which Responses does without."""

    approximate: Location | None = None
    city: str | None = None
    region: str | None = None
    country: str | None = None
    timezone: str | None = None


class SearchFilters(msgspec.Struct, frozen=True):
    """Where to search (Responses)."""

    allowed_domains: list[str] | None = None


class SearchOptions(msgspec.Struct, frozen=True):
    """`web_search_options`, or a tool `web_search` in Responses' shape. https://platform.openai.com/docs/guides/tools-web-search."""

    search_context_size: str | None = None
    user_location: UserPlace | None = None
    filters: SearchFilters | None = None


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
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: TopK | None = None
    stop: str | list[str] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    seed: Seed | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
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
