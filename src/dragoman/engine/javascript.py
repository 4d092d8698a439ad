"""The JavaScript around a Python that runs inside it (Pyodide: on workers, in browsers and Node).

It is handed in by whoever starts there: other Pythons have no such modules to import.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class JavaScript:
    """What Pyodide shows of the JavaScript around it.

    https://pyodide.org/en/stable/usage/api/python-api/ffi.html
    """

    scope: Any
    """The module `js`: the global scope, with `fetch`, `Headers`, `Response`, ..."""
    ffi: Any
    """The module `pyodide.ffi`: `to_js`, `create_proxy`, `JsException`, ..."""

    def __repr__(self) -> str:
        return "JavaScript()"


def byte_text(text: str) -> str:
    """Return a header's value with one character for each byte on the wire: a runtime may have read UTF-8 in it."""
    return text if all(character <= "\xff" for character in text) else text.encode().decode("latin-1")
