"""What holds of every client that there is: found by being there, like the clients themselves."""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from dragoman.connect.changes import Changes, connecting, disconnecting
from dragoman.connect.client import Client, Connection, File, Model, Places
from dragoman.connect.discovery import client_of, names
from dragoman.connect.documents import open_document
from dragoman.connect.faults import ConnectError
from dragoman.connect.journal import Journal, state_folder
from dragoman.connect.showing import diff
from tests.connect.conftest import KEY

CLIENTS = [client_of(name) for name in names()]
WRITTEN = [client for client in CLIENTS if client.files is not None]
LAUNCHED = [client for client in CLIENTS if client.launch is not None]

OWN: Mapping[str, str] = {
    "jsonc": """{
  // what I like
  "theme": "dark", // at night
  "env": {"EDITOR": "vi", "ANTHROPIC_BASE_URL": "https://mine.example"},
  "deploymentMode": "1p", "agent": {"default_model": {"provider": "own", "model": "mine"}},
  "llm": {"model": "mine", "api_key": "sk-mine-0123456789abcdef"},
  "list": [1, 2,],
}
""",
    "toml": """# what I like
model = "mine" # for now

[history]
persistence = "none" # private

# another server
[model_providers.own]
name = "Own"
""",
    "yaml": """# what I like
name: Mine   # me
version: 0.0.1
schema: v1
model: mine
models:
  - name: Own
    provider: ollama   # local
    model: mine
  # more to come

# the rest
dark-mode: true
""",
    "dotenv": "# what I like\nEDITOR=vi # always\nexport GEMINI_API_KEY='mine-0123456789abcdef'\n",
    "whole": "// my own plugin\n",
}
"""Files of people who have settled in, by format."""


def by_name(clients: list[Client]) -> list[object]:
    return [pytest.param(client, id=client.name) for client in clients]


def files_of(client: Client, connection: Connection, places: Places) -> list[File]:
    assert client.files is not None
    return list(client.files(connection, places))


def settle(client: Client, connection: Connection, places: Places) -> dict[Path, bytes]:
    """Write the files of somebody who used the client before; return them."""
    found = {}
    for file in files_of(client, connection, places):
        file.place.parent.mkdir(parents=True, exist_ok=True)
        file.place.write_text(OWN[file.form])
        found[file.place] = file.place.read_bytes()
    return found


def journal_of(client: Client, places: Places) -> Journal:
    return Journal(state_folder(places.home, places.environ), client.name)


def connected(client: Client, connection: Connection, places: Places) -> Changes:
    changes = connecting(files_of(client, connection, places), journal_of(client, places))
    changes.commit()
    return changes


def undone(client: Client, places: Places) -> Changes:
    changes = disconnecting(journal_of(client, places))
    changes.commit()
    return changes


