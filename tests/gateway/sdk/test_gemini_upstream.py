"""The official SDKs against a Gemini upstream: what leaves the gateway, and what the SDKs make of the answer."""

# ruff: noqa: ANN401 - what stands here for a body or a block is any JSON

import json
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import types

from tests.support.exact_upstream import ExactUpstream, json_answer, stream_answer
from tests.support.gateway import RunningGateway
from tests.support.sdks import KEY, ask_chat, ask_gemini, ask_messages, calls_of, said
from tests.support.wires import content, function_call, gemini_answer, text, thought, tool_use
from tests.support.wires import said as chunk

MODEL = "gemini/gemini-large"
WORDS = "  two spaces, größer 🐫,\n\ta tab and a line end\n"
SIGNATURE = "EpwKCpkKAdHtim9nQ0uU7sYx2mV9p/Kt3wLfZ8rT+1aBcDeFg=="
PLACEHOLDER = "skip_thought_signature_validator"
SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {"city": {"type": "string", "const": "Paris"}, "$schema": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL: dict[str, Any] = {"name": "get_weather", "description": "Tells the weather", "input_schema": SCHEMA}
CHAT_TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Tells the weather", "parameters": SCHEMA},
}
PNG = "iVBORw0KGgo="


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def result(id: str, content: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id, "content": content, **fields}


