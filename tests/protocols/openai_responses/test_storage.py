"""What a request refers to, and what is kept of a reply."""

import json

import pytest

from dragoman.codec import KeptReply, Storage
from dragoman.protocols.openai_responses import PROTOCOL
from tests.protocols.openai_responses.support import CREATED, Json, ended, response

HELLO = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}


def storage() -> Storage:
    assert PROTOCOL.storage is not None
    return PROTOCOL.storage


def body(**fields: Json) -> bytes:
    return json.dumps({"model": "m", **fields}).encode()


def kept(asked: bytes, told: bytes, items: dict[str, bytes] | None = None) -> KeptReply:
    reply = storage().kept(asked, items or {}, told)
    assert reply is not None
    return reply


def test_most_requests_refer_to_nothing() -> None:
    for asked in (
        body(input="item_reference"),
        body(input=[{"role": "user", "content": '"item_reference"'}]),
        b"{",
        b"[]",
    ):
        assert storage().references(asked) is None
    assert storage().references(body(previous_response_id=None, input="x")) is None


def test_what_a_request_refers_to() -> None:
    named = [{"type": "item_reference", "id": id} for id in ("a", "b", "a")]
    refers = storage().references(body(previous_response_id="resp_1", input=named))
    assert refers is not None
    assert (refers.previous, refers.items) == ("resp_1", ("a", "b"))


def test_what_was_referred_to_takes_its_place() -> None:
    asked = body(
        previous_response_id="resp_1", input=[{"type": "item_reference", "id": "a"}, {"role": "user", "content": "x"}]
    )
    before = [b'[{"n":1}]', b'[{"n":2},{"n":3}]']
    said = json.loads(storage().spliced(asked, before, {"a": b'{"n":4}'}))
    assert said == {"model": "m", "input": [*({"n": n} for n in (1, 2, 3, 4)), {"role": "user", "content": "x"}]}


def test_a_string_is_a_message_among_others() -> None:
    said = json.loads(storage().spliced(body(previous_response_id="r", input="hi"), [b"[]"], {}))
    assert said["input"] == [{"type": "message", "role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("fields", "keeps"), [({}, True), ({"store": None}, True), ({"store": True}, True), ({"store": False}, False)]
)
def test_a_client_has_its_replies_kept_unless_it_says_otherwise(fields: Json, keeps: bool) -> None:
    assert storage().keeps(body(input="hi", **fields)) is keeps


@pytest.mark.parametrize("streams", [True, False])
def test_a_reply_is_kept_with_what_was_new(streams: bool) -> None:
    told = ended(HELLO) if streams else json.dumps(response(output=[HELLO])).encode()
    reply = kept(body(previous_response_id="resp_0", input="hi"), told)
    assert (reply.id, reply.previous) == ("resp_1", "resp_0")
    assert json.loads(reply.items) == [{"type": "message", "role": "user", "content": "hi"}, HELLO]
    assert json.loads(reply.response)["output"] == [HELLO]
    assert [(id, json.loads(item)) for id, item in reply.named] == [("msg_1", HELLO)]


def test_items_that_were_named_are_kept_themselves() -> None:
    reply = kept(body(input=[{"type": "item_reference", "id": "a"}]), ended(), {"a": b'{"id":"a","n":1}'})
    assert json.loads(reply.items) == [{"id": "a", "n": 1}]


@pytest.mark.parametrize(
    "told",
    [
        CREATED,
        b"",
        b"data: response.completed\n\n",
        ended(type="response.failed", status="failed"),
        b'{"id":"r","status":"failed"}',
    ],
)
def test_only_what_ended_well_is_kept(told: bytes) -> None:
    assert storage().kept(body(input="hi"), {}, told) is None


def test_only_the_reply_itself_tells_of_the_one_before() -> None:
    told = b'{"id":"resp_2","previous_response_id": null,"tools":[{"parameters":{"previous_response_id":null}}]}'
    linked = told.replace(b": null", b': "resp_1"')
    assert storage().linked(told, "resp_1") == linked
    events = b'event: a\ndata: {"response":%b}\n\n'
    assert storage().linked(events % told * 2, "resp_1") == events % linked * 2
    assert storage().linked(events % b"{}", "resp_1") == events % b"{}"
