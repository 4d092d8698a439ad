"""The raw lane: bytes that pass as they are."""

import json

import pytest

from dragoman.codec import ModelCard, Operation, Peek, Target
from dragoman.ir.failures import RequestError
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Usage
from dragoman.ir.seals import Seal, write_seal
from dragoman.protocols.openai_chat import PROTOCOL

TARGET = Target("deep", "up")


@pytest.mark.parametrize(
    ("body", "peek"),
    [
        (b'{"model":"m","messages":[1],"novel":{}}', Peek("m")),
        (b'{"stream":true,"model":"m"}', Peek("m", stream=True, wants_usage=False)),
        (b'{"stream":null,"model":"m"}', Peek("m")),
        (b'{"stream":false,"model":"m","stream_options":null}', Peek("m")),
        (
            b'{"stream":true,"model":"m","stream_options":null}',
            Peek("m", stream=True, wants_usage=False, has_stream_options=True),
        ),
        (
            b'{"stream":true,"model":"m","stream_options":{}}',
            Peek("m", stream=True, wants_usage=False, has_stream_options=True),
        ),
        (
            b'{"stream":true,"model":"m","stream_options":{"include_usage":false}}',
            Peek("m", stream=True, wants_usage=False, has_stream_options=True),
        ),
        (
            b'{"stream":true,"model":"m","stream_options":{"include_usage":true}}',
            Peek("m", stream=True, has_stream_options=True),
        ),
        (
            b'{"stream":true,"model":"m","stream_options":{"include_usage":"yes"}}',
            Peek("m", stream=True, has_stream_options=True),
        ),
        (
            b'{"stream":true,"model":"m","stream_options":5}',
            Peek("m", stream=True, has_stream_options=True),
        ),  # the upstream's to refuse
    ],
)
def test_a_peek_reads_model_and_stream(body: bytes, peek: Peek) -> None:
    assert PROTOCOL.peek(body) == peek


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"model":3}', "model"),
        (b'{"model":""}', "model"),
        (b'{"model":"m","stream":"yes"}', "stream"),
        (b"{}", None),
        (b"[", None),
    ],
)
def test_a_peek_names_what_is_wrong(body: bytes, field: str | None) -> None:
    with pytest.raises(RequestError) as caught:
        PROTOCOL.peek(body)
    assert caught.value.failure.param == field


def test_only_the_model_changes() -> None:
    body = b'{ "messages" : [ {"role":"user","content":"\\"model\\":\\"m\\""} ],\n "model" : "m", "novel": 1.0 }'
    assert PROTOCOL.splice_model(body, "other") == body.replace(b'"model" : "m"', b'"model" : "other"')


def test_every_chunk_and_the_whole_reply_echo_the_clients_name() -> None:
    stream = b'data: {"id":"1","model":"up","choices":[]}\n\n' * 2 + b"data: [DONE]\n\n"
    echo = PROTOCOL.echo("asked")
    echoed = b"".join(echo.feed(stream[place : place + 7]) for place in range(0, len(stream), 7)) + echo.flush()
    assert echoed == stream.replace(b'"up"', b'"asked"')
    assert PROTOCOL.echo_whole(b'{"model":"up","x":1}', "asked") == b'{"model":"asked","x":1}'


# Usage that nobody asked for

HIDE = PROTOCOL.hide_usage


@pytest.mark.parametrize(
    ("body", "asking"),
    [
        ('{"model":"m","stream":true}', '{"model":"up","stream_options":{"include_usage":true},"stream":true}'),
        (
            '{ "stream" : true, "model" : "m"\n} ',
            '{ "stream" : true, "model" : "up","stream_options":{"include_usage":true}\n} ',
        ),
        (
            '{"tools":[{"model":"m","stream_options":1}],"model":"m","stream":true}',
            '{"tools":[{"model":"m","stream_options":1}],"model":"up","stream_options":{"include_usage":true},"stream":true}',
        ),
        (
            '{"stream":true,"mod\\u0065l":"m"}',
            '{"model":"up","stream_options":{"include_usage":true},"stream":true}',
        ),
        (
            '{"model":"m","stream_options":{"include_obfuscation":false},"x":1.0,"stream":true}',
            '{"model":"up","stream_options":{"include_obfuscation":false,"include_usage":true},"x":1.0,"stream":true}',
        ),
        (
            '{"stream_options":null,"model":"m","stream":true}',
            '{"stream_options":{"include_usage":true},"model":"up","stream":true}',
        ),
        (
            '{"stream_options":{"include_usage":false},"model":"m","stream":true}',
            '{"stream_options":{"include_usage":true},"model":"up","stream":true}',
        ),
    ],
)
def test_usage_is_asked_for_and_nothing_else_changes(body: str, asking: str) -> None:
    data = body.encode()
    assert PROTOCOL.splice_asking is not None
    assert PROTOCOL.splice_asking(data, "up", PROTOCOL.peek(data)).decode() == asking


