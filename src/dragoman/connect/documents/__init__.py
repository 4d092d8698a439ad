"""Files that are edited in place: one value changes, and every comment and every other byte stays.

A format is a module whose last line is `FORMAT = ...`: a function from a file's text to a Document.
"""

from importlib import import_module
from typing import Literal, Protocol

from dragoman.connect.documents.paths import MISSING, DocumentError, Item, Missing, Path, Value, dotted

__all__ = [
    "MISSING",
    "Document",
    "DocumentError",
    "Format",
    "Item",
    "Missing",
    "Path",
    "Value",
    "dotted",
    "open_document",
]

Format = Literal["jsonc", "toml", "yaml", "dotenv", "whole"]


class Document(Protocol):
    """A file's text, with values that can be read and changed. Raises DocumentError where a value stands in a path's way."""

    def get(self, path: Path) -> Value | Missing:
        """Return the value at `path`."""

    def put(self, path: Path, value: Value) -> None:
        """Set the value at `path`, with the tables that lead there."""

    def remove(self, path: Path) -> None:
        """Take away the value at `path`, if it is there; tables around it stay, empty or not."""

    def text(self) -> str:
        """Return the text of the file."""

    def is_empty(self) -> bool:
        """Tell whether nothing is set, and there is no comment either."""


def open_document(form: Format, text: str) -> Document:
    """Return the document; a library is imported with the first file that needs it. Raises DocumentError."""
    opened: Document = import_module(f"{__name__}.{form}").FORMAT(text)
    return opened
