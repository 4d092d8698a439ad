"""A registry made from a configuration file's text."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dragoman.routing.registry import Registry
from dragoman.settings import load

Make = Callable[[str], Registry]


@pytest.fixture
def registry(tmp_path: Path) -> Make:
    def make(text: str) -> Registry:
        file = tmp_path / "dragoman.toml"
        file.write_text(text)
        return Registry(load(str(file), {}))

    return make