USAGE = '"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":0}}'
WORDS = 'data: {"choices":[{"index":0,"delta":{"content":"\\"choices\\":[] \\"prompt_tokens\\""}}],"usage":null}'
LAST = f'data: {{"choices":[{{"index":0,"delta":{{}},"finish_reason":"stop"}}],{USAGE}}}'
FILTERS = 'data: {"choices":[],"prompt_filter_results":[{"prompt_index":0}],"usage":null}'


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\r\r"])
@pytest.mark.parametrize("choices", ["[]", " [ ]"])
def test_the_chunk_that_tells_nothing_but_usage_is_taken_out(end: str, choices: str) -> None:
    alone = f'data: {{"id":"x","choices":{choices},{USAGE}}}'
    events = [FILTERS, WORDS, LAST, ": a comment", alone, "data: [DONE]"]
    assert HIDE is not None
    hide = HIDE()
    batch = end.join([*events, ""]).encode()
    assert hide.feed(batch) == end.join([FILTERS, WORDS, LAST, ": a comment", "data: [DONE]", ""]).encode()
    assert hide.feed(f"{alone}{end}".encode()) == b""
    assert hide.feed(alone.encode()) == b""
    kept = f"{WORDS}{end}".encode()
    assert hide.feed(kept) is kept
    assert hide.flush() == b""


# Seals


def body_with(*messages: object) -> bytes:
    return json.dumps({"model": "m", "messages": messages, "novel": 1}, indent=1).encode()


def unsealed(body: bytes) -> tuple[list[dict[str, object]], list[str]]:
    ledger = Ledger()
    messages: list[dict[str, object]] = json.loads(PROTOCOL.unseal(body, TARGET, ledger))["messages"]
    return messages, [loss.code for loss in ledger]


def test_a_body_without_seals_comes_back_as_it_is() -> None:
    body = body_with({"role": "user", "content": "DRAGOMA"})
    assert PROTOCOL.unseal(body, TARGET, Ledger()) is body


def test_a_body_that_only_mentions_them_keeps_every_byte() -> None:
    body = body_with(
        {"role": "user", "content": "DRAGOMAN"}, {"role": "assistant", "reasoning_details": [{"text": "DRAGOMAN"}]}
    )
    assert PROTOCOL.unseal(body, TARGET, Ledger()) is body


def test_seals_of_others_go_and_their_words_with_them() -> None:
    foreign = write_seal(Seal("anthropic-messages", "sig", "claude", "m"))
    message = {
        "role": "assistant", "content": "x", "reasoning_content": "secret", "reasoning": "secret",
        "reasoning_details": [{"type": "reasoning.text", "text": "", "signature": foreign}],
    }  # fmt: skip
    (first, second), losses = unsealed(body_with({"role": "user", "content": "hi"}, message))
    assert first == {"role": "user", "content": "hi"}
    assert second == {"role": "assistant", "content": "x"}
    assert losses == ["foreign_reasoning"]


def test_seals_of_the_target_are_opened() -> None:
    details = [{"type": "reasoning.encrypted", "data": "native"}]
    own = write_seal(Seal("openai-chat", json.dumps(details), "deep", "m", "reasoning_details"))
    message = {
        "role": "assistant",
        "reasoning_content": "hm",
        "reasoning_details": [{"type": "reasoning.text", "signature": own}],
    }
    (opened,), losses = unsealed(body_with(message))
    assert opened == {"role": "assistant", "reasoning_content": "hm", "reasoning_details": details}
    plain = write_seal(Seal("openai-chat", "", "deep", "m", "reasoning_content"))
    (opened,), losses = unsealed(
        body_with({**message, "reasoning_details": [{"type": "reasoning.text", "signature": plain}]})
    )
    assert opened == {"role": "assistant", "reasoning_content": "hm"}
    assert not losses


