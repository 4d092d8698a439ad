"""A schema for the answer, and a web search, survive every pair of protocols, or it is said what became of them."""

import json
from itertools import product
from typing import Any

import pytest
from msgspec import Raw

from dragoman.codec import Codec, Target
from dragoman.dialects import Dialect
from dragoman.ir.losses import Ledger
from dragoman.ir.request import HostedTool, Message, OutputFormat, Request, Role, Text, UserLocation, WebSearch
from dragoman.protocols import discover

CODECS = discover()
pairs = pytest.mark.parametrize(
    ("client", "upstream"),
    [pytest.param(CODECS[a], CODECS[b], id=f"{a}>{b}") for a, b in product(CODECS, CODECS)],
)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "properties": {"type": "string", "description": "named like a keyword"},
        "rows": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"n": {"type": "integer"}},
                "required": ["n"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["properties", "rows"],
    "additionalProperties": False,
}
SEARCH = WebSearch(location=UserLocation("Paris", country="FR"))


def asking(**fields: Any) -> Request:  # noqa: ANN401 - a field of any type
    return Request("m", (Message(Role.USER, (Text("Foxes?"),)),), max_tokens=99, **fields)


def sent(request: Request, client: Codec, upstream: Codec, **dialect: Any) -> tuple[bytes, list[str]]:  # noqa: ANN401 - as above
    """Return what the upstream gets of a request that the client's protocol has said, and what is lost on the way."""
    target = Target("upstream", "m", Dialect(**dialect))
    said = client.decode_request(client.encode_request(request, target, Ledger()), Ledger())
    ledger = Ledger()
    return upstream.encode_request(said, target, ledger), [loss.code for loss in ledger]


@pairs
def test_a_schema_that_all_can_enforce_is_enforced_by_all(client: Codec, upstream: Codec) -> None:
    request = asking(output=OutputFormat(Raw(json.dumps(SCHEMA).encode()), strict=True))
    body, codes = sent(request, client, upstream)
    output = upstream.decode_request(body, Ledger()).output
    assert output is not None
    assert output.schema is not None
    assert json.loads(bytes(output.schema)) == SCHEMA
    assert output.strict is not False
    assert codes == []


@pairs
def test_a_model_without_schemas_is_told_the_schema(client: Codec, upstream: Codec) -> None:
    request = asking(output=OutputFormat(Raw(json.dumps(SCHEMA).encode()), strict=True))
    native = client.encode_request(request, Target("upstream", "m"), Ledger())
    ledger = Ledger()
    target = Target("upstream", "m", Dialect(structured_output=False))
    body = upstream.encode_request(client.decode_request(native, Ledger()), target, ledger)
    system = "".join(block.text or "" for block in upstream.decode_request(body, Ledger()).system)
    assert json.dumps(SCHEMA).replace(" ", "") in system.replace(" ", "")
    assert [loss.code for loss in ledger] == ["json_schema"]
    assert not any(loss.changes_meaning for loss in ledger)


@pairs
def test_a_web_search_is_asked_of_every_vendor_that_has_one(client: Codec, upstream: Codec) -> None:
    tool = HostedTool("somebody", "search", "web_search", Raw(b"{}"), SEARCH)
    body, codes = sent(asking(tools=(tool,)), client, upstream, web_search=True)
    searches = [tool.search for tool in upstream.decode_request(body, Ledger()).tools if isinstance(tool, HostedTool)]
    assert len(searches) == 1
    assert searches[0] is not None
    assert "hosted_tool" not in codes


@pairs
def test_without_one_it_is_left_out_with_a_loss_that_strict_refuses(client: Codec, upstream: Codec) -> None:
    tool = HostedTool("somebody", "search", "web_search", Raw(b"{}"), SEARCH)
    ledger = Ledger()
    body = upstream.encode_request(asking(tools=(tool,)), Target("upstream", "m"), ledger)
    assert not upstream.decode_request(body, Ledger()).tools
    assert [(loss.code, loss.changes_meaning) for loss in ledger] == [("hosted_tool", True)]
