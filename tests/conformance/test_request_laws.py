"""What a request says survives every pair of protocols, and its beginning never changes."""

from collections.abc import Sequence
from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.codec import Audience, Codec, Target
from dragoman.engine.client import Arrival, ClientHeaders
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Finish, Reply
from dragoman.ir.request import (
    Base64Data,
    Block,
    Foreign,
    FunctionTool,
    Image,
    Message,
    Reasoning,
    Request,
    Role,
    Sampling,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from dragoman.ir.seals import Seal
from dragoman.protocols import discover
from dragoman.server.router import Router
from dragoman.transforms.history import repair
from tests.support.ir_strategies import arguments, characters

CODECS = discover()
pairs = pytest.mark.parametrize(
    ("client", "upstream"),
    [pytest.param(CODECS[a], CODECS[b], id=f"{a}>{b}") for a, b in product(CODECS, CODECS)],
)
codecs = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS.keys())
TARGET = Target("upstream", "model-1")

words = st.text(characters, min_size=1, max_size=20).filter(lambda text: bool(text.strip()))
names = st.sampled_from(["read", "write", "mcp__server__search", "Bash"])
image = Image(Base64Data("image/png", "iVBORw0KGgo="))


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    """User and assistant in turn; every call is answered in the turn behind it, in any of the ways results come."""
    messages: list[Message] = [Message(Role.USER, (Text(draw(words)),))]
    for turn in range(draw(st.integers(0, 3))):
        calls = [
            ToolCall(f"call_{turn}_{number}", draw(names), draw(arguments)) for number in range(draw(st.integers(0, 2)))
        ]
        said: list[Block] = [Text(draw(words))] if not calls or draw(st.booleans()) else []
        messages.append(Message(Role.ASSISTANT, (*said, *calls)))
        results: list[Block] = [
            ToolResult(
                call.id, draw(st.sampled_from([(Text("done"),), (), (Text("seen"), image)])), draw(st.booleans())
            )
            for call in calls
        ]
        more: list[Block] = [Text(draw(words))] if not results or draw(st.booleans()) else []
        messages.append(Message(Role.USER, (*results, *more)))
    return tuple(messages)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    tools = tuple(
        FunctionTool(name, draw(words), msgspec.Raw(b'{"type":"object","properties":{"a":{"type":"string"}}}'))
        for name in draw(st.lists(names, unique=True, max_size=3))
    )
    return Request(
        "model-1",
        draw(conversations()),
        system=tuple(Text(text) for text in draw(st.lists(words, max_size=1))),
        tools=tools,
        tool_choice=draw(st.sampled_from([None, ToolChoice("auto"), ToolChoice("any")])) if tools else None,
        max_tokens=draw(st.integers(16, 10_000)),  # less is too little for Responses
        sampling=Sampling(temperature=draw(st.none() | st.sampled_from([0.0, 0.5, 1.0])), stop=("STOP",)),
        stream=draw(st.booleans()),
    )


def essence(request: Request) -> dict[str, object]:
    """Return what every protocol can say of a request, whichever messages it puts it in."""
    blocks = [(message.role, block) for message in request.messages for block in message.blocks]
    results = [block for _, block in blocks if isinstance(block, ToolResult)]
    return {
        "system": "\n\n".join(block.text or "" for block in request.system),
        "texts": [(role, block.text) for role, block in blocks if isinstance(block, Text)],
        "calls": [
            (block.id, block.name, msgspec.json.decode(block.arguments))
            for _, block in blocks
            if isinstance(block, ToolCall)
        ],
        "answered": [result.call_id for result in results],
        "pictures": sum(isinstance(block, Image) for _, block in blocks)
        + sum(isinstance(block, Image) for result in results for block in result.blocks),
        "tools": [
            (tool.name, msgspec.json.decode(tool.schema or b"null"))
            for tool in request.tools
            if isinstance(tool, FunctionTool)
        ],
        "choice": request.tool_choice,
        "limits": (request.max_tokens, request.sampling.temperature, request.stream),
        "stop": request.sampling.stop,
    }


def through(request: Request, *path: Codec) -> Request:
    """Send `request` through the wire forms of `path`, one after the other."""
    for codec in path:
        body = codec.encode_request(repair(request, Ledger()), TARGET, Ledger())
        peek = arrived(codec, body, codec.path(TARGET.model, request.stream)).peek()
        assert peek.model == TARGET.model
        request = msgspec.structs.replace(codec.decode_request(body, Ledger()), stream=peek.stream)
    return request


def arrived(codec: Codec, body: bytes, path: str) -> Arrival:
    """Return the request as the gateway gets it: some protocols say in the path which model is meant, and whether to stream."""
    router = Router([codec], ())
    found = (router.find("POST", base + path.partition("?")[0]) for base in ("", "/v1", "/v1beta"))
    match = next(match for match in found if match)
    return Arrival("req_1", codec, ClientHeaders({}), body, model=match.model, streams=match.streams)


