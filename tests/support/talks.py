"""The official SDKs holding a conversation, each with the history that its users keep: one face for what they have in common."""

# ruff: noqa: ANN401 - what stands here for a body, a schema or an SDK's object is any JSON

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import anthropic
import openai
from google import genai
from google.genai import types

from tests.support.sdks import Content, ask_chat, ask_gemini, ask_messages, ask_responses, calls_of, said

WEATHER: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = {"get_weather": WEATHER, "get_time": WEATHER}
MEDIA_TYPE = "image/png"


class Call(NamedTuple):
    """A tool call, as the client's tools see it."""

    id: str | None
    name: str
    arguments: dict[str, Any]


class Heard(NamedTuple):
    """What the SDK made of a reply."""

    text: str
    thought: str
    calls: list[Call]


class Talk(Protocol):
    """One conversation. `streams` is fixed by whoever makes it; all that is said and heard stays in its history."""

    def say(
        self, words: str, *, image: str = "", thinks: bool = False, tools: bool = False, schema: Any = None
    ) -> Heard:
        """Say something, with a picture in base64 beside it; `schema` is what the answer is held to."""

    def answer(self, results: Sequence[tuple[Call, str]], *, thinks: bool = False) -> Heard:
        """Say what the tools answered."""


class MessagesTalk:
    """The Anthropic SDK."""

    def __init__(self, client: anthropic.Anthropic, model: str, *, streams: bool) -> None:
        self._client, self._model, self._streams = client, model, streams
        self._history: list[Any] = []

    def say(
        self, words: str, *, image: str = "", thinks: bool = False, tools: bool = False, schema: Any = None
    ) -> Heard:
        content: list[Any] = [{"type": "text", "text": words}]
        if image:
            content.append({"type": "image", "source": {"type": "base64", "media_type": MEDIA_TYPE, "data": image}})
        more: dict[str, Any] = (
            {"output_config": {"format": {"type": "json_schema", "schema": schema}}} if schema else {}
        )
        return self._ask(content, thinks=thinks, tools=tools, **more)

    def answer(self, results: Sequence[tuple[Call, str]], *, thinks: bool = False) -> Heard:
        content = [{"type": "tool_result", "tool_use_id": call.id, "content": text} for call, text in results]
        return self._ask(content, thinks=thinks, tools=True)

    def _ask(self, content: list[Any], *, thinks: bool, tools: bool, **more: Any) -> Heard:
        self._history.append({"role": "user", "content": content})
        if thinks:
            more["thinking"] = {"type": "enabled", "budget_tokens": 1024}
        if tools:
            more["tools"] = [{"name": name, "input_schema": schema} for name, schema in TOOLS.items()]
        asking: dict[str, Any] = {"model": self._model, "max_tokens": 4000, "messages": self._history, **more}
        reply = ask_messages(self._client, streams=self._streams, **asking).reply
        self._history.append({"role": "assistant", "content": said(reply)})
        return Heard(
            "".join(block.text for block in reply.content if block.type == "text"),
            "".join(block.thinking for block in reply.content if block.type == "thinking"),
            [Call(block.id, block.name, dict(block.input)) for block in reply.content if block.type == "tool_use"],
        )


class ChatTalk:
    """The OpenAI SDK, Chat."""

    def __init__(self, client: openai.OpenAI, model: str, *, streams: bool) -> None:
        self._client, self._model, self._streams = client, model, streams
        self._history: list[Any] = []

    def say(
        self, words: str, *, image: str = "", thinks: bool = False, tools: bool = False, schema: Any = None
    ) -> Heard:
        content: list[Any] = [{"type": "text", "text": words}]
        if image:
            content.append({"type": "image_url", "image_url": {"url": f"data:{MEDIA_TYPE};base64,{image}"}})
        form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
        more: dict[str, Any] = {"response_format": form} if schema else {}
        return self._ask([{"role": "user", "content": content}], thinks=thinks, tools=tools, **more)

    def answer(self, results: Sequence[tuple[Call, str]], *, thinks: bool = False) -> Heard:
        messages = [{"role": "tool", "tool_call_id": call.id, "content": text} for call, text in results]
        return self._ask(messages, thinks=thinks, tools=True)

    def _ask(self, messages: list[Any], *, thinks: bool, tools: bool, **more: Any) -> Heard:
        self._history += messages
        if thinks:
            more["reasoning_effort"] = "low"
        if tools:
            more["tools"] = [
                {"type": "function", "function": {"name": name, "parameters": schema}} for name, schema in TOOLS.items()
            ]
        reply = ask_chat(self._client, streams=self._streams, model=self._model, messages=self._history, **more).reply
        message: Any = reply.choices[0].message
        self._history.append(message.model_dump(exclude_none=True, exclude={"parsed"}))
        calls = [Call(id_, name, json.loads(arguments)) for id_, name, arguments in calls_of(reply)]
        return Heard(message.content or "", getattr(message, "reasoning_content", None) or "", calls)


