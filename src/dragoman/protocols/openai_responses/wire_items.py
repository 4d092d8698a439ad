"""The items of a client's input, and the parts of their content. Strict, as the settings beside them.

https://platform.openai.com/docs/api-reference/responses/create#responses-create-input
"""

from typing import Final, Literal

import msgspec
from msgspec import Raw

from dragoman.protocols.openai_responses.wire import Count

Status = Literal["in_progress", "completed", "incomplete", "searching", "failed", "generating"]


class ItemKind(msgspec.Struct, frozen=True, gc=False):
    """What tells an item's shape: its type, which messages and references may lack."""

    type: str | None = None
    role: str | None = None
    id: str | None = None


# Content ------------------------------------------------------------------------------------------------------------------


class CacheMark(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """The prompt up to here is worth caching."""

    mode: str
    ttl: str | None = None


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """One part of an item's content."""

    prompt_cache_breakpoint: CacheMark | None = None


class InputText(Part, frozen=True, kw_only=True, tag="input_text"):
    """Words to the model."""

    text: str


class PlainText(Part, frozen=True, kw_only=True, tag="text"):
    """Words, as careless clients mark them."""

    text: str


class OutputText(Part, frozen=True, kw_only=True, tag="output_text"):
    """Words of the model. `parsed` is what OpenAI's own SDK makes of them and sends back; it says nothing new."""

    text: str
    annotations: list[Raw] | None = None
    logprobs: Raw = Raw()
    parsed: Raw = Raw()


class RefusalPart(Part, frozen=True, kw_only=True, tag="refusal"):
    """The words with which the model declined."""

    refusal: str


class InputImage(Part, frozen=True, kw_only=True, tag="input_image"):
    """A picture: an http or a data URL, or a file that was uploaded before."""

    image_url: str | None = None
    file_id: str | None = None
    detail: str | None = None


class InputFile(Part, frozen=True, kw_only=True, tag="input_file"):
    """A file: inline, at an address, or uploaded before."""

    file_data: str | None = None
    file_url: str | None = None
    file_id: str | None = None
    filename: str | None = None
    detail: str | None = None


class AudioData(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Sound in base64."""

    data: str
    format: str


class InputAudio(Part, frozen=True, kw_only=True, tag="input_audio"):
    """Sound."""

    input_audio: AudioData


ContentPart = InputText | PlainText | OutputText | RefusalPart | InputImage | InputFile | InputAudio
ResultPart = InputText | PlainText | OutputText | InputImage | InputFile | InputAudio


# Items --------------------------------------------------------------------------------------------------------------------


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every item may have. An id is the vendor's own business: the words count."""

    type: str | None = None
    id: str | None = None
    status: Status | None = None


class MessageItem(Item, frozen=True, kw_only=True):
    """What somebody says. `phase` tells a commentary from the final answer."""

    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[ContentPart]
    phase: str | None = None


class FunctionCallItem(Item, frozen=True, kw_only=True):
    """A call of a function. `parsed_arguments` is the SDK's own."""

    call_id: str
    name: str
    arguments: str
    namespace: str | None = None
    parsed_arguments: Raw = Raw()


class CustomCallItem(Item, frozen=True, kw_only=True):
    """A call of a tool that takes free text."""

    call_id: str
    name: str
    input: str
    namespace: str | None = None


class CallOutputItem(Item, frozen=True, kw_only=True):
    """What a function or a custom tool answered."""

    output: str | list[ResultPart] | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None


class ShellAction(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A command of the local shell."""

    command: list[str]
    type: Literal["exec"] | msgspec.UnsetType = msgspec.UNSET
    env: dict[str, str] | None = None
    timeout_ms: Count | None = None
    user: str | None = None
    working_directory: str | None = None


class LocalShellCallItem(Item, frozen=True, kw_only=True):
    """A command that the model wants run."""

    action: ShellAction
    call_id: str | None = None


class ToolSearchCallItem(Item, frozen=True, kw_only=True):
    """The model looks for tools."""

    arguments: Raw
    call_id: str | None = None
    execution: str | None = None


class ToolSearchOutputItem(Item, frozen=True, kw_only=True):
    """The tools that were found: they can be called from here on."""

    tools: list[Raw]
    call_id: str | None = None
    execution: str | None = None


class AdditionalToolsItem(Item, frozen=True, kw_only=True):
    """Tools that can be called from here on."""

    tools: list[Raw]
    role: str | None = None


class ThoughtPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A part of a summary, or of the reasoning itself."""

    text: str
    type: str | None = None


class ReasoningItem(Item, frozen=True, kw_only=True):
    """What the model thought."""

    summary: list[ThoughtPart] | None = None
    content: list[ThoughtPart] | None = None
    encrypted_content: str | None = None


MESSAGE: Final = msgspec.json.Decoder(MessageItem)
FUNCTION_CALL: Final = msgspec.json.Decoder(FunctionCallItem)
CUSTOM_CALL: Final = msgspec.json.Decoder(CustomCallItem)
CALL_OUTPUT: Final = msgspec.json.Decoder(CallOutputItem)
LOCAL_SHELL_CALL: Final = msgspec.json.Decoder(LocalShellCallItem)
TOOL_SEARCH_CALL: Final = msgspec.json.Decoder(ToolSearchCallItem)
TOOL_SEARCH_OUTPUT: Final = msgspec.json.Decoder(ToolSearchOutputItem)
ADDITIONAL_TOOLS: Final = msgspec.json.Decoder(AdditionalToolsItem)
REASONING: Final = msgspec.json.Decoder(ReasoningItem)
KIND: Final = msgspec.json.Decoder(ItemKind)
