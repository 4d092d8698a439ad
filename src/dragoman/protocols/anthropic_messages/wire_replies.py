"""The shapes of replies, whole and in pieces.

They do not forbid unknown fields, because the API adds some as it pleases
(https://platform.claude.com/docs/en/api/versioning). What we only carry is `msgspec.Raw`.
Source: https://platform.claude.com/docs/en/api/messages and the types of the SDK `anthropic` 2.11.0.
"""

import msgspec
from msgspec import UNSET, Raw

from dragoman.protocols.anthropic_messages.wire import Carried


class CacheCreation(msgspec.Struct, gc=False):
    """Tokens written to the cache, by how long they are kept."""

    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class OutputDetails(msgspec.Struct, gc=False):
    """What output tokens were spent on."""

    thinking_tokens: int | None = None


class UsageCounts(msgspec.Struct):
    """`input_tokens` leaves cache reads and writes out; `output_tokens` includes thinking."""

    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None


class SaidText(msgspec.Struct, tag_field="type", tag="text"):
    """Text of a reply."""

    text: str = ""
    citations: list[Raw] | None = None


class SaidThinking(msgspec.Struct, tag_field="type", tag="thinking", gc=False):
    """Thought of a reply."""

    thinking: str = ""
    signature: str | None = None


class SaidRedacted(msgspec.Struct, tag_field="type", tag="redacted_thinking", gc=False):
    """Thought of a reply that only Anthropic can read."""

    data: str


class SaidToolUse(msgspec.Struct, tag_field="type", tag="tool_use"):
    """A tool call of a reply."""

    id: str
    name: str
    input: Carried = UNSET


SaidBlock = SaidText | SaidToolUse | SaidThinking | SaidRedacted


class StartedMessage(msgspec.Struct):
    """The message in `message_start`."""

    id: str = ""
    model: str = ""
    usage: UsageCounts | None = None


class MessageStart(msgspec.Struct, tag_field="type", tag="message_start"):
    """https://platform.claude.com/docs/en/build-with-claude/streaming#event-types."""

    message: Raw


class ContentBlockStart(msgspec.Struct, tag_field="type", tag="content_block_start"):
    """A block opens."""

    index: int
    content_block: Raw


class TextDelta(msgspec.Struct, tag_field="type", tag="text_delta", gc=False):
    """More text."""

    text: str


class InputJsonDelta(msgspec.Struct, tag_field="type", tag="input_json_delta", gc=False):
    """More of a tool's input."""

    partial_json: str


class ThinkingDelta(msgspec.Struct, tag_field="type", tag="thinking_delta", gc=False):
    """More thought."""

    thinking: str


class SignatureDelta(msgspec.Struct, tag_field="type", tag="signature_delta", gc=False):
    """The thought's signature."""

    signature: str


class CitationsDelta(msgspec.Struct, tag_field="type", tag="citations_delta"):
    """A source of the text."""

    citation: Raw


class CompactionDelta(msgspec.Struct, tag_field="type", tag="compaction_delta", gc=False):
    """The summary that stands for a conversation, whole."""

    content: str | None = None
    encrypted_content: str | None = None


BlockDelta = TextDelta | InputJsonDelta | ThinkingDelta | SignatureDelta | CitationsDelta | CompactionDelta


class ContentBlockDelta(msgspec.Struct, tag_field="type", tag="content_block_delta"):
    """More of a block."""

    index: int
    delta: BlockDelta


class ContentBlockStop(msgspec.Struct, tag_field="type", tag="content_block_stop", gc=False):
    """A block is complete."""

    index: int


class MessageDelta(msgspec.Struct, tag_field="type", tag="message_delta"):
    """The message is about to end."""

    delta: Raw
    usage: UsageCounts | None = None


class MessageStop(msgspec.Struct, tag_field="type", tag="message_stop", gc=False):
    """The message has ended."""


class Ping(msgspec.Struct, tag_field="type", tag="ping", gc=False):
    """The server lives."""


class ErrorEvent(msgspec.Struct, tag_field="type", tag="error"):
    """The message has failed."""

    error: Raw


StreamEvent = (
    ContentBlockDelta
    | ContentBlockStart
    | ContentBlockStop
    | MessageStart
    | MessageDelta
    | MessageStop
    | Ping
    | ErrorEvent
)


class EndingDelta(msgspec.Struct, gc=False):
    """Why a message ended."""

    stop_reason: str | None = None
    stop_sequence: str | None = None
