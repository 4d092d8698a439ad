"""`dragoman serve`: listen, say how to connect, and run until told to stop."""

import gc
import socket
import sys
from collections.abc import Callable, Collection

from dragoman import __version__
from dragoman.cli.root import PortTakenError, Root
from dragoman.settings import Settings

_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - what was configured, to be told apart


def serve(root: Root, read: Callable[[], Settings], *, protocols: Collection[str] | None = None) -> None:
    """Serve with the settings that `read` gives until a signal ends it.

    `protocols`: clients are served in these alone, by the configured providers alone, and never without a key. Raises what the root
    raises for a port that is taken or settings that cannot be.
    """
    needs_key = protocols is not None
    settings, made_key = root.with_key(read(), always=needs_key)
    server = settings.server
    sink = root.set_up_logs(as_json=server.log_json, level=server.log_level)
    app = root.build(settings, sink, protocols=protocols)
    configuration = root.configuration(
        settings, lambda: root.with_key(read(), made_key, always=needs_key)[0], app.change
    )
    configuration.hold()
    listener = _listener(root, settings)
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    if not server.log_json:
        print(
            _greeting(url, f"http://127.0.0.1:{port}" if host in _EVERYWHERE else url, made_key, protocols),
            file=sys.stderr,
            flush=True,
        )
    elif made_key:
        print(f"key: {made_key}", file=sys.stderr, flush=True)
    _calm_the_collector()
    if server.workers == 1:
        app.on_start.append(configuration.watch)
    else:
        root.supervise(app, server.workers, configuration, listener)
    root.make_server(app, settings).run(sockets=[listener])


def _listener(root: Root, settings: Settings) -> socket.socket:
    """Return a socket that listens. Raises PortTakenError, which says so when it is another gateway that has the port."""
    try:
        return root.listen(settings.server.host, settings.server.port)
    except PortTakenError as error:
        from dragoman.cli.gateway import look, url_of

        if error.is_in_use and (other := look(url_of(settings), seconds=1)):
            error.hint = f"dragoman {other.version} listens there already: use it, or stop it, or choose another port with --port"
        raise


def _calm_the_collector() -> None:
    """Keep the garbage collector from walking again and again over what lives as long as the process.

    Exchanges leave hardly any cycles behind: reference counting frees them. Worth 5 % of a request's CPU time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def _greeting(url: str, near: str, made_key: str | None, protocols: Collection[str] | None) -> str:
    """Return how to connect: `url` is what is listened on, `near` how a client on this machine reaches it."""
    key = made_key or "<key>"
    lines = [
        f"dragoman {__version__} listens on {url}",
        *(
            [f"  Claude Code   ANTHROPIC_BASE_URL={near} ANTHROPIC_AUTH_TOKEN={key} claude --model <model>"]
            if protocols is None
            else []
        ),
        f"  OpenAI SDKs   OPENAI_BASE_URL={near}/v1 OPENAI_API_KEY={key}",
        f"  models        {near}/v1/models   health {near}/health",
    ]
    if made_key:
        why = f"because others can reach {url}" if protocols is None else "because none was given"
        lines.insert(1, f"  key made for this run, {why}: {made_key}")
    return "\n".join(lines)
