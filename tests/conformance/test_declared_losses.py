"""Whatever is recorded as lost is declared, and whatever is declared can be recorded: docs/losses tells all, and no more."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import dragoman
from dragoman.codec import Codec, LossNote
from dragoman.engine.losses import LOSES as BY_ENGINE
from dragoman.protocols import discover
from dragoman.transforms.losses import LOSES as BY_TRANSFORMS
from dragoman.upstreams.claude_agent.losses import LOSES as BY_CLAUDE_AGENT
from dragoman.upstreams.opencode_server.losses import LOSES as BY_OPENCODE_SERVER

SOURCE = Path(dragoman.__file__).parent
CODECS = discover()
SHARED = {note.code for note in (*BY_ENGINE, *BY_TRANSFORMS)}
VERBS = frozenset({"dropped", "degraded", "emulated", "clamped", "repaired"})
codecs = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS.keys())


def package_of(codec: Codec) -> Path:
    return SOURCE / "protocols" / codec.encode_request.__module__.split(".")[2]


def nodes_in(folder: Path, *, without: str = "") -> Iterator[ast.AST]:
    for path in folder.rglob("*.py"):
        if path.name != without:
            yield from ast.walk(ast.parse(path.read_text()))


def recorded_in(folder: Path) -> set[str]:
    """Return the codes that are written out where something is recorded."""
    return {
        node.args[0].value
        for node in nodes_in(folder)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in VERBS
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


@codecs
def test_what_a_protocol_records_is_declared(codec: Codec) -> None:
    assert recorded_in(package_of(codec)) <= {note.code for note in codec.loses} | SHARED


@codecs
def test_what_a_protocol_declares_is_named_where_things_are_lost(codec: Codec) -> None:
    """By its code, or by the name of the note that records it."""
    package = package_of(codec)
    names = {
        node.value.args[0].value: node.target.id
        for node in nodes_in(package)
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(node.value, ast.Call)
        and node.value.args
        and isinstance(node.value.args[0], ast.Constant)
    }
    said = [*nodes_in(package, without="losses.py"), *nodes_in(SOURCE / "vendors")]
    used = {node.value for node in said if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    used |= {node.attr for node in said if isinstance(node, ast.Attribute)}
    used |= {node.id for node in said if isinstance(node, ast.Name)}
    assert [note.code for note in codec.loses if not {note.code, names.get(note.code)} & used] == []


def said_to_change_the_meaning(folder: Path) -> dict[str, set[bool]]:
    """Return of each code that is written out where something is recorded, whether `strict` refuses it there."""
    said: dict[str, set[bool]] = {}
    for node in nodes_in(folder):
        match node:
            case ast.Call(func=ast.Attribute(attr=verb), args=[ast.Constant(value=str(code)), *_]) if verb in VERBS:
                flags = [keyword.value for keyword in node.keywords if keyword.arg == "changes_meaning"]
                assert all(isinstance(flag, ast.Constant) for flag in flags), (
                    f"`{code}`: nobody can tell from its declaration"
                )
                said.setdefault(code, set()).add(bool(flags) and flags[0].value is True)  # type: ignore[attr-defined]
    return said


PLACES = {
    **{name: (package_of(codec), codec.loses) for name, codec in CODECS.items()},
    "claude_agent": (SOURCE / "upstreams/claude_agent", BY_CLAUDE_AGENT),
    "opencode_server": (SOURCE / "upstreams/opencode_server", BY_OPENCODE_SERVER),
    "transforms": (SOURCE / "transforms", BY_TRANSFORMS),
    "engine": (SOURCE / "engine", BY_ENGINE),
}


@pytest.mark.parametrize(("folder", "notes"), PLACES.values(), ids=PLACES.keys())
def test_what_strict_refuses_is_declared(folder: Path, notes: tuple[LossNote, ...]) -> None:
    """As it is said where something is recorded; what a table records is declared by the table itself."""
    declared = {note.code: {True, False} if note.not_always else {note.changes_meaning} for note in notes}
    said = said_to_change_the_meaning(folder)
    assert {code: flags for code, flags in said.items() if declared.get(code, {False}) != flags} == {}
    tables = {"openai_chat", "openai_responses"}
    told = {note.code for note in notes if note.changes_meaning and not note.code.startswith("reply_")}
    assert folder.name in tables or told <= said.keys()


@codecs
def test_each_code_of_a_protocol_is_declared_once(codec: Codec) -> None:
    declared = [note.code for note in codec.loses]
    assert sorted(set(declared)) == sorted(declared)


def test_what_everybody_else_records_is_declared() -> None:
    rooms = ("transforms", "engine", "wire", "routing", "server", "upstreams")
    declared = SHARED | {note.code for note in (*BY_CLAUDE_AGENT, *BY_OPENCODE_SERVER)}
    assert set().union(*(recorded_in(SOURCE / room) for room in rooms)) == declared
