"""What the tools do, and that they end: by themselves, by their limits, or when nobody wants them any more."""

# ruff: noqa: ANN401 - arguments as the model writes them

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from dragoman.settings import Claude, SettingsError
from dragoman.upstreams.claude_agent.internal.toolbox import Outcome, Toolbox
from tests.support.claude import running_children

Tool = Callable[..., Outcome]
LOOPS = [uvloop.new_event_loop, asyncio.new_event_loop]


def toolbox(folder: Path, **fields: Any) -> Toolbox:
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": "/nowhere",
        "ANTHROPIC_API_KEY": "sk-secret",
        "DRAGOMAN_X": "sk-secret",
    }
    settings = {"tool_timeout_s": 5, "tool_output_kib": 2, **fields}
    return Toolbox(Claude(mode="internal", workdir=str(folder), **settings), environ)


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    box = toolbox(tmp_path)
    return lambda name, **arguments: asyncio.run(box.run(name, arguments))


def test_a_file_is_written_read_and_edited(tool: Tool, tmp_path: Path) -> None:
    assert tool("write", file_path="a/b.txt", content="one\ntwo\nthree") == Outcome("made a/b.txt: 13 bytes")
    assert tool("read", file_path="a/b.txt") == Outcome("1\tone\n2\ttwo\n3\tthree")
    assert tool("read", file_path=f"{tmp_path}/a/b.txt", offset=2, limit=1) == Outcome(
        "2\ttwo\n[the file goes on: the next line is 3; ask with `offset`]"
    )
    assert tool("read", file_path="a/b.txt", offset=9) == Outcome("[the file has 3 lines]")
    assert tool("edit", file_path="a/b.txt", old_string="two", new_string="2") == Outcome("changed a/b.txt in 1 place")
    assert (tmp_path / "a/b.txt").read_text() == "one\n2\nthree"
    changed = tool("edit", file_path="a/b.txt", old_string="e", new_string="E", replace_all=True)
    assert changed == Outcome("changed a/b.txt in 3 places")
    assert (tmp_path / "a/b.txt").read_text() == "onE\n2\nthrEE"


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("edit", {"file_path": "f", "old_string": "x", "new_string": "y"}, "does not stand"),
        ("edit", {"file_path": "f", "old_string": "a", "new_string": "y"}, "stands there 2 times"),
        ("edit", {"file_path": "f", "old_string": "a", "new_string": "a"}, "are the same"),
        ("edit", {"file_path": "f", "old_string": "", "new_string": "a"}, "use `write`"),
        ("edit", {"file_path": "missing", "old_string": "b", "new_string": "a"}, "`missing`: No such file"),
        ("read", {"file_path": "binary"}, "no text file"),
        ("read", {"file_path": "../x"}, "outside the working folder"),
        ("read", {"file_path": "."}, "Is a directory"),
        ("read", {}, "missing required field `file_path`"),
        ("read", {"file_path": "f", "offset": 0}, "`int` >= 1"),
        ("read", {"file_path": "\ud800"}, "cannot be used"),
        ("write", {"file_path": "g", "content": "\ud800"}, "cannot be used"),
        ("grep", {"pattern": "("}, "regular expression is wrong"),
        ("grep", {"pattern": "a", "path": "/etc"}, "outside the working folder"),
        ("grep", {"pattern": "a", "path": "missing"}, "No such file"),
        ("glob", {"pattern": "*", "path": ".."}, "outside the working folder"),
        ("rm", {}, "no tool `rm`"),
    ],
)
def test_what_cannot_be_done_is_said(
    tool: Tool, tmp_path: Path, name: str, arguments: dict[str, Any], words: str
) -> None:
    (tmp_path / "f").write_text("a b a")
    (tmp_path / "binary").write_bytes(b"\x7fELF\0\1")
    told = tool(name, **arguments)
    assert told.is_error
    assert words in told.text


