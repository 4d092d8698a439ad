"""`dragoman doctor` as a user meets it: what holds, what does not, and what to do then."""

import json
import os
from pathlib import Path

import pytest

from dragoman.cli import doctor
from dragoman.connect.client import Connection, Places
from dragoman.connect.discovery import client_of
from tests.cli.test_cli import run
from tests.support.gateway import RunningGateway
from tests.support.opencode import own_configuration, stand_in_program

KEY = "sk-doctor-0123456789abcdef"
PROVIDER = (
    '[providers.chat]\nprotocol = "openai-chat"\nbase_url = "{url}"\napi_key = "{key}"\nmodels = ["demo/assistant"]\n'
)


def program(folder: Path, name: str, version: str) -> str:
    """Put a program on a PATH of its own that tells its version; return the PATH."""
    place = folder / name
    place.write_text(f"#!/bin/sh\necho {name} {version}\n")
    place.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_all_is_well_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text(f'[server]\nport = 0\nkeys = ["{KEY}"]\n')
    done = run("doctor", here=tmp_path, HOME=str(tmp_path))
    said = done.stdout.decode()
    assert done.returncode == 0, said
    assert "FAILED" not in said
    assert said.endswith("all is well\n")
    for title in ("Anthropic Messages", "OpenAI Chat", "OpenAI Responses", "Gemini generateContent"):
        assert f"ok     {title}" in said
    assert "refuses another key" in said
    assert KEY not in said


def test_a_client_is_checked_with_its_settings_model_and_version(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text(f'[server]\nport = 4999\nkeys = ["{KEY}"]\n')
    path = program(tmp_path, "codex", "0.170.0")
    run("connect", "codex", "--model", "demo/assistant", here=tmp_path, HOME=str(tmp_path))
    done = run("doctor", "codex", here=tmp_path, HOME=str(tmp_path), PATH=path)
    said = done.stdout.decode()
    assert done.returncode == 0, said
    assert "is installed: 0.170.0, tested with" in said
    assert "its model `demo/assistant` is known" in said
    assert "OpenAI Responses" in said
    assert "Gemini" not in said

    settings = tmp_path / ".codex/config.toml"
    settings.write_text(
        settings.read_text().replace("4999", "4998").replace(KEY, "sk-of-yesterday").replace("demo/a", "a")
    )
    done = run("doctor", "codex", here=tmp_path, HOME=str(tmp_path), PATH=path)
    said = done.stdout.decode()
    assert done.returncode == 1
    assert "`base_url` is `http://127.0.0.1:4998/v1`" in said
    assert "`experimental_bearer_token` is another key" in said
    assert "hint: dragoman connect codex" in said
    assert "the gateway answers 404" in said
    assert "2 failed" in said
    assert "sk-of-yesterday" not in said


@pytest.mark.parametrize(
    ("client", "connect"),
    [
        ("opencode", "dragoman connect opencode; `dragoman launch opencode` needs none of it"),
        ("codex", "dragoman connect codex --model NAME; `dragoman launch codex` needs none of it"),
        ("claude-desktop", "dragoman connect claude-desktop"),
        ("zed", "dragoman connect zed"),
    ],
)
def test_a_client_that_is_not_connected_is_told_so(tmp_path: Path, client: str, connect: str) -> None:
    """A list of settings that are not there reads as if programs were missing."""
    home = Places(tmp_path, {}, "linux")
    found = list(doctor._client(client_of(client), Connection("http://127.0.0.1:1", models=(doctor._PROBE,)), "", home))
    finding = next(finding for finding in found if finding.what.startswith("its settings lead here"))
    assert finding.problem == f"{client_of(client).title} is not connected yet"
    assert finding.hint == connect


def test_an_upstream_is_reached_or_told_with_its_key(tmp_path: Path) -> None:
    from dragoman.settings import Key, Secret, Server

    with RunningGateway(server=Server(port=0, keys=(Key(key=Secret(KEY)),))) as upstream:
        for url, key, problem in (
            (f"{upstream.url}/v1", KEY, ""),
            (f"{upstream.url}/v1", "sk-of-yesterday-0123", "it refuses the key with 401"),
            ("http://127.0.0.1:9/v1", KEY, "no connection to `http://127.0.0.1:9`: Connection refused"),
        ):
            written = "[server]\nport = 0\n" + PROVIDER.format(url=url, key=key)
            (tmp_path / "dragoman.toml").write_text(written)
            done = run("doctor", "aider", here=tmp_path, HOME=str(tmp_path))
            said = done.stdout.decode()
            assert problem in said
            assert (f"ok     {'provider chat':24}" in said) == (not problem), said
            assert key not in said


def test_the_gateway_that_runs_is_the_one_that_is_asked(tmp_path: Path) -> None:
    with RunningGateway() as gateway:
        (tmp_path / "dragoman.toml").write_text(f"[server]\nport = {gateway.port}\n")
        run("doctor", "gemini-cli", here=tmp_path, HOME=str(tmp_path))
        assert "gemini-generate" in {line.protocol for line in gateway.wait_for_lines(6)}


def test_the_claude_back_end_keeps_its_older_name() -> None:
    assert run("doctor", "claude", "--help").stdout.startswith(b"Usage: dragoman doctor claude")
    assert b"claude-agent" in run("doctor", "--help").stdout


def test_opencode_is_waited_for(tmp_path: Path) -> None:
    """The gateway that is started for the checks has none of its models yet."""
    slow = Path(stand_in_program(tmp_path))
    slow.rename(tmp_path / "quick")
    slow.write_text(f'#!/bin/sh\nsleep 1\nexec {tmp_path / "quick"} "$@"\n')
    slow.chmod(0o755)
    (tmp_path / "opencode.json").write_text(json.dumps(own_configuration({"openai-chat": "http://127.0.0.1:9/v1"})))
    written = '[server]\nport = 0\n[providers.oc]\nkind = "opencode-server"\n[opencode]\n'
    written += f'cli = "{slow}"\nconfig = "{tmp_path}/opencode.json"\n'
    (tmp_path / "dragoman.toml").write_text(written)
    said = run("doctor", "aider", here=tmp_path, HOME=str(tmp_path)).stdout.decode()
    assert "ok     OpenCode                 is ready: 1.18.33, with " in said, said

    (tmp_path / "dragoman.toml").write_text(written + "start_s = 0.2\n")
    said = run("doctor", "aider", here=tmp_path, HOME=str(tmp_path)).stdout.decode()
    assert "FAILED OpenCode                 is ready\n" in said
    assert "hint: `[opencode]` describes it" in said
