"""What is served beside the protocols: health, what this is, and the OpenAPI description."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from dragoman import __version__
from dragoman.codec import Operation
from dragoman.server.router import Match

Page = Callable[[Mapping[str, str]], tuple[bytes, bytes]]
"""(request headers) -> (content type, body)."""

JSON: Final = b"application/json"
TEXT: Final = b"text/plain; charset=utf-8"

_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_AS_NAME: Final = str.maketrans({"/": "_", ":": "_", "{": None, "}": None})
_SUMMARIES: Final = {
    Operation.GENERATE: "Ask a model for a reply",
    Operation.COUNT: "Count the tokens of a request",
    Operation.MODELS: "List the models",
    Operation.MODEL: "Describe one model",
    Operation.COMPACT: "Compact a conversation",
    Operation.RETRIEVE: "Tell an earlier reply again",
    Operation.DELETE: "Forget an earlier reply",
}


def json_page(content: Callable[[], Any]) -> Page:
    """Return a page that shows what `content` gives, as JSON."""
    return lambda _headers: (JSON, msgspec.json.encode(content()))


def text_page(text: str) -> Page:
    """Return a page of plain text."""
    return lambda _headers: (TEXT, text.encode())


def about() -> dict[str, Any]:
    """Return what stands at `/`."""
    return {
        "name": "dragoman",
        "version": __version__,
        "what": "any coding agent, any model back end, nothing lost in translation",
        "health": "/health",
        "openapi": "/openapi.json",
        "models": "/v1/models",
    }


def openapi(paths: Mapping[str, Mapping[str, Match]], needs_key: bool) -> dict[str, Any]:  # noqa: FBT001 - read by name
    """Return the OpenAPI 3.1 description of what is served.

    https://spec.openapis.org/oas/v3.1.0
    """
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Dragoman",
            "version": __version__,
            "license": {"name": "MIT", "identifier": "MIT"},
            "description": (
                "A gateway between coding agents and models. Every path is also served below `/{provider}`, which "
                "restricts it to that provider's models. Bodies are those of the vendors' own APIs."
            ),
        },
        "paths": _protocol_paths(paths) | _own_paths(),
        "components": {
            "schemas": {
                "Body": {"type": "object", "description": "As the protocol's own reference describes it."},
                "Error": {"type": "object", "description": "An error in the dialect of the endpoint's protocol."},
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }
    if needs_key:
        document["security"] = [{"bearer": []}, {"apiKey": []}]
    return document


def _protocol_paths(paths: Mapping[str, Mapping[str, Match]]) -> dict[str, Any]:
    served = {
        path: {method: match for method, match in methods.items() if match.operation is not Operation.UNSERVED}
        for path, methods in sorted(paths.items())
    }
    return {path: _path_item(path, methods) for path, methods in served.items() if methods}


def _path_item(path: str, methods: Mapping[str, Match]) -> dict[str, Any]:
    item: dict[str, Any] = {method.lower(): _operation(method, path, match) for method, match in methods.items()}
    if (parameter := _PARAMETER.search(path)) is not None:
        item["parameters"] = [{"name": parameter[1], "in": "path", "required": True, "schema": {"type": "string"}}]
    return item


def _operation(method: str, path: str, match: Match) -> dict[str, Any]:
    titles = " or ".join(codec.title for codec in match.codecs)
    operation: dict[str, Any] = {
        "operationId": f"{method.lower()}{path.translate(_AS_NAME)}",
        "summary": f"{_SUMMARIES[match.operation]} ({titles})",
        "tags": [codec.name for codec in match.codecs],
        "responses": {
            "200": {"description": "The reply", "content": _content(match)},
            "default": {
                "description": "What went wrong",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
    }
    if method == "POST":
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Body"}}},
        }
    return operation


def _content(match: Match) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": {"$ref": "#/components/schemas/Body"}}}
    if match.operation is Operation.GENERATE:
        content["text/event-stream"] = {"schema": {"type": "string"}}
    return content


def _own_paths() -> dict[str, Any]:
    rows = {
        "/": ("about", "What this is", "application/json"),
        "/health": ("health", "How the gateway is", "application/json"),
        "/ping": ("ping", "Whether the gateway is there", "text/plain"),
        "/api/hello": ("hello", "A client's probe", "text/plain"),
        "/openapi.json": ("openapi", "This document", "application/json"),
    }
    return {
        path: {
            "get": {
                "operationId": name,
                "summary": summary,
                "responses": {
                    "200": {"description": summary, "content": {kind: {"schema": {}}}},
                },
            }
        }
        for path, (name, summary, kind) in rows.items()
    }
