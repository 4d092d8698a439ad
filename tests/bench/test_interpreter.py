"""Which Python runs the gateway that is measured."""

import sys
from pathlib import Path

import pytest

from bench import interpreter
from bench.interpreter import NoInterpreterError


def test_ours_needs_no_environment_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_PYTHON", sys.executable)
    monkeypatch.setattr(sys, "base_prefix", sys.prefix)
    assert interpreter.find().gateway == Path(sys.executable).parent / "dragoman"


def test_without_a_python_of_the_system_ours_runs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BENCH_PYTHON", raising=False)
    monkeypatch.setattr(interpreter, "_OF_THE_SYSTEM", str(tmp_path / "python3"))
    found = interpreter.find()
    assert found.gateway == Path(sys.executable).parent / "dragoman"
    assert str(found) == f"Python {sys.version.split()[0]} of {sys.base_prefix}"


@pytest.mark.parametrize(
    ("script", "why"),
    [(None, "No such file"), ("echo 3 10 13 /usr", "Python 3.10.13 is older than 3.11"), ("exit 3", "exit status 3")],
)
def test_a_python_that_will_not_do_is_not_replaced_by_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str | None, why: str
) -> None:
    python = tmp_path / "python3"
    if script is not None:
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
    monkeypatch.setenv("BENCH_PYTHON", str(python))
    with pytest.raises(NoInterpreterError, match=f"BENCH_PYTHON=.*{why}"):
        interpreter.find()
