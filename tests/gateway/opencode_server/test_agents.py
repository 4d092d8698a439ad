"""Real coding agents, the real OpenCode behind the gateway, and a scripted upstream behind that: one tool loop each."""

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.clients import claude_code, codex, opencode
from tests.clients.install import NODE, AnyPackage, run
from tests.support.opencode import OpenCodeGateway, fetched, model_of, real_program
from tests.support.upstream import RunningUpstream

pytestmark = pytest.mark.slow

HISTORY = {
    "openai-chat": "messages",
    "anthropic-messages": "messages",
    "openai-responses": "input",
    "gemini-generate": "contents",
}
"""Where a request has its conversation, by the protocol of OpenCode's model."""
Json = dict[str, Any]
KEY = "sk-client-0123456789abcdef"
CODEX_CONFIGURATION = """\
model = "{model}"
model_provider = "gateway"
[model_providers.gateway]
name = "gateway"
base_url = "{url}/v1"
env_key = "GATEWAY_KEY"
wire_api = "responses"
[analytics]
enabled = false
"""


@dataclass(frozen=True, slots=True)
class Agent:
    """`words` have the scripted model call the agent's shell."""

    package: AnyPackage
    command: Sequence[str]
    environment: Mapping[str, str]
    words: str
    files: Mapping[str, str]


def agents(url: str, home: Path, model: str) -> dict[str, Agent]:
    """Return how each is started before the gateway at `url`, to ask for `model`."""
    options = {"baseURL": f"{url}/v1", "apiKey": KEY}
    limits = {"context": 200_000, "output": 8192}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": options,
        "models": {model: {"tool_call": True, "limit": limits}},
    }
    configured = {"provider": {"gateway": provider}, "enabled_providers": ["gateway"], "permission": "allow"}
    quiet = {f"OPENCODE_DISABLE_{name}": "1" for name in opencode.OFF}
    return {
        "claude-code": Agent(
            claude_code.CLIENT.package,
            ("claude", "-p", "--model", model, "--dangerously-skip-permissions"),
            {
                "ANTHROPIC_BASE_URL": url,
                "ANTHROPIC_API_KEY": KEY,
                "CLAUDE_CONFIG_DIR": str(home / ".claude"),
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                "IS_SANDBOX": "1",
            },
            'Call Bash with {"command": "echo mango > word.txt", "description": "write"}',
            {},
        ),
        "codex": Agent(
            codex.CLIENT.package,
            ("codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"),
            {"CODEX_HOME": str(home / ".codex"), "GATEWAY_KEY": KEY},
            'Call exec_command with {"cmd": "echo mango > word.txt"}',
            {".codex/config.toml": CODEX_CONFIGURATION.format(model=model, url=url)},
        ),
        "opencode": Agent(
            opencode.CLIENT.package,
            ("opencode", "run", "--title", "A word", "--model", f"gateway/{model}", "--"),
            {**quiet, "OPENCODE_CONFIG_CONTENT": msgspec.json.encode(configured).decode()},
            # It puts its prompt in quotation marks, JSON and all: the scripted model makes the arguments up.
            "Call bash",
            {},
        ),
    }


@pytest.fixture(scope="module")
def upstreams() -> Iterator[Mapping[str, RunningUpstream]]:
    with ExitStack() as stack:
        yield {protocol: stack.enter_context(RunningUpstream(protocol)) for protocol in HISTORY}


@pytest.fixture(scope="module")
def gateway(
    upstreams: Mapping[str, RunningUpstream], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenCodeGateway]:
    urls = {protocol: upstream.base_url for protocol, upstream in upstreams.items()}
    with OpenCodeGateway(real_program(), urls, tmp_path_factory.mktemp("own")) as gateway:
        gateway.wait_until_ready()
        yield gateway


def tools_of(request: Json) -> Sequence[Json]:
    """Return the tools of a request; Gemini's stand in groups."""
    return [one for tool in request.get("tools", ()) for one in tool.get("functionDeclarations", (tool,))]


def without_breakpoints(value: object) -> Any:  # noqa: ANN401 - JSON is anything
    """Return JSON without the marks that OpenCode moves on with each turn for the cache."""
    match value:
        case dict():
            return {name: without_breakpoints(inner) for name, inner in value.items() if name != "cache_control"}
        case list():
            return [without_breakpoints(inner) for inner in value]
        case _:
            return value


@pytest.mark.parametrize(
    ("name", "protocol"),
    [
        ("claude-code", "openai-chat"),
        ("codex", "openai-chat"),
        ("opencode", "openai-chat"),
        ("claude-code", "openai-responses"),
        ("codex", "anthropic-messages"),
        ("opencode", "gemini-generate"),
    ],
)
def test_an_agent_s_tool_loop(
    gateway: OpenCodeGateway, upstreams: Mapping[str, RunningUpstream], name: str, protocol: str, tmp_path: Path
) -> None:
    upstream = upstreams[protocol]
    upstream.seen.clear()
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    agent = agents(gateway.url, home, model_of(protocol))[name]
    for place, text in agent.files.items():
        (home / place).parent.mkdir(exist_ok=True)
        (home / place).write_text(text)
    programs = [fetched(package) for package in (agent.package, NODE)]
    environment = {
        "PATH": os.pathsep.join([*map(str, programs), os.defpath]),
        "HOME": str(home),
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1,localhost",
        **agent.environment,
    }
    command = [str(programs[0] / agent.command[0]), *agent.command[1:], agent.words]
    done = asyncio.run(run(command, work, environment, 100))
    assert done.code == 0, done.errors
    assert "The tool said" in done.output
    if name != "opencode":
        assert (work / "word.txt").read_text() == "mango\n"
    main = [seen.json for seen in upstream.seen if len(tools_of(seen.json)) > 3]
    assert len(main) == 2, "a turn with the call, and one with its result"
    before, after = (without_breakpoints(request[HISTORY[protocol]]) for request in main)
    assert before == after[: len(before)]
    assert len(after) > len(before)
    assert tools_of(main[0]) == tools_of(main[1])
    gateway.wait_until_idle()
    assert gateway.ask_opencode("/session") == []