def test_text_goes_up_and_comes_back_exactly(claude: anthropic.Anthropic, gemini: ExactUpstream, streams: bool) -> None:
    gemini.answers(gemini_answer(content({"text": WORDS}), streams=streams))
    told = ask_messages(
        claude,
        streams=streams,
        model=MODEL,
        system=[{"type": "text", "text": " Be brief. "}, {"type": "text", "text": "Really."}],
        messages=[user(text(WORDS)), {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": WORDS}],
        stop_sequences=["STOP"],
        max_tokens=321,
        extra_body={"temperature": 0.5, "top_k": 40},
    )
    assert said(told.reply) == [text(WORDS)]
    assert (told.reply.stop_reason, told.reply.model) == ("end_turn", MODEL)
    sent = gemini.last
    assert sent["systemInstruction"] == {"parts": [{"text": " Be brief. "}, {"text": "Really."}]}
    assert sent["contents"] == [
        {"role": "user", "parts": [{"text": WORDS}]},
        {"role": "model", "parts": [{"text": "Yes?"}]},
        {"role": "user", "parts": [{"text": WORDS}]},
    ]
    assert sent["generationConfig"] == {
        "maxOutputTokens": 321,
        "temperature": 0.5,
        "topK": 40,
        "stopSequences": ["STOP"],
    }
    assert set(sent) == {"systemInstruction", "contents", "generationConfig"}
    method = "streamGenerateContent?alt=sse" if streams else "generateContent"
    assert gemini.asked[0].path == f"/v1beta/models/gemini-large:{method}"
    assert gemini.asked[0].headers["x-goog-api-key"] == "sk-upstream-0123456789"
    assert KEY not in str(gemini.asked[0])


def test_no_field_of_openai_goes_up(gpt: openai.OpenAI, gemini: ExactUpstream, streams: bool) -> None:
    gemini.answers(gemini_answer(content({"text": "Yes."}), streams=streams))
    told = ask_chat(
        gpt,
        streams=streams,
        model=MODEL,
        seed=5,
        frequency_penalty=0.5,
        logit_bias={"50256": -100},
        store=False,
        user="somebody",
        prompt_cache_key="k",
        parallel_tool_calls=False,
        service_tier="flex",
    )
    assert told.reply.choices[0].message.content == "Yes."
    assert set(gemini.last) == {"contents", "generationConfig", "serviceTier"}
    assert gemini.last["generationConfig"] == {"seed": 5, "frequencyPenalty": 0.5}
    assert {"user_id", "cache_key", "parallel_tools", "extra_field"} <= set(
        told.headers["x-dragoman-loss"].partition("; ")[2].split(",")
    )


def test_an_empty_text_never_reaches_google(claude: anthropic.Anthropic, gemini: ExactUpstream) -> None:
    gemini.answers(gemini_answer(content({"text": "Yes."}), streams=False))
    history = [user(text("")), {"role": "assistant", "content": [text(""), tool_use("t1", "f")]}]
    ask_messages(
        claude, streams=False, model=MODEL, tools=[TOOL], messages=[*history, user(result("t1", []), text(""))]
    )
    parts = [part for one in gemini.last["contents"] for part in one["parts"]]
    assert all(part.get("text") != "" for part in parts)
    assert [sorted(part) for part in parts][-2:] == [["functionCall", "thoughtSignature"], ["functionResponse"]]
    assert parts[-1]["functionResponse"]["response"] == {"output": ""}


def test_a_system_message_in_mid_talk_is_marked_user_text(claude: anthropic.Anthropic, gemini: ExactUpstream) -> None:
    gemini.answers(gemini_answer(content({"text": "Yes."}), streams=False))
    history = [user(text("Hi")), {"role": "assistant", "content": "Yes?"}, user(text("Go"))]
    ask_messages(
        claude,
        streams=False,
        model=MODEL,
        messages=[*history, {"role": "system", "content": "The user is in a hurry."}],
    )
    last = gemini.last["contents"][-1]
    assert last == {
        "role": "user",
        "parts": [{"text": "Go"}, {"text": "<system>\nThe user is in a hurry.\n</system>"}],
    }


def test_parallel_tools_hold_through_two_turns_for_an_anthropic_client(
    claude: anthropic.Anthropic, gemini: ExactUpstream, streams: bool
) -> None:
    """One content holds as many results as there were calls, in their order and named after them."""
    calls = [
        function_call("get_weather", "fc_1", SIGNATURE, city="Paris"),
        function_call("get_weather", "fc_2", city="Rome"),
    ]
    gemini.answers(
        gemini_answer(content({"text": "Let me look."}, *calls), streams=streams),
        gemini_answer(content({"text": "Rain, sun."}), streams=streams),
    )
    question = user(text("Weather?"))
    first = ask_messages(claude, streams=streams, model=MODEL, tools=[TOOL], messages=[question]).reply
    assert first.stop_reason == "tool_use"
    used = [block for block in said(first) if block["type"] == "tool_use"]
    assert [(block["id"], block["input"]) for block in used] == [
        ("fc_1", {"city": "Paris"}),
        ("fc_2", {"city": "Rome"}),
    ]
    results = user(result("fc_2", "sun", is_error=True), result("fc_1", [text("rain")]), text("Go on."))
    history = [question, {"role": "assistant", "content": said(first)}, results]
    second = ask_messages(claude, streams=streams, model=MODEL, tools=[TOOL], messages=history).reply
    assert said(second) == [text("Rain, sun.")]
    _, spoken, answered = gemini.last["contents"]
    assert spoken == {"role": "model", "parts": [{"text": "Let me look."}, *calls]}
    assert answered == {
        "role": "user",
        "parts": [
            {"functionResponse": {"id": "fc_1", "name": "get_weather", "response": {"output": "rain"}}},
            {"functionResponse": {"id": "fc_2", "name": "get_weather", "response": {"error": "sun"}}},
            {"text": "Go on."},
        ],
    }
    assert gemini.last["tools"] == [
        {
            "functionDeclarations": [
                {"name": "get_weather", "description": "Tells the weather", "parametersJsonSchema": SCHEMA}
            ]
        }
    ]


def test_calls_in_chunks_of_their_own_without_ids_are_told_apart(gpt: openai.OpenAI, gemini: ExactUpstream) -> None:
    gemini.answers(
        stream_answer(
            chunk(function_call("run", x=1)),
            chunk(function_call("run", x=1)),
            chunk({"text": ""}, finish="STOP"),
        )
    )
    reply = ask_chat(gpt, streams=True, model=MODEL, tools=[CHAT_TOOL]).reply
    assert reply.choices[0].finish_reason == "tool_calls"
    first, second = calls_of(reply)
    assert first[0] != second[0]
    assert [(name, json.loads(arguments)) for _, name, arguments in (first, second)] == [("run", {"x": 1})] * 2


def test_signatures_come_back_byte_equal_through_three_turns(
    claude: anthropic.Anthropic, gemini: ExactUpstream, streams: bool
) -> None:
    """On calls, of which only the first of a step is signed, and on thoughts; words that bear one lose it."""
    replies = [
        [thought("Hm, größer."), function_call("run", "fc_1", SIGNATURE, x=1), function_call("run", "fc_2", x=2)],
        [thought("And now?", "c2Vj+/8="), {"text": "I go on."}, function_call("run", "fc_3", "dGhpcmQ=", x=3)],
        [{"text": "Done."}, {"text": "", "thoughtSignature": "bGFzdA=="}],
    ]
    gemini.answers(*(gemini_answer(content(*parts), streams=streams) for parts in replies))
    history: list[Any] = [user(text("Go"))]
    for ids in (("fc_1", "fc_2"), ("fc_3",), ()):
        reply = ask_messages(claude, streams=streams, model=MODEL, tools=[TOOL], messages=history).reply
        history.append({"role": "assistant", "content": said(reply)})
        if ids:
            history.append(user(*(result(id_, "ok") for id_ in ids)))
    assert history[-1]["content"] == [text("Done.")], "nothing stands behind the words"
    _, one, _, two, _ = gemini.last["contents"]
    # A thought without a signature is not sent back: the call behind it bears the step's.
    assert one["parts"] == replies[0][1:]
    assert two["parts"] == replies[1]


def test_signatures_come_back_through_a_chat_client(gpt: openai.OpenAI, gemini: ExactUpstream, streams: bool) -> None:
    calls = [function_call("run", "fc_1", SIGNATURE, x=1), function_call("run", "fc_2", x=2)]
    gemini.answers(
        gemini_answer(content(*calls), streams=streams), gemini_answer(content({"text": "Done."}), streams=streams)
    )
    first = ask_chat(gpt, streams=streams, model=MODEL, tools=[CHAT_TOOL]).reply
    history = [
        {"role": "user", "content": "Hello?"},
        first.choices[0].message.to_dict(),
        {"role": "tool", "tool_call_id": "fc_1", "content": "1"},
        {"role": "tool", "tool_call_id": "fc_2", "content": "2"},
    ]
    ask_chat(gpt, streams=streams, model=MODEL, tools=[CHAT_TOOL], messages=history)
    assert gemini.last["contents"][1]["parts"] == calls


def test_a_history_from_elsewhere_bears_the_documented_placeholder(
    claude: anthropic.Anthropic, gemini: ExactUpstream
) -> None:
    """Other models' signatures never reach Google; each step's first call has to be signed all the same."""
    history = [
        user(text("Go")),
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "claudes+own=="},
                tool_use("t1", "run", x=1),
                tool_use("t2", "run", x=2),
            ],
        },
        user(result("t1", "1"), result("t2", "2")),
    ]
    gemini.answers(gemini_answer(content({"text": "Yes."}), streams=False))
    told = ask_messages(claude, streams=False, model=MODEL, tools=[TOOL], messages=history)
    parts = gemini.last["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [PLACEHOLDER, None]
    assert "claudes" not in json.dumps(gemini.last)
    assert {"foreign_reasoning", "signature_placeholder"} <= set(
        told.headers["x-dragoman-loss"].partition("; ")[2].split(",")
    )


def test_a_signature_is_only_for_the_model_that_made_it(claude: anthropic.Anthropic, gemini: ExactUpstream) -> None:
    gemini.answers(
        gemini_answer(content(function_call("run", "fc_1", SIGNATURE)), streams=False),
        gemini_answer(content({"text": "Yes."}), streams=False),
    )
    reply = ask_messages(claude, streams=False, model=MODEL, tools=[TOOL], messages=[user(text("Go"))]).reply
    history = [user(text("Go")), {"role": "assistant", "content": said(reply)}, user(result("fc_1", "ok"))]
    ask_messages(claude, streams=False, model="gemini/gemini-small", tools=[TOOL], messages=history)
    (part,) = gemini.last["contents"][1]["parts"]
    assert part["thoughtSignature"] == PLACEHOLDER


@pytest.mark.parametrize(("model", "inside"), [("gemini/large", False), ("gemini3/large", True)])
def test_a_picture_in_a_result_is_shown(
    claude: anthropic.Anthropic, gemini: ExactUpstream, model: str, inside: bool
) -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    history = [
        user(text("Look")),
        {"role": "assistant", "content": [tool_use("t1", "look")]},
        user(result("t1", [text("see"), picture])),
    ]
    gemini.answers(gemini_answer(content({"text": "Seen."}), streams=False))
    ask_messages(claude, streams=False, model=model, tools=[TOOL], messages=history)
    answered, *behind = gemini.last["contents"][2]["parts"]
    inline = {"inlineData": {"mimeType": "image/png", "data": PNG}}
    response = {"id": "t1", "name": "look", "response": {"output": "see"}}
    assert answered["functionResponse"] == ({**response, "parts": [inline]} if inside else response)
    assert behind == ([] if inside else [inline])


def test_pictures_sound_and_files_are_carried(gpt: openai.OpenAI, gemini: ExactUpstream) -> None:
    gemini.answers(gemini_answer(content({"text": "Seen."}), streams=False))
    shown = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
    ]
    ask_chat(gpt, streams=False, model=MODEL, messages=[{"role": "user", "content": shown}])
    blobs = [part["inlineData"] for part in gemini.last["contents"][0]["parts"]]
    assert [blob["mimeType"] for blob in blobs] == ["image/png", "application/pdf", "audio/wav"]


