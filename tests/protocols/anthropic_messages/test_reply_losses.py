"""What a reply cannot carry to an Anthropic client is recorded, whole and streamed alike, and once."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from dragoman.ir.collecting import expand
from dragoman.ir.events import ArgumentsDelta, BlockEnd, BlockStart, Event, ReplyEnd, ReplyStart, SealDelta
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Finish, Reply
from dragoman.ir.request import (
    Block,
    Citation,
    Foreign,
    Image,
    Page,
    Reasoning,
    Refusal,
    Search,
    Text,
    ToolCall,
    ToolKind,
    UrlData,
)
from dragoman.ir.seals import Seal, write_seal
from dragoman.protocols.anthropic_messages import PROTOCOL
from dragoman.protocols.anthropic_messages.losses import IN_REPLIES
from tests.protocols.anthropic_messages.sdk import AUDIENCE, TARGET, decoded, read_stream, read_whole

SEAL = Seal("openai-chat", "x", "up", "m")
PAGE = Citation(
    "openai-chat", Raw(b'{"type":"url_citation","url_citation":{"url":"https://u"}}'), "https://u", "T", 0, 4
)


def written(reply: Reply) -> tuple[bytes, list[str]]:
    ledger = Ledger()
    whole = PROTOCOL.encode_reply(reply, msgspec.structs.replace(AUDIENCE, ledger=ledger))
    return whole, [f"{loss.code}:{loss.path}" for loss in ledger]


def streamed(events: list[Event]) -> tuple[bytes, list[str]]:
    ledger = Ledger()
    encoder = PROTOCOL.stream_encoder(msgspec.structs.replace(AUDIENCE, ledger=ledger))
    data = encoder.feed(events) + encoder.flush()
    return data, [f"{loss.code}:{loss.path}" for loss in ledger]


def reply(*blocks: Block, finish: Finish = Finish.DONE) -> Reply:
    return Reply("r", "m", blocks, finish)


LOSING: list[tuple[Block, list[str]]] = [
    (Text("x"), []),
    (Reasoning(("hm",), seal=SEAL), []),
    (ToolCall("c", "f", "{}", seal=SEAL), []),
    (Text("x", (Citation("anthropic-messages", Raw(b"{}")), PAGE)), []),
    (Text("x", (Citation("gemini-generate", Raw(b"{}")),)), ["reply_citations"]),
    (Text("x", seal=SEAL), ["reply_seal"]),
    (Refusal("no"), ["reply_refusal"]),
    (Image(UrlData("https://u")), ["reply_image"]),
    (ToolCall("c", "f", "{}", namespace="n"), ["reply_namespace"]),
    (ToolCall("c", "f", "patch", ToolKind.CUSTOM), ["reply_custom_call"]),
    (ToolCall("c", "f", "{}", ToolKind.HOSTED), ["reply_hosted_call"]),
    (Foreign("openai-responses", "x", Raw(b"{}"), "words"), ["reply_foreign"]),
    (Foreign("openai-responses", "x", Raw(b"{}")), ["reply_foreign_dropped"]),
    (
        Foreign("openai-responses", "web_search_call", Raw(b"{}"), "found", search=Search("q", (Page("https://u"),))),
        ["reply_search"],
    ),
    (Foreign("anthropic-messages", "server_tool_use", Raw(b'{"type":"server_tool_use"}')), []),
]


@pytest.mark.parametrize(("block", "codes"), LOSING, ids=lambda value: value if isinstance(value, list) else "")
def test_what_a_block_loses_is_recorded_whole_and_streamed(block: Block, codes: list[str]) -> None:
    given = reply(Text("first"), block, block)
    paths = [f"{code}:reply.content[1]" for code in codes]
    assert written(given)[1] == paths
    assert streamed(list(expand(given)))[1] == paths


@pytest.mark.parametrize("finish", Finish)
def test_a_filter_looks_like_a_refusal_and_other_ends_have_their_own_words(finish: Finish) -> None:
    calls = (ToolCall("c", "f", "{}"),) if finish is Finish.TOOL_CALLS else ()
    given = reply(Text("x"), *calls, finish=finish)
    told = ["reply_filtered:reply.finish"] if finish is Finish.FILTERED else []
    assert written(given)[1] == told
    assert streamed(list(expand(given)))[1] == told


def test_every_loss_of_replies_that_is_declared_is_recorded_here() -> None:
    recorded = {code for _, codes in LOSING for code in codes} | {"reply_filtered"}
    assert recorded == {note.code for note in IN_REPLIES}


def test_a_seal_that_a_call_gets_late_is_recorded() -> None:
    call: list[Event] = [
        BlockStart(0, ToolCall("c", "f", "")),
        ArgumentsDelta(0, "{}"),
        SealDelta(0, SEAL),
        BlockEnd(0),
    ]
    data, losses = streamed([ReplyStart("r", "m"), *call, ReplyEnd(Finish.TOOL_CALLS)])
    assert losses == ["reply_seal:reply.content[0]"]
    assert [block.type for block in read_stream(data).content] == ["tool_use"]


def test_what_a_vendor_ran_itself_is_not_for_the_client_to_run() -> None:
    call = ToolCall("h", "search", '{"q": 1}', ToolKind.HOSTED)
    search = Foreign("openai-responses", "web_search_call", Raw(b"{}"), "found", search=Search("q"))
    given = reply(call, search, Text("x"))
    for message in (read_whole(written(given)[0]), read_stream(streamed(list(expand(given)))[0])):
        assert [block.to_dict()["type"] for block in message.content] == ["text"]
        assert message.stop_reason == "end_turn"


def history(citation: dict[str, Any]) -> list[dict[str, Any]]:
    said = {"type": "text", "text": "x", "citations": [citation]}
    return [{"role": "user", "content": "q"}, {"role": "assistant", "content": [said]}]


def test_a_page_that_another_vendor_cites_reaches_the_client_and_never_anthropic() -> None:
    given = reply(Text("x", (PAGE,)))
    for message in (read_whole(written(given)[0]), read_stream(streamed(list(expand(given)))[0])):
        citations: list[Any] = getattr(message.content[0], "citations", [])
        (cited,) = citations
        assert (cited.type, cited.url, cited.title, cited.cited_text) == (
            "web_search_result_location",
            "https://u",
            "T",
            "",
        )
        body = {"model": "m", "max_tokens": 9, "messages": history(cited.to_dict())}
        request, _ = decoded(body)
        text = request.messages[1].blocks[0]
        assert text == Text("x", (msgspec.structs.replace(PAGE, start=None, end=None),))
        ledger = Ledger()
        assert b"citations" not in PROTOCOL.encode_request(request, TARGET, ledger)
        assert [loss.code for loss in ledger] == ["citations"]
        # The same on the raw lane, where bytes are all there is.
        ledger = Ledger()
        raw = msgspec.json.decode(PROTOCOL.unseal(msgspec.json.encode(body), TARGET, ledger))
        assert raw["messages"][1]["content"] == [{"type": "text", "text": "x", "citations": None}]
        assert [f"{loss.code}:{loss.path}" for loss in ledger] == ["citations:messages[1].content[0]"]


def test_anthropics_own_citations_stay_beside_those_of_others() -> None:
    theirs = {"type": "web_search_result_location", "url": "https://v", "cited_text": "v", "encrypted_index": "EqQ="}
    shown = msgspec.json.decode(written(reply(Text("x", (PAGE,))))[0])["content"][0]["citations"][0]
    messages = history(shown)
    messages[1]["content"][0]["citations"].append(theirs)
    body = msgspec.json.encode({"model": "m", "messages": messages})
    raw = msgspec.json.decode(PROTOCOL.unseal(body, TARGET, Ledger()))
    assert raw["messages"][1]["content"][0]["citations"] == [theirs]


@pytest.mark.parametrize("data", ["", "no json", "[1]"])
def test_a_citation_that_was_tampered_with_is_carried_empty(data: str) -> None:
    index = write_seal(Seal("openai-chat", data, form="citation"))
    request, _ = decoded(
        {"model": "m", "max_tokens": 9, "messages": history({"url": "https://u", "encrypted_index": index})}
    )
    assert request.messages[1].blocks[0] == Text("x", (Citation("openai-chat", Raw(b"{}"), "https://u"),))
