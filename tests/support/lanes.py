"""The ways through the gateway, and a plain HTTP client to walk them: what is asked, and what each side says.

A lane is named by its two protocols: `chat to messages` is a Chat client before a Messages upstream. Same names: the raw lane.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Any

from dragoman.settings import Provider
from tests.support.exact_upstream import Answer, ExactUpstream, json_answer, stream_answer
from tests.support.faulty_upstream import ThreadedUpstream
from tests.support.gateway import RunningGateway, provider
from tests.support.wires import (
    DONE,
    completion,
    content,
    event,
    item_events,
    message,
    message_start,
    output_text,
    piece,
    response,
    response_start,
    said,
    text,
)

PROMPT = "the quick brown prompt"
CLIENT_KEY = "sk-client-secret-0123456789"
PATHS = {
    "messages": "/v1/messages",
    "chat": "/v1/chat/completions",
    "gemini": "/v1beta/models/{}:generateContent",
    "responses": "/v1/responses",
}
STREAM_PATHS = {**PATHS, "gemini": "/v1beta/models/{}:streamGenerateContent?alt=sse"}
BEATS = {
    "messages": b'event: ping\ndata: {"type":"ping"}\n\n',
    "chat": b": keepalive\n\n",
    "gemini": b"",
    "responses": b": keepalive\n\n",
}
ENDS = {
    "messages": b"event: message_stop\n",
    "chat": b"data: [DONE]\n\n",
    "gemini": b'"STOP"',
    "responses": b"event: response.completed\n",
}

_ITEM_EVENTS = list(item_events(0, output_text("Hello")))
_DELTA_PLACE = 2
"""Before it: the item, its part."""
_DELTA = {"type": "text_delta", "text": "Hello"}
_STREAMS: dict[str, tuple[bytes, bytes, bytes]] = {
    "chat": (
        piece({"role": "assistant", "content": ""}),
        piece({"content": "Hello"}),
        piece({}, "stop") + piece(usage={"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}) + DONE,
    ),
    "messages": (
        message_start(),
        event("content_block_start", index=0, content_block=text(""))
        + event("content_block_delta", index=0, delta=_DELTA),
        event("content_block_stop", index=0)
        + event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 7})
        + event("message_stop"),
    ),
    "gemini": (said(), said({"text": "Hello"}), said({"text": ""}, finish="STOP")),
    "responses": (
        response_start(),
        b"".join(_ITEM_EVENTS[:_DELTA_PLACE]) + event("response.output_text.delta", output_index=0, delta="Hello"),
        b"".join(_ITEM_EVENTS[_DELTA_PLACE + 2 :])
        + event("response.completed", response=response(output_text("Hello"))),
    ),
}


@dataclass(frozen=True, slots=True)
class Lane:
    """A client's protocol and an upstream's: `chat`, `messages`, `gemini` or `responses`."""

    client: str
    upstream: str

    def __str__(self) -> str:
        return f"{self.client} to {self.upstream}"

    @property
    def is_raw(self) -> bool:
        return self.client == self.upstream

    @property
    def beat(self) -> bytes:
        """The heartbeat that the client gets; nothing where its protocol has none."""
        return BEATS[self.client]

    @property
    def end(self) -> bytes:
        """What only a reply that ended well has in it."""
        return ENDS[self.client]

    @property
    def start(self) -> bytes:
        """The upstream's first event; nothing is said in it."""
        return _STREAMS[self.upstream][0]

    @property
    def content(self) -> bytes:
        """The upstream's `Hello`."""
        return _STREAMS[self.upstream][1]

    @property
    def more(self) -> bytes:
        """One more `Hello` of the upstream's."""
        names_events = self.upstream in ("messages", "responses")
        return self.content[self.content.rindex(b"event: ") :] if names_events else self.content

    @property
    def ending(self) -> bytes:
        """The rest of the upstream's reply."""
        return _STREAMS[self.upstream][2]

    @property
    def empty_ending(self) -> bytes:
        """The rest of an upstream's reply that says nothing at all."""
        if self.upstream == "responses":
            return event("response.completed", response=response())
        return self.ending.partition(b"\n\n")[2] if self.upstream == "messages" else self.ending

    @property
    def stream(self) -> bytes:
        """The upstream's whole stream."""
        return b"".join(_STREAMS[self.upstream])

    @property
    def whole(self) -> dict[str, Any]:
        """The upstream's reply when it does not stream."""
        match self.upstream:
            case "chat":
                return completion("Hello")
            case "messages":
                return message(text("Hello"))
            case "responses":
                return response(output_text("Hello"))
            case _:
                return content({"text": "Hello"})

    @property
    def silence(self) -> dict[str, Any]:
        """The upstream's reply when it says nothing at all."""
        match self.upstream:
            case "chat":
                return completion(None)
            case "messages":
                return message()
            case "responses":
                return response()
            case _:
                return content()

    def path(self, *, streams: bool) -> str:
        """Return where the client asks: some protocols name the model and the stream there."""
        return (STREAM_PATHS if streams else PATHS)[self.client].format(f"{self.upstream}/some-model")

    def good(self, *, streams: bool) -> Answer:
        """Return the upstream's good answer."""
        return stream_answer(*_STREAMS[self.upstream]) if streams else json_answer(self.whole)

    def request(self, *, streams: bool, prompt: str = PROMPT) -> bytes:
        """Return the client's request."""
        if self.client == "gemini":
            contents = [{"role": "user", "parts": [{"text": prompt}]}]
            return json.dumps({"contents": contents, "generationConfig": {"maxOutputTokens": 99}}).encode()
        model = f"{self.upstream}/some-model"
        if self.client == "responses":
            asked = {"model": model, "input": prompt, "max_output_tokens": 99, "stream": streams, "store": False}
            return json.dumps(asked).encode()
        body = {
            "model": model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": 99,
            "stream": streams,
        }
        return json.dumps(body).encode()

    def says_hello(self, body: bytes) -> bool:
        """Tell whether `body` is a good answer, streamed or not."""
        return b"Hello" in body and (self.end in body or body.startswith(b"{")) and not self.fails(body)

    def model_in(self, body: bytes) -> str:
        """Return the model that a whole reply names."""
        name: str = json.loads(body)["modelVersion" if self.client == "gemini" else "model"]
        return name

    def words_in(self, stream: bytes) -> str:
        """Return the words of a stream."""
        return "".join(_words_of(json.loads(line[6:])) for line in stream.split(b"\n") if line.startswith(b"data: {"))

    def errors_in(self, stream: bytes) -> int:
        """Return how often a stream says that it failed: Responses says so once to the SDKs and once to Codex."""
        return stream.count(b"event: error\n" if self.client == "responses" else b'"error":{')

    def fails(self, stream: bytes) -> bool:
        """Tell whether the stream's last event is an error in the client's dialect."""
        last = stream.replace(b"\r\n", b"\n").rstrip(b"\n").rpartition(b"\n\n")[2]
        if self.client == "messages":
            return last.startswith(b'event: error\ndata: {"type":"error","error":{')
        if self.client == "responses":
            return last.startswith(b"event: response.failed\n")
        return last.startswith(b'data: {"error":{')


