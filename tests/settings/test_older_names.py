"""Whoever comes from another Claude proxy brings its variables along."""

from pathlib import Path

import pytest

from dragoman.settings import Key, Provider, Secret, SettingsError, load


def test_the_variables_of_other_claude_proxies_are_honoured(tmp_path: Path) -> None:
    settings = load(
        None,
        {
            "CLAUDE_PROXY_PASSTHROUGH": "1",
            "CLAUDE_PROXY_PORT": "4000",
            "CLAUDE_PROXY_HOST": "::1",
            "CLAUDE_PROXY_WORKDIR": "/srv",
            "CLAUDE_PROXY_MAX_CONCURRENT": "3",
            "CLAUDE_PROXY_IDLE_TIMEOUT_SECONDS": "0",
            "PROXY_API_KEY": "k",
        },
        here=tmp_path,
    )
    assert (settings.server.port, settings.server.host, settings.server.keys) == (4000, "::1", (Key(Secret("k")),))
    assert (settings.claude.workdir, settings.claude.max_live, settings.claude.idle_s) == ("/srv", 3, 600)
    assert settings.providers == {"claude": Provider(kind="claude-agent")}


def test_our_own_variables_win(tmp_path: Path) -> None:
    environ = {"CLAUDE_PROXY_PORT": "4000", "DRAGOMAN_SERVER_PORT": "5000", "CLAUDE_PROXY_HOST": ""}
    assert load(None, environ, here=tmp_path).server.port == 5000


def test_a_provider_of_the_kind_in_the_file_stays_the_only_one(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text('[providers.mine]\nkind = "claude-agent"\n')
    settings = load(None, {"CLAUDE_PROXY_PASSTHROUGH": "true"}, here=tmp_path)
    assert list(settings.providers) == ["mine"]


@pytest.mark.parametrize(
    ("word", "mode"),
    [("0", "internal"), ("false", "internal"), ("FALSE", "internal"), ("1", "passthrough"), ("", "passthrough")],
)
def test_who_runs_the_tools_can_be_chosen(tmp_path: Path, word: str, mode: str) -> None:
    settings = load(None, {"CLAUDE_PROXY_PASSTHROUGH": word, "CLAUDE_PROXY_WORKDIR": "/srv"}, here=tmp_path)
    assert (settings.claude.mode, settings.claude.workdir) == (mode, "/srv")


def test_what_is_no_number_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="CLAUDE_PROXY_PORT: `x` is no whole number"):
        load(None, {"CLAUDE_PROXY_PORT": "x"}, here=tmp_path)


def test_a_key_alone_configures_no_provider(tmp_path: Path) -> None:
    settings = load(None, {"PROXY_API_KEY": "k"}, here=tmp_path)
    assert settings.providers == {}
    assert settings.server.keys == (Key(Secret("k")),)
