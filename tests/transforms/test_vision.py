"""What a model cannot see is found wherever it hides, and named."""

import json

import pytest

from dragoman.ir.request import (
    Base64Data,
    Block,
    BlockContent,
    Document,
    Image,
    Message,
    PlainText,
    Request,
    Role,
    Text,
    ToolResult,
    UrlData,
)
from dragoman.transforms.vision import first_unseen, may_hold_media

IMAGE = Image(Base64Data("image/png", "iVBORw0KGgo="))
PDF = Document(Base64Data("application/pdf", "JVBERi0="))


def found(block: Block, *, vision: bool | None, documents: bool | None) -> str | None:
    request = Request("m", (Message(Role.USER, (Text("hi"),)), Message(Role.USER, (Text("look"), block))))
    return first_unseen(request, vision, documents)


@pytest.mark.parametrize(
    ("block", "path"),
    [
        (IMAGE, "messages[1].content[1]"),
        (Image(UrlData("https://example.com/a.png")), "messages[1].content[1]"),
        (ToolResult("1", (Text("a screenshot"), IMAGE)), "messages[1].content[1].content[1]"),
        (Document(BlockContent((Text("a"), IMAGE))), "messages[1].content[1].content[1]"),
        (PDF, None),
        (Text("image/png"), None),
    ],
)
def test_a_model_without_eyes_is_told_the_first_image(block: Block, path: str | None) -> None:
    assert found(block, vision=False, documents=True) == path


@pytest.mark.parametrize(
    ("block", "path"),
    [
        (PDF, "messages[1].content[1]"),
        (Document(UrlData("https://example.com/a.pdf")), "messages[1].content[1]"),
        (ToolResult("1", (PDF,)), "messages[1].content[1].content[0]"),
        (Document(PlainText("words")), None),
        (Document(Base64Data("text/plain", "aGk=")), None),
        (IMAGE, None),
    ],
)
def test_a_model_that_reads_no_files_is_told_the_first_one(block: Block, path: str | None) -> None:
    assert found(block, vision=True, documents=False) == path


@pytest.mark.parametrize("knows", [True, None])
def test_a_model_that_may_see_is_given_the_benefit_of_the_doubt(knows: bool | None) -> None:
    assert found(IMAGE, vision=knows, documents=knows) is None
    assert found(PDF, vision=knows, documents=knows) is None


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image", "source": {}},
        {"source": {}, "type": "image"},
        {"type": "image_url", "image_url": {"url": "data:"}},
        {"type": "document"},
        {"type": "file", "file": {}},
        {"type": "input_image"},
        {"type": "input_file"},
        {"inlineData": {}},
        {"file_data": {}},
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_bytes_with_media_in_any_protocols_words_are_noticed(part: dict[str, object], indent: int | None) -> None:
    assert may_hold_media(json.dumps({"messages": [{"content": [part]}]}, indent=indent).encode())


def test_words_about_images_are_not_images() -> None:
    talk = {"content": 'what is an image? {"type": "image"} in JSON', "type": "text"}
    assert not may_hold_media(json.dumps(talk).encode())
