"""`dragoman translate`: one body from one protocol into another, off line; what is lost goes to standard error."""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from dragoman import library
from dragoman.codec import Audience
from dragoman.ir.failures import DragomanError, RequestError
from dragoman.library import Kind, codec


def translate(source: str, target: str, kind: Kind, file: Path, model: str | None) -> bytes:
    """Return the body in `file` (`-`: standard input) in the other protocol; `kind` is request, reply or stream.

    Losses are printed to standard error. Raises DragomanError for a body that is not what it should be.
    """
    codec(source), codec(target)  # a name that is wrong is told before the file is read
    data = _read(file)
    guess = _guess(data, kind, source)
    try:
        translation = library.translate(data, source, target, kind=kind, model=model, audience=_audience)
    except DragomanError as error:
        name = "standard input" if str(file) == "-" else str(file)
        message = error.failure.message.replace("`body`", f"`{name}`")
        raise DragomanError(
            msgspec.structs.replace(error.failure, message=message, hint=guess or error.failure.hint)
        ) from None
    if guess:
        print(f"hint: {guess}", file=sys.stderr)
    for loss in translation.losses:
        print(f"{loss.action}: {loss.path}: {loss.reason} [{loss.code}]", file=sys.stderr)
    return translation.data


def _read(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        problem = f"`{file}` cannot be read: {error.strerror}"
        raise RequestError(problem, hint="name a file, or `-` for standard input") from None


def _guess(data: bytes, kind: str, source: str) -> str | None:
    """Return the hint for a body that looks like something else than `kind` in the protocol `source`."""
    if data.lstrip().startswith((b"data:", b"event:")):
        return None if kind == "stream" else "this looks like a stream: add `--stream`"
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict):
        return None
    is_reply = "choices" in body or "stop_reason" in body
    if is_reply != (kind == "reply"):
        return "this looks like a reply: add `--reply`" if is_reply else f"this does not look like a {kind}"
    protocol = _protocol_of(body)
    return f"this looks like `{protocol}`: try `--from {protocol}`" if protocol not in (None, source) else None


def _protocol_of(body: dict[str, Any]) -> str | None:
    """Return the protocol that a body's fields give away; None when they might be anybody's."""
    tools = [tool for tool in body.get("tools") or () if isinstance(tool, dict)]
    messages = [one for one in body.get("messages") or () if isinstance(one, dict)]
    if body.keys() & {"system", "stop_sequences", "stop_reason"} or any("input_schema" in tool for tool in tools):
        return "anthropic-messages"
    chat_tools = any("function" in tool for tool in tools)
    if body.keys() & {"max_completion_tokens", "choices", "response_format"} or chat_tools:
        return "openai-chat"
    is_chat = any(one.get("role") in ("developer", "tool") or "tool_calls" in one for one in messages)
    return "openai-chat" if is_chat else None


class _SameIds:
    """Ids that do not change from run to run: a translation can be compared with the one before."""

    def __init__(self) -> None:
        self._count = 0

    def new(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}translated" if self._count == 1 else f"{prefix}translated_{self._count}"


def _audience(model: str) -> Audience:
    return Audience(model, created=0, new_id=_SameIds().new)
