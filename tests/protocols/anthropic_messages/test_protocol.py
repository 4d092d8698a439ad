"""The protocol's record: its lists, its headers, and that it tells all it loses."""

import re
from pathlib import Path

import msgspec
from anthropic.types import MessageTokensCount, ModelInfo

import dragoman.protocols.anthropic_messages as package
from dragoman.codec import ModelCard, Operation
from dragoman.dialects import Dialect
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
