"""Paths, lists, errors and the raw lane of Gemini."""

# ruff: noqa: ANN401 - what stands here for a body is any JSON

import json
from typing import Any

import pytest

from dragoman.codec import ModelCard, Target
from dragoman.dialects import Dialect
from dragoman.ir.failures import DragomanError, Failure, FailureKind, RequestError
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Usage
from dragoman.ir.seals import Seal, write_seal
from dragoman.protocols.gemini_generate import PROTOCOL
from dragoman.protocols.gemini_generate.sealing import PLACEHOLDER
from dragoman.wire.json_array import JsonArray
from tests.support.wires import content, said

TARGET = Target("google", "gemini-3")


@pytest.mark.parametrize(
    ("model", "place"),
    [
        ("gemini-3", "/models/gemini-3"),
        ("models/gemini-3", "/models/gemini-3"),
        ("tunedModels/mine", "/tunedModels/mine"),
        ("google/gemini 3?x#y", "/models/google/gemini%203%3Fx%23y"),
    ],
)
def test_where_a_model_is_asked(model: str, place: str) -> None:
    assert PROTOCOL.path(model, False) == f"{place}:generateContent"
    assert PROTOCOL.path(model, True) == f"{place}:streamGenerateContent?alt=sse"
    assert PROTOCOL.count_path(model) == f"{place}:countTokens"


def test_a_list_of_models() -> None:
    card = ModelCard("chat/gpt", "GPT", "openai", context=1000, max_output=100)
    row = {
        "name": "models/chat/gpt",
        "displayName": "GPT",
        "inputTokenLimit": 1000,
        "outputTokenLimit": 100,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
    }
    assert json.loads(PROTOCOL.encode_models([card])) == {"models": [row]}
    assert json.loads(PROTOCOL.encode_model(card)) == row
    assert json.loads(PROTOCOL.encode_count(7)) == {"totalTokens": 7}


CARDS = [ModelCard(f"m{number}", f"M{number}", "o") for number in range(1200)]


def page_of(**query: str) -> tuple[list[str], str | None]:
    assert PROTOCOL.encode_page is not None
    page = json.loads(PROTOCOL.encode_page(CARDS, query))
    return [model["name"].removeprefix("models/") for model in page["models"]], page.get("nextPageToken")


def ids(start: int, end: int) -> list[str]:
    return [card.id for card in CARDS[start:end]]


def test_the_list_of_models_has_pages() -> None:
    names, token = page_of(pageSize="50")
    assert names == ids(0, 50)
    names, token = page_of(pageSize="3", pageToken=token or "")
    assert names == ids(50, 53)
    names, token = page_of(page_size="2", page_token=token or "")
    assert names == ids(53, 55)
    assert page_of(pageSize="0") == page_of() == (ids(0, 1000), "m999")
    assert json.loads(PROTOCOL.encode_models(CARDS))["nextPageToken"] == "m999"
    names, token = page_of(pageSize="1000000")
    assert names == ids(0, 1000)
    assert page_of(pageSize="200", pageToken=token or "") == (ids(1000, 1200), None)
    assert page_of(pageToken="m1199") == ([], None)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"pageSize": "-1"}, "pageSize"),
        ({"pageSize": "x"}, "pageSize"),
        ({"pageSize": "9" * 5000}, "pageSize"),
        ({"pageToken": "nosuch"}, "pageToken"),
    ],
)
def test_a_page_that_there_cannot_be_is_told(query: dict[str, str], param: str) -> None:
    with pytest.raises(RequestError, match=f"`{param}`") as caught:
        page_of(**query)
    assert caught.value.failure.param == param


