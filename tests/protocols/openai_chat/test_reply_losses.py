"""What a reply cannot carry to a Chat client is recorded, whole and streamed alike, and once."""

import json

import msgspec
import pytest
from msgspec import Raw

from dragoman.ir.collecting import expand
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
from dragoman.ir.seals import Seal
from dragoman.protocols.openai_chat import PROTOCOL
from dragoman.protocols.openai_chat.losses import REPLY_LOSSES
from tests.protocols.openai_chat.support import audience

OWN, OTHER = "openai-chat", "anthropic-messages"
SEAL = Seal(OTHER, "x", "up", "m")


def whole(reply: Reply) -> tuple[bytes, list[str]]:
    ledger = Ledger()
    data = PROTOCOL.encode_reply(reply, msgspec.structs.replace(audience(), ledger=ledger))
    return data, [f"{loss.code}:{loss.path}" for loss in ledger]


def streamed(reply: Reply) -> tuple[bytes, list[str]]:
    ledger = Ledger()
    encoder = PROTOCOL.stream_encoder(msgspec.structs.replace(audience(), ledger=ledger))
    data = encoder.feed(list(expand(reply))) + encoder.flush()
    return data, [f"{loss.code}:{loss.path}" for loss in ledger]


LOSING: list[tuple[Block, list[str]]] = [
    (Text("x"), []),
    (Refusal("no"), []),
    (Image(UrlData("https://u")), []),
    (Reasoning(("hm",), seal=SEAL), []),
    (ToolCall("c", "f", "{}", seal=SEAL), []),
    (ToolCall("c", "f", "patch", ToolKind.CUSTOM), []),
    (Text("x", (Citation(OWN, Raw(b"{}"), "https://u", "t", 0, 1),)), []),
    (Text("x", (Citation(OTHER, Raw(b"{}"), "https://u", "t", 0, 1),)), ["reply_cited_text"]),
    (Text("x", (Citation(OTHER, Raw(b"{}"), None, "document"),)), ["reply_citations"]),
    (Text("x", seal=SEAL), ["reply_seal"]),
    (ToolCall("c", "f", "{}", namespace="n"), ["reply_namespace"]),
    (ToolCall("c", "f", "{}", ToolKind.HOSTED), ["reply_hosted_call"]),
    (Foreign(OTHER, "x", Raw(b"{}"), "words"), ["reply_foreign"]),
    (Foreign(OTHER, "x", Raw(b"{}")), ["reply_foreign_dropped"]),
    (Foreign(OTHER, "web_search_tool_result", Raw(b"{}"), "f", search=Search(pages=(Page("u"),))), ["reply_search"]),
]
ENDS = {
    Finish.STOP_SEQUENCE: "reply_stop_sequence",
    Finish.PAUSED: "reply_paused",
    Finish.CONTEXT_FULL: "reply_context_full",
    Finish.REFUSAL: "reply_refused",
}


@pytest.mark.parametrize(("block", "codes"), LOSING, ids=lambda value: value if isinstance(value, list) else "")
def test_what_a_block_loses_is_recorded_whole_and_streamed(block: Block, codes: list[str]) -> None:
    given = Reply("r", "m", (Text("first"), block, block), Finish.DONE)
    paths = [f"{code}:reply.content[1]" for code in codes]
    assert whole(given)[1] == paths
    assert streamed(given)[1] == paths


@pytest.mark.parametrize("finish", Finish)
def test_an_end_without_a_word_of_its_own_is_recorded(finish: Finish) -> None:
    given = Reply("r", "m", (Text("x"),), finish)
    told = [f"{ENDS[finish]}:reply.finish"] if finish in ENDS else []
    assert whole(given)[1] == told
    assert streamed(given)[1] == told


def test_every_loss_of_replies_that_is_declared_is_recorded_here() -> None:
    recorded = {code for _, codes in LOSING for code in codes} | {*ENDS.values(), "reply_cited_place"}
    assert recorded == {note.code for note in REPLY_LOSSES}


def test_a_citation_of_a_block_is_for_its_words_among_all() -> None:
    cited = Text("is green", (Citation(OTHER, Raw(b"{}"), "https://u", "T"),))
    given = Reply("r", "m", (Text("The grass "), cited, Text(".")), Finish.DONE)
    message = json.loads(whole(given)[0])["choices"][0]["message"]
    (page,) = (annotation["url_citation"] for annotation in message["annotations"])
    assert message["content"][page["start_index"] : page["end_index"]] == "is green"


def test_in_a_stream_the_place_of_a_citation_is_not_known() -> None:
    """Nothing is counted while words pass."""
    cited = Text("is green", (Citation(OWN, Raw(b"{}"), "https://u", "T"),))
    given = Reply("r", "m", (Text("The grass "), cited), Finish.DONE)
    assert streamed(given)[1] == ["reply_cited_place:reply.content[1]"]
    assert whole(given)[1] == []
