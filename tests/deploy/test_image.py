"""The images are really built, and the gateway in them answers: buildah, without a daemon and without rights of its own.

A base image cannot be pulled everywhere: it is made of Debian's packages. `DRAGOMAN_IMAGE_STORE` names a store of buildah's that
has one already, and keeps what is built.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

import anthropic
import httpx2
import pytest

from tests.cli.test_serve import free_port
from tools.docs import ROOT

BASE = "docker.io/library/debian:12-slim"
KEY = "a-key-for-this-run"
TOOL: anthropic.types.ToolParam = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
LARGEST = 120_000_000
MISSING = [name for name in ("buildah", "debootstrap") if which(name) is None]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(MISSING)} (Debian's packages)"),
    pytest.mark.skipif(os.geteuid() != 0, reason="buildah's chroot isolation and debootstrap need root"),
]


class Store:
    """A store of buildah's."""

    def __init__(self, folder: Path) -> None:
        self._words = ("buildah", "--root", folder / "store", "--runroot", folder / "run", "--storage-driver", "vfs")
        self._folder = folder

    def run(self, *words: str | Path) -> str:
        done = subprocess.run(
            (*self._words, *words), capture_output=True, text=True, check=False, cwd=ROOT, timeout=1500
        )
        assert done.returncode == 0, f"{words}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout.strip()

    def start(self, *words: str | Path) -> "subprocess.Popen[str]":
        return subprocess.Popen((*self._words, *words), stderr=subprocess.PIPE, text=True, start_new_session=True)

    def has_base(self) -> bool:
        return bool(self.run("images", "--quiet", "--filter", f"reference={BASE}"))

    def make_base(self) -> None:
        """Debian as debootstrap installs it, with the certificates that this machine trusts."""
        tree = self._folder / "debian"
        bootstrap = ("debootstrap", "--variant=minbase", "bookworm", tree, "http://deb.debian.org/debian")
        subprocess.run(bootstrap, check=True, capture_output=True, timeout=900)
        trusted = Path("/etc/ssl/certs/ca-certificates.crt")
        if trusted.exists():
            place = tree / "usr/local/share/ca-certificates/machine.crt"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(trusted.read_bytes())
        container = self.run("from", "scratch")
        self.run("add", container, tree, "/")
        self.run("commit", container, BASE)
        self.run("rm", container)

    def build(self, target: str) -> str:
        name = f"localhost/dragoman:{target}"
        words = ("bud", "--layers", "--isolation", "chroot", "--pull=never", "--network", "host", "--format", "docker")
        self.run(*words, "--file", "deploy/image/Dockerfile", "--target", target, "--tag", name, ".")
        return name


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = os.environ.get("DRAGOMAN_IMAGE_STORE")
    store = Store(Path(folder) if folder else tmp_path_factory.mktemp("images"))
    if not store.has_base():
        store.make_base()
    return store


@contextmanager
def running(store: Store, image: str) -> Iterator[tuple[str, str, str]]:
    """Run a container's command as its user; yield the container, its folder and where it listens."""
    container = store.run("from", "--pull=never", image)
    folder = store.run("mount", container)
    port = free_port()
    command = json.loads(store.run("inspect", "--type", "image", image))["Docker"]["config"]
    settings = ("--env", f"DRAGOMAN_SERVER_PORT={port}", "--env", f"DRAGOMAN_SERVER_KEYS={KEY}")
    words = ("run", "--isolation", "chroot", *settings, container, "--", *command["Entrypoint"], *command["Cmd"])
    process = store.start(*words)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, process)
        yield container, folder, url
    finally:
        # As an engine does it: the signal goes to the gateway, which is the innermost of buildah's processes.
        os.kill(innermost(process.pid), signal.SIGTERM)
        _, said = process.communicate(timeout=60)
        store.run("umount", container)
        store.run("rm", container)
    assert '"event":"stopped"' in said


