"""The raw lane: what is touched of bytes that pass between two sides of this protocol."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.ir.failures import RequestError
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Usage
from dragoman.ir.seals import Seal, write_seal
from dragoman.protocols.anthropic_messages import PROTOCOL
from tests.protocols.anthropic_messages.sdk import TARGET, read_stream, sse

NAME = "anthropic-messages"
RECORDINGS = Path(__file__).parents[2] / "recordings" / "anthropic_messages"
OWN = Seal(NAME, "native+/=", "upstream", "m")
OTHER = Seal("openai-chat", "x", "deepseek", "m")


def test_a_peek_reads_the_model_the_stream_and_the_user() -> None:
    got = PROTOCOL.peek(b'{"stream": true, "model": "m[1m]", "metadata": {"user_id": "u"}, "messages": 5}')
    assert (got.model, got.stream, got.user) == ("m[1m]", True, "u")
    assert PROTOCOL.peek(b'{"model":"m","stream":null}').stream is False


@pytest.mark.parametrize(
    ("body", "param"), [(b'{"model":""}', "model"), (b'{"model":5}', "model"), (b'{"model":"m","stream":1}', "stream")]
)
def test_a_peek_names_what_is_wrong(body: bytes, param: str) -> None:
    with pytest.raises(RequestError) as caught:
        PROTOCOL.peek(body)
    assert caught.value.failure.param == param


def unsealed(*blocks: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    ledger = Ledger()
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": blocks}]
    body = msgspec.json.encode({"model": "m", "messages": messages, "novelty": 1.10})
    got = msgspec.json.decode(PROTOCOL.unseal(body, TARGET, ledger))
    assert got["novelty"] == 1.10
    return got["messages"][1]["content"], [loss.code for loss in ledger]


def test_bytes_without_our_seals_come_back_as_they_are() -> None:
    body = b'{ "model":"m", "messages": [ {"role":"assistant","content":[{"type":"thinking","signature":"EqQ="}]} ] }'
    assert PROTOCOL.unseal(body, TARGET, Ledger()) is body
    quoted = b'{"messages":[{"role":"user","content":"DRAGOMAN"}]}'
    assert PROTOCOL.unseal(quoted, TARGET, Ledger()) == quoted


def test_a_seal_of_the_targets_is_opened_in_place() -> None:
    text = {"type": "text", "text": "DRAGOMAN is a word"}
    thought = {"type": "thinking", "thinking": "hm", "signature": write_seal(OWN)}
    redacted = {"type": "redacted_thinking", "data": write_seal(OWN)}
    assert unsealed(thought, redacted, text) == (
        [{**thought, "signature": "native+/="}, {**redacted, "data": "native+/="}, text],
        [],
    )


def test_another_upstreams_thought_is_taken_out_and_reported() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": write_seal(OTHER)}
    elsewhere = {**thought, "signature": write_seal(Seal(NAME, "n", "another", "m"))}
    text = {"type": "text", "text": "said"}
    assert unsealed(thought, elsewhere, text) == ([text], ["foreign_reasoning", "foreign_reasoning"])


def test_a_message_of_nothing_else_keeps_a_legal_form() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": write_seal(OTHER)}
    assert unsealed(thought)[0] == [{"type": "text", "text": "(no content)"}]


@pytest.mark.parametrize(
    "body",
    [
        b'{ "messages": [ { "role": "user", "content": "DRAGOMAN" } ] }',
        b'{ "messages": [ { "role": "user", "content": [ { "type": "text", "text": "DRAGOMAN" }, "DRAGOMAN" ] } ] }',
        b'{ "system": "DRAGOMAN", "messages": [] }',
    ],
)
def test_a_body_that_only_mentions_the_mark_stays_as_it_is(body: bytes) -> None:
    assert PROTOCOL.unseal(body, TARGET, Ledger()) == body


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*.sse")), ids=lambda path: path.stem)
def test_usage_is_read_from_both_ends_of_a_stream_and_from_a_whole(path: Path) -> None:
    data, whole = path.read_bytes(), path.with_suffix(".json").read_bytes()
    from_stream = PROTOCOL.read_usage(data[:600], data[-500:])
    from_whole = PROTOCOL.read_usage(whole, whole)
    assert from_stream == from_whole
    assert from_stream.input_tokens
    assert from_stream.output_tokens


def test_usage_that_is_not_there_is_not_made_up() -> None:
    assert PROTOCOL.read_usage(b"", b"") == Usage()
    assert PROTOCOL.read_usage(b"<html>", b'"usage":{"input_tokens":') == Usage()


def test_the_end_of_a_stream_is_known() -> None:
    data = (RECORDINGS / "text.sse").read_bytes()
    assert PROTOCOL.is_finished(data[-200:])
    assert not PROTOCOL.is_finished(data[:-50])
    assert not PROTOCOL.is_finished(sse({"type": "content_block_delta", "delta": {"text": "\nevent: message_stop\n"}}))
    assert PROTOCOL.is_finished(sse({"type": "error", "error": {}}))
    assert PROTOCOL.is_finished(b'data: {"type":"message_stop"}\r\n\r\n')


def test_the_clients_model_name_is_echoed_and_nothing_else_changes() -> None:
    data = (RECORDINGS / "text.sse").read_bytes()
    echo = PROTOCOL.echo("claude-x")
    echoed = b"".join(echo.feed(data[place : place + 7]) for place in range(0, len(data), 7)) + echo.flush()
    assert echoed == data.replace(b"claude-sonnet-4-5-20250929", b"claude-x")
    assert read_stream(echoed).model == "claude-x"
