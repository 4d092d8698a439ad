"""The built wheel, installed in every way that docs/install.md tells, in an environment that has nothing of ours."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import httpx2
import pytest

from tools.docs import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

UV = ROOT / ".venv/bin/uv"
ASK = {"model": "demo/assistant", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello there"}]}
KEPT = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "UV_SYSTEM_CERTS", "PIP_CERT", "PIP_INDEX_URL", "UV_DEFAULT_INDEX")


class Home:
    """An empty home: what is installed there finds nothing that is not its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        cache = subprocess.check_output([UV, "cache", "dir"], text=True).strip()
        self.environment = {
            **{name: os.environ[name] for name in KEPT if name in os.environ},
            "HOME": str(path),
            "UV_CACHE_DIR": cache,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_TOOL_DIR": str(path / "tools"),
            "UV_TOOL_BIN_DIR": str(path / "bin"),
            "UV_PYTHON": sys.executable,
            "PIPX_HOME": str(path / "pipx"),
            "PIPX_BIN_DIR": str(path / "bin"),
            "PIPX_DEFAULT_PYTHON": sys.executable,
        }

    def run(self, *words: str | Path) -> str:
        done = subprocess.run(
            words, capture_output=True, text=True, cwd=self.path, env=self.environment, timeout=500, check=False
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([UV, "build", "--quiet", "--out-dir", folder], cwd=ROOT, check=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def answers(home: Home, *command: str | Path) -> None:
    """Check that `command` is a gateway that answers."""
    assert home.run(*command, "--version").startswith("dragoman ")
    process = subprocess.Popen(
        [*command, "serve", "--port", "0"], stderr=subprocess.PIPE, text=True, cwd=home.path, env=home.environment
    )
    assert process.stderr is not None
    try:
        lines = iter(process.stderr)
        url = next(found[1] for line in lines if (found := re.search(r"listens on (http://\S+)", line)))
        reply = httpx2.post(f"{url}/v1/messages", json=ASK, timeout=20)
        assert "Hello there" in reply.json()["content"][0]["text"]
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0


def test_uv_tool(home: Home, wheel: Path) -> None:
    home.run(UV, "tool", "install", wheel)
    answers(home, home.path / "bin/dragoman")
    home.run(UV, "tool", "upgrade", "dragoman")
    home.run(UV, "tool", "uninstall", "dragoman")
    assert not (home.path / "bin/dragoman").exists()


def test_pipx(home: Home, wheel: Path) -> None:
    pipx: tuple[str | Path, ...] = (UV, "tool", "run", "pipx")
    home.run(*pipx, "install", wheel)
    answers(home, home.path / "bin/dragoman")
    home.run(*pipx, "uninstall", "dragoman")
    assert not (home.path / "bin/dragoman").exists()


def test_uvx(home: Home, wheel: Path) -> None:
    answers(home, UV, "tool", "run", "--from", wheel, "dragoman")


def test_pex(home: Home, wheel: Path) -> None:
    """One file, and a python3 to run it."""
    home.run(UV, "tool", "run", "pex", wheel, "--console-script", "dragoman", "--output-file", "dragoman.pex")
    answers(home, sys.executable, home.path / "dragoman.pex")


@pytest.mark.parametrize(
    ("extra", "brings"), [("", ""), ("[claude]", "claude_agent_sdk"), ("[all]", "claude_agent_sdk")]
)
def test_pip(home: Home, wheel: Path, extra: str, brings: str) -> None:
    python = home.path / "venv/bin/python"
    home.run(sys.executable, "-m", "venv", home.path / "venv")
    home.run(python, "-m", "pip", "install", "--quiet", f"{wheel}{extra}")
    answers(home, home.path / "venv/bin/dragoman")
    has_sdk = "from importlib.util import find_spec; print(bool(find_spec('claude_agent_sdk')))"
    assert home.run(python, "-c", has_sdk).strip() == str(bool(brings))


def test_the_source_distribution_installs(home: Home, built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    answers(home, UV, "tool", "run", "--from", sdist, "dragoman")


def test_its_types_are_seen(home: Home, wheel: Path) -> None:
    home.run(sys.executable, "-m", "venv", home.path / "venv")
    python = home.path / "venv/bin/python"
    home.run(UV, "pip", "install", "--quiet", "--python", python, wheel, "mypy")
    (home.path / "mine.py").write_text(
        'import dragoman\n\ndata: bytes = dragoman.translate("{}", "openai-chat", "openai-responses").data\n'
    )
    home.run(python, "-m", "mypy", "--strict", "mine.py")


def test_the_distributions_hold_the_data_and_its_licences(built: Path, wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for file in ("py.typed", "catalog/models.jsonl", "providers/opencode.json"):
        assert f"dragoman/{file}" in names
    licences = {name.partition("/licenses/")[2] for name in names if "/licenses/" in name and name[-1] != "/"}
    assert licences == {"LICENSE", "src/dragoman/catalog/NOTICE", "src/dragoman/providers/NOTICE"}
    assert not [name for name in names if not name.startswith("dragoman")]
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        inside: Mapping[str, int] = {member.name.partition("/")[2]: member.size for member in archive}
    assert inside["src/dragoman/py.typed"] == 0
    assert "LICENSE" in inside