def test_a_picture_on_the_web_is_refused_by_name(gpt: openai.OpenAI, gemini: ExactUpstream) -> None:
    shown = [{"type": "image_url", "image_url": {"url": "https://pictures.test/a.png"}}]
    with pytest.raises(openai.BadRequestError, match="fetches nothing"):
        ask_chat(gpt, streams=False, model=MODEL, messages=[{"role": "user", "content": shown}])
    assert gemini.asked == []


def test_a_server_without_json_schema_gets_googles_subset(claude: anthropic.Anthropic, gemini: ExactUpstream) -> None:
    """Keywords go, and a property that is named like one stays."""
    gemini.answers(gemini_answer(content(function_call("get_weather", city="Paris")), streams=False))
    told = ask_messages(claude, streams=False, model="vertex/large", tools=[TOOL])
    assert gemini.last["tools"][0]["functionDeclarations"][0]["parameters"] == {
        "type": "OBJECT",
        "properties": {"city": {"type": "STRING", "enum": ["Paris"]}, "$schema": {"type": "STRING"}},
        "required": ["city"],
    }
    assert "schema" in told.headers["x-dragoman-loss"]


def test_a_tools_name_that_google_refuses_is_renamed_and_comes_back(
    claude: anthropic.Anthropic, gemini: ExactUpstream, streams: bool
) -> None:
    odd = {**TOOL, "name": "3d-render"}
    history = [
        user(text("Go")),
        {"role": "assistant", "content": [tool_use("t1", "3d-render")]},
        user(result("t1", "1")),
    ]
    gemini.answers(gemini_answer(content({"text": "Yes."}), streams=False))
    ask_messages(claude, streams=False, model=MODEL, tools=[odd], messages=history)
    (declared,) = gemini.last["tools"][0]["functionDeclarations"]
    name = declared["name"]
    assert name[0].isalpha() or name[0] == "_"
    assert gemini.last["contents"][2]["parts"][0]["functionResponse"]["name"] == name
    gemini.answers(gemini_answer(content(function_call(name, "fc_1")), streams=streams))
    reply = ask_messages(claude, streams=streams, model=MODEL, tools=[odd]).reply
    assert said(reply)[-1]["name"] == "3d-render"


