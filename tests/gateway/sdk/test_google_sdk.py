"""The official Google SDK against Chat and Messages upstreams: what leaves the gateway, and what the SDK makes of the answer."""

# ruff: noqa: ANN401 - what stands here for a body or a block is any JSON

import json
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import errors, types

from tests.support.exact_upstream import ExactUpstream, json_answer, stream_answer
from tests.support.gateway import RunningGateway
from tests.support.sdks import KEY, Content, ask_gemini
from tests.support.wires import (
    DONE,
    call,
    call_piece,
    chat_answer,
    completion,
    content,
    gemini_answer,
    message,
    messages_answer,
    piece,
    text,
    thinking,
    tool_use,
)

CHAT, CLAUDE = "chat/gpt-large", "messages/claude-large"
WORDS = "  two spaces, größer 🐫,\n\ta tab and a line end\n"
PNG = b"\x89PNG\r\n\x1a\n\xfb\xff\xfe not really"
PNG_TEXT = "iVBORw0KGgr7//4gbm90IHJlYWxseQ=="
PDF = b"%PDF-1.7 not really"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather",
            description="Tells the weather",
            parameters=types.Schema(
                type=types.Type.OBJECT,
                properties={"city": types.Schema(type=types.Type.STRING)},
                required=["city"],
            ),
        ),
        types.FunctionDeclaration(name="get_time", description="Tells the time", parameters_json_schema=SCHEMA),
    ]
)


def user(*parts: types.Part) -> types.Content:
    return types.Content(role="user", parts=list(parts))


def words(said: str) -> types.Part:
    return types.Part(text=said)


def answer(name: str, said: Any, id: str | None = None) -> types.Part:
    return types.Part(function_response=types.FunctionResponse(name=name, id=id, response=said))


def test_text_goes_to_a_chat_upstream_and_comes_back_exactly(
    google: genai.Client, chat: ExactUpstream, streams: bool
) -> None:
    chat.answers(chat_answer(completion(WORDS), streams=streams))
    told = ask_gemini(
        google,
        streams=streams,
        model=CHAT,
        contents=[
            user(words(WORDS)),
            types.Content(role="model", parts=[words("Yes"), words("?")]),
            types.Content(parts=[words(WORDS)]),
        ],
        system_instruction=[" Be brief. ", "Really."],
        stop_sequences=["STOP"],
        temperature=0.5,
        max_output_tokens=321,
    )
    assert told.text == WORDS
    assert told.finish == "STOP"
    assert told.last.model_version == CHAT
    sent = chat.last
    assert sent["messages"] == [
        {"role": "system", "content": " Be brief. \n\nReally."},
        {"role": "user", "content": WORDS},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": WORDS},
    ]
    assert (sent["model"], sent["max_tokens"], sent["temperature"], sent["stop"]) == ("gpt-large", 321, 0.5, ["STOP"])
    assert sent.get("stream", False) is streams


def test_text_goes_to_a_messages_upstream_and_comes_back_exactly(
    google: genai.Client, messages: ExactUpstream, streams: bool
) -> None:
    messages.answers(messages_answer(message(text(WORDS)), streams=streams))
    told = ask_gemini(google, streams=streams, model=CLAUDE, contents=WORDS, system_instruction=" Be brief. ", top_k=40)
    assert (told.text, told.finish, told.last.model_version) == (WORDS, "STOP", CLAUDE)
    sent = messages.last
    assert sent["system"][0]["text"] == " Be brief. "
    assert sent["messages"][0]["content"][0]["text"] == WORDS
    assert (sent["max_tokens"], sent["top_k"]) == (32_000, 40)


def test_the_upstreams_key_goes_up_and_the_clients_stays(
    google: genai.Client, chat: ExactUpstream, streams: bool
) -> None:
    chat.answers(chat_answer(completion("Yes."), streams=streams))
    ask_gemini(google, streams=streams, model=CHAT)
    asked = chat.asked[0]
    assert asked.headers["authorization"] == "Bearer sk-upstream-0123456789"
    assert KEY not in str(asked)
    assert not [name for name in asked.headers if name.startswith("x-goog")]


