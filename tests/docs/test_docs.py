"""Docs are checked like code: generated parts are fresh, examples run, links lead somewhere, commands exist."""

import gc
import re
import shlex
import tomllib
import warnings
from pathlib import Path
from shutil import which
from typing import NamedTuple

import msgspec
import pytest

from dragoman.connect.discovery import client_of, names
from dragoman.routing.registry import Registry
from dragoman.settings import load
from dragoman.upstreams.claude_agent.environment import INHERITED as TO_CLAUDE
from dragoman.upstreams.claude_agent.internal.toolbox import INHERITED as TO_TOOLS
from dragoman.upstreams.opencode_server.configuration import INHERITED as TO_OPENCODE
from tests.clients.__main__ import CLIENTS
from tests.clients.client import Client
from tests.clients.connecting import CONNECTED, LAUNCHED
from tests.support.gateway import RunningGateway
from tools.docs import COMMANDS, PAGES, ROOT, rewritten

GATEWAY = "http://127.0.0.1:4747"
_BLOCK = re.compile(r"(?:<!-- (run|not run here): ([^\n]*) -->\n)?```(\w+)\n(.*?)```", re.DOTALL)
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
_VARIABLES = ("GATEWAY_KEY", "MY_KEY", "LOCAL_KEY", "OPENCODE_GO_KEY", "ANTHROPIC_API_KEY", "OPENCODE_SERVER_PASSWORD")


class Block(NamedTuple):
    page: Path
    mark: str
    language: str
    text: str


BLOCKS = [
    Block(page, *found)
    for page in PAGES
    for found in ((m[1] or "", m[3], m[4]) for m in _BLOCK.finditer(page.read_text()))
]


def of(language: str) -> list[object]:
    return [
        pytest.param(block, id=f"{block.page.name}:{place}")
        for place, block in enumerate(BLOCKS)
        if block.language == language
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_generated_parts_are_fresh(page: Path) -> None:
    assert rewritten(page.read_text()) == page.read_text(), "hint: make fix"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in _LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("block", of("python"))
def test_python_examples_run(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    with RunningGateway() as gateway:
        exec(compile(block.text.replace(GATEWAY, gateway.url), block.page.name, "exec"), {})  # noqa: S102 - our own docs
    with warnings.catch_warnings():
        # An example need not close its client. What it leaves open is not to be found while another test runs.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.parametrize("block", of("toml"))
def test_configurations_are_valid(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "dragoman.toml"
    file.write_text(block.text)
    if block.mark:
        tomllib.loads(block.text)  # another program's
        return
    Registry(load(str(file), dict.fromkeys(_VARIABLES, "sk-0123456789abcdef")))


@pytest.mark.parametrize("name", names())
def test_every_client_has_a_guide_with_what_connect_writes(name: str) -> None:
    """The part itself is generated, and its freshness checked above: the guide cannot say anything else."""
    page = (ROOT / "docs" / "clients.md").read_text()
    assert f"## {client_of(name).title.removesuffix(' CLI')}" in page
    assert f"<!-- generated: client-{name} -->\n[" in page


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_the_real_clients_are_run_with_what_the_guide_says(client: Client) -> None:
    assert {CONNECTED, LAUNCHED} <= {case.variant for case in client.cases}
    assert client_of(client.name).tested == client.package.version
    assert client_of(client.name).program == client.package.program


@pytest.mark.parametrize("block", of("json"))
def test_json_examples_are_json(block: Block) -> None:
    msgspec.json.decode(block.text)


def _command(line: str) -> list[str]:
    return [word for word in shlex.split(line, comments=True) if "=" not in word or word.startswith("-")]


@pytest.mark.parametrize("block", of("sh"))
def test_shell_examples_name_what_exists(block: Block) -> None:
    """A line is a target of the Makefile, a command of ours, a variable that the page's settings name, or marked with why not."""
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in block.text.replace("\\\n", " ").splitlines():
        words = _command(line)
        if not words or block.mark:
            continue
        match words:
            case ["make", target, *_]:
                assert target in targets
            case ["dragoman" | ".venv/bin/dragoman", command, *rest]:
                assert command in COMMANDS or f"{command} {rest[0]}" in COMMANDS
            case ["export"]:
                assert re.fullmatch(r"export (\w+)=\S+(\s+#.*)?", line)
                assert f'"env:{line.split()[1].partition("=")[0]}"' in block.page.read_text()
            case _:
                pytest.fail(f"nothing checks `{line}`")


@pytest.mark.skipif(which("curl") is None, reason="the example needs curl")
def test_the_curl_example_answers() -> None:
    import subprocess

    (block,) = (block for block in BLOCKS if block.mark == "run")
    with RunningGateway() as gateway:
        done = subprocess.run(
            ["sh", "-c", block.text.replace(GATEWAY, gateway.url)],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
    assert msgspec.json.decode(done.stdout)["content"][0]["text"]


def test_every_variable_that_is_read_is_documented() -> None:
    page = (ROOT / "docs/install.md").read_text()
    sources = "\n".join(file.read_text() for file in (ROOT / "src/dragoman").rglob("*.py"))
    read = set(re.findall(r"""(?:environ(?:\.get\(|\[)|envvar=|below\()["']([A-Z_]+)["']""", sources))
    assert {"HOME", "XDG_CONFIG_HOME"} <= read
    passed_on = {*TO_CLAUDE, *TO_OPENCODE, *TO_TOOLS}
    assert all(f"`{name}`" in page for name in read | passed_on)


def test_every_command_and_every_loss_code_is_documented() -> None:
    from dragoman.protocols import discover

    pages = "\n".join(page.read_text() for page in PAGES)
    assert all(f"dragoman {command}" in pages for command in COMMANDS)
    assert all(f"`{note.code}`" in pages for codec in discover().values() for note in codec.loses)
