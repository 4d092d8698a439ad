"""`dragoman server-openai` as a process: its defaults, its key, its variables, and the official SDK before it."""

import json
import os
import re
import signal
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2
import openai
import pytest
from openapi_spec_validator import validate

from tests.cli.test_serve import Served, environment, free_port
from tests.support.opencode import model_of, own_configuration, real_program, stand_in_program
from tests.support.upstream import RunningUpstream

COMMAND = Path(sysconfig.get_path("scripts")) / "dragoman"


@pytest.fixture(scope="module", params=["stand-in", pytest.param("real", marks=pytest.mark.slow)])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return real_program() if request.param == "real" else stand_in_program(tmp_path_factory.mktemp("program"))


@pytest.fixture(scope="module")
def upstream() -> Iterator[RunningUpstream]:
    with RunningUpstream("openai-chat") as upstream:
        yield upstream


@pytest.fixture
def own(program: str, upstream: RunningUpstream, tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who has OpenCode on the PATH, and a configuration of it."""
    folder = tmp_path / ".config" / "opencode"
    folder.mkdir(parents=True)
    (folder / "opencode.json").write_text(json.dumps(own_configuration({"openai-chat": upstream.base_url})))
    path = f"{Path(program).parent}{os.pathsep}{os.environ['PATH']}"
    return {**environment(), "PATH": path, "HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"}


@contextmanager
def serving(own: Mapping[str, str], folder: Path, *words: str) -> Iterator[Served]:
    process = subprocess.Popen(
        [COMMAND, "server-openai", *words], stderr=subprocess.PIPE, text=True, env=own, cwd=folder
    )
    served = Served(process)
    try:
        served.url = served.read_until(r"listens on (http://\S+)")[1]
        yield served
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        if process.stderr is not None:
            served.said += process.stderr
            process.stderr.close()


def test_the_openai_sdk_through_it(own: dict[str, str], upstream: RunningUpstream, tmp_path: Path) -> None:
    with serving(own, tmp_path, "--port", str(free_port())) as served:
        key = served.read_until(r"key made for this run, because none was given: (\S+)")[1]
        with openai.OpenAI(base_url=f"{served.url}/v1", api_key=key, max_retries=0, timeout=60) as client:
            chunks = client.chat.completions.create(
                model="openai-chat/assistant", messages=[{"role": "user", "content": "Hello there"}], stream=True
            )
            said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
            assert said == "Hello there"
            whole = client.chat.completions.create(
                model=model_of("openai-chat"), messages=[{"role": "user", "content": "Hello again"}]
            )
            assert whole.choices[0].message.content == "Hello again"
            assert [model.id for model in client.models.list()] == [
                f"opencode/openai-chat/{name}" for name in ("assistant", "blind", "gpt-5")
            ]
        with (
            openai.OpenAI(base_url=f"{served.url}/v1", api_key="other", max_retries=0) as client,
            pytest.raises(openai.AuthenticationError),
        ):
            client.models.list()
        health = httpx2.get(f"{served.url}/health").json()
        assert health["protocols"] == ["openai-chat"]
        assert list(health["providers"]) == ["opencode"]
        assert health["opencode_server"]["state"] == "ready"
        document = httpx2.get(f"{served.url}/openapi.json").json()
        validate(document)
        assert {"/v1/chat/completions", "/v1/models", "/health", "/openapi.json"} <= set(document["paths"])
        assert not re.search("messages|responses|v1beta", " ".join(document["paths"]))
        assert httpx2.post(f"{served.url}/v1/messages", json={}).status_code == 404
        pid = health["opencode_server"]["pid"]
    assert served.process.returncode == 0
    assert not Path(f"/proc/{pid}").exists(), "OpenCode lives on"
    assert upstream.seen[-1].headers["authorization"].startswith("Bearer sk-behind-opencode")


def test_everything_by_variables(own: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    own |= {
        "OPENAI_PROXY_PORT": str(port),
        "OPENAI_PROXY_HOST": "127.0.0.1",
        "OPENAI_PROXY_API_KEY": "sk-of-the-proxy",
        "OPENAI_PROXY_TIMEOUT": "2",
    }
    with serving(own, tmp_path) as served:
        assert served.url == f"http://127.0.0.1:{port}"
        with openai.OpenAI(base_url=f"{served.url}/v1", api_key="sk-of-the-proxy", max_retries=0) as client:
            client.models.list()
            with pytest.raises(openai.InternalServerError) as caught:
                client.chat.completions.create(
                    model="openai-chat/assistant", messages=[{"role": "user", "content": "every 9 s: write 2 words"}]
                )
        assert caught.value.status_code == 504
    assert "sk-of-the-proxy" not in "".join(served.said)


def test_its_defaults() -> None:
    done = subprocess.run([COMMAND, "server-openai", "--help"], capture_output=True, text=True, check=True)
    for words in ("[127.0.0.1]", "[4040]", "--api-key", "--key", "OPENAI_PROXY_PORT", "--timeout"):
        assert words in done.stdout
