"""The command line. Commands import what they need when they run, so that `--help` is quick."""

import os
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from dragoman import __version__
from dragoman.cli.root import PortTakenError, Root
from dragoman.ir.failures import DragomanError
from dragoman.settings import SettingsError, load

Config = Annotated[Optional[Path], typer.Option("--config", "-c", help="The configuration file.")]  # noqa: UP045 - typer


def run(root: Root) -> None:
    """Run the command that the arguments name; every expected failure is one clear line and an exit code of 1 or 2."""
    try:
        make(root)()
    except SettingsError as error:
        _stop(str(error))
    except DragomanError as error:
        _stop(error.failure.text)
    except PortTakenError as error:
        _stop(f"cannot listen on {error}\nhint: {error.hint}")


def make(root: Root) -> typer.Typer:
    """Return the commands."""
    app = typer.Typer(
        name="dragoman",
        help="A gateway between coding agents and models: any coding agent, any model back end, nothing lost in translation.",
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # importing rich takes longer than everything else that `--help` does
    )

    def version(value: bool) -> None:
        if value:
            print(f"dragoman {__version__}")
            raise typer.Exit

    @app.callback()
    def options(
        version: Annotated[
            bool, typer.Option("--version", callback=version, is_eager=True, help="Show the version.")
        ] = False,
    ) -> None: ...

    @app.command()
    def serve(
        config: Config = None,
        host: Annotated[Optional[str], typer.Option(help="The address to listen on [127.0.0.1].")] = None,  # noqa: UP045
        port: Annotated[Optional[int], typer.Option(help="The port to listen on [4747].")] = None,  # noqa: UP045
        key: Annotated[Optional[list[str]], typer.Option(help="A client key to accept; may be repeated.")] = None,  # noqa: UP045
        log_json: Annotated[Optional[bool], typer.Option("--log-json", help="Write the log as JSON.")] = None,  # noqa: UP045
    ) -> None:
        """Run the gateway."""
        from dragoman.cli.serve import serve as run_server

        flags = {"server.host": host, "server.port": port, "server.keys": key or None, "server.log_json": log_json}
        run_server(root, load(_text(config), os.environ, flags))

    @app.command()
    def demo() -> None:
        """Hold two tool loops through the gateway.

        The official SDKs speak to upstreams of the other protocol, without a key or a network.
        """
        from dragoman.cli.demo import demo as run_demo

        raise typer.Exit(run_demo(root))

    @app.command()
    def translate(
        file: Annotated[Path, typer.Argument(help="The body to translate; `-` is standard input.")],
        source: Annotated[str, typer.Option("--from", help="Its protocol, e.g. anthropic-messages.")],
        target: Annotated[str, typer.Option("--to", help="The protocol to translate it to, e.g. openai-chat.")],
        reply: Annotated[bool, typer.Option("--reply", help="It is a whole reply.")] = False,
        stream: Annotated[bool, typer.Option("--stream", help="It is a streamed reply (server-sent events).")] = False,
        model: Annotated[Optional[str], typer.Option(help="The model's name in the result.")] = None,  # noqa: UP045
    ) -> None:
        """Translate one request, reply or stream.

        The result goes to standard output, what is lost to standard error.
        """
        from dragoman.cli.translate import translate as run_translate

        if reply and stream:
            _stop("a body is a whole reply or a stream, not both\nhint: leave out `--reply` or `--stream`")
        kind = "reply" if reply else "stream" if stream else "request"
        sys.stdout.buffer.write(run_translate(source, target, kind, file, model))
        sys.stdout.buffer.write(b"" if stream else b"\n")

    @app.command("check-config")
    def check_config(config: Config = None) -> None:
        """Say what the configuration comes to.

        Or what is wrong with it: the file, the line, and what may be meant.
        """
        from dragoman.cli.configuration import check

        settings, made_key = root.with_key(load(_text(config), os.environ))
        check(settings, makes_key=made_key is not None)

    @app.command()
    def models(
        config: Config = None,
        provider: Annotated[Optional[str], typer.Option(help="Only this provider's, configured or not.")] = None,  # noqa: UP045
        search: Annotated[Optional[str], typer.Option(help="Only those whose name holds this.")] = None,  # noqa: UP045
        everything: Annotated[bool, typer.Option("--all", help="All that the catalogue knows.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="As JSON, with all prices.")] = False,
        refresh: Annotated[
            Optional[Path],  # noqa: UP045
            typer.Option(help="Take the figures from this file of https://models.dev/api.json from now on."),
        ] = None,
    ) -> None:
        """List the models that can be asked for.

        With what they take and cost: context and output in tokens, prices in US dollars per million.
        """
        from dragoman.cli.models import refresh as run_refresh
        from dragoman.cli.models import show

        settings = load(_text(config), os.environ)
        if refresh is not None:
            run_refresh(settings, refresh)
        else:
            show(settings, provider, search, everything=everything, as_json=as_json)

    return app


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _stop(text: str) -> None:
    print(f"dragoman: {text}", file=sys.stderr)
    sys.exit(2)
