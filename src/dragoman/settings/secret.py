"""A text that does not show itself: not in a repr, not in a format string, not in a log."""

from typing import Final

FROM_ENVIRONMENT: Final = "env:"
SECRET_FIELDS: Final = frozenset({"api_key", "headers", "keys", "oauth_token", "environment"})
"""The settings whose values no message shows, be they what they should or not."""


class Secret:
    """A key, or where to find it: `env:NAME` until the environment has been looked at."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    @property
    def variable(self) -> str | None:
        """The name of the environment variable that holds the text, if this only says where to look."""
        return self._text.removeprefix(FROM_ENVIRONMENT) if self._text.startswith(FROM_ENVIRONMENT) else None

    def reveal(self) -> str:
        """Return the text."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(...)"
