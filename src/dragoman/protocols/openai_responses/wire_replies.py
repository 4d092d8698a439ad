"""What upstreams answer, whole and in events. Lenient: only what is read is named, and nearly all of it may be missing.

https://platform.openai.com/docs/api-reference/responses/object and https://platform.openai.com/docs/api-reference/responses-streaming
"""

import msgspec
from msgspec import Raw

Number = int | float | None


class InputDetails(msgspec.Struct, frozen=True, gc=False):
    """How the input's tokens divide."""

    cached_tokens: Number = None
    cache_write_tokens: Number = None


class OutputDetails(msgspec.Struct, frozen=True, gc=False):
    """How the output's tokens divide."""

    reasoning_tokens: Number = None


class WireUsage(msgspec.Struct, frozen=True):
    """Tokens: the input includes what was cached, the output what was thought."""

    input_tokens: Number = None
    output_tokens: Number = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


class IncompleteDetails(msgspec.Struct, frozen=True, gc=False):
    """Why a response is not complete."""

    reason: str | None = None


class WireResponse(msgspec.Struct, frozen=True):
    """A response, whole or as far as it has come."""

    id: str | None = None
    model: str | None = None
    status: str | None = None
    output: list[Raw] | None = None
    usage: WireUsage | None = None
    error: Raw = Raw()
    incomplete_details: IncompleteDetails | None = None


class HeadItem(msgspec.Struct, frozen=True):
    """What is known of an item when it begins."""

    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    phase: str | None = None
    status: str | None = None


# Events -------------------------------------------------------------------------------------------------------------------


class StreamEvent(msgspec.Struct, frozen=True, tag_field="type"):
    """One event of a stream."""


class Created(StreamEvent, frozen=True, tag="response.created"):
    """The response exists."""

    response: WireResponse


class Queued(StreamEvent, frozen=True, tag="response.queued"):
    """It waits."""

    response: WireResponse


class InProgress(StreamEvent, frozen=True, tag="response.in_progress"):
    """It is being made."""

    response: WireResponse


class Completed(StreamEvent, frozen=True, tag="response.completed"):
    """It is there."""

    response: WireResponse


class Incomplete(StreamEvent, frozen=True, tag="response.incomplete"):
    """It is as complete as it will be."""

    response: WireResponse


class Failed(StreamEvent, frozen=True, tag="response.failed"):
    """There will be none."""

    response: WireResponse


class ErrorEvent(StreamEvent, frozen=True, tag="error"):
    """Something went wrong; its fields are read as an error's."""


class ItemAdded(StreamEvent, frozen=True, tag="response.output_item.added"):
    """An item begins."""

    item: HeadItem
    output_index: int = 0


class ItemDone(StreamEvent, frozen=True, tag="response.output_item.done"):
    """An item is whole."""

    item: Raw
    output_index: int = 0


class TextDelta(StreamEvent, frozen=True, tag="response.output_text.delta", gc=False):
    """More words."""

    delta: str
    output_index: int = 0
    content_index: int = 0


class TextDone(StreamEvent, frozen=True, tag="response.output_text.done", gc=False):
    """All words of a part."""

    text: str
    output_index: int = 0
    content_index: int = 0


class AnnotationAdded(StreamEvent, frozen=True, tag="response.output_text.annotation.added"):
    """A source of a part's words."""

    annotation: Raw
    output_index: int = 0
    content_index: int = 0


class RefusalDelta(StreamEvent, frozen=True, tag="response.refusal.delta", gc=False):
    """More words of a refusal."""

    delta: str
    output_index: int = 0
    content_index: int = 0


class RefusalDone(StreamEvent, frozen=True, tag="response.refusal.done", gc=False):
    """All words of a refusal."""

    refusal: str
    output_index: int = 0
    content_index: int = 0


class ArgumentsDelta(StreamEvent, frozen=True, tag="response.function_call_arguments.delta", gc=False):
    """More arguments."""

    delta: str
    output_index: int = 0


class ArgumentsDone(StreamEvent, frozen=True, tag="response.function_call_arguments.done", gc=False):
    """All arguments."""

    arguments: str
    output_index: int = 0


class InputDelta(StreamEvent, frozen=True, tag="response.custom_tool_call_input.delta", gc=False):
    """More of a custom tool's input."""

    delta: str
    output_index: int = 0


class InputDone(StreamEvent, frozen=True, tag="response.custom_tool_call_input.done", gc=False):
    """All of a custom tool's input."""

    input: str
    output_index: int = 0


class SummaryDelta(StreamEvent, frozen=True, tag="response.reasoning_summary_text.delta", gc=False):
    """More of a summary's part."""

    delta: str
    output_index: int = 0
    summary_index: int = 0


class SummaryDone(StreamEvent, frozen=True, tag="response.reasoning_summary_text.done", gc=False):
    """All of a summary's part."""

    text: str
    output_index: int = 0
    summary_index: int = 0


class ThoughtDelta(StreamEvent, frozen=True, tag="response.reasoning_text.delta", gc=False):
    """More of the reasoning itself."""

    delta: str
    output_index: int = 0
    content_index: int = 0


class ThoughtDone(StreamEvent, frozen=True, tag="response.reasoning_text.done", gc=False):
    """All of the reasoning itself."""

    text: str
    output_index: int = 0
    content_index: int = 0


AnyEvent = (
    TextDelta
    | ArgumentsDelta
    | SummaryDelta
    | ThoughtDelta
    | InputDelta
    | RefusalDelta
    | TextDone
    | ArgumentsDone
    | SummaryDone
    | ThoughtDone
    | InputDone
    | RefusalDone
    | AnnotationAdded
    | ItemAdded
    | ItemDone
    | Created
    | Queued
    | InProgress
    | Completed
    | Incomplete
    | Failed
    | ErrorEvent
)


class Tag(msgspec.Struct, frozen=True):
    """What is read of an event that is not known, or not as it should be."""

    type: str | None = None
    error: Raw = Raw()
