"""Internal mode through the real CLI: the gateway's machine runs the tools, and the client gets one reply."""

# ruff: noqa: ANN401 - settings and replies as they are written

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import msgspec
import pytest

from dragoman.main import build
from dragoman.settings import Claude, Provider, Server, Settings, SettingsError
from tests.support.claude import MODEL, SYSTEM, TOOLS, ClaudeGateway, claude_gateway, running_children
from tests.support.exact_upstream import Answer, ExactUpstream, json_answer
from tests.support.sdks import anthropic_client, ask_chat, ask_messages, ask_responses, google_client, openai_client
from tests.support.wires import message, messages_answer, text, thinking, tool_use

pytestmark = pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")

TASK = {
    "name": "task",
    "description": "Launch an agent.\n\nAvailable agent types and the tools they have access to:\n- explore: Looks. (Tools: Read)\n"
    "- general: Does what is asked.\n",
    "input_schema": {"type": "object", "properties": {"subagent_type": {"type": "string"}}},
}
ASKED: dict[str, Any] = {"model": MODEL, "system": SYSTEM, "max_tokens": 4000}


def told(*blocks: dict[str, Any], **fields: Any) -> Answer:
    return messages_answer(message(*blocks, **fields), streams=True)


def user(words: str) -> dict[str, Any]:
    return {"role": "user", "content": words}


def results(body: dict[str, Any]) -> list[str]:
    """Return what the tools said, as the model reads it."""
    blocks = [block for said in body["messages"] for block in said["content"] if isinstance(block, dict)]
    return [json.dumps(block["content"]) for block in blocks if block["type"] == "tool_result"]


def offered(body: dict[str, Any]) -> list[str]:
    return [tool["name"] for tool in body["tools"]]


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def inner_running(
    exact_server: ExactUpstream, work: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClaudeGateway]:
    home = tmp_path_factory.mktemp("home")
    with claude_gateway(exact_server.url, home, mode="internal", workdir=str(work), max_turns=4) as gateway:
        yield gateway


@pytest.fixture
def inner(inner_running: ClaudeGateway, exact: ExactUpstream) -> Iterator[ClaudeGateway]:
    """The gateway in internal mode; whatever a test does, nobody stays busy and nothing stays a zombie."""
    inner_running.lines.clear()
    yield inner_running
    wait_until(lambda: inner_running.agent.house.counts.busy == 0, "somebody is still busy")
    wait_until(lambda: "Z" not in running_children(os.getpid()).values(), "there are zombies")


