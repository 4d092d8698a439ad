"""`dragoman service`: the gateway as a service of your account, kept running by the system's own supervisor."""

import click

from dragoman.cli.words import Commands


@click.group(cls=Commands)
def service() -> None:
    """Run the gateway as a service of your account."""


@service.command()
@click.option("--config", "-c", type=click.Path(), help="The configuration file.")
@click.option("--show", is_flag=True, help="Only show what would be written.")
def install(*, config: str | None, show: bool) -> None:
    """Install and start it, or start it anew.

    It is a systemd user unit or a launchd agent. Keys that the configuration names (`env:NAME`) are taken from the
    environment into a file that only you can read.
    """
    from dragoman.cli.installing import install as run_install

    run_install(config, show=show)


@service.command()
def status() -> int:
    """Show how it is."""
    from dragoman.cli.installing import installed, run

    return run(installed().status)


@service.command()
@click.option("--follow", "-f", is_flag=True, help="Go on showing what is added.")
def logs(*, follow: bool) -> int:
    """Show the end of its log."""
    from dragoman.cli.installing import installed, run

    return run(installed().follow if follow else installed().logs)


@service.command()
def uninstall() -> None:
    """Stop it and remove what was installed; configuration and keys stay."""
    from dragoman.cli.installing import uninstall as run_uninstall

    run_uninstall()
