"""What tools show reaches every upstream that can see, from every client; what is not in order comes in order."""

from collections.abc import Iterator
from itertools import product

import pytest

from dragoman.codec import Codec, Source, Target
from dragoman.dialects import Dialect
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Finish, Reply
from dragoman.ir.request import (
    Base64Data,
    Block,
    Document,
    FunctionTool,
    Image,
    Message,
    Request,
    Role,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from dragoman.protocols import discover
from dragoman.transforms.history import repair
from dragoman.transforms.tools import restore_reply, shorten
from tests.support.conversations import Client, Upstream

CODECS = discover()
pairs = pytest.mark.parametrize(
    ("client", "upstream"),
    [pytest.param(CODECS[a], CODECS[b], id=f"{a}>{b}") for a, b in product(CODECS, CODECS)],
)
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
OTHER_PIXEL = PIXEL.replace("AAAA", "BBBB")
PDF = "JVBERi0xLjQKJcOkw7zDtsOf"
TOOL = FunctionTool("look")
QUESTION = Message(Role.USER, (Text("Look."),))
CALLS = Message(Role.ASSISTANT, (ToolCall("call_1", "look", "{}"), ToolCall("call_2", "look", "{}")))


def result(id_: str, *blocks: Text | Image | Document) -> ToolResult:
    return ToolResult(id_, blocks)


def image(data: str) -> Image:
    return Image(Base64Data("image/png", data))


def carried(client: Codec, upstream: Codec, *results: ToolResult, dialect: Dialect = Dialect()) -> Request:  # noqa: B008 - frozen
    """Return what the upstream reads of a history with these results."""
    messages = [QUESTION, CALLS, Message(Role.USER, results)]
    request = client.decode_request(Client(client).write(messages, [TOOL], streams=False), Ledger())
    body = upstream.encode_request(repair(request, Ledger()), Target("upstream", "model-1", dialect), Ledger())
    return Upstream(upstream, "upstream").read(body)


def media(request: Request) -> Iterator[str]:
    """Yield the data of the pictures and files that stand anywhere, in their order."""
    todo: list[Block] = [block for message in request.messages for block in message.blocks]
    while todo:
        block = todo.pop(0)
        match block:
            case ToolResult(blocks=inner):
                todo[:0] = inner
            case Image(source=Base64Data(data=data)) | Document(source=Base64Data(data=data)):
                yield data
            case _:
                pass


@pairs
@pytest.mark.parametrize("dialect", [Dialect(), Dialect(images_in_tool_messages=True)], ids=["beside", "inside"])
def test_pictures_in_results_reach_every_upstream(client: Codec, upstream: Codec, dialect: Dialect) -> None:
    results = (
        result("call_1", Text("Two of them:"), image(PIXEL), image(OTHER_PIXEL)),
        result("call_2", image(OTHER_PIXEL)),
    )
    seen = carried(client, upstream, *results, dialect=dialect)
    assert list(media(seen)) == [PIXEL, OTHER_PIXEL, OTHER_PIXEL]
    answered = [block.call_id for message in seen.messages for block in message.blocks if isinstance(block, ToolResult)]
    assert answered == ["call_1", "call_2"]


@pairs
def test_files_in_results_reach_every_upstream(client: Codec, upstream: Codec) -> None:
    pdf = Document(Base64Data("application/pdf", PDF), title="read.pdf")
    seen = carried(client, upstream, result("call_1", Text("Here:"), pdf), result("call_2", Text("nothing")))
    assert list(media(seen)) == [PDF]


@pairs
def test_results_that_are_missing_doubled_or_without_a_call_come_in_order(client: Codec, upstream: Codec) -> None:
    """As after an interrupted turn, and after a compaction that has cut off the beginning."""
    messages = [
        Message(Role.USER, (result("gone", Text("of old")), Text("Look."))),
        CALLS,
        Message(Role.USER, (result("call_2", Text("first")), result("call_2", Text("last")), Text("Stop."))),
    ]
    ledger = Ledger()
    request = client.decode_request(Client(client).write(messages, [TOOL], streams=False), Ledger())
    body = upstream.encode_request(repair(request, ledger), Target("upstream", "model-1"), Ledger())
    seen = Upstream(upstream, "upstream").read(body)
    blocks = [block for message in seen.messages for block in message.blocks]
    assert sorted(block.call_id for block in blocks if isinstance(block, ToolResult)) == ["call_1", "call_2"]
    words = "\n".join(block.text for block in blocks if isinstance(block, Text))
    assert "of old" in words
    assert "Stop." in words
    assert b"last" in body
    assert {loss.code for loss in ledger} == {"orphan_result", "duplicate_result", "unanswered_call"}


@pairs
def test_long_names_are_short_everywhere_and_come_back(client: Codec, upstream: Codec) -> None:
    long = "mcp__server__" + "n" * 80
    name_everywhere = Request(
        "model-1",
        (
            QUESTION,
            Message(Role.ASSISTANT, (ToolCall("call_1", long, "{}"),)),
            Message(Role.USER, (result("call_1"),)),
        ),
        tools=(FunctionTool(long), TOOL),
        tool_choice=ToolChoice("tool", long),
        max_tokens=100,
    )
    sent = client.encode_request(name_everywhere, Target("gateway", "model-1"), Ledger())
    short, renames = shorten(client.decode_request(sent, Ledger()), 64, Ledger())
    body = upstream.encode_request(short, Target("upstream", "model-1"), Ledger())
    assert long.encode() not in body
    seen = Upstream(upstream, "upstream").read(body)
    (name,) = {block.name for message in seen.messages for block in message.blocks if isinstance(block, ToolCall)}
    assert len(name) <= 64
    assert seen.tool_choice == ToolChoice("tool", name)
    assert name in {tool.name for tool in seen.tools}
    reply = Reply("reply_1", "model-1", (ToolCall("call_2", name, "{}"),), Finish.TOOL_CALLS)
    said = upstream.decode_reply(Upstream(upstream, "upstream").write(reply, streams=False), Source("upstream", "m"))
    assert [block.name for block in restore_reply(said, renames).blocks if isinstance(block, ToolCall)] == [long]
