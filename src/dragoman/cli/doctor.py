"""`dragoman doctor`: looks whether everything is there that a client needs, and does what it needs."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import httpx2

from dragoman import __version__
from dragoman.cli.connect import places_here
from dragoman.cli.findings import Finding
from dragoman.cli.gateway import at, key_of, look, url_of
from dragoman.cli.reaching import reached
from dragoman.cli.root import Root
from dragoman.cli.running import running
from dragoman.connect.client import Client, Connection, File, Model, Places
from dragoman.connect.contracts import Asker, UnfitError, contract_of, protocols
from dragoman.connect.documents import MISSING, DocumentError, open_document
from dragoman.protocols import discover
from dragoman.routing.registry import Registry
from dragoman.settings import Settings

_PATIENCE: Final = 30.0
_PAUSE: Final = 0.1
_LEAST_BODY: Final = 32
_WRONG_KEY: Final = "sk-wrong-key-of-the-doctor"
_ANY_MODEL: Final = "any-model-at-all"
_PROBE: Final = Model(_ANY_MODEL, _ANY_MODEL)
"""Stands for whatever model a client's settings name, to find where they do."""
_BUILT_IN: Final = "the built-in demo"


def examine(root: Root, settings: Settings, client: Client | None, key: str | None) -> int:
    """Print what holds and what does not, for one client or for all; return 0 when everything holds, else 1."""
    failed = 0
    findings = _findings(root, settings, client, key)
    for finding in findings:
        failed += bool(finding.problem)
        print(f"{'FAILED' if finding.problem else 'ok    '} {finding.where:24} {finding.what}", flush=True)
        if finding.problem:
            print(f"       {finding.problem}\n       hint: {finding.hint}", flush=True)
    print(f"{failed} failed" if failed else "all is well")
    return 1 if failed else 0


def _findings(root: Root, settings: Settings, client: Client | None, key: str | None) -> Iterator[Finding]:
    yield from _configuration(settings)
    registry = Registry(settings, discover())
    for spec in (registry.providers[name] for name in settings.providers):
        yield from reached(spec)
    seen = look(url_of(settings))
    where = "gateway"
    if seen is None:
        yield Finding(where, f"none runs at {url_of(settings)}: one is started for these checks")
    elif seen.version != __version__:
        yield Finding(where, "version", f"{seen.version} runs, this is {__version__}", "start `dragoman serve` again")
    with running(root, settings) as url:
        yield from _opencode(url, settings.opencode.start_s)
        plain = key_of(settings, key)
        if client is not None:
            yield from _client(
                client, Connection(url_of(settings), plain, (_PROBE,), has_choice=True), url, places_here()
            )
        yield from _gateway(url, plain)
        for protocol in protocols() if client is None else (client.protocol,):
            yield from _contract(protocol, url, plain)


# --- the configuration ------------------------------------------------------------------------------------------------


def _configuration(settings: Settings) -> Iterator[Finding]:
    yield Finding("configuration", settings.origin.file or "no file: defaults and environment")
    size = settings.server.max_body_mib
    problem = f"`server.max_body_mib` is {size}" if size < _LEAST_BODY else ""
    proxied = _proxied()
    yield Finding("environment", "no proxy is in between", proxied, "add 127.0.0.1 to NO_PROXY")
    yield Finding(
        "configuration", "long conversations fit", problem, f"{_LEAST_BODY} or more: agents send all of it every turn"
    )