def _carried(request: Request, *path: Codec) -> dict[str, object]:
    """Leave out what is said in other words, the texts that go with pictures in Chat's tool results, or not at all."""
    stops = all("stop_cut" not in {note.code for note in codec.loses} for codec in path)
    return {name: value for name, value in essence(request).items() if name != "texts" and (stops or name != "stop")}


@pairs
@given(request=requests())
def test_a_request_says_the_same_after_any_two_protocols(client: Codec, upstream: Codec, request: Request) -> None:
    carried = _carried(through(request, client, upstream), client, upstream)
    assert carried == _carried(request, client, upstream)


@pairs
@given(request=requests())
def test_every_word_of_the_conversation_is_there(client: Codec, upstream: Codec, request: Request) -> None:
    seen = [text for _, text in essence(through(request, client, upstream))["texts"]]  # type: ignore[attr-defined]
    whole = "\n".join(seen)
    for _, text in essence(request)["texts"]:  # type: ignore[attr-defined]
        assert text in whole


@pairs
@given(request=requests())
def test_a_longer_conversation_has_the_shorter_one_as_its_beginning(
    client: Codec, upstream: Codec, request: Request
) -> None:
    def wire(count: int) -> list[bytes]:
        part = msgspec.structs.replace(request, messages=request.messages[:count])
        body = upstream.encode_request(repair(through(part, client), Ledger()), TARGET, Ledger())
        said = msgspec.json.decode(body, type=_Messages)
        return [bytes(raw) for raw in said.messages or said.contents or said.input]

    lengths = range(1, len(request.messages) + 1, 2)  # a request ends with the user
    shorter: Sequence[bytes] = ()
    for length in lengths:
        longer = wire(length)
        assert list(shorter) == longer[: len(shorter)]
        shorter = longer


class _Messages(msgspec.Struct):
    messages: list[msgspec.Raw] = []
    contents: list[msgspec.Raw] = []
    input: list[msgspec.Raw] = []


def _echoed(codec: Codec, reply: Reply) -> Request:
    """Return the next request of a client that puts the reply into its history as it came."""
    audience = Audience("model-1", created=1, new_id=lambda prefix: f"{prefix}1")
    whole = msgspec.json.decode(codec.encode_reply(reply, audience))
    if "candidates" in whole:
        said = [{"parts": [{"text": "a"}]}, whole["candidates"][0]["content"], {"parts": [{"text": "b"}]}]
        return codec.decode_request(msgspec.json.encode({"contents": said}), Ledger())
    if "output" in whole:
        items = [{"role": "user", "content": "a"}, *whole["output"], {"role": "user", "content": "b"}]
        return codec.decode_request(msgspec.json.encode({"model": "model-1", "input": items}), Ledger())
    message = (
        whole["choices"][0]["message"] if "choices" in whole else {"role": "assistant", "content": whole["content"]}
    )
    body = {
        "model": "model-1",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "a"}, message, {"role": "user", "content": "b"}],
    }
    return codec.decode_request(msgspec.json.encode(body), Ledger())


seals = st.builds(
    Seal,
    protocol=st.sampled_from(["anthropic-messages", "openai-chat", "openai-responses", "gemini-generate"]),
    data=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=40),
    provider=st.just("upstream"),
    model=st.just("model-1"),
)


@codecs
@given(seal=seals, thought=words)
def test_what_an_upstream_sealed_comes_back_to_it_byte_equal_and_to_no_other(
    codec: Codec, seal: Seal, thought: str
) -> None:
    if seal.protocol in ("openai-chat", codec.name):
        return  # Chat's own seals have forms of their own, and what is native needs no wrapping: the codecs' tests.
    reply = Reply("reply_1", "model-1", (Reasoning((thought,), seal=seal), Text("words")), Finish.DONE)
    request = _echoed(codec, reply)
    (back,) = (block for message in request.messages for block in message.blocks if isinstance(block, Reasoning))
    assert back.seal == seal
    own = CODECS.get(seal.protocol)
    for other in CODECS.values():
        body = other.encode_request(request, TARGET, Ledger())
        data = msgspec.json.encode(seal.data)[1:-1]
        if other is own:
            assert data in body
        else:
            assert b"DRAGOMAN" not in body


@codecs
@pytest.mark.parametrize("role", [Role.USER, Role.ASSISTANT])
@pytest.mark.parametrize(
    ("text", "loss"), [(None, ("foreign_block_dropped", True)), ("zebra", ("foreign_block", False))]
)
def test_a_block_of_another_protocol_is_told_in_words_or_changes_what_is_asked(
    codec: Codec, role: Role, text: str | None, loss: tuple[str, bool]
) -> None:
    ledger = Ledger()
    other = Foreign("elsewhere", "zzz", msgspec.Raw(b'{"type":"zzz"}'), text)
    asked = Request("m", (Message(Role.USER, (Text("hi"),)), Message(role, (other, Text("ho")))), max_tokens=16)
    body = codec.encode_request(asked, TARGET, ledger)
    assert [(one.code, one.changes_meaning) for one in ledger if one.code.startswith("foreign")] == [loss]
    assert (b"zebra" in body) == (text is not None)
