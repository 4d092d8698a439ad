"""When something fails: a real error in the client's dialect, no process left behind, and the next request works."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import anthropic
import msgspec
import openai
import pytest

from dragoman.engine.ports import Timeouts
from dragoman.settings import Claude, Secret
from dragoman.upstreams.claude_agent.process import Process
from tests.support.claude import MODEL, SYSTEM, TOOLS, ClaudeGateway, running_children
from tests.support.claude_words import said_by_client
from tests.support.exact_upstream import Answer, ExactUpstream, json_answer, silence, stream_answer
from tests.support.sdks import anthropic_client, ask_chat, ask_messages, openai_client

pytestmark = pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")

START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant",'
    b'"model":"x","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":1}}}\n\n'
)
WORDS = (
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Well"}}\n\n'
)
END = (
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},'
    b'"usage":{"output_tokens":2}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
WELL = stream_answer(START + WORDS + END)
HELLO: list[dict[str, Any]] = [{"role": "user", "content": "Hello?"}]


def error(kind: str, message: str, status: int) -> Answer:
    return json_answer({"type": "error", "error": {"type": kind, "message": message}}, status)


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def narrow(gateway: ClaudeGateway, monkeypatch: pytest.MonkeyPatch, **limits: Any) -> None:  # noqa: ANN401 - settings
    """Empty the house of a gateway that others use, too, and let it have other limits for the time of a test."""
    for pid in gateway.pids:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not gateway.pids, "they still live")
    monkeypatch.setattr(gateway.agent.house, "_limits", Claude(**limits))


def ask(gateway: ClaudeGateway, words: str = "Hello?") -> str:
    with anthropic_client(gateway.url) as client:
        told = ask_messages(client, streams=True, messages=[{"role": "user", "content": words}], model=MODEL)
        return "".join(block.text for block in told.reply.content if block.type == "text")


def processes_of(gateway: ClaudeGateway) -> int:
    """Count those of its CLI that the kernel knows of; all that tells them from others is their environment."""
    found = 0
    for pid in running_children(os.getpid()):
        with suppress(OSError):
            found += f"CLAUDE_CONFIG_DIR={gateway.home}/".encode() in Path(f"/proc/{pid}/environ").read_bytes()
    return found


def idle_processes(gateway: ClaudeGateway) -> int:
    """Count those that wait to be told something."""
    counts = gateway.agent.house.counts
    return counts.idle + counts.spare + counts.starting


@pytest.fixture(autouse=True)
def _nothing_is_left(exact_gateway: ClaudeGateway) -> Iterator[None]:
    """Whatever a test does: nothing stays a zombie, and nobody stays busy."""
    yield
    wait_until(lambda: exact_gateway.agent.house.counts.busy == 0, "somebody is still busy")
    wait_until(lambda: "Z" not in running_children(os.getpid()).values(), "there are zombies")
    wait_until(
        lambda: processes_of(exact_gateway) == idle_processes(exact_gateway), "there are processes that nobody knows of"
    )


ERRORS = [
    ("authentication_error", "invalid x-api-key", 401, "/login"),
    ("billing_error", "no credit", 402, "no credit"),
    ("rate_limit_error", "slow down", 429, "slow down"),
    ("api_error", "broke", 500, "broke"),
    ("overloaded_error", "busy", 529, "busy"),
    ("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", 400, "too long"),
]


def test_an_error_of_the_upstream_is_one_for_the_client(exact_gateway: ClaudeGateway, exact: ExactUpstream) -> None:
    exact.answers(*(error(kind, message, status) for kind, message, status, _ in ERRORS), WELL)
    for number, (kind, _, status, words) in enumerate(ERRORS):
        with pytest.raises(anthropic.APIStatusError, match=words) as caught:
            ask(exact_gateway)
        assert caught.value.status_code == status
        assert caught.value.body["error"]["type"] == kind  # type: ignore[index]
        assert len(exact.asked) == number + 1, "nothing is tried again behind the client's back"
    assert ask(exact_gateway) == "Well"


def test_a_limit_of_the_plan_says_when_it_ends(exact: ExactUpstream, tmp_path: Path) -> None:
    """The CLI tells of it only when it is signed in with a plan."""
    limits = {"status": "rejected", "reset": str(int(time.time()) + 300), "representative-claim": "five_hour"}
    refused = {"type": "error", "error": {"type": "rate_limit_error", "message": "no more"}}
    headers = {f"anthropic-ratelimit-unified-{name}": value for name, value in limits.items()}
    exact.answers(json_answer(refused, 429, headers))
    gateway = ClaudeGateway(exact.url, tmp_path, api_key=None, oauth_token=Secret("sk-ant-oat01-none"), spares=0)
    with gateway, pytest.raises(anthropic.RateLimitError, match="limit") as caught:
        ask(gateway)
    assert exact.asked[0].headers["authorization"] == "Bearer sk-ant-oat01-none"
    assert "x-api-key" not in exact.asked[0].headers
    assert 280 <= int(caught.value.response.headers["retry-after"]) <= 300


def test_an_error_in_the_dialect_of_chat(exact_gateway: ClaudeGateway, exact: ExactUpstream) -> None:
    exact.answers(error("rate_limit_error", "slow down", 429))
    with openai_client(exact_gateway.url) as client, pytest.raises(openai.RateLimitError, match="slow down"):
        ask_chat(client, streams=True, model=MODEL)


def test_a_stream_that_breaks_off_never_looks_finished(exact_gateway: ClaudeGateway, exact: ExactUpstream) -> None:
    busy = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n'
    before, within = stream_answer(START, is_cut=True), stream_answer(START + WORDS, is_cut=True)
    exact.answers(before, within, stream_answer(START + WORDS + busy), WELL)
    for number in range(3):
        with pytest.raises(anthropic.APIError):
            ask(exact_gateway)
        assert len(exact.asked) == number + 1
    assert ask(exact_gateway) == "Well"


def test_a_reply_that_is_cut_by_its_limit_is_not_gone_on_with(
    exact_gateway: ClaudeGateway, exact: ExactUpstream
) -> None:
    exact.answers(stream_answer(START + WORDS + END.replace(b"end_turn", b"max_tokens")), silence())
    with anthropic_client(exact_gateway.url) as client:
        told = ask_messages(client, streams=True, messages=HELLO, model=MODEL)
        assert told.reply.stop_reason == "max_tokens"
        wait_until(lambda: processes_of(exact_gateway) == idle_processes(exact_gateway), "its process still runs")
        # The CLI is faster now and then; what it asks unbidden is broken off.
        assert all(asked.left.wait(10) for asked in exact.asked[1:])
        exact.answers(WELL)
        said = [*HELLO, {"role": "assistant", "content": "Well"}, {"role": "user", "content": "Go on."}]
        ask_messages(client, streams=True, messages=said, model=MODEL)
    assert len(exact.asked) == 1
    assert said_by_client(exact.last) == said_by_client({"messages": said})


@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_the_cli_is_killed(exact_gateway: ClaudeGateway, exact: ExactUpstream, moment: str) -> None:
    def kill() -> None:
        for pid in exact_gateway.pids if moment == "after" else exact_gateway.busy:
            os.kill(pid, signal.SIGKILL)

    if moment == "after":
        exact.answers(WELL, WELL)
        assert ask(exact_gateway) == "Well"
        kill()
        wait_until(lambda: not exact_gateway.pids, "nobody has noticed")
        with anthropic_client(exact_gateway.url) as client:
            said = [*HELLO, {"role": "assistant", "content": "Well"}, {"role": "user", "content": "Are you there?"}]
            ask_messages(client, streams=True, messages=said, model=MODEL)
        assert [message["role"] for message in exact.last["messages"]] == ["user", "assistant", "user"]
        return
    exact.answers(silence() if moment == "before" else stream_answer(START + WORDS, stays=True), WELL)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask, exact_gateway)
        exact.wait()
        if moment == "during":
            time.sleep(0.3)
        kill()
        with pytest.raises(anthropic.APIError) as caught:
            asking.result(20)
    assert "exit status -9" in str(caught.value)
    if moment == "before":
        assert isinstance(caught.value, anthropic.APIStatusError)
        assert caught.value.status_code == 502
    assert ask(exact_gateway) == "Well"


def test_a_process_that_ends_unnoticed_before_a_follow_up_costs_nothing(
    exact_gateway: ClaudeGateway, exact: ExactUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look whether it lives and its next line there is always a moment."""
    exact.answers(WELL, WELL)
    assert ask(exact_gateway) == "Well"
    write = Process.write

    def die_first(process: Process, line: bytes) -> None:
        if b"Are you there?" in line:
            monkeypatch.undo()
            os.kill(process.pid, signal.SIGKILL)
        write(process, line)

    monkeypatch.setattr(Process, "write", die_first)
    said = [*HELLO, {"role": "assistant", "content": "Well"}, {"role": "user", "content": "Are you there?"}]
    with anthropic_client(exact_gateway.url) as client:
        told = ask_messages(client, streams=True, messages=said, model=MODEL)
    assert told.reply.stop_reason == "end_turn"
    assert len(exact.asked) == 2
    assert said_by_client(exact.last) == said_by_client({"messages": said})


