"""What goes wrong at an upstream, or in a request, as the official SDKs raise it."""

# ruff: noqa: ANN401 - what stands here for a body or a block is any JSON

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from dragoman.settings import Key, Secret, Server
from tests.support.exact_upstream import Answer, ExactUpstream, json_answer, stream_answer
from tests.support.faulty_upstream import whole
from tests.support.gateway import RunningGateway, provider
from tests.support.sdks import KEY, anthropic_client, ask_chat, ask_messages, openai_client, said
from tests.support.wires import (
    call_piece,
    chat_answer,
    completion,
    event,
    message,
    message_start,
    messages_answer,
    piece,
    text,
)

CHAT, CLAUDE = "chat/gpt-large", "messages/claude-large"
WORDS = "the upstream's very own words, größer 🐫"
TOOL: dict[str, Any] = {"name": "run", "input_schema": {"type": "object", "properties": {}}}
FUNCTION: dict[str, Any] = {"type": "function", "function": {"name": "run", "parameters": {"type": "object"}}}
QUESTION: Any = [{"role": "user", "content": "?"}]
PAGE = b"<html><head><title>502</title></head><body><h1>Bad Gateway</h1>nginx</body></html>"

STATUSES = [400, 401, 403, 404, 413, 422, 429, 500, 503, 529]
ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    529: "overloaded_error",
}


def chat_error(**fields: Any) -> dict[str, Any]:
    return {"error": {"message": WORDS, "type": "some_error", "param": None, "code": None, **fields}}


def messages_error(type: str = "some_error", words: str = WORDS) -> dict[str, Any]:  # noqa: A002 - the wire's own word
    return {"type": "error", "error": {"type": type, "message": words}, "request_id": "req_upstream"}


# --- before the reply begins ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", STATUSES)
def test_an_error_before_the_reply_keeps_status_and_words_for_an_anthropic_client(
    claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool, status: int
) -> None:
    chat.answers(json_answer(chat_error(), status))
    with pytest.raises(anthropic.APIStatusError) as raised:
        ask_messages(claude, streams=streams, model=CHAT)
    error: Any = raised.value
    assert error.status_code == status
    assert error.body["type"] == "error"
    assert error.body["error"]["type"] == ANTHROPIC_TYPES[status]
    assert WORDS in error.body["error"]["message"]
    assert error.body["request_id"] == error.response.headers["x-request-id"]
    assert error.response.headers["x-dragoman-provider"] == "chat"
    assert len(chat.asked) == 1


@pytest.mark.parametrize("status", STATUSES)
def test_an_error_before_the_reply_keeps_status_and_words_for_an_openai_client(
    gpt: openai.OpenAI, messages: ExactUpstream, streams: bool, status: int
) -> None:
    messages.answers(json_answer(messages_error(ANTHROPIC_TYPES[status]), status))
    with pytest.raises(openai.APIStatusError) as raised:
        ask_chat(gpt, streams=streams, model=CLAUDE)
    error: Any = raised.value
    assert error.status_code == (503 if status == 529 else status)
    assert WORDS in error.body["message"]
    assert error.body["type"]
    assert set(error.body) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("status", STATUSES)
def test_an_error_of_the_same_protocol_passes_word_for_word(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream, status: int
) -> None:
    own = {**messages_error(), "new_field": {"a": 1}}
    messages.answers(json_answer(own, status, {"request-id": "req_upstream", "anthropic-ratelimit-x": "1"}))
    with pytest.raises(anthropic.APIStatusError) as raised:
        ask_messages(claude, streams=False, model=CLAUDE)
    assert (raised.value.status_code, raised.value.body) == (status, own)
    assert raised.value.response.headers["anthropic-ratelimit-x"] == "1"
    chat.answers(json_answer(chat_error(code="odd", new_field=1), status))
    with pytest.raises(openai.APIStatusError) as also:
        ask_chat(gpt, streams=False, model=CHAT)
    assert (also.value.status_code, also.value.body) == (status, chat_error(code="odd", new_field=1)["error"])