def parallel(upstream: str, *, streams: bool) -> Any:
    if upstream == "chat":
        calls = [call("call_1", "get_weather", '{"city":"Paris"}'), call("call_2", "get_weather", '{"city":"Rome"}')]
        return chat_answer(completion("Let me look.", calls), streams=streams)
    used = [tool_use("toolu_1", "get_weather", city="Paris"), tool_use("toolu_2", "get_weather", city="Rome")]
    return messages_answer(message(text("Let me look."), *used), streams=streams)


@pytest.mark.parametrize("has_ids", [True, False], ids=["with ids", "without ids"])
@pytest.mark.parametrize("upstream", ["chat", "messages"])
def test_parallel_tools_of_one_name_hold_through_two_turns(
    google: genai.Client, chat: ExactUpstream, messages: ExactUpstream, upstream: str, streams: bool, has_ids: bool
) -> None:
    server = {"chat": chat, "messages": messages}[upstream]
    closing = completion("Rain, sun."), message(text("Rain, sun."))
    done = (
        chat_answer(closing[0], streams=streams) if upstream == "chat" else messages_answer(closing[1], streams=streams)
    )
    server.answers(parallel(upstream, streams=streams), done)
    model = {"chat": CHAT, "messages": CLAUDE}[upstream]
    question = user(words("Weather?"))
    first = ask_gemini(google, streams=streams, model=model, contents=[question], tools=[WEATHER])
    assert first.finish == "STOP"
    assert first.text == "Let me look."
    ids = ["call_1", "call_2"] if upstream == "chat" else ["toolu_1", "toolu_2"]
    assert first.calls == [(ids[0], "get_weather", {"city": "Paris"}), (ids[1], "get_weather", {"city": "Rome"})]
    said = first.contents
    if not has_ids:
        for one in said:
            for part in one.parts or []:
                if part.function_call:
                    part.function_call.id = None
    results = user(
        answer("get_weather", {"output": "rain"}, ids[0] if has_ids else None),
        answer("get_weather", {"error": "no sun"}, ids[1] if has_ids else None),
        words("Go on."),
    )
    second = ask_gemini(google, streams=streams, model=model, contents=[question, *said, results], tools=[WEATHER])
    assert second.text == "Rain, sun."
    check = check_chat if upstream == "chat" else check_messages
    check(server.last)


def check_chat(sent: Any) -> None:
    asked, spoken, *results, more = sent["messages"]
    assert asked == {"role": "user", "content": "Weather?"}
    assert spoken["content"] == "Let me look."
    calls = [(one["function"]["name"], json.loads(one["function"]["arguments"])) for one in spoken["tool_calls"]]
    assert calls == [("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Rome"})]
    ids = [one["id"] for one in spoken["tool_calls"]]
    assert len(set(ids)) == 2
    assert [(one["tool_call_id"], one["content"]) for one in results] == [
        (ids[0], "rain"),
        (ids[1], "Error: no sun"),
    ]
    assert more == {"role": "user", "content": "Go on."}
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["get_weather", "get_time"]
    assert [tool["function"]["parameters"] for tool in sent["tools"]] == [SCHEMA, SCHEMA]


def check_messages(sent: Any) -> None:
    asked, spoken, results = sent["messages"]
    assert [one["role"] for one in (asked, spoken, results)] == ["user", "assistant", "user"]
    used = [block for block in spoken["content"] if block["type"] == "tool_use"]
    assert [block["input"] for block in used] == [{"city": "Paris"}, {"city": "Rome"}]
    first, second, more = results["content"]
    assert (first["tool_use_id"], first["content"]) == (used[0]["id"], "rain")
    assert (second["tool_use_id"], second["content"], second["is_error"]) == (used[1]["id"], "no sun", True)
    assert more["text"] == "Go on."
    assert [tool["input_schema"] for tool in sent["tools"]] == [SCHEMA, SCHEMA]


