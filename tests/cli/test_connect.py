"""`dragoman connect` as a user meets it."""

import json
from pathlib import Path

import pytest

from tests.cli.test_cli import refused, run
from tests.cli.test_doctor import program

KEY = "sk-connect-0123456789abcdef"


def test_connecting_shows_the_diff_writes_and_is_undone(tmp_path: Path) -> None:
    settings = tmp_path / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text('{\n  // mine\n  "theme": "dark"\n}\n')
    words = ("connect", "claude-code", "--model", "demo/assistant", "--key", KEY)

    shown = run(*words, "--dry-run", HOME=str(tmp_path)).stdout.decode()
    assert '+    "ANTHROPIC_BASE_URL": "http://127.0.0.1:4747",' in shown
    assert "nothing was written" in shown
    assert "ANTHROPIC" not in settings.read_text()

    done = run(*words, HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert KEY.encode() not in done.stdout + done.stderr
    assert "// mine" in settings.read_text()
    assert KEY in settings.read_text()
    assert b"nothing to change" in run(*words, HOME=str(tmp_path)).stdout

    undone = run("connect", "claude-code", "--undo", HOME=str(tmp_path))
    assert undone.returncode == 0
    assert KEY.encode() not in undone.stdout
    assert settings.read_text() == '{\n  // mine\n  "theme": "dark"\n}\n'
    assert b"nothing to undo" in run("connect", "claude-code", "--undo", HOME=str(tmp_path)).stdout


def test_what_is_written_in_place_of_a_key_hides_nothing_else(tmp_path: Path) -> None:
    shown = run("connect", "codex", "--model", "demo/assistant", HOME=str(tmp_path)).stdout.decode()
    assert '+model_provider = "dragoman"' in shown
    assert "+[model_providers.dragoman]" in shown
    undone = run("connect", "codex", "--undo", HOME=str(tmp_path)).stdout.decode()
    assert "-[model_providers.dragoman]" in undone


def test_address_and_key_come_from_the_gateways_own_configuration(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text(f'[server]\nhost = "0.0.0.0"\nport = 5151\nkeys = ["{KEY}"]\n')
    run("connect", "opencode", "--model", "demo/assistant", here=tmp_path, HOME=str(tmp_path))
    written = json.loads((tmp_path / ".config/opencode/opencode.json").read_text())
    assert written["provider"]["dragoman"]["options"] == {"baseURL": "http://127.0.0.1:5151/v1", "apiKey": KEY}
    assert (tmp_path / ".config/opencode/plugin/dragoman.js").is_file()


def test_more_models_than_a_menu_should_have_are_told(tmp_path: Path) -> None:
    models = ", ".join(f'"m{number}"' for number in range(103))
    provider = f'[providers.chat]\nprotocol = "openai-chat"\nbase_url = "http://127.0.0.1:9/v1"\nmodels = [{models}]\n'
    (tmp_path / "dragoman.toml").write_text(provider)
    done = run("connect", "opencode", here=tmp_path, HOME=str(tmp_path))
    assert b"note: 3 more models are offered than were listed" in done.stdout
    written = json.loads((tmp_path / ".config/opencode/opencode.json").read_text())
    assert len(written["provider"]["dragoman"]["models"]) == 100
    assert "model" not in written


def test_a_key_may_come_from_the_environment(tmp_path: Path) -> None:
    words = ("connect", "codex", "--model", "demo/assistant", "--key", "env:MY_OWN_KEY")
    assert refused(*words, HOME=str(tmp_path)) == [
        "dragoman: --key: the client takes `key` from the environment variable `MY_OWN_KEY`, which is not set",
        "hint: export MY_OWN_KEY=..., or write the value itself",
    ]
    run(*words, HOME=str(tmp_path), MY_OWN_KEY=KEY)
    assert KEY in (tmp_path / ".codex/config.toml").read_text()


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("", "has an empty `key`"),
        ("  ", "has an empty `key`"),
        ("sk-abc\n", "has white space around its `key`"),
    ],
)
def test_a_key_that_no_configuration_may_have_is_refused(tmp_path: Path, key: str, told: str) -> None:
    """An empty one became the word that stands for no key, and was written."""
    for words in (
        ("connect", "codex", "--model", "demo/assistant", "--key", key),
        ("launch", "aider", "--model", "demo/assistant", "--key", key),
    ):
        lines = refused(*words, HOME=str(tmp_path), PATH=program(tmp_path, "aider", "1"))
        assert lines[0] == f"dragoman: --key: the client {told}"
    assert not (tmp_path / ".codex").exists()


def test_without_a_client_all_of_them_are_listed() -> None:
    listed = run("connect").stdout.decode()
    for name in (
        "aider",
        "claude-code",
        "claude-desktop",
        "codex",
        "continue",
        "cursor",
        "gemini-cli",
        "opencode",
        "zed",
    ):
        assert f"{name} " in listed


def test_a_client_with_a_settings_screen_alone_gets_values_to_paste() -> None:
    told = run("connect", "cursor", "--model", "demo/assistant").stdout.decode()
    assert "Override OpenAI Base URL: http://127.0.0.1:4747/v1" in told
    assert "Add Custom Model: demo/assistant" in told


def test_what_cannot_be_is_told_with_a_hint(tmp_path: Path) -> None:
    assert "did you mean `codex`?" in refused("connect", "codec")[0]
    assert refused("connect", "codex", HOME=str(tmp_path)) == [
        "dragoman: --model: Codex CLI has to be told a model",
        "hint: `--model NAME`; `dragoman models` lists what there is",
    ]
    assert "demo/assistant" in refused("connect", "codex", "--model", "demo/asistant", HOME=str(tmp_path))[1]
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex/config.toml").write_text("model = \n")
    problem, hint = refused("connect", "codex", "--model", "demo/assistant", HOME=str(tmp_path))
    assert "config.toml:1: is not TOML" in problem
    assert "nothing was changed" in hint
