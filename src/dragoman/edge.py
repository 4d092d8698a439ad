"""The other composition root, for a worker at the edge: no sockets, no processes, no files; `fetch` and one isolate's memory.

It imports nothing that Pyodide lacks. https://developers.cloudflare.com/workers/languages/python/
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from dragoman.assembly import Lasting, make_gateway, make_pages, memory
from dragoman.engine.javascript import JavaScript
from dragoman.engine.ports import Uncalibrated, Upstream
from dragoman.engine.record import log_record
from dragoman.engine.timers import LoopTimers, use
from dragoman.protocols import discover
from dragoman.routing.registry import Registry
from dragoman.server.app import App
from dragoman.server.logs import JsonFormatter
from dragoman.server.worker import answer
from dragoman.settings import Provider, Settings, SettingsError, load
from dragoman.upstreams.fetch import FetchUpstream

_LOG: Final = logging.getLogger("dragoman.server")
_OURS: Final = "DRAGOMAN_"
_REMEMBERED_SECONDS: Final = 24 * 60 * 60
_REMEMBERED_ROWS: Final = 10_000
_REMEMBERED_BYTES: Final = 8 * 1024 * 1024
"""An isolate has 128 MB, interpreter included: https://developers.cloudflare.com/workers/platform/limits/."""
_NO_KEYS: Final = frozenset(
    {
        "anthropic-beta",
        "anthropic-version",
        "http-referer",
        "openai-beta",
        "openai-organization",
        "openai-project",
        "referer",
        "user-agent",
        "x-title",
    }
)
"""Headers of a provider that let nobody in; any other may be its key, and gateways in front of models have names of their own."""
_WRONG: Final = "the gateway's settings are wrong; the Worker's log says how"


def build(variables: Mapping[str, str], upstream: Upstream) -> App:
    """Return the application with the settings that are in `variables`; its calls go through `upstream`.

    Without any it serves `/go`, `/zen` and `demo/...`, and passes on the client's own key. Raises SettingsError.
    """
    settings = _fit(load(None, variables))
    registry = Registry(settings, discover())
    store = memory(_REMEMBERED_SECONDS, _REMEMBERED_ROWS, _REMEMBERED_BYTES)
    replies = memory(_REMEMBERED_SECONDS, _REMEMBERED_ROWS, _REMEMBERED_BYTES)
    lasting = Lasting(upstream, dict, Uncalibrated(), store, replies, log_record, discover())
    app = App(make_gateway(registry, lasting), _stay)
    app.pages.update(make_pages(app, registry, lasting))
    return app


class Edge:
    """Answers a worker's requests. One for each isolate, made without a look at the outside: a snapshot may be taken of it."""

    def __init__(self, javascript: JavaScript) -> None:
        self._javascript = javascript
        self._app: App | None = None

    async def fetch(self, request: Any, variables: Mapping[str, str], wait_until: Callable[[Any], object]) -> Any:  # noqa: ANN401 - JavaScript's own objects
        """Return the `Response` for a `Request`. The settings are those of the isolate's first request."""
        if self._app is None:
            try:
                self._app = self._start(variables)
            except SettingsError as error:
                _LOG.error("%s", error)
                return self._javascript.scope.Response.new(_WRONG, status=500)
        # One timer for all would be the first request's, and be gone with it.
        use(LoopTimers(asyncio.get_running_loop()))
        return await answer(self._app, request, self._javascript, wait_until)

    def _start(self, variables: Mapping[str, str]) -> App:
        handler = logging.StreamHandler()
        handler.setFormatter(JsonFormatter())
        log = logging.getLogger("dragoman")
        log.handlers[:] = [handler]
        log.propagate = False
        log.setLevel(logging.INFO)
        return build(
            {name: variables[name] for name in variables if name.startswith(_OURS)}, FetchUpstream(self._javascript)
        )


def _fit(settings: Settings) -> Settings:
    """Return `settings` as they hold at the edge. Raises SettingsError for what cannot be there, or would be open to the world."""
    for name, provider in settings.providers.items():
        if provider.kind != "http":
            problem = f"a provider of the kind `{provider.kind}` is a program, and a Worker can start none"
            raise settings.fault(("providers", name, "kind"), problem, "run the gateway elsewhere (docs/deploy.md)")
        field = _key_field(provider)
        if field is not None and not settings.server.keys:
            problem = "everybody could use this key: the gateway asks for none itself"
            hint = "set the secret DRAGOMAN_SERVER_KEYS: npx wrangler secret put DRAGOMAN_SERVER_KEYS"
            raise settings.fault(("providers", name, *field), problem, hint)
    # The names by which it is reached are in the Worker's routes; no page can bind another one to it.
    server = msgspec.structs.replace(settings.server, allowed_hosts=settings.server.allowed_hosts or ("*",))
    return msgspec.structs.replace(settings, server=server)


def _key_field(provider: Provider) -> tuple[str, ...] | None:
    """Return which setting of `provider` is a key, or may be one for all that its name says; None: none is."""
    if provider.api_key is not None:
        return ("api_key",)
    return next((("headers", name) for name in provider.headers if name not in _NO_KEYS), None)


def _stay(_app: App, _settings: Settings) -> None:
    """Refuse: a Worker's settings change when it is deployed."""
    raise SettingsError("a Worker's settings change when it is deployed")