def test_arguments_in_pieces_leave_as_one_call(google: genai.Client, chat: ExactUpstream) -> None:
    chat.answers(
        stream_answer(
            piece({"role": "assistant", "content": ""}),
            call_piece(0, id="call_1", name="run", arguments=""),
            call_piece(1, id="call_2", name="run", arguments='{"x"'),
            call_piece(0, arguments='{"y":12345678901234567890,'),
            call_piece(1, arguments=": 2}"),
            call_piece(0, arguments='"z":"größer"}'),
            piece({}, "tool_calls"),
            piece(usage={"prompt_tokens": 11, "completion_tokens": 7}),
            DONE,
        )
    )
    told = ask_gemini(google, streams=True, model=CHAT)
    assert told.calls == [
        ("call_1", "run", {"y": 12345678901234567890, "z": "größer"}),
        ("call_2", "run", {"x": 2}),
    ]


def test_pictures_and_documents_are_carried(
    google: genai.Client, chat: ExactUpstream, messages: ExactUpstream, streams: bool
) -> None:
    """The SDK writes bytes in the other alphabet of base64, which nobody else reads."""
    shown = [
        words("Look:"),
        types.Part.from_bytes(data=PNG, mime_type="image/png"),
        types.Part.from_bytes(data=PDF, mime_type="application/pdf"),
    ]
    chat.answers(chat_answer(completion("Seen."), streams=streams))
    assert ask_gemini(google, streams=streams, model=CHAT, contents=[user(*shown)]).text == "Seen."
    said, picture, file = chat.last["messages"][0]["content"]
    assert said["text"] == "Look:"
    assert picture["image_url"]["url"] == f"data:image/png;base64,{PNG_TEXT}"
    assert file["file"]["file_data"].startswith("data:application/pdf;base64,")
    messages.answers(messages_answer(message(text("Seen.")), streams=streams))
    assert ask_gemini(google, streams=streams, model=CLAUDE, contents=[user(*shown)]).text == "Seen."
    said, picture, file = messages.last["messages"][0]["content"]
    assert picture["source"] == {"type": "base64", "media_type": "image/png", "data": PNG_TEXT}
    assert file["type"] == "document"


def test_a_picture_in_a_result_reaches_a_messages_upstream(google: genai.Client, messages: ExactUpstream) -> None:
    messages.answers(messages_answer(message(text("Seen.")), streams=False))
    picture = types.FunctionResponsePart(inline_data=types.FunctionResponseBlob(mime_type="image/png", data=PNG))
    called = types.Part(function_call=types.FunctionCall(id="c1", name="look", args={}))
    result = types.Part(
        function_response=types.FunctionResponse(id="c1", name="look", response={"output": "see"}, parts=[picture])
    )
    said = types.Content(role="model", parts=[called])
    ask_gemini(google, streams=False, model=CLAUDE, contents=[user(words("Look")), said, user(result)])
    (block,) = messages.last["messages"][2]["content"]
    assert [inner["type"] for inner in block["content"]] == ["text", "image"]
    assert block["content"][1]["source"]["data"] == PNG_TEXT


def test_structured_output_is_asked_for_by_schema(
    google: genai.Client, chat: ExactUpstream, messages: ExactUpstream, streams: bool
) -> None:
    schema = types.Schema(
        type=types.Type.OBJECT,
        properties={
            "n": types.Schema(type=types.Type.INTEGER, nullable=True),
            "a": types.Schema(type=types.Type.STRING),
        },
        property_ordering=["a", "n"],
    )
    expected = {"type": "object", "properties": {"a": {"type": "string"}, "n": {"type": ["integer", "null"]}}}
    chat.answers(chat_answer(completion('{"n":3}'), streams=streams))
    told = ask_gemini(
        google, streams=streams, model=CHAT, response_mime_type="application/json", response_schema=schema
    )
    assert told.text == '{"n":3}'
    sent = chat.last["response_format"]["json_schema"]["schema"]
    assert sent == expected
    assert list(sent["properties"]) == ["a", "n"]
    messages.answers(messages_answer(message(text('{"n":3}')), streams=streams))
    ask_gemini(
        google, streams=streams, model=CLAUDE, response_mime_type="application/json", response_json_schema=SCHEMA
    )
    strict = {**SCHEMA, "additionalProperties": False}
    assert messages.last["output_config"]["format"] == {"type": "json_schema", "schema": strict}


def without_thoughts(told: Content) -> list[types.Content]:
    """Return a reply as Gemini CLI gives it back: words, calls and their signatures."""
    parts = [part for part in told.parts if not part.thought]
    return [types.Content(role="model", parts=parts)]


