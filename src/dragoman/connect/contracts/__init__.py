"""What clients need of a gateway, as checks that can be run against one: one module for each protocol, found by being there."""

from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from dragoman.connect.contracts.asking import Asker, Check, Contract, UnfitError

__all__ = ["Asker", "Check", "Contract", "UnfitError", "contract_of", "protocols"]

_ASKING: Final = "asking"


def protocols() -> tuple[str, ...]:
    """Return the protocols that have a contract, in order."""
    names = (module.name for module in iter_modules(__path__) if module.name != _ASKING)
    return tuple(sorted(name.replace("_", "-") for name in names))


def contract_of(protocol: str) -> Contract:
    """Return the contract of a protocol, which is one of `protocols()`."""
    found: Contract = import_module(f"{__name__}.{protocol.replace('-', '_')}").CONTRACT
    return found