def _proxied() -> str:
    """Return which proxy of the environment would take a client's requests elsewhere; empty: none would."""
    proxies = [name for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy") if os.environ.get(name)]
    exempt = os.environ.get("NO_PROXY", "") + os.environ.get("no_proxy", "")
    return (
        f"`{proxies[0]}` is set, and NO_PROXY does not name 127.0.0.1" if proxies and "127.0.0.1" not in exempt else ""
    )


def _opencode(url: str, seconds: float) -> Iterator[Finding]:
    """Wait for OpenCode, where a provider needs it: a gateway that has just been started has none of its models yet."""
    where, deadline = "OpenCode", time.monotonic() + seconds
    state = _state(url)
    while state.get("state") == "down" and not state.get("problem") and time.monotonic() < deadline:
        time.sleep(_PAUSE)
        state = _state(url)
    if state.get("state") == "ready":
        yield Finding(where, f"is ready: {state.get('version')}, with {state.get('models')} models")
    elif state:
        problem = state.get("problem") or f"it is not ready within {seconds:g} s"
        yield Finding(where, "is ready", problem, "`[opencode]` describes it: see docs/opencode.md")


def _state(url: str) -> Mapping[str, Any]:
    """Return how the gateway's OpenCode is; nothing where there is none."""
    seen = look(url)
    state: Mapping[str, Any] = {} if seen is None else seen.health.get("opencode_server", {})
    return state


# --- the client ---------------------------------------------------------------------------------------------------------


def _client(client: Client, connection: Connection, url: str, places: Places) -> Iterator[Finding]:
    """Look at a client's own settings: do they lead to `connection`? What runs at `url` is asked for its model."""
    yield from _program(client)
    if client.files is None:
        yield Finding(client.name, f"has a screen for its settings: see `dragoman connect {client.name}`")
        return
    for file in client.files(connection, places):
        if file.form != "whole":
            yield from _written(client, file, at(connection, url))


def _program(client: Client) -> Iterator[Finding]:
    if client.program is None:
        return
    program = shutil.which(client.program)
    if program is None:
        yield Finding(client.name, "is installed", f"`{client.program}` is not on the PATH", f"see {client.source}")
        return
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=_PATIENCE, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        yield Finding(
            client.name, "runs", f"`{client.program} --version`: {error}", f"install it anew: {client.source}"
        )
        return
    found = re.search(r"\d+(?:\.\d+)+", done.stdout + done.stderr)
    version = found[0] if found else "of no known version"
    tested = f", tested with {client.tested}" if client.tested and client.tested != version else ""
    yield Finding(client.name, f"is installed: {version}{tested}")


def _written(client: Client, file: File, connection: Connection) -> Iterator[Finding]:
    """Compare what a file says with what it has to say; of the model, whether the gateway knows it."""
    what = f"its settings lead here: {file.place}"
    try:
        text = file.place.read_text(encoding="utf-8-sig") if file.place.is_file() else ""
        document = open_document(file.form, text)
        found = {setting.path: document.get(setting.path) for setting in file.settings}
    except (DocumentError, OSError, UnicodeDecodeError) as error:
        yield Finding(client.name, what, str(error), "correct the file")
        return
    if all(value is MISSING for value in found.values()):
        yield Finding(client.name, what, f"{client.title} is not connected yet", _to_connect(client))
        return
    wrong = []
    for setting in file.settings:
        path, value = setting.path, setting.value
        if _ANY_MODEL in f"{path}{value}":
            name = found[path]
            if isinstance(name, str) and isinstance(value, str):
                yield _model(client, name.removeprefix(value.partition(_ANY_MODEL)[0]), connection)
        elif found[path] != value:
            wrong.append(f"`{path[-1]}` is {_told(found[path], is_secret=setting.is_secret)}")
    yield Finding(client.name, what, ", ".join(wrong), _to_connect(client))


def _to_connect(client: Client) -> str:
    hint = f"dragoman connect {client.name}{' --model NAME' if client.needs_model else ''}"
    return f"{hint}; `dragoman launch {client.name}` needs none of it" if client.launch else hint


def _told(value: Any, *, is_secret: bool) -> str:  # noqa: ANN401 - JSON
    if value is MISSING:
        return "not set"
    return "another key" if is_secret else f"`{value}`"


def _model(client: Client, name: str, connection: Connection) -> Finding:
    what = f"its model `{name}` is known"
    headers = {"authorization": f"Bearer {connection.key}"}
    reply = httpx2.get(f"{connection.url}/v1/models/{name}", headers=headers, timeout=_PATIENCE, trust_env=False)
    problem = "" if reply.status_code == 200 else f"the gateway answers {reply.status_code}"
    return Finding(
        client.name, what, problem, "`dragoman models` lists what there is; an alias makes a name of yours known"
    )


# --- the gateway --------------------------------------------------------------------------------------------------------


def _gateway(url: str, key: str) -> Iterator[Finding]:
    seen = look(url)
    if seen is None:
        yield Finding("gateway", f"answers at {url}", "it does not", "see its log")
        return
    demo = seen.health.get("providers", {}).get("demo", {}).get("title")
    problem = "" if demo == _BUILT_IN else "a provider of yours is called `demo`"
    yield Finding(
        "gateway", "has its built-in model", problem, "call the provider otherwise: the checks below ask that model"
    )
    with httpx2.Client(base_url=url, timeout=_PATIENCE, trust_env=False) as http:
        asker = Asker(http, key, contract_of("openai-chat").sign_in)
        yield _found(
            "gateway", "takes the key", lambda: _takes(asker), "--key, or `server.keys` of the configuration that runs"
        )
        if seen.health.get("needs_key"):
            yield _found(
                "gateway", "refuses another key, once and for all", lambda: _refuses(asker), "report it, please"
            )
        yield _found(
            "gateway",
            "answers no page of another site",
            lambda: _stays_private(asker),
            "is `server.allowed_hosts` `*`?",
        )


def _takes(asker: Asker) -> None:
    status = asker.get("/v1/models").status
    if status != 200:
        raise UnfitError(f"`GET /v1/models` was answered {status}")


def _refuses(asker: Asker) -> None:
    answer = asker.get("/v1/models", key=_WRONG_KEY)
    if answer.status != 401 or answer.headers.get("x-should-retry") != "false":
        raise UnfitError(
            f"a wrong key was answered {answer.status}, x-should-retry {answer.headers.get('x-should-retry')}"
        )


def _stays_private(asker: Asker) -> None:
    status = asker.get("/v1/models", {"host": "attacker.example"}).status
    if status < 400:
        raise UnfitError(f"a request for another host was answered {status}")


def _contract(protocol: str, url: str, key: str) -> Iterator[Finding]:
    contract = contract_of(protocol)
    with httpx2.Client(base_url=url, timeout=_PATIENCE, trust_env=False) as http:
        asker = Asker(http, key, contract.sign_in)
        for check in contract.checks:
            yield _found(contract.title, check.what, lambda check=check: check.run(asker), check.hint)  # type: ignore[misc]


def _found(where: str, what: str, run: Callable[[], None], hint: str) -> Finding:
    try:
        run()
    except UnfitError as error:
        return Finding(where, what, str(error), hint)
    except (LookupError, TypeError, AttributeError) as error:  # the answer has another shape than it has to have
        return Finding(where, what, f"the answer is not of the expected shape: {type(error).__name__} {error}", hint)
    return Finding(where, what)