@pytest.mark.parametrize(
    ("model", "asked", "sent"),
    [
        ("gemini/any", {"thinking": {"type": "enabled", "budget_tokens": 2000}}, {"thinkingBudget": 2000}),
        ("gemini/any", {"thinking": {"type": "enabled", "budget_tokens": 31_999}}, {"thinkingBudget": 24_576}),
        ("gemini/any", {"thinking": {"type": "adaptive"}}, {"thinkingBudget": -1}),
        (
            "gemini/any",
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
            {"thinkingBudget": 1024},
        ),
        (
            "gemini3/any",
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
            {"thinkingLevel": "HIGH"},
        ),
        ("gemini3/any", {"thinking": {"type": "enabled", "budget_tokens": 2000}}, {"thinkingLevel": "LOW"}),
    ],
)
def test_thinking_is_a_budget_or_a_level_and_never_both(
    claude: anthropic.Anthropic, gemini: ExactUpstream, model: str, asked: Any, sent: Any
) -> None:
    gemini.answers(gemini_answer(content(thought("Hm."), {"text": "Yes."}), streams=False))
    reply = ask_messages(claude, streams=False, model=model, max_tokens=40_000, **asked).reply
    assert gemini.last["generationConfig"]["thinkingConfig"] == {**sent, "includeThoughts": True}
    assert [block["type"] for block in said(reply)] == ["thinking", "text"]


