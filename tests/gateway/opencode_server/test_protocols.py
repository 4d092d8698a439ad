"""The real OpenCode where its model speaks Messages, Responses or Gemini: a Chat client before the gateway, and nothing lost."""

# ruff: noqa: ANN401 - JSON is anything

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.clients.gemini import GEMINI
from tests.clients.messages import MESSAGES
from tests.clients.responses import RESPONSES
from tests.clients.script import CACHED, FRESH, SPOKEN, Break, Call, Fail, Say
from tests.clients.speech import Speech
from tests.clients.story import REASONING, TEXT, Story
from tests.clients.upstream import Upstream
from tests.support.opencode import UPSTREAM_KEY, OpenCodeGateway, model_of, real_program
from tests.support.playing import base_url, playing
from tests.support.sdks import ask_chat, calls_of, openai_client

pytestmark = pytest.mark.slow

SPEECHES = (MESSAGES, RESPONSES, GEMINI)
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA: Mapping[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "city": {"type": "string", "minLength": 1, "pattern": "^[A-Z]", "default": "Paris", "x-own": 1},
        "days": {"type": "array", "items": {"type": "integer", "minimum": 1}, "maxItems": 7, "uniqueItems": True},
        "kind": {"type": "integer", "enum": [1, 2]},
        "where": {"$ref": "#/$defs/place"},
        "what": {"type": ["string", "null"]},
    },
    "required": ["city"],
    "additionalProperties": False,
    "$defs": {"place": {"type": "object", "patternProperties": {"^a": {"type": "string"}}}},
}
"""What OpenCode and its packages would cut down."""
SIGNATURE = base64.b64encode(b"what the model has sealed, 48 bytes of it at all").decode()
both_ways = pytest.mark.parametrize("streams", [True, False], ids=["streamed", "whole"])
everywhere = pytest.mark.parametrize("speech", SPEECHES, ids=[speech.protocol for speech in SPEECHES])


@pytest.fixture(scope="module")
def upstreams() -> Iterator[Mapping[Speech, Upstream]]:
    with playing(SPEECHES) as running:
        yield dict(zip(SPEECHES, running, strict=True))


@pytest.fixture(scope="module")
def gateway(
    upstreams: Mapping[Speech, Upstream], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenCodeGateway]:
    urls = {speech.protocol: base_url(upstream) for speech, upstream in upstreams.items()}
    with OpenCodeGateway(real_program(), urls, tmp_path_factory.mktemp("own")) as gateway:
        gateway.wait_until_ready()
        yield gateway


def ask(gateway: OpenCodeGateway, speech: Speech, *, streams: bool = True, **asked: Any) -> Any:
    with openai_client(gateway.url, timeout=60) as client:
        return ask_chat(client, streams=streams, model=model_of(speech.protocol), **asked)


def functions(*names: str) -> list[Any]:
    return [
        {"type": "function", "function": {"name": name, "description": f"{name}!", "parameters": SCHEMA}}
        for name in names
    ]


@both_ways
@everywhere
def test_a_tool_loop(
    gateway: OpenCodeGateway, upstreams: Mapping[Speech, Upstream], speech: Speech, streams: bool
) -> None:
    upstream = upstreams[speech]
    calls = Call("call_1", "get_weather", {"city": "Paris"}), Call("call_2", "read", {"city": "Rome"})
    opening = Say(TEXT, REASONING, SIGNATURE, calls)
    story = Story("", opening, Say("It rains."), ("for call 1", "for call 2"), Path())
    upstream.play(story.opening, story.closing)
    tools = functions("get_weather", "read")
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    messages: list[Any] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Look at this."}, image]},
    ]
    told = ask(gateway, speech, streams=streams, messages=messages, tools=tools)
    message = told.reply.choices[0].message
    assert told.headers["x-dragoman-loss"] == "0"
    assert (message.content, message.to_dict()["reasoning_content"]) == (TEXT, REASONING)
    assert told.reply.choices[0].finish_reason == "tool_calls"
    made = calls_of(told.reply)
    assert [(name, json.loads(said)) for _, name, said in made] == [(call.name, call.arguments) for call in calls]
    if speech is not GEMINI:  # OpenCode's package for it makes ids of its own
        assert [id_ for id_, _, _ in made] == [call.id for call in calls]
    usage = told.reply.usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (FRESH + CACHED, SPOKEN)
    assert usage.prompt_tokens_details.cached_tokens == CACHED
    assert usage.to_dict()["cost"] > 0

    messages.append(message.to_dict())
    messages += [
        {"role": "tool", "tool_call_id": id_, "content": word}
        for (id_, _, _), word in zip(made, story.words, strict=True)
    ]
    told = ask(gateway, speech, streams=streams, messages=messages, tools=tools)
    assert told.reply.choices[0].message.content == "It rains."
    assert told.reply.choices[0].finish_reason == "stop"

    assert len(upstream.seen) == 2, "one request a turn"
    assert upstream.strays == []
    requests = [asked.json() for asked in upstream.seen]
    for asked, request in zip(upstream.seen, requests, strict=True):
        assert (asked.header(speech.key_header) or "").removeprefix("Bearer ") == UPSTREAM_KEY
        assert list(speech.request_faults(request)) == []
        offered = {tool.name: (tool.description, tool.schema) for tool in speech.tools(request)}
        assert offered == {name: (f"{name}!", SCHEMA) for name in ("get_weather", "read")}
        assert [text for text in speech.texts(request) if text][:2] == ["Be brief.", "Look at this."]
        assert PIXEL.encode() in asked.body
        for leak in (str(Path.cwd()), "dragoman", "/tmp"):  # noqa: S108 - what must not be there
            assert leak not in asked.raw.decode()
    assert list(speech.loop_faults(requests, story)) == []