@pytest.mark.parametrize("drops_thoughts", [False, True], ids=["thoughts back", "calls alone back"])
def test_claudes_thinking_holds_through_three_turns(
    google: genai.Client, messages: ExactUpstream, streams: bool, drops_thoughts: bool
) -> None:
    """The signature comes back byte-equal although the SDK spells base64 in its own way."""
    signatures = ["RXBz+/8=", "second+sig/nature=="]
    first = [thinking("Hm, größer.\n", signatures[0]), tool_use("toolu_1", "run", x=1)]
    second = [thinking("And now?", signatures[1]), text("I go on."), tool_use("toolu_2", "run", x=2)]
    messages.answers(
        messages_answer(message(*first), streams=streams),
        messages_answer(message(*second), streams=streams),
        messages_answer(message(text("Done.")), streams=streams),
    )
    history: list[types.Content] = [user(words("Go"))]
    config: Any = {
        "tools": [types.Tool(function_declarations=[types.FunctionDeclaration(name="run")])],
        "thinking_config": types.ThinkingConfig(include_thoughts=True, thinking_budget=2000),
    }
    for id_ in ("toolu_1", "toolu_2"):
        told = ask_gemini(google, streams=streams, model=CLAUDE, contents=history, **config)
        assert told.thought
        history += without_thoughts(told) if drops_thoughts else told.contents
        history.append(user(answer("run", {"output": "ok"}, id_)))
    told = ask_gemini(google, streams=streams, model=CLAUDE, contents=history, **config)
    assert told.text == "Done."
    _, one, _, two, _ = messages.last["messages"]
    assert one["content"] == first
    assert [block for block in two["content"] if block["type"] != "text"] == [second[0], second[2]]


def test_the_reasoning_of_a_chat_upstream_comes_back_with_its_calls(
    google: genai.Client, chat: ExactUpstream, streams: bool
) -> None:
    """DeepSeek refuses a turn with calls whose reasoning is missing; Gemini CLI gives no thoughts back."""
    chat.answers(
        chat_answer(completion(None, [call("c1", "run", "{}")], reasoning_content="Hm."), streams=streams),
        chat_answer(completion("Done."), streams=streams),
    )
    told = ask_gemini(google, streams=streams, model="deep/thinker", contents="Go")
    assert told.thought == "Hm."
    history = [user(words("Go")), *without_thoughts(told), user(answer("run", {"output": "ok"}, "c1"))]
    ask_gemini(google, streams=streams, model="deep/thinker", contents=history)
    assert chat.last["messages"][1]["reasoning_content"] == "Hm."


@pytest.mark.parametrize(
    ("config", "sent"),
    [
        (types.ThinkingConfig(thinking_budget=0), "none"),
        (types.ThinkingConfig(thinking_level=types.ThinkingLevel.HIGH, include_thoughts=True), "high"),
        (types.ThinkingConfig(thinking_budget=20_000), "high"),
    ],
)
def test_thinking_goes_up_as_effort(
    google: genai.Client, chat: ExactUpstream, config: types.ThinkingConfig, sent: str
) -> None:
    chat.answers(chat_answer(completion("Yes."), streams=False))
    ask_gemini(google, streams=False, model=CHAT, thinking_config=config)
    assert chat.last["reasoning_effort"] == sent


def test_tool_modes_are_choices(google: genai.Client, chat: ExactUpstream) -> None:
    mode = types.FunctionCallingConfigMode
    rows = [
        (types.FunctionCallingConfig(mode=mode.AUTO), "auto"),
        (types.FunctionCallingConfig(mode=mode.ANY), "required"),
        (types.FunctionCallingConfig(mode=mode.NONE), "none"),
        (
            types.FunctionCallingConfig(mode=mode.ANY, allowed_function_names=["get_time"]),
            {"type": "function", "function": {"name": "get_time"}},
        ),
    ]
    for config, choice in rows:
        chat.answers(chat_answer(completion("Yes."), streams=False))
        tool_config = types.ToolConfig(function_calling_config=config)
        ask_gemini(google, streams=False, model=CHAT, tools=[WEATHER], tool_config=tool_config)
        assert chat.last["tool_choice"] == choice


