"""The shapes of a request on the wire.

A request's shapes forbid unknown fields, so that nothing slips through unnoticed; a reply's (`wire_replies`) do not. What
we only carry is `msgspec.Raw`.
Source: https://platform.claude.com/docs/en/api/messages and the types of the SDK `anthropic` 2.11.0.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from dragoman.ir.request import Effort
from dragoman.wire.carried import ANYTHING, OBJECT, OBJECTS, WORD, WORDS, Type

NAME: Final = "anthropic-messages"
"""The protocol's name: the origin of what only it has."""

Carried = Raw | UnsetType
"""A field that is only carried; UNSET: it was not there."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
"""A number of tokens that is no mistake."""


class Strict(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The base of a request's shapes: unknown fields are refused, defaults are not written."""


class Tag(msgspec.Struct, gc=False):
    """The little that tells what a block is."""

    type: str


# Blocks of a request --------------------------------------------------------------------------------------------------


class CacheControl(Strict, tag_field="type", tag="ephemeral", gc=False):
    """https://platform.claude.com/docs/en/build-with-claude/prompt-caching."""

    ttl: str | None = None


class Base64Source(Strict, tag_field="type", tag="base64", gc=False):
    """Bytes in the request."""

    media_type: str
    data: str


class UrlSource(Strict, tag_field="type", tag="url", gc=False):
    """Something that Anthropic fetches."""

    url: str


class FileSource(Strict, tag_field="type", tag="file", gc=False):
    """Something uploaded to Anthropic before."""

    file_id: str


class TextSource(Strict, tag_field="type", tag="text", gc=False, omit_defaults=False):
    """A document that is text."""

    data: str
    media_type: str = "text/plain"


class TextBlock(Strict, tag_field="type", tag="text"):
    """Words; the API refuses empty ones."""

    text: str
    cache_control: CacheControl | None = None
    citations: list[Raw] | None = None


class ImageBlock(Strict, tag_field="type", tag="image"):
    """A picture."""

    source: Base64Source | UrlSource | FileSource
    cache_control: CacheControl | None = None


class ContentSource(Strict, tag_field="type", tag="content"):
    """A document that is made of blocks."""

    content: str | list[TextBlock | ImageBlock]


class CitationsConfig(Strict, gc=False):
    """Whether a document may be cited."""

    enabled: bool | None = None


class DocumentBlock(Strict, tag_field="type", tag="document"):
    """A file to read."""

    source: Base64Source | UrlSource | FileSource | TextSource | ContentSource
    title: str | None = None
    context: str | None = None
    citations: CitationsConfig | None = None
    cache_control: CacheControl | None = None


class ToolUseBlock(Strict, tag_field="type", tag="tool_use"):
    """The model's call of a client's tool. `caller` says who asked; anyone but the model itself is another API."""

    id: str
    name: str
    input: Carried = UNSET
    cache_control: CacheControl | None = None
    caller: Tag | None = None


class ToolResultBlock(Strict, tag_field="type", tag="tool_result"):
    """What the tool answered."""

    tool_use_id: str
    content: str | list[Raw] | None = None
    is_error: bool | None = None
    cache_control: CacheControl | None = None


class ThinkingBlock(Strict, tag_field="type", tag="thinking", gc=False, omit_defaults=False):
    """What the model thought. https://platform.claude.com/docs/en/build-with-claude/extended-thinking."""

    thinking: str
    signature: str | None = ""


class RedactedThinkingBlock(Strict, tag_field="type", tag="redacted_thinking", gc=False):
    """Thought that only Anthropic can read."""

    data: str


RequestBlock = (
    TextBlock | ToolUseBlock | ToolResultBlock | ThinkingBlock | ImageBlock | DocumentBlock | RedactedThinkingBlock
)
ResultBlock = TextBlock | ImageBlock | DocumentBlock


class SearchResultBlock(msgspec.Struct, tag_field="type", tag="search_result"):
    """What a client found, to be cited. https://platform.claude.com/docs/en/build-with-claude/search-results."""

    source: str
    title: str
    content: list[TextBlock]


class ToolReferenceBlock(msgspec.Struct, tag_field="type", tag="tool_reference"):
    """A tool that may be called from here on."""

    tool_name: str


class ServerCallBlock(msgspec.Struct):
    """A call of a tool that Anthropic, or a server of MCP, ran."""

    type: str
    id: str
    name: str
    input: dict[str, Any] = {}


FOREIGN_BLOCKS: Final[dict[str, Type]] = {
    "search_result": msgspec.json.Decoder(SearchResultBlock),
    "tool_reference": msgspec.json.Decoder(ToolReferenceBlock),
    "server_tool_use": msgspec.json.Decoder(ServerCallBlock),
    "mcp_tool_use": msgspec.json.Decoder(ServerCallBlock),
}
"""What is read of blocks that no other protocol has and that are told in words."""

