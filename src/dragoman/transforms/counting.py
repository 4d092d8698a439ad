"""A local estimate of a request's tokens, for upstreams that do not count: within 12 % for code and prose, 21 % for JSON.

That is beside four public tokenisers, as tools/count_error.py measures it; docs/protocols.md has the table.

Tokenisers differ by more than that, so no table of theirs is carried along. What they have in common is counted: where
words begin, the humps of `camelCase` and runs of punctuation (a good three quarters of a token each, and a little
for each letter, since long words are cut), digits (about two a token), line ends with their indentation, and characters
beyond ASCII by their length in UTF-8 (an ideograph is about one token, a Cyrillic letter less than half). English prose
comes out at 4 to 4.5 characters a token, code and JSON at about 3, Chinese and Japanese at 1.

It takes no loop in Python: the text's bytes become classes, and the classes one large number in which a shift by a byte
shows where each begins. Of a text beyond 64 kB every fourth kilobyte is counted.
"""

import binascii
from collections.abc import Iterable
from typing import Final, assert_never

from dragoman.ir.request import (
    Audio,
    Base64Data,
    Block,
    BlockContent,
    CustomTool,
    Document,
    Foreign,
    FunctionTool,
    HostedTool,
    Image,
    PlainText,
    Reasoning,
    Refusal,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)

# Tokens for one of each, fitted to what tokenisers of several vendors make of prose, code and JSON.
_BEGINNING: Final = 0.78
_LETTER: Final = 0.08
_DIGIT: Final = 0.50
_LINE: Final = 0.80
_INDENTATION: Final = 0.60
_TWO_BYTES: Final = 0.45
_THREE_BYTES: Final = 1.0
_FOUR_BYTES: Final = 2.0

_SAMPLED_FROM: Final = 64 * 1024
_SAMPLE: Final = 1024
_SAMPLE_EVERY: Final = 4096

_MESSAGE: Final = 4
_TOOL: Final = 8
_CALL: Final = 6

_MAX_EDGE: Final = 1568
_PIXELS_PER_TOKEN: Final = 750
_IMAGE_MAX: Final = 1600
_IMAGE_UNKNOWN: Final = 1500
_HEADER_CHARACTERS: Final = 64 * 1024
_PAGE: Final = 2000
_PAGE_BYTES: Final = 40_000
_PAGES_MAX: Final = 100
_DOCUMENT_UNKNOWN: Final = 2 * _PAGE
_AUDIO_BYTES_PER_TOKEN: Final = 1500


_LOWER: Final = b"abcdefghijklmnopqrstuvwxyz"
_UPPER: Final = _LOWER.upper()
_MARKS: Final = rb"""!"#$%&'()*+,-./:;<=>?@[\]^`{|}~"""  # `_` belongs to the names that it joins
_IS_LETTER: Final = 1
_IS_MARK: Final = 2
_IS_CAPITAL: Final = 4


def _class_of(byte: int) -> int:
    if byte in _UPPER:
        return _IS_LETTER | _IS_CAPITAL
    return _IS_LETTER if byte in _LOWER else _IS_MARK if byte in _MARKS else 0


def _all_but(members: bytes) -> bytes:
    return bytes(byte for byte in range(256) if byte not in members)


_CLASSES: Final = bytes(_class_of(byte) for byte in range(256))
_NOT_LETTERS: Final = _all_but(_LOWER + _UPPER)
_NOT_DIGITS: Final = _all_but(b"0123456789")
_NOT_LEADING: Final = _all_but(bytes(range(0xC0, 0xF8)))


def estimate_tokens(request: Request) -> int:
    """Return about how many tokens `request` costs as input: system, messages, tools, images and documents."""
    tally = _Tally()
    tally.blocks(request.system)
    for message in request.messages:
        tally.tokens += _MESSAGE
        tally.blocks(message.blocks)
    for tool in request.tools:
        tally.tool(tool)
    if request.output and request.output.schema:
        tally.raw.append(bytes(request.output.schema))
    return tally.total()


def estimate_text(text: str | bytes) -> int:
    """Return about how many tokens `text` is; 0 for nothing, at least 1 for something."""
    data = text.encode(errors="replace") if isinstance(text, str) else text
    if len(data) > _SAMPLED_FROM:
        sample = b"".join(data[start : start + _SAMPLE] for start in range(0, len(data), _SAMPLE_EVERY))
        return round(_tokens(sample) * len(data) / len(sample))
    return max(round(_tokens(data)), 1) if data else 0