def tree(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def comments(text: str) -> Iterator[str]:
    return (found[0] for line in text.splitlines() if (found := re.search(r"(?://|#) .*", line)))


# --- written ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", by_name(WRITTEN))
@pytest.mark.parametrize("is_settled", [False, True])
def test_every_setting_can_be_read_back(
    client: Client, connection: Connection, places: Places, is_settled: bool
) -> None:
    if is_settled:
        settle(client, connection, places)
    files = files_of(client, connection, places)
    connected(client, connection, places)
    for file in files:
        document = open_document(file.form, file.place.read_text())
        assert {str(setting.path): document.get(setting.path) for setting in file.settings} == {
            str(setting.path): setting.value for setting in file.settings
        }


@pytest.mark.parametrize("client", by_name(WRITTEN))
def test_connecting_again_changes_nothing(client: Client, connection: Connection, places: Places) -> None:
    settle(client, connection, places)
    connected(client, connection, places)
    before = tree(places.home)
    again = connecting(files_of(client, connection, places), journal_of(client, places))
    assert again.are_none
    again.commit()
    assert tree(places.home) == before


@pytest.mark.parametrize("client", by_name(WRITTEN))
def test_undo_gives_the_same_bytes(client: Client, connection: Connection, places: Places) -> None:
    before = settle(client, connection, places)
    connected(client, connection, places)
    connected(client, replace(connection, url="http://127.0.0.1:5000", models=connection.models[1:]), places)
    undone(client, places)
    assert tree(places.home) == before


@pytest.mark.parametrize("client", by_name(WRITTEN))
def test_undo_leaves_nothing_where_nothing_was(client: Client, connection: Connection, places: Places) -> None:
    connected(client, connection, places)
    undone(client, places)
    assert tree(places.home) == {}
    assert disconnecting(journal_of(client, places)).files == []


@pytest.mark.parametrize("client", by_name(WRITTEN))
def test_nothing_of_the_users_is_lost(client: Client, connection: Connection, places: Places) -> None:
    before = settle(client, connection, places)
    connected(client, connection, places)
    for file in files_of(client, connection, places):
        if file.form == "whole":
            continue
        now = file.place.read_text()
        ours = {setting.path for setting in file.settings}
        for comment in comments(before[file.place].decode()):
            assert comment in now
        old, new = open_document(file.form, before[file.place].decode()), open_document(file.form, now)
        for path in _leaves(old.get(())) if file.form != "dotenv" else [("EDITOR",)]:
            if path not in ours:
                assert new.get(path) == old.get(path), path


def _leaves(value: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(value, dict):
        return [] if isinstance(value, list) else [path]
    return [leaf for name, inner in value.items() for leaf in _leaves(inner, (*path, name))]


@pytest.mark.parametrize("client", by_name(WRITTEN))
def test_undo_keeps_what_was_edited_since(client: Client, connection: Connection, places: Places) -> None:
    before = settle(client, connection, places)
    connected(client, connection, places)
    files = [file for file in files_of(client, connection, places) if file.form != "whole"]
    addition = {"jsonc": "// later\n", "toml": "# later\n", "yaml": "# later\n", "dotenv": "# later\n"}
    for file in files:
        document = open_document(file.form, file.place.read_text())
        document.put(("LATER",), "mine")
        document.put(file.settings[0].path, "changed since")
        file.place.write_text(document.text() + addition[file.form])
    changes = undone(client, places)
    assert {path for change in changes.files for path in change.kept} >= {file.settings[0].path for file in files}
    for file in files:
        text = file.place.read_text()
        document = open_document(file.form, text)
        assert "later" in text
        assert document.get(("LATER",)) == "mine"
        assert document.get(file.settings[0].path) == "changed since"
        old = open_document(file.form, before[file.place].decode())
        for setting in file.settings[1:]:
            assert document.get(setting.path) == old.get(setting.path), setting.path
        for comment in comments(before[file.place].decode()):
            assert comment in text


@pytest.mark.parametrize("client", by_name(WRITTEN))
def test_files_with_keys_are_for_their_owner_alone(client: Client, connection: Connection, places: Places) -> None:
    connected(client, connection, places)
    for path in tree(places.home):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


@pytest.mark.parametrize("client", by_name(WRITTEN))
def test_no_secret_is_shown(client: Client, connection: Connection, places: Places) -> None:
    settle(client, connection, places)
    changes = connecting(files_of(client, connection, places), journal_of(client, places))
    shown = "\n".join(
        line
        for change in changes.files
        for line in diff(
            str(change.place), (change.before or b"").decode(), (change.after or b"").decode(), change.secrets
        )
    )
    assert shown
    assert KEY not in shown
    assert "0123456789" not in shown


@pytest.mark.parametrize("client", by_name(WRITTEN))
def test_a_file_that_is_none_of_its_kind_is_left_as_it_is(
    client: Client, connection: Connection, places: Places
) -> None:
    settle(client, connection, places)
    files = [file for file in files_of(client, connection, places) if file.form not in ("whole", "dotenv")]
    files[-1].place.write_text('{ "a": [ 1 \n - b: }\n')
    before = tree(places.home)
    with pytest.raises(ConnectError, match=rf"{files[-1].place}.*: is not (JSON|TOML|YAML)"):
        connected(client, connection, places)
    assert tree(places.home) == before


def test_when_one_file_cannot_be_written_none_is(
    connection: Connection, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of("gemini-cli")
    before = settle(client, connection, places)
    last = files_of(client, connection, places)[-1].place
    true_replace = Path.replace

    def fails_at_last(self: Path, target: Path) -> Path:
        if Path(target).name == last.name:
            raise OSError(28, "No space left on device", str(target))
        return true_replace(self, target)

    monkeypatch.setattr(Path, "replace", fails_at_last)
    with pytest.raises(ConnectError, match="No space left"):
        connected(client, connection, places)
    assert {path: path.read_bytes() for path in before} == before
    assert not list(places.home.rglob(".*.json.*"))


def test_what_somebody_else_writes_meanwhile_is_not_overwritten(connection: Connection, places: Places) -> None:
    client = client_of("claude-code")
    settle(client, connection, places)
    changes = connecting(files_of(client, connection, places), journal_of(client, places))
    place = files_of(client, connection, places)[0].place
    place.write_text("{}")
    with pytest.raises(ConnectError, match="just been changed"):
        changes.commit()
    assert place.read_text() == "{}"


def test_a_link_stays_one_and_permissions_stay(connection: Connection, places: Places) -> None:
    client = client_of("codex")
    place = files_of(client, connection, places)[0].place
    kept = places.home / "dotfiles" / "codex.toml"
    kept.parent.mkdir(parents=True)
    place.parent.mkdir(parents=True)
    kept.write_text(OWN["toml"])
    kept.chmod(0o640)
    place.symlink_to(kept)
    connected(client, connection, places)
    assert place.is_symlink()
    assert b"dragoman" in kept.read_bytes()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o640
    undone(client, places)
    assert place.is_symlink()
    assert kept.read_text() == OWN["toml"]


def test_a_model_that_is_left_out_the_second_time_is_taken_back(connection: Connection, places: Places) -> None:
    client = client_of("opencode")
    connected(client, connection, places)
    connected(client, replace(connection, models=(Model("chat/m3", "M 3"),)), places)
    written = msgspec.json.decode(files_of(client, connection, places)[0].place.read_bytes())
    assert list(written["provider"]["dragoman"]["models"]) == ["chat/m3"]
    assert written["model"] == "dragoman/chat/m3"


def test_claude_code_is_told_the_window_of_its_model(connection: Connection, places: Places) -> None:
    """It takes one that it does not know to have a window of a million tokens."""
    client, name = client_of("claude-code"), "CLAUDE_CODE_MAX_CONTEXT_TOKENS"
    connected(client, replace(connection, has_choice=True), places)
    place = files_of(client, connection, places)[0].place
    assert msgspec.json.decode(place.read_bytes())["env"][name] == "200000"
    assert client.launch is not None
    assert client.launch(replace(connection, has_choice=True)).environment[name] == "200000"
    for unknown in (replace(connection, models=(Model("chat/m2", "M 2"),)), replace(connection, has_choice=False)):
        connected(client, unknown, places)
        assert name not in msgspec.json.decode(place.read_bytes())["env"]
        assert name not in client.launch(unknown).environment


def test_windows_line_ends_and_a_byte_order_mark_stay(connection: Connection, places: Places) -> None:
    client = client_of("claude-code")
    place = files_of(client, connection, places)[0].place
    place.parent.mkdir(parents=True)
    place.write_bytes(b'\xef\xbb\xbf{\r\n    "a": 1\r\n}\r\n')
    connected(client, connection, places)
    text = place.read_bytes()
    assert text.startswith(b"\xef\xbb\xbf{")
    assert text.count(b"\n") == text.count(b"\r\n") > 5
    assert b'\r\n    "env": {\r\n        "ANTHROPIC_BASE_URL"' in text


# --- told, and launched -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", by_name(CLIENTS))
def test_a_client_announces_itself(client: Client, connection: Connection) -> None:
    assert client.source.startswith("https://")
    assert client.files or any(connection.url in step for step in client.steps(connection))
    assert KEY not in "".join(client.steps(connection))
    assert (client.launch is None) or client.program


@pytest.mark.parametrize("client", by_name(LAUNCHED))
def test_a_launch_says_where_and_with_which_key_but_not_on_the_command_line(
    client: Client, connection: Connection
) -> None:
    assert client.launch is not None
    launch = client.launch(connection)
    told = " ".join((*launch.arguments, *launch.environment.values(), *launch.files.values()))
    assert connection.url in told
    assert KEY in told
    assert "chat/m1" in told
    assert KEY not in " ".join(launch.arguments)
    assert not set(launch.unset) & set(launch.environment)
    # A `dragoman` in the shell of an agent would take it for a setting that there is not.
    assert not [name for name in launch.environment if name.startswith("DRAGOMAN_")]
    assert all(os.sep not in name for name in launch.files)
