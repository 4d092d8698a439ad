"""Damaged traffic over real sockets: each endpoint answers a legal reply or an error in its client's dialect, and goes on."""

import json
import logging
from collections.abc import Iterator
from itertools import product
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.codec import Codec, Endpoint, Operation, Source
from dragoman.ir.events import ReplyEnd, ReplyFailed
from dragoman.protocols import discover
from dragoman.receiver import Receiver
from dragoman.settings import Server
from tests.support.exact_upstream import ExactUpstream, json_answer, stream_answer
from tests.support.gateway import RunningGateway, provider
from tests.support.mutations import any_reply, any_request, any_stream, requests_of

CODECS = discover()
SOURCE = Source("gateway", "model-1")
POSTED = [
    pytest.param(codec, endpoint, upstream, id=f"{endpoint.path}>{upstream.name}")
    for (codec, upstream) in product(CODECS.values(), CODECS.values())
    for endpoint in codec.endpoints
    if endpoint.method == "POST"
]
GENERATING = {
    codec.name: next(endpoint for endpoint in codec.endpoints if endpoint.operation is Operation.GENERATE)
    for codec in CODECS.values()
}
pairs = pytest.mark.parametrize(
    ("client", "upstream"),
    [pytest.param(CODECS[a], CODECS[b], id=f"{a}>{b}") for a, b in product(CODECS, CODECS)],
)
# A fifth of what the profile has: each of these examples is an exchange over sockets.
few = settings(max_examples=max(settings().max_examples // 5, 1))


@pytest.fixture(scope="module")
def upstream_server() -> Iterator[ExactUpstream]:
    with ExactUpstream() as server:
        yield server


@pytest.fixture(scope="module")
def fuzzed(upstream_server: ExactUpstream) -> Iterator[httpx2.Client]:
    """A client of a gateway with an upstream of each protocol, all of them the one exact upstream."""
    url = upstream_server.url
    providers = {codec.name: provider(codec.name, url) for codec in CODECS.values()}
    with (
        RunningGateway(providers, Server(port=0, retries=0, max_body_mib=1)) as running,
        httpx2.Client(base_url=running.url, timeout=30) as client,
    ):
        yield client


@pytest.fixture(autouse=True)
def no_mistakes(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Check that the gateway never owns up to a mistake of its own."""
    with caplog.at_level(logging.ERROR, "dragoman"):
        yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def path_of(endpoint: Endpoint, upstream: Codec) -> str:
    return endpoint.path.replace("{model}", f"{upstream.name}/model-1")


def addressed(body: bytes, upstream: Codec) -> bytes:
    """Return the body with its model, if it still has that one, at `upstream`."""
    return body.replace(b'"model-1"', json.dumps(f"{upstream.name}/model-1").encode())


def assert_legal(client: Codec, answer: httpx2.Response) -> None:
    """Check that what came is a reply that a client of this protocol can read, or its own form of error."""
    body = answer.content
    if answer.status_code != 200:
        assert 400 <= answer.status_code < 600
        assert error_of(body)
    elif answer.headers["content-type"].startswith("text/event-stream"):
        receiver = Receiver(client, SOURCE)
        events = receiver.feed(body) + receiver.flush()
        assert isinstance(events[-1], ReplyEnd | ReplyFailed)
    else:
        assert isinstance(json.loads(body), dict | list)


def error_of(body: bytes) -> str:
    """Return the message of an error, which stands in the same place in all protocols."""
    told = json.loads(body)
    error = (told[0] if isinstance(told, list) else told)["error"]
    return str(error["message"])


@pytest.mark.parametrize(("client", "endpoint", "upstream"), POSTED)
@few
@given(data=st.data())
def test_any_body_is_answered_in_the_clients_dialect(
    fuzzed: httpx2.Client,
    upstream_server: ExactUpstream,
    client: Codec,
    endpoint: Endpoint,
    upstream: Codec,
    data: st.DataObject,
) -> None:
    body = addressed(data.draw(any_request(client)), upstream)
    upstream_server.answers(json_answer({"error": {"message": "the upstream says no", "type": "no"}}, 400))
    answer = fuzzed.post(path_of(endpoint, upstream), content=body, headers={"content-type": "application/json"})
    assert_legal(client, answer)
    assert answer.status_code < 500 or answer.status_code == 501


@pairs
@few
@given(data=st.data(), streams=st.booleans())
def test_any_answer_of_an_upstream_is_a_legal_reply_or_its_failure(
    fuzzed: httpx2.Client,
    upstream_server: ExactUpstream,
    client: Codec,
    upstream: Codec,
    data: st.DataObject,
    streams: bool,
) -> None:
    said = data.draw(any_stream(upstream) if streams else any_reply(upstream))
    status = data.draw(st.sampled_from([200, 200, 200, 400, 429, 500, 529]))
    is_cut = data.draw(st.booleans())
    if streams and status == 200:
        upstream_server.answers(stream_answer(*(piece for piece in (said[:99], said[99:]) if piece), is_cut=is_cut))
    else:
        upstream_server.answers(json_answer(said, status))
    body = addressed(requests_of(client)[0 if streams else -1], upstream)
    answer = fuzzed.post(
        path_of(GENERATING[client.name], upstream), content=body, headers={"content-type": "application/json"}
    )
    if client is not upstream:
        assert_legal(client, answer)
    elif answer.status_code == 200:
        assert answer.content
    assert fuzzed.get("/ping").text == "pong"


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS.keys())
@few
@given(model=st.binary(min_size=1, max_size=20), query=st.binary(max_size=10))
def test_any_model_in_a_path_is_answered(fuzzed: httpx2.Client, codec: Codec, model: bytes, query: bytes) -> None:
    for endpoint in codec.endpoints:
        path = endpoint.path.replace("{model}", quote(model, safe=""))
        answer = fuzzed.request(endpoint.method, f"{path}?{quote(query)}", content=b"{}")
        if answer.status_code != 200:
            assert error_of(answer.content)
            assert answer.status_code < 500 or answer.status_code == 501
