"""deploy/cloudflare-container: its types, its bundle, and the gate in workerd, before a gateway in the container's place."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from shutil import which

import anthropic
import httpx2
import pytest

from tests.cli.test_serve import free_port
from tests.deploy.test_image import hold_a_tool_loop
from tests.gateway.test_drain import paused
from tests.support.exact_upstream import ExactUpstream
from tests.support.lanes import PATHS, Lane, read_until
from tests.support.node import NodeProject
from tests.support.process import serving

KEY = "a-key-for-this-run"
LANE = Lane("messages", "chat")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(which("npm") is None, reason="needs npm"),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> NodeProject:
    return NodeProject("deploy/cloudflare-container", tmp_path_factory.mktemp("container"))


@pytest.fixture(scope="module")
def worker(project: NodeProject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ExactUpstream]]:
    port = free_port()
    folder = tmp_path_factory.mktemp("gateway")
    with ExactUpstream() as upstream, serving(folder, upstream, {"keys": [KEY]}) as served:
        flags = {"--port": str(port), "--ip": "127.0.0.1", "--inspector-port": str(free_port())}
        variables = ("--var", f"PORT:{served.port}", "--var", f"PROXY_API_KEY:{KEY}")
        words = [word for flag in flags.items() for word in flag]
        process = project.start("wrangler", "dev", "--config", "test/wrangler.jsonc", *words, *variables)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(url)
            yield url, upstream
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 90
    while True:
        try:
            if httpx2.get(f"{url}/ping", timeout=5).text == "pong":
                return
        except httpx2.TransportError:
            pass
        assert time.monotonic() < deadline, "wrangler does not listen"
        time.sleep(0.2)


def test_it_is_typed_and_small(project: NodeProject) -> None:
    project.run("tsc")
    lines = [line for file in (project.path / "src").iterdir() for line in file.read_text().splitlines()]
    assert len(lines) < 100


def test_it_bundles(project: NodeProject) -> None:
    said = project.run("wrangler", "deploy", "--dry-run", "--containers-rollout=none")
    assert "env.GATEWAY (Gateway)" in said
    assert "--dry-run: exiting now." in said


def test_who_has_no_key_reaches_nothing(worker: tuple[str, ExactUpstream]) -> None:
    url, _ = worker
    for headers in ({}, {"x-api-key": "another"}, {"authorization": f"Basic {KEY}"}):
        with pytest.raises(anthropic.AuthenticationError):
            anthropic.Anthropic(base_url=url, api_key="another", max_retries=0).models.list()
        for path in ("/", "/health", "/container", "/v1/models"):
            assert httpx2.get(f"{url}{path}", headers=headers).status_code == 401
    for allowed in ({"x-api-key": KEY}, {"x-goog-api-key": KEY}, {"authorization": f"bearer {KEY}"}):
        assert httpx2.get(f"{url}/health", headers=allowed).json()["status"] == "ok"
    assert httpx2.get(f"{url}/container?key={KEY}").json() == {"status": "running"}


def test_a_streamed_tool_loop_goes_through(worker: tuple[str, ExactUpstream]) -> None:
    hold_a_tool_loop(worker[0], KEY)


def test_events_pass_as_they_come(worker: tuple[str, ExactUpstream]) -> None:
    url, upstream = worker
    gate = threading.Event()
    upstream.answers(paused(LANE, gate))
    connection = HTTPConnection(url.removeprefix("http://"), timeout=20)
    headers = {"content-type": "application/json", "x-api-key": KEY}
    connection.request("POST", PATHS[LANE.client], LANE.request(streams=True), headers)
    response = connection.getresponse()
    body = read_until(response, b"Hello")  # the end is still held back
    gate.set()
    assert LANE.says_hello(body + response.read())
    connection.close()
