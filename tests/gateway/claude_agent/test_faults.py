"""When something fails: a real error in the client's dialect, no process left behind, and the next request works."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import openai
import pytest

from dragoman.settings import Server
from tests.support.claude import MODEL, SYSTEM, TOOLS, ClaudeGateway, claude_gateway, running_children
from tests.support.exact_upstream import Answer, ExactUpstream, json_answer, silence, stream_answer
from tests.support.sdks import anthropic_client, ask_chat, ask_messages, openai_client
from tests.support.upstream import RunningUpstream

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


def error(kind: str, message: str, status: int) -> Answer:
    return json_answer({"type": "error", "error": {"type": kind, "message": message}}, status)


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def ask(gateway: ClaudeGateway, words: str = "Hello?") -> str:
    with anthropic_client(gateway.url) as client:
        told = ask_messages(client, streams=True, messages=[{"role": "user", "content": words}], model=MODEL)
        return "".join(block.text for block in told.reply.content if block.type == "text")


@pytest.fixture(autouse=True)
def _nothing_is_left(exact_gateway: ClaudeGateway) -> Iterator[None]:
    """Whatever a test does: nothing stays a zombie, and nobody stays busy."""
    yield
    wait_until(lambda: exact_gateway.agent.house.counts.busy == 0, "somebody is still busy")
    wait_until(lambda: "Z" not in running_children(os.getpid()).values(), "there are zombies")


@pytest.mark.parametrize(
    ("answer", "status", "kind", "words"),
    [
        (error("authentication_error", "invalid x-api-key", 401), 401, "authentication_error", "/login"),
        (error("billing_error", "no credit", 402), 402, "billing_error", "no credit"),
        (error("rate_limit_error", "slow down", 429), 429, "rate_limit_error", "slow down"),
        (error("api_error", "broke", 500), 500, "api_error", "broke"),
        (error("overloaded_error", "busy", 529), 529, "overloaded_error", "busy"),
        (
            error("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", 400),
            400,
            "invalid_request_error",
            "too long",
        ),
    ],
)
def test_an_error_of_the_upstream_is_one_for_the_client(
    exact_gateway: ClaudeGateway, exact: ExactUpstream, answer: Answer, status: int, kind: str, words: str
) -> None:
    exact.answers(answer, WELL)
    with pytest.raises(anthropic.APIStatusError, match=words) as caught:
        ask(exact_gateway)
    assert caught.value.status_code == status
    assert caught.value.body["error"]["type"] == kind  # type: ignore[index]
    assert len(exact.asked) == 1, "nothing is tried again behind the client's back"
    assert ask(exact_gateway) == "Well"


def test_an_error_in_the_dialect_of_chat(exact_gateway: ClaudeGateway, exact: ExactUpstream) -> None:
    exact.answers(error("rate_limit_error", "slow down", 429))
    with openai_client(exact_gateway.url) as client, pytest.raises(openai.RateLimitError, match="slow down"):
        ask_chat(client, streams=True, model=MODEL)


@pytest.mark.parametrize(
    "answer",
    [
        stream_answer(START, is_cut=True),
        stream_answer(START + WORDS, is_cut=True),
        stream_answer(
            START
            + WORDS
            + b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n'
        ),
    ],
    ids=["before its content", "within its content", "by an error event"],
)
def test_a_stream_that_breaks_off_never_looks_finished(
    exact_gateway: ClaudeGateway, exact: ExactUpstream, answer: Answer
) -> None:
    exact.answers(answer, WELL)
    with pytest.raises(anthropic.APIError):
        ask(exact_gateway)
    assert len(exact.asked) == 1
    assert ask(exact_gateway) == "Well"


@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_the_cli_is_killed(exact_gateway: ClaudeGateway, exact: ExactUpstream, moment: str) -> None:
    def kill() -> None:
        for pid in exact_gateway.pids:
            os.kill(pid, signal.SIGKILL)

    if moment == "after":
        exact.answers(WELL, WELL)
        assert ask(exact_gateway) == "Well"
        kill()
        messages = [*({"role": role, "content": text} for role, text in (("user", "Hello?"), ("assistant", "Well")))]
        with anthropic_client(exact_gateway.url) as client:
            said = [*messages, {"role": "user", "content": "Are you there?"}]
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


def test_a_hang_is_a_504(exact: ExactUpstream, tmp_path_factory: pytest.TempPathFactory) -> None:
    exact.answers(silence(), WELL)
    gateway = ClaudeGateway(exact.url, tmp_path_factory.mktemp("home"), Server(port=0, first_byte_timeout_s=1))
    with gateway:
        with pytest.raises(anthropic.APIStatusError, match="said nothing for 1 s") as caught:
            ask(gateway)
        assert caught.value.status_code == 504
        assert exact.asked[0].left.wait(10)
        assert ask(gateway) == "Well"


@pytest.mark.parametrize("moment", ["before the reply", "within the reply"])
def test_a_client_that_leaves_takes_its_process_along(
    exact_gateway: ClaudeGateway, exact: ExactUpstream, moment: str
) -> None:
    exact.answers(silence() if moment == "before the reply" else stream_answer(START + WORDS, stays=True), WELL)
    said = [{"role": "user", "content": "Hello?"}]
    body = json.dumps({"model": MODEL, "max_tokens": 10, "stream": True, "messages": said})
    with socket.create_connection(("127.0.0.1", exact_gateway.port), 20) as client:
        head = f"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
        client.sendall((head + body).encode())
        asked = exact.wait()
        if moment == "within the reply":
            assert b"200 OK" in client.recv(65536)
    assert asked.left.wait(10), "the upstream still has a reader"
    assert ask(exact_gateway) == "Well"


@pytest.mark.parametrize("conversations", [6, pytest.param(50, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_many_conversations_over_four_processes(
    scripted: RunningUpstream, tmp_path_factory: pytest.TempPathFactory, conversations: int
) -> None:
    with claude_gateway(scripted.base_url, tmp_path_factory.mktemp("home"), max_live=4, spares=1) as gateway:

        def talk(number: int) -> tuple[str, str]:
            with anthropic_client(gateway.url, timeout=100, max_retries=10) as client:
                messages: list[dict[str, Any]] = [{"role": "user", "content": f"I am {number}."}]
                first = ask_messages(client, streams=True, messages=messages, model=MODEL, system=SYSTEM, tools=TOOLS)
                said = first.reply.content[0].text  # type: ignore[union-attr]
                messages += [{"role": "assistant", "content": said}, {"role": "user", "content": f"Still {number}."}]
                second = ask_messages(client, streams=True, messages=messages, model=MODEL, system=SYSTEM, tools=TOOLS)
                return said, second.reply.content[0].text  # type: ignore[union-attr]

        with ThreadPoolExecutor(6) as pool:
            told = list(pool.map(talk, range(conversations)))
            assert len(gateway.pids) <= 4
        assert told == [(f"I am {number}.", f"Still {number}.") for number in range(conversations)]
        mine = {session.process.pid for session in (*gateway.agent.house._live, *gateway.agent.house._spares)}
    assert mine
    assert not mine & running_children(os.getpid()).keys()


def test_nobody_waits_for_ever(exact: ExactUpstream, tmp_path_factory: pytest.TempPathFactory) -> None:
    exact.answers(silence(), WELL)
    with (
        claude_gateway(
            exact.url, tmp_path_factory.mktemp("home"), max_live=1, spares=0, wait_s=0.5, max_waiting=1
        ) as gateway,
        ThreadPoolExecutor(3) as pool,
    ):
        first = pool.submit(ask, gateway)
        exact.wait()
        others = [pool.submit(ask, gateway, f"{number}") for number in range(2)]
        refused = []
        for other in others:
            with pytest.raises(anthropic.RateLimitError) as caught:
                other.result(20)
            refused.append(caught.value)
        assert {error.response.headers["retry-after"] for error in refused} == {"5"}
        assert sorted("wait for one" in str(error) for error in refused) == [False, True]
        for pid in gateway.pids:
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(anthropic.APIError):
            first.result(20)
        assert ask(gateway) == "Well"