@pytest.mark.parametrize("model", [CLAUDE, CHAT])
def test_an_error_without_words_gets_some(
    claude: anthropic.Anthropic, chat: ExactUpstream, messages: ExactUpstream, model: str
) -> None:
    for upstream in (chat, messages):
        upstream.answers(Answer((whole(b"", "429 Too Many Requests"),)))
    with pytest.raises(anthropic.RateLimitError) as raised:
        ask_messages(claude, streams=False, model=model)
    told: Any = raised.value.body
    assert (told["type"], told["error"]["type"]) == ("error", "rate_limit_error")
    assert "429" in told["error"]["message"]


def test_a_refused_key_that_is_configured_is_told_as_such(
    claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool
) -> None:
    chat.answers(json_answer(chat_error(), 401))
    with pytest.raises(anthropic.AuthenticationError) as raised:
        ask_messages(claude, streams=streams, model=CHAT)
    told: Any = raised.value.body
    hint = "hint: the key that was refused is the one configured for `chat`, not the client's: correct its `api_key`"
    assert told["error"]["message"] == f"{WORDS}\n{hint}"
    assert raised.value.response.headers["x-should-retry"] == "false"


def test_retry_after_reaches_the_client(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream, streams: bool
) -> None:
    chat.answers(json_answer(chat_error(), 429, {"retry-after": "17", "x-ratelimit-remaining-requests": "0"}))
    with pytest.raises(anthropic.RateLimitError) as raised:
        ask_messages(claude, streams=streams, model=CHAT)
    assert raised.value.response.headers["retry-after"] == "17"
    assert raised.value.response.headers["x-ratelimit-remaining-requests"] == "0"
    for status in (429, 529):
        messages.answers(json_answer(messages_error(), status, {"retry-after": "Wed, 21 Oct 2099 07:28:00 GMT"}))
        with pytest.raises(openai.APIStatusError) as also:
            ask_chat(gpt, streams=streams, model=CLAUDE)
        assert also.value.response.headers["retry-after"] == "Wed, 21 Oct 2099 07:28:00 GMT"


def test_a_context_that_is_too_long_is_told_in_the_words_that_clients_compact_on(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream, streams: bool
) -> None:
    words = "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens."
    chat.answers(json_answer(chat_error(message=words, code="context_length_exceeded"), 400))
    with pytest.raises(anthropic.BadRequestError) as raised:
        ask_messages(claude, streams=streams, model=CHAT)
    told = str(raised.value.body)
    assert "capability_rejected: prompt_too_long" in told
    assert words.replace("'", "") in told.replace("'", "").replace("\\", "")
    words = "prompt is too long: 210000 tokens > 200000 maximum"
    messages.answers(json_answer(messages_error("invalid_request_error", words), 400))
    with pytest.raises(openai.BadRequestError) as also:
        ask_chat(gpt, streams=streams, model=CLAUDE)
    assert also.value.code == "context_length_exceeded"
    assert words in also.value.message
    assert "This model's maximum context length is" in also.value.message, "LiteLLM looks for words, not for the code"


@pytest.mark.parametrize("status", [200, 404, 502])
def test_a_web_page_is_a_502_with_an_excerpt(
    claude: anthropic.Anthropic,
    gpt: openai.OpenAI,
    chat: ExactUpstream,
    messages: ExactUpstream,
    streams: bool,
    status: int,
) -> None:
    page = json_answer(PAGE, status, {"content-type": "text/html"})
    for upstream, models in ((chat, (CHAT, "deep/any")), (messages, (CLAUDE, "unrelated/any"))):
        for model in models:
            upstream.answers(page, page)
            with pytest.raises(anthropic.InternalServerError, match="Bad Gateway") as raised:
                ask_messages(claude, streams=streams, model=model)
            assert raised.value.status_code == 502
            with pytest.raises(openai.InternalServerError, match="Bad Gateway") as also:
                ask_chat(gpt, streams=streams, model=model)
            assert also.value.status_code == 502


def test_junk_is_a_502(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream, streams: bool
) -> None:
    for junk in (b"", b"null", b"[]", b'{"a":', b"\xff\xfe\x00", b'{"hello":"world"}'):
        chat.answers(json_answer(junk))
        with pytest.raises(anthropic.InternalServerError) as raised:
            ask_messages(claude, streams=streams, model=CHAT)
        assert raised.value.status_code == 502, junk
        messages.answers(json_answer(junk))
        with pytest.raises(openai.InternalServerError) as also:
            ask_chat(gpt, streams=streams, model=CLAUDE)
        assert also.value.status_code == 502, junk