def _words_of(data: dict[str, Any]) -> str:
    if data.get("type") == "response.output_text.delta":
        return str(data["delta"])
    if str(data.get("type")).startswith("response."):
        return ""
    deltas = [data["delta"]] if "delta" in data else [choice["delta"] for choice in data.get("choices", ())]
    parts = [part for one in data.get("candidates", ()) for part in one["content"]["parts"]]
    return "".join(one.get("text") or one.get("content") or "" for one in (*deltas, *parts))


LANES = [Lane(client, upstream) for client in PATHS for upstream in PATHS]


def upstreams(server: ThreadedUpstream) -> dict[str, Provider]:
    """Return the settings of `server` as a provider of each protocol, named by it."""
    return {
        "chat": provider("openai-chat", f"{server.url}/v1"),
        "messages": provider("anthropic-messages", server.url),
        "gemini": provider("gemini-generate", server.url),
        "responses": provider("openai-responses", f"{server.url}/v1"),
    }


@contextmanager
def asking(
    gateway: RunningGateway | int,
    lane: Lane,
    *,
    streams: bool,
    prompt: str = PROMPT,
    headers: Mapping[str, str] | None = None,
    timeout: float = 10.0,
) -> Iterator[HTTPConnection]:
    """Send the request; `connection.getresponse()` waits for the reply's head. Leaving the block hangs up."""
    port = gateway if isinstance(gateway, int) else gateway.port
    connection = HTTPConnection("127.0.0.1", port, timeout=timeout)
    fields = {"content-type": "application/json", "authorization": f"Bearer {CLIENT_KEY}", **(headers or {})}
    try:
        connection.request("POST", lane.path(streams=streams), lane.request(streams=streams, prompt=prompt), fields)
        yield connection
    finally:
        connection.close()


def ask(
    gateway: RunningGateway | int,
    lane: Lane,
    *,
    streams: bool,
    prompt: str = PROMPT,
    headers: Mapping[str, str] | None = None,
    timeout: float = 10.0,
) -> tuple[HTTPResponse, bytes]:
    """Return the reply and its whole body."""
    with asking(gateway, lane, streams=streams, prompt=prompt, headers=headers, timeout=timeout) as connection:
        response = connection.getresponse()
        return response, response.read()


def read_until(response: HTTPResponse, mark: bytes) -> bytes:
    """Read the body until `mark` is in it, or its end; return what has been read."""
    body = b""
    deadline = time.monotonic() + 10
    while mark not in body:
        assert time.monotonic() < deadline, f"no {mark!r} in {body!r}"
        piece = response.read1(65536)
        if not piece:
            break
        body += piece
    return body


def error_of(body: bytes) -> dict[str, Any]:
    """Return the error in a body or in a stream's last event."""
    data = json.loads(body if body.startswith(b"{") else body.rstrip(b"\n").rpartition(b"\ndata: ")[2])
    error: dict[str, Any] = data["response"]["error"] if data.get("type") == "response.failed" else data["error"]
    return error


def still_works(gateway: RunningGateway, server: ExactUpstream, lane: Lane) -> None:
    """Check that the next requests are answered as if nothing had been."""
    for streams in (True, False):
        server.answers(lane.good(streams=streams))
        response, body = ask(gateway, lane, streams=streams)
        assert response.status == 200, body
        assert lane.says_hello(body), body
