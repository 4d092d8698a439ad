"""Client and upstream of one protocol: the bytes pass as they are, in both directions, but for the model's name."""

# ruff: noqa: ANN401 - what stands here for a body or a block is any JSON

import json
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tests.support.exact_upstream import Answer, ExactUpstream, json_answer, stream_answer
from tests.support.gateway import RunningGateway
from tests.support.sdks import KEY, ask_chat, ask_messages, calls_of, said
from tests.support.wires import (
    DONE,
    block_events,
    call,
    chat_answer,
    completion,
    event,
    message,
    message_events,
    messages_answer,
    piece,
    text,
    thinking,
    tool_use,
)

# Spaces, escapes, order and numbers as no encoder of ours would write them.
REQUEST = b"""{ "max_tokens":1e2 , "model" : "%s", "new_field":{"b":1.50,"a":[null,12345678901234567890]},
 "messages":[ {"role":"user","content":[{"type":"text","text":"\\u00e9 \\ud83d\\udc2b \\/ \\"model\\": \\"x\\"  "},
 {"type":"block_of_tomorrow","data":"AA=="}]} ], "metadata":{"model":"inner"}, "stream":%s }"""

PATHS = {"messages": "/v1/messages", "chat": "/v1/chat/completions"}
NAMES = {"messages": b"claude-upstream-20260901", "chat": b"gpt-upstream-2026-09-01"}


@pytest.fixture
def http(gateway: RunningGateway) -> Any:
    with httpx2.Client(base_url=gateway.url, timeout=20) as client:
        yield client


def strange_stream(name: str) -> list[bytes]:
    if name == "chat":
        strange = piece({"role": "assistant", "content": "Hi"}, new_field=[1, 2], system_fingerprint="fp")
        return [b": a comment\n\n", strange, piece({"odd": {"model": "inner"}}), piece({}, "stop"), DONE]
    block = {"type": "block_of_tomorrow", "data": "AA=="}
    first, ping, *_, delta, stop = message_events(message(text("Hi"), new_field=1))
    strange = event("weather_report", sky="blue") + event("content_block_start", index=0, content_block=block)
    return [first, ping, strange, event("content_block_stop", index=0), delta, stop]


@pytest.mark.parametrize("name", PATHS)
def test_a_request_goes_up_byte_for_byte_but_for_the_models_name(
    http: httpx2.Client, chat: ExactUpstream, messages: ExactUpstream, name: str, streams: bool
) -> None:
    upstream = {"chat": chat, "messages": messages}[name]
    reply = chat_answer(completion("Hi"), streams=streams) if name == "chat" else None
    upstream.answers(reply or messages_answer(message(text("Hi")), streams=streams))
    stream = b"true" if streams else b"false"
    body = REQUEST % (f"{name}/one[1m]".encode(), stream)
    told = http.post(
        PATHS[name],
        content=body,
        headers={
            "x-api-key": KEY,
            "anthropic-version": "2023-06-01",
            "anthropic-beta": "something-2026-11-11,other",
            "x-new-header": "as it is",
            "x-forwarded-for": "10.0.0.1",
            "cookie": "a=b",
            "connection": "keep-alive, x-hop",
        },
    )
    assert told.status_code == 200
    asked = REQUEST % (b"one", stream)
    if name == "chat" and streams:
        asked = asked.replace(b'"one"', b'"one","stream_options":{"include_usage":true}', 1)
    assert upstream.asked[0].body == asked
    headers = upstream.asked[0].headers
    assert headers["anthropic-beta"] == "something-2026-11-11,other"
    assert headers["x-new-header"] == "as it is"
    assert KEY not in str(headers)
    assert not {"x-forwarded-for", "cookie"} & set(headers)


@pytest.mark.parametrize("name", PATHS)
def test_a_reply_comes_back_byte_for_byte_but_for_the_models_name(
    http: httpx2.Client, chat: ExactUpstream, messages: ExactUpstream, name: str, streams: bool
) -> None:
    upstream = {"chat": chat, "messages": messages}[name]
    if streams:
        answer = b"".join(strange_stream(name))
        upstream.answers(stream_answer(*strange_stream(name)))
    else:
        whole = (
            completion("Hi") if name == "chat" else message(text("Hi"), {"type": "block_of_tomorrow", "model": "inner"})
        )
        answer = json.dumps(whole, indent=3).encode().replace(b": 11", b":   1.1e1")
        upstream.answers(json_answer(answer, 200, {"x-upstream-header": "1", "anthropic-ratelimit-x": "2"}))
    model = f"{name}/one"
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9, "stream": streams}
    told = http.post(PATHS[name], json=body)
    written = b'"model": "%b"'
    assert told.content == answer.replace(written % NAMES[name], b'"model": "%b"' % model.encode())
    assert told.headers["x-dragoman-model"] == "one"
    assert told.headers["x-dragoman-provider"] == name
    assert told.headers["x-request-id"].startswith("req_")
    assert "x-dragoman-loss" in told.headers
    if not streams:
        assert told.headers["anthropic-ratelimit-x"] == "2"


