"""The wire formats, one package each; none imports another. A protocol is found by being here."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from dragoman.codec import Codec


@cache
def discover() -> Mapping[str, Codec]:
    """Return every protocol by its name."""
    packages = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__) if module.ispkg)
    codecs: list[Codec] = [package.PROTOCOL for package in packages]
    return MappingProxyType({codec.name: codec for codec in sorted(codecs, key=lambda codec: codec.name)})
