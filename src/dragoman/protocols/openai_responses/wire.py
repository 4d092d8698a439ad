"""What clients send beside the items of their input: settings and tools. Strict: a field that is not named is reported.

https://platform.openai.com/docs/api-reference/responses/create. A field that is only carried is `Raw`; `Raw()` is false and means
that it was absent.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw

from dragoman.ir.request import Effort

ORIGIN: Final = "openai-responses"
"""This protocol's name, which marks its extras, foreign blocks and seals."""

Count = Annotated[int, Meta(ge=0, le=2**53)]


def is_given(raw: Raw) -> bool:
    """Tell whether a carried field says anything."""
    return bool(raw) and bytes(raw) != b"null"


# Tools --------------------------------------------------------------------------------------------------------------------


class ToolKind(msgspec.Struct, frozen=True, gc=False):
    """What tells a tool's shape. Hosted tools are known by their type; some have a name or a label."""

    type: str
    name: str | None = None
    server_label: str | None = None


class FunctionToolItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A function that the client runs. `strict` is true when it is left out."""

    name: str
    type: str = "function"
    description: str | None = None
    parameters: Raw = Raw()
    strict: bool | None = None
    defer_loading: Raw = Raw()
    allowed_callers: Raw = Raw()
    output_schema: Raw = Raw()


class CustomToolItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tool whose input is free text."""

    name: str
    type: str = "custom"
    description: str | None = None
    format: Raw = Raw()
    defer_loading: Raw = Raw()
    allowed_callers: Raw = Raw()


class NamespaceItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tools under one first name."""

    name: str
    tools: list[Raw]
    type: str = "namespace"
    description: str | None = None


class ToolSearchItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The search for tools that are not loaded yet: `client` looks for them itself, and then it is a function."""

    type: str = "tool_search"
    execution: Literal["client", "server"] = "server"
    description: str | None = None
    parameters: Raw = Raw()


class Location(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Where the user is, roughly."""

    type: str | None = None
    city: str | None = None
    region: str | None = None
    country: str | None = None
    timezone: str | None = None


class SearchFilters(msgspec.Struct, frozen=True):
    """Where to search."""

    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None


class WebSearchItem(msgspec.Struct, frozen=True):
    """The search of the web that OpenAI runs, as far as other vendors have it."""

    type: str
    filters: SearchFilters | None = None
    user_location: Location | None = None
    search_context_size: str | None = None


class NamedChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A choice that names its tool, or some of the tools."""

    type: str
    name: str | None = None
    server_label: str | None = None
    mode: Literal["auto", "required"] | None = None
    tools: list[ToolKind] | None = None


# Settings -----------------------------------------------------------------------------------------------------------------


class ReasoningOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How hard to think, and what to show of it."""

    effort: Effort | None = None
    summary: str | None = None
    generate_summary: str | None = None
    context: Raw = Raw()
    mode: Raw = Raw()


class TextFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What form the answer takes."""

    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    schema: Raw = Raw()
    strict: bool | None = None
    description: str | None = None


class TextOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer's form and length."""

    format: TextFormat | None = None
    verbosity: Raw = Raw()


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request, or what of one is to be counted (`personality`).

    Items and tools are decoded one by one; the fields from `background` on have no counterpart elsewhere.
    """

    model: str
    input: str | list[Raw] | None = None
    instructions: str | list[Raw] | None = None
    tools: list[Raw] | None = None
    tool_choice: Raw = Raw()
    parallel_tool_calls: bool | None = None
    max_output_tokens: Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    reasoning: Raw = Raw()
    text: Raw = Raw()
    stream: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    include: list[str] | None = None
    store: bool | None = None
    previous_response_id: str | None = None
    background: Raw = Raw()
    conversation: Raw = Raw()
    prompt: Raw = Raw()
    top_logprobs: Raw = Raw()
    max_tool_calls: Raw = Raw()
    truncation: Raw = Raw()
    context_management: Raw = Raw()
    moderation: Raw = Raw()
    access_programs: Raw = Raw()
    image: Raw = Raw()
    prompt_cache_options: Raw = Raw()
    prompt_cache_retention: Raw = Raw()
    stream_options: Raw = Raw()
    metadata: Raw = Raw()
    client_metadata: Raw = Raw()
    personality: Raw = Raw()
