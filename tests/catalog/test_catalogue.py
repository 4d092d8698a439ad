"""What is known of a model: the first who knows is believed."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from dragoman.catalog import UNKNOWN, Capabilities, Catalogue, sees, shipped
from dragoman.catalog.files import About, Row, Shelf, about_of, rows_of, shelves_of, text_of
from dragoman.catalog.models_dev import NoCatalogueError, read_models_dev
from dragoman.ir.cost import Cost

GLM = Row("glm-5", 1000, 100, "text,image", flags="trs", released="2026-01-01", price_input=1.0, price_output=2.5)
TWO = text_of(
    About("here"),
    [
        (Shelf("b", "B", "https://b.test/v1"), [Row("m2"), GLM]),
        (Shelf("a", "A"), [Row("m1", 7), Row("old", status="deprecated")]),
    ],
)
API: dict[str, Any] = {
    "groq": {
        "id": "groq",
        "name": "Groq",
        "doc": "https://console.groq.com",
        "env": ["GROQ_API_KEY"],
        "models": {
            "openai/gpt-oss": {
                "id": "openai/gpt-oss",
                "name": "GPT OSS",
                "attachment": False,
                "reasoning": True,
                "tool_call": True,
                "temperature": True,
                "release_date": "2025-08-05",
                "modalities": {"input": ["text", "image"], "output": ["text"]},
                "limit": {"context": 131072, "output": 65536},
                "cost": {"input": 0.15, "output": 0.6, "cache_read": 0.075},
            },
            "whisper": {
                "id": "whisper",
                "modalities": {"input": ["audio"], "output": ["text"]},
                "limit": {"context": 0},
            },
        },
    }
}
COLUMNS: dict[str, Any] = {
    "source": "a snapshot",
    "fields": ["id", "context", "output", "in", "out", "tool_call", "reasoning", "temperature", "status", "cost_in"],
    "providers": {"groq": {"name": "Groq", "models": [["m", 10, None, "text,pdf", "text", 1, 0, 1, "beta", 0.5]]}},
}


def test_what_one_does_not_know_the_next_one_says() -> None:
    said = Capabilities(context=10, vision=False, cost=Cost(output=3))
    known = Capabilities(context=20, max_output=5, vision=True, tools=True, cost=Cost(1, 2))
    assert said.over(known) == Capabilities(context=10, max_output=5, vision=False, tools=True, cost=Cost(1, 3))


def test_modalities_tell_what_a_model_sees() -> None:
    assert sees(None).vision is None
    seen = sees(("text", "pdf"))
    assert (seen.vision, seen.documents, seen.audio, seen.video) == (False, True, False, False)


# --- the file ---------------------------------------------------------------------------------------------------------


def test_a_catalogue_survives_its_file() -> None:
    assert about_of(TWO).source == "here"
    assert [(shelf.provider, [row.id for row in rows]) for shelf, rows in shelves_of(TWO)] == [
        ("a", ["m1", "old"]),
        ("b", ["glm-5", "m2"]),
    ]
    assert rows_of(TWO, "b") == [GLM, Row("m2")]
    assert rows_of(TWO, "c") == []


def test_a_line_leaves_out_what_is_missing_at_its_end() -> None:
    assert b'\n["m1",7,null,"text","text","",""]\n' in TWO
    assert b'["glm-5",1000,100,"text,image","text","trs","","2026-01-01",1,2.5]' in TWO


def test_the_shipped_catalogue_is_whole_and_in_order() -> None:
    text = shipped()
    shelves = list(shelves_of(text))
    names = [shelf.provider for shelf, _ in shelves]
    assert names == sorted(names)
    assert (len(shelves), sum(len(rows) for _, rows in shelves)) == (225, 8261)
    assert text_of(about_of(text), shelves) == text, "hint: python -m tools.make_catalogue FILE"
    assert "models.dev" in about_of(text).licence


def test_its_notice_is_shipped_beside_it() -> None:
    from importlib.resources import files

    notice = files("dragoman.catalog").joinpath("NOTICE").read_text()
    assert "Copyright (c) 2025 models.dev" in notice
    assert "The MIT License" in notice


# --- looking up -------------------------------------------------------------------------------------------------------


def test_a_shipped_figure_is_found() -> None:
    can = Catalogue().capabilities("groq", "openai/gpt-oss-120b")
    assert (can.context, can.max_output, can.vision, can.tools, can.reasoning) == (131_072, 65_536, False, True, True)
    assert can.cost == Cost(0.15, 0.6, 0.075)
    assert Catalogue().capabilities("groq", "nothing") == UNKNOWN
    assert Catalogue().capabilities("nobody", "m") == Catalogue().capabilities(None, "m") == UNKNOWN


def test_of_a_provider_that_two_know_the_first_alone_is_believed() -> None:
    newer = text_of(About("newer"), [(Shelf("a"), [Row("m1", 9)])])
    catalogue = Catalogue(lambda: newer, lambda: TWO)
    assert catalogue.capabilities("a", "m1").context == 9
    assert catalogue.capabilities("a", "old") == UNKNOWN, "it is gone"
    assert catalogue.capabilities("b", "glm-5").context == 1000
    assert catalogue.providers() == ["a", "b"]


@pytest.mark.parametrize("damaged", [b"", b"nonsense", TWO[:-5], TWO.replace(b'["m1"', b'["m1')])
def test_a_damaged_catalogue_knows_nothing_and_the_next_one_is_asked(damaged: bytes) -> None:
    catalogue = Catalogue(lambda: damaged, lambda: TWO)
    assert catalogue.rows("a").keys() == {"m1", "old"}
    assert catalogue.rows("b")["glm-5"].context == 1000


def test_nothing_is_read_before_somebody_asks_and_no_provider_twice() -> None:
    read = []

    def source() -> bytes:
        read.append(1)
        return TWO

    catalogue = Catalogue(source)
    assert read == []
    assert catalogue.rows("a") is catalogue.rows("a")
    assert read == [1]


# --- models.dev -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_what_models_dev_publishes_is_read(pack: Callable[[bytes], bytes]) -> None:
    about, ((shelf, rows),) = read_models_dev(pack(json.dumps(API).encode()))
    assert about.source == "https://models.dev/api.json"
    assert (shelf.provider, shelf.title, shelf.docs) == ("groq", "Groq", "https://console.groq.com")
    oss, whisper = rows
    assert (oss.context, oss.max_output, oss.inputs) == (131_072, 65_536, ("text", "image"))
    assert (oss.tools, oss.reasoning, oss.sampling, oss.released) == (True, True, True, "2025-08-05")
    assert oss.cost == Cost(0.15, 0.6, 0.075)
    assert oss.converses
    assert (whisper.context, whisper.converses) == (None, False)


def test_a_snapshot_in_columns_is_read() -> None:
    about, ((shelf, (row,)),) = read_models_dev(json.dumps(COLUMNS).encode())
    assert (about.source, shelf.title) == ("a snapshot", "Groq")
    assert (row.context, row.max_output, row.inputs, row.status) == (10, None, ("text", "pdf"), "beta")
    assert (row.tools, row.reasoning, row.cost.input) == (True, False, 0.5)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is no catalogue of https://models.dev"),
        (b"<html>", "is no catalogue"),
        (b"\xff\xfe", "is no catalogue"),
        (b"[]", "is no catalogue"),
        (b"{}", "not a single model"),
        (b'{"a": {"models": {}}}', "not a single model"),
        (b'{"a": {"models": {"m": {"id": 3}}}}', r"Expected `str`, got `int` - at `\$\[\.\.\.\]\.models"),
        (b'{"fields": ["id"], "providers": {"a": {"models": [[3]]}}}', "Expected `str`, got `int`"),
        (gzip.compress(json.dumps(API).encode())[:-20], "is cut short"),
        (b"\x1f\x8b\x08nonsense", "is damaged"),
    ],
)
def test_another_file_is_told_apart_in_one_line(data: bytes, why: str) -> None:
    with pytest.raises(NoCatalogueError, match=why) as caught:
        read_models_dev(data)
    assert "\n" not in str(caught.value)
