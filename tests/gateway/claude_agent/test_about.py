"""What the gateway tells of the back end: health, models."""

import time

import httpx2

from tests.support.claude import ClaudeGateway


def test_health_tells_of_login_and_processes_without_waiting(gateway: ClaudeGateway) -> None:
    deadline = time.monotonic() + 30
    while True:
        started = time.monotonic()
        block = httpx2.get(f"{gateway.url}/health", timeout=10).json()["claude_agent"]
        assert time.monotonic() - started < 1
        counts = [block["processes"][name] for name in ("spare", "starting", "busy")]
        if block["login"] != "not known yet" and counts == [1, 0, 0]:
            break
        assert time.monotonic() < deadline, block
        time.sleep(0.05)
    assert block["mode"] == "passthrough"
    assert block["login"] == "found"
    assert block["api_key_source"] == "ANTHROPIC_API_KEY"
    assert block["processes"].keys() == {"spare", "starting", "busy", "idle", "waiting", "max_live"}
    assert block["processes"]["max_live"] == 16
    assert block["subscription"] is None, "who signs in with a key has none"
    assert (block["history"], block["tool_calls"]) == ("told message by message", "in parallel")
    assert "sk-ant-none" not in str(block)


def test_the_list_of_models_is_the_clis(gateway: ClaudeGateway) -> None:
    deadline = time.monotonic() + 30
    while not (names := [card.id for card in gateway.agent.cards()]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert all(name.startswith("claude-") for name in names)
    listed = httpx2.get(f"{gateway.url}/v1/models", timeout=10).json()["data"]
    assert set(names) <= {model["id"] for model in listed}
    below = httpx2.get(f"{gateway.url}/claude/v1/models", timeout=10).json()["data"]
    assert [model["id"] for model in below] == names
