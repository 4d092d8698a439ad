"""The form of an answer as OpenAI's protocols ask for it: a JSON Schema, JSON at least, or words.

https://platform.openai.com/docs/guides/structured-outputs
"""

from typing import Any, Final, Protocol

import msgspec
from msgspec import Raw

from dragoman.dialects import Dialect
from dragoman.ir.request import OutputFormat, Request, Text
from dragoman.vendors.openai.schemas import schema_name
from dragoman.wire.reading import UNREADABLE
from dragoman.wire.schemas import strict_form

_OWN: Final = frozenset({"openai-chat", "openai-responses"})
"""Whose clients write schemas by OpenAI's rules."""
_JSON_OBJECT: Final = "Answer with one valid JSON object and nothing else."
_JSON_SCHEMA: Final = "Answer with JSON that fits this JSON Schema and with nothing else, no code fence either:\n"


class Losses(Protocol):
    """Where a protocol notes what it loses."""

    def add(self, code: str, path: str, detail: str = "") -> None:
        """Note that the thing at `path` is lost as `code` says: `json_object`, `json_schema`, `json_schema_strict`."""


class _Typed(msgspec.Struct):
    type: str | None = None


_typed: Final = msgspec.json.Decoder(_Typed).decode


def schema_fields(output: OutputFormat, schema: Raw, path: str, losses: Losses) -> dict[str, Any]:
    """Return name, schema and strictness of an answer's schema; `path` is where it stands in the request."""
    written, is_strict = _held(output, schema, path, losses)
    fields: dict[str, Any] = {"name": output.name or schema_name(schema), "schema": written, "strict": is_strict}
    if output.description is not None:
        fields["description"] = output.description
    return fields


def _held(output: OutputFormat, schema: Raw, path: str, losses: Losses) -> tuple[Raw, bool]:
    """Return the schema and whether the model can be held to it."""
    if output.strict is False or output.origin in _OWN:
        return schema, output.strict is not False
    written, obstacle = strict_form(schema)
    if obstacle is not None:
        losses.add("json_schema_strict", f"{path}.schema{obstacle.path}", obstacle.reason)
    return written, obstacle is None


def takes_json_mode(output: OutputFormat, dialect: Dialect) -> bool:
    """Tell whether an answer that no schema can be given for is held to JSON at least: JSON mode gives objects only."""
    return dialect.json_object and (output.schema is None or _is_of_object(output.schema))


def with_format_told(request: Request, dialect: Dialect, path: str, losses: Losses) -> Request:
    """Return `request` with the form of its answer in words, where the server has no field that says all of it."""
    output = request.output
    if output is None or (output.schema is not None and dialect.structured_output):
        return request
    if output.schema is None and dialect.json_object and _says_json(request):
        return request
    if output.schema is None:
        words = _JSON_OBJECT
        if not dialect.json_object:
            losses.add("json_object", path)
    else:
        words = _JSON_SCHEMA + str(output.schema, "utf-8")
        losses.add("json_schema", path)
    return msgspec.structs.replace(request, system=(*request.system, Text(words)))


def _says_json(request: Request) -> bool:
    """Tell whether the conversation's beginning speaks of JSON: without that word OpenAI refuses the mode."""
    begin = (*request.system, *(request.messages[0].blocks if request.messages else ()))
    return any("json" in block.text.lower() for block in begin if isinstance(block, Text))


def _is_of_object(schema: Raw) -> bool:
    try:
        return _typed(schema).type in (None, "object")
    except UNREADABLE:
        return False