# Errors -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"status": "INVALID_ARGUMENT"}, FailureKind.INVALID_REQUEST),
        (400, {"status": "FAILED_PRECONDITION"}, FailureKind.INVALID_REQUEST),
        (401, {"status": "UNAUTHENTICATED"}, FailureKind.AUTHENTICATION),
        (403, {"status": "PERMISSION_DENIED"}, FailureKind.PERMISSION),
        (404, {"status": "NOT_FOUND"}, FailureKind.NOT_FOUND),
        (429, {"status": "RESOURCE_EXHAUSTED"}, FailureKind.RATE_LIMITED),
        (500, {"status": "INTERNAL"}, FailureKind.UPSTREAM_ERROR),
        (503, {"status": "UNAVAILABLE"}, FailureKind.OVERLOADED),
        (504, {"status": "DEADLINE_EXCEEDED"}, FailureKind.TIMEOUT),
        (400, {"details": [{"reason": "API_KEY_INVALID"}]}, FailureKind.AUTHENTICATION),
        (401, {"type": "CreditsError"}, FailureKind.BILLING),
        (418, {}, FailureKind.INVALID_REQUEST),
    ],
)
def test_what_kind_of_failure_it_is(status: int, error: Any, kind: FailureKind) -> None:
    for body in ({"error": {"message": "why", **error}}, [{"error": {"message": "why", **error}}]):
        failure = PROTOCOL.decode_failure(status, {}, json.dumps(body).encode())
        assert (failure.kind, failure.message) == (kind, "why")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":"text"}', "text"),
        (b'{"detail":"why"}', "why"),
        (b'{"message":"why"}', "why"),
        (b'"why"', "why"),
        (b"<html><b>Oops</b></html>", "Oops"),
        (b"", "without a body"),
        (b'{"odd":1}', '{"odd":1}'),
    ],
)
def test_errors_of_every_shape_are_read(body: bytes, message: str) -> None:
    assert message in PROTOCOL.decode_failure(500, {}, body).message


@pytest.mark.parametrize(("delay", "seconds"), [("34.07s", "35"), ("2s", "2"), ("soon", None), (5, None)])
def test_how_long_to_wait(delay: Any, seconds: str | None) -> None:
    body = json.dumps({"error": {"message": "x", "details": [{"retryDelay": delay}]}}).encode()
    assert PROTOCOL.decode_failure(429, {}, body).retry_after == seconds
    assert PROTOCOL.decode_failure(429, {"Retry-After": "9"}, body).retry_after == "9"


@pytest.mark.parametrize("kind", FailureKind)
def test_every_failure_has_googles_form(kind: FailureKind) -> None:
    failure = Failure(kind, "what", hint="how", param="a.b", code="c", retry_after="7")
    error = json.loads(PROTOCOL.encode_failure(failure, "req_1"))["error"]
    assert error["code"] == PROTOCOL.failure_status(failure)
    assert error["code"] != 529
    assert error["status"].isupper()
    assert error["message"] == "what\nhint: how"
    fields, reason, retry = error["details"]
    assert fields["fieldViolations"] == [{"field": "a.b", "description": "what"}]
    assert (reason["reason"], retry["retryDelay"]) == ("c", "7s")
    assert PROTOCOL.encode_failure_event(failure, "req_1").startswith(b'data: {"error":{"code":')


# The raw lane -----------------------------------------------------------------------------------------------------------


def test_a_peek_sees_only_whether_it_is_an_object() -> None:
    assert PROTOCOL.peek(b'{"contents":1,"x":[]}').model == ""
    for body in (b"", b"[]", b"{", b'"x"'):
        with pytest.raises(RequestError):
            PROTOCOL.peek(body)


@pytest.mark.parametrize(
    ("body", "spliced"),
    [
        (b'{"contents" : []}', b'{"contents" : []}'),
        (b'{"contents":[{"parts":[{"text":"\\"model\\""}]}]}', None),
        (b'{"contents":[{"role":"model"}]}', None),
        (b'{"model":"models/old","contents":[]}', b'{"model":"models/new","contents":[]}'),
        (
            b'{"generate_content_request":{"model":"models/old","contents":[]}}',
            b'{"generate_content_request":{"model":"models/new","contents":[]}}',
        ),
    ],
)
def test_the_models_name_stands_in_a_body_only_now_and_then(body: bytes, spliced: bytes | None) -> None:
    assert PROTOCOL.splice_model(body, "new") == (body if spliced is None else spliced)


def unsealed(*parts: Any, dialect: Dialect | None = None) -> Any:
    body = json.dumps({"contents": [{"role": "model", "parts": list(parts)}]}).encode()
    target = Target("google", "gemini-3", dialect or Dialect())
    return json.loads(PROTOCOL.unseal(body, target, Ledger()))["contents"][0]["parts"]


