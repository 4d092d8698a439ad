"""Files edited in place: whatever stands in them, a value goes in and comes out again, and nothing else moves."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.connect.client import Setting
from dragoman.connect.documents import MISSING, DocumentError, Format, Item, Path, open_document
from dragoman.connect.editing import apply, undo

NAMES = st.sampled_from(["a", "b", "c-d", "e f", "x/y", "true", "1", "ünïcode"])
SCALARS = st.one_of(st.booleans(), st.integers(-999, 999), st.text("ab \"'\\#:/{}[],é", max_size=12))
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3))
TABLES = st.recursive(
    st.dictionaries(NAMES, VALUES, max_size=3),
    lambda inner: st.dictionaries(NAMES, inner | VALUES, max_size=3),
    max_leaves=6,
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(tuple)
STRUCTURED: tuple[Format, ...] = ("jsonc", "toml", "yaml")


def written(form: str, table: Mapping[str, Any], *, in_lines: bool) -> str:
    """Write a table as a person might, with a comment in front of every line that can have one."""
    import tomlkit
    from ruamel.yaml import YAML

    match form:
        case "jsonc":
            text = json.dumps(table, indent=2 if in_lines else None, ensure_ascii=False)
            return "\n".join(line if line[-1] in "[{" else f"{line} // note" for line in text.split("\n")) + "\n"
        case "toml":
            return "# note\n" + tomlkit.dumps(table)
        case _:
            import io

            out = io.StringIO()
            yaml = YAML(typ="safe", pure=True)
            yaml.default_flow_style = None if not in_lines else False
            yaml.allow_unicode = True
            yaml.dump(dict(table), out)
            return "# note\n" + out.getvalue()


def leaves(value: object, path: Path = ()) -> dict[Path, Any]:
    if not isinstance(value, dict) or not value:
        return {tuple(path): value}
    return {leaf: inner for name, part in value.items() for leaf, inner in leaves(part, (*path, name)).items()}


@pytest.mark.parametrize("form", STRUCTURED)
@given(table=TABLES, path=PATHS, value=VALUES, in_lines=st.booleans())
def test_a_value_goes_in_and_nothing_else_moves(
    form: Format, table: dict[str, Any], path: Path, value: object, in_lines: bool
) -> None:
    text = written(form, table, in_lines=in_lines)
    try:
        after, entries = apply(form, text, [Setting(path, value)])
    except DocumentError:
        return  # a value stands where a table has to be
    document = open_document(form, after)
    assert document.get(path) == value
    for leaf, before in leaves(table).items():
        if leaf and leaf != path[: len(leaf)] and path != leaf[: len(path)]:
            assert document.get(leaf) == before
    assert apply(form, after, [Setting(path, value)])[0] == after
    back = undo(form, after, entries).text
    if not path_is_in(table, path):  # comments inside of a value that is replaced go with it
        assert text.count("note") == after.count("note") == back.count("note")
    undone = open_document(form, back)
    for leaf, before in leaves(table).items():
        if leaf:
            assert undone.get(leaf) == before
    if not path_is_in(table, path):
        assert undone.get(path) is MISSING


def path_is_in(table: object, path: Path) -> bool:
    for part in path:
        if not isinstance(table, dict) or part not in table:
            return False
        table = table[part]
    return True


@given(text=st.text('{}[]",:/* \n1atruefalsnl\\', max_size=40))
def test_any_text_is_an_object_or_a_fault(text: str) -> None:
    try:
        value = open_document("jsonc", text).get(())
    except DocumentError:
        return
    assert isinstance(value, dict)


@given(value=TABLES)
def test_what_is_json_is_read_as_json(value: dict[str, Any]) -> None:
    text = json.dumps(value, indent=1)
    assert open_document("jsonc", text).get(()) == msgspec.json.decode(text)


@pytest.mark.parametrize("form", ["jsonc", "yaml"])
def test_an_item_of_a_list_goes_in_and_out(form: Format) -> None:
    before = {
        "jsonc": '{\n  "models": [\n    {"name": "own"} // mine\n  ]\n}\n',
        "yaml": "models:\n  - name: own # mine\n    x: 1\n# the end\n",
    }[form]
    path = ("models", Item("name", "ours"))
    after, entries = apply(form, before, [Setting((*path, "model"), "m"), Setting((*path, "url"), "http://x")])
    document = open_document(form, after)
    assert document.get(("models",))[1] == {"name": "ours", "model": "m", "url": "http://x"}  # type: ignore[index]
    assert "mine" in after
    assert undo(form, after, entries).text == before


@pytest.mark.parametrize(
    ("form", "text", "line"),
    [
        ("jsonc", '{\n  "a": 1,,\n}', 2),
        ("jsonc", "[1]", None),
        ("jsonc", '{"a": tru}', 1),
        ("jsonc", '{"a": 1', 1),
        ("jsonc", "{" * 100_000, None),
        ("toml", "a = \n", 1),
        ("yaml", "a: [1\nb: 2\n", 2),
        ("yaml", "- a\n", None),
        ("yaml", "a: 1\n---\nb: 2\n", 2),
    ],
)
def test_what_cannot_be_edited_is_told_with_its_line(form: Format, text: str, line: int | None) -> None:
    with pytest.raises(DocumentError) as caught:
        open_document(form, text)
    if line is not None:
        assert caught.value.line == line
