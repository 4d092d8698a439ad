"""A gateway before OpenCode's server, a child of its own, which asks an upstream on this machine."""

# ruff: noqa: ANN401 - settings as the file has them

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from dragoman.settings import OpenCode, Provider, Secret, Server
from dragoman.upstreams.opencode_server.runner import Running
from dragoman.upstreams.opencode_server.server import OpenCodeServer
from tests.clients.install import AnyPackage, UnavailableError, default_prefix, install
from tests.clients.opencode import CLIENT
from tests.support.gateway import RunningGateway

UPSTREAM_KEY = "sk-behind-opencode-0123456789"
PACKAGES = {
    "openai-chat": "@ai-sdk/openai-compatible",
    "anthropic-messages": "@ai-sdk/anthropic",
    "openai-responses": "@ai-sdk/openai",
    "gemini-generate": "@ai-sdk/google",
}
START_LIMIT = 60.0
OPENCODE = CLIENT.package
FETCH_LIMIT = 300.0


def model_of(protocol: str) -> str:
    """Return the name of the upstream's model that OpenCode reaches in `protocol`."""
    return f"opencode/{protocol}/assistant"


def own_configuration(upstreams: Mapping[str, str]) -> dict[str, Any]:
    """Return an opencode.json: a provider for each protocol, whose upstream is at the URL."""
    sees = {"input": ["text", "image", "pdf"], "output": ["text"]}
    model = {
        "name": "Assistant",
        "attachment": True,
        "reasoning": True,
        "tool_call": True,
        "limit": {"context": 100_000, "output": 8_000},
        "cost": {"input": 1, "output": 2},
        "modalities": sees,
    }
    blind = {**model, "modalities": {"input": ["text"], "output": ["text"]}}
    providers = {
        protocol: {
            "npm": PACKAGES.get(protocol, PACKAGES["openai-chat"]),
            "options": {"baseURL": _base(protocol, url), "apiKey": UPSTREAM_KEY},
            "models": {"assistant": model, "blind": blind, "gpt-5": model},
        }
        for protocol, url in upstreams.items()
    }
    return {"provider": providers, "enabled_providers": list(upstreams)}


def _base(protocol: str, url: str) -> str:
    return f"{url}/v1" if protocol == "anthropic-messages" else url


class OpenCodeGateway(RunningGateway):
    """Runs while inside; `program` is what it starts, `folder` a place for what that is configured with."""

    def __init__(
        self,
        program: str,
        upstreams: Mapping[str, str],
        folder: Path,
        server: Server | None = None,
        **opencode: Any,
    ) -> None:
        super().__init__({"opencode": Provider(kind="opencode-server")}, server or Server(port=0))
        file = folder / "opencode.json"
        file.write_text(f"// the person's own\n{json.dumps(own_configuration(upstreams))}")
        settings = OpenCode(
            cli=program,
            config=str(file),
            auth="",
            environment={"HTTPS_PROXY": Secret("http://127.0.0.1:9"), "NO_PROXY": Secret("127.0.0.1")},
        )
        self.settings = msgspec.structs.replace(self.settings, opencode=msgspec.structs.replace(settings, **opencode))

    @property
    def opencode(self) -> OpenCodeServer:
        found = self.app.gateway.parts.models["opencode-server"]
        assert isinstance(found, OpenCodeServer)
        return found

    @property
    def running(self) -> Running:
        found = self.opencode._runner.current
        assert found is not None
        return found

    @property
    def pid(self) -> int:
        child = self.running.child
        assert child is not None
        return child.pid

    def health(self) -> dict[str, Any]:
        """Return what `/health` says of OpenCode."""
        return dict(httpx2.get(f"{self.url}/health").json()["opencode_server"])

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_LIMIT
        while self.health()["state"] != "ready":
            assert time.monotonic() < deadline, "OpenCode does not start"
            time.sleep(0.05)

    def wait_until_idle(self) -> None:
        """Wait until nothing is being cleaned up."""
        deadline = time.monotonic() + 15
        while self.opencode._tasks:
            assert time.monotonic() < deadline, "something is still being cleaned up"
            time.sleep(0.01)

    def ask_opencode(self, path: str) -> Any:
        """Ask OpenCode's server itself."""
        child = self.running.child
        assert child is not None
        answer = httpx2.get(child.url + path, auth=("opencode", child.password.reveal()), timeout=30)
        return answer.json()


def stand_in_program(folder: Path) -> str:
    """Return a program that stands in for `opencode`, written into `folder`."""
    file = folder / "opencode"
    script = Path(__file__).with_name("opencode_stand_in.py")
    file.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    file.chmod(0o755)
    return str(file)


def real_program() -> str:
    """Return the real `opencode`, fetched from npm once; skip the test when it cannot be had."""
    return str(fetched(OPENCODE) / OPENCODE.program)


def fetched(package: AnyPackage) -> Path:
    """Return the folder of a package's program, as `make test-clients` keeps it; skip the test when it cannot be had."""
    try:
        return asyncio.run(install(package, default_prefix(), FETCH_LIMIT))
    except UnavailableError as reason:
        pytest.skip(str(reason))
