"""What is asked: the lanes through the gateway, the workloads, and the bytes of their requests."""

import json
import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

Json = dict[str, object]


class Protocol(StrEnum):
    """A wire protocol that upstream.c speaks."""

    CHAT = "chat"
    MESSAGES = "messages"


PATHS: Final = {Protocol.CHAT: "/v1/chat/completions", Protocol.MESSAGES: "/v1/messages"}
PROVIDERS: Final = {Protocol.CHAT: "chat", Protocol.MESSAGES: "anthropic"}
"""Names of the providers in the gateway's configuration, by what their upstream speaks."""


@dataclass(frozen=True)
class Lane:
    """What the client speaks, and what the upstream does."""

    client: Protocol
    upstream: Protocol

    def __str__(self) -> str:
        return f"{self.client} -> {self.upstream}"

    @property
    def is_raw(self) -> bool:
        return self.client == self.upstream


RAW: Final = Lane(Protocol.CHAT, Protocol.CHAT)
TRANSLATED: Final = Lane(Protocol.MESSAGES, Protocol.CHAT)
LANES: Final = (RAW, TRANSLATED, Lane(Protocol.MESSAGES, Protocol.MESSAGES), Lane(Protocol.CHAT, Protocol.MESSAGES))


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


def request_bytes(workload: Workload, lane: Lane, port: int) -> bytes:
    """The whole HTTP request, as it goes to nginx and to the gateway alike."""
    model = f"{PROVIDERS[lane.upstream]}/{workload.model}"
    body = json.dumps(request_body(workload, lane.client, model), ensure_ascii=False, separators=(",", ":")).encode()
    head = (
        f"POST {PATHS[lane.client]} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Content-Type: application/json",
        "Authorization: Bearer sk-bench-0123456789abcdef0123456789",
        "x-api-key: sk-bench-0123456789abcdef0123456789",
        "anthropic-version: 2023-06-01",
        f"Accept: {'text/event-stream' if workload.deltas else 'application/json'}",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def request_body(workload: Workload, protocol: Protocol, model: str) -> Json:
    stream: Json = {"stream": bool(workload.deltas)}
    if workload.deltas and protocol == Protocol.CHAT:
        stream["stream_options"] = {"include_usage": True}
    fixed: Json = {"model": model, "max_tokens": 1024, **stream}
    if not workload.is_agent:
        return {**fixed, "messages": [{"role": "user", "content": "Say hello to the world, please."}]}
    talk = conversation(workload.arrow)
    return {**fixed, **(chat_agent_body(talk) if protocol == Protocol.CHAT else messages_agent_body(talk))}


# ---- a coding agent's request in the middle of its work: 16 tools, a question and 60 tool calls with their results

TOOLS: Final = 16
CALLS: Final = 60
# Also names of parameters, so without "model" and "stream": upstream.c takes the first that it finds.
VOCABULARY: Final = (
    "agent answer argument block branch buffer call change check client close count default directory error event field"
    " file first folder function header index input key last length line list message module name number object option"
    " order output parser path pattern process project read record reply request result return search server setting"
    " source table target test text time token tool type update user value when with workspace write"
)
WORDS: Final = VOCABULARY.split()


@dataclass(frozen=True)
class Call:
    """One turn of the agent: what it says, the tool it calls, what comes back."""

    words: str
    tool: str
    arguments: dict[str, str]
    result: str


@dataclass(frozen=True)
class Conversation:
    """The same for both protocols."""

    system: str
    tools: tuple[tuple[str, str, Json], ...]
    question: str
    calls: tuple[Call, ...]


def conversation(arrow: str) -> Conversation:
    """Always the same one."""
    dice = random.Random(20261121)

    def prose(count: int) -> str:
        return " ".join(dice.choices(WORDS, k=count)).capitalize() + "."

    def code(lines: int) -> str:
        """Quotes, tabs, line ends: what makes JSON strings dear."""
        name = dice.choices(WORDS, k=lines)
        return "".join(
            f'{number:4}\t    {word} = {dice.choice(WORDS)}["{dice.choice(WORDS)}"]  # {prose(4)}{arrow * (number % 16 == 0)}\n'
            for number, word in enumerate(name)
        )

    def schema() -> Json:
        parameters = dice.sample(WORDS, k=6)
        properties = {each: {"type": "string", "description": prose(10)} for each in parameters}
        return {"type": "object", "properties": properties, "required": parameters[:2], "additionalProperties": False}

    tools = tuple((f"tool_{number}", prose(200), schema()) for number in range(TOOLS))
    calls = tuple(
        Call(prose(30), f"tool_{dice.randrange(TOOLS)}", {"path": f"src/{prose(2)}", "text": code(3)}, code(54))
        for _ in range(CALLS)
    )
    return Conversation(prose(1800), tools, prose(40), calls)


def chat_agent_body(talk: Conversation) -> Json:
    messages: list[Json] = [{"role": "system", "content": talk.system}, {"role": "user", "content": talk.question}]
    for number, call in enumerate(talk.calls):
        function = {"name": call.tool, "arguments": json.dumps(call.arguments, ensure_ascii=False)}
        tool_calls = [{"id": f"call_{number}", "type": "function", "function": function}]
        messages.append({"role": "assistant", "content": call.words, "tool_calls": tool_calls})
        messages.append({"role": "tool", "tool_call_id": f"call_{number}", "content": call.result})
    tools = [
        {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}
        for name, description, schema in talk.tools
    ]
    return {"tools": tools, "messages": messages}


def messages_agent_body(talk: Conversation) -> Json:
    messages: list[Json] = [{"role": "user", "content": talk.question}]
    for number, call in enumerate(talk.calls):
        id = f"toolu_{number}"
        use = {"type": "tool_use", "id": id, "name": call.tool, "input": call.arguments}
        messages.append({"role": "assistant", "content": [{"type": "text", "text": call.words}, use]})
        result = {"type": "tool_result", "tool_use_id": id, "content": call.result}
        messages.append({"role": "user", "content": [result]})
    tools = [
        {"name": name, "description": description, "input_schema": schema} for name, description, schema in talk.tools
    ]
    return {"system": [{"type": "text", "text": talk.system}], "tools": tools, "messages": messages}