def test_cached_and_thought_tokens_are_counted_once(
    google: genai.Client, chat: ExactUpstream, messages: ExactUpstream, streams: bool
) -> None:
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 50,
        "total_tokens": 1050,
        "prompt_tokens_details": {"cached_tokens": 800},
        "completion_tokens_details": {"reasoning_tokens": 30},
    }
    chat.answers(chat_answer(completion("Yes.", usage=usage), streams=streams))
    used = ask_gemini(google, streams=streams, model=CHAT).last.usage_metadata
    assert used is not None
    assert (used.prompt_token_count, used.cached_content_token_count) == (1000, 800)
    assert (used.candidates_token_count, used.thoughts_token_count, used.total_token_count) == (20, 30, 1050)
    counts = {
        "input_tokens": 50,
        "cache_read_input_tokens": 800,
        "cache_creation_input_tokens": 150,
        "output_tokens": 5,
    }
    messages.answers(messages_answer(message(text("Yes."), usage=counts), streams=streams))
    used = ask_gemini(google, streams=streams, model=CLAUDE).last.usage_metadata
    assert used is not None
    assert (used.prompt_token_count, used.cached_content_token_count, used.candidates_token_count) == (1000, 800, 5)


@pytest.mark.parametrize(
    ("finish", "reason"), [("length", "MAX_TOKENS"), ("content_filter", "SAFETY"), ("stop", "STOP")]
)
def test_why_a_reply_ended_is_said_in_googles_words(
    google: genai.Client, chat: ExactUpstream, streams: bool, finish: str, reason: str
) -> None:
    chat.answers(chat_answer(completion("Half", finish=finish), streams=streams))
    assert ask_gemini(google, streams=streams, model=CHAT).finish == reason


def test_tokens_are_counted(google: genai.Client, gateway: RunningGateway) -> None:
    short = google.models.count_tokens(model=CHAT, contents="Hello")
    long = google.models.count_tokens(model=CLAUDE, contents=["Hello"] * 50)
    assert 0 < (short.total_tokens or 0) < (long.total_tokens or 0)
    whole = {"contents": [{"parts": [{"text": "Hello"}]}], "systemInstruction": {"parts": {"text": "Be brief. " * 50}}}
    told = httpx2.post(
        f"{gateway.url}/v1beta/models/{CHAT}:countTokens",
        json={"generateContentRequest": {"model": f"models/{CHAT}", **whole}},
    )
    assert told.headers["x-dragoman-count"] == "estimated"
    assert told.json()["totalTokens"] > 100


def test_models_are_listed_in_the_clients_dialect(google: genai.Client) -> None:
    listed = {model.name: model for model in google.models.list()}
    assert "generateContent" in (listed["models/gpt-large"].supported_actions or [])
    paged = [model.name for model in google.models.list(config={"page_size": 1})]
    assert paged == list(listed), "the SDK fetches page by page"
    assert google.models.get(model="listed/gpt-large").name == "models/listed/gpt-large"


@pytest.mark.parametrize(
    ("status", "word"), [(400, "INVALID_ARGUMENT"), (403, "PERMISSION_DENIED"), (404, "NOT_FOUND")]
)
def test_an_error_keeps_status_and_words(
    google: genai.Client, chat: ExactUpstream, streams: bool, status: int, word: str
) -> None:
    chat.answers(json_answer({"error": {"message": "no such luck", "type": "x", "param": "stop"}}, status))
    with pytest.raises(errors.ClientError) as caught:
        ask_gemini(google, streams=streams, model=CHAT)
    assert (caught.value.code, caught.value.status, caught.value.message) == (status, word, "no such luck")


def test_retry_after_is_told_in_both_ways(google: genai.Client, messages: ExactUpstream, streams: bool) -> None:
    body = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
    messages.answers(json_answer(body, 429, {"retry-after": "7"}))
    with pytest.raises(errors.ClientError) as caught:
        ask_gemini(google, streams=streams, model=CLAUDE)
    error: Any = caught.value
    assert (error.code, error.status) == (429, "RESOURCE_EXHAUSTED")
    assert error.response.headers["retry-after"] == "7"
    (info,) = error.details["error"]["details"]
    assert info == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}