def test_seals_of_calls_are_opened_or_go() -> None:
    native = {"google": {"thought_signature": "native"}}
    own = write_seal(Seal("openai-chat", json.dumps(native), "deep", "m", "extra_content"))
    foreign = write_seal(Seal("gemini-generate", "c2ln", "google", "m"))
    calls = [
        {"id": id_, "function": {"name": "f"}, "extra_content": {"google": {"thought_signature": seal}}}
        for id_, seal in (("a", own), ("b", foreign), ("c", "native"))
    ]
    (message,), losses = unsealed(body_with({"role": "assistant", "tool_calls": calls}))
    assert message["tool_calls"] == [
        {"id": "a", "function": {"name": "f"}, "extra_content": native},
        {"id": "b", "function": {"name": "f"}},
        {"id": "c", "function": {"name": "f"}, "extra_content": native},
    ]
    assert losses == ["foreign_reasoning"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"x":"DRAGOMAN"}',
        b'{"messages":"DRAGOMAN"}',
        b'{"messages":["DRAGOMAN"]}',
        b'{"messages":[{"tool_calls":"DRAGOMAN"}]}',
    ],
)
def test_odd_bodies_come_back_as_they_are(body: bytes) -> None:
    assert PROTOCOL.unseal(body, TARGET, Ledger()) == body


# Taps


def test_usage_is_read_from_either_end() -> None:
    figures = b'{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4}}'
    tail = (
        b'...content":"\\"usage\\":{}"}\n\ndata: {"usage":null}\n\ndata: {"choices":[],"usage":'
        + figures
        + b"}\n\ndata: [DONE]\n\n"
    )
    assert PROTOCOL.read_usage(b"", tail) == Usage(5, 4, None, 2)
    assert PROTOCOL.read_usage(b'{"usage": ' + figures + b',"choices":[', b"]}") == Usage(5, 4, None, 2)
    assert PROTOCOL.read_usage(b'"usage":{"prompt_tokens":"x"}', b"") == Usage()


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        (b"data: [DONE]\n\n", True),
        (b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n', True),
        (b'data: {"choices":[{"delta":{},"finish_reason":null}]}\n\n', False),
        (b'data: {"choices":[{"delta":{"content":"data: [DONE]"},"finish_reason":null}]}\n\n', False),
        (b'data: {"error":{"message":"busy"}}\n\n', True),
        (b'data: {"id":"x", "error" : "busy"}\n\n', True),
        (b'data: {"id":"x","error":null,"choices":[]}\n\n', False),
        (b'data: {"choices":[{"delta":{"content":"\\"error\\":{"},"finish_reason":null}]}\n\n', False),
        (b"", False),
    ],
)
def test_the_end_of_a_stream_is_known(tail: bytes, expected: bool) -> None:
    assert PROTOCOL.is_finished(tail) is expected


# The rest of the codec


def test_the_codec_says_where_it_lives() -> None:
    assert {endpoint.path for endpoint in PROTOCOL.endpoints if endpoint.operation is Operation.GENERATE} == {
        "/v1/chat/completions",
        "/chat/completions",
    }
    assert PROTOCOL.path("m", True) == "/chat/completions"
    assert PROTOCOL.count_path("m") is None
    assert PROTOCOL.sign_in("k") == (("authorization", "Bearer k"),)
    assert PROTOCOL.heartbeat == b": keepalive\n\n"


def test_models_are_listed_as_at_openai() -> None:
    card = ModelCard("m", "Model M", "me", 5, context=100)
    row = {"id": "m", "object": "model", "created": 5, "owned_by": "me", "name": "Model M", "context_length": 100}
    assert json.loads(PROTOCOL.encode_models([card])) == {"object": "list", "data": [row]}
    assert json.loads(PROTOCOL.encode_model(card)) == row
    assert json.loads(PROTOCOL.encode_count(7))["input_tokens"] == 7