def _tokens(data: bytes) -> float:
    classes = int.from_bytes(data.translate(_CLASSES), "little")
    beginnings = (classes ^ (classes & (classes << 8))).bit_count()
    tokens = (
        beginnings * _BEGINNING
        + len(data.translate(None, _NOT_LETTERS)) * _LETTER
        + len(data.translate(None, _NOT_DIGITS)) * _DIGIT
        + data.count(b"\n") * _LINE
        + data.count(b"\n ") * _INDENTATION
    )
    if not data.isascii():
        tokens += _beyond_ascii(data.translate(None, _NOT_LEADING))
    return tokens


def _beyond_ascii(leading: bytes) -> float:
    """Return the tokens of the characters with these leading bytes."""
    three = sum(leading.count(byte) for byte in range(0xE0, 0xF0))
    four = sum(leading.count(byte) for byte in range(0xF0, 0xF8))
    return (len(leading) - three - four) * _TWO_BYTES + three * _THREE_BYTES + four * _FOUR_BYTES


def image_size(data: str) -> tuple[int, int] | None:
    """Return the width and height in pixels that the header of a base64 PNG, GIF or JPEG names; None for others."""
    head = _decoded(data[:64])
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:
        return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
    if head[:4] == b"GIF8" and len(head) >= 10:
        return int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
    if head.startswith(b"\xff\xd8"):
        return _jpeg_size(_decoded(data[:_HEADER_CHARACTERS]))
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return the size that the first start-of-frame segment names. ITU-T T.81, B.1.1 and B.2.2."""
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[place + 7 : place + 9]), int.from_bytes(data[place + 5 : place + 7])
        place += 1 if marker == 0xFF else 2 + int.from_bytes(data[place + 2 : place + 4])
    return None


def _decoded(text: str) -> bytes:
    """Return the bytes of the beginning of a base64 text; nothing when it is not base64."""
    try:
        return binascii.a2b_base64(text[: len(text) // 4 * 4])
    except ValueError:
        return b""


def _image_tokens(image: Image) -> int:
    """Return width x height / 750 after the vendor's scaling.

    https://platform.claude.com/docs/en/build-with-claude/vision#calculate-image-costs
    """
    size = image_size(image.source.data) if isinstance(image.source, Base64Data) else None
    if size is None:
        return _IMAGE_UNKNOWN
    width, height = size
    scale = min(1.0, _MAX_EDGE / max(width, height, 1))
    return max(min(round(width * scale * height * scale / _PIXELS_PER_TOKEN), _IMAGE_MAX), 1)


class _Tally:
    """What has been counted, and the texts that are counted together at the end."""

    def __init__(self) -> None:
        self.tokens = 0
        self.texts: list[str] = []
        self.raw: list[bytes] = []

    def total(self) -> int:
        return self.tokens + estimate_text("\0".join(self.texts)) + estimate_text(b"\0".join(self.raw))

    def blocks(self, blocks: Iterable[Block]) -> None:
        for block in blocks:
            match block:
                case Text(text=text) | Refusal(text=text):
                    self.texts.append(text)
                case ToolCall():
                    self.tokens += _CALL
                    self.texts += (block.name, block.arguments)
                case ToolResult():
                    self.tokens += _CALL
                    self.blocks(block.blocks)
                case Reasoning(parts=parts):
                    self.texts += parts
                case Image():
                    self.tokens += _image_tokens(block)
                case Document():
                    self._document(block)
                case Audio():
                    self.tokens += len(block.data) // _AUDIO_BYTES_PER_TOKEN + 1
                case Foreign():
                    self._foreign(block)
                case _:
                    assert_never(block)

    def tool(self, tool: Tool) -> None:
        self.tokens += _TOOL
        self.texts.append(tool.name)
        match tool:
            case FunctionTool(description=description, schema=raw) | CustomTool(description=description, format=raw):
                self.texts.append(description or "")
            case HostedTool(raw=raw):
                pass
            case _:
                assert_never(tool)
        self.raw.append(bytes(raw or b""))

    def _document(self, document: Document) -> None:
        self.texts += (document.title or "", document.context or "")
        match document.source:
            case PlainText(text=text):
                self.texts.append(text)
            case BlockContent(blocks=blocks):
                self.blocks(blocks)
            case Base64Data(data=data):
                pages = len(data) * 3 // 4 // _PAGE_BYTES + 1
                self.tokens += min(pages, _PAGES_MAX) * _PAGE
            case _:
                self.tokens += _DOCUMENT_UNKNOWN

    def _foreign(self, block: Foreign) -> None:
        if block.text is None:
            self.raw.append(bytes(block.raw))
        else:
            self.texts.append(block.text)