def test_an_error_in_a_reply_of_200_is_an_error(
    claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool
) -> None:
    chat.answers(json_answer(chat_error(code=429)))
    with pytest.raises(anthropic.RateLimitError, match="very own words"):
        ask_messages(claude, streams=streams, model=CHAT)


def test_errors_of_every_shape_are_read(claude: anthropic.Anthropic, chat: ExactUpstream) -> None:
    shapes: list[Any] = [{"error": WORDS}, {"detail": WORDS}, {"message": WORDS}, [{"error": {"message": WORDS}}]]
    for shape in shapes:
        chat.answers(json_answer(shape, 400))
        with pytest.raises(anthropic.BadRequestError, match="very own words"):
            ask_messages(claude, streams=False, model=CHAT)


def test_an_empty_reply_is_an_error(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream, streams: bool
) -> None:
    chat.answers(chat_answer(completion(None), streams=streams))
    with pytest.raises(anthropic.InternalServerError):
        ask_messages(claude, streams=streams, model=CHAT)
    messages.answers(messages_answer(message(), streams=streams))
    with pytest.raises(openai.InternalServerError):
        ask_chat(gpt, streams=streams, model=CLAUDE)


# --- in the middle of a stream ----------------------------------------------------------------------------------------


def chat_beginning() -> list[bytes]:
    return [piece({"role": "assistant", "content": "Half a "}), piece({"content": "sentence"})]


def messages_beginning() -> list[bytes]:
    delta = {"type": "text_delta", "text": "Half a sentence"}
    return [
        message_start(),
        event("content_block_start", index=0, content_block=text("")),
        event("content_block_delta", index=0, delta=delta),
    ]


@pytest.mark.parametrize("is_cut", [True, False], ids=["cut", "closed in good order"])
def test_a_cut_stream_is_an_error_event(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream, is_cut: bool
) -> None:
    for model, upstream, beginning in (
        (CHAT, chat, chat_beginning()),
        (CLAUDE, messages, messages_beginning()),
    ):
        upstream.answers(stream_answer(*beginning, is_cut=is_cut), stream_answer(*beginning, is_cut=is_cut))
        with pytest.raises(anthropic.APIStatusError) as raised:
            ask_messages(claude, streams=True, model=model)
        assert raised.value.body["error"]["type"] == "api_error"  # type: ignore[index]
        with pytest.raises(openai.APIError) as also:
            ask_chat(gpt, streams=True, model=model)
        assert also.value.code == "upstream_cut"


def test_an_error_in_mid_stream_keeps_its_words(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream
) -> None:
    failing = b'data: {"error":{"message":"%b","code":502}}\n\n' % WORDS.encode()
    chat.answers(stream_answer(*chat_beginning(), failing))
    with claude.messages.stream(model=CHAT, max_tokens=9, messages=[{"role": "user", "content": "?"}]) as stream:
        words: list[str] = []
        with pytest.raises(anthropic.APIStatusError, match="very own words"):
            words.extend(stream.text_stream)
        assert "".join(words) == "Half a sentence"
    failing = event("error", error={"type": "overloaded_error", "message": WORDS})
    messages.answers(stream_answer(*messages_beginning(), failing))
    with pytest.raises(openai.APIError, match="very own words") as raised:
        ask_chat(gpt, streams=True, model=CLAUDE)
    assert raised.value.code == "overloaded"