class ResponsesTalk:
    """The OpenAI SDK, Responses, with the history at the client's."""

    def __init__(self, client: openai.OpenAI, model: str, *, streams: bool) -> None:
        self._client, self._model, self._streams = client, model, streams
        self._history: list[Any] = []

    def say(
        self, words: str, *, image: str = "", thinks: bool = False, tools: bool = False, schema: Any = None
    ) -> Heard:
        content: list[Any] = [{"type": "input_text", "text": words}]
        if image:
            url = f"data:{MEDIA_TYPE};base64,{image}"
            content.append({"type": "input_image", "detail": "auto", "image_url": url})
        form = {"type": "json_schema", "name": "answer", "schema": schema}
        more: dict[str, Any] = {"text": {"format": form}} if schema else {}
        return self._ask([{"role": "user", "content": content}], thinks=thinks, tools=tools, **more)

    def answer(self, results: Sequence[tuple[Call, str]], *, thinks: bool = False) -> Heard:
        items = [{"type": "function_call_output", "call_id": call.id, "output": text} for call, text in results]
        return self._ask(items, thinks=thinks, tools=True)

    def _ask(self, items: list[Any], *, thinks: bool, tools: bool, **more: Any) -> Heard:
        self._history += items
        if thinks:
            more |= {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}
        if tools:
            more["tools"] = [
                {"type": "function", "name": name, "parameters": schema, "strict": False}
                for name, schema in TOOLS.items()
            ]
        asking: dict[str, Any] = {"model": self._model, "input": self._history, "store": False, **more}
        reply = ask_responses(self._client, streams=self._streams, **asking).reply
        self._history += [_own(item) for item in reply.output]
        thoughts = [part.text for item in reply.output if item.type == "reasoning" for part in item.summary]
        calls = [
            Call(item.call_id, item.name, json.loads(item.arguments))
            for item in reply.output
            if item.type == "function_call"
        ]
        return Heard(reply.output_text, "".join(thoughts), calls)


def _own(item: Any) -> Any:
    """Return an item of a reply without what only the SDK's reading of it adds."""
    return {name: value for name, value in item.model_dump(exclude_none=True).items() if not name.startswith("parsed")}


class GeminiTalk:
    """The Google SDK."""

    def __init__(self, client: genai.Client, model: str, *, streams: bool) -> None:
        self._client, self._model, self._streams = client, model, streams
        self._history: list[Any] = []

    def say(
        self, words: str, *, image: str = "", thinks: bool = False, tools: bool = False, schema: Any = None
    ) -> Heard:
        parts: list[Any] = [{"text": words}]
        if image:
            parts.append({"inline_data": {"mime_type": MEDIA_TYPE, "data": image}})
        form = {"response_mime_type": "application/json", "response_json_schema": schema}
        return self._ask(parts, thinks=thinks, tools=tools, **(form if schema else {}))

    def answer(self, results: Sequence[tuple[Call, str]], *, thinks: bool = False) -> Heard:
        parts = [
            {"function_response": {"id": call.id, "name": call.name, "response": {"output": text}}}
            for call, text in results
        ]
        return self._ask(parts, thinks=thinks, tools=True)

    def _ask(self, parts: list[Any], *, thinks: bool, tools: bool, **more: Any) -> Heard:
        self._history.append({"role": "user", "parts": parts})
        if thinks:
            more["thinking_config"] = types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
        if tools:
            declared = [
                types.FunctionDeclaration(name=name, parameters_json_schema=schema) for name, schema in TOOLS.items()
            ]
            more["tools"] = [types.Tool(function_declarations=declared)]
        asking: dict[str, Any] = {"model": self._model, "contents": list(self._history), **more}
        reply: Content = ask_gemini(self._client, streams=self._streams, **asking)
        self._history += reply.contents
        calls = [Call(id_, name or "", arguments or {}) for id_, name, arguments in reply.calls]
        return Heard(reply.text, reply.thought, calls)
