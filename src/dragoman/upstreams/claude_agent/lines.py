"""The lines that are exchanged with the CLI: one JSON object each, of which only what is needed is read."""

from typing import Any, Final

import msgspec
from msgspec import Raw

_json: Final = msgspec.json.encode


class Head(msgspec.Struct, gc=False):
    """What has to be known of a stream's event beside the decoder of its protocol: what it is, and why the model stopped."""

    type: str
    delta: "Ending | None" = None


class Ending(msgspec.Struct, gc=False):
    """The part of `message_delta` that tells why the model stopped."""

    stop_reason: str | None = None


class StreamEvent(msgspec.Struct, tag="stream_event"):
    """One event of the upstream's own stream. `parent_tool_use_id`: it belongs to a sub-agent of the CLI's."""

    event: Raw
    parent_tool_use_id: str | None = None


class Result(msgspec.Struct, tag="result"):
    """A turn of the CLI's has ended. Failures of the upstream are a `success` that `is_error`."""

    subtype: str = ""
    is_error: bool = False
    api_error_status: int | None = None
    terminal_reason: str | None = None
    result: str | None = None
    errors: list[str] | None = None
    usage: "dict[str, ModelUsage]" = msgspec.field(default_factory=dict, name="model_usage_since_last_result")
    """What the turn cost by model, sub-agents included."""


class ModelUsage(msgspec.Struct, rename="camel"):
    """Tokens, as Anthropic counts them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    thinking_tokens: int = 0
    cache_creation_ephemeral_1h_input_tokens: int = msgspec.field(default=0, name="cacheCreationEphemeral1hInputTokens")


class System(msgspec.Struct, tag="system"):
    """News of the CLI's; `init` opens a turn and lists the tools that the model is offered."""

    subtype: str = ""
    tools: list[str] | None = None


class Assistant(msgspec.Struct, tag="assistant"):
    """A block of the reply once more, or words of the CLI's own, which tell what kind of `error` there was."""

    error: str | None = None


class RateLimit(msgspec.Struct):
    """How near a limit is. Times are seconds since the epoch."""

    status: str = ""
    resets_at: float | None = msgspec.field(default=None, name="resetsAt")


class RateLimitEvent(msgspec.Struct, tag="rate_limit_event"):
    """The account came near a limit, or reached it."""

    rate_limit_info: RateLimit


class Asked(msgspec.Struct):
    """What the CLI wants to know: which hook, or which server's answer to which message."""

    subtype: str
    message: "McpMessage | None" = None
    input: "HookInput | None" = None


class HookInput(msgspec.Struct):
    """What the model is about to call."""

    tool_name: str = ""
    tool_input: dict[str, Any] = {}


class McpMessage(msgspec.Struct):
    """A JSON-RPC message to the server that offers the client's tools; without `id` it wants no answer."""

    method: str = ""
    id: int | str | None = None
    params: dict[str, Any] = {}


class ControlRequest(msgspec.Struct, tag="control_request"):
    """A question of the CLI's."""

    request_id: str
    request: Asked


class Answered(msgspec.Struct):
    """The answer to a question of ours."""

    request_id: str
    subtype: str
    response: Raw = Raw(b"{}")
    error: str = ""


class ControlResponse(msgspec.Struct, tag="control_response"):
    """An answer of the CLI's."""

    response: Answered


class Exited(msgspec.Struct):
    """Not a line: the process has ended. `status` is its exit status, negative for a signal; `words` the last of stderr."""

    status: int
    words: str


Word = StreamEvent | Result | System | Assistant | RateLimitEvent
"""What is said of a turn."""
Line = Word | ControlRequest | ControlResponse

_line: Final = msgspec.json.Decoder(Line).decode
_fields: Final = msgspec.json.Decoder(dict[str, Any]).decode
_KINDS: Final = frozenset(
    {"stream_event", "result", "system", "assistant", "rate_limit_event", "control_request", "control_response"}
)
head_of: Final = msgspec.json.Decoder(Head).decode


def decode(raw: bytes) -> Line | None:
    """Read a line; None for one of a kind that is of no interest. Raises DecodeError when one that matters cannot be read."""
    try:
        line: Line = _line(raw)
    except msgspec.ValidationError:
        if _fields(raw).get("type") in _KINDS:
            raise
        return None
    return line


def ask(number: int, subtype: str, fields: dict[str, Any]) -> bytes:
    """Return a question to the CLI."""
    return (
        _json({"type": "control_request", "request_id": f"q{number}", "request": {"subtype": subtype, **fields}})
        + b"\n"
    )


def answer(asked: ControlRequest, response: dict[str, Any]) -> bytes:
    """Return the answer to a question of the CLI's."""
    return _reply(asked, {"subtype": "success", "response": response})


def refusal(asked: ControlRequest) -> bytes:
    """Return the answer to a question that nobody here knows anything about."""
    return _reply(asked, {"subtype": "error", "error": f"`{asked.request.subtype}` is not served here"})


def _reply(asked: ControlRequest, said: dict[str, Any]) -> bytes:
    return _json({"type": "control_response", "response": {"request_id": asked.request_id, **said}}) + b"\n"


def user(content: Raw, *, asks: bool = True) -> bytes:
    """Return a user's message, delivered as it is written: no `@path` in it is read, no `/command` run.

    `asks` false: it belongs to the past, and nobody is asked for a reply.
    """
    line: dict[str, Any] = {
        "type": "user",
        "message": {"role": "user", "content": content},
        "parent_tool_use_id": None,
        "session_id": "default",
        "client_composed": True,
    }
    return _json(line if asks else {**line, "shouldQuery": False}) + b"\n"


def assistant(content: Raw, model: str, number: int) -> bytes:
    """Return a message of the model's from the past."""
    message = past_message(content, model, number)
    return _json({"type": "assistant", "message": message, "parent_tool_use_id": None, "session_id": "default"}) + b"\n"


def past_message(content: Raw, model: str, number: int) -> dict[str, Any]:
    """Return what the model once said as the upstream would have sent it.

    With another model in it, or none, the CLI leaves its reasoning out.
    """
    return {
        "id": f"msg_past_{number}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }
