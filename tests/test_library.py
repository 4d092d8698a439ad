"""The library's face: what `import dragoman` gives, and that it says what the gateway says."""

import subprocess
import sys
from itertools import product
from typing import Any, cast

import pytest

import dragoman
from dragoman.codec import Audience
from dragoman.library import codec

CHAT_STREAM = (
    b'data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"}}]}\n\n'
    b'data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)
REQUEST = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


def steady(model: str) -> Audience:
    return Audience(model, created=1, new_id=lambda prefix: f"{prefix}1")


def test_all_that_it_names_is_there() -> None:
    for name in dragoman.__all__:
        assert getattr(dragoman, name).__doc__


def test_a_name_that_it_has_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="`translat`"):
        getattr(dragoman, "translat")  # noqa: B009 - mypy knows that it is not there


def test_importing_it_loads_no_protocol() -> None:
    code = "import sys, dragoman; sys.exit(any(name.startswith('dragoman.protocols') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0


def test_bytes_text_and_objects_are_the_same_body() -> None:
    text = dragoman.translate(REQUEST, "anthropic-messages", "openai-chat").data
    assert dragoman.translate(text, "openai-chat", "openai-chat").data == text
    assert dragoman.translate(text.decode(), "openai-chat", "openai-chat").data == text


@pytest.mark.parametrize(("source", "target"), [*product(dragoman.codecs(), repeat=2)])
def test_every_protocol_reaches_every_other(source: str, target: str) -> None:
    body = dragoman.translate(REQUEST, "anthropic-messages", source).data
    back = dragoman.translate(body, source, target, model="m").data
    said = dragoman.translate(back, target, "openai-chat", model="m").json()
    assert said["messages"] == [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize("size", [1, 7, len(CHAT_STREAM)])
def test_a_stream_in_pieces_is_the_stream_as_a_whole(size: int) -> None:
    pipe, losses = dragoman.stream_translator("openai-chat", "anthropic-messages", "m", audience=steady)
    pieces = [CHAT_STREAM[start : start + size] for start in range(0, len(CHAT_STREAM), size)]
    streamed = b"".join(pipe.feed(piece) for piece in pieces) + pipe.flush()
    whole = dragoman.translate(CHAT_STREAM, "openai-chat", "anthropic-messages", kind="stream", audience=steady)
    assert whole.data.count(b"event: message_stop") == streamed.count(b"event: message_stop") == 1
    assert (b"Hel" in streamed, b"lo" in streamed, len(losses)) == (True, True, 0)
    if size == len(CHAT_STREAM):
        assert streamed == whole.data


def test_a_stream_that_was_cut_does_not_look_finished() -> None:
    pipe, _ = dragoman.stream_translator("openai-chat", "anthropic-messages", "m")
    streamed = pipe.feed(CHAT_STREAM[:120]) + pipe.flush()
    assert b"message_stop" not in streamed
    assert b"event: error" in streamed


@pytest.mark.parametrize("source", dragoman.codecs())
@pytest.mark.parametrize("body", [b"", b"hello", b'{"a": 1}', b"<html></html>", b"data: hi\n\n", b": ping\n\n"])
def test_what_is_no_stream_is_refused(source: str, body: bytes) -> None:
    with pytest.raises(dragoman.RequestError, match=f"`body` is no stream of `{source}`"):
        dragoman.translate(body, source, "openai-chat", kind="stream")


def test_a_recorded_stream_that_failed_stays_one() -> None:
    busy = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n'
    said = dragoman.translate(busy, "anthropic-messages", "openai-chat", kind="stream").data
    assert b'"message":"busy"' in said
    cut = dragoman.translate(CHAT_STREAM[:120], "openai-chat", "anthropic-messages", kind="stream").data
    assert b"event: error" in cut


def test_ids_are_new_each_time() -> None:
    reply = {"id": "", "model": "m", "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
    made = {dragoman.translate(reply, "openai-chat", "openai-responses", kind="reply").json()["id"] for _ in range(5)}
    assert len(made) == 5


def test_a_protocol_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(dragoman.RequestError, match="openai-chat"):
        codec("openai-chatt")


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"model": "m", "messages": [{"role": "user", "content": "\ud800"}]}, "messages[0].content", "lone surrogate"),
        ('{"model": "\ud800"}', None, "UTF-8"),
        ({"model": "m", "messages": [{"role": "user", "content": object()}]}, None, "is no JSON"),
        ({"model": "m"}, "messages", "at least one message"),
    ],
)
def test_a_body_that_is_none_is_told_as_one(body: Any, param: str | None, words: str) -> None:  # noqa: ANN401 - anything
    with pytest.raises(dragoman.RequestError, match=words) as refused:
        dragoman.translate(body, "openai-chat", "anthropic-messages")
    assert refused.value.failure.param == param


def test_a_kind_that_there_is_not_is_refused() -> None:
    with pytest.raises(dragoman.RequestError, match="kind `requests`"):
        dragoman.translate(b"{}", "openai-chat", "anthropic-messages", kind=cast("Any", "requests"))
