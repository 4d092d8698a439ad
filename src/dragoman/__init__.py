"""Dragoman stands between coding agents and models, and says what it could not carry.

What a program imports stands here (docs/library.md); it is loaded when it is asked for.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dragoman.ir.failures import DragomanError, RequestError
    from dragoman.ir.losses import Loss
    from dragoman.library import Translation, codecs, stream_translator, translate
else:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module `dragoman` has no attribute `{name}`")
        from importlib import import_module  # noqa: PLC0415 - as all of this: `dragoman --help` has no use for it

        return getattr(import_module(f"dragoman.{_HOMES.get(name, 'library')}"), name)


__version__ = "0.1.0"

__all__ = ["DragomanError", "Loss", "RequestError", "Translation", "codecs", "stream_translator", "translate"]

_HOMES = {"DragomanError": "ir.failures", "RequestError": "ir.failures", "Loss": "ir.losses"}