@pytest.mark.parametrize("streams", [True, False], ids=["streamed", "whole"])
def test_several_turns_are_one_reply(inner: ClaudeGateway, exact: ExactUpstream, work: Path, streams: bool) -> None:
    (work / "a.txt").write_text("alpha\n")
    exact.answers(
        told(thinking("Hm.", "c2lnbmVk"), text("I look."), tool_use("t1", "read", file_path="a.txt")),
        told(tool_use("t2", "edit", file_path="a.txt", old_string="alpha", new_string="beta")),
        told(tool_use("t3", "bash", command="cat a.txt; exit 3"), tool_use("t4", "read", file_path="../secret")),
        told(text("It says beta.")),
        told(text("You are welcome.")),
    )
    messages = [user(f"Change it. {streams}")]
    asked = {**ASKED, "tools": TOOLS, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    with anthropic_client(inner.url) as client:
        first = ask_messages(client, streams=streams, messages=messages, **asked)
        assert [block.type for block in first.reply.content] == ["thinking", "text", "text"]
        assert (
            "".join(block.text for block in first.reply.content if block.type == "text") == "I look.\n\nIt says beta."
        )
        assert first.reply.stop_reason == "end_turn"
        assert (first.reply.usage.input_tokens, first.reply.usage.output_tokens) == (44, 28)
        assert (work / "a.txt").read_text() == "beta\n"
        assert offered(exact.last) == ["read", "write", "edit", "bash", "glob", "grep"]
        said = results(exact.last)
        assert "1\\talpha" in said[0]
        assert "changed a.txt in 1 place" in said[1]
        assert "beta\\n\\n[exit status 3]" in said[2]
        assert "outside the working folder" in said[3]
        assert "client_tool,agent_environment" in first.headers["x-dragoman-loss"]

        # The same process goes on: it knows what its tools did.
        blocks = [block.model_dump(exclude_none=True) for block in first.reply.content]
        messages += [{"role": "assistant", "content": blocks}, user("Thank you.")]
        second = ask_messages(client, streams=streams, messages=messages, **asked)
    assert second.headers["x-claude-session-id"] == first.headers["x-claude-session-id"]
    assert len(results(exact.last)) == 4
    assert second.reply.usage.output_tokens == 7
    assert "internal_steps" not in second.headers["x-dragoman-loss"]


@pytest.mark.parametrize("streams", [True, False], ids=["streamed", "whole"])
def test_clients_of_openai_get_one_reply(inner: ClaudeGateway, exact: ExactUpstream, streams: bool) -> None:
    turns = (told(text("I look."), tool_use("t1", "glob", pattern="*")), told(text("Nothing.")))
    tools = [{"type": "function", "function": {"name": "shell", "parameters": {"type": "object"}}}]
    with openai_client(inner.url) as client:
        exact.answers(*turns)
        chat = ask_chat(client, streams=streams, model=MODEL, messages=[user(f"Look. {streams}")], tools=tools)
        exact.answers(*turns)
        response = ask_responses(client, streams=streams, model=MODEL, input=f"Look again. {streams}")
    choice = chat.reply.choices[0]
    assert choice.message.content == "I look.\n\nNothing."
    assert not choice.message.tool_calls
    assert choice.finish_reason == "stop"
    assert chat.reply.usage
    assert (chat.reply.usage.prompt_tokens, chat.reply.usage.completion_tokens) == (22, 14)
    assert "client_tool" in chat.headers["x-dragoman-loss"]
    assert response.reply.output_text == "I look.\n\nNothing."
    assert {item.type for item in response.reply.output} == {"message"}


def test_a_client_of_google_gets_one_reply(inner: ClaudeGateway, exact: ExactUpstream) -> None:
    exact.answers(told(text("I look."), tool_use("t1", "glob", pattern="*")), told(text("Nothing.")))
    with google_client(inner.url) as client:
        chunks = list(client.models.generate_content_stream(model=MODEL, contents="Look."))
    parts = [
        part for chunk in chunks for one in chunk.candidates or [] if one.content for part in one.content.parts or []
    ]
    assert "".join(part.text or "" for part in parts) == "I look.\n\nNothing."
    assert not any(part.function_call for part in parts)
    last = chunks[-1]
    assert last.candidates
    assert last.candidates[0].finish_reason
    assert last.candidates[0].finish_reason.value == "STOP"
    assert last.usage_metadata
    assert last.usage_metadata.candidates_token_count == 14


def test_the_clients_agents_are_the_clis_and_their_names_are_corrected(
    inner: ClaudeGateway, exact: ExactUpstream, work: Path
) -> None:
    (work / "b.txt").write_text("gamma\n")
    exact.answers(
        told(
            tool_use(
                "t1", "Agent", description="d", prompt="Find gamma.", subagent_type="Explorer", isolation="worktree"
            )
        ),
        told(text("Let me see."), tool_use("t2", "read", file_path="b.txt")),
        told(text("In b.txt.")),
        told(tool_use("t3", "Agent", description="d", prompt="Do it.", subagent_type="painter")),
        told(text("It is in b.txt.")),
    )
    with anthropic_client(inner.url) as client:
        reply = ask_messages(client, streams=True, messages=[user("Find it.")], tools=[TASK, *TOOLS], **ASKED)
    assert [block.text for block in reply.reply.content if block.type == "text"] == ["It is in b.txt."]
    main, agent, agent_again, main_again, last = (asked.json for asked in exact.asked)
    assert offered(main) == ["Agent", "bash", "edit", "glob", "grep", "read", "write"]
    assert "- explore: Looks. (Tools: read)" in json.dumps(main["messages"])
    assert offered(agent) == ["read"]
    assert 'You are the agent \\"explore\\". Looks.' in json.dumps(agent["system"])
    assert "Find gamma." in json.dumps(agent["messages"])
    assert "1\\tgamma" in results(agent_again)[0]
    assert "In b.txt." in results(main_again)[0]
    assert "painter" in results(last)[1]
    assert "explore" in results(last)[1]
    # What the agents used is in it, too.
    assert (reply.reply.usage.input_tokens, reply.reply.usage.output_tokens) == (55, 35)
    assert "agent_definition" in reply.headers["x-dragoman-loss"]


def test_a_history_is_told_without_the_steps_of_tools(inner: ClaudeGateway, exact: ExactUpstream) -> None:
    exact.answers(told(text("Yes.")))
    messages = [user("Change it all."), {"role": "assistant", "content": "It is changed."}, user("Really?")]
    with anthropic_client(inner.url) as client:
        reply = ask_messages(client, streams=True, messages=messages, **ASKED)
    assert "internal_steps" in reply.headers["x-dragoman-loss"]
    assert [said["role"] for said in exact.last["messages"]] == ["user", "assistant", "user"]


def test_the_model_has_so_many_turns_and_no_more(inner: ClaudeGateway, exact: ExactUpstream) -> None:
    step = (text("On."), tool_use("t", "bash", command="true"))
    exact.answers(*(told(step[0], {**step[1], "id": f"t{number}"}) for number in range(6)))
    with anthropic_client(inner.url) as client:
        reply = ask_messages(client, streams=True, messages=[user("Go on for ever.")], **ASKED)
    assert reply.reply.stop_reason == "max_tokens"
    assert [block.type for block in reply.reply.content] == ["text"] * 4
    assert len(exact.asked) == 4
    assert reply.reply.usage.output_tokens == 28


def test_a_limit_of_tokens_ends_the_reply(inner: ClaudeGateway, exact: ExactUpstream) -> None:
    exact.answers(
        told(text("I look."), tool_use("t1", "bash", command="true")), told(text("It is"), stop_reason="max_tokens")
    )
    with anthropic_client(inner.url) as client:
        reply = ask_messages(client, streams=True, messages=[user("Tell all.")], **ASKED)
    assert reply.reply.stop_reason == "max_tokens"
    assert [block.text for block in reply.reply.content if block.type == "text"] == ["I look.", "\n\nIt is"]


def test_a_refusal_ends_the_reply(inner: ClaudeGateway, exact: ExactUpstream) -> None:
    exact.answers(
        told(text("I look."), tool_use("t1", "bash", command="true")), told(text("No."), stop_reason="refusal")
    )
    with anthropic_client(inner.url) as client:
        reply = ask_messages(client, streams=True, messages=[user("Do harm.")], **ASKED)
    assert reply.reply.stop_reason == "refusal"
    assert [block.text for block in reply.reply.content if block.type == "text"] == ["I look.", "\n\nNo."]


def test_an_answer_in_json_is_nothing_else(inner: ClaudeGateway, exact: ExactUpstream) -> None:
    exact.answers(told(text("I look."), tool_use("t1", "bash", command="true")), told(text('{"n": 1}')))
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "number", "schema": schema, "strict": True}}
    with openai_client(inner.url) as client:
        chat = ask_chat(client, streams=True, model=MODEL, response_format=form)
    assert chat.reply.choices[0].message.content == '{"n": 1}'
    assert "words_between" in chat.headers["x-dragoman-loss"]


