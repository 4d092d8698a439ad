"""The tools for files stay in their folder, whatever path they are given and whatever is linked there."""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.upstreams.claude_agent.internal.folder import Folder
from dragoman.upstreams.claude_agent.internal.paths import OutsideError, Pattern, parts_below

SECRET = "outside"


class Trap:
    """A working folder beside a secret, with links of all kinds in it."""

    def __init__(self, base: Path) -> None:
        self.work, self.other = base / "work", base / "other"
        (self.work / "a" / "b").mkdir(parents=True)
        self.other.mkdir()
        (self.other / "secret").write_text(SECRET)
        (base / "secret").write_text(SECRET)
        (self.work / "file").write_text("inside")
        (self.work / "a" / "file").write_text("inside")
        links: dict[str, str | Path] = {
            "out": self.other,
            "up": "..",
            "out-file": self.other / "secret",
            "in": "a",
            "in-absolute": self.work / "a",
            "a/up": "../..",
            "a/b/far": "../../a/../../other",
            "loop": "loop",
            "ring": "a/ring",
            "a/ring": "../ring",
            "nowhere": "missing/file",
            "new-out": self.other / "new",
        }
        for name, target in links.items():
            (self.work / name).symlink_to(target)
        (base / "alias").symlink_to(self.work)
        self.folder = Folder(str(base / "alias"))

    def read(self, path: str) -> str:
        with self.folder.reading(path) as fd:
            return os.read(fd, 100).decode()


@pytest.fixture(scope="module")
def trap(tmp_path_factory: pytest.TempPathFactory) -> Trap:
    return Trap(tmp_path_factory.mktemp("trap"))


