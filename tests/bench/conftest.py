"""The benchmark's instruments, built and running."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import processes
from bench.__main__ import Stand
from bench.processes import Cores


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """Nothing is measured here, so the instruments may sleep and leave the cores to other tests."""
    if missing := processes.missing_tools():
        pytest.skip(missing)
    cores, folder = Cores.of_this_machine(), tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PEERS_SLEEP", "1")
        with processes.scripted_upstream(cores, folder) as upstream:
            yield Stand(
                cores, folder, processes.build("load", folder), upstream, Path(sys.executable).parent / "dragoman"
            )
