"""A coding agent's request in the middle of its work, in every protocol: 16 tools, a question, 60 tool calls with their results."""

import json
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bench.protocols import Json, Protocol

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
    """The same for all protocols."""

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


# ---- the same conversation as each protocol writes it


def chat_body(talk: Conversation) -> Json:
    messages: list[Json] = [{"role": "system", "content": talk.system}, {"role": "user", "content": talk.question}]
    for number, call in enumerate(talk.calls):
        function = {"name": call.tool, "arguments": arguments_text(call)}
        tool_calls = [{"id": f"call_{number}", "type": "function", "function": function}]
        messages.append({"role": "assistant", "content": call.words, "tool_calls": tool_calls})
        messages.append({"role": "tool", "tool_call_id": f"call_{number}", "content": call.result})
    tools = [
        {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}
        for name, description, schema in talk.tools
    ]
    return {"tools": tools, "messages": messages}


def messages_body(talk: Conversation) -> Json:
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


def responses_body(talk: Conversation) -> Json:
    items: list[Json] = [responses_message("user", "input_text", talk.question)]
    for number, call in enumerate(talk.calls):
        id = f"call_{number}"
        items += (
            responses_message("assistant", "output_text", call.words),
            {"type": "function_call", "call_id": id, "name": call.tool, "arguments": arguments_text(call)},
            {"type": "function_call_output", "call_id": id, "output": call.result},
        )
    tools = [
        {"type": "function", "name": name, "description": description, "strict": False, "parameters": schema}
        for name, description, schema in talk.tools
    ]
    return {"instructions": talk.system, "tools": tools, "input": items}


def responses_message(role: str, part: str, text: str) -> Json:
    return {"type": "message", "role": role, "content": [{"type": part, "text": text}]}


def gemini_body(talk: Conversation) -> Json:
    contents: list[Json] = [{"role": "user", "parts": [{"text": talk.question}]}]
    for number, call in enumerate(talk.calls):
        same = {"id": f"call_{number}", "name": call.tool}
        contents.append(
            {"role": "model", "parts": [{"text": call.words}, {"functionCall": {**same, "args": call.arguments}}]}
        )
        response = {**same, "response": {"output": call.result}}
        contents.append({"role": "user", "parts": [{"functionResponse": response}]})
    declarations = [
        {"name": name, "description": description, "parametersJsonSchema": schema}
        for name, description, schema in talk.tools
    ]
    return {
        "systemInstruction": {"parts": [{"text": talk.system}]},
        "tools": [{"functionDeclarations": declarations}],
        "contents": contents,
    }


def arguments_text(call: Call) -> str:
    return json.dumps(call.arguments, ensure_ascii=False)


BODIES: Final[Mapping[Protocol, Callable[[Conversation], Json]]] = {
    Protocol.CHAT: chat_body,
    Protocol.MESSAGES: messages_body,
    Protocol.RESPONSES: responses_body,
    Protocol.GEMINI: gemini_body,
}


# ---- what has arrived of it


@dataclass(frozen=True)
class Counts:
    """How much of an agent's work is in a request."""

    tools: int
    calls: int
    results: int


def counts(body: dict[str, Any], protocol: Protocol) -> Counts:
    match protocol:
        case Protocol.CHAT:
            messages = body["messages"]
            calls = sum(len(each.get("tool_calls") or ()) for each in messages)
            return Counts(len(body["tools"]), calls, [each["role"] for each in messages].count("tool"))
        case Protocol.MESSAGES:
            contents = [each["content"] for each in body["messages"] if isinstance(each["content"], list)]
            kinds = [block["type"] for blocks in contents for block in blocks]
            return Counts(len(body["tools"]), kinds.count("tool_use"), kinds.count("tool_result"))
        case Protocol.RESPONSES:
            kinds = [item.get("type") for item in body["input"]]
            return Counts(len(body["tools"]), kinds.count("function_call"), kinds.count("function_call_output"))
        case Protocol.GEMINI:
            parts = [part for content in body["contents"] for part in content["parts"]]
            declared = sum(len(each.get("functionDeclarations", ())) for each in body["tools"])
            return Counts(declared, holding(parts, "functionCall"), holding(parts, "functionResponse"))


def holding(parts: Iterable[dict[str, Any]], field: str) -> int:
    return sum(field in part for part in parts)