def test_an_error_in_mid_stream_keeps_its_words(google: genai.Client, chat: ExactUpstream) -> None:
    failing = b'data: {"error":{"message":"quite overloaded","code":529}}\n\n'
    chat.answers(stream_answer(piece({"role": "assistant", "content": "Half"}), failing))
    with pytest.raises(errors.ServerError) as caught:
        ask_gemini(google, streams=True, model=CHAT)
    assert (caught.value.code, caught.value.status, caught.value.message) == (503, "UNAVAILABLE", "quite overloaded")


def test_a_cut_inside_a_call_is_an_error_and_no_call(google: genai.Client, chat: ExactUpstream) -> None:
    chat.answers(
        stream_answer(
            piece({"role": "assistant", "content": None}),
            call_piece(0, id="c1", name="run", arguments='{"path": "/"'),
            is_cut=True,
        )
    )
    with pytest.raises(errors.APIError):
        ask_gemini(google, streams=True, model=CHAT)


# --- paths, keys and forms of streams -----------------------------------------------------------------------------------

BODY = {"contents": [{"parts": [{"text": "Hello?"}]}]}


@pytest.mark.parametrize("version", ["v1beta", "v1"])
@pytest.mark.parametrize("model", ["chat/gpt/with/slashes", "chat%2Fgpt%2Fwith%2Fslashes"])
def test_names_of_models_may_hold_slashes(
    gateway: RunningGateway, chat: ExactUpstream, version: str, model: str
) -> None:
    chat.answers(chat_answer(completion("Yes."), streams=False))
    told = httpx2.post(f"{gateway.url}/{version}/models/{model}:generateContent", json=BODY)
    assert told.json()["modelVersion"] == "chat/gpt/with/slashes"
    assert chat.last["model"] == "gpt/with/slashes"


def test_fields_in_either_spelling_and_one_for_a_list_of_one(gateway: RunningGateway, chat: ExactUpstream) -> None:
    """As the curl examples of Google's documentation write them."""
    chat.answers(chat_answer(completion("Yes."), streams=False))
    body = {
        "system_instruction": {"parts": {"text": "Be brief."}},
        "contents": {
            "role": "user",
            "parts": [{"inline_data": {"mime_type": "image/png", "data": PNG_TEXT}}, {"text": "What is it?"}],
        },
        "tools": {"function_declarations": {"name": "f", "parameters": {"type": "OBJECT", "properties": {}}}},
        "tool_config": {"function_calling_config": {"mode": "any", "allowed_function_names": ["f"]}},
        "generation_config": {"max_output_tokens": 9.0, "stop_sequences": ["A"], "response_mime_type": "text/plain"},
    }
    told = httpx2.post(f"{gateway.url}/v1beta/models/{CHAT}:generateContent", json=body)
    assert told.status_code == 200, told.text
    assert "x-dragoman-loss" in told.headers
    sent = chat.last
    assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
    assert [part["type"] for part in sent["messages"][1]["content"]] == ["image_url", "text"]
    assert (sent["max_tokens"], sent["stop"]) == (9, ["A"])
    assert sent["tool_choice"]["function"]["name"] == "f"


