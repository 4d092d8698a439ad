"""What is asked: the workloads, and the bytes of their requests."""

import json
from dataclasses import dataclass
from typing import Final, Literal

from bench.agent import BODIES, conversation
from bench.protocols import PROVIDERS, Json, Lane, Protocol


@dataclass(frozen=True)
class Workload:
    """One kind of load. `deltas` is the number of text pieces in a streamed reply, 0 for a reply of `REPLY_BYTES` at once."""

    name: str
    title: str
    connections: int
    latency: Literal["whole", "first", "transit"]
    deltas: int = 0
    pause_ms: int = 0
    is_agent: bool = False
    arrow: str = "->"
    """In the agent's files. What is not ASCII makes a Python string two bytes wide, and every step on it dearer."""

    @property
    def model(self) -> str:
        return f"fake-n{self.deltas}-d{self.pause_ms}" if self.deltas else f"fake-s{REPLY_BYTES}"


REPLY_BYTES: Final = 400
WORKLOADS: Final = {
    workload.name: workload
    for workload in (
        Workload("json", "small JSON, 32 connections", 32, "whole"),
        Workload("burst", "burst streams of 40 pieces, 16 connections", 16, "first", deltas=40),
        Workload("paced", "100 paced streams, a piece every 20 ms", 100, "transit", deltas=50, pause_ms=20),
        Workload("agent", "300 kB agent body, streamed, 4 connections", 4, "first", deltas=40, is_agent=True),
        Workload(
            "arrows",
            "the same with an arrow beyond ASCII here and there",
            4,
            "first",
            40,
            is_agent=True,
            arrow="\u2192",
        ),
    )
}

QUESTION: Final = "Say hello to the world, please."
KEY: Final = "sk-bench-0123456789abcdef0123456789"
KEY_OF_BOTH: Final = (f"Authorization: Bearer {KEY}", f"x-api-key: {KEY}", "anthropic-version: 2023-06-01")
KEYS: Final = {
    Protocol.CHAT: KEY_OF_BOTH,
    Protocol.MESSAGES: KEY_OF_BOTH,
    Protocol.RESPONSES: (f"Authorization: Bearer {KEY}",),
    Protocol.GEMINI: (f"x-goog-api-key: {KEY}",),
}


def request_bytes(workload: Workload, lane: Lane, port: int) -> bytes:
    """The whole HTTP request, as it goes to nginx and to the gateway alike."""
    model = f"{PROVIDERS[lane.upstream].name}/{workload.model}"
    body = json.dumps(request_body(workload, lane.client, model), ensure_ascii=False, separators=(",", ":")).encode()
    head = (
        f"POST {request_path(workload, lane.client, model)} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Content-Type: application/json",
        *KEYS[lane.client],
        f"Accept: {'text/event-stream' if workload.deltas else 'application/json'}",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def request_path(workload: Workload, protocol: Protocol, model: str) -> str:
    match protocol:
        case Protocol.CHAT:
            return "/v1/chat/completions"
        case Protocol.MESSAGES:
            return "/v1/messages"
        case Protocol.RESPONSES:
            return "/v1/responses"
        case Protocol.GEMINI:
            method = "streamGenerateContent?alt=sse" if workload.deltas else "generateContent"
            return f"/v1beta/models/{model}:{method}"


def request_body(workload: Workload, protocol: Protocol, model: str) -> Json:
    said = BODIES[protocol](conversation(workload.arrow)) if workload.is_agent else question(protocol)
    return {**settings(protocol, model, streams=bool(workload.deltas)), **said}


def settings(protocol: Protocol, model: str, *, streams: bool) -> Json:
    match protocol:
        case Protocol.CHAT:
            usage: Json = {"stream_options": {"include_usage": True}} if streams else {}
            return {"model": model, "max_tokens": 1024, "stream": streams, **usage}
        case Protocol.MESSAGES:
            return {"model": model, "max_tokens": 1024, "stream": streams}
        case Protocol.RESPONSES:  # agents send their whole history, so that nothing has to be stored
            return {"model": model, "max_output_tokens": 1024, "stream": streams, "store": False}
        case Protocol.GEMINI:  # the path says the rest
            return {"generationConfig": {"maxOutputTokens": 1024}}


def question(protocol: Protocol) -> Json:
    match protocol:
        case Protocol.CHAT | Protocol.MESSAGES:
            return {"messages": [{"role": "user", "content": QUESTION}]}
        case Protocol.RESPONSES:
            return {"input": [{"role": "user", "content": QUESTION}]}
        case Protocol.GEMINI:
            return {"contents": [{"role": "user", "parts": [{"text": QUESTION}]}]}
