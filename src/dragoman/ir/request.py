"""One turn asked of a model: system, messages, blocks, tools, sampling, reasoning, output format.

The union of what Anthropic Messages, OpenAI Chat, OpenAI Responses and Gemini generateContent can say. JSON values that we
only carry (schemas, foreign blocks) are `msgspec.Raw`: the bytes that came. Tool arguments are JSON text, because
they stream in fragments of which only the whole is valid.
"""

from enum import StrEnum
from typing import Final, Literal

import msgspec

from dragoman.ir.seals import Seal


class Tagged(msgspec.Struct, frozen=True, tag_field="is"):
    """The base of the closed sets below: in a log each says what it is (`{"is": "text", ...}`)."""


class CacheBreakpoint(msgspec.Struct, frozen=True, gc=False):
    """The prompt up to and including this place is worth caching; `ttl` as Anthropic writes it (`5m`, `1h`)."""

    ttl: str | None = None


# Where bytes come from ------------------------------------------------------------------------------------------------


class Base64Data(Tagged, frozen=True, tag="base64", gc=False):
    """Bytes in base64 with their media type, e.g. `image/png`."""

    media_type: str
    data: str


class UrlData(Tagged, frozen=True, tag="url", gc=False):
    """Something that the upstream is to fetch from `url`."""

    url: str


class FileId(Tagged, frozen=True, tag="file", gc=False):
    """A file uploaded to one vendor: only that vendor can read it (`origin` is its protocol)."""

    origin: str
    id: str


class PlainText(Tagged, frozen=True, tag="text", gc=False):
    """A document that is text."""

    text: str


class BlockContent(Tagged, frozen=True, tag="content"):
    """A document that is made of blocks."""

    blocks: tuple["Text | Image", ...]


# Blocks ---------------------------------------------------------------------------------------------------------------


class Citation(msgspec.Struct, frozen=True):
    """Where a stretch of text comes from. `raw` is the protocol's own form; url and title are set where known."""

    origin: str
    raw: msgspec.Raw
    url: str | None = None
    title: str | None = None
    start: int | None = None
    end: int | None = None


class Text(Tagged, frozen=True, tag="text"):
    """Words, exact to the byte."""

    text: str
    citations: tuple[Citation, ...] = ()
    cache: CacheBreakpoint | None = None
    seal: Seal | None = None


class Reasoning(Tagged, frozen=True, tag="reasoning"):
    """What the model thought. `parts` are summaries when `is_summary`, one part otherwise; redacted: only the seal says it."""

    parts: tuple[str, ...] = ()
    is_summary: bool = False
    is_redacted: bool = False
    seal: Seal | None = None

    @property
    def text(self) -> str:
        """All parts as one text."""
        return "\n\n".join(self.parts)


class Image(Tagged, frozen=True, tag="image"):
    """A picture; `detail` is OpenAI's low, high or auto."""

    source: Base64Data | UrlData | FileId
    detail: str | None = None
    cache: CacheBreakpoint | None = None


class Document(Tagged, frozen=True, tag="document"):
    """A file to read: PDF in base64, text, blocks, or somewhere else."""

    source: Base64Data | UrlData | FileId | PlainText | BlockContent
    title: str | None = None
    context: str | None = None
    citations: bool | None = None
    cache: CacheBreakpoint | None = None


class Audio(Tagged, frozen=True, tag="audio"):
    """Sound: base64 data and its format, e.g. `wav`."""

    data: str
    format: str


class ToolKind(StrEnum):
    """Who defines a tool's input and who runs it."""

    FUNCTION = "function"
    CUSTOM = "custom"
    HOSTED = "hosted"


class ToolCall(Tagged, frozen=True, tag="tool_call"):
    """The model wants a tool run.

    `arguments` is JSON text of an object for a function (never empty in a finished call: `{}`), free text for a custom
    tool. In a request's history broken JSON is kept as it came; the encoder wraps it.
    """

    id: str
    name: str
    arguments: str
    kind: ToolKind = ToolKind.FUNCTION
    namespace: str | None = None
    cache: CacheBreakpoint | None = None
    seal: Seal | None = None


class Refusal(Tagged, frozen=True, tag="refusal", gc=False):
    """The model declined; these are its words."""

    text: str


class Page(msgspec.Struct, frozen=True, gc=False):
    """A page of the web."""

    url: str
    title: str | None = None


class Search(msgspec.Struct, frozen=True):
    """What a block tells of a web search that the vendor ran: what was looked for, what was found, or both."""

    query: str | None = None
    pages: tuple[Page, ...] = ()


class Foreign(Tagged, frozen=True, tag="foreign"):
    """A protocol's own block that no other protocol has.

    `origin` is the protocol, `type` its own name for the block, `raw` the JSON as it came; `text` is what another protocol
    may say instead (None: nothing; it is left out and reported). `search` is set when the block is part of a web search.
    """

    origin: str
    type: str
    raw: msgspec.Raw
    text: str | None = None
    cache: CacheBreakpoint | None = None
    search: Search | None = None


class ToolResult(Tagged, frozen=True, tag="tool_result"):
    """What a tool answered to the call `call_id`. No blocks: the tool said nothing."""

    call_id: str
    blocks: tuple[Text | Image | Document | Audio | Foreign, ...] = ()
    is_error: bool = False
    kind: ToolKind = ToolKind.FUNCTION
    cache: CacheBreakpoint | None = None


Block = Text | Reasoning | Image | Document | Audio | ToolCall | ToolResult | Refusal | Foreign


# Turns ----------------------------------------------------------------------------------------------------------------


