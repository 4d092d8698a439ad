"""Token counts without a tokeniser: near enough for clients that show how full a context is."""

import base64
import timeit
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    Message,
    OutputFormat,
    PlainText,
    Reasoning,
    Refusal,
    Request,
    Role,
    Text,
    ToolCall,
    ToolResult,
    UrlData,
)
from dragoman.transforms.counting import estimate_text, estimate_tokens, image_size

PROSE = (
    "When in the Course of human events, it becomes necessary for one people to dissolve the political bands which "
    "have connected them with another, and to assume among the powers of the earth, the separate and equal station to "
    "which the Laws of Nature and of Nature's God entitle them, a decent respect to the opinions of mankind requires "
    "that they should declare the causes which impel them to the separation."
)
CODE = '''def fibonacci(limit: int) -> Iterator[int]:
    """Yield the numbers below `limit`."""
    first, second = 0, 1
    while first < limit:
        yield first
        first, second = second, first + second
'''
JSON = '{"type":"object","properties":{"city":{"type":"string","description":"The city"}},"required":["city"]}'
CHINESE = "我爱北京天安门,天安门上太阳升。"
JAPANESE = "吾輩は猫である。名前はまだ無い。"


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        (PROSE, 78, 100),  # 86 for GPT-3's tokeniser
        ("The quick brown fox jumps over the lazy dog.", 9, 12),  # 10
        ("You miss 100% of the shots you don't take", 10, 13),  # 11
        ("def add(a, b):\n    return a + b\n", 10, 14),  # 12
        (CODE, 46, 62),  # 54
        (JSON, 20, 27),  # 23
        (CHINESE, 13, 20),
        (JAPANESE, 13, 20),
        ("0123456789", 3, 6),
        ("", 0, 0),
        ("a", 1, 1),
    ],
)
def test_known_texts_are_counted_about_right(text: str, low: int, high: int) -> None:
    assert low <= estimate_text(text) <= high


@given(st.text(), st.text())
def test_two_texts_cost_about_what_they_cost_alone(one: str, other: str) -> None:
    together = estimate_text(one + " " + other)
    assert abs(together - estimate_text(one) - estimate_text(other)) <= 2


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_at_all_has_a_count(text: str) -> None:
    assert estimate_text(text) >= bool(text)


def test_a_large_text_is_sampled_without_getting_far_off() -> None:
    mixed = [PROSE, CODE, JSON, CHINESE, "0123456789 " * 40]
    texts = [text for text in mixed for _ in range(500)]
    whole = sum(estimate_text(text) for text in texts)
    assert estimate_text("\n".join(texts)) == pytest.approx(whole, rel=0.05)


def _request(*blocks: Block) -> Request:
    return Request("m", (Message(Role.USER, blocks),))


EMPTY = estimate_tokens(_request())


@pytest.mark.parametrize(
    "block",
    [
        Text(PROSE),
        Refusal(PROSE),
        Reasoning((PROSE,)),
        ToolCall("1", "say", PROSE),
        ToolResult("1", (Text(PROSE),)),
        Document(PlainText(PROSE)),
        Document(BlockContent((Text(PROSE),))),
        Document(PlainText(""), title=PROSE),
        Foreign("anthropic-messages", "search_result", msgspec.Raw(b"{}"), text=PROSE),
        Foreign("anthropic-messages", "search_result", msgspec.Raw(msgspec.json.encode(PROSE))),
    ],
)
def test_words_count_wherever_they_stand(block: Block) -> None:
    assert estimate_text(PROSE) <= estimate_tokens(_request(block)) - EMPTY <= estimate_text(PROSE) + 12


def test_system_tools_and_output_schema_count() -> None:
    words, schema = estimate_text(PROSE), msgspec.Raw(msgspec.json.encode({"description": PROSE}))
    full = Request(
        "m",
        (),
        system=(Text(PROSE),),
        tools=(
            FunctionTool("a", PROSE, schema),
            CustomTool("b", PROSE, schema),
            HostedTool("openai-responses", "mcp", "c", schema),
        ),
        output=OutputFormat(schema),
    )
    assert 7 * words <= estimate_tokens(full) <= 7 * words + 60


def _png(width: int, height: int) -> str:
    head = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + width.to_bytes(4) + height.to_bytes(4)
    return base64.b64encode(head + b"\x08\x06\0\0\0" + b"\0" * 40).decode()


def _jpeg(width: int, height: int) -> str:
    exif = b"\xff\xe1" + (2000).to_bytes(2) + b"\0" * 1998
    frame = b"\xff\xff\xc2\0\x11\x08" + height.to_bytes(2) + width.to_bytes(2)
    return base64.b64encode(b"\xff\xd8" + exif + frame + b"\0" * 20).decode()


def _gif(width: int, height: int) -> str:
    return base64.b64encode(
        b"GIF89a" + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\0" * 20
    ).decode()


@pytest.mark.parametrize("picture", [_png, _jpeg, _gif])
def test_an_image_costs_its_area_over_750(picture: Callable[[int, int], str]) -> None:
    data = picture(300, 500)
    assert image_size(data) == (300, 500)
    image = Image(Base64Data("image/any", data))
    assert estimate_tokens(_request(image)) - EMPTY == 200
    assert estimate_tokens(_request(ToolResult("1", (image,)))) - EMPTY >= 200


def test_a_large_image_is_scaled_down_before_it_is_counted() -> None:
    assert 1500 <= estimate_tokens(_request(Image(Base64Data("image/png", _png(8000, 8000))))) - EMPTY <= 1600
    assert estimate_tokens(_request(Image(Base64Data("image/png", _png(100_000, 1))))) - EMPTY < 10


@given(st.one_of(st.text(), st.binary().map(lambda data: base64.b64encode(data).decode())))
def test_what_is_no_image_has_no_size_and_still_costs(data: str) -> None:
    size = image_size(data)
    assert size is None or min(size) >= 0
    assert estimate_tokens(_request(Image(Base64Data("image/png", data)))) > EMPTY


@pytest.mark.parametrize(
    "block",
    [
        Image(UrlData("https://example.com/a.png")),
        Document(UrlData("https://example.com/a.pdf")),
        Document(Base64Data("application/pdf", "A" * 200_000)),
    ],
)
def test_what_cannot_be_measured_costs_a_usual_amount(block: Block) -> None:
    assert 1000 <= estimate_tokens(_request(block)) <= 20_000


def test_sound_costs_more_the_longer_it_is() -> None:
    assert estimate_tokens(_request(Audio("A" * 90_000, "wav"))) > estimate_tokens(_request(Audio("A" * 900, "wav")))


def test_a_large_body_is_counted_quickly() -> None:
    request = _request(Text(CODE * 1200))
    best = min(timeit.repeat(lambda: estimate_tokens(request), number=1, repeat=5))
    assert best < 0.02, "300 kB took more than 20 ms; one is usual"