def test_a_failure_in_a_later_turn_is_one(inner: ClaudeGateway, exact: ExactUpstream) -> None:
    busy = json_answer({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, 529)
    exact.answers(told(tool_use("t1", "bash", command="true")), busy)
    with anthropic_client(inner.url) as client, pytest.raises(anthropic.APIStatusError, match="busy") as caught:
        ask_messages(client, streams=True, messages=[user("Before content.")], **ASKED)
    assert caught.value.status_code == 529
    exact.answers(told(text("I look."), tool_use("t1", "bash", command="true")), busy)
    with anthropic_client(inner.url) as client, pytest.raises(anthropic.APIError, match="busy"):
        ask_messages(client, streams=True, messages=[user("After content.")], **ASKED)


def test_words_arrive_while_a_tool_still_runs(inner: ClaudeGateway, exact: ExactUpstream, work: Path) -> None:
    os.mkfifo(work / "gate")
    waits: dict[str, Any] = {"messages": [user("Wait.")]}
    exact.answers(told(text("I wait."), tool_use("t1", "bash", command="cat gate")), told(text("Over.")))
    with anthropic_client(inner.url) as client, client.messages.stream(**ASKED, **waits) as stream:
        words = iter(stream.text_stream)
        seen = next(words)
        while not seen.endswith("I wait."):
            seen += next(words)
        opener = threading.Thread(target=lambda: (work / "gate").write_text("go"))
        opener.start()
        assert seen + "".join(words) == "I wait.\n\nOver."
        opener.join()


def test_a_client_that_leaves_takes_commands_along(inner: ClaudeGateway, exact: ExactUpstream, work: Path) -> None:
    exact.answers(
        told(text("I work."), tool_use("t1", "bash", command="echo $$ > pid; sleep 60 & sleep 60")), told(text("Well."))
    )
    body = json.dumps({"model": MODEL, "max_tokens": 10, "stream": True, "messages": [user("Work.")]})
    with socket.create_connection(("127.0.0.1", inner.port), 20) as client:
        head = f"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
        client.sendall((head + body).encode())
        wait_until(lambda: (work / "pid").exists() and (work / "pid").read_text() != "", "the command did not begin")
        group = int((work / "pid").read_text())
        assert group in running_children(os.getpid())
    wait_until(lambda: group not in running_children(os.getpid()), "the command still runs")
    with anthropic_client(inner.url) as client:
        assert (
            ask_messages(client, streams=True, messages=[user("Still there?")], **ASKED).reply.stop_reason == "end_turn"
        )


def test_a_gateway_that_stops_takes_commands_along(
    exact: ExactUpstream, work: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    exact.answers(told(tool_use("t1", "bash", command="echo $$ > last; sleep 60")))
    stopping = ClaudeGateway(exact.url, home, mode="internal", workdir=str(work))
    stopping.settings = msgspec.structs.replace(stopping.settings, server=Server(port=0, drain_s=0.1))
    with (
        stopping as gateway,
        anthropic_client(gateway.url) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        assert httpx2.get(f"{gateway.url}/health", timeout=10).json()["claude_agent"]["mode"] == "internal"
        asking = pool.submit(ask_messages, client, streams=True, messages=[user("Work.")], **ASKED)
        wait_until(lambda: (work / "last").exists() and (work / "last").read_text() != "", "the command did not begin")
        gateway.__exit__(None, None, None)
        with pytest.raises(anthropic.APIError):
            asking.result(20)
    assert int((work / "last").read_text()) not in running_children(os.getpid())


def settings(host: str, **claude: Any) -> Settings:
    return Settings(
        server=Server(host=host, port=0),
        providers={"claude": Provider(kind="claude-agent")},
        claude=Claude(mode="internal", **claude),
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "gateway.example"])
def test_who_can_be_reached_from_elsewhere_runs_no_tools(host: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"`{host}` is reached from elsewhere"):
        build(settings(host, workdir=str(tmp_path)))


def test_tools_need_a_folder(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"needs `claude\.workdir`"):
        build(settings("127.0.0.1"))
    with pytest.raises(SettingsError, match="is no folder"):
        build(settings("::1", workdir=str(tmp_path / "missing")))
