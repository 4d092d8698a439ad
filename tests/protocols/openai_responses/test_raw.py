"""The raw lane: bytes between a client and an upstream that both speak Responses."""

import json

import pytest

from dragoman.codec import Target
from dragoman.engine.stages import RawStage
from dragoman.ir.failures import RequestError
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Usage
from dragoman.ir.seals import Seal, write_seal
from dragoman.protocols.openai_responses import PROTOCOL
from tests.protocols.openai_responses.support import CREATED, Json, codes, ended, event, response

TARGET = Target("deep", "up")
HELLO = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}


def test_a_look_at_the_request() -> None:
    peek = PROTOCOL.peek(b'{"model":"m","stream":true,"user":"u","prompt_cache_key":"k","input":[{}],"new":1}')
    assert (peek.model, peek.stream, peek.user, peek.cache_key) == ("m", True, "u", "k")
    peek = PROTOCOL.peek(b'{"model":"m","safety_identifier":"s","prompt_cache_key":7}')
    assert (peek.stream, peek.user, peek.cache_key) == (False, "s", None)
    for body in (b"{}", b"[]", b"{", b'{"model":7}'):
        with pytest.raises(RequestError):
            PROTOCOL.peek(body)


def thought(seal: Seal | str, **fields: Json) -> Json:
    text = seal if isinstance(seal, str) else write_seal(seal)
    return {"type": "reasoning", "id": "rs_made", "summary": [], "encrypted_content": text, **fields}


def unsealed(*items: Json, ledger: Ledger | None = None) -> Json:
    body = json.dumps({"model": "m", "input": items, "store": False}).encode()
    return json.loads(PROTOCOL.unseal(body, TARGET, ledger or Ledger()))["input"]


def test_our_seals_are_opened_for_whom_they_belong_to() -> None:
    seal = Seal("openai-responses", "enc", "deep", "up", "rs_1")
    (opened,) = unsealed(thought(seal, summary=[{"type": "summary_text", "text": "t"}]))
    assert opened == {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "t"}],
        "encrypted_content": "enc",
    }


@pytest.mark.parametrize(
    "seal",
    [
        Seal("anthropic-messages", "sig", "deep", "up"),
        Seal("openai-responses", "enc", "another", "up"),
        Seal("openai-responses", "enc", "deep", "another"),
        Seal("openai-responses", "", "deep", "up"),
    ],
)
def test_the_thoughts_of_others_are_taken_out(seal: Seal) -> None:
    ledger = Ledger()
    body = json.dumps({"model": "m", "input": [HELLO, thought(seal), thought(seal)]}).encode()
    assert json.loads(PROTOCOL.unseal(body, TARGET, ledger))["input"] == [HELLO]
    assert codes(ledger) == ["foreign_reasoning"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m", "input":"DRAGOMAN"}',
        b'{"model":"m", "input":[ {"role":"user","content":"DRAGOMAN"}, {"type":"reasoning","encrypted_content":"gAAA"} ]}',
        b'{"model":"m", "input":[ 7, "DRAGOMAN" ]}',
        b'{"model":"m", "instructions":"DRAGOMAN"}',
    ],
)
def test_a_body_without_our_seals_keeps_every_byte(body: bytes) -> None:
    assert PROTOCOL.unseal(body, TARGET, Ledger()) == body


# Replies


def passed(*chunks: bytes) -> tuple[bytes, RawStage]:
    stage = RawStage(PROTOCOL, "asked", "req_1")
    return b"".join(map(stage.feed, chunks)) + stage.flush(), stage


def test_the_clients_model_name_is_in_every_event_that_has_one() -> None:
    out, stage = passed(CREATED, event("response.output_text.delta", delta='"model": "up"'), ended(HELLO))
    assert out.count(b'"model": "asked"') == 2
    assert b'\\"model\\": \\"up\\"' in out
    assert stage.failure is None


def test_the_usage_is_read_from_the_end() -> None:
    usage = {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 1},
    }
    _, stage = passed(CREATED, ended(HELLO, usage=usage))
    assert stage.tap()() == Usage(6, 4, None, 3, 1)
    whole = json.dumps(response(usage=usage)).encode()
    assert PROTOCOL.read_usage(whole, whole) == Usage(6, 4, None, 3, 1)
    assert PROTOCOL.read_usage(CREATED, CREATED) == Usage()
    assert PROTOCOL.read_usage(b'"usage": {"input', b'"usage":{') == Usage()


@pytest.mark.parametrize("kind", ["response.completed", "response.incomplete", "response.failed"])
@pytest.mark.parametrize("size", [1, 100_000])
def test_a_stream_with_its_end_is_finished_however_long_that_is(kind: str, size: int) -> None:
    long = {**HELLO, "content": [{"type": "output_text", "text": "x" * size}]}
    end = ended(long, type=kind)
    assert passed(CREATED, end)[0].endswith(end[-40:])
    assert passed(CREATED, end)[1].failure is None
    assert passed(CREATED + end)[1].failure is None
    assert passed(CREATED, end.removesuffix(b"\n\n"))[1].failure is None


@pytest.mark.parametrize("last", [b"", event("response.output_item.done", item=HELLO), b"data: [DONE]\n\n"])
def test_a_stream_without_its_end_gets_an_error(last: bytes) -> None:
    out, stage = passed(CREATED, last)
    assert stage.failure is not None
    assert out.endswith(b"\n\n")
    assert b"event: error\n" in out
    assert b"event: response.failed\n" in out


def test_words_do_not_look_like_an_end() -> None:
    _, stage = passed(CREATED, event("response.output_text.delta", delta="\nevent: response.completed\n"))
    assert stage.failure is not None


def test_an_error_that_the_client_was_told_is_an_end() -> None:
    for error in (event("error", message="x"), b'data: {"error":{"message":"x"}}\n\n'):
        assert passed(CREATED, error)[1].failure is None
