import contextlib
import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.ir.failures import RequestError
from dragoman.ir.losses import Ledger
from dragoman.wire.arguments import as_object, compact, is_object
from dragoman.wire.reading import read
from dragoman.wire.splicing import ModelEcho, echo_whole, splice_model


class Part(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="part"):
    text: str


class Other(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="other"):
    number: int


class Body(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    parts: list[Part | Other] = []
    value: msgspec.Raw = msgspec.Raw(b"null")
    maybe: Part | None = None


decoder = msgspec.json.Decoder(Body)


def test_an_unknown_field_is_a_loss_with_its_path_and_everything_else_is_kept() -> None:
    ledger = Ledger()
    data = b'{"name":"x","odd":1,"parts":[{"type":"part","text":"a","cache":{}},{"type":"other","number":7}],"value":{"n":1.10}}'
    body = read(decoder, data, "body", ledger)
    assert body.parts == [Part("a"), Other(7)]
    assert bytes(body.value) == b'{"n":1.10}'
    assert [loss.path for loss in ledger] == ["body.odd", "body.parts[0].cache"]


WRONG = {
    b'{"name":1}': "name",
    b'{"name":"x","parts":[{"type":"part","text":7}]}': r"parts\[0\].text",
    b'{"name":"x","odd":1,"parts":[{"type":"other","number":"n"}]}': r"parts\[0\].number",
    b'{"name":"x","parts":[{"type":"what"}]}': "what",
    b"{}": "name",
    b'{"name":"\\ud800"}': "name` contains a lone surrogate",
    b'{"name":': "not valid JSON",
    b" ": "`body` is empty",
    b"[1]": "object",
    b'{"name":"x","value":' + b"[" * 20_000 + b"]" * 20_000 + b"}": "`value` is nested too deeply",
    b'{"name":"[[{\\"[","value":[[1]],"a_b" : [' + b'{"c":' * 20_000: "`a_b` is nested too deeply",
    b'{"name":"x","value":["' + b"x" * 500_000 + b'"' + b",[0" * 20_000: "`body` is nested too deeply",
    b'{"name":"x","\\ud800":1}': "`body` contains a lone surrogate",
    b'{"name":"x","value":{"a":{"\\ud800":1}}}': "`value.a` contains a lone surrogate",
}


@pytest.mark.parametrize(("data", "words"), WRONG.items(), ids=range(len(WRONG)))
def test_what_is_wrong_is_an_error_that_names_the_field(data: bytes, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        read(decoder, data, "", Ledger())


def test_the_path_in_an_error_begins_where_the_value_stands() -> None:
    with pytest.raises(RequestError) as caught:
        read(decoder, b'{"name":1}', "messages[3]", Ledger())
    assert caught.value.failure.param == "messages[3].name"


@given(data=st.binary(max_size=60))
def test_no_bytes_at_all_raise_anything_else(data: bytes) -> None:
    with contextlib.suppress(RequestError):
        read(decoder, data, "", Ledger())


def test_arguments_keep_their_digits_and_what_is_no_object_is_wrapped() -> None:
    assert as_object('{"n": 12345678901234567890123}') == (msgspec.Raw(b'{"n": 12345678901234567890123}'), False)
    assert as_object(" ") == (msgspec.Raw(b"{}"), False)
    assert as_object('{"a": ') == (msgspec.Raw(b'{"_raw":"{\\"a\\": "}'), True)
    assert as_object("[1]") == (msgspec.Raw(b'{"_raw":"[1]"}'), True)
    assert not is_object("1")
    assert compact(msgspec.Raw(b'{\n "a": 1\n}')) == b'{"a":1}'


def test_only_the_top_level_model_is_spliced_and_every_other_byte_stays() -> None:
    body = b'{ "messages": [{"model": "a", "x": "\\"model\\":\\"a\\""}],\n "model" : "a", "n": 1.0 }'
    assert splice_model(body, "b/c") == body[: body.rfind(b'"a"')] + b'"b/c"' + body[body.rfind(b'"a"') + 3 :]
    assert splice_model(body, "a") is body
    assert msgspec.json.decode(splice_model(b'{"mod\\u0065l":"a","x":1}', "b")) == {"model": "b", "x": 1}
    assert echo_whole(b'{"error":1}', "b") == b'{"error":1}'


def test_a_reply_that_cannot_be_read_passes_as_it_is() -> None:
    for body in (b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b',"model":"up"}', b'{"x":[],"model":"\xff"}', b"{"):
        assert echo_whole(body, "asked") is body


def test_a_field_without_a_name_has_a_path_of_its_own() -> None:
    ledger = Ledger()
    read(decoder, b'{"name":"x","":1,"maybe":{"type":"part","text":"a","":2}}', "", ledger)
    assert [loss.path for loss in ledger] == ['""', 'maybe.""']


chunk = b'data: {"id":"1","model":"up","choices":[{"delta":{"content":"\\"model\\":\\"up\\""}}]}\n\n'


@given(places=st.lists(st.integers(0, 3 * len(chunk)), max_size=6), once=st.booleans())
def test_the_echo_replaces_the_name_wherever_the_stream_is_cut(places: list[int], once: bool) -> None:
    stream = chunk * 3
    edges = sorted({0, len(stream), *places})
    echo = ModelEcho("asked/for", once=once)
    out = b"".join(echo.feed(stream[start:end]) for start, end in itertools.pairwise(edges)) + echo.flush()
    assert out == stream.replace(b'"model":"up"', b'"model":"asked/for"', 1 if once else -1)