def test_an_anthropic_client_holds_a_tool_loop_with_a_messages_upstream(
    claude: anthropic.Anthropic, messages: ExactUpstream, streams: bool
) -> None:
    used = [tool_use("toolu_1", "run", x=1), tool_use("toolu_2", "run", x=2)]
    blocks = [thinking("Hm.", "c2ln"), text("I run."), *used]
    usage = {"input_tokens": 5, "cache_read_input_tokens": 800, "cache_creation_input_tokens": 3}
    messages.answers(
        messages_answer(message(*blocks, usage=usage), streams=streams),
        messages_answer(message(text("Done.")), streams=streams),
    )
    tools: Any = [{"name": "run", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}]
    question: Any = {
        "role": "user",
        "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
            {"type": "document", "source": {"type": "url", "url": "https://papers.test/a.pdf"}},
            text("Look."),
        ],
    }
    first = ask_messages(claude, streams=streams, model="messages/one", tools=tools, messages=[question]).reply
    assert said(first) == blocks
    assert (first.model, first.stop_reason) == ("messages/one", "tool_use")
    assert (first.usage.input_tokens, first.usage.cache_read_input_tokens) == (5, 800)
    results = [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "no", "is_error": True},
        {"type": "tool_result", "tool_use_id": "toolu_2"},
    ]
    history = [question, {"role": "assistant", "content": said(first)}, {"role": "user", "content": results}]
    second = ask_messages(claude, streams=streams, model="messages/one", tools=tools, messages=history)
    assert said(second.reply) == [text("Done.")]
    assert messages.last["messages"] == history
    assert messages.last["tools"] == tools
    assert messages.asked[0].path == "/v1/messages"


def test_an_openai_client_holds_a_tool_loop_with_a_chat_upstream(
    gpt: openai.OpenAI, chat: ExactUpstream, streams: bool
) -> None:
    calls = [call("call_1", "run", '{"x": 1}'), call("call_2", "run", '{"x": 2}')]
    chat.answers(
        chat_answer(completion("I run.", calls, reasoning_content="Hm."), streams=streams),
        chat_answer(completion("Done."), streams=streams),
    )
    tools: Any = [{"type": "function", "function": {"name": "run", "parameters": {"type": "object"}}}]
    question: Any = {
        "role": "user",
        "content": [
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "high"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
            text("Look."),
        ],
    }
    first = ask_chat(gpt, streams=streams, model="chat/one", tools=tools, messages=[question], seed=7).reply
    assert calls_of(first) == [("call_1", "run", '{"x": 1}'), ("call_2", "run", '{"x": 2}')]
    assert (first.model, first.choices[0].finish_reason) == ("chat/one", "tool_calls")
    assert getattr(first.choices[0].message, "reasoning_content", None) == "Hm."
    history = [
        question,
        {"role": "assistant", "content": "I run.", "tool_calls": calls, "reasoning_content": "Hm."},
        {"role": "tool", "tool_call_id": "call_1", "content": "one"},
        {"role": "tool", "tool_call_id": "call_2", "content": ""},
    ]
    second = ask_chat(gpt, streams=streams, model="chat/one", tools=tools, messages=history).reply
    assert second.choices[0].message.content == "Done."
    assert second.usage is not None
    assert second.usage.total_tokens == 18
    assert chat.last["messages"] == history
    assert chat.asked[0].json["seed"] == 7
    assert chat.asked[0].path == "/v1/chat/completions"


def test_structured_output_passes_in_both_protocols(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream, streams: bool
) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    wanted: Any = {"format": {"type": "json_schema", "schema": schema}}
    messages.answers(messages_answer(message(text('{"n":1}')), streams=streams))
    ask_messages(claude, streams=streams, model="messages/one", output_config=wanted)
    assert messages.last["output_config"] == wanted
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    chat.answers(chat_answer(completion('{"n":1}'), streams=streams))
    ask_chat(gpt, streams=streams, model="chat/one", response_format=form)
    assert chat.last["response_format"] == form


