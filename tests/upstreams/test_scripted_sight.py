"""The built-in model names everything that it is shown, so that a thing that got lost is missed."""

import msgspec
import pytest

from dragoman.ir.request import (
    Audio,
    Base64Data,
    Block,
    BlockContent,
    Document,
    FileId,
    Foreign,
    Image,
    Message,
    Request,
    Role,
    Text,
    ToolCall,
    ToolResult,
    UrlData,
)
from dragoman.upstreams.scripted_sight import describe, result_lines, sights

PICTURE = Image(Base64Data("image/jpeg", "AAAA"))


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (PICTURE, ["I see an image/jpeg of 3 bytes."]),
        (Image(UrlData("https://example.com/a.png")), ["I see an image at https://example.com/a.png."]),
        (Image(FileId("anthropic-messages", "file_1")), ["I see an image called file_1."]),
        (Document(Base64Data("text/csv", "AA==")), ["I see a document: a text/csv of 1 bytes."]),
        (
            Document(BlockContent((Text("a"), PICTURE)), title="t"),
            ["I see a document `t`: 2 blocks of text and images.", "I see an image/jpeg of 3 bytes."],
        ),
        (Audio("AAAAAA==", "wav"), ["I hear wav audio of 4 bytes."]),
        (ToolResult("1", (Text("a"), PICTURE)), ["I see an image/jpeg of 3 bytes."]),
        (Text("a"), []),
    ],
)
def test_each_picture_file_and_sound_is_named(block: Block, said: list[str]) -> None:
    assert list(sights([block])) == said


def test_a_result_of_no_known_call_is_told_apart() -> None:
    assert list(result_lines([ToolResult("1")], ())) == ["The tool said: nothing (a tool that was not called)"]


def test_every_block_of_a_request_is_described() -> None:
    blocks = (
        Text("hi"),
        ToolCall("1", "look", "{}"),
        Foreign("x", "search_result", msgspec.Raw(b"{}")),
        ToolResult("1"),
    )
    request = Request("m", (Message(Role.ASSISTANT, blocks), Message(Role.USER, ())))
    assert describe(request).splitlines()[1:3] == [
        "assistant: text of 2 characters, call of look, search_result, tool result",
        "user: nothing",
    ]
