"""The CLI is tested when the gateway starts; what it cannot do is done in another way, and reported.

That the bundled one can do all of it is what `dragoman doctor claude` says in tests/cli.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from msgspec import Raw

from dragoman.settings import Settings
from dragoman.upstreams.claude_agent import selftest
from dragoman.upstreams.claude_agent.abilities import (
    HISTORY_CHECK,
    PARALLEL_CHECK,
    TRANSCRIPT_CHECK,
    Abilities,
    Check,
    History,
    abilities_of,
)
from dragoman.upstreams.claude_agent.environment import find_cli
from dragoman.upstreams.claude_agent.past import flattened
from tests.support.claude import MODEL, TOOLS, ClaudeGateway, claude_gateway
from tests.support.claude_words import said_by_client
from tests.support.sdks import anthropic_client, ask_messages, said
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


def deaf(folder: Path) -> str:
    """Make a CLI that does not hear what the model once said."""
    program = folder / "deaf"
    program.write_text(
        f"#!{sys.executable}\n"
        "import subprocess, sys\n"
        f"real = subprocess.Popen([{find_cli(Settings())!r}, *sys.argv[1:]], stdin=subprocess.PIPE)\n"
        "for line in sys.stdin.buffer:\n"
        '    if not line.startswith(b\'{"type":"assistant"\'):\n'
        "        real.stdin.write(line)\n"
        "        real.stdin.flush()\n"
    )
    program.chmod(0o755)
    return str(program)


def test_a_cli_that_takes_no_history_resumes_from_a_transcript(
    scripted: RunningUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The others take their time, and pass with any CLI that passes them at all.
    deciding = {name: selftest._CHECKS[name] for name in (PARALLEL_CHECK, HISTORY_CHECK, TRANSCRIPT_CHECK)}
    monkeypatch.setattr(selftest, "_CHECKS", deciding)
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "One"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"},
                {"type": "text", "text": "Two"},
            ],
        },
        {"role": "user", "content": "Three"},
    ]
    thinking = {"type": "enabled", "budget_tokens": 1024}
    with claude_gateway(scripted.base_url, tmp_path, cli=deaf(tmp_path), self_test=True, spares=0) as gateway:
        found = outcome(gateway)
        assert found.pop("history").startswith("the upstream was told")
        assert set(found.values()) == {"ok"}
        assert (
            httpx2.get(f"{gateway.url}/health", timeout=10).json()["claude_agent"]["history"] == History.RESUMED.value
        )
        scripted.seen.clear()
        with anthropic_client(gateway.url) as client:
            told = ask_messages(
                client, streams=True, messages=messages, model=MODEL, thinking=thinking, max_tokens=4000
            )
            assert "history_resumed" in told.headers["x-dragoman-loss"]
            assert said_by_client(scripted.last_json) == said_by_client({"messages": messages})
            # From here on the process knows.
            messages += [{"role": "assistant", "content": said(told.reply)}, {"role": "user", "content": "Four"}]
            again = ask_messages(
                client, streams=True, messages=messages, model=MODEL, thinking=thinking, max_tokens=4000
            )
        assert again.headers["x-claude-session-id"] == told.headers["x-claude-session-id"]
        assert "history" not in again.headers["x-dragoman-loss"]
        assert said_by_client(scripted.last_json) == said_by_client({"messages": messages})
        folder = Path(gateway.agent._own_folder())
        assert list(folder.iterdir()), "it lies where the process found it"
    assert not folder.exists()


@pytest.fixture
def way(request: pytest.FixtureRequest, gateway: ClaudeGateway) -> Iterator[History]:
    """The way in which the gateway tells a fresh process the history."""
    gateway.agent.abilities = Abilities(request.param)
    yield request.param
    gateway.agent.abilities = Abilities()


RESULTS: list[dict[str, Any]] = [
    {"role": "user", "content": "Look"},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "a"}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "one"}]},
]


@pytest.mark.parametrize("way", [History.RESUMED], indirect=True)
def test_results_at_the_end_of_a_transcript_stay_results(
    gateway: ClaudeGateway, upstream: RunningUpstream, way: History
) -> None:
    with anthropic_client(gateway.url) as client:
        told = ask_messages(client, streams=True, messages=RESULTS, model=MODEL, tools=TOOLS)
    assert "history_resumed" in told.headers["x-dragoman-loss"], way
    (line,) = gateway.wait_for_lines(1)
    assert "history_resumed:messages" in line.losses
    heard = said_by_client(upstream.last_json)
    assert heard[:3] == said_by_client({"messages": RESULTS})
    assert [blocks[0]["text"] for _, blocks in heard[3:]] == ["No response requested.", "Go on."]


@pytest.mark.parametrize("way", [History.QUOTED], indirect=True)
def test_the_last_way_is_to_quote(gateway: ClaudeGateway, upstream: RunningUpstream, way: History) -> None:
    with anthropic_client(gateway.url) as client:
        told = ask_messages(client, streams=True, messages=RESULTS, model=MODEL, tools=TOOLS)
        assert "history_flattened" in told.headers["x-dragoman-loss"], way
        text = upstream.last_json["messages"][0]["content"][-1]["text"]
        assert text.endswith(
            'user: Look\n\nassistant: calls Read (toolu_1) with {"path":"a"}\n\nuser: the call toolu_1 answered: one'
        )
        # From here on the process knows, and nothing has to be quoted.
        messages = [*RESULTS, {"role": "assistant", "content": said(told.reply)}, {"role": "user", "content": "Four"}]
        again = ask_messages(client, streams=True, messages=messages, model=MODEL, tools=TOOLS)
    assert again.headers["x-claude-session-id"] == told.headers["x-claude-session-id"]
    assert "history_flattened" not in again.headers["x-dragoman-loss"]


def test_what_failed_is_done_in_the_next_best_way() -> None:
    history, transcript, parallel = (Check(name, "", "no") for name in ("history", "transcript", "parallel-calls"))
    assert abilities_of([]) == Abilities()
    assert abilities_of([transcript]) == Abilities()
    assert abilities_of([history]) == Abilities(History.RESUMED)
    assert abilities_of([history, transcript]) == Abilities(History.QUOTED)
    assert abilities_of([parallel]) == Abilities(parallel_calls=False)


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
