"""The composition root of the edge, on a stand-in for JavaScript."""

import asyncio
import json
import logging
import subprocess
import sys
import tomllib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import pytest

from dragoman.edge import Edge, build
from dragoman.engine.javascript import byte_text
from dragoman.engine.timers import LoopTimers, running
from dragoman.settings import SettingsError
from dragoman.upstreams.fetch import FetchUpstream
from tests.support.javascript import Request, Response, Signal, Stream, javascript
from tools.docs import ROOT

ASKED = {"model": "demo/echo", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}


def made(variables: Mapping[str, str]) -> object:
    return build(variables, FetchUpstream(javascript()))


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """Give the log back as it was: the edge takes it for itself."""
    log = logging.getLogger("dragoman")
    before = log.handlers[:], log.propagate, log.level
    yield
    log.handlers[:], log.propagate, log.level = before


async def asked(
    request: Request, variables: Mapping[str, str] = {}, fetch: Callable[..., Awaitable[object]] | None = None
) -> tuple[Response, "asyncio.Task[None]"]:
    """Return the response, and what goes on behind it."""
    tasks: list[asyncio.Task[None]] = []
    edge = Edge(javascript(fetch))
    return await edge.fetch(request, variables, tasks.append), tasks[0]


def post(**fields: Any) -> Request:  # noqa: ANN401 - any JSON
    return Request("POST", "/v1/messages?beta=true", json.dumps(ASKED | fields).encode())


def test_a_whole_reply_is_one_body() -> None:
    async def check() -> None:
        response, task = await asked(post())
        await task
        assert response.status == 200
        assert json.loads(response.body)["content"] == [{"type": "text", "text": "hello"}]
        assert response.headers["x-dragoman-provider"] == "demo"

    asyncio.run(check())


def test_a_stream_is_there_before_its_end_and_waits_for_its_reader() -> None:
    async def check() -> None:
        response, task = await asked(post(stream=True))
        stream = response.body
        assert isinstance(stream, Stream)
        first = await stream.read()
        assert first.startswith(b"event: message_start")
        await asyncio.sleep(0.05)
        assert not task.done()  # nobody reads on
        while not task.done():
            reading = asyncio.ensure_future(stream.read())
            await asyncio.wait((reading, task), return_when=asyncio.FIRST_COMPLETED)
            reading.cancel()
        assert stream.is_closed

    asyncio.run(check())


@pytest.mark.parametrize("how", ["stream", "signal"])
def test_a_client_that_leaves_ends_its_exchange(how: str) -> None:
    async def check() -> None:
        request = post(stream=True)
        response, task = await asked(request)
        await response.body.read()
        (response.body.cancel if how == "stream" else request.signal.abort)()
        await asyncio.wait_for(task, 5)
        assert not response.body.is_closed

    asyncio.run(check())


def test_a_client_that_leaves_before_the_reply_ends_the_call_and_leaves_nobody_waiting() -> None:
    called: list[Signal] = []

    async def check() -> None:
        arrived = asyncio.Event()

        async def never(_url: str, signal: Signal, **_options: object) -> None:
            called.append(signal)
            arrived.set()
            await asyncio.Event().wait()

        body = ASKED | {"model": "glm-5.3"}
        request = Request("POST", "/go/v1/messages", json.dumps(body).encode(), authorization="Bearer sk-of-the-client")
        asking = asyncio.ensure_future(asked(request, fetch=never))
        await asyncio.wait_for(arrived.wait(), 5)
        request.signal.abort()
        response, task = await asyncio.wait_for(asking, 5)
        await asyncio.wait_for(task, 5)
        assert response.status == 499
        assert called[0].is_aborted

    asyncio.run(check())


def test_each_timer_is_its_own_requests() -> None:
    async def check() -> None:
        _, task = await asked(post())
        await task
        timers = running()
        assert isinstance(timers, LoopTimers)
        called = asyncio.Event()
        timers.later(5, called.set).cancel()
        timers.later(0, called.set)
        await asyncio.wait_for(called.wait(), 5)

    asyncio.run(check())


def test_any_name_of_the_worker_is_its_own() -> None:
    async def check() -> None:
        response, task = await asked(Request("GET", "/ping"))
        await task
        assert (response.status, bytes(response.body)) == (200, b"pong")

    asyncio.run(check())


@pytest.mark.parametrize("kind", ["claude-agent", "opencode-server"])
def test_a_provider_that_is_a_program_is_refused_by_name(kind: str) -> None:
    with pytest.raises(SettingsError, match=f"`{kind}` is a program, and a Worker can start none"):
        made({"DRAGOMAN_PROVIDERS_MINE_KIND": kind})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("API_KEY", "sk-secret"),
        ("HEADERS", '{"Authorization": "Bearer sk-secret"}'),
        ("HEADERS", '{"x-title": "ours", "cf-access-client-secret": "sk-secret"}'),
    ],
)
def test_a_key_is_never_open_to_the_world(field: str, value: str) -> None:
    variables = {"DRAGOMAN_PROVIDERS_ZEN_PRESET": "opencode-zen", f"DRAGOMAN_PROVIDERS_ZEN_{field}": value}
    with pytest.raises(SettingsError, match="everybody could use this key") as caught:
        made(variables)
    assert "sk-secret" not in str(caught.value)
    made(variables | {"DRAGOMAN_SERVER_KEYS": "one-for-clients"})


def test_headers_that_are_no_keys_need_none_for_clients() -> None:
    headers = '{"HTTP-Referer": "https://example.com", "X-Title": "ours"}'
    made({"DRAGOMAN_PROVIDERS_ZEN_PRESET": "opencode-zen", "DRAGOMAN_PROVIDERS_ZEN_HEADERS": headers})


def test_wrong_settings_are_a_500_that_shows_none_of_them() -> None:
    async def check() -> None:
        response = await Edge(javascript()).fetch(post(), {"DRAGOMAN_SERVER_BODY": "sk-secret"}, lambda _task: None)
        assert response.status == 500
        assert "sk-secret" not in str(response.body)

    asyncio.run(check())


def test_a_header_is_its_bytes_whatever_the_runtime_reads_in_them() -> None:
    async def check() -> None:
        response, task = await asked(Request("GET", "/", origin="https://\N{SNOWMAN}.example"))
        await task
        assert response.status == 403

    asyncio.run(check())
    assert byte_text("\N{SNOWMAN}").encode("latin-1") == "\N{SNOWMAN}".encode()
    assert byte_text("\xe9").encode("latin-1") == b"\xe9"


def test_it_needs_nothing_that_pyodide_lacks() -> None:
    lacking = ("click", "httptools", "httpx2", "jsonschema", "ruamel", "tomlkit", "uvicorn", "uvloop")
    program = f"import sys, dragoman.edge; print([name for name in {lacking} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_pyodide_is_asked_for_msgspec_alone_and_for_the_locked_one() -> None:
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (only,) = (one for one in dependencies if "sys_platform != 'emscripten'" not in one)
    assert only.startswith("msgspec")
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    (locked,) = (one["version"] for one in packages if one["name"] == "msgspec")
    words = json.loads((ROOT / "deploy/cloudflare-edge/package.json").read_text())["scripts"]["modules"].split()
    assert f"msgspec=={locked}" in words
