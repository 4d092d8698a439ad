"""OpenCode comes and goes: it is started, killed, started again, ended; sessions and folders leave nothing behind."""

# ruff: noqa: ANN401 - JSON is anything

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import openai
import pytest

from dragoman.settings import Provider, Secret
from dragoman.upstreams.opencode_server.child import Child
from dragoman.upstreams.opencode_server.configuration import read_start
from tests.support.exact_chat import ExactChat
from tests.support.opencode import OpenCodeGateway, model_of
from tests.support.sdks import ask_chat, openai_client
from tests.support.upstream import RunningUpstream

MODEL = model_of("openai-chat")
LIMIT = 20.0
Make = Callable[..., Any]


def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def said(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def ask(gateway: OpenCodeGateway, text: str = "Hello?", *, streams: bool = True) -> str:
    with openai_client(gateway.url, timeout=60) as client:
        told = ask_chat(client, streams=streams, model=MODEL, messages=said(text))
    return told.reply.choices[0].message.content or ""


@pytest.fixture
def make(program: str, scripted: RunningUpstream, tmp_path: Path) -> Make:
    """Make a gateway of a test's own."""

    @contextmanager
    def made(**opencode: Any) -> Iterator[OpenCodeGateway]:
        upstreams = {"openai-chat": scripted.base_url}
        with OpenCodeGateway(opencode.pop("cli", program), upstreams, tmp_path, **opencode) as gateway:
            yield gateway

    return made


def test_eight_streams_at_once(gateway: OpenCodeGateway, upstream: RunningUpstream) -> None:
    texts = [f"number {number}, every 20 ms: write {40 + number} words" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda text: ask(gateway, text), texts))
    assert [len(answer.split()) for answer in answers] == [40 + number for number in range(8)]
    assert len(upstream.seen) == 8
    gateway.wait_until_idle()
    assert gateway.ask_opencode("/session") == []


def test_nothing_is_left_of_sessions_and_folders(gateway: OpenCodeGateway, exact: ExactChat) -> None:
    ask(gateway)
    for text in ("Hello?", "Think", "Fail with 500", "break off", "stay silent"):
        with openai_client(gateway.url) as client:
            for streams in (True, False):
                try:
                    ask_chat(client, streams=streams, model=MODEL, messages=said(text))
                except openai.APIError:
                    continue
    gateway.wait_until_idle()
    assert gateway.ask_opencode("/session") == []
    assert gateway.running.api._boxes == {}
    child = gateway.running.child
    assert child is not None
    assert len(list((child.folder / "tools").iterdir())) == len(gateway.running.toolsets)


def test_folders_of_tools_give_way(make: Make) -> None:
    with make(max_toolsets=2) as gateway:
        gateway.wait_until_ready()
        with openai_client(gateway.url) as client:
            for number in range(4):
                tool: Any = {
                    "type": "function",
                    "function": {"name": f"tool_{number}", "parameters": {"type": "object"}},
                }
                ask_chat(client, streams=True, model=MODEL, messages=said("Hello?"), tools=[tool])
        gateway.wait_until_idle()
        assert gateway.health()["toolsets"] == 2
        child = gateway.running.child
        assert child is not None
        assert len(list((child.folder / "tools").iterdir())) == 2


def test_a_client_that_leaves_ends_the_model_s_work(gateway: OpenCodeGateway, exact: ExactChat) -> None:
    exact.waits = True
    asked = {"model": "opencode/exact/assistant", "messages": said("Go"), "stream": True}
    with httpx2.stream("POST", f"{gateway.url}/v1/chat/completions", json=asked, timeout=20) as reply:
        next(reply.iter_bytes())
    assert exact.left.wait(LIMIT), "the call of the model goes on"
    gateway.wait_until_idle()
    assert gateway.ask_opencode("/session") == []


def test_a_client_that_leaves_before_anything_was_said(gateway: OpenCodeGateway, exact: ExactChat) -> None:
    exact.waits = True
    asked = {"model": "opencode/exact/assistant", "messages": said("Go")}
    with pytest.raises(httpx2.TimeoutException):
        httpx2.post(f"{gateway.url}/v1/chat/completions", json=asked, timeout=1.5)
    until(lambda: not gateway.app.running, "the exchange goes on")
    gateway.wait_until_idle()
    assert gateway.ask_opencode("/session") == []


def test_when_opencode_is_killed_running_replies_fail_and_the_next_ones_do_not(make: Make) -> None:
    with make() as gateway:
        gateway.wait_until_ready()
        first = gateway.pid
        with openai_client(gateway.url) as client:
            stream = client.chat.completions.create(
                model=MODEL, messages=said("every 100 ms: write 200 words"), stream=True
            )
            for _ in range(4):
                next(stream)
            os.kill(first, signal.SIGKILL)
            with pytest.raises(openai.APIError):
                list(stream)
        assert ask(gateway) == "Hello?", "whoever asks meanwhile waits until it is there again"
        assert gateway.pid != first
        assert gateway.health()["restarts"] == 1


def test_it_is_started_again_before_anybody_asks(make: Make) -> None:
    with make() as gateway:
        gateway.wait_until_ready()
        first = gateway.pid
        os.kill(first, signal.SIGKILL)
        until(lambda: gateway.health()["restarts"] == 1, "nobody noticed")
        gateway.wait_until_ready()
        assert gateway.pid != first
        assert not lives(first)


