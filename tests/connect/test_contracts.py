"""The checks of `dragoman doctor`: each holds of this gateway, and none of a server that does not do what it looks for."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from dragoman.connect.contracts import Asker, Check, Contract, UnfitError, contract_of, protocols
from dragoman.protocols import discover
from tests.support.gateway import RunningGateway

CHECKS = [
    pytest.param(contract_of(name), check, id=f"{name}: {check.what}")
    for name in protocols()
    for check in contract_of(name).checks
]


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    with RunningGateway() as running:
        yield running.url


def serving(status: int, body: bytes, kind: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_POST = do_HEAD = _answer  # noqa: N815 - as the base class calls them

        def log_message(self, format: str, *words: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def broken() -> Iterator[str]:
    yield from serving(500, b'{"error": "broken"}', "application/json")


@pytest.fixture(scope="module")
def cut() -> Iterator[str]:
    """A server whose streams end without an end."""
    yield from serving(200, b'data: {"type": "ping", "choices": [], "candidates": [{}]}\n\n', "text/event-stream")


def run(contract: Contract, check: Check, url: str) -> None:
    with httpx2.Client(base_url=url, timeout=20, trust_env=False) as http:
        check.run(Asker(http, "sk-doctor-0123456789abcdef", contract.sign_in))


def test_every_protocol_has_a_contract() -> None:
    assert set(protocols()) == set(discover())


@pytest.mark.parametrize(("contract", "check"), CHECKS)
def test_a_check_holds_of_this_gateway(contract: Contract, check: Check, gateway: str) -> None:
    run(contract, check, gateway)


@pytest.mark.parametrize(("contract", "check"), CHECKS)
def test_a_check_does_not_hold_of_a_server_that_fails(contract: Contract, check: Check, broken: str) -> None:
    with pytest.raises(UnfitError):
        run(contract, check, broken)
    assert check.hint


@pytest.mark.parametrize("name", protocols())
def test_a_stream_without_an_end_does_not_pass(name: str, cut: str) -> None:
    contract = contract_of(name)
    check = next(check for check in contract.checks if "stream" in check.what)
    with pytest.raises((UnfitError, LookupError)):
        run(contract, check, cut)
