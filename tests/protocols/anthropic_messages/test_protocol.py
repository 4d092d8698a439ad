"""The protocol's record: its lists, its headers, and that it tells all it loses."""

import re
from pathlib import Path

import msgspec
import pytest
from anthropic.types import MessageTokensCount, ModelInfo

import dragoman.protocols.anthropic_messages as package
from dragoman.codec import ModelCard, Operation
from dragoman.dialects import Dialect
from dragoman.ir.failures import RequestError
from dragoman.protocols.anthropic_messages import PROTOCOL
from dragoman.protocols.anthropic_messages.losses import IN_REPLIES, RECORDED
from dragoman.protocols.anthropic_messages.settings import MISSING

CARD = ModelCard("claude-x", "X", "owner", 1_700_000_000, 200_000, 64_000)
SOURCE = "".join(path.read_text() for path in Path(package.__path__[0]).glob("*.py"))


def test_the_sdk_reads_a_list_of_models() -> None:
    page = msgspec.json.decode(PROTOCOL.encode_models([CARD, ModelCard("b", "B", "o")]))
    assert (page["has_more"], page["first_id"], page["last_id"]) == (False, "claude-x", "b")
    model = ModelInfo.model_validate(page["data"][0])
    assert (model.id, model.display_name, model.created_at.year) == ("claude-x", "X", 2023)
    assert (model.max_input_tokens, model.max_tokens) == (200_000, 64_000)
    assert msgspec.json.decode(PROTOCOL.encode_models([]))["first_id"] is None
    assert ModelInfo.model_validate_json(PROTOCOL.encode_model(CARD)) == model


@pytest.mark.parametrize(
    ("query", "ids", "has_more"),
    [
        ({}, "abcde", False),
        ({"limit": "1000"}, "abcde", False),
        ({"limit": "2"}, "ab", True),
        ({"limit": "2", "after_id": "b"}, "cd", True),
        ({"limit": "2", "after_id": "c"}, "de", False),
        ({"after_id": "e"}, "", False),
        ({"limit": "2", "before_id": "d"}, "bc", True),
        ({"limit": "3", "before_id": "d"}, "abc", False),
        ({"before_id": "a"}, "", False),
        ({"beta": "true"}, "abcde", False),
    ],
)
def test_the_list_of_models_has_pages(query: dict[str, str], ids: str, has_more: bool) -> None:
    assert PROTOCOL.encode_page is not None
    page = msgspec.json.decode(PROTOCOL.encode_page([ModelCard(id, id, "o") for id in "abcde"], query))
    assert "".join(model["id"] for model in page["data"]) == ids
    assert page["has_more"] is has_more
    assert (page["first_id"], page["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"after_id": "z"}, "after_id"),
        ({"before_id": "z"}, "before_id"),
        ({"before_id": "a", "after_id": "b"}, "before_id"),
    ],
)
def test_a_page_that_there_cannot_be_is_told(query: dict[str, str], param: str) -> None:
    assert PROTOCOL.encode_page is not None
    with pytest.raises(RequestError) as caught:
        PROTOCOL.encode_page([ModelCard("a", "a", "o")], query)
    assert caught.value.failure.param == param


def test_the_sdk_reads_a_count_of_tokens() -> None:
    assert MessageTokensCount.model_validate_json(PROTOCOL.encode_count(5)).input_tokens == 5


def test_calls_upstream() -> None:
    assert PROTOCOL.path("m", True) == "/v1/messages"
    assert PROTOCOL.count_path("m") == "/v1/messages/count_tokens"
    assert PROTOCOL.sign_in("key") == (("x-api-key", "key"),)
    assert PROTOCOL.headers(Dialect()) == (("anthropic-version", "2023-06-01"),)


def test_paths_that_clients_post_to() -> None:
    paths = {endpoint.path for endpoint in PROTOCOL.endpoints if endpoint.operation is Operation.GENERATE}
    assert paths == {"/v1/messages", "/messages", "/anthropic/v1/messages"}


def test_all_losses_that_are_recorded_are_told_and_the_other_way_round() -> None:
    calls = re.findall(r'ledger\.(?:dropped|degraded|emulated|clamped|repaired)\(\s*"(\w+)"', SOURCE)
    recorded = {*calls, *MISSING, "temperature", "top_p", "top_k"}
    assert {note.code for note in RECORDED} == recorded
    codes = [note.code for note in PROTOCOL.loses]
    assert codes == [note.code for note in (*RECORDED, *IN_REPLIES)]
    assert len(set(codes)) == len(codes)
