"""Several processes on one port: the death of one harms no other's requests, and all of them follow the supervisor."""

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from tests.gateway.test_drain import paused, wait_until_refused
from tests.support.exact_upstream import ExactUpstream
from tests.support.lanes import Lane, ask, asking, read_until
from tests.support.process import Served, serving

LANE = Lane("messages", "chat")
DEMO = json.dumps({"model": "demo/echo", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]})


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for(claim: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def has_said(served: Served, pattern: str) -> bool:
    return re.search(pattern, "".join(served.said)) is not None


@contextmanager
def crew(folder: Path, upstream: ExactUpstream, count: int = 2) -> Iterator[Served]:
    with serving(folder, upstream, {"drain_s": 10}, "--workers", str(count)) as served:
        wait_for(lambda: len(children(served.process.pid)) == count)
        wait_for(lambda: status(served.port) == 200)
        yield served


def status(port: int, model: str = "demo/echo") -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        connection.request("POST", "/v1/messages", DEMO.replace("demo/echo", model))
        response = connection.getresponse()
        response.read()
    except (OSError, HTTPException):
        return 0
    else:
        return response.status
    finally:
        connection.close()


def owner(port: int, client: int, pids: list[int]) -> int:
    """Return which process has the connection from the client's port `client` to `port`."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ends = f":{port:04X}", f":{client:04X}"
    (inode,) = (row[9] for row in rows if row[1].endswith(ends[0]) and row[2].endswith(ends[1]) and row[9] != "0")
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            if link.is_symlink() and str(link.readlink()) == f"socket:[{inode}]":
                return pid
    raise AssertionError("nobody has it")


def test_the_death_of_a_worker_harms_no_other_request(tmp_path: Path) -> None:
    """A stream that the other one tells goes on, whoever asks meanwhile is answered, and there is a new one at once."""
    gate = threading.Event()
    with ExactUpstream() as upstream, crew(tmp_path, upstream) as served, ThreadPoolExecutor(4) as pool:
        upstream.answers(paused(LANE, gate))
        with asking(served.port, LANE, streams=True) as connection:
            response = connection.getresponse()
            body = read_until(response, b"Hello")
            pids = children(served.process.pid)
            keeper = owner(served.port, connection.sock.getsockname()[1], pids)
            (victim,) = set(pids) - {keeper}
            ends = threading.Event()
            asked = [pool.submit(ask_on, served.port, ends) for _ in range(4)]
            time.sleep(0.2)
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda: len(children(served.process.pid)) == 2 and victim not in children(served.process.pid))
            time.sleep(0.3)
            ends.set()
            statuses = [one for future in asked for one in future.result()]
            # The requests that the dead one had begun are lost: at most one of each client that asks.
            assert len(statuses) > 20
            assert statuses.count(200) >= len(statuses) - 4
            gate.set()
            body += response.read()
            assert LANE.says_hello(body)
        assert keeper in children(served.process.pid)
        wait_for(lambda: has_said(served, rf"worker {victim} was ended by signal 9; another one starts"))


def ask_on(port: int, ends: threading.Event) -> list[int]:
    statuses = []
    while not ends.is_set():
        statuses.append(status(port))
    return statuses


def test_a_worker_that_is_idle_can_die_unnoticed(tmp_path: Path) -> None:
    with ExactUpstream() as upstream, crew(tmp_path, upstream) as served:
        for victim in children(served.process.pid):
            os.kill(victim, signal.SIGKILL)
            assert [status(served.port) for _ in range(5)] == [200] * 5
            wait_for(lambda: len(children(served.process.pid)) == 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_crew_that_is_stopped_finishes_what_runs(tmp_path: Path, number: signal.Signals) -> None:
    gate = threading.Event()
    with ExactUpstream() as upstream, crew(tmp_path, upstream) as served:
        upstream.answers(paused(LANE, gate))
        pids = children(served.process.pid)
        with asking(served.port, LANE, streams=True) as connection:
            response = connection.getresponse()
            body = read_until(response, b"Hello")
            served.process.send_signal(number)
            wait_until_refused(served.port)
            gate.set()
            body += response.read()
            assert LANE.says_hello(body)
        assert served.wait(15) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert "Traceback" not in "".join(served.said)


def test_workers_leave_when_their_supervisor_is_gone(tmp_path: Path) -> None:
    with ExactUpstream() as upstream, crew(tmp_path, upstream) as served:
        pids = children(served.process.pid)
        served.process.kill()
        wait_until_refused(served.port)
        wait_for(lambda: not any(_is_running(pid) for pid in pids))


def _is_running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_all_workers_take_a_new_configuration(tmp_path: Path) -> None:
    """So does one that starts later."""
    with ExactUpstream() as upstream, crew(tmp_path, upstream) as served:
        file = tmp_path / "dragoman.toml"
        file.write_text(file.read_text() + '\n[aliases]\n"new-name" = "demo/echo"\n')
        served.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "".join(served.said).count("serving with the new configuration") >= 3)
        assert [status(served.port, "new-name") for _ in range(20)] == [200] * 20
        (first, _) = children(served.process.pid)
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: len(children(served.process.pid)) == 2 and first not in children(served.process.pid))
        assert [status(served.port, "new-name") for _ in range(20)] == [200] * 20
        file.write_text("nonsense")
        served.process.send_signal(signal.SIGHUP)
        wait_for(lambda: has_said(served, "the configuration stays as it was: .*dragoman.toml:1: not TOML"))
        assert status(served.port, "new-name") == 200


def test_one_worker_is_one_process(tmp_path: Path) -> None:
    with ExactUpstream() as upstream, serving(tmp_path, upstream) as served:
        assert ask(served.port, LANE, streams=False) is not None
        assert children(served.process.pid) == []
