"""`dragoman launch`: a stand-in for the client tells what it was given, and asks the gateway that it was told of."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from dragoman.cli import launch
from dragoman.settings import Key, Secret, Server
from tests.cli.test_cli import COMMAND, refused, run
from tests.support.gateway import RunningGateway

KEY = "sk-launch-0123456789abcdef"
STAND_IN = """\
import json, os, sys, urllib.request
url = os.environ["ANTHROPIC_BASE_URL"]
body = {"model": "demo/assistant", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
headers = {"content-type": "application/json", "authorization": "Bearer " + os.environ["ANTHROPIC_AUTH_TOKEN"]}
request = urllib.request.Request(url + "/v1/messages", json.dumps(body).encode(), headers)
with urllib.request.urlopen(request, timeout=20) as reply:
    answer = json.load(reply)["content"][0]["text"]
settings = json.load(open(sys.argv[sys.argv.index("--settings") + 1]))
print(json.dumps({"url": url, "answer": answer, "words": sys.argv[1:], "settings": settings}))
"""


def stand_in(folder: Path, program: str, script: str) -> str:
    """Put a program of that name on a PATH of its own; return the PATH."""
    (folder / "script.py").write_text(script)
    place = folder / program
    place.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(folder / "script.py"))} "$@"\n')
    place.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def start(folder: Path, script: str, port: int, *words: str) -> "subprocess.Popen[str]":
    home = folder / "home"
    home.mkdir()
    (home / "dragoman.toml").write_text(f'[server]\nport = {port}\nkeys = ["{KEY}"]\n')
    kept = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    return subprocess.Popen(
        [COMMAND, "launch", "claude-code", "--model", "demo/assistant", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home,
        env={**kept, "HOME": str(home), "PATH": stand_in(folder, "claude", script), "ANTHROPIC_API_KEY": "another"},
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def is_open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_a_gateway_is_started_and_ends_with_the_client(tmp_path: Path) -> None:
    port = free_port()
    process = start(tmp_path, STAND_IN + "sys.exit(7)", port, "--", "-p", "two words")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 7, err
    told = msgspec.json.decode(out)
    assert told["url"] == f"http://127.0.0.1:{port}"
    assert "Hello" in told["answer"]
    assert told["words"][-4:] == ["--model", "demo/assistant", "-p", "two words"]
    assert told["settings"]["env"]["ANTHROPIC_AUTH_TOKEN"] == KEY
    assert KEY not in err + " ".join(told["words"])
    assert not is_open(port)
    written = {path.name for path in (tmp_path / "home").rglob("*") if path.is_file()}
    assert written == {"dragoman.toml", "launch.log"}
    log = next((tmp_path / "home").rglob("launch.log")).read_text()
    assert '"upstream_model":"assistant"' in log
    assert KEY not in log


def test_the_gateway_that_runs_is_used(tmp_path: Path) -> None:
    with RunningGateway(server=Server(port=0, keys=(Key(key=Secret(KEY)),))) as gateway:
        process = start(tmp_path, STAND_IN, gateway.port)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert msgspec.json.decode(out)["url"] == gateway.url
        assert "a gateway runs" not in err
        assert [line.status for line in gateway.wait_for_lines(1)] == [200]


def test_a_port_that_something_else_has_taken_is_passed_over(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.close()
    with RunningGateway() as stranger:
        stranger.app.pages["/"] = lambda _: (b"application/json", b'{"name": "another"}')
        process = start(tmp_path, STAND_IN, stranger.port)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert msgspec.json.decode(out)["url"] != stranger.url


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_goes_to_the_client_and_its_end_is_told(tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()
    process = start(tmp_path, "import time\nprint('ready', flush=True)\ntime.sleep(60)", port)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    try:
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 128 + number, err
    assert not is_open(port)


def test_a_signal_that_comes_before_the_client_is_passed_on_when_it_has_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    really = subprocess.Popen

    def late(command: Sequence[str], *, env: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        os.kill(os.getpid(), signal.SIGTERM)
        return really(command, env=env)

    monkeypatch.setattr(subprocess, "Popen", late)
    assert launch._run([sys.executable, "-c", "import time; time.sleep(60)"], os.environ) == 128 + signal.SIGTERM


def test_an_interrupt_is_the_clients_and_ends_nobody_else() -> None:
    script = "import os, signal; os.kill(os.getppid(), signal.SIGINT); os.kill(os.getpid(), signal.SIGINT)"
    assert launch._run([sys.executable, "-c", script], os.environ) in (1, 128 + signal.SIGINT)


def test_the_gateway_does_not_outlive_a_launcher_that_is_killed(tmp_path: Path) -> None:
    port = free_port()
    process = start(tmp_path, "import time\nprint('ready', flush=True)\ntime.sleep(5)", port)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.kill()
    process.wait(10)
    deadline = time.monotonic() + 5
    while is_open(port):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.communicate(timeout=30)


def test_what_cannot_be_launched_is_told_with_a_hint(tmp_path: Path) -> None:
    home = str(tmp_path)
    assert refused("launch", "zed", HOME=home)[1] == "hint: dragoman connect zed"
    assert "`cn` is not on the PATH" in refused("launch", "continue", HOME=home, PATH="/nowhere")[0]


def test_a_word_for_the_client_that_is_none_of_ours_is_told_where_it_belongs() -> None:
    assert refused("launch", "claude-code", "-p", "hi") == [
        "dragoman: No such option '-p'",
        "hint: words for the client itself stand behind `--`: `dragoman launch ... -- -p`",
    ]


@pytest.mark.parametrize("words", [("--key", KEY), ()])
def test_a_key_that_is_missing_is_told_before_the_client_asks(tmp_path: Path, words: Sequence[str]) -> None:
    home = tmp_path / "home"
    home.mkdir()
    path = stand_in(tmp_path, "claude", "print('ran')")
    with RunningGateway() as gateway:
        done = run("launch", "claude-code", *words, HOME=str(home), PATH=path, DRAGOMAN_SERVER_PORT=str(gateway.port))
    assert done.stdout == b"ran\n"
    assert (b"note: no key is configured, and none was given" in done.stderr) == (not words)