class Role(StrEnum):
    """Who speaks. SYSTEM and DEVELOPER may stand anywhere in the messages."""

    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"
    DEVELOPER = "developer"


class Message(msgspec.Struct, frozen=True):
    """One message as it stood on the wire; grouping into the turns a target wants is its encoder's work.

    `name` is Chat's name of the participant.
    """

    role: Role
    blocks: tuple[Block, ...]
    name: str | None = None


# Tools ----------------------------------------------------------------------------------------------------------------


class Extra(msgspec.Struct, frozen=True):
    """A field that only `origin` has, kept as it came.

    `matters`: leaving it out would answer another question than the one asked, so translation refuses it.
    """

    origin: str
    name: str
    value: msgspec.Raw
    matters: bool = False


class Namespace(msgspec.Struct, frozen=True, gc=False):
    """A group of tools that have a common first name (OpenAI Responses)."""

    name: str
    description: str | None = None


class FunctionTool(Tagged, frozen=True, tag="function"):
    """A tool with a JSON Schema for its input (None: it takes none). `examples` are Anthropic's input_examples.

    `native` is set for a tool that one vendor defines and the client runs (OpenAI's `local_shell`): that vendor is told of
    `native`, everybody else of the function that does the same.
    """

    name: str
    description: str | None = None
    schema: msgspec.Raw | None = None
    strict: bool | None = None
    cache: CacheBreakpoint | None = None
    extras: tuple[Extra, ...] = ()
    namespace: Namespace | None = None
    native: "HostedTool | None" = None


class CustomTool(Tagged, frozen=True, tag="custom"):
    """A tool whose input is free text, perhaps held to a grammar (`format`, OpenAI's form)."""

    name: str
    description: str | None = None
    format: msgspec.Raw | None = None
    namespace: Namespace | None = None


class UserLocation(msgspec.Struct, frozen=True, gc=False):
    """Where the user is, roughly. `country` is two letters (ISO 3166-1), `timezone` a name (`Europe/Paris`)."""

    city: str | None = None
    region: str | None = None
    country: str | None = None
    timezone: str | None = None


class WebSearch(msgspec.Struct, frozen=True):
    """What the vendors' web searches have in common.

    No domains: any. `max_uses` is how often the model may search, `context_size` OpenAI's word for how much of what was
    found the model gets to read (`low`, `medium`, `high`).
    """

    allowed_domains: tuple[str, ...] = ()
    blocked_domains: tuple[str, ...] = ()
    location: UserLocation | None = None
    max_uses: int | None = None
    context_size: str | None = None


class HostedTool(Tagged, frozen=True, tag="hosted"):
    """A tool that a vendor runs or defines itself: `type` is its own name for it (`web_search_20250305`).

    `search` is set when it searches the web, which other vendors' tools do too.
    """

    origin: str
    type: str
    name: str
    raw: msgspec.Raw
    search: WebSearch | None = None


Tool = FunctionTool | CustomTool | HostedTool


class ToolChoice(msgspec.Struct, frozen=True):
    """Which tools the model may or must call. `name` goes with `tool`; `allowed` narrows auto and any (None: all)."""

    mode: Literal["auto", "any", "none", "tool"]
    name: str | None = None
    allowed: tuple[str, ...] | None = None


# Settings -------------------------------------------------------------------------------------------------------------


class Sampling(msgspec.Struct, frozen=True):
    """How to draw the answer; None is the model's default. Temperature runs from 0 to 2."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    candidates: int = 1


class Effort(StrEnum):
    """How hard to think, least first."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


class ReasoningControl(msgspec.Struct, frozen=True):
    """Whether and how to think.

    `mode`: on with a `budget` in tokens, adaptive, off; None: nothing was said beyond `effort`. `visible` is whether the client
    wants to read it (False: leave it out; None: the default); `display` is the protocol's own word for that. `effort_alone`: the
    effort is one for all that is said (Anthropic's), and asks for no thought by itself.
    """

    mode: Literal["enabled", "adaptive", "disabled"] | None = None
    budget: int | None = None
    effort: Effort | None = None
    visible: bool | None = None
    display: str | None = None
    effort_alone: bool = False


class OutputFormat(msgspec.Struct, frozen=True):
    """JSON asked for: any object (`schema` None) or one that fits a JSON Schema.

    `strict` False: the model may stray from the schema, as OpenAI's may unless told otherwise; else it is held to it. `origin` is
    the protocol whose rules the schema was written by: it goes back there as it is.
    """

    schema: msgspec.Raw | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None
    origin: str = ""


ATTRIBUTION: Final = "x-anthropic-billing-header:"
"""How Claude Code's first system block begins. It changes from request to request and says nothing to a model."""


class Request(msgspec.Struct, frozen=True):
    """One turn asked of a model, whatever the protocol.

    `user` names the end user to the vendor (Anthropic metadata.user_id, OpenAI safety_identifier). `cache_key` is OpenAI's
    prompt_cache_key, `cache` a breakpoint on the request as a whole. `extras` are fields only the origin has; `echo` are those
    that a reply of the origin's protocol repeats, as they came.
    """

    model: str
    messages: tuple[Message, ...]
    system: tuple[Text | Foreign, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    max_tokens: int | None = None
    sampling: Sampling = Sampling()
    reasoning: ReasoningControl = ReasoningControl()
    output: OutputFormat | None = None
    stream: bool = False
    wants_usage: bool = True
    user: str | None = None
    service_tier: str | None = None
    cache_key: str | None = None
    cache: CacheBreakpoint | None = None
    extras: tuple[Extra, ...] = ()
    echo: tuple[Extra, ...] = ()
