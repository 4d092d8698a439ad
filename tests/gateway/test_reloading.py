"""A gateway takes a new configuration while it runs, and keeps the old one when the new one is wrong."""

import os
import pty
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from tests.gateway.test_drain import paused
from tests.support.exact_upstream import ExactUpstream
from tests.support.lanes import Lane, asking, read_until
from tests.support.process import COMMAND, Served, serving

ALIAS = '\n[aliases]\n"new-name" = "demo/echo"\n'


def change(tmp_path: Path, text: str) -> None:
    file = tmp_path / "dragoman.toml"
    part = tmp_path / "part"
    part.write_text(file.read_text() + text)
    part.replace(file)  # as editors and ConfigMaps do


def wait_until_said(served: Served, pattern: str) -> str:
    deadline = time.monotonic() + 15
    while not (found := re.search(pattern, "".join(served.said))):
        assert time.monotonic() < deadline, served.said
        time.sleep(0.02)
    return found[0]


def status(served: Served, model: str = "new-name", key: str = "any") -> int:
    body = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    headers = {"x-api-key": key}
    return httpx2.post(
        f"http://127.0.0.1:{served.port}/v1/messages", json=body, headers=headers, timeout=15
    ).status_code


def signalled(served: Served) -> None:
    served.process.send_signal(signal.SIGHUP)


def left_alone(_: Served) -> None:
    """The file is looked at each second."""


@pytest.mark.parametrize("prompt", [signalled, left_alone])
def test_a_new_configuration_is_served(tmp_path: Path, prompt: Callable[[Served], None]) -> None:
    with ExactUpstream() as upstream, serving(tmp_path, upstream) as served:
        before = status(served)
        change(tmp_path, ALIAS)
        prompt(served)
        wait_until_said(served, "info: serving with the new configuration")
        assert (before, status(served)) == (500, 200)  # the upstream has no answer for it


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("\n[serve]\n", r"dragoman\.toml:\d+: there is no setting `serve`; hint: did you mean `server`\?"),
        ("\n[aliases\n", r"dragoman\.toml:\d+: not TOML"),
        ('\n[routes.default]\nto = "nobody/m"\n', r"dragoman\.toml:\d+: .*nobody"),
        ('\n[providers.mine]\nkind = "claude-agent"\n', r"providers that are programs take other settings only when"),
    ],
    ids=["unknown", "broken", "only the registry knows", "needs a restart"],
)
def test_a_wrong_one_is_not_and_the_log_says_why(tmp_path: Path, text: str, why: str) -> None:
    with ExactUpstream() as upstream, serving(tmp_path, upstream) as served:
        change(tmp_path, ALIAS)
        signalled(served)
        wait_until_said(served, "serving with the new")
        assert status(served) == 200
        (tmp_path / "dragoman.toml").write_text((tmp_path / "dragoman.toml").read_text() + text)
        signalled(served)
        wait_until_said(served, f"error: the configuration stays as it was: .*{why}")
        assert status(served) == 200


def test_what_needs_a_restart_is_named_and_waits(tmp_path: Path) -> None:
    with ExactUpstream() as upstream, serving(tmp_path, upstream, {"drain_s": 5}) as served:
        file = tmp_path / "dragoman.toml"
        file.write_text(file.read_text().replace("drain_s = 5", "drain_s = 6\nkeys = ['the-key']"))
        signalled(served)
        wait_until_said(served, "warning: `server.drain_s` takes effect when the gateway is started again")
        wait_until_said(served, "serving with the new")
        assert (status(served, "demo/echo"), status(served, "demo/echo", "the-key")) == (401, 200)


def test_what_runs_ends_as_it_began(tmp_path: Path) -> None:
    lane, gate = Lane("messages", "chat"), threading.Event()
    with ExactUpstream() as upstream, serving(tmp_path, upstream) as served:
        upstream.answers(paused(lane, gate))
        with asking(served.port, lane, streams=True) as connection:
            response = connection.getresponse()
            body = read_until(response, b"Hello")
            (tmp_path / "dragoman.toml").write_text("[server]\nport = 0\n")  # its provider is gone
            signalled(served)
            wait_until_said(served, "serving with the new")
            gate.set()
            assert lane.says_hello(body + response.read())
        assert httpx2.get(f"http://127.0.0.1:{served.port}/health").json()["requests"]["answered"] >= 1


def test_a_key_that_was_made_stays(tmp_path: Path) -> None:
    with ExactUpstream() as upstream, serving(tmp_path, upstream, {}, "--host", "0.0.0.0", "--port", "0") as served:
        key = wait_until_said(served, r"key made for this run.*: \S+").rpartition(" ")[2]
        port = int(wait_until_said(served, r"listens on http://0\.0\.0\.0:\d+").rpartition(":")[2])
        served.port = port
        change(tmp_path, ALIAS)
        signalled(served)
        wait_until_said(served, "serving with the new")
        assert (status(served), status(served, key=key)) == (401, 200)


def test_a_gateway_whose_terminal_is_closed_stops() -> None:
    """There SIGHUP means what it always meant, and nothing is left running unseen."""
    ours, theirs = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
    process = subprocess.Popen(
        ["setsid", "--ctty", COMMAND, "serve", "--port", "0"], stdin=theirs, stderr=subprocess.PIPE, env=environment
    )
    assert process.stderr is not None
    os.close(theirs)
    for line in process.stderr:
        if b"health" in line:
            break
    os.close(ours)
    assert process.wait(20) == 0
    assert b"stopped" in process.stderr.read()
    process.stderr.close()