@pytest.mark.parametrize("upstream", ["chat", "messages", "gemini"])
def test_without_alt_a_stream_is_one_json_array(
    gateway: RunningGateway, chat: ExactUpstream, messages: ExactUpstream, gemini: ExactUpstream, upstream: str
) -> None:
    chat.answers(chat_answer(completion("Hello."), streams=True))
    messages.answers(messages_answer(message(text("Hello.")), streams=True))
    gemini.answers(gemini_answer(content({"text": "Hello."}), streams=True))
    told = httpx2.post(f"{gateway.url}/v1beta/models/{upstream}/any:streamGenerateContent", json=BODY)
    assert told.headers["content-type"].startswith("application/json")
    chunks = told.json()
    parts = [part["text"] for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"]]
    assert "".join(parts) == "Hello."
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"
    assert {chunk["modelVersion"] for chunk in chunks} == {f"{upstream}/any"}
    if upstream == "gemini":
        assert gemini.asked[0].path.endswith(":streamGenerateContent?alt=sse")


def test_an_error_in_an_array_is_one_of_its_elements(gateway: RunningGateway, chat: ExactUpstream) -> None:
    url = f"{gateway.url}/v1beta/models/{CHAT}:streamGenerateContent"
    chat.answers(
        json_answer({"error": {"message": "no"}}, 400),
        stream_answer(piece({"role": "assistant", "content": "Half"}), is_cut=True),
    )
    told = httpx2.post(url, json=BODY)
    assert told.status_code == 400
    assert told.json()[0]["error"]["message"] == "no"
    told = httpx2.post(url, json=BODY)
    assert told.status_code == 200
    assert [min(chunk) for chunk in told.json()] == ["candidates", "error"]


@pytest.mark.parametrize("where", ["query", "header", "bearer"])
def test_a_key_is_a_key_wherever_it_stands(chat: ExactUpstream, where: str) -> None:
    from dragoman.settings import Key, Secret, Server
    from tests.support.gateway import provider

    key = "sk-own-0123456789abcdef"
    settings = Server(port=0, keys=(Key(Secret(key)),))
    with RunningGateway({"chat": provider("openai-chat", f"{chat.url}/v1")}, settings) as gateway:
        chat.answers(chat_answer(completion("Yes."), streams=False))
        url = f"{gateway.url}/v1beta/models/{CHAT}:generateContent"
        headers = {"header": {"x-goog-api-key": key}, "bearer": {"authorization": f"Bearer {key}"}}.get(where, {})
        told = httpx2.post(url, json=BODY, headers=headers, params={"key": key} if where == "query" else {})
        assert told.status_code == 200, told.text
        assert key not in str(chat.asked)
        assert key not in str(gateway.wait_for_lines(1))
        refused = httpx2.post(url, json=BODY, params={"key": "wrong"})
        assert refused.status_code == 401
        assert refused.json()["error"]["status"] == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1beta/models/any:embedContent", 501),
        ("POST", "/v1/models/any:batchGenerateContent", 501),
        ("POST", "/v1beta/cachedContents", 404),
        ("GET", "/v1beta/files", 404),
        ("GET", "/listed/v1beta/models/nobody", 404),
        ("POST", "/listed/v1beta/models/nobody:generateContent", 404),
        ("PUT", "/v1beta/models", 405),
    ],
)
def test_what_is_not_there_is_told_in_googles_form(
    gateway: RunningGateway, method: str, path: str, status: int
) -> None:
    told = httpx2.request(method, f"{gateway.url}{path}", json=BODY, headers={"x-goog-api-key": KEY})
    assert told.status_code == status
    error = told.json()["error"]
    assert error["code"] == status
    assert error["status"] == ("NOT_FOUND" if status == 404 else "UNIMPLEMENTED")


def test_the_list_of_models_fits_whoever_asks(gateway: RunningGateway) -> None:
    url = f"{gateway.url}/v1/models"
    assert "models" in httpx2.get(url, headers={"x-goog-api-client": "google-genai-sdk/3.4.0"}).json()
    assert "models" in httpx2.get(url, params={"key": KEY}).json()
    assert "has_more" in httpx2.get(url, headers={"anthropic-version": "2023-06-01"}).json()
    assert httpx2.get(url, headers={"authorization": f"Bearer {KEY}"}).json()["object"] == "list"
    assert "models" in httpx2.get(f"{gateway.url}/v1beta/models").json()


def test_nothing_but_data_is_sent_to_googles_clients(
    gateway: RunningGateway, chat: ExactUpstream, messages: ExactUpstream
) -> None:
    """No comments, no names of events, no `[DONE]`: the SDK raises on each of them."""
    chat.answers(stream_answer(b": a comment\n\n", piece({"content": "Hi"}), piece({}, "stop"), DONE))
    messages.answers(messages_answer(message(text("Hi")), streams=True))
    for model in (CHAT, CLAUDE):
        told = httpx2.post(f"{gateway.url}/v1beta/models/{model}:streamGenerateContent?alt=sse", json=BODY)
        frames = told.text.removesuffix("\n\n").split("\n\n")
        assert all(json.loads(frame.removeprefix("data: "))["candidates"] for frame in frames)
