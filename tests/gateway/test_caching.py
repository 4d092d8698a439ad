"""Prompt caching across protocols: a stable key for Chat upstreams, breakpoints on the stable prefix for Anthropic's."""

from itertools import pairwise
from typing import Any

import httpx2
import pytest

from tests.support.gateway import RunningGateway, provider
from tests.support.upstream import RunningUpstream

MESSAGES, CHAT = "/v1/messages", "/v1/chat/completions"
SYSTEM = "You are a careful agent. " * 20
TURNS = 4


def attribution(number: int) -> dict[str, str]:
    return {"type": "text", "text": f"x-anthropic-billing-header: cc_version=2.1.329.{number}; cc_entrypoint=cli;"}


def claude_turn(number: int, system: str = SYSTEM, session: str = "s-1") -> dict[str, Any]:
    """Return the request of a turn as Claude Code sends it: an attribution block that is never the same."""
    said: list[dict[str, Any]] = [{"role": "user", "content": "start"}]
    for turn in range(number):
        call = {"type": "tool_use", "id": f"toolu_{turn}", "name": "read", "input": {"path": f"f{turn}"}}
        result = {"type": "tool_result", "tool_use_id": f"toolu_{turn}", "content": f"content {turn}"}
        said += [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    return {
        "model": "chat/assistant",
        "max_tokens": 100,
        "system": [attribution(number), {"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}],
        "metadata": {"user_id": f'{{"device_id":"d","session_id":"{session}"}}'},
        "tools": [{"name": "read", "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}}}],
        "messages": said,
    }


def chat_turn(number: int) -> dict[str, Any]:
    """Return the request of a turn as a Chat client sends it, without any word about caching."""
    said: list[dict[str, Any]] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "start"}]
    for turn in range(number):
        function = {"name": "read", "arguments": f'{{"path": "f{turn}"}}'}
        said += [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": f"call_{turn}", "type": "function", "function": function}],
            },
            {"role": "tool", "tool_call_id": f"call_{turn}", "content": f"content {turn}"},
        ]
    tools = [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
        for name in ("read", "write")
    ]
    return {"model": "messages/assistant", "max_tokens": 100, "tools": tools, "messages": said}


def without_marks(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return `value` without its cache breakpoints."""
    if isinstance(value, dict):
        return {name: without_marks(item) for name, item in value.items() if name != "cache_control"}
    return [without_marks(item) for item in value] if isinstance(value, list) else value


def marks(value: Any) -> int:  # noqa: ANN401 - any JSON
    """Return the number of cache breakpoints in `value`."""
    if isinstance(value, dict):
        return ("cache_control" in value) + sum(marks(item) for name, item in value.items() if name != "cache_control")
    return sum(marks(item) for item in value) if isinstance(value, list) else 0


def sent(client: httpx2.Client, upstream: RunningUpstream, path: str, body: dict[str, Any], **headers: str) -> Any:  # noqa: ANN401
    reply = client.post(path, json=body, headers=headers)
    assert reply.status_code == 200, reply.text
    return upstream.last_json


def test_a_chat_upstream_gets_one_key_for_all_turns(client: httpx2.Client, scripted_chat: RunningUpstream) -> None:
    keys = {sent(client, scripted_chat, MESSAGES, claude_turn(turn))["prompt_cache_key"] for turn in range(TURNS)}
    assert len(keys) == 1
    others = (claude_turn(0, system="Something else."), claude_turn(0, session="s-2"), {**claude_turn(0), "tools": []})
    assert len({sent(client, scripted_chat, MESSAGES, body)["prompt_cache_key"] for body in others} | keys) == 4


def test_the_attribution_block_does_not_reach_a_chat_upstream(
    client: httpx2.Client, scripted_chat: RunningUpstream
) -> None:
    reply = client.post(MESSAGES, json=claude_turn(0))
    assert "billing" not in scripted_chat.last.body.decode()
    assert scripted_chat.last_json["messages"][0] == {"role": "system", "content": SYSTEM}
    assert "attribution" in reply.headers["x-dragoman-loss"]


def test_the_prompt_of_a_turn_is_the_beginning_of_the_next(
    client: httpx2.Client, scripted_chat: RunningUpstream, scripted_messages: RunningUpstream
) -> None:
    """Else no upstream could find it in its cache."""
    for path, upstream, turn in ((MESSAGES, scripted_chat, claude_turn), (CHAT, scripted_messages, chat_turn)):
        bodies = [without_marks(sent(client, upstream, path, turn(number))) for number in range(TURNS)]
        for before, after in pairwise(bodies):
            assert after["messages"][: len(before["messages"])] == before["messages"]
            assert {**before, "messages": 0} == {**after, "messages": 0}
            assert list(before) == list(after)


def test_a_server_that_takes_no_key_is_made_none_and_nothing_is_lost(scripted_chat: RunningUpstream) -> None:
    own = provider("openai-chat", scripted_chat.base_url, dialect={"prompt_cache_key": False})
    with RunningGateway(providers={"chat": own}) as gateway, httpx2.Client(base_url=gateway.url) as client:
        reply = client.post(MESSAGES, json=claude_turn(0))
        assert "prompt_cache_key" not in scripted_chat.last_json
        assert "cache_key" not in reply.headers["x-dragoman-loss"]
        body = {"model": "chat/x", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        assert client.post(MESSAGES, json=body).headers["x-dragoman-loss"] == "0"


def test_no_key_is_made_for_a_protocol_without_any(gemini_upstream: RunningUpstream) -> None:
    providers = {"chat": provider("gemini-generate", gemini_upstream.base_url)}
    with RunningGateway(providers=providers) as gateway, httpx2.Client(base_url=gateway.url) as client:
        losses = client.post(MESSAGES, json=claude_turn(1)).headers["x-dragoman-loss"]
        assert "cache_key" not in losses
        body = {"model": "chat/x", "messages": [{"role": "user", "content": "hi"}], "prompt_cache_key": "mine"}
        assert client.post(CHAT, json=body).headers["x-dragoman-loss"] == "1; cache_key"


def test_the_clients_own_key_goes_up(client: httpx2.Client, scripted_chat: RunningUpstream) -> None:
    body = {"model": "chat/x", "messages": [{"role": "user", "content": "hi"}]}
    assert sent(client, scripted_chat, CHAT, {**body, "prompt_cache_key": "mine"})["prompt_cache_key"] == "mine"
    assert "prompt_cache_key" not in sent(client, scripted_chat, CHAT, body)


def test_an_anthropic_upstream_gets_breakpoints_on_the_stable_prefix(
    client: httpx2.Client, scripted_messages: RunningUpstream
) -> None:
    for number in range(TURNS):
        body = sent(client, scripted_messages, CHAT, chat_turn(number))
        assert [marks(tool) for tool in body["tools"]] == [0, 1]
        assert marks(body["system"]) == 1
        users = [message for message in body["messages"] if message["role"] == "user"]
        assert [marks(message) for message in users] == [0] * (len(users) - 2) + [1] * min(len(users), 2)
        assert all(marks(message["content"][-1]) == marks(message) for message in users if marks(message))
        assert marks(body) <= 4


def test_breakpoints_are_not_put_beside_the_clients_own(
    client: httpx2.Client, scripted_messages: RunningUpstream
) -> None:
    part = {"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}
    turn = chat_turn(2)
    turn["messages"][0] = {"role": "system", "content": [part]}
    assert marks(sent(client, scripted_messages, CHAT, turn)) == 1


@pytest.mark.parametrize("is_marked", [False, True])
def test_the_raw_lane_adds_nothing(client: httpx2.Client, scripted_messages: RunningUpstream, is_marked: bool) -> None:
    turn = {**claude_turn(2), "model": "messages/assistant"}
    turn = turn if is_marked else without_marks(turn)
    assert sent(client, scripted_messages, MESSAGES, turn) == {**turn, "model": "assistant"}