OWN = write_seal(Seal("gemini-generate", "c2ln", "google", "gemini-3", "call"))
FOREIGN = write_seal(Seal("anthropic-messages", "EqoB", "up", "claude"))
CALL: dict[str, Any] = {"functionCall": {"name": "f"}}


def test_seals_are_opened_or_taken_out_on_the_raw_lane() -> None:
    assert unsealed({**CALL, "thoughtSignature": OWN}) == [{**CALL, "thoughtSignature": "c2ln"}]
    assert unsealed({**CALL, "thought_signature": OWN}) == [{**CALL, "thought_signature": "c2ln"}]
    assert unsealed({**CALL, "thoughtSignature": FOREIGN}) == [{**CALL, "thoughtSignature": PLACEHOLDER}]
    assert unsealed({**CALL, "thoughtSignature": FOREIGN}, dialect=Dialect(placeholder_signatures=False)) == [CALL]
    assert unsealed({"text": "Hm", "thought": True, "thoughtSignature": FOREIGN}, {"text": "So"}) == [{"text": "So"}]
    assert unsealed({"text": "Hm", "thought": True, "thoughtSignature": FOREIGN}) == [{"text": "(no content)"}]
    assert unsealed({"text": "So", "thoughtSignature": FOREIGN}) == [{"text": "So"}]


def test_seals_are_opened_within_a_count_of_a_whole_request() -> None:
    call = {**CALL, "thoughtSignature": OWN}
    body = json.dumps({"generateContentRequest": {"contents": [{"role": "model", "parts": [call]}]}}).encode()
    opened = json.loads(PROTOCOL.unseal(body, TARGET, Ledger()))["generateContentRequest"]
    assert opened == {"contents": [{"role": "model", "parts": [{**CALL, "thoughtSignature": "c2ln"}]}]}


@pytest.mark.parametrize(
    "body",
    [
        b'{"contents":[{"parts":[{"text":"DRAGOMAN"}]}]}',
        b'{"contents":"DRAGOMAN"}',
        b'{"x":"DRAGOMAN"}',
        b'{"contents":[{"parts":"DRAGOMAN"}]}',
        b'{ "contents": [ "DRAGOMAN", { "parts": [ "DRAGOMAN", 5, { "text": "DRAGOMAN" } ] } ] }',
        b'{"generateContentRequest":{ "contents":"DRAGOMAN" }}',
    ],
)
def test_a_body_that_only_mentions_the_mark_stays_as_it_is(body: bytes) -> None:
    assert PROTOCOL.unseal(body, TARGET, Ledger()) == body


def test_the_end_and_the_figures_are_read_from_the_last_bytes() -> None:
    stream = said({"text": "a"}) + said({"text": ""}, finish="STOP")
    assert PROTOCOL.is_finished(stream)
    assert PROTOCOL.is_finished(stream + b'data: {"cost":"0.1"}\n\n')
    assert PROTOCOL.is_finished(stream[40:])
    assert PROTOCOL.is_finished(said({"text": "a"}) + b'data: {"error":{"code":500}}\n\n')
    assert PROTOCOL.is_finished(b'data: {"promptFeedback":{"blockReason":"SAFETY"}}\n\n')
    assert not PROTOCOL.is_finished(said({"text": '"finishReason":"STOP"'}))
    assert not PROTOCOL.is_finished(said({"functionCall": {"name": "f", "args": {"finishReason": "STOP"}}}))
    assert PROTOCOL.read_usage(b"", stream) == Usage(11, None, None, 7)
    assert PROTOCOL.read_usage(json.dumps(content({"text": "a"}), indent=2).encode(), b"") == Usage(11, None, None, 7)
    assert PROTOCOL.read_usage(b"junk", b'"usageMetadata": {') == Usage()


def test_an_array_is_json_whenever_it_ends() -> None:
    array = JsonArray()
    text = array.feed(b"data: {}\r\n\r\ndata: [1]\n") + array.feed(b"\ndata: 2\n\n") + array.flush()
    assert json.loads(text) == [{}, [1], 2]
    assert json.loads(JsonArray().flush()) == []


def test_an_error_in_a_whole_reply_is_one() -> None:
    from dragoman.codec import Source

    with pytest.raises(DragomanError, match="no luck"):
        PROTOCOL.decode_reply(b'[{"error":{"code":500,"message":"no luck"}}]', Source("p", "m"))
