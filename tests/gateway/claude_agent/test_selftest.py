"""The CLI is tested when the gateway starts; what it cannot do is done in another way, and reported."""

import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from msgspec import Raw

from dragoman.settings import Settings
from dragoman.upstreams.claude_agent.abilities import Abilities, Check, abilities_of, flattened
from dragoman.upstreams.claude_agent.environment import find_cli
from tests.support.claude import MODEL, ClaudeGateway, claude_gateway
from tests.support.sdks import anthropic_client, ask_messages
from tests.support.upstream import RunningUpstream

pytestmark = pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")


def outcome(gateway: ClaudeGateway) -> dict[str, str]:
    deadline = time.monotonic() + 90
    while True:
        found: dict[str, str] = httpx2.get(f"{gateway.url}/health", timeout=10).json()["claude_agent"]["self_test"]
        if found:
            return found
        assert time.monotonic() < deadline, "the self-test does not end"
        time.sleep(0.1)


def test_the_bundled_cli_passes(scripted: RunningUpstream, tmp_path: Path) -> None:
    with claude_gateway(scripted.base_url, tmp_path, self_test=True, spares=0) as gateway:
        assert set(outcome(gateway).values()) == {"ok"}


def test_a_cli_that_takes_no_history_is_told_in_one_message(scripted: RunningUpstream, tmp_path: Path) -> None:
    scripted.seen.clear()
    deaf = tmp_path / "deaf"
    deaf.write_text(
        f"#!{sys.executable}\n"
        "import subprocess, sys\n"
        f"real = subprocess.Popen([{find_cli(Settings())!r}, *sys.argv[1:]], stdin=subprocess.PIPE)\n"
        "for line in sys.stdin.buffer:\n"
        '    if not line.startswith(b\'{"type":"assistant"\'):\n'
        "        real.stdin.write(line)\n"
        "        real.stdin.flush()\n"
    )
    deaf.chmod(0o755)
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Two"},
        {"role": "user", "content": "Three"},
    ]
    with claude_gateway(scripted.base_url, tmp_path, cli=str(deaf), self_test=True, spares=0) as gateway:
        found = outcome(gateway)
        assert found["history"].startswith("the upstream was told")
        assert {found["tool-names"], found["no-retries"]} == {"ok"}
        with anthropic_client(gateway.url) as client:
            told = ask_messages(client, streams=True, messages=messages, model=MODEL)
            assert "history_flattened" in told.headers["x-dragoman-loss"]
            text = scripted.last_json["messages"][0]["content"][-1]["text"]
            assert text.endswith("user: One\n\nassistant: Two\n\nuser: Three")
            # From here on the process knows, and nothing has to be quoted.
            said = told.reply.content[-1].text  # type: ignore[union-attr]
            messages += [{"role": "assistant", "content": said}, {"role": "user", "content": "Four"}]
            again = ask_messages(client, streams=True, messages=messages, model=MODEL)
        assert again.headers["x-claude-session-id"] == told.headers["x-claude-session-id"]
        assert "history_flattened" not in again.headers["x-dragoman-loss"]


def test_what_failed_is_done_in_another_way() -> None:
    failed = [Check("history", "", "no"), Check("parallel-calls", "")]
    assert abilities_of(failed) == Abilities(history=False)
    assert abilities_of([Check("parallel-calls", "", "one")]) == Abilities(parallel_calls=False)


def test_a_quoted_conversation_keeps_what_is_no_text() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "x"}}
    said: list[tuple[str, list[dict[str, Any]]]] = [
        ("user", [{"type": "text", "text": "Look"}, picture]),
        (
            "assistant",
            [{"type": "thinking", "thinking": "?"}, {"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1}}],
        ),
        (
            "user",
            [
                {
                    "type": "tool_result",
                    "tool_use_id": "t",
                    "content": [{"type": "text", "text": "r"}, picture],
                    "is_error": True,
                }
            ],
        ),
    ]
    found = msgspec.json.decode(flattened((role, Raw(msgspec.json.encode(content))) for role, content in said))
    assert found[1:] == [picture, picture]
    assert found[0]["text"].endswith(
        'user: Look\n\nuser: [image 1, below]\n\nassistant: calls n (t) with {"a":1}\n\nuser: the call t failed: r [below]'
    )
