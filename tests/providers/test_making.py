"""The shipped table is what its tool makes."""

import msgspec

from dragoman.ir.cost import Cost
from dragoman.providers import Model, discover, table_of
from tools.make_provider_data import Interleaved, Option, Row, Table, text_of


class _File(msgspec.Struct):
    sources: dict[str, str]
    tiers: dict[str, tuple[Model, ...]]


ROW = Row(
    id="deepseek-v9",
    tier="go",
    format="openai-chat",
    status="active",
    free=False,
    context=1000,
    output=100,
    input_modalities=("text",),
    reasoning=True,
    reasoning_options=(Option("effort", ("low", "max")),),
    interleaved=Interleaved("reasoning_content"),
    cost=Cost(input=1),
)


def made(row: Row) -> Model:
    text = text_of(Table({"here": "there"}, "MIT", (row,)))
    return msgspec.json.decode(text, type=_File).tiers[row.tier][0]


def test_a_row_survives_the_file() -> None:
    model = made(ROW)
    assert (model.context, model.max_output, model.cost and model.cost.input) == (1000, 100, 1)
    assert model.dialect.efforts == ("low", "max")
    assert model.dialect.reasoning_required_with_tools


def test_the_words_of_the_source_become_ours() -> None:
    model = made(msgspec.structs.replace(ROW, format="google-generateContent", status="not in newest catalogue"))
    assert (model.protocol, model.status) == ("gemini-generate", "unlisted")


def test_a_model_that_the_catalogue_does_not_know_is_not_made_up() -> None:
    unknown = msgspec.structs.replace(
        ROW, context=None, output=None, input_modalities=None, reasoning=None, reasoning_options=None, interleaved=None
    )
    model = made(unknown)
    assert (model.context, model.inputs, model.tools, model.dialect.files) == (None, None, None, True)


def test_every_shipped_id_stands_once_in_its_tier() -> None:
    for name in ("opencode-go", "opencode-zen"):
        provider = discover()[name]
        assert len(table_of(provider)) > 40
