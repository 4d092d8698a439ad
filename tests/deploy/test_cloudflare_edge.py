"""deploy/cloudflare-edge: its bundle, and that very bundle in Pyodide under Node, beside the native server.

workerd cannot run Python here: it fetches its interpreter from a network that tests do not have. Node runs the same release of
Pyodide with the same `fetch`, `Request`, `Response` and streams; `test/harness.mjs` is the rest.
"""

import gzip
import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from shutil import which

import anthropic
import httpx2
import pytest

from tests.cli.test_serve import free_port
from tests.conformance.test_recordings import PAIRS
from tests.deploy.test_image import hold_a_tool_loop
from tests.gateway.test_drain import paused
from tests.support.exact_upstream import Answer, Asked, ExactUpstream, json_answer, silence, stream_answer
from tests.support.lanes import CLIENT_KEY, LANES, Lane, ask, asking, read_until
from tests.support.node import NodeProject
from tests.support.process import UPSTREAM_KEY, serving

LANE = Lane("messages", "chat")
LARGEST = 3_000_000
"""Bytes, packed: the most that Workers' free plan takes, 3 MB."""
BY_NAME = {
    "anthropic-messages": "messages",
    "gemini-generate": "gemini",
    "openai-chat": "chat",
    "openai-responses": "responses",
}
RUNTIME = {"accept", "accept-encoding", "accept-language", "connection", "host", "sec-fetch-mode", "user-agent"}
"""The headers that a transport adds of its own."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(which("npm") is None, reason="needs npm"),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> NodeProject:
    project = NodeProject("deploy/cloudflare-edge", tmp_path_factory.mktemp("edge"))
    project.run("npm", "run", "modules", home=os.environ["HOME"])
    return project


@pytest.fixture(scope="module")
def bundle(project: NodeProject) -> str:
    """Make the folder `out`, all that would be uploaded; return what wrangler says of it."""
    return project.run("wrangler", "deploy", "--dry-run", "--outdir", "out")


@contextmanager
def working(project: NodeProject, variables: Mapping[str, str] = {}, origins: Mapping[str, str] = {}) -> Iterator[str]:
    """Run the Worker while inside; return its URL."""
    port = free_port()
    options = json.dumps({"port": port, "vars": variables, "origins": origins})
    process = project.start("node", "test/harness.mjs", "out", options)
    try:
        url = f"http://127.0.0.1:{port}"
        answered(url)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def answered(url: str) -> None:
    """Wait until somebody answers there, whatever it is."""
    deadline = time.monotonic() + 90
    while True:
        try:
            httpx2.get(f"{url}/ping", timeout=20)
        except httpx2.TransportError:
            assert time.monotonic() < deadline, "the Worker does not listen"
            time.sleep(0.2)
        else:
            return


@dataclass(frozen=True, slots=True)
class Pair:
    """The Worker and the native server, both before one upstream and with the same settings."""

    upstream: ExactUpstream
    ports: tuple[int, int]


@pytest.fixture(scope="module")
def pair(project: NodeProject, bundle: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with (
        ExactUpstream() as upstream,
        serving(tmp_path_factory.mktemp("native"), upstream, {"keys": [CLIENT_KEY]}) as native,
    ):
        variables = {"DRAGOMAN_SERVER_KEYS": CLIENT_KEY}
        for name, protocol, url in (
            ("CHAT", "openai-chat", f"{upstream.url}/v1"),
            ("MESSAGES", "anthropic-messages", upstream.url),
            ("GEMINI", "gemini-generate", upstream.url),
            ("RESPONSES", "openai-responses", f"{upstream.url}/v1"),
        ):
            variables[f"DRAGOMAN_PROVIDERS_{name}_PROTOCOL"] = protocol
            variables[f"DRAGOMAN_PROVIDERS_{name}_BASE_URL"] = url
            variables[f"DRAGOMAN_PROVIDERS_{name}_API_KEY"] = UPSTREAM_KEY
        with working(project, variables) as edge:
            yield Pair(upstream, (native.port, int(edge.rpartition(":")[2])))


@pytest.fixture(scope="module")
def bare(project: NodeProject, bundle: str) -> Iterator[tuple[str, ExactUpstream]]:
    """The Worker without any setting; what it sends to OpenCode arrives at the upstream."""
    with ExactUpstream() as upstream, working(project, origins={"https://opencode.ai": upstream.url}) as url:
        yield url, upstream


def test_it_bundles_into_what_workers_take(bundle: str) -> None:
    assert "--dry-run: exiting now." in bundle
    packed = re.search(r"gzip: ([0-9.]+) KiB", bundle)
    assert packed
    assert float(packed[1]) * 1024 < LARGEST


def test_the_pyodide_of_the_tests_is_that_of_the_compatibility_date(project: NodeProject) -> None:
    """The workerd that wrangler brings knows the releases by their dates."""
    configuration = (project.path / "wrangler.jsonc").read_text()
    date = re.search(r'"compatibility_date": "([0-9-]+)"', configuration)
    version = json.loads((project.path / "node_modules/pyodide/package.json").read_text())["version"]
    (binary,) = (project.path / "node_modules/@cloudflare").glob("workerd-*/bin/workerd")
    assert date
    assert date[1] >= "2026-09-08"
    assert version.encode() + b"\0" in binary.read_bytes()
    assert f"Pyodide {version}" in configuration


def sent(pair: Pair, port: int, lane: Lane, answer: Answer, model: str, *, streams: bool) -> tuple[object, Asked]:
    """Return what the client got, and what the upstream was asked. What is random or a time of day stands as its place."""
    pair.upstream.answers(*[answer] * 4)  # it may be asked again
    headers = {"content-type": "application/json", "authorization": f"Bearer {CLIENT_KEY}"}
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    path = lane.path(streams=streams).replace("some-model", model)
    connection.request("POST", path, lane.request(streams=streams).replace(b"some-model", model.encode()), headers)
    response = connection.getresponse()
    rows = ((name.lower(), value) for name, value in response.getheaders())
    kept = sorted(row for row in rows if row[0].startswith(("content-t", "retry-", "x-d", "x-should-")))
    reply = (response.status, kept, settled(response.read()))
    connection.close()
    return reply, pair.upstream.wait()


def settled(body: bytes) -> bytes:
    """Return `body` with random ids numbered as they come, and times of day as 0."""
    seen: dict[bytes, bytes] = {}
    body = re.sub(rb"[0-9a-f]{24}", lambda found: seen.setdefault(found[0], b"<%d>" % len(seen)), body)
    return re.sub(rb'"(created|created_at|completed_at)":[0-9.]+', rb'"\1":0', body)


@pytest.mark.parametrize("client", ["messages", "chat", "gemini", "responses"])
@pytest.mark.parametrize(("codec", "stream"), PAIRS)
def test_a_recording_gives_the_same_bytes_as_natively(pair: Pair, client: str, codec: object, stream: Path) -> None:
    lane = Lane(client, BY_NAME[codec.name])  # type: ignore[attr-defined]
    data = stream.read_bytes()
    thirds = (data[: len(data) // 3], data[len(data) // 3 : len(data) // 2], data[len(data) // 2 :])
    whole = json_answer(stream.with_suffix(".json").read_bytes())
    for streams, answer in ((True, stream_answer(*thirds)), (False, whole)):
        # A model of its own: the native server learns from earlier replies how many tokens a request has.
        model = f"{stream.stem}-{client}-{streams}"
        native, edge = (sent(pair, port, lane, answer, model, streams=streams) for port in pair.ports)
        assert edge[0] == native[0]
        assert edge[1].path == native[1].path
        assert settled(edge[1].body) == settled(native[1].body)
        assert own(edge[1]) == own(native[1])


@pytest.mark.parametrize("lane", [LANE, Lane("chat", "chat")], ids=str)
@pytest.mark.parametrize("name", ["refused", "limited", "moved", "packed", "no JSON", "empty", "cut"])
def test_what_goes_wrong_at_an_upstream_is_told_as_natively(pair: Pair, lane: Lane, name: str) -> None:
    answer = {
        "refused": json_answer({"error": {"message": "no", "type": "invalid_request_error", "param": "tools"}}, 400),
        "limited": json_answer({"error": {"message": "no"}}, 429, {"retry-after": "700", "x-should-retry": "false"}),
        "moved": json_answer(b"", 302, {"location": "http://127.0.0.1:1/elsewhere"}),
        "packed": json_answer(gzip.compress(json.dumps(lane.whole).encode()), 200, {"content-encoding": "gzip"}),
        "no JSON": json_answer(b"<html>", 400, {"content-type": "text/html"}),
        "empty": json_answer(lane.silence),
        "cut": Answer((json_answer(lane.whole).pieces[0][:-9],), closes=True),
    }[name]
    native, edge = (
        sent(pair, port, lane, answer, f"{name[:2]}-{lane.client}", streams=False)[0] for port in pair.ports
    )
    assert without_reason(edge) == without_reason(native)


def without_reason(reply: object) -> str:
    """Return `reply` without a transport's own words about a cut."""
    return re.sub(r'(before the end of the body)[^"]*', r"\1", str(reply))


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/messages", b"{"),
        ("POST", "/v1/messages", b'{"model":"chat/m","max_tokens":"many","messages":[]}'),
        ("POST", "/v1/chat/completions", b'{"model":"nobody/knows","messages":[]}'),
        ("POST", "/v1/responses", b"\xff"),
        ("GET", "/v1/messages", b""),
        ("GET", "/nowhere?key=a%20b", b""),
        ("GET", "/v1/models", b""),
        ("GET", "/v1beta/models?pageSize=2", b""),
        ("POST", "/chat/v1/messages/count_tokens", b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'),
        ("GET", "/openapi.json", b""),
        ("OPTIONS", "/v1/messages", b""),
        ("HEAD", "/ping", b""),
    ],
)
def test_what_needs_no_upstream_is_answered_as_natively(pair: Pair, method: str, path: str, body: bytes) -> None:
    headers = {"content-type": "application/json", "x-api-key": CLIENT_KEY}
    replies = [
        httpx2.request(method, f"http://127.0.0.1:{port}{path}", content=body, headers=headers, timeout=20)
        for port in pair.ports
    ]
    native, edge = ((one.status_code, settled(one.content), plain(one.headers)) for one in replies)
    assert edge == native