def test_it_ends_with_the_gateway_and_leaves_no_folder(make: Make) -> None:
    with make() as gateway:
        gateway.wait_until_ready()
        child = gateway.running.child
        assert child is not None
        pid, folder = gateway.pid, child.folder
        assert folder.exists()
    until(lambda: not lives(pid), "it lives on")
    assert not folder.exists()


def test_requests_wait_while_it_starts(make: Make, upstream: RunningUpstream) -> None:
    with make() as gateway:
        assert gateway.health()["state"] == "down"
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(lambda _: ask(gateway, streams=False), range(4))) == ["Hello?"] * 4
        assert gateway.health()["restarts"] == 0


def test_a_program_that_does_not_start_is_a_502_with_its_words(make: Make, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no such model of a machine\nexit 3\n")
    broken.chmod(0o755)
    with make(cli=str(broken)) as gateway, openai_client(gateway.url) as client:
        with pytest.raises(openai.InternalServerError, match="no such model of a machine") as caught:
            ask_chat(client, streams=True, model=MODEL, messages=said("Go"))
        assert caught.value.status_code == 502
        assert "no such model of a machine" in gateway.health()["problem"]


def test_another_server_is_used_as_it_runs(program: str, scripted: RunningUpstream, tmp_path: Path, make: Make) -> None:
    """With its password, and without ending it."""
    with make() as owner:
        owner.wait_until_ready()
        child = owner.running.child
        assert child is not None
        provider = Provider(kind="opencode-server", base_url=child.url, api_key=child.password)
        gateway = OpenCodeGateway(program, {}, tmp_path)
        gateway.settings = msgspec.structs.replace(gateway.settings, providers={"opencode": provider})
        with gateway:
            assert ask(gateway) == "Hello?"
            gateway.wait_until_idle()
        assert owner.ask_opencode("/session") == []
        assert lives(child.pid)
        wrong = msgspec.structs.replace(provider, api_key=Secret("wrong"))
        gateway = OpenCodeGateway(program, {}, tmp_path)
        gateway.settings = msgspec.structs.replace(gateway.settings, providers={"opencode": wrong})
        with gateway, openai_client(gateway.url) as client, pytest.raises(openai.APIError, match="password"):
            ask_chat(client, streams=True, model=MODEL, messages=said("Go"))


def test_a_server_without_our_plugin_is_not_used(make: Make) -> None:
    own = {"OPENCODE_CONFIG_CONTENT": Secret('{"provider": {}}')}
    with (
        make(environment=own) as gateway,
        openai_client(gateway.url, timeout=60) as client,
        pytest.raises(openai.InternalServerError, match="plugin"),
    ):
        ask_chat(client, streams=True, model=MODEL, messages=said("Go"))


def test_a_person_s_logins_are_there_too(make: Make, tmp_path: Path) -> None:
    logins = tmp_path / "auth.json"
    logins.write_text('{"somebody": {"type": "api", "key": "sk-of-a-login"}}')
    with make(auth=str(logins)) as gateway:
        assert ask(gateway) == "Hello?"
        assert "sk-of-a-login" not in httpx2.get(f"{gateway.url}/health").text


def test_its_log_and_folders_hold_no_words_of_a_conversation(gateway: OpenCodeGateway) -> None:
    secret = "a-word-that-is-nobody-s-business"
    ask(gateway, secret)
    gateway.wait_until_idle()
    child = gateway.running.child
    assert child is not None
    for file in child.folder.rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes(), file


@pytest.mark.parametrize("program", [pytest.param("real", marks=pytest.mark.slow)], indirect=True)
def test_it_ends_when_the_gateway_is_killed(program: str, tmp_path: Path) -> None:
    """Our plugin looks whether whoever started it is there."""
    script = (
        "import asyncio, sys, time\n"
        "from tests.gateway.opencode_server.test_lifecycle import spawn\n"
        "asyncio.run(spawn(sys.argv[1]))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    assert lives(pid)
    process.kill()
    process.wait()
    process.stdout.close()
    until(lambda: not lives(pid), "it lives on")


async def spawn(program: str) -> None:
    """Start OpenCode, say its process id, and wait to be killed."""
    from dragoman.settings import OpenCode, Settings

    settings = Settings(opencode=OpenCode(cli=program, config="", auth=""))
    child = await Child.spawn(read_start(settings, {"PATH": os.environ["PATH"]}), 60)
    async with httpx2.AsyncClient(auth=("opencode", child.password.reveal()), timeout=30) as client:
        await client.get(f"{child.url}/agent")
    print(child.pid, flush=True)
    await asyncio.sleep(600)


@pytest.mark.parametrize("program", ["stand-in"], indirect=True)
def test_another_version_is_not_used_unless_that_is_said(make: Make) -> None:
    other = {"STAND_IN_VERSION": Secret("1.99.0")}
    with (
        make(environment=other) as gateway,
        openai_client(gateway.url) as client,
        pytest.raises(openai.InternalServerError, match=r"1\.99\.0"),
    ):
        ask_chat(client, streams=True, model=MODEL, messages=said("Go"))
    with make(environment=other, any_version=True) as gateway:
        assert ask(gateway) == "Hello?"