@pytest.mark.parametrize(
    ("model", "sent"), [("gemini/any", {"thinkingBudget": 0}), ("gemini3/any", {"thinkingLevel": "LOW"})]
)
def test_thinking_is_switched_off_as_far_as_it_can_be(
    claude: anthropic.Anthropic, gemini: ExactUpstream, model: str, sent: Any
) -> None:
    gemini.answers(gemini_answer(content({"text": "Yes."}), streams=False))
    ask_messages(claude, streams=False, model=model, thinking={"type": "disabled"})
    assert gemini.last["generationConfig"]["thinkingConfig"] == sent


def test_structured_output_is_asked_for_by_schema(gpt: openai.OpenAI, gemini: ExactUpstream, streams: bool) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "number", "schema": schema, "strict": True}}
    gemini.answers(gemini_answer(content({"text": '{"n":3}'}), streams=streams))
    reply = ask_chat(gpt, streams=streams, model=MODEL, response_format=form).reply
    assert reply.choices[0].message.content == '{"n":3}'
    assert gemini.last["generationConfig"] == {"responseMimeType": "application/json", "responseJsonSchema": schema}
    gemini.answers(gemini_answer(content({"text": "{}"}), streams=streams))
    ask_chat(gpt, streams=streams, model="vertex/any", response_format=form)
    assert gemini.last["generationConfig"]["responseSchema"] == {
        "type": "OBJECT",
        "properties": {"n": {"type": "INTEGER"}},
    }
    gemini.answers(gemini_answer(content({"text": "{}"}), streams=streams))
    ask_chat(gpt, streams=streams, model=MODEL, response_format={"type": "json_object"})
    assert gemini.last["generationConfig"] == {"responseMimeType": "application/json"}


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        ({"type": "auto"}, {"mode": "AUTO"}),
        ({"type": "any"}, {"mode": "ANY"}),
        ({"type": "none"}, {"mode": "NONE"}),
        ({"type": "tool", "name": "get_weather"}, {"mode": "ANY", "allowedFunctionNames": ["get_weather"]}),
    ],
)
def test_tool_choice_goes_up(claude: anthropic.Anthropic, gemini: ExactUpstream, choice: Any, config: Any) -> None:
    gemini.answers(gemini_answer(content({"text": "Yes."}), streams=False))
    ask_messages(claude, streams=False, model=MODEL, tools=[TOOL], tool_choice=choice)
    assert gemini.last["toolConfig"] == {"functionCallingConfig": config}


def test_cached_and_thought_tokens_are_counted_once(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, gemini: ExactUpstream, streams: bool
) -> None:
    usage = {
        "promptTokenCount": 1000,
        "cachedContentTokenCount": 800,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 30,
        "toolUsePromptTokenCount": 7,
    }
    gemini.answers(*[gemini_answer(content({"text": "Yes."}, usage=usage), streams=streams)] * 2)
    used = ask_messages(claude, streams=streams, model=MODEL).reply.usage
    assert (used.input_tokens, used.cache_read_input_tokens, used.output_tokens) == (207, 800, 50)
    bill = ask_chat(gpt, streams=streams, model=MODEL).reply.usage
    assert bill is not None
    assert (bill.prompt_tokens, bill.completion_tokens, bill.total_tokens) == (1007, 50, 1057)
    assert bill.completion_tokens_details is not None
    assert bill.completion_tokens_details.reasoning_tokens == 30


