"""The command line. Commands import what they need when they run, so that `--help` is quick.

A command is one function here; a group of commands is a module of its own, and joins with `cli.add_command`.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dragoman import __version__
from dragoman.cli.root import PortTakenError, Root
from dragoman.cli.service import service
from dragoman.cli.words import ClientName, Clients, Commands, WholeNumber, complaint, show_completion
from dragoman.connect.faults import ConnectError
from dragoman.ir.failures import DragomanError
from dragoman.settings import SettingsError, load

if TYPE_CHECKING:
    from dragoman.library import Kind


def run(root: Root) -> None:
    """Run the command that the arguments name; every expected failure is one clear line and an exit code of 1 or 2."""
    try:
        sys.exit(cli.main(prog_name="dragoman", obj=root, standalone_mode=False))
    except SettingsError as error:
        _stop(str(error))
    except DragomanError as error:
        _stop(error.failure.text)
    except ConnectError as error:
        _stop(f"{error}\nhint: {error.hint}")
    except PortTakenError as error:
        _stop(f"cannot listen on {error}\nhint: {error.hint}")
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        _stop(complaint(error))
    except click.Abort:
        sys.exit("dragoman: stopped")


@click.group(cls=Commands)
@click.version_option(__version__, message="%(prog)s %(version)s", help="Show the version.")
@show_completion
def cli() -> None:
    """A gateway between coding agents and models: any coding agent, any model back end, nothing lost in translation."""


configuration = click.option("--config", "-c", type=click.Path(), help="The configuration file.")


@cli.command()
@configuration
@click.option("--host", help="The address to listen on [127.0.0.1].")
@click.option("--port", type=WholeNumber(), help="The port to listen on [4747].")
@click.option("--key", multiple=True, help="A client key to accept; may be repeated.")
@click.option("--workers", type=WholeNumber(), help="How many processes serve the port [1].")
@click.option("--log-json", is_flag=True, default=None, help="Write the log as JSON.")
@click.pass_obj
def serve(
    root: Root,
    *,
    config: str | None,
    host: str | None,
    port: int | None,
    key: tuple[str, ...],
    workers: int | None,
    log_json: bool | None,
) -> None:
    """Run the gateway."""
    from dragoman.cli.serve import serve as run_server

    flags = {
        "server.host": host,
        "server.port": port,
        "server.keys": list(key) or None,
        "server.workers": workers,
        "server.log_json": log_json,
    }
    run_server(root, lambda: load(config, os.environ, flags))


@cli.command()
@click.argument("client", type=ClientName(), required=False, help="The client; without one they are listed.")
@configuration
@click.option("--model", multiple=True, help="The model that it is to ask; may be repeated where it has a menu.")
@click.option("--key", help="The key to write, or `env:NAME` [the first of `server.keys`].")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--undo", is_flag=True, help="Take back what was written.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before writing.")
def connect(
    client: str | None,
    *,
    config: str | None,
    model: tuple[str, ...],
    key: str | None,
    dry_run: bool,
    undo: bool,
    yes: bool,
) -> int:
    """Write a client's settings, so that it uses the gateway.

    What changes is shown first, other settings and comments stay, and `--undo` takes back what was written.
    """
    from dragoman.cli import connect as commands
    from dragoman.connect.discovery import client_of

    if client is None:
        return commands.listed()
    if undo:
        return commands.disconnect(client_of(client), only_show=dry_run, asks=not yes)
    settings = load(config, os.environ)
    return commands.connect(settings, client_of(client), model, key, only_show=dry_run, asks=not yes)


@cli.command()
@click.argument("client", type=ClientName(), help="The client.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, help="Words for the client itself, behind `--`.")
@configuration
@click.option("--model", multiple=True, help="The model that it is to ask; may be repeated where it has a menu.")
@click.option("--key", help="The key that it is to present, or `env:NAME` [the first of `server.keys`].")
@click.pass_obj
def launch(
    root: Root, client: str, *, words: tuple[str, ...], config: str | None, model: tuple[str, ...], key: str | None
) -> int:
    """Run a client against the gateway.

    Nothing is written to its files. Where no gateway runs, one is started, and ends with the client. The exit code is the
    client's.
    """
    from dragoman.cli.launch import launch as run_client
    from dragoman.connect.discovery import client_of

    return run_client(root, load(config, os.environ), client_of(client), model, key, words)


@cli.command()
@click.pass_obj
def demo(root: Root) -> int:
    """Hold two tool loops through the gateway.

    The official SDKs speak to upstreams of the other protocol, without a key or a network.
    """
    from dragoman.cli.demo import demo as run_demo

    return run_demo(root)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path), help="The body to translate; `-` is standard input.")
@click.option("--from", "source", required=True, help="Its protocol, e.g. anthropic-messages.")
@click.option("--to", "target", required=True, help="The protocol to translate it to, e.g. openai-chat.")
@click.option("--reply", is_flag=True, help="It is a whole reply.")
@click.option("--stream", is_flag=True, help="It is a streamed reply (server-sent events).")
@click.option("--model", help="The model's name in the result.")
def translate(file: Path, *, source: str, target: str, reply: bool, stream: bool, model: str | None) -> None:
    """Translate one request, reply or stream.

    The result goes to standard output, what is lost to standard error.
    """
    from dragoman.cli.translate import translate as run_translate

    if reply and stream:
        _stop("a body is a whole reply or a stream, not both\nhint: leave out `--reply` or `--stream`")
    kind: Kind = "reply" if reply else "stream" if stream else "request"
    sys.stdout.buffer.write(run_translate(source, target, kind, file, model))
    sys.stdout.buffer.write(b"" if stream else b"\n")


@cli.command("check-config")
@configuration
@click.pass_obj
def check_config(root: Root, *, config: str | None) -> None:
    """Say what the configuration comes to.

    Or what is wrong with it: the file, the line, and what may be meant.
    """
    from dragoman.cli.configuration import check

    settings, made_key = root.with_key(load(config, os.environ))
    check(settings, makes_key=made_key is not None)


@cli.command()
@configuration
@click.option("--provider", help="Only this provider's, configured or not.")
@click.option("--search", help="Only those whose name holds this.")
@click.option("--all", "everything", is_flag=True, help="All that the catalogue knows.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with all prices.")
@click.option(
    "--refresh",
    type=click.Path(path_type=Path),
    help="Take the figures from this file of https://models.dev/api.json from now on.",
)
def models(
    *,
    config: str | None,
    provider: str | None,
    search: str | None,
    everything: bool,
    as_json: bool,
    refresh: Path | None,
) -> None:
    """List the models that can be asked for.

    With what they take and cost: context and output in tokens, prices in US dollars per million.
    """
    from dragoman.cli.models import refresh as run_refresh
    from dragoman.cli.models import show

    settings = load(config, os.environ)
    if refresh is not None:
        run_refresh(settings, refresh)
    else:
        show(settings, provider, search, everything=everything, as_json=as_json)


@cli.command("server-openai")
@configuration
@click.option("--host", envvar="OPENAI_PROXY_HOST", default="127.0.0.1", help="The address to listen on [127.0.0.1].")
@click.option("--port", envvar="OPENAI_PROXY_PORT", type=WholeNumber(), default=4040, help="The port [4040].")
@click.option(
    "--api-key",
    "--key",
    "key",
    envvar="OPENAI_PROXY_API_KEY",
    help="The key that clients must present [one is made and printed].",
)
@click.option(
    "--timeout",
    envvar="OPENAI_PROXY_TIMEOUT",
    type=click.FLOAT,
    help="Seconds that a model may be silent [300].",
)
@click.pass_obj
def server_openai(
    root: Root, *, config: str | None, host: str, port: int, key: str | None, timeout: float | None
) -> None:
    """Serve the models that OpenCode has configured to OpenAI's clients.

    At /v1/chat/completions and /v1/models, with /health and /openapi.json beside them. Each option may also be set as
    OPENAI_PROXY_PORT, _HOST, _API_KEY or _TIMEOUT. `[opencode]` of the configuration says how OpenCode is run.
    """
    from dragoman.cli.serve import serve as run_server
    from dragoman.cli.server_openai import PROTOCOLS, only_opencode

    flags = {
        "server.host": host,
        "server.port": port,
        "server.keys": None if key is None else [key],
        "server.first_byte_timeout_s": timeout,
        "server.idle_timeout_s": timeout,
    }
    run_server(root, lambda: only_opencode(load(config, os.environ, flags)), protocols=PROTOCOLS)


def _doctor_for(name: str) -> click.Command:
    """Return the command that checks one client."""

    @click.command(name, help=f"Check all that {name} needs.")
    @configuration
    @click.option("--key", help="The key to present, or `env:NAME` [the first of `server.keys`].")
    @click.pass_obj
    def command(root: Root, *, config: str | None, key: str | None) -> int:
        return _examine(root, name, config, key)

    return command


@cli.group(cls=Clients, make=_doctor_for, invoke_without_command=True)
@configuration
@click.option("--key", help="The key to present, or `env:NAME` [the first of `server.keys`].")
@click.pass_context
def doctor(context: click.Context, *, config: str | None, key: str | None) -> int | None:
    """Check configuration, keys, upstreams, and all that clients need of the gateway.

    With a client's name also its program, settings and model. The gateway that runs is asked, or one is started; the
    built-in model answers. Upstreams are asked for their lists of models alone.
    """
    if context.invoked_subcommand is not None:
        return None
    return _examine(context.obj, None, config, key)


def _examine(root: Root, client: str | None, config: str | None, key: str | None) -> int:
    from dragoman.cli.doctor import examine
    from dragoman.connect.discovery import client_of

    return examine(root, load(config, os.environ), client_of(client) if client else None, key)


@doctor.command("claude-agent")
@configuration
def doctor_claude_agent(*, config: str | None) -> int:
    """Check the Claude Agent SDK, which stands behind providers of that kind.

    Its CLI, its login, and whether it does what the gateway relies on. No model is asked.
    """
    from dragoman.cli.claude_agent import claude

    return claude(load(config, os.environ))


doctor.add_command(doctor_claude_agent, "claude")  # its name before there were clients to check
cli.add_command(service)


def _stop(text: str) -> None:
    print(f"dragoman: {text}", file=sys.stderr)
    sys.exit(2)