def test_bytes_that_are_no_text_survive_an_edit(tool: Tool, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\xff\xfe one\r\n")
    assert not tool("edit", file_path="f", old_string="one", new_string="two").is_error
    assert (tmp_path / "f").read_bytes() == b"\xff\xfe two\r\n"


def test_long_lines_and_long_files_are_cut_and_say_so(tool: Tool, tmp_path: Path) -> None:
    (tmp_path / "long").write_text("x" * 5000 + "\nshort\n")
    assert "3000 bytes of this line left out" in tool("read", file_path="long", limit=1).text.replace("3001", "3000")
    (tmp_path / "many").write_text("line\n" * 5000)
    text = tool("read", file_path="many").text
    assert len(text) < 3000
    assert "the file goes on" in text


def test_files_are_found_the_newest_first(tool: Tool, tmp_path: Path) -> None:
    for age, name in enumerate(("src/new.py", "src/deep/old.py", "src/x.txt", ".git/config.py")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("def f():\n    return 1\n")
        os.utime(path, (1000 - age, 1000 - age))
    (tmp_path / "src" / "link").symlink_to("/etc")
    assert tool("glob", pattern="**/*.py") == Outcome("src/new.py\nsrc/deep/old.py")
    assert tool("glob", pattern="*.py", path="src/deep") == Outcome("src/deep/old.py")
    assert tool("glob", pattern="nothing") == Outcome("[no file fits]")
    assert tool("grep", pattern=r"RETURN\s1", ignore_case=True, glob="*.py") == Outcome(
        "src/new.py:2:    return 1\nsrc/deep/old.py:2:    return 1"
    )
    assert tool("grep", pattern="def", path="src/x.txt") == Outcome("src/x.txt:1:def f():")
    assert tool("grep", pattern="root") == Outcome("[nothing was found]")


def test_names_that_are_no_text_are_told_as_well_as_they_can_be(tool: Tool, tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"odd\xff")).write_text("word")
    assert tool("glob", pattern="odd*") == Outcome("odd?")
    assert tool("grep", pattern="word") == Outcome("odd?:1:word")


def test_a_search_is_cut_and_says_so(tool: Tool, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("word\n" * 1000)
    text = tool("grep", pattern="word").text
    assert len(text) < 2200
    assert text.endswith("[more left out: look for less]")


@pytest.mark.parametrize("loop", LOOPS, ids=["uvloop", "asyncio"])
def test_a_command_says_what_it_did(tmp_path: Path, loop: Any) -> None:
    box = toolbox(tmp_path)

    async def bash(command: str, **arguments: Any) -> Outcome:
        return await box.run("bash", {"command": command, **arguments})

    async def all_of_it() -> None:
        assert (await bash("pwd")).text == f"{tmp_path}\n"
        assert await bash("echo out; echo err >&2; exit 3") == Outcome("out\nerr\n\n[exit status 3]", is_error=True)
        assert await bash("cat") == Outcome("[no output]")
        assert "sk-secret" not in (await bash("env")).text
        assert "HOME=/nowhere" in (await bash("env")).text
        many = await bash("seq 100000")
        assert "bytes of output left out]" in many.text
        assert many.text.startswith("1\n2\n")
        assert many.text.endswith("99999\n100000\n")
        assert len(many.text) < 2200

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(all_of_it())


@pytest.mark.parametrize("loop", LOOPS, ids=["uvloop", "asyncio"])
def test_nothing_outlives_its_command(tmp_path: Path, loop: Any) -> None:
    box = toolbox(tmp_path, tool_timeout_s=0.4)

    async def leave(command: str) -> None:
        calling = asyncio.ensure_future(box.run("bash", {"command": command}))
        while not (tmp_path / "begun").exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.01)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling

    async def all_of_it() -> None:
        late = await box.run("bash", {"command": "echo $$ > late; sleep 60 & sleep 60"})
        assert late == Outcome("[ended after 0.4 s: its time was over]", is_error=True)
        left = await box.run("bash", {"command": "echo $$ > left; sleep 60 & echo done"})
        assert left.text == "done\n"
        await leave("echo $$ > cancelled; sleep 60 & touch begun; sleep 60")
        assert (await box.run("grep", {"pattern": "(a+)+$", "path": "hard"})).text.startswith(
            "it took longer than 0.4 s"
        )

    (tmp_path / "hard").write_text("a" * 60 + "b")
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(all_of_it())
    for name in ("late", "left", "cancelled"):
        assert_gone(tmp_path / name)
    assert "Z" not in running_children(os.getpid()).values()


@pytest.mark.parametrize("loop", LOOPS, ids=["uvloop", "asyncio"])
def test_who_leaves_while_a_command_starts_leaves_nothing(tmp_path: Path, loop: Any) -> None:
    async def leave() -> None:
        kind = type(asyncio.get_running_loop())
        begun, start = asyncio.Event(), kind.subprocess_exec

        async def start_slowly(*args: Any, **options: Any) -> Any:
            begun.set()
            started = await start(*args, **options)
            while not (tmp_path / "group").exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(0.01)
            return started

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kind, "subprocess_exec", start_slowly)
            calling = asyncio.ensure_future(toolbox(tmp_path).run("bash", {"command": command}))
            await begun.wait()
            calling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await calling

    command = "sleep 60 & echo $$ > new; mv new group; sleep 60"
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(leave())
    assert_gone(tmp_path / "group")


def assert_gone(note: Path) -> None:
    """Wait until nothing runs of the group whose number is in `note`."""
    group, deadline = int(note.read_text()), time.monotonic() + 10
    while left := running_members(group):
        assert time.monotonic() < deadline, f"of `{note.name}` there is still {left}"
        time.sleep(0.01)


def running_members(group: int) -> list[str]:
    """Return what of a group of processes still runs; who is dead may wait to be taken note of by the system."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, member = place.read_text().rpartition(")")[2].split()[:3]
            if int(member) == group and state != "Z":
                found.append(place.parent.name)
    return found


def test_a_walk_that_nobody_waits_for_ends(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}").mkdir()
    assert asyncio.run(toolbox(tmp_path, tool_timeout_s=1e-9).run("glob", {"pattern": "**"})) == Outcome(
        "it took longer than 1e-09 s, and was ended", is_error=True
    )


def test_only_the_tools_that_are_configured_are_there(tmp_path: Path) -> None:
    box = toolbox(tmp_path, tools=("read",))
    assert asyncio.run(box.run("bash", {"command": "true"})) == Outcome("there is no tool `bash`", is_error=True)


def test_a_working_folder_that_is_not_there_is_an_error_of_the_settings(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"claude\.workdir"):
        toolbox(tmp_path / "missing")
