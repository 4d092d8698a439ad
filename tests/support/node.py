"""Programs from npm, with the Node that the tests need (newer than many machines have): fetched, so only in opt-in tests."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tools.docs import ROOT

_MADE: Final = shutil.ignore_patterns("node_modules", ".wrangler", "python_modules", "package-lock.json")


class NodeProject:
    """A copy of a folder of the project with its packages installed."""

    def __init__(self, folder: str, tree: Path) -> None:
        """Install `folder` (below the project's root) at the same place below `tree`, in copies of what it refers to."""
        self.path = tree / folder
        shutil.copytree(ROOT / "deploy", tree / "deploy", ignore=_MADE)
        shutil.copytree(ROOT / "src", tree / "src", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, tree)
        self.environment = {
            **os.environ,
            "PATH": f"{self.path}/node_modules/node/bin:{self.path}/node_modules/.bin:{os.environ['PATH']}",
            "WRANGLER_SEND_METRICS": "false",
            "CI": "true",
            "HOME": str(tree),
        }
        self.run("npm", "install", "--no-fund", "--no-audit", home=os.environ["HOME"])

    def run(self, *words: str, home: str | None = None) -> str:
        """Run a program to its end; return what it said."""
        environment = {**self.environment, **({"HOME": home} if home else {})}
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.path,
            env=environment,
            timeout=400,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"{words}\n{said[-4000:]}"
        return said

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        """Start a program in a session of its own."""
        return subprocess.Popen(
            words,
            cwd=self.path,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