def plain(headers: httpx2.Headers) -> dict[str, str]:
    """Return the headers that are not one server's own."""
    own = {"connection", "content-length", "date", "keep-alive", "transfer-encoding", "x-request-id"}
    return {name: value for name, value in headers.items() if name not in own}


def own(asked: Asked) -> dict[str, str]:
    """Return the headers of ours that an upstream got."""
    return {name: settled(value.encode()).decode() for name, value in asked.headers.items() if name not in RUNTIME}


@pytest.mark.parametrize("lane", LANES, ids=str)
def test_events_leave_as_they_come(pair: Pair, lane: Lane) -> None:
    gate = threading.Event()
    pair.upstream.answers(paused(lane, gate))
    with asking(pair.ports[1], lane, streams=True) as connection:
        response = connection.getresponse()
        body = read_until(response, b"Hello")  # the end is still held back
        assert not gate.is_set()
        gate.set()
        assert lane.says_hello(body + response.read())


def test_a_client_that_leaves_in_the_middle_ends_the_call(pair: Pair) -> None:
    pair.upstream.answers(stream_answer(LANE.start, LANE.content, stays=True))
    with asking(pair.ports[1], LANE, streams=True) as connection:
        read_until(connection.getresponse(), b"Hello")
        asked = pair.upstream.wait()
        assert not asked.left.is_set()
    assert asked.left.wait(5)


