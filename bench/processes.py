"""The processes of a run: built, started on their cores, watched through /proc, and ended."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.answers import exchange
from bench.protocols import PROVIDERS

HERE: Final = Path(__file__).parent
TICKS: Final = os.sysconf("SC_CLK_TCK")
READY_SECONDS: Final = 20
SOURCES: Final = {"load": ("load.c",), "upstream": ("upstream.c", "replies.c")}


class BenchError(Exception):
    """A run cannot go on."""


@dataclass(frozen=True)
class Cores:
    """Which core carries the upstream and the load, and which one the server that is measured."""

    instruments: int
    measured: int

    @classmethod
    def of_this_machine(cls) -> "Cores":
        allowed = sorted(os.sched_getaffinity(0))
        return cls(allowed[0], allowed[1] if len(allowed) > 1 else allowed[0])


@dataclass(frozen=True)
class Server:
    """A process that we started, and that answers at `port`."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    start_seconds: float

    def cpu_seconds(self) -> float:
        """CPU time of the process and its living children, to the nanosecond where the kernel keeps schedstat."""
        return sum(map(cpu_seconds, family(self.process.pid)))

    def resident_mb(self) -> float:
        return sum(map(resident_mb, family(self.process.pid)))


# ---- /proc (man 5 proc)


def family(pid: int) -> list[int]:
    """The process and everything below it."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            children.setdefault(int(stat_fields(folder)[1]), []).append(int(folder.name))
    members = [pid]
    for member in members:
        members += children.get(member, [])
    return members


def stat_fields(folder: Path) -> list[str]:
    """Fields of `stat` from the state on: the name before it may contain anything."""
    return (folder / "stat").read_text().rpartition(")")[2].split()


def cpu_seconds(pid: int) -> float:
    """Of one process: all its threads; 0 when it is gone."""
    folder = Path(f"/proc/{pid}")
    with contextlib.suppress(OSError):
        nanoseconds = sum(int(thread.read_text().split()[0]) for thread in folder.glob("task/*/schedstat"))
        if nanoseconds:
            return nanoseconds / 1e9
        fields = stat_fields(folder)
        return (int(fields[11]) + int(fields[12])) / TICKS
    return 0.0


def resident_mb(pid: int) -> float:
    with contextlib.suppress(OSError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    return 0.0


def busy_seconds(cores: Cores) -> float:
    """How long the two cores have been at work, for whomever."""
    wanted = {f"cpu{cores.instruments}", f"cpu{cores.measured}"}
    rows = [line.split() for line in Path("/proc/stat").read_text().splitlines()]
    # user, nice, system, idle, iowait, irq, softirq, steal
    return sum(sum(map(int, [*row[1:4], *row[6:9]])) for row in rows if row[0] in wanted) / TICKS


# ---- starting and ending


def missing_tools() -> str | None:
    """What has to be installed before anything can be measured; None when all is there."""
    if sys.platform != "linux":
        return "it reads CPU times from /proc and uses epoll: Linux only"
    missing = [tool for tool in ("cc", "taskset") if shutil.which(tool) is None]
    if not missing:
        return None
    hint = "a C compiler (Debian: apt-get install gcc libc6-dev) and util-linux"
    return f"{' and '.join(f'`{tool}`' for tool in missing)} missing; hint: install {hint}"


def find_nginx() -> str | None:
    """Debian keeps it in /usr/sbin, which is not on everybody's PATH."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def build(name: str, folder: Path) -> Path:
    program = folder / name
    command = ["cc", "-O2", "-o", str(program), *(str(HERE / source) for source in SOURCES[name])]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        raise BenchError(f"cc cannot build the {name}:\n{made.stderr}")
    return program


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def serving(name: str, command: Sequence[str], port: int, core: int, folder: Path) -> Iterator[Server]:
    """Run a server on its core until the block ends; its output goes to a file in `folder`."""
    log = folder / f"{name}.log"
    pinned = ["taskset", "-c", str(core), *command]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DRAGOMAN_")}
    environment |= {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    start = time.perf_counter()
    with log.open("ab") as output:
        process = subprocess.Popen(
            pinned, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder, env=environment
        )
    try:
        wait_until_healthy(name, process, port, log)
        yield Server(name, process, port, time.perf_counter() - start)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_healthy(name: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.perf_counter() + READY_SECONDS
    while time.perf_counter() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            if exchange(port, "GET", "/health")[0] == 200:
                return
        time.sleep(0.002)
    state = "does not answer" if process.poll() is None else f"ended with exit code {process.returncode}"
    raise BenchError(f"{name} {state}; its last words:\n{log.read_text(errors='replace')[-2000:]}")


@contextlib.contextmanager
def scripted_upstream(cores: Cores, folder: Path) -> Iterator[Server]:
    port = free_port()
    command = [str(build("upstream", folder)), str(port)]
    with serving("upstream", command, port, cores.instruments, folder) as server:
        yield server


def upstream_counts(upstream: Server) -> tuple[int, int]:
    """Requests and streamed events until now."""
    counts = json.loads(exchange(upstream.port, "GET", "/stats")[1])
    return counts["requests"], counts["events"]


# ---- what is measured

PROVIDER_CONFIG: Final = """\
[providers.{name}]
protocol = "{protocol}"
base_url = "http://127.0.0.1:{upstream}{path}"
api_key = "sk-up"

"""

# One worker, connections kept alive on both sides, no access log, nothing buffered on disk: the least that a proxy can do.
NGINX_CONFIG: Final = """\
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log error;
events {{ worker_connections 2048; }}
http {{
    access_log off; keepalive_requests 100000000; keepalive_timeout 600s;
    client_max_body_size 64m; client_body_buffer_size 1m; client_body_temp_path {folder}/client; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    upstream up {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }}
    }}
}}
"""


def gateway_config(upstream_port: int) -> str:
    return "".join(PROVIDER_CONFIG.format(**vars(one), upstream=upstream_port) for one in PROVIDERS.values())


@contextlib.contextmanager
def gateway(program: Path, upstream_port: int, cores: Cores, folder: Path) -> Iterator[Server]:
    if not program.exists():
        raise BenchError(f"there is no `{program}`; hint: `make setup`, then `make bench`")
    port, config = free_port(), folder / "dragoman.toml"
    config.write_text(gateway_config(upstream_port))
    command = [str(program), "serve", "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    with serving("dragoman", command, port, cores.measured, folder) as server:
        yield server


@contextlib.contextmanager
def nginx(binary: str, upstream_port: int, cores: Cores, folder: Path) -> Iterator[Server]:
    port, config = free_port(), folder / "nginx.conf"
    config.write_text(NGINX_CONFIG.format(folder=folder, upstream=upstream_port, port=port))
    command = [binary, "-e", str(folder / "nginx.log"), "-c", str(config)]
    with serving("nginx", command, port, cores.measured, folder) as server:
        yield server