NAMES = (
    "a",
    "b",
    "file",
    "out",
    "up",
    "in",
    "in-absolute",
    "far",
    "secret",
    "other",
    "work",
    "loop",
    "ring",
    "nowhere",
)
PIECES = st.sampled_from([*NAMES, "..", ".", "", "new-out", "missing"])
PATHS = st.lists(PIECES, min_size=1, max_size=8).map("/".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(path=PATHS, start=st.sampled_from(["", "/", "work", "alias", "a/"]))
def test_no_path_reads_what_is_outside(trap: Trap, path: str, start: str) -> None:
    root = {"work": f"{trap.work}/", "alias": f"{trap.work.parent}/alias/"}.get(start, start)
    with suppress(OutsideError, OSError):
        assert trap.read(root + path) == "inside"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(path=PATHS)
def test_no_path_writes_outside(trap: Trap, path: str) -> None:
    before = sorted(map(str, trap.other.rglob("*"))), sorted(map(str, trap.work.parent.glob("*")))
    with suppress(OutsideError, OSError):
        trap.folder.replace(path, b"inside")
    assert (sorted(map(str, trap.other.rglob("*"))), sorted(map(str, trap.work.parent.glob("*")))) == before
    assert (trap.other / "secret").read_text() == SECRET
    assert trap.folder.path == str(trap.work)


@pytest.mark.parametrize(
    "path",
    [
        "../secret",
        "/etc/passwd",
        "out/secret",
        "out-file",
        "up/secret",
        "a/up/other/secret",
        "a/b/far/secret",
        "in/../..",
    ],
)
def test_a_way_out_is_refused_by_name(trap: Trap, path: str) -> None:
    with pytest.raises(OutsideError):
        trap.read(path)


def test_a_way_within_is_followed(trap: Trap) -> None:
    for path in (
        "file",
        "./file",
        "a/../file",
        "in/file",
        "in-absolute/file",
        "in/b/../file",
        "/",
        f"{trap.work}/a/file",
    ):
        if path != "/":
            assert trap.read(path) == "inside"
    assert trap.folder.shown(f"{trap.work}/a/file") == "a/file"
    assert trap.folder.shown(".") == "."


def test_rings_and_pipes_end(trap: Trap, tmp_path: Path) -> None:
    for path in ("loop", "ring/file"):
        with pytest.raises((OutsideError, OSError)):
            trap.read(path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"), Folder(str(tmp_path)).reading("pipe"):
        pass
    with pytest.raises(OSError, match="no regular file"):
        Folder(str(tmp_path)).replace("pipe", b"")


def test_a_folder_that_becomes_a_link_in_between_leads_nowhere(tmp_path: Path) -> None:
    """Somebody swaps a folder and a file for links to the outside, again and again, while they are read and written."""
    work, other = tmp_path / "work", tmp_path / "other"
    (work / "real").mkdir(parents=True)
    (work / "inner").mkdir()
    other.mkdir()
    (work / "real" / "file").write_text("inside")
    (other / "file").write_text(SECRET)
    (work / "link").symlink_to(other)
    is_over = threading.Event()

    def swap() -> None:
        while not is_over.is_set():
            for name in ("real", "link"):
                (work / name).rename(work / "at")
                (work / "at").rename(work / name)
            (work / "new").symlink_to(other / "file")
            (work / "new").rename(work / "inner" / "file")

    swapper = threading.Thread(target=swap)
    swapper.start()
    folder = Folder(str(work))
    try:
        for _ in range(400):
            with suppress(OutsideError, OSError), folder.reading("at/file") as fd:
                assert os.read(fd, 100) == b"inside"
            with suppress(OutsideError, OSError):
                folder.replace("inner/file", b"inside")
    finally:
        is_over.set()
        swapper.join()
    assert (other / "file").read_text() == SECRET
    assert [path.name for path in other.iterdir()] == ["file"]


def test_what_is_replaced_keeps_its_rights_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    assert folder.replace("x/y/script", b"one")
    (tmp_path / "x/y/script").chmod(0o751)
    assert not folder.replace("x/y/script", b"two")
    assert (tmp_path / "x/y/script").stat().st_mode & 0o777 == 0o751
    with pytest.raises(IsADirectoryError):
        folder.replace("x", b"three")
    assert [path.name for path in (tmp_path / "x/y").iterdir()] == ["script"]


def test_no_descriptor_is_left_open(trap: Trap) -> None:
    before = len(list(open_descriptors()))
    for path in ("file", "out/secret", "loop", "a/b/far", "missing/x", "in/../../x"):
        with suppress(OutsideError, OSError):
            trap.read(path)
    list(trap.folder.walk(".", lambda: None))
    assert len(list(open_descriptors())) == before


def open_descriptors() -> Iterator[Path]:
    return Path("/proc/self/fd").iterdir()


def test_no_path_takes_all_descriptors(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    with pytest.raises(OutsideError, match="more than 100 folders"):
        folder.replace("a/" * 2000 + "file", b"")
    assert folder.replace("a/" * 100 + "file", b"deep")
    os.makedirs("/".join([str(tmp_path), *["a"] * 120]))  # noqa: PTH103 - no shorter
    most = 0

    def look() -> None:
        nonlocal most
        most = max(most, len(os.listdir("/proc/self/fd")))  # noqa: PTH208

    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    assert ["file"] in [names for _, names, _ in folder.walk(".", look)]
    assert most - before < 250


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Folder(str(tmp_path / "missing"))


def test_words_that_are_no_path() -> None:
    with pytest.raises(OutsideError):
        parts_below("a\0b", "/work")
    assert parts_below("/", "/") == []
    assert parts_below("/etc/x", "/") == ["etc", "x"]
    with pytest.raises(OutsideError):
        parts_below("/workshop", "/work")


@pytest.mark.parametrize(
    ("pattern", "fitting", "others"),
    [
        ("*.py", ["a.py"], ["b/a.py", "a.pyc"]),
        ("**/*.py", ["a.py", "b/c/a.py"], ["a.txt"]),
        ("src/**/test_*.{py,pyi}", ["src/test_a.py", "src/x/y/test_b.pyi"], ["src/a.py", "test_a.py"]),
        ("a/**", ["a/b", "a/b/c"], ["b/a"]),
        ("[ab]?", ["ax", "b1"], ["cx", "a"]),
        ("**/a/**/b", ["a/b", "x/a/y/b"], ["b/a"]),
        ("{a,b}/{c,d}", ["a/c", "b/d"], ["a/b"]),
        ("", [], ["a"]),
    ],
)
def test_patterns(pattern: str, fitting: list[str], others: list[str]) -> None:
    made = Pattern(pattern)
    assert [path for path in (*fitting, *others) if made.fits(path.split("/"))] == fitting


@settings(max_examples=200)
@given(st.text("*?[]{}a,/!-", max_size=40), st.lists(st.text("a", max_size=30), max_size=6))
def test_no_pattern_takes_long(pattern: str, parts: list[str]) -> None:
    Pattern(pattern).fits(parts)