def test_a_cut_inside_a_tool_call_never_gives_a_call_that_can_be_run(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream, streams: bool
) -> None:
    """Also when what came of the arguments happens to be valid JSON."""
    calling = [call_piece(0, id="call_1", name="run", arguments='{"command": "rm -rf /tmp/x"}')]
    chat.answers(stream_answer(piece({"role": "assistant"}), *calling, is_cut=True))
    seen: list[str] = []

    def listen() -> None:
        tools: Any = [TOOL]
        with claude.messages.stream(model=CHAT, max_tokens=9, messages=QUESTION, tools=tools) as stream:
            seen.extend(one.type for one in stream)

    with pytest.raises(anthropic.APIStatusError):
        listen() if streams else ask_messages(claude, streams=False, model=CHAT, tools=[TOOL])
    assert ("content_block_start" in seen) is streams
    assert "content_block_stop" not in seen
    assert "message_stop" not in seen

    delta = {"type": "input_json_delta", "partial_json": '{"command": "rm -rf /tmp/x"}'}
    block = {"type": "tool_use", "id": "toolu_1", "name": "run", "input": {}}
    calling = [
        event("content_block_start", index=0, content_block=block),
        event("content_block_delta", index=0, delta=delta),
    ]
    messages.answers(stream_answer(message_start(), *calling, is_cut=True))
    finishes: list[Any] = []

    def follow() -> None:
        tools: Any = [FUNCTION]
        for chunk in gpt.chat.completions.create(model=CLAUDE, messages=QUESTION, tools=tools, stream=True):
            finishes.extend(choice.finish_reason for choice in chunk.choices)

    with pytest.raises(openai.APIError):
        follow() if streams else ask_chat(gpt, streams=False, model=CLAUDE, tools=[FUNCTION])
    assert bool(finishes) is streams
    assert not any(finishes)


def test_an_error_before_the_first_content_of_a_stream_is_an_http_error(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream
) -> None:
    failing = b'data: {"error":{"message":"%b","code":429}}\n\n' % WORDS.encode()
    chat.answers(stream_answer(piece({"role": "assistant", "content": ""}), failing))
    with pytest.raises(anthropic.RateLimitError, match="very own words"):
        ask_messages(claude, streams=True, model=CHAT)
    failing = event("error", error={"type": "overloaded_error", "message": WORDS})
    messages.answers(stream_answer(message_start(), failing))
    with pytest.raises(openai.InternalServerError, match="very own words") as raised:
        ask_chat(gpt, streams=True, model=CLAUDE)
    assert raised.value.status_code == 503


# --- the client's own mistakes ----------------------------------------------------------------------------------------


def test_a_bad_request_names_its_field(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream, streams: bool
) -> None:
    wrong: Any = [{"role": "user", "content": [{"type": "text", "text": 7}]}]
    with pytest.raises(anthropic.BadRequestError, match=r"messages\[0\]\.content\[0\]\.text"):
        ask_messages(claude, streams=streams, model=CHAT, messages=wrong)
    with pytest.raises(openai.BadRequestError, match=r"messages\[0\]\.content"):
        ask_chat(gpt, streams=streams, model=CLAUDE, messages=wrong)
    assert (chat.asked, messages.asked) == ([], [])


def test_what_a_target_cannot_do_is_refused_by_name(gpt: openai.OpenAI, messages: ExactUpstream) -> None:
    refused: list[tuple[str, dict[str, Any]]] = [
        ("n", {"n": 2}),
        ("logprobs", {"logprobs": True}),
        ("modalities", {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}),
        (
            "input_audio",
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}],
                    }
                ]
            },
        ),
    ]
    for name, fields in refused:
        with pytest.raises(openai.BadRequestError) as raised:
            ask_chat(gpt, streams=False, model=CLAUDE, **fields)
        assert name in raised.value.message or name == raised.value.param or "audio" in raised.value.message
    assert messages.asked == []


def test_the_policy_strict_refuses_what_would_change_the_meaning(
    claude: anthropic.Anthropic, chat: ExactUpstream
) -> None:
    hosted: Any = {"type": "web_search_20250305", "name": "web_search"}
    with pytest.raises(anthropic.BadRequestError, match=r"`tools\[0\]"):
        ask_messages(claude, streams=False, model="strict/any", tools=[hosted])
    assert chat.asked == []


# --- who may ask, and how much ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(chat_server: ExactUpstream) -> Iterator[RunningGateway]:
    """A gateway with a key of its own, a small limit, and one more try."""
    upstream = f"{chat_server.url}/v1"
    providers = {"chat": provider("openai-chat", upstream, models=["gpt-large"])}
    server = Server(port=0, keys=(Key(key=Secret(KEY)),), max_body_mib=1, retries=1)
    with RunningGateway(providers, server) as running:
        yield running


