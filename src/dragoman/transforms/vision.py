"""Finds what a model cannot see: images and documents, also inside tool results."""

import re
from collections.abc import Iterable
from typing import Final

from dragoman.ir.request import (
    Base64Data,
    Block,
    BlockContent,
    Document,
    Image,
    PlainText,
    Reasoning,
    Request,
    Text,
    ToolCall,
    ToolResult,
)

_MEDIA: Final = re.compile(
    rb'"(?:image(?:_url)?|input_image|document|file|input_file|(?:inline|file)_?[dD]ata)"\s*[:,}\]]',
)

_NEVER_MEDIA: Final = frozenset({Text, ToolCall, Reasoning})


def first_unseen(request: Request, vision: bool | None, documents: bool | None) -> str | None:  # noqa: FBT001 - facts
    """Return the path of the first image or PDF that the model cannot see, e.g. `messages[2].content[0]`.

    `vision` and `documents` say what the model can see; None is not known, and it is given the benefit of the doubt.
    """
    sees_images = vision is not False
    sees_documents = documents is not False
    if sees_images and sees_documents:
        return None
    for index, message in enumerate(request.messages):
        found = _first_unseen(message.blocks, sees_images, sees_documents)
        if found is not None:
            return f"messages[{index}]{found}"
    return None


def may_hold_media(body: bytes) -> bool:
    """Tell whether a request's bytes name an image or a file anywhere, in any protocol's words: a look before decoding.

    It may be wrong when it says yes (a schema with a field `file`). When it says no there is none, unless a client
    writes the names of types with escapes, which none does.
    """
    return _MEDIA.search(body) is not None


def _first_unseen(blocks: Iterable[Block], sees_images: bool, sees_documents: bool) -> str | None:  # noqa: FBT001 - as above
    for index, block in enumerate(blocks):
        if type(block) in _NEVER_MEDIA:
            continue
        found: str | None = None
        match block:
            case Image():
                found = None if sees_images else ""
            case Document(source=BlockContent(blocks=inner)) | ToolResult(blocks=inner):
                found = _first_unseen(inner, sees_images, sees_documents)
            case Document(source=source):
                found = None if sees_documents or _is_text(source) else ""
            case _:
                pass
        if found is not None:
            return f".content[{index}]{found}"
    return None


def _is_text(source: object) -> bool:
    """Tell whether a document is words, which every model can read."""
    match source:
        case PlainText():
            return True
        case Base64Data(media_type=media_type):
            return media_type.startswith("text/")
        case _:
            return False
