"""Replies and the events of streams with nothing in them but what the IR has: one reading tells all that they say.

Whatever has more in it, or a block of another kind, is read as in `wire`, a part at a time.
https://platform.claude.com/docs/en/build-with-claude/streaming#event-types
"""

from typing import Literal

import msgspec
from msgspec import Raw

from dragoman.protocols.anthropic_messages import wire_replies as wire


class Message(msgspec.Struct, forbid_unknown_fields=True):
    """A whole reply."""

    content: list[wire.SaidBlock]
    id: str = ""
    model: str = ""
    usage: wire.UsageCounts | None = None
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: None = None
    container: None = None
    context_management: None = None


class Started(msgspec.Struct, forbid_unknown_fields=True):
    """The message in `message_start`."""

    id: str = ""
    model: str = ""
    usage: wire.UsageCounts | None = None
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    content: list[Raw] = []
    stop_reason: None = None
    stop_sequence: None = None
    stop_details: None = None
    container: None = None
    context_management: None = None


class MessageStart(msgspec.Struct, tag_field="type", tag="message_start"):
    """A message begins."""

    message: Started


class ContentBlockStart(msgspec.Struct, tag_field="type", tag="content_block_start"):
    """A block opens whose text, thought or call is the IR's."""

    index: int
    content_block: wire.SaidBlock


class Ending(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Why a message ended."""

    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: None = None
    container: None = None


class MessageDelta(msgspec.Struct, tag_field="type", tag="message_delta", forbid_unknown_fields=True):
    """The message is about to end."""

    delta: Ending
    usage: wire.UsageCounts | None = None
    context_management: None = None


StreamEvent = (
    wire.ContentBlockDelta
    | ContentBlockStart
    | wire.ContentBlockStop
    | MessageStart
    | MessageDelta
    | wire.MessageStop
    | wire.Ping
    | wire.ErrorEvent
)
