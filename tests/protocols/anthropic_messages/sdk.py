"""The official SDK as a judge of what we write: real client code over a transport that never leaves the process."""

# ruff: noqa: ANN401 - what stands here for a body is any JSON

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import anthropic
import httpx2
import msgspec
import pydantic
from anthropic.types.message import Message
from anthropic.types.message_create_params import MessageCreateParams

from dragoman.codec import Audience, Source, Target
from dragoman.dialects import Dialect
from dragoman.ir.events import Event
from dragoman.ir.losses import Ledger
from dragoman.ir.request import Request
from dragoman.protocols.anthropic_messages import PROTOCOL
from dragoman.receiver import Receiver

SOURCE = Source("upstream", "model-1")
TARGET = Target("upstream", "model-1")
AUDIENCE = Audience("claude-x", created=1, new_id=lambda prefix: f"{prefix}1", input_tokens=321)


def target(max_output: int | None = None, **quirks: Any) -> Target:
    return Target("upstream", "model-1", Dialect(**quirks), max_output)


def client(status: int, body: bytes, headers: Mapping[str, str]) -> anthropic.Anthropic:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, headers=dict(headers), content=body)

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    return anthropic.Anthropic(api_key="key", base_url="http://sdk.test", http_client=http, max_retries=0)


def read_stream(body: bytes) -> Message:
    """Return the message that the SDK puts together from a stream."""
    sdk = client(200, body, {"content-type": "text/event-stream"})
    with sdk.messages.stream(model="m", max_tokens=1, messages=[]) as stream:
        return stream.get_final_message()


def read_whole(body: bytes) -> Message:
    sdk = client(200, body, {"content-type": "application/json"})
    return sdk.messages.create(model="m", max_tokens=1, messages=[])


@cache
def _params() -> pydantic.TypeAdapter[Any]:
    return pydantic.TypeAdapter(MessageCreateParams)


def validate_request(body: bytes) -> dict[str, Any]:
    """Return the body; raise when it is not what the SDK's types for a request say."""
    content: dict[str, Any] = msgspec.json.decode(body)
    _exhaust(_params().validate_python(content))
    return content


def _exhaust(value: Any) -> None:
    """Walk through `value`: pydantic checks lists only as they are read."""
    if isinstance(value, Mapping):
        for item in value.values():
            _exhaust(item)
    elif not isinstance(value, str | bytes | int | float | None):
        for item in value:
            _exhaust(item)


def encoded(request: Request, to: Target = TARGET) -> tuple[dict[str, Any], list[str]]:
    """Return the request as the upstream gets it, approved by the SDK's types, and the codes of what was lost."""
    ledger = Ledger()
    body = validate_request(PROTOCOL.encode_request(request, to, ledger))
    return body, [loss.code for loss in ledger]


def decoded(body: Any) -> tuple[Request, list[str]]:
    ledger = Ledger()
    request = PROTOCOL.decode_request(msgspec.json.encode(body), ledger)
    return request, [loss.code for loss in ledger]


def streamed(events: Sequence[Event], audience: Audience = AUDIENCE) -> bytes:
    encoder = PROTOCOL.stream_encoder(audience)
    return b"".join(encoder.feed([event]) for event in events) + encoder.flush()


def received(data: bytes) -> list[Event]:
    receiver = Receiver(PROTOCOL, SOURCE)
    return receiver.feed(data) + receiver.flush()


def sse(*events: Mapping[str, Any]) -> bytes:
    """Return a stream of these events."""
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), msgspec.json.encode(event)) for event in events
    )