def test_a_head_that_is_sent_before_the_reply_tells_what_is_lost(
    exact_gateway: ClaudeGateway, exact: ExactUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed = exact_gateway.app.gateway
    limits = msgspec.structs.replace(handed.parts.limits, heartbeat=0.1)
    parts = msgspec.structs.replace(handed.parts, limits=limits)
    monkeypatch.setattr(exact_gateway.app, "gateway", msgspec.structs.replace(handed, parts=parts))
    exact.answers(silence())
    with asking(exact_gateway, HELLO) as client:
        head = client.recv(65536)
    assert b"\r\nx-dragoman-loss: 1; agent_environment\r\n" in head


def test_a_hang_is_a_504(exact_gateway: ClaudeGateway, exact: ExactUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_gateway.agent, "_timeouts", Timeouts(first_byte=1, idle=1))
    exact.answers(silence(), stream_answer(START + WORDS, stays=True), WELL)
    with pytest.raises(anthropic.APIStatusError, match="said nothing for 1 s") as caught:
        ask(exact_gateway)
    assert caught.value.status_code == 504
    with pytest.raises(anthropic.APIError, match="said nothing for 1 s"):
        ask(exact_gateway)
    assert all(asked.left.wait(10) for asked in exact.asked)
    assert ask(exact_gateway) == "Well"


@contextmanager
def asking(gateway: ClaudeGateway, messages: list[dict[str, Any]]) -> Iterator[socket.socket]:
    """Ask as a client that hangs up at the end."""
    body = json.dumps({"model": MODEL, "max_tokens": 10, "stream": True, "messages": messages})
    head = f"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), 20) as client:
        client.sendall((head + body).encode())
        yield client


@pytest.mark.parametrize("moment", ["before the reply", "within the reply"])
def test_a_client_that_leaves_takes_its_process_along(
    exact_gateway: ClaudeGateway, exact: ExactUpstream, moment: str
) -> None:
    exact.answers(silence() if moment == "before the reply" else stream_answer(START + WORDS, stays=True), WELL)
    with asking(exact_gateway, HELLO) as client:
        asked = exact.wait()
        if moment == "within the reply":
            assert b"200 OK" in client.recv(65536)
        (pid,) = exact_gateway.busy
    assert asked.left.wait(10), "the upstream still has a reader"
    wait_until(lambda: pid not in running_children(os.getpid()), "its process still runs")
    assert ask(exact_gateway) == "Well"


def test_a_client_that_leaves_while_its_history_is_told(exact_gateway: ClaudeGateway, exact: ExactUpstream) -> None:
    exact.answers(WELL)
    said = [{"role": role, "content": f"{number}"} for number in range(60) for role in ("user", "assistant")]
    with asking(exact_gateway, [*said, *HELLO]):
        wait_until(lambda: bool(exact_gateway.busy), "nobody is told anything")
        (pid,) = exact_gateway.busy
    wait_until(lambda: pid not in running_children(os.getpid()), "its process still runs")
    assert not exact.asked
    assert ask(exact_gateway) == "Well"


def test_a_client_that_leaves_the_line(
    exact_gateway: ClaudeGateway, exact: ExactUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow(exact_gateway, monkeypatch, max_live=1)
    exact.answers(silence(), WELL)
    counts = partial(getattr, exact_gateway.agent.house, "counts")
    with asking(exact_gateway, HELLO):
        exact.wait()
        with asking(exact_gateway, [{"role": "user", "content": "And I?"}]):
            wait_until(lambda: counts().waiting == 1, "nobody waits")
        wait_until(lambda: counts().waiting == 0, "somebody still waits")
    assert ask(exact_gateway) == "Well"
    assert len(exact.asked) == 2, "who has left is not asked for"


def test_a_client_that_leaves_after_its_reply_leaves_its_process(
    exact_gateway: ClaudeGateway, exact: ExactUpstream
) -> None:
    exact.answers(WELL, WELL)
    with asking(exact_gateway, HELLO) as client:
        heard = b""
        while b"message_stop" not in heard:
            heard += client.recv(65536)
        pids = exact_gateway.pids
    told = [*HELLO, {"role": "assistant", "content": "Well"}, {"role": "user", "content": "Are you there?"}]
    with anthropic_client(exact_gateway.url) as again:
        ask_messages(again, streams=True, messages=told, model=MODEL)
    assert exact_gateway.pids == pids


@pytest.mark.parametrize("conversations", [6, pytest.param(50, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_many_conversations_over_four_processes(
    gateway: ClaudeGateway, conversations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow(gateway, monkeypatch, max_live=4, max_waiting=conversations)
    wait_until(lambda: gateway.agent.house.counts.spare == 1, "there is no spare process")
    most = 0

    def talk(number: int) -> tuple[str, str]:
        nonlocal most
        with anthropic_client(gateway.url, timeout=100, max_retries=10) as client:
            messages: list[dict[str, Any]] = [{"role": "user", "content": f"I am {number}."}]
            first = ask_messages(client, streams=True, messages=messages, model=MODEL, system=SYSTEM, tools=TOOLS)
            said = first.reply.content[0].text  # type: ignore[union-attr]
            most = max(most, processes_of(gateway))
            messages += [{"role": "assistant", "content": said}, {"role": "user", "content": f"Still {number}."}]
            second = ask_messages(client, streams=True, messages=messages, model=MODEL, system=SYSTEM, tools=TOOLS)
            return said, second.reply.content[0].text  # type: ignore[union-attr]

    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(talk, range(conversations)))
    assert told == [(f"I am {number}.", f"Still {number}.") for number in range(conversations)]
    assert len(gateway.pids) <= 4
    # Of one that gives way the kernel may know a moment longer, while the next one is there already.
    assert most <= 4 + 1 + (os.cpu_count() or 1), f"there were {most} processes"
    wait_until(lambda: processes_of(gateway) == 5, f"{processes_of(gateway)} processes are not 4 live ones and a spare")


def test_a_gateway_that_stops_leaves_no_process(exact: ExactUpstream, tmp_path: Path) -> None:
    exact.answers(WELL, silence())
    with ClaudeGateway(exact.url, tmp_path) as gateway:
        assert ask(gateway) == "Well"
        with asking(gateway, HELLO):
            exact.wait()
            exact.wait()
            mine = {session.process.pid for session in (*gateway.agent.house._live, *gateway.agent.house._spares)}
    assert len(mine) >= 2
    assert not mine & running_children(os.getpid()).keys()


def test_nobody_waits_for_ever(
    exact_gateway: ClaudeGateway, exact: ExactUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow(exact_gateway, monkeypatch, max_live=1, wait_s=0.5, max_waiting=1)
    exact.answers(silence(), WELL)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(ask, exact_gateway)
        exact.wait()
        others = [pool.submit(ask, exact_gateway, f"{number}") for number in range(2)]
        refused = []
        for other in others:
            with pytest.raises(anthropic.RateLimitError) as caught:
                other.result(20)
            refused.append(caught.value)
        assert {error.response.headers["retry-after"] for error in refused} == {"5"}
        assert sorted("wait for one" in str(error) for error in refused) == [False, True]
        for pid in exact_gateway.busy:
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(anthropic.APIError):
            first.result(20)
    assert ask(exact_gateway) == "Well"