def test_a_wrong_key_is_a_401_that_nobody_tries_again(
    guarded: RunningGateway, chat: ExactUpstream, streams: bool
) -> None:
    for key in ("sk-wrong-0123456789abcdef", "x"):
        with (
            anthropic_client(guarded.url, api_key=key, max_retries=2) as claude,
            pytest.raises(anthropic.AuthenticationError) as raised,
        ):
            ask_messages(claude, streams=streams, model=CHAT)
        assert raised.value.response.headers["x-should-retry"] == "false"
        assert raised.value.body["error"]["type"] == "authentication_error"  # type: ignore[index]
        with (
            openai_client(guarded.url, api_key=key, max_retries=2) as gpt,
            pytest.raises(openai.AuthenticationError) as also,
        ):
            ask_chat(gpt, streams=streams, model=CHAT)
        assert also.value.response.headers["x-should-retry"] == "false"
        assert also.value.code == "invalid_api_key"
    assert chat.asked == []


def test_an_unknown_model_is_a_404_with_the_nearest_names(guarded: RunningGateway, streams: bool) -> None:
    with anthropic_client(guarded.url) as claude, pytest.raises(anthropic.NotFoundError, match=CHAT) as raised:
        ask_messages(claude, streams=streams, model="chat/gpt-larg")
    assert raised.value.body["error"]["type"] == "not_found_error"  # type: ignore[index]
    with openai_client(guarded.url) as gpt, pytest.raises(openai.NotFoundError, match=CHAT) as also:
        ask_chat(gpt, streams=streams, model="chat/gpt-larg")
    assert (also.value.code, also.value.param) == ("model_not_found", "model")


def test_the_gateways_own_key_never_leaves_it(guarded: RunningGateway, chat: ExactUpstream) -> None:
    chat.answers(chat_answer(completion("Yes."), streams=False), chat_answer(completion("Yes."), streams=False))
    with anthropic_client(guarded.url) as claude, openai_client(guarded.url) as gpt:
        ask_messages(claude, streams=False, model=CHAT)
        ask_chat(gpt, streams=False, model=CHAT)
    assert KEY not in str(chat.asked)


def test_a_body_beyond_the_limit_is_a_413(guarded: RunningGateway, chat: ExactUpstream, streams: bool) -> None:
    huge: Any = [{"role": "user", "content": "x" * (1 << 20)}]
    with anthropic_client(guarded.url) as claude, pytest.raises(anthropic.APIStatusError) as raised:
        ask_messages(claude, streams=streams, model=CHAT, messages=huge)
    assert raised.value.status_code == 413
    assert raised.value.body["error"]["type"] == "request_too_large"  # type: ignore[index]
    with openai_client(guarded.url) as gpt, pytest.raises(openai.APIStatusError) as also:
        ask_chat(gpt, streams=streams, model=CHAT, messages=huge)
    assert (also.value.status_code, also.value.code) == (413, "request_too_large")
    assert chat.asked == []


def test_a_body_of_thirty_megabytes_is_carried(claude: anthropic.Anthropic, chat: ExactUpstream) -> None:
    chat.answers(chat_answer(completion("Much."), streams=False))
    words = "0123456789abcde\n" * (30 * 65536)
    told = ask_messages(claude, streams=False, model=CHAT, messages=[{"role": "user", "content": words}])
    assert said(told.reply) == [text("Much.")]
    assert chat.last["messages"][0]["content"] == words


def test_what_fails_before_the_first_content_is_tried_again(
    guarded: RunningGateway, chat: ExactUpstream, streams: bool
) -> None:
    busy = json_answer(chat_error(), 429, {"retry-after": "0"})
    chat.answers(busy, chat_answer(completion("Yes."), streams=streams))
    with anthropic_client(guarded.url) as claude:
        assert said(ask_messages(claude, streams=streams, model=CHAT).reply) == [text("Yes.")]
        assert len(chat.asked) == 2
        assert chat.asked[0].body == chat.asked[1].body
        chat.answers(json_answer(chat_error(), 429, {"retry-after": "60"}))
        with pytest.raises(anthropic.RateLimitError):
            ask_messages(claude, streams=streams, model=CHAT)
        assert len(chat.asked) == 1


def test_what_fails_after_the_first_content_is_not_tried_again(guarded: RunningGateway, chat: ExactUpstream) -> None:
    chat.answers(stream_answer(*chat_beginning(), is_cut=True))
    with anthropic_client(guarded.url) as claude, pytest.raises(anthropic.APIStatusError):
        ask_messages(claude, streams=True, model=CHAT)
    assert len(chat.asked) == 1
