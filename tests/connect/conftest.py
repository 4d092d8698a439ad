from pathlib import Path

import pytest

from dragoman.connect.client import Connection, Model, Places

KEY = "sk-connect-0123456789abcdef"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "home", {})


@pytest.fixture
def connection() -> Connection:
    models = (
        Model("chat/m1", "M 1", context=200_000, max_output=8192, sees=True, reasons=True, calls_tools=True),
        Model("chat/m2", "M 2"),
    )
    return Connection("http://127.0.0.1:4747", KEY, models, has_choice=True)