def innermost(pid: int) -> int:
    """Return the process at the end of the chain of children."""
    children = Path(f"/proc/{pid}/task")
    found = [int(word) for task in children.iterdir() for word in (task / "children").read_text().split()]
    return innermost(found[0]) if found else pid


def wait_for(url: str, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            assert httpx2.get(f"{url}/ping", timeout=5).text == "pong"
        except httpx2.TransportError:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "it does not listen"
            time.sleep(0.1)
        else:
            return


def hold_a_tool_loop(url: str, key: str = KEY) -> None:
    """Two streamed turns with the official SDK: a call, its result, an answer."""
    with anthropic.Anthropic(base_url=url, api_key=key) as client:
        messages: list[anthropic.types.MessageParam] = [
            {"role": "user", "content": 'call get_weather with {"city": "Oslo"}'}
        ]
        with client.messages.stream(model="demo/assistant", max_tokens=200, messages=messages, tools=[TOOL]) as stream:
            turn = stream.get_final_message()
        (call,) = (block for block in turn.content if isinstance(block, anthropic.types.ToolUseBlock))
        assert call.input == {"city": "Oslo"}
        result: anthropic.types.ToolResultBlockParam = {
            "type": "tool_result",
            "tool_use_id": call.id,
            "content": "rain",
        }
        messages += [{"role": "assistant", "content": turn.content}, {"role": "user", "content": [result]}]
        with client.messages.stream(model="demo/assistant", max_tokens=200, messages=messages, tools=[TOOL]) as stream:
            assert "rain" in stream.get_final_text()


def writable(folder: str, user: int) -> set[str]:
    """Return the folders and files in which `user` could write, that it has itself or that all have."""
    found = set()
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place) / name
            state = path.lstat()
            if not path.is_symlink() and (state.st_uid == user or state.st_mode & 0o002):
                found.add("/" + str(path.relative_to(folder)))
    return found


def test_the_plain_image(store: Store) -> None:
    image = store.build("plain")
    about = json.loads(store.run("inspect", "--type", "image", image))["Docker"]
    assert about["config"]["User"] == "65532:65532"
    assert list(about["config"]["Volumes"]) == ["/state"]
    with running(store, image) as (container, folder, url):
        assert httpx2.post(f"{url}/v1/messages", json={}).status_code == 401
        hold_a_tool_loop(url)
        assert size_of(folder) < LARGEST
        assert writable(folder, 65532) <= {"/tmp", "/state", "/dev", "/proc", "/sys"}  # noqa: S108 - names, not files
        assert not (Path(folder) / "bin/sh").exists()
        check = about["config"]["Healthcheck"]["Test"]
        assert check[0] == "CMD"
        port = url.rpartition(":")[2]
        healthy = ("run", "--isolation", "chroot", "--env", f"DRAGOMAN_SERVER_PORT={port}", container, "--", *check[1:])
        store.run(*healthy)
        with pytest.raises(AssertionError, match="refused"):
            store.run("run", "--isolation", "chroot", "--env", "DRAGOMAN_SERVER_PORT=1", container, "--", *check[1:])


def test_the_image_with_the_claude_cli(store: Store) -> None:
    image = store.build("claude")
    with running(store, image) as (container, _, url):
        hold_a_tool_loop(url)
        told = store.run("run", "--isolation", "chroot", container, "--", "python3", "-c", SEES_CLI)
        assert "Claude Code" in told


SEES_CLI = """
import subprocess
from dragoman.settings import load
from dragoman.upstreams.claude_agent.environment import find_cli
print(subprocess.run([find_cli(load(None, {})), "--version"], capture_output=True, text=True, check=True).stdout)
"""


def size_of(folder: str) -> int:
    """Return what the files take, in bytes."""
    return sum(
        (Path(place) / name).lstat().st_size
        for place, _, files in os.walk(folder)
        if not place.startswith((f"{folder}/proc", f"{folder}/sys", f"{folder}/dev"))
        for name in files
    )