@pytest.mark.parametrize("streams", [True, False])
def test_a_client_that_leaves_before_the_reply_ends_the_call(pair: Pair, streams: bool) -> None:
    pair.upstream.answers(silence())
    with asking(pair.ports[1], LANE, streams=streams):
        asked = pair.upstream.wait()
        assert not asked.left.is_set()
    assert asked.left.wait(5)


def test_a_stream_that_breaks_off_ends_in_an_error(pair: Pair) -> None:
    pair.upstream.answers(stream_answer(LANE.start, LANE.content, is_cut=True))
    response, body = ask(pair.ports[1], LANE, streams=True)
    assert response.status == 200
    assert LANE.fails(body)


def test_silence_is_filled_with_signs_of_life(project: NodeProject, bundle: str) -> None:
    with ExactUpstream() as upstream:
        upstream.answers(stream_answer(LANE.start, LANE.content, stays=True), silence())
        variables = {"DRAGOMAN_SERVER_HEARTBEAT_S": "0.2"}
        with working(project, variables, {"https://opencode.ai": upstream.url}) as url:
            for _ in range(2):
                body = {
                    "model": "glm-5.3",
                    "max_tokens": 9,
                    "stream": True,
                    "messages": [{"role": "user", "content": "hi"}],
                }
                with httpx2.stream(
                    "POST", f"{url}/go/v1/messages", json=body, headers={"x-api-key": CLIENT_KEY}
                ) as reply:
                    lines = (line for line in reply.iter_lines() if line == "event: ping")
                    assert [next(lines), next(lines)] == ["event: ping"] * 2


