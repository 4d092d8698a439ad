"""An MCP server's half of JSON-RPC: what a message is answered with, and which call it asks for.

Our own, because there is little of it: the CLI sends five methods over the pipe that we read anyway, and the official package
brings pydantic, anyio and a web framework along for transports that are not used here. modelcontextprotocol.io/specification
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from dragoman.upstreams.claude_agent.lines import McpMessage

_PROTOCOL: Final = "2025-06-18"
_NO_METHOD: Final = -32601
_BAD_PARAMETERS: Final = -32602


class CallRequest(msgspec.Struct, frozen=True):
    """`tools/call`: to be answered with `outcome` when it is done."""

    id: int | str
    name: str
    arguments: dict[str, Any]


class Cancellation(msgspec.Struct, frozen=True):
    """`notifications/cancelled`: nobody waits for the answer to the request `id` any more."""

    id: int | str | None


Reply = dict[str, Any]


def take(message: McpMessage, tools: Raw | Sequence[dict[str, Any]]) -> Reply | CallRequest | Cancellation:
    """Return what `message` is answered with, or what it wants to be done; `tools` as MCP lists them."""
    match message.method:
        case "tools/call":
            return _call(message)
        case "notifications/cancelled":
            return Cancellation(message.params.get("requestId"))
        case "initialize":
            about = {"name": "dragoman", "version": "1"}
            version = message.params.get("protocolVersion", _PROTOCOL)
            return _result(message, {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about})
        case "tools/list":
            return _result(message, {"tools": tools})
        case "ping":
            return _result(message, {})
        case method if method.startswith("notifications/"):
            return _result(message, {})
        case method:
            return _error(message, _NO_METHOD, f"there is no method `{method}`")


def outcome(id: int | str, text: str, *, is_error: bool) -> Reply:
    """Return the answer to a call. A call that failed is a result that says so, for the model to read."""
    return {
        "jsonrpc": "2.0",
        "id": id,
        "result": {"content": [{"type": "text", "text": text}], "isError": is_error},
    }


def _call(message: McpMessage) -> Reply | CallRequest:
    name, arguments = message.params.get("name"), message.params.get("arguments") or {}
    if message.id is None or not isinstance(name, str) or not isinstance(arguments, dict):
        return _error(message, _BAD_PARAMETERS, "a call needs an id, a name, and arguments that are an object")
    return CallRequest(message.id, name, arguments)


def _result(message: McpMessage, result: Any) -> Reply:  # noqa: ANN401 - JSON
    return {"jsonrpc": "2.0", "id": message.id, "result": result}


def _error(message: McpMessage, code: int, words: str) -> Reply:
    return {"jsonrpc": "2.0", "id": message.id, "error": {"code": code, "message": words}}
