"""`dragoman serve` as a process of its own: its signals, its memory, its log."""

import os
import re
import signal
import subprocess
import sysconfig
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.faulty_upstream import ThreadedUpstream

COMMAND = Path(sysconfig.get_path("scripts")) / "dragoman"
UPSTREAM_KEY = "sk-upstream-secret-0123456789"


class Served:
    """A running process: its port, and all that it has said to standard error."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.said: list[str] = []
        self.port = 0
        self._has_port = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for_port(self) -> None:
        assert self._has_port.wait(20), self.said
        assert self.port, self.said

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float) -> int:
        """Return the exit status, when all has been said."""
        status = self.process.wait(seconds)
        self._reader.join(10)
        return status

    @property
    def memory(self) -> int:
        """The resident memory, in bytes."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if found := re.search(r"listens on http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                self._has_port.set()
        self._has_port.set()
        self.process.stderr.close()


@contextmanager
def serving(
    folder: Path, upstream: ThreadedUpstream, settings: Mapping[str, object] = {}, *words: str
) -> Iterator[Served]:
    """Run the command before `upstream`, which is a provider in either protocol."""
    lines = ["[server]", "port = 0", *(f"{name} = {_toml(value)}" for name, value in settings.items())]
    for name, protocol, url in (
        ("chat", "openai-chat", f"{upstream.url}/v1"),
        ("messages", "anthropic-messages", upstream.url),
        ("gemini", "gemini-generate", upstream.url),
        ("responses", "openai-responses", f"{upstream.url}/v1"),
    ):
        lines += [f"[providers.{name}]", f'protocol = "{protocol}"', f'base_url = "{url}"', 'api_key = "env:UPSTREAM"']
    path = folder / "dragoman.toml"
    path.write_text("\n".join(lines))
    kept = {name: os.environ[name] for name in os.environ if name == "PATH" or name.startswith("COVERAGE_")}
    process = subprocess.Popen(
        [COMMAND, "serve", "--config", path, *words],
        stderr=subprocess.PIPE,
        text=True,
        env={**kept, "HOME": str(folder), "UPSTREAM": UPSTREAM_KEY},
    )
    served = Served(process)
    try:
        if "--port" not in words:
            served.wait_for_port()
        yield served
    finally:
        if process.poll() is None:
            served.terminate()
        try:
            served.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)