def test_an_upstream_that_is_not_there_is_a_502(project: NodeProject, bundle: str) -> None:
    with working(project, origins={"https://opencode.ai": f"http://127.0.0.1:{free_port()}"}) as url:
        body = {"model": "glm-5.3", "messages": [{"role": "user", "content": "hi"}]}
        key = {"authorization": f"Bearer {CLIENT_KEY}"}
        response = httpx2.post(f"{url}/v1/chat/completions", json=body, headers=key, timeout=20)
        assert response.status_code == 502
        assert "no answer from `https://opencode.ai:443`" in response.json()["error"]["message"]


def test_who_has_no_key_is_not_let_in(pair: Pair) -> None:
    url = f"http://127.0.0.1:{pair.ports[1]}"
    with pytest.raises(anthropic.AuthenticationError):
        anthropic.Anthropic(base_url=url, api_key="another", max_retries=0).models.list()
    hold_a_tool_loop(url, CLIENT_KEY)


@pytest.mark.parametrize(("prefix", "place"), [("", "/zen/go"), ("/go", "/zen/go"), ("/zen", "/zen")])
def test_without_a_setting_a_prefix_is_a_provider_and_the_key_the_clients_own(
    bare: tuple[str, ExactUpstream], prefix: str, place: str
) -> None:
    url, upstream = bare
    for model, streams in (("glm-5.3", False), ("glm-5.3", True)):
        upstream.answers(LANE.good(streams=streams))
        body = {"model": model, "max_tokens": 9, "stream": streams, "messages": [{"role": "user", "content": "hi"}]}
        response = httpx2.post(f"{url}{prefix}/v1/messages", json=body, headers={"x-api-key": CLIENT_KEY}, timeout=20)
        assert response.status_code == 200
        assert "Hello" in response.text
        assert upstream.asked[0].path == f"{place}/v1/chat/completions"
        assert upstream.asked[0].headers["authorization"] == f"Bearer {CLIENT_KEY}"


def test_what_it_cannot_do_it_says(bare: tuple[str, ExactUpstream]) -> None:
    url, _ = bare
    form = {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": {"type": "object"}}}
    body = {"model": "demo/echo", "messages": [{"role": "user", "content": "hi"}], "response_format": form}
    response = httpx2.post(f"{url}/v1/chat/completions", json=body, headers={"x-dragoman-losses": "strict"}, timeout=20)
    assert response.status_code == 400
    assert "jsonschema" in response.json()["error"]["message"]


def test_wrong_settings_are_told_without_their_content(project: NodeProject, bundle: str) -> None:
    with working(project, {"DRAGOMAN_PROVIDERS_ZEN_API_KEY": UPSTREAM_KEY}) as url:
        response = httpx2.get(f"{url}/ping", timeout=20)
        assert response.status_code == 500
        assert UPSTREAM_KEY not in response.text
