"""deploy/nginx in front of the gateway: TLS, and events that pass in the moment in which they come."""

import os
import re
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPSConnection
from pathlib import Path
from shutil import which

import pytest

from tests.cli.test_serve import free_port
from tests.gateway.test_drain import paused
from tests.support.exact_upstream import ExactUpstream
from tests.support.lanes import PATHS, Lane, read_until
from tests.support.process import serving
from tools.docs import ROOT

NGINX = which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
NAME = "gateway.example.com"

pytestmark = pytest.mark.skipif(NGINX is None or which("openssl") is None, reason="needs nginx and openssl")


@contextmanager
def nginx(folder: Path, gateway: int) -> Iterator[tuple[int, ssl.SSLContext]]:
    """Run the shipped configuration with other ports and a certificate of our own."""
    port = free_port()
    key, certificate = folder / "privkey.pem", folder / "fullchain.pem"
    words = f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={NAME}"
    subprocess.run(
        ["openssl", *words.split(), "-addext", f"subjectAltName=DNS:{NAME}", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
        timeout=30,
    )
    text = (ROOT / "deploy/nginx/dragoman.conf").read_text()
    text = text.replace("127.0.0.1:4747", f"127.0.0.1:{gateway}")
    text = text.replace("listen 443", f"listen 127.0.0.1:{port}").replace(
        "listen 80;", f"listen 127.0.0.1:{free_port()};"
    )
    text = re.sub(r"    listen \[::\].*\n", "", text)
    text = text.replace(f"/etc/letsencrypt/live/{NAME}", str(folder))
    (folder / "nginx.conf").write_text(
        f"{'user root; ' if os.geteuid() == 0 else ''}daemon off; pid {folder}/pid; error_log stderr;\n"
        f"worker_processes 1; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n"
        f"fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n{text}}}\n"
    )
    assert NGINX is not None
    process = subprocess.Popen([NGINX, "-p", folder, "-c", folder / "nginx.conf"], stderr=subprocess.PIPE, text=True)
    try:
        wait_for(process, port)
        yield port, ssl.create_default_context(cafile=str(certificate))
    finally:
        process.terminate()
        _, said = process.communicate(timeout=20)
        assert "emerg" not in said


def wait_for(process: "subprocess.Popen[str]", port: int) -> None:
    import socket

    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, "nginx ended"
            assert time.monotonic() < deadline, "nginx does not listen"
            time.sleep(0.05)
        else:
            return


class Named(HTTPSConnection):
    """Connects to loopback and speaks to the name."""

    def connect(self) -> None:
        import socket

        plain = socket.create_connection(("127.0.0.1", self.port), 20)
        self.sock = self._context.wrap_socket(plain, server_hostname=NAME)  # type: ignore[attr-defined]


@pytest.fixture
def front(tmp_path: Path) -> Iterator[tuple[ExactUpstream, int, ssl.SSLContext]]:
    settings = {"allowed_hosts": [NAME], "heartbeat_s": 0.3}
    with (
        ExactUpstream() as upstream,
        serving(tmp_path, upstream, settings) as served,
        nginx(tmp_path, served.port) as one,
    ):
        yield upstream, *one


def asked(port: int, context: ssl.SSLContext, lane: Lane, body: bytes) -> HTTPSConnection:
    connection = Named(NAME, port, timeout=20, context=context)
    connection.request("POST", PATHS[lane.client], body, {"content-type": "application/json"})
    return connection


@pytest.mark.parametrize("lane", [Lane("messages", "chat"), Lane("chat", "chat")], ids=str)
def test_events_pass_as_they_come(front: tuple[ExactUpstream, int, ssl.SSLContext], lane: Lane) -> None:
    """The beginning is there while the upstream still holds back the end, and so is the sign of life in between."""
    upstream, port, context = front
    gate = threading.Event()
    upstream.answers(paused(lane, gate))
    connection = asked(port, context, lane, lane.request(streams=True))
    response = connection.getresponse()
    body = read_until(response, b"Hello")
    assert response.headers["x-dragoman-provider"]
    body += response.read1()  # the heartbeat, behind 0.3 s of silence
    gate.set()
    body += response.read()
    assert lane.says_hello(body)
    connection.close()


def test_a_body_as_large_as_the_gateway_takes_goes_through(front: tuple[ExactUpstream, int, ssl.SSLContext]) -> None:
    _, port, context = front
    lane = Lane("chat", "chat")
    for size, status in ((60, 404), (65, 413)):
        body = b'{"model": "demo/nothing", "messages": [{"role": "user", "content": "%b"}]}' % (b"x" * (size << 20))
        connection = asked(port, context, lane, body)
        assert connection.getresponse().status == status
        connection.close()
