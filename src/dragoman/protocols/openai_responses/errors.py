"""Failures in a stream that has begun. https://platform.openai.com/docs/api-reference/responses-streaming/error.

Two events say the same, as OpenAI's own streams do: `error`, on which the SDKs raise with its words, and `response.failed`, which
Codex reads.
"""

from typing import Any, Final

import msgspec

from dragoman.ir.failures import Failure
from dragoman.vendors.openai.errors import error_fields
from dragoman.wire.sse import write_frame

_json: Final = msgspec.json.encode
_DEFAULT_CODE: Final = "server_error"


def response_error(failure: Failure) -> dict[str, Any]:
    """Return the `error` of a response object, which needs a code."""
    fields = error_fields(failure)
    return {"code": fields["code"] or _DEFAULT_CODE, "message": fields["message"]}


def error_event(failure: Failure, sequence: int) -> bytes:
    """Return the `error` event: the SDKs look for an error object in it, its documentation has the fields beside the type."""
    fields = error_fields(failure)
    said = {name: fields[name] for name in ("code", "message", "param")}
    return write_frame(_json({"type": "error", "sequence_number": sequence, **said, "error": fields}), "error")


def encode_failure_event(failure: Failure, request_id: str) -> bytes:
    """Return the events for a stream of which nothing else is known."""
    response: dict[str, Any] = {
        "id": f"resp_{request_id.removeprefix('req_')}",
        "object": "response",
        "status": "failed",
        "error": response_error(failure),
        "incomplete_details": None,
        "output": [],
        "usage": None,
    }
    failed = {"type": "response.failed", "sequence_number": 1, "response": response}
    return error_event(failure, 0) + write_frame(_json(failed), "response.failed")