@pytest.mark.parametrize(
    ("finish", "words"),
    [
        ("MAX_TOKENS", ("max_tokens", "length")),
        ("SAFETY", ("refusal", "content_filter")),
        ("RECITATION", ("refusal", "content_filter")),
        ("SOMETHING_NEW", ("end_turn", "stop")),
    ],
)
def test_why_a_reply_ended_is_said_in_the_clients_words(
    claude: anthropic.Anthropic,
    gpt: openai.OpenAI,
    gemini: ExactUpstream,
    streams: bool,
    finish: str,
    words: tuple[str, str],
) -> None:
    gemini.answers(*[gemini_answer(content({"text": "Half"}, finish=finish), streams=streams)] * 2)
    assert ask_messages(claude, streams=streams, model=MODEL).reply.stop_reason == words[0]
    assert ask_chat(gpt, streams=streams, model=MODEL).reply.choices[0].finish_reason == words[1]


def test_a_blocked_prompt_is_a_refusal(claude: anthropic.Anthropic, gemini: ExactUpstream, streams: bool) -> None:
    blocked = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "Not this."},
        "usageMetadata": {"promptTokenCount": 9},
    }
    data = b"data: %b\r\n\r\n" % json.dumps(blocked).encode()
    gemini.answers(stream_answer(data) if streams else json_answer(blocked))
    reply = ask_messages(claude, streams=streams, model=MODEL).reply
    assert (reply.stop_reason, said(reply)) == ("refusal", [text("Not this.")])


@pytest.mark.parametrize("finish", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"])
def test_a_call_that_makes_no_sense_is_an_error_and_no_silent_end(
    claude: anthropic.Anthropic, gemini: ExactUpstream, streams: bool, finish: str
) -> None:
    gemini.answers(gemini_answer(content(finish=finish, finishMessage="print(default_api.run())"), streams=streams))
    with pytest.raises(anthropic.APIStatusError, match=rf"{finish}.*print\(default_api"):
        ask_messages(claude, streams=streams, model=MODEL)


def test_a_content_without_parts_is_no_crash(claude: anthropic.Anthropic, gemini: ExactUpstream) -> None:
    bare = {"candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}]}
    gemini.answers(json_answer(bare))
    reply = ask_messages(claude, streams=False, model=MODEL).reply
    assert (reply.stop_reason, said(reply)) == ("max_tokens", [])


def test_googles_errors_keep_status_words_and_patience(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, gemini: ExactUpstream, streams: bool
) -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "33.4s"}]
    body = {"error": {"code": 429, "message": "Quota.", "status": "RESOURCE_EXHAUSTED", "details": details}}
    gemini.answers(json_answer(body, 429), json_answer([body], 429))
    with pytest.raises(anthropic.RateLimitError, match=r"Quota\.") as limited:
        ask_messages(claude, streams=streams, model=MODEL)
    assert limited.value.response.headers["retry-after"] == "34"
    with pytest.raises(openai.RateLimitError, match=r"Quota\."):
        ask_chat(gpt, streams=streams, model=MODEL)