Role = Literal["user", "assistant", "system"]


class PlainMessage(Strict):
    """A message whose blocks are all known: the usual case, read in one go."""

    role: Role
    content: str | list[RequestBlock]


class AnyMessage(Strict):
    """A message whose blocks are looked at one by one.

    `output_config` and `clear_at` belong to role `system`, whose messages may have nothing else.
    """

    role: Role
    content: str | list[Raw] | None = None
    output_config: dict[str, Raw] | None = None
    clear_at: str | None = None


# Tools and settings of a request --------------------------------------------------------------------------------------


class CustomToolParam(Strict):
    """A tool that the client runs. https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview."""

    name: str
    description: str | None = None
    input_schema: Carried = UNSET
    type: Literal["custom"] | None = None
    strict: bool | None = None
    cache_control: CacheControl | None = None
    defer_loading: Carried = UNSET
    eager_input_streaming: Carried = UNSET
    input_examples: Carried = UNSET
    allowed_callers: Carried = UNSET


class TypedTool(msgspec.Struct):
    """What is read of a tool that Anthropic defines; the rest is carried."""

    type: str | None = None
    name: str | None = None
    mcp_server_name: str | None = None


class LocationParam(msgspec.Struct, gc=False):
    """Where the user is."""

    city: str | None = None
    region: str | None = None
    country: str | None = None
    timezone: str | None = None


class WebSearchTool(msgspec.Struct):
    """What other vendors' web searches have, too. https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool."""

    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None
    max_uses: Count | None = None
    user_location: LocationParam | None = None


class ToolChoiceParam(Strict, gc=False):
    """Which tool to use."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class ThinkingParam(Strict, gc=False):
    """How to think. `auto` is what some clients say for `adaptive`."""

    type: Literal["enabled", "adaptive", "disabled", "auto", "between_tools"]
    budget_tokens: Count | None = None
    display: Literal["summarized", "omitted", "updates"] | None = None


class FormatParam(Strict):
    """https://platform.claude.com/docs/en/build-with-claude/structured-outputs."""

    type: Literal["json_schema"]
    schema: Raw


class OutputConfigParam(Strict):
    """Effort and format of the answer."""

    effort: Effort | None = None
    format: FormatParam | None = None


class MetadataParam(Strict, gc=False):
    """Who is behind the request."""

    user_id: str | None = None


class RequestParams(Strict):
    """The body of a request, or of a token count, which lacks what only sampling needs."""

    model: str | UnsetType = UNSET
    messages: list[Raw] | UnsetType = UNSET
    system: Carried = UNSET
    tools: list[Raw] | None = None
    tool_choice: ToolChoiceParam | None = None
    thinking: ThinkingParam | None = None
    output_config: OutputConfigParam | None = None
    output_format: FormatParam | None = None
    cache_control: CacheControl | None = None
    max_tokens: Count | None = None
    metadata: MetadataParam | None = None
    service_tier: str | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_k: Count | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    # Their types are in EXTRA_FIELDS below.
    betas: Carried = UNSET
    billing_policy: Carried = UNSET
    compaction: Carried = UNSET
    container: Carried = UNSET
    context_management: Carried = UNSET
    diagnostics: Carried = UNSET
    fallback_credit_token: Carried = UNSET
    fallbacks: Carried = UNSET
    inference_geo: Carried = UNSET
    mcp_servers: Carried = UNSET
    safeguards: Carried = UNSET
    speed: Carried = UNSET
    thread: Carried = UNSET
    user_profile_id: Carried = UNSET
    workspace_id: Carried = UNSET


EXTRA_FIELDS: Final = {
    "betas": WORDS,
    "billing_policy": OBJECT,
    "compaction": OBJECT,
    "container": msgspec.json.Decoder(str | dict[str, Any]),
    "context_management": OBJECT,
    "diagnostics": OBJECT,
    "fallback_credit_token": ANYTHING,
    "fallbacks": msgspec.json.Decoder(str | list[dict[str, Any]]),
    "inference_geo": WORD,
    "mcp_servers": OBJECTS,
    "safeguards": ANYTHING,
    "speed": WORD,
    "thread": OBJECT,
    "user_profile_id": WORD,
    "workspace_id": WORD,
}
"""Fields that no other protocol has, with their types."""

MATTERS: Final = {
    "compaction": b"",
    "container": b'"skills"',
    "mcp_servers": b"{",
    "thread": b'"continue"',
}
"""Extra fields whose absence would answer another question, with what their value then contains."""
