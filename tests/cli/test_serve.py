"""`dragoman serve` as a process: its greeting, its key, its log, the port that is taken, the signal that ends it."""

import json
import os
import re
import signal
import socket
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

COMMAND = Path(sysconfig.get_path("scripts")) / "dragoman"
DEMO = {"model": "demo/echo", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


def environment() -> dict[str, str]:
    names = ("PATH", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")
    return {**{name: os.environ[name] for name in names if name in os.environ}, "HOME": "/nowhere"}


class Served:
    """A running `dragoman serve`: where it is, and what it has said so far."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.said: list[str] = []
        self.url = ""

    def read_until(self, pattern: str) -> re.Match[str]:
        """Read what it says up to the line that matches. The test's time limit is the bound."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"it ended without saying {pattern}: {self.said}")


@contextmanager
def serving(*words: str) -> Iterator[Served]:
    process = subprocess.Popen([COMMAND, "serve", *words], stderr=subprocess.PIPE, text=True, env=environment())
    served = Served(process)
    try:
        yield served
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        if process.stderr is not None:
            served.said += process.stderr
            process.stderr.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_it_greets_serves_logs_and_ends() -> None:
    with serving("--port", "0") as served:
        url = served.read_until(r"listens on (http://127\.0\.0\.1:\d+)$")[1]
        greeting = served.read_until("/health$").string
        assert f"{url}/v1/models" in greeting
        assert httpx2.get(f"{url}/health").json()["status"] == "ok"
        reply = httpx2.post(f"{url}/v1/messages", json={**DEMO, "model": "demo/x\n00:00:00 200 forged\x1b[31m"})
        assert reply.status_code == 404
        line = served.read_until("req_").string
    assert served.process.returncode in (0, -signal.SIGTERM)
    assert re.match(r"\d\d:\d\d:\d\d 404  ", line)
    assert reply.headers["x-request-id"] in line
    assert "\x1b" not in line
    assert "not_found: `demo` has no model `x?00:00:00 200 forged?[31m`" in line
    assert served.said[-1].endswith("info: stopped\n")
    assert "Traceback" not in "".join(served.said)


def test_the_log_can_be_json() -> None:
    port = free_port()
    with serving("--port", str(port), "--log-json") as served:
        for _ in range(200):
            try:
                httpx2.post(f"http://127.0.0.1:{port}/v1/messages", json={**DEMO, "top_k": 1})
                break
            except httpx2.ConnectError:
                served.process.poll()
                assert served.process.returncode is None
        row = json.loads(served.read_until("req_").string)
    assert (row["event"], row["level"], row["status"], row["lane"]) == ("exchange", "info", 200, "model")
    assert all(json.loads(line) for line in served.said)


@pytest.mark.parametrize("words", [(), ("--log-json",)], ids=["text", "json"])
def test_whoever_listens_for_others_makes_a_key(words: tuple[str, ...]) -> None:
    port = free_port()
    with serving("--host", "0.0.0.0", "--port", str(port), *words) as served:
        key = served.read_until(r"key.*: (dgm-\S{20,})$")[1]
        url = f"http://127.0.0.1:{port}"
        if not words:
            assert (
                f"ANTHROPIC_BASE_URL={url} ANTHROPIC_AUTH_TOKEN={key} claude" in served.read_until("Claude Code").string
            )
            assert f"OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY={key}" in served.read_until("OpenAI SDKs").string
        for headers, status in (({}, 401), ({"x-api-key": f"{key}x"}, 401), ({"authorization": f"Bearer {key}"}, 200)):
            assert httpx2.post(f"{url}/v1/messages", json=DEMO, headers=headers).status_code == status
            assert httpx2.get(f"{url}/v1/models", headers=headers).status_code == status


@pytest.mark.parametrize("words", [("serve", "--host", "0.0.0.0"), ("server-openai",)])
def test_an_empty_key_opens_no_gateway(words: tuple[str, ...]) -> None:
    command = [str(COMMAND), *words, "--port", "0", "--key", ""]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=30, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("dragoman: --key: the server has an empty `key`\nhint: ")


def test_a_key_of_ones_own_is_not_printed() -> None:
    with serving("--host", "0.0.0.0", "--port", "0", "--key", "my-own-key-0123456789") as served:
        url = served.read_until(r"listens on http://0\.0\.0\.0:(\d+)$")[1]
        served.read_until("/health$")
        assert httpx2.get(f"http://127.0.0.1:{url}/v1/models").status_code == 401
        headers = {"x-api-key": "my-own-key-0123456789"}
        assert httpx2.get(f"http://127.0.0.1:{url}/v1/models", headers=headers).status_code == 200
    assert "my-own-key" not in "".join(served.said)


def test_a_refused_request_has_a_line_with_its_path_and_the_reason() -> None:
    with serving("--port", "0", "--key", "my-own-key-0123456789") as served:
        url = served.read_until(r"listens on (http://127\.0\.0\.1:\d+)$")[1]
        served.read_until("/health$")
        httpx2.get(f"{url}/v1/models")
        line = served.read_until("req_").string
        assert re.search(
            r" 401  /v1/models  \(openai-chat, refused\)  [\d.]+ ms  authentication: a key is needed", line
        )
        httpx2.post(f"{url}/v1/messages", content=b"{}", headers={"x-api-key": "my-own-key-0123456789"})
        assert " 400  - -> ?/?  (anthropic-messages" in served.read_until("req_").string


def test_replies_that_are_waited_for_are_told() -> None:
    with serving("--port", "0") as served:
        url = served.read_until(r"listens on (http://127\.0\.0\.1:\d+)$")[1]
        body = {**DEMO, "model": "demo/assistant", "stream": True, "max_tokens": 500}
        body["messages"] = [{"role": "user", "content": "eight words or more, slowly: one two three"}]
        with httpx2.stream("POST", f"{url}/v1/messages", json=body) as reply:
            pieces = reply.iter_raw()
            next(pieces)
            served.process.send_signal(signal.SIGTERM)
            served.read_until("waiting for 1 reply, at most 30 s")
            assert b"message_stop" in b"".join(pieces)


@pytest.mark.parametrize(
    ("host", "hint"),
    [("127.0.0.1", "stop what listens there"), ("nowhere.invalid", "--host"), ("192.0.2.1", "no such address")],
)
def test_where_one_cannot_listen_is_told(host: str, hint: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [COMMAND, "serve", "--host", host, "--port", port],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=environment(),
        )
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"dragoman: cannot listen on {host}:{port}: ")
    assert lines[1].startswith("hint: ")
    assert hint in lines[1]


def test_another_gateway_at_the_port_is_told() -> None:
    with serving("--port", "0") as served:
        port = served.read_until(r"listens on http://127\.0\.0\.1:(\d+)$")[1]
        served.read_until("/health$")
        words = [COMMAND, "serve", "--port", port]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, env=environment())
    assert done.returncode == 2
    assert re.search(r"^hint: dragoman \S+ listens there already: .*--port$", done.stderr, re.MULTILINE)