def test_tokens_are_counted_by_a_messages_upstream(claude: anthropic.Anthropic, messages: ExactUpstream) -> None:
    messages.answers(json_answer({"input_tokens": 4321}))
    counted = claude.messages.count_tokens(model="messages/one", messages=[{"role": "user", "content": "Hi"}])
    assert counted.input_tokens == 4321
    assert messages.asked[0].path == "/v1/messages/count_tokens"
    assert messages.last["model"] == "one"


def test_an_error_with_status_200_is_an_error(gpt: openai.OpenAI, chat: ExactUpstream) -> None:
    chat.answers(json_answer({"error": {"message": "slow down", "code": 429}}))
    with pytest.raises(openai.RateLimitError, match="slow down"):
        ask_chat(gpt.with_options(max_retries=0), streams=False, model="chat/one")


@pytest.mark.parametrize("status", [404, 405, 501])
@pytest.mark.parametrize("is_page", [True, False])
def test_tokens_are_estimated_when_a_messages_upstream_does_not_count(
    claude: anthropic.Anthropic, messages: ExactUpstream, status: int, is_page: bool
) -> None:
    """Many servers speak Messages and have no count_tokens."""
    page = Answer((b"HTTP/1.1 %d Oops\r\ncontent-type: text/html\r\ncontent-length: 4\r\n\r\n<p/>" % status,))
    messages.answers(page if is_page else json_answer({"detail": "Not Found"}, status))
    raw = claude.messages.with_raw_response.count_tokens(
        model="messages/one", messages=[{"role": "user", "content": "Hi"}]
    )
    assert raw.parse().input_tokens > 0
    assert raw.headers["x-dragoman-count"] == "estimated"


def test_a_safeguard_result_passes_untouched(claude: anthropic.Anthropic, messages: ExactUpstream) -> None:
    first, ping, *blocks, _, stop = message_events(message(text("Hi")))
    results = [{"type": "dangerous_tool_use", "status": {"type": "flagged", "reason": "x"}}]
    delta = {"stop_reason": "end_turn", "stop_sequence": None, "safeguard_results": results}
    messages.answers(
        stream_answer(first, ping, *blocks, event("message_delta", delta=delta, usage={"output_tokens": 1}), stop)
    )
    with claude.messages.stream(
        model="messages/one",
        max_tokens=9,
        messages=[{"role": "user", "content": "Hi"}],
        extra_body={"safeguards": [{"type": "dangerous_tool_use"}]},
        extra_headers={"anthropic-beta": "dangerous-tool-use-2026-09-03"},
    ) as stream:
        deltas = [one.delta.to_dict() for one in stream if one.type == "message_delta"]
    assert deltas[0]["safeguard_results"] == results
    assert messages.last["safeguards"] == [{"type": "dangerous_tool_use"}]
    assert list(block_events(0, text("Hi"))) == blocks


@pytest.mark.parametrize("name", PATHS)
def test_an_upstreams_own_error_event_is_the_only_one(
    http: httpx2.Client, chat: ExactUpstream, messages: ExactUpstream, name: str
) -> None:
    upstream = {"chat": chat, "messages": messages}[name]
    first = strange_stream(name)[1]
    if name == "messages":
        opening = [strange_stream(name)[0], *block_events(0, text("Half a sentence"))]
        first = b"".join(opening[:-1])
    failing = event("error", error={"type": "overloaded_error", "message": "quite overloaded"}, new_field=1)
    if name == "chat":
        failing = b'data: {"error":{"message":"quite overloaded","code":529,"new_field":1}}\n\n'
    for is_cut in (False, True):
        upstream.answers(stream_answer(first, failing, is_cut=is_cut))
        body = {
            "model": f"{name}/one",
            "messages": [{"role": "user", "content": "Hi"}],
            "max_tokens": 9,
            "stream": True,
        }
        told = http.post(PATHS[name], json=body)
        assert told.status_code == 200
        assert told.content == first.replace(NAMES[name], f"{name}/one".encode()) + failing


@pytest.mark.parametrize("name", PATHS)
def test_a_cut_in_the_middle_of_a_line_ends_in_one_whole_error_event(
    http: httpx2.Client, chat: ExactUpstream, messages: ExactUpstream, name: str
) -> None:
    upstream = {"chat": chat, "messages": messages}[name]
    pieces = strange_stream(name)[:3]
    upstream.answers(stream_answer(*pieces[:2], pieces[2][:-20], is_cut=True))
    body = {"model": f"{name}/one", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9, "stream": True}
    told = http.post(PATHS[name], json=body)
    frames = told.text.removesuffix("\n\n").split("\n\n")
    last = json.loads(frames[-1].rpartition("data: ")[2])
    assert last["error"]["message"]
    assert told.text.count('"error"') == (2 if name == "messages" else 1)