def test_a_bad_key_is_an_authentication_error(gpt: openai.OpenAI, gemini: ExactUpstream) -> None:
    """Google answers 400."""
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
    message = "API key not valid. Please pass a valid API key."
    body = {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT", "details": details}}
    gemini.answers(json_answer(body, 400))
    with pytest.raises(openai.AuthenticationError, match="API key not valid"):
        ask_chat(gpt, streams=False, model=MODEL)


def test_a_context_that_is_too_long_is_told_in_the_clients_words(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, gemini: ExactUpstream
) -> None:
    words = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
    body = {"error": {"code": 400, "message": words, "status": "INVALID_ARGUMENT"}}
    gemini.answers(*[json_answer(body, 400)] * 2)
    with pytest.raises(anthropic.BadRequestError, match="prompt_too_long"):
        ask_messages(claude, streams=False, model=MODEL)
    with pytest.raises(openai.BadRequestError) as caught:
        ask_chat(gpt, streams=False, model=MODEL)
    assert caught.value.code == "context_length_exceeded"


@pytest.mark.parametrize("as_list", [False, True])
def test_an_error_in_mid_stream_is_the_clients_own(
    claude: anthropic.Anthropic, gemini: ExactUpstream, as_list: bool
) -> None:
    error: Any = {"error": {"code": 503, "message": "quite overloaded", "status": "UNAVAILABLE"}}
    failing = b"data: %b\r\n\r\n" % json.dumps([error] if as_list else error).encode()
    gemini.answers(stream_answer(chunk({"text": "Half"}), failing))
    with pytest.raises(anthropic.APIStatusError, match="quite overloaded"):
        ask_messages(claude, streams=True, model=MODEL)


def test_a_stream_that_is_cut_is_an_error(claude: anthropic.Anthropic, gemini: ExactUpstream) -> None:
    gemini.answers(stream_answer(chunk({"text": "Half"})))
    with pytest.raises(anthropic.APIStatusError, match="ended before"):
        ask_messages(claude, streams=True, model=MODEL)


def test_what_google_found_and_ran_is_told(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, gemini: ExactUpstream
) -> None:
    page = {"web": {"uri": "https://pages.test/a", "title": "A"}}
    ran = [
        {"executableCode": {"language": "PYTHON", "code": "print(42)"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "42\n"}},
    ]
    reply = content(*ran, {"text": "It is 42."}, groundingMetadata={"groundingChunks": [page]})
    gemini.answers(*[gemini_answer(reply, streams=True)] * 2)
    told = ask_chat(gpt, streams=True, model=MODEL).reply.choices[0].message
    assert "print(42)" in (told.content or "")
    assert (told.content or "").endswith("It is 42.")
    (annotation,) = told.annotations or []
    assert annotation.url_citation.url == "https://pages.test/a"
    last = said(ask_messages(claude, streams=True, model=MODEL).reply)[-1]
    assert (last["text"], last["citations"][0]["url"]) == ("It is 42.", "https://pages.test/a")


# --- the same protocol on both sides ------------------------------------------------------------------------------------

REQUEST = b"""{ "contents":[ {"role":"user","parts":[{"text":"\\u00e9 \\ud83d\\udc2b \\/ \\"model\\": \\"x\\"  "},
 {"part_of_tomorrow":{"a":1.50}}]} ], "new_field":{"b":1.50,"a":[null,12345678901234567890]}, "generation_config":{"topK":40.0} }"""


@pytest.mark.parametrize("alt", ["?alt=sse", ""])
def test_a_request_goes_up_byte_for_byte(
    gateway: RunningGateway, gemini: ExactUpstream, streams: bool, alt: str
) -> None:
    gemini.answers(gemini_answer(content({"text": "Hi"}), streams=streams))
    method = "streamGenerateContent" if streams else "generateContent"
    told = httpx2.post(
        f"{gateway.url}/v1/models/gemini/one:{method}{alt or '?'}&key={KEY}&fields=x",
        content=REQUEST,
        headers={"x-goog-api-client": "sdk/1", "x-new-header": "as it is", "cookie": "a=b"},
    )
    assert told.status_code == 200
    asked = gemini.asked[0]
    assert asked.body == REQUEST
    assert asked.path == f"/v1beta/models/one:{method}" + ("?alt=sse" if streams else "")
    assert (asked.headers["x-goog-api-client"], asked.headers["x-new-header"]) == ("sdk/1", "as it is")
    assert KEY not in str(asked)


def test_a_reply_comes_back_byte_for_byte_but_for_the_models_name(
    gateway: RunningGateway, gemini: ExactUpstream, streams: bool
) -> None:
    strange = function_call("f", modelVersion="inner")
    reply = {**content(strange, {"part_of_tomorrow": 1}), "new_field": 1}
    if streams:
        pieces = [b"data: %b\r\n\r\n" % json.dumps(reply).encode(), chunk({"text": ""}, finish="STOP")]
        gemini.answers(stream_answer(*pieces))
        answer = b"".join(pieces)
    else:
        answer = json.dumps(reply, indent=3).encode()
        gemini.answers(json_answer(answer))
    method = "streamGenerateContent?alt=sse" if streams else "generateContent"
    told = httpx2.post(f"{gateway.url}/v1beta/models/gemini/one:{method}", content=REQUEST)
    assert told.content == answer.replace(b"gemini-upstream-2026-09", b"gemini/one")
    assert b'"modelVersion": "inner"' in told.content
    assert told.headers["x-dragoman-model"] == "one"


def test_a_google_client_holds_a_tool_loop_with_a_gemini_upstream(
    google: genai.Client, gemini: ExactUpstream, streams: bool
) -> None:
    calls = [function_call("run", "fc_1", "c2ln", x=1), function_call("run", "fc_2", x=2)]
    gemini.answers(
        gemini_answer(content(thought("Hm."), {"text": "I run."}, *calls), streams=streams),
        gemini_answer(content({"text": "Done."}), streams=streams),
    )
    first = ask_gemini(google, streams=streams, model="gemini/one", contents="Go")
    assert (first.thought, first.text, first.finish) == ("Hm.", "I run.", "STOP")
    assert [name for _, name, _ in first.calls] == ["run", "run"]
    assert first.last.model_version == "gemini/one"
    history: list[Any] = [types.UserContent("Go"), *first.contents]
    results = [types.Part.from_function_response(name="run", response={"output": "ok"})] * 2
    second = ask_gemini(
        google, streams=streams, model="gemini/one", contents=[*history, types.Content(role="user", parts=results)]
    )
    assert second.text == "Done."
    parts = [part for one in gemini.last["contents"] for part in one["parts"]]
    assert [part for part in parts if "functionCall" in part] == calls


def test_tokens_are_counted_by_a_gemini_upstream(google: genai.Client, gemini: ExactUpstream) -> None:
    gemini.answers(json_answer({"totalTokens": 4321}))
    assert google.models.count_tokens(model="gemini/one", contents="Hi").total_tokens == 4321
    assert gemini.asked[0].path == "/v1beta/models/one:countTokens"


def test_the_name_in_a_token_count_is_the_upstreams(gateway: RunningGateway, gemini: ExactUpstream) -> None:
    gemini.answers(json_answer({"totalTokens": 1}))
    whole = {"model": "models/gemini/one", "contents": [{"parts": [{"text": "Hi"}]}]}
    httpx2.post(
        f"{gateway.url}/v1beta/models/gemini/one:countTokens", json={"generateContentRequest": whole}
    ).raise_for_status()
    assert gemini.last["generateContentRequest"]["model"] == "models/one"


def test_another_upstreams_thought_stays_behind_on_the_raw_lane(
    google: genai.Client, chat: ExactUpstream, gemini: ExactUpstream
) -> None:
    """The conversation moves from a Chat upstream, whose calls carry its thoughts, to Gemini."""
    from tests.support.wires import call, chat_answer, completion

    chat.answers(chat_answer(completion(None, [call("c1", "run", "{}")], reasoning_content="Secret."), streams=False))
    first = ask_gemini(google, streams=False, model="deep/thinker", contents="Go")
    history: list[Any] = [types.UserContent("Go"), *first.contents]
    result = types.Part.from_function_response(name="run", response={"output": "ok"})
    gemini.answers(gemini_answer(content({"text": "Done."}), streams=False))
    ask_gemini(
        google, streams=False, model="gemini/one", contents=[*history, types.Content(role="user", parts=[result])]
    )
    sent = json.dumps(gemini.last)
    assert "DRAGOMAN" not in sent
    assert "Secret" not in sent
    (part,) = gemini.last["contents"][1]["parts"]
    assert part["thoughtSignature"] == PLACEHOLDER
