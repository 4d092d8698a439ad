"""`dragoman check-config` says of every provider what it comes to, whatever its kind."""

from pathlib import Path
from typing import get_args

import pytest

from dragoman.cli.configuration import check
from dragoman.providers import discover
from dragoman.routing.registry import KeyState
from dragoman.settings import SettingsError, load
from dragoman.settings.records import ProviderKind

HTTP = 'protocol = "openai-chat"\nbase_url = "http://127.0.0.1:9/v1"\n'
LINES = {
    "http": (HTTP, "the client's own key is passed on"),
    "http, with a key": (HTTP + 'api_key = "sk-123"\n', "its key is configured"),
    "http, behind the gateway's own keys": (HTTP + '[server]\nkeys = ["sk-456"]\n', "no key configured"),
    "claude-agent": ('kind = "claude-agent"\n', "signed in by the CLI's own login"),
    "opencode-server": ('kind = "opencode-server"\n', "OpenCode's own logins and keys are used"),
    "opencode-server, with a password": (
        'kind = "opencode-server"\nbase_url = "http://127.0.0.1:4096"\napi_key = "sk-123"\n',
        "OpenCode's own logins and keys are used",
    ),
}


def summed_up(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> str:
    file = tmp_path / "dragoman.toml"
    file.write_text(text)
    check(load(str(file), {}), makes_key=False)
    said = capsys.readouterr().out
    assert said.endswith("ok\n")
    return said


@pytest.mark.parametrize(("text", "key"), LINES.values(), ids=LINES)
def test_every_kind_of_provider_is_summed_up_with_its_key(
    tmp_path: Path, text: str, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = summed_up(tmp_path, f"[providers.mine]\n{text}", capsys)
    line = next(line for line in said.splitlines() if line.startswith("provider mine: "))
    assert key in line
    assert "sk-" not in said


def test_no_kind_of_provider_is_left_out() -> None:
    assert {name.partition(",")[0] for name in LINES} == set(get_args(ProviderKind))
    assert len(get_args(KeyState)) == len({key for _, key in LINES.values()}) + 1, "and the demo's, which needs none"


@pytest.mark.parametrize("preset", sorted(discover()))
def test_every_preset_is_summed_up(tmp_path: Path, preset: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = summed_up(tmp_path, f'[providers.mine]\npreset = "{preset}"\n', capsys)
    assert "provider mine: " in said
    assert "provider demo: scripted" in said
    assert "; needs no key" in said


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("anthropic/claude-opus-4-8", 'to reach it, configure [providers.anthropic] with preset = "anthropic"'),
        ("nobody/x", "one of `demo`, `go`, `mine`, "),
        ("mne/fast", "did you mean `mine`?"),
        ("mine/fst", "did you mean `fast`?"),
        ("mine/qqqq", "`dragoman models` lists what there is"),
        ("qqqq", "`dragoman models` lists what there is"),
    ],
)
def test_an_alias_to_a_model_that_nobody_has_is_told_with_what_helps(
    tmp_path: Path, target: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f'[aliases]\n"x" = "{target}"\n[providers.mine]\n{HTTP}models = ["fast"]\n'
    with pytest.raises(SettingsError) as caught:
        summed_up(tmp_path, text, capsys)
    assert str(caught.value.hint).startswith(hint)
