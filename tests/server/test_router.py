"""Which endpoint a path is. Paths come as ASGI gives them: percent-decoded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.codec import Codec, Operation
from dragoman.protocols import discover
from dragoman.server.router import Router

ROUTER = Router(discover().values(), {"go", "zen", "my.own"})


@pytest.mark.parametrize("codec", discover().values(), ids=discover())
@pytest.mark.parametrize("prefix", [None, "go", "my.own"])
def test_every_endpoint_of_every_protocol_is_found(codec: Codec, prefix: str | None) -> None:
    for endpoint in codec.endpoints:
        path = endpoint.path.replace("{model}", "some/model").replace("{id}", "some/model")
        match = ROUTER.find(endpoint.method, f"/{prefix}{path}" if prefix else path)
        assert match is not None
        assert match.operation is endpoint.operation
        assert codec in match.codecs
        assert match.prefix == prefix
        assert match.model == ("some/model" if "{" in endpoint.path else None)


@pytest.mark.parametrize("model", ["x", "a/b/c", "v1/models", "go/v1/models/x", "count_tokens", "ü [1m]", "100%25"])
def test_a_models_id_is_all_that_follows(model: str) -> None:
    match = ROUTER.find("GET", f"/v1/models/{model}")
    assert match is not None
    assert (match.operation, match.model, match.prefix) == (Operation.MODEL, model, None)


@pytest.mark.parametrize("path", ["/v1beta/models/:generateContent", "/v1/:countTokens", "/v1beta/models//"])
def test_a_collection_without_an_id_is_no_model(path: str) -> None:
    assert ROUTER.find("POST", path) is None
    assert ROUTER.find("GET", path) is None


@pytest.mark.parametrize("verb", ["generateContent", "streamGenerateContent", "countTokens", "predict"])
def test_a_verb_is_no_part_of_a_models_id(verb: str) -> None:
    assert ROUTER.methods(f"/go/v1beta/models/x:{verb}") == ["POST"]
    card = ROUTER.find("GET", "/v1beta/models/x:8b")
    assert card is not None
    assert card.model == "x:8b"


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/nobody/v1/messages", ["anthropic-messages"]),
        ("/v1/messages/", ["anthropic-messages"]),
        ("/go/v1/mesages", ["anthropic-messages"]),
        ("/v1/chat/completion", ["openai-chat"]),
        ("/v1beta/models/x:zzz", ["gemini-generate"]),
        ("/v1/embeddings", []),
        ("/nothing", []),
        ("/" + "a" * 60_000, []),
    ],
)
def test_a_path_speaks_the_protocol_that_it_nearly_is(path: str, names: list[str]) -> None:
    assert [codec.name for codec in ROUTER.speakers(path)] == names


def test_what_takes_get_takes_head() -> None:
    assert ROUTER.find("HEAD", "/v1/models") == ROUTER.find("GET", "/v1/models")
    assert ROUTER.find("HEAD", "/v1/messages") is None
    assert ROUTER.methods("/v1/models") == ["GET", "HEAD"]
    assert ROUTER.methods("/go/v1/messages") == ["POST"]
    assert ROUTER.methods("/nothing") == []


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/v1",
        "/v1/models/",
        "/v1/messages/",
        "//v1/messages",
        "/V1/messages",
        "/go/zen/v1/messages",
        "/other/v1/messages",
    ],
)
def test_what_only_looks_like_an_endpoint_is_none(path: str) -> None:
    assert ROUTER.find("GET", path) is None
    assert ROUTER.find("POST", path) is None


@pytest.mark.parametrize(
    ("path", "bare"),
    [("/go/ping", "/ping"), ("/go", "/"), ("/go/", "/"), ("/gone/ping", "/gone/ping"), ("/ping", "/ping"), ("/", "/")],
)
def test_a_prefix_is_a_whole_segment(path: str, bare: str) -> None:
    assert ROUTER.without_prefix(path) == bare


@given(st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS", "X"]), st.text(max_size=40), st.booleans())
def test_any_path_is_an_endpoint_or_none_and_stays_so(method: str, path: str, is_model: bool) -> None:
    """Nor does what was asked before fill the memory: ids of models are not remembered."""
    path = f"/v1/models/{path}" if is_model else path
    before = len(ROUTER._known)
    found = ROUTER.find(method, path)
    assert ROUTER.find(method, path) == found
    assert len(ROUTER._known) == before or (found is not None and found.model is None)
