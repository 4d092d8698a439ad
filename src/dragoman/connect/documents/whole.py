"""A file that is a value as a whole, such as a plugin."""

from typing import Final

from dragoman.connect.documents.paths import MISSING, Missing, Path, Value


class Whole:
    """The only path is the empty one, the only value a text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def get(self, path: Path) -> Value | Missing:  # noqa: ARG002 - there is one value
        """Return the text."""
        return self._text or MISSING

    def put(self, path: Path, value: Value) -> None:  # noqa: ARG002
        """Set the text."""
        self._text = str(value)

    def remove(self, path: Path) -> None:  # noqa: ARG002
        """Leave nothing."""
        self._text = ""

    def text(self) -> str:
        """Return the text."""
        return self._text

    def is_empty(self) -> bool:
        """Tell whether there is nothing."""
        return not self._text


FORMAT: Final = Whole
