"""The shapes of generateContent requests on the wire.

They forbid unknown fields, so that nothing slips through unnoticed. What we only carry is `msgspec.Raw`, empty where it was not
given. The API is read by protobuf's rules: `mime_type` stands for `mimeType`, and one value for a list of one.
Source: https://ai.google.dev/api/generate-content and the types of the SDK `google-genai` 3.4.0.
"""

import re
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Raw

from dragoman.ir.losses import Ledger
from dragoman.wire.reading import read

NAME: Final = "gemini-generate"
"""The protocol's name: the origin of what only it has."""

GREATEST: Final = 2**31 - 1
"""Of what Google calls int32, as all its whole numbers are. They may have a point: some clients write `64.0`."""
_NUMBER: Final = msgspec.Meta(ge=-(2**31), le=GREATEST, multiple_of=1)
_AMOUNT: Final = msgspec.Meta(ge=0, le=GREATEST, multiple_of=1)
Number = Annotated[int, _NUMBER] | Annotated[float, _NUMBER]
Amount = Annotated[int, _AMOUNT] | Annotated[float, _AMOUNT]
"""One that counts something."""
Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]

T = TypeVar("T")
_UNDERSCORED: Final = re.compile("_([a-z0-9])")


def is_given(raw: Raw) -> bool:
    """Tell whether a field that is only carried was there, and not null."""
    return bytes(raw) not in (b"", b"null")


def camel_cased(name: str) -> str:
    """Return a field's name as the structs below have it: `mime_type` is `mimeType`."""
    return _UNDERSCORED.sub(lambda found: found[1].upper(), name)


def read_shape(decoder: msgspec.json.Decoder[T], raw: Raw, path: str, ledger: Ledger) -> T:
    """Return `raw` as the decoder's type, in either spelling. Raises RequestError naming the field that is wrong."""
    return read(decoder, raw, path, ledger, camel_cased)


class Strict(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """The base of a request's shapes: unknown fields are refused, defaults are not written."""


# Parts ----------------------------------------------------------------------------------------------------------------


class Blob(Strict, gc=False):
    """Bytes in base64, in either of its two alphabets."""

    mime_type: str
    data: str
    display_name: str | None = None


class FileData(Strict, gc=False):
    """Something that Google reads from `file_uri`."""

    file_uri: str
    mime_type: str | None = None
    display_name: str | None = None


class FunctionCall(Strict):
    """The model's call of a client's function."""

    name: str
    id: str | None = None
    args: Raw = Raw()
    partial_args: Raw = Raw()
    will_continue: bool | None = None


class ResponsePart(Strict):
    """Something to look at in a function's answer."""

    inline_data: Blob | None = None
    file_data: FileData | None = None


class FunctionResponse(Strict):
    """What the function answered. `response` is an object, by custom with `output` or `error` in it."""

    name: str = ""
    id: str | None = None
    response: Raw = Raw()
    parts: list[ResponsePart] | ResponsePart | None = None
    will_continue: bool | None = None
    scheduling: str | None = None


class Part(Strict):
    """A piece of a content: one of its data fields is set. Fields that say more about it (a video's clip) are not known here."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    executable_code: Raw = Raw()
    code_execution_result: Raw = Raw()
    tool_call: Raw = Raw()
    tool_response: Raw = Raw()


class Content(Strict):
    """What one side says; without a role it is the user."""

    parts: list[Part] | Part | None = None
    role: str | None = None


class Instruction(Strict):
    """A system instruction: a content, or a part alone."""

    parts: list[Part] | Part | None = None
    role: str | None = None
    text: str | None = None


# Tools ----------------------------------------------------------------------------------------------------------------


class FunctionDeclaration(Strict):
    """A function that the client runs: its schema is in Google's subset or in JSON Schema."""

    name: str
    description: str | None = None
    parameters: Raw = Raw()
    parameters_json_schema: Raw = Raw()
    response: Raw = Raw()
    response_json_schema: Raw = Raw()
    behavior: Raw = Raw()


class GoogleSearch(msgspec.Struct, rename="camel"):
    """What is read of the tool that searches the web; the rest is carried."""

    exclude_domains: list[str] | None = None


class FunctionCallingConfig(Strict):
    """Which functions may or must be called."""

    mode: str | int | None = None
    allowed_function_names: list[str] | None = None
    stream_function_call_arguments: Raw = Raw()


class ToolConfig(Strict):
    """How tools are used."""

    function_calling_config: FunctionCallingConfig | None = None
    retrieval_config: Raw = Raw()
    include_server_side_tool_invocations: Raw = Raw()


# The body -------------------------------------------------------------------------------------------------------------


class ThinkingConfig(Strict, gc=False):
    """How hard to think: a budget in tokens (0: not at all, -1: as the model likes) or a level, not both."""

    include_thoughts: bool | None = None
    thinking_budget: Number | None = None
    thinking_level: str | None = None


class GenerationConfig(Strict):
    """How to draw the answer, and in which form."""

    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    top_k: Amount | None = None
    candidate_count: Amount | None = None
    max_output_tokens: Amount | None = None
    stop_sequences: list[str] | str | None = None
    seed: Number | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    response_mime_type: str | None = None
    response_schema: Raw = Raw()
    response_json_schema: Raw = Raw()
    thinking_config: ThinkingConfig | None = None
    response_logprobs: Raw = Raw()
    logprobs: Raw = Raw()
    response_modalities: Raw = Raw()
    response_format: Raw = Raw()
    media_resolution: Raw = Raw()
    speech_config: Raw = Raw()
    image_config: Raw = Raw()
    audio_timestamp: Raw = Raw()
    audio_transcription_config: Raw = Raw()
    translation_config: Raw = Raw()
    enable_affective_dialog: Raw = Raw()
    enable_enhanced_civic_answers: Raw = Raw()
    routing_config: Raw = Raw()
    model_selection_config: Raw = Raw()


class Body(Strict):
    """The top level of a request."""

    contents: Raw = Raw()
    system_instruction: Raw = Raw()
    tools: Raw = Raw()
    tool_config: ToolConfig | None = None
    generation_config: GenerationConfig | None = None
    safety_settings: Raw = Raw()
    cached_content: Raw = Raw()
    labels: Raw = Raw()
    service_tier: str | None = None
    store: Raw = Raw()
    continuation_token: Raw = Raw()
    model: str | None = None


class CountBody(Strict):
    """The top level of a token count: contents, or a whole request."""

    contents: Raw = Raw()
    generate_content_request: Raw = Raw()
    system_instruction: Raw = Raw()
    tools: Raw = Raw()
    generation_config: Raw = Raw()
    model: str | None = None