@everywhere
def test_an_answer_in_json(gateway: OpenCodeGateway, upstreams: Mapping[Speech, Upstream], speech: Speech) -> None:
    upstream = upstreams[speech]
    upstream.play(Say("", calls=(Call("call_1", "StructuredOutput", {"city": "Paris"}),)))
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}
    told = ask(gateway, speech, messages=[{"role": "user", "content": "Where?"}], response_format=form)
    assert json.loads(told.reply.choices[0].message.content) == {"city": "Paris"}
    assert told.reply.choices[0].finish_reason == "stop"
    assert told.headers["x-dragoman-loss"] == "1; json_by_tool"
    (tool,) = speech.tools(upstream.seen[0].json())
    assert {**tool.schema, "$schema": SCHEMA["$schema"]} == SCHEMA


@both_ways
@everywhere
@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal(
    gateway: OpenCodeGateway, upstreams: Mapping[Speech, Upstream], speech: Speech, status: int, streams: bool
) -> None:
    upstreams[speech].play(Fail(status, speech.bad_key.body))
    with pytest.raises(openai.APIStatusError, match="scripted") as caught:
        ask(gateway, speech, streams=streams, messages=[{"role": "user", "content": "Go"}])
    assert caught.value.status_code == status
    assert len(upstreams[speech].seen) == 1, "OpenCode does not ask again by itself"


@everywhere
def test_a_prompt_that_is_too_long(
    gateway: OpenCodeGateway, upstreams: Mapping[Speech, Upstream], speech: Speech
) -> None:
    upstreams[speech].play(speech.too_long)
    with pytest.raises(openai.BadRequestError, match="maximum context length") as caught:
        ask(gateway, speech, messages=[{"role": "user", "content": "Go"}])
    assert caught.value.code == "context_length_exceeded"


@everywhere
@pytest.mark.parametrize("silently", [False, True], ids=["with an error", "cut"])
def test_a_reply_that_breaks_off_is_no_reply(
    gateway: OpenCodeGateway, upstreams: Mapping[Speech, Upstream], speech: Speech, silently: bool
) -> None:
    upstreams[speech].play(Break("It begins", silently))
    with pytest.raises(openai.APIError):
        ask(gateway, speech, messages=[{"role": "user", "content": "Go"}])
    assert len(upstreams[speech].seen) == 1
    gateway.wait_until_idle()
    assert gateway.ask_opencode("/session") == []


@pytest.mark.parametrize(
    ("speech", "fields", "lost", "place"),
    [
        (MESSAGES, {"temperature": 0.3, "top_p": 0.9}, "0", {"temperature": 0.3, "top_p": 0.9}),
        (MESSAGES, {"temperature": 0.3, "reasoning_effort": "high"}, "1; sampling", {}),
        (MESSAGES, {"max_tokens": 700, "reasoning_effort": "high"}, "1; max_tokens", {}),
        (MESSAGES, {"max_tokens": 700}, "0", {"max_tokens": 700}),
        (RESPONSES, {"temperature": 0.3, "top_p": 0.9}, "2; sampling", {}),
        (RESPONSES, {"max_tokens": 700}, "0", {"max_output_tokens": 700}),
        (RESPONSES, {"seed": 3}, "1; sampling", {}),
        (GEMINI, {"temperature": 0.3, "top_p": 0.9}, "0", {"temperature": 0.3, "topP": 0.9}),
        (GEMINI, {"max_tokens": 700}, "0", {"maxOutputTokens": 700}),
    ],
)
def test_what_is_said_of_settings_is_what_becomes_of_them(
    gateway: OpenCodeGateway,
    upstreams: Mapping[Speech, Upstream],
    *,
    speech: Speech,
    fields: Mapping[str, Any],
    lost: str,
    place: Mapping[str, Any],
) -> None:
    upstreams[speech].play(Say("Yes."))
    told = ask(gateway, speech, messages=[{"role": "user", "content": "Go"}], **fields)
    assert told.headers["x-dragoman-loss"] == lost
    request = upstreams[speech].seen[0].json()
    settings = {**request, **request.get("generationConfig", {})}
    assert {name: settings[name] for name in place} == place
    assert ("temperature" in settings) is ("temperature" in place)
