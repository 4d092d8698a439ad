"""The words on the command line: what is wrong with them is told as everything else that is wrong."""

from collections.abc import Callable
from typing import Any, Literal

import click

from dragoman.settings import did_you_mean


class Commands(click.Group):
    """A group whose help lists the commands as they stand in the source: what most people want comes first."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as in the base class
        """Return the names, in order."""
        return list(self.commands)


class Clients(Commands):
    """A group with a command for each client, beside those of its own; none of them is loaded to list them."""

    def __init__(self, *words: Any, make: Callable[[str], click.Command], **more: Any) -> None:  # noqa: ANN401 - as in the base class
        """`make` makes the command of a client, from its name."""
        super().__init__(*words, **more)
        self._make = make

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of the clients, then its own."""
        from dragoman.connect.discovery import names

        own = [name for name, command in self.commands.items() if command.name == name]
        return [*names(), *own]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name."""
        from dragoman.connect.discovery import names

        return super().get_command(ctx, cmd_name) or (self._make(cmd_name) if cmd_name in names() else None)


class WholeNumber(click.ParamType[int]):
    """A whole number; its range is the settings' business."""

    name = "integer"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number; fail with the word that is none."""
        try:
            return int(value)
        except ValueError:
            self.fail(f"`{value}` is no whole number", param, ctx)


class ClientName(click.ParamType[str]):
    """The name of a client, found by being there."""

    name = "client"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401 - as in the base class
        """Return the name; fail with the nearest ones."""
        from dragoman.connect.discovery import names

        if value in names():
            return str(value)
        return self.fail(f"there is no client `{value}`; {did_you_mean(str(value), names())}", param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:  # noqa: ARG002
        """Return the names that begin like this."""
        from click.shell_completion import CompletionItem

        from dragoman.connect.discovery import names

        return [CompletionItem(name) for name in names() if name.startswith(incomplete)]


def complaint(error: click.ClickException) -> str:
    """Return what is wrong with the words, and in a second line who can help."""
    match error:
        case click.MissingParameter():
            text = error.format_message()
        case click.BadParameter(param=click.Parameter(opts=[name, *_]), message=message):
            text = f"{name}: {message}"
        case _:
            text = error.format_message()
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "dragoman"
    if isinstance(error, click.NoSuchOption) and context is not None and _passes_words_on(context.command):
        return f"{text.rstrip('.')}\nhint: words for the client itself stand behind `--`: `{command} ... -- {error.option_name}`"
    return f"{text.rstrip('.')}\nhint: `{command} --help` tells what there is"


def _passes_words_on(command: click.Command) -> bool:
    """Tell whether a command takes words that are none of its own."""
    return any(param.type is click.UNPROCESSED and param.nargs == -1 for param in command.params)


def _show_completion(context: click.Context, _: click.Parameter, shell: Literal["bash", "zsh", "fish"] | None) -> None:
    if shell is None or context.resilient_parsing:
        return
    from click.shell_completion import get_completion_class

    completion = get_completion_class(shell)
    print(completion(context.command, {}, "dragoman", "_DRAGOMAN_COMPLETE").source())
    context.exit()


show_completion = click.option(
    "--show-completion",
    type=click.Choice(("bash", "zsh", "fish")),
    callback=_show_completion,
    is_eager=True,
    expose_value=False,
    help="Show what completes commands and options in this shell: a script for its start-up file.",
)
