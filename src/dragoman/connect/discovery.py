"""Finds the clients: a module in `clients/` is one, and its name with hyphens is what it is called."""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from dragoman.connect import clients
from dragoman.connect.client import Client


def names() -> tuple[str, ...]:
    """Return what the clients are called, in order; none of them is imported for that."""
    return tuple(sorted(_modules()))


def client_of(name: str) -> Client:
    """Return the client of that name, which is one of `names()`."""
    found: Client = import_module(f"{clients.__name__}.{_modules()[name]}").CLIENT
    return found


def _modules() -> Mapping[str, str]:
    # One is called like a word of Python's: its module has a line behind its name.
    return {module.name.strip("_").replace("_", "-"): module.name for module in iter_modules(clients.__path__)}
