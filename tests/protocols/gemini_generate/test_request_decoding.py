"""A client's body to the IR: every form that Google's API takes, and errors that name the field."""

# ruff: noqa: ANN401 - what stands here for a body is any JSON

import json
from typing import Any

import pytest

from dragoman.codec import Target
from dragoman.ir.failures import RequestError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import (
    Audio,
    Base64Data,
    Block,
    Document,
    Effort,
    FileId,
    Foreign,
    FunctionTool,
    HostedTool,
    Image,
    OutputFormat,
    PlainText,
    Reasoning,
    ReasoningControl,
    Request,
    Role,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    UrlData,
)
from dragoman.ir.seals import Seal, write_seal
from dragoman.protocols.gemini_generate import PROTOCOL
from dragoman.protocols.gemini_generate.sealing import PLACEHOLDER, carried

HELLO: dict[str, Any] = {"role": "user", "parts": [{"text": "Hello"}]}


def decoded(ledger: Ledger | None = None, **fields: Any) -> Request:
    body = {"contents": [HELLO], **fields}
    return PROTOCOL.decode_request(json.dumps(body).encode(), ledger if ledger is not None else Ledger())


def blocks_of(*contents: Any) -> list[tuple[Block, ...]]:
    return [message.blocks for message in decoded(contents=list(contents)).messages]


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


def model(*parts: Any) -> dict[str, Any]:
    return {"role": "model", "parts": list(parts)}


def call(name: str, signature: str | None = None, **fields: Any) -> dict[str, Any]:
    part: dict[str, Any] = {"functionCall": {"name": name, **fields}}
    return {**part, "thoughtSignature": signature} if signature else part


def response(name: str, answer: Any, **fields: Any) -> dict[str, Any]:
    return {"functionResponse": {"name": name, "response": answer, **fields}}


@pytest.mark.parametrize(
    "form",
    [
        "Be brief.",
        {"text": "Be brief."},
        {"parts": {"text": "Be brief."}},
        {"role": "user", "parts": [{"text": "Be brief."}]},
        [{"text": "Be brief."}],
        ["Be brief."],
    ],
)
def test_a_system_instruction_has_many_forms(form: Any) -> None:
    assert decoded(systemInstruction=form).system == (Text("Be brief."),)
    assert decoded(system_instruction=form).system == (Text("Be brief."),)


def test_what_is_no_text_in_a_system_instruction_is_reported() -> None:
    ledger = Ledger()
    picture = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}
    assert decoded(ledger, systemInstruction={"parts": [picture, {"text": "a"}]}).system == (Text("a"),)
    assert [(loss.code, loss.path) for loss in ledger] == [("system_media", "systemInstruction.parts[0]")]


def test_a_content_without_a_role_is_the_users() -> None:
    request = decoded(contents={"parts": {"text": "Hi"}})
    assert [(message.role, message.blocks) for message in request.messages] == [(Role.USER, (Text("Hi"),))]


def test_what_was_streamed_in_pieces_is_one_message_again() -> None:
    """The SDK's chats keep a content for each chunk; white space between words is a chunk like any other."""
    (said,) = blocks_of(
        model({"text": "Hm", "thought": True}),
        model({"text": ", so.", "thought": True}),
        model({"text": "", "thought": True, "thoughtSignature": "c2ln"}),
        model({"text": "One"}),
        model({"text": "\n\n"}, {"text": "two"}),
        model({"text": ""}),
    )
    assert said == (Reasoning(("Hm, so.",), seal=Seal("gemini-generate", "c2ln")), Text("One\n\ntwo"))


def test_words_that_bear_a_signature_end_there() -> None:
    (said,) = blocks_of(model({"text": "One"}, {"text": ".", "thoughtSignature": "c2ln"}, {"text": "Two."}))
    assert said == (Text("One.", seal=Seal("gemini-generate", "c2ln", form="text")), Text("Two."))


def test_calls_without_ids_are_paired_by_name_and_order() -> None:
    _, said, answered = blocks_of(
        HELLO,
        model(call("a", args={"x": 1}), call("b"), call("a", args={"x": 2})),
        user(response("b", {"output": "b"}), response("a", {"output": "1"}), response("a", {"output": "2"})),
    )
    calls = [block for block in said if isinstance(block, ToolCall)]
    assert len({one.id for one in calls}) == 3
    results = [block for block in answered if isinstance(block, ToolResult)]
    assert [one.call_id for one in results] == [calls[1].id, calls[0].id, calls[2].id]
    assert [one.arguments for one in calls] == ['{"x": 1}', "{}", '{"x": 2}']


def test_ids_that_are_there_count() -> None:
    _, said, answered = blocks_of(
        HELLO,
        model(call("a", id="1"), call("a", id="2")),
        user(response("a", {"output": "two"}, id="2"), response("a", {"output": "one"}, id="1")),
    )
    assert [block.id for block in said if isinstance(block, ToolCall)] == ["1", "2"]
    assert [block.call_id for block in answered if isinstance(block, ToolResult)] == ["2", "1"]


def test_a_made_up_id_is_the_same_in_a_longer_conversation() -> None:
    short = [HELLO, model(call("a")), user(response("a", {}))]
    longer = [*short, model({"text": "So."}, call("a")), user(response("a", {}))]
    assert blocks_of(*longer)[:3] == blocks_of(*short)


@pytest.mark.parametrize(
    ("answer", "text", "is_error"),
    [
        ({"output": "sun"}, "sun", False),
        ({"result": "sun"}, "sun", False),
        ({"output": [1, {"a": 2}]}, '[1, {"a": 2}]', False),
        ({"error": "no"}, "no", True),
        ({"error": {"code": 5}}, '{"code": 5}', True),
        ({"output": "sun", "error": None}, "sun", False),
        ({"weather": "sun", "wind": 3}, '{"weather": "sun", "wind": 3}', False),
        ({"output": ""}, None, False),
        ({"name": "f", "content": "sun"}, "sun", False),  # Vercel's AI SDK
        ({"name": "g", "content": "sun"}, '{"name": "g", "content": "sun"}', False),
        ({"name": 1, "content": "sun"}, '{"name": 1, "content": "sun"}', False),
        ({}, None, False),
    ],
)
def test_what_a_function_answered(answer: Any, text: str | None, is_error: bool) -> None:
    _, _, (result,) = blocks_of(HELLO, model(call("f")), user(response("f", answer)))
    assert isinstance(result, ToolResult)
    assert (result.blocks, result.is_error) == ((Text(text),) if text else (), is_error)


def test_a_result_may_show_something() -> None:
    seen = [{"inlineData": {"mimeType": "image/png", "data": "-_8="}}, {"fileData": {"fileUri": "gs://b/a.pdf"}}]
    _, _, (result,) = blocks_of(HELLO, model(call("f")), user(response("f", {"output": "see"}, parts=seen)))
    assert isinstance(result, ToolResult)
    assert result.blocks == (
        Text("see"),
        Image(Base64Data("image/png", "+/8=")),
        Document(FileId("gemini-generate", "gs://b/a.pdf")),
    )


def inline(kind: str, data: str = "AAAA") -> dict[str, Any]:
    return {"inlineData": {"mimeType": kind, "data": data}}


def test_bytes_and_files_are_what_their_type_says() -> None:
    ((*seen, film),) = blocks_of(
        user(
            inline("image/jpeg"),
            inline("application/pdf"),
            inline("audio/wav"),
            inline("audio/mpeg"),
            inline("text/markdown", "IyBIaQ=="),
            {"fileData": {"fileUri": "https://pages.test/a.png?x=1"}},
            {
                "fileData": {
                    "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x",
                    "mimeType": "image/png",
                }
            },
            inline("video/mp4"),
        )
    )
    assert seen == [
        Image(Base64Data("image/jpeg", "AAAA")),
        Document(Base64Data("application/pdf", "AAAA")),
        Audio("AAAA", "wav"),
        Audio("AAAA", "mp3"),
        Document(PlainText("# Hi")),
        Image(UrlData("https://pages.test/a.png?x=1")),
        Image(FileId("gemini-generate", "https://generativelanguage.googleapis.com/v1beta/files/x")),
    ]
    assert isinstance(film, Foreign)
    assert (film.type, film.text) == ("inlineData", None)


def test_types_lose_their_parameters_save_those_that_bare_sound_needs() -> None:
    ((*blocks,),) = blocks_of(
        user(
            inline("IMAGE/PNG; x=y"),
            inline("audio/MP3; rate=44100"),
            inline("audio/L16;codec=pcm;rate=24000"),
            inline("text/plain; charset=latin-1", "6Q=="),
        )
    )
    assert blocks == [
        Image(Base64Data("image/png", "AAAA")),
        Audio("AAAA", "mp3"),
        Audio("AAAA", "l16;codec=pcm;rate=24000"),
        Document(PlainText("\u00e9")),
    ]


def test_what_google_ran_can_be_told_in_words() -> None:
    (_, said) = blocks_of(
        HELLO,
        model(
            {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}},
        ),
    )
    assert [block.text for block in said if isinstance(block, Foreign)] == ["```python\nprint(1)\n```", "```\n1\n```"]


def test_a_native_signature_is_known_by_its_place_and_the_placeholder_is_none() -> None:
    _, said = blocks_of(HELLO, model(call("a", "c2ln", id="1"), call("b", PLACEHOLDER, id="2")))
    assert [block.seal for block in said if isinstance(block, ToolCall)] == [
        Seal("gemini-generate", "c2ln", form="call"),
        None,
    ]


def test_our_seal_is_read_in_either_alphabet_of_base64() -> None:
    """Google's Python SDK sends bytes back in the one for URLs."""
    seal = Seal("anthropic-messages", "EqoB\xff\xfe+/?>~", "up", "claude-ö")
    text = write_seal(seal)
    assert set("+/") & set(text)
    for spelled in (text, text.replace("+", "-").replace("/", "_")):
        _, (thought,) = blocks_of(HELLO, model({"text": "Hm", "thought": True, "thoughtSignature": spelled}))
        assert thought == Reasoning(("Hm",), seal=seal)


def test_thoughts_that_a_call_carries_stand_before_it_once() -> None:
    thought = Reasoning(("Hm.",), seal=Seal("anthropic-messages", "c2ln", "up", "claude"))
    signed = call("f", carried([thought]), id="1")
    _, said = blocks_of(HELLO, model({"text": "So."}, signed))
    assert said == (thought, Text("So."), ToolCall("1", "f", "{}"))
    kept = {"text": "Hm.", "thought": True, "thoughtSignature": write_seal(thought.seal or Seal("", ""))}
    _, said = blocks_of(HELLO, model(kept, signed))
    assert said == (thought, ToolCall("1", "f", "{}"))


def test_thoughts_that_come_back_by_their_words_alone_are_those_that_a_call_carries() -> None:
    """Vercel's AI SDK passes over an empty part, though it bears a thought's signature, and puts pieces together."""
    one, two = (Reasoning((word,), seal=Seal("anthropic-messages", word, "up", "claude")) for word in ("Hm. ", "So."))
    bare = {"text": "Hm. ", "thought": True}
    _, said = blocks_of(HELLO, model({"text": "First."}, bare, call("f", carried([one]), id="1")))
    assert said == (Text("First."), one, ToolCall("1", "f", "{}"))
    together = {"text": "Hm. So.", "thought": True}
    _, said = blocks_of(HELLO, model(together, {"text": "Yes."}, call("f", carried([one, two]), id="1")))
    assert said == (one, two, Text("Yes."), ToolCall("1", "f", "{}"))
    _, said = blocks_of(HELLO, model({"text": "Else.", "thought": True}, call("f", carried([one]), id="1")))
    assert said == (one, Reasoning(("Else.",)), ToolCall("1", "f", "{}"))


def test_all_declarations_of_all_tools_are_tools() -> None:
    request = decoded(
        tools=[
            {"functionDeclarations": [{"name": "a"}, {"name": "b", "parametersJsonSchema": {"type": "object"}}]},
            {"function_declarations": {"name": "c", "behavior": "NON_BLOCKING"}, "googleSearch": {}},
            {"codeExecution": {}},
        ]
    )
    assert [tool.name for tool in request.tools] == ["a", "b", "c", "googleSearch", "codeExecution"]
    functions = [tool for tool in request.tools if isinstance(tool, FunctionTool)]
    assert [tool.schema and bytes(tool.schema) for tool in functions] == [None, b'{"type": "object"}', None]
    assert [extra.name for extra in functions[2].extras] == ["behavior"]
    search, code = (tool for tool in request.tools if isinstance(tool, HostedTool))
    assert search.search is not None
    assert code.search is None


@pytest.mark.parametrize("field", ["parameters", "parametersJsonSchema"])
def test_googles_words_in_a_schema_are_json_schemas(field: str) -> None:
    schema = {
        "type": "OBJECT",
        "properties": {
            "type": {"type": "STRING", "nullable": True, "enum": ["A", "B"], "format": "enum"},
            "count": {"type": "INTEGER", "minimum": 1, "example": 3},
            "items": {"type": "ARRAY", "items": {"type": "STRING"}, "minItems": "2", "max_items": "5"},
            "nullable": {"anyOf": [{"type": "NUMBER"}, {"type": "BOOLEAN"}], "nullable": True},
        },
        "propertyOrdering": ["items", "type"],
        "required": ["type"],
    }
    (tool,) = decoded(tools=[{"functionDeclarations": [{"name": "f", field: schema}]}]).tools
    assert isinstance(tool, FunctionTool)
    read = json.loads(bytes(tool.schema or b""))
    assert read == {
        "type": "object",
        "properties": {
            "type": {"type": ["string", "null"], "enum": ["A", "B", None]},
            "count": {"type": "integer", "minimum": 1, "examples": [3]},
            "items": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 5},
            "nullable": {"anyOf": [{"type": "number"}, {"type": "boolean"}, {"type": "null"}]},
        },
        "required": ["type"],
    }
    assert list(read["properties"]) == ["items", "type", "count", "nullable"]


@pytest.mark.parametrize(
    ("config", "choice"),
    [
        ({"mode": "AUTO"}, ToolChoice("auto")),
        ({}, ToolChoice("auto")),
        ({"mode": "any"}, ToolChoice("any")),
        ({"mode": "NONE"}, ToolChoice("none")),
        ({"mode": 1}, ToolChoice("auto")),
        ({"mode": 2}, ToolChoice("any")),
        ({"mode": "ANY", "allowedFunctionNames": ["a"]}, ToolChoice("tool", "a")),
        ({"mode": "ANY", "allowedFunctionNames": ["a", "b"]}, ToolChoice("any", allowed=("a", "b"))),
        ({"mode": "VALIDATED", "allowedFunctionNames": ["a"]}, ToolChoice("auto", allowed=("a",))),
    ],
)
def test_modes_are_choices(config: Any, choice: ToolChoice) -> None:
    request = decoded(toolConfig={"functionCallingConfig": config})
    assert request.tool_choice == choice
    assert [extra.name for extra in request.extras] == (
        ["toolConfig.functionCallingConfig.mode"] if config.get("mode") == "VALIDATED" else []
    )


@pytest.mark.parametrize(
    ("config", "control"),
    [
        ({}, ReasoningControl()),
        ({"thinkingBudget": 0}, ReasoningControl("disabled")),
        ({"thinkingBudget": -1, "includeThoughts": True}, ReasoningControl("adaptive", visible=True)),
        ({"thinkingBudget": 512.0, "includeThoughts": False}, ReasoningControl("enabled", 512, visible=False)),
        ({"thinkingLevel": "HIGH"}, ReasoningControl(effort=Effort.HIGH)),
        ({"thinking_level": "minimal"}, ReasoningControl(effort=Effort.MINIMAL)),
    ],
)
def test_how_hard_to_think(config: Any, control: ReasoningControl) -> None:
    assert decoded(generationConfig={"thinkingConfig": config}).reasoning == control


def test_the_form_of_the_answer() -> None:
    def output(**config: Any) -> OutputFormat | None:
        return decoded(generationConfig=config).output

    assert output(responseMimeType="text/plain") is None
    assert output(responseMimeType="application/json") == OutputFormat()
    for field in ("responseSchema", "responseJsonSchema"):
        form = output(responseMimeType="application/json", **{field: {"type": "STRING"}})
        assert form is not None
        assert json.loads(bytes(form.schema or b"")) == {"type": "string"}


@pytest.mark.parametrize(
    ("fields", "name", "matters"),
    [
        ({"cachedContent": "cachedContents/x"}, "cachedContent", True),
        ({"safetySettings": []}, "safetySettings", False),
        ({"labels": {"a": "b"}}, "labels", False),
        ({"generationConfig": {"responseModalities": ["IMAGE"]}}, "generationConfig.responseModalities", True),
        ({"generationConfig": {"responseModalities": ["TEXT"]}}, "generationConfig.responseModalities", False),
        ({"generationConfig": {"responseLogprobs": True}}, "generationConfig.responseLogprobs", True),
        ({"generationConfig": {"responseMimeType": "text/x.enum"}}, "generationConfig.responseMimeType", True),
        ({"field_of_tomorrow": 1}, "field_of_tomorrow", False),
    ],
)
def test_fields_that_only_google_has_are_kept(fields: Any, name: str, matters: bool) -> None:
    (extra,) = decoded(**fields).extras
    assert (extra.origin, extra.name, extra.matters) == ("gemini-generate", name, matters)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"cachedContent": 5}, "cachedContent"),
        ({"safetySettings": "x"}, "safetySettings"),
        ({"labels": [1]}, "labels"),
        ({"generationConfig": {"responseModalities": {}}}, "generationConfig.responseModalities"),
        ({"generationConfig": {"responseLogprobs": "x"}}, "generationConfig.responseLogprobs"),
        ({"generationConfig": {"speechConfig": 5}}, "generationConfig.speechConfig"),
        ({"tools": [{"codeExecution": 5}]}, "tools[0].codeExecution"),
        (
            {"tools": [{"functionDeclarations": [{"name": "f", "response": 5}]}]},
            "tools[0].functionDeclarations[0].response",
        ),
        ({"toolConfig": {"retrievalConfig": 5}}, "toolConfig.retrievalConfig"),
        ({"contents": [{"parts": [{"executableCode": 5}]}]}, "contents[0].parts[0].executableCode"),
    ],
)
def test_what_is_wrong_in_them_is_named_as_well(fields: Any, field: str) -> None:
    with pytest.raises(RequestError) as caught:
        decoded(**fields)
    assert caught.value.failure.param == field


def test_an_unknown_field_inside_is_reported_with_its_place() -> None:
    ledger = Ledger()
    decoded(ledger, contents=[user({"text": "Hi", "videoMetadata": {"fps": 1}})])
    assert [(loss.code, loss.path) for loss in ledger] == [("unknown_field", "contents[0].parts[0].videoMetadata")]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", None),
        (b"[]", None),
        (b"{}", "contents"),
        (b'{"contents":[]}', "contents"),
        (b'{"contents":[{"parts":[]}]}', "contents"),
        (b'{"contents":"Hi"}', "contents"),
        (b'{"contents":[{"role":"owner","parts":[{"text":"a"}]}]}', "contents[0].role"),
        (b'{"contents":[{"parts":[{"text":5}]}]}', "contents[0].parts[0].text"),
        (b'{"contents":[{"parts":[{"inline_data":{"mime_type":"a"}}]}]}', "contents[0].parts[0].inlineData"),
        (
            b'{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":[1]}}]}]}',
            "contents[0].parts[0].functionCall.args",
        ),
        (
            b'{"contents":[{"parts":[{"functionResponse":{"name":"f","response":"x"}}]}]}',
            "contents[0].parts[0].functionResponse.response",
        ),
        (
            b'{"contents":[{"parts":[{"text":"a"}]}],"tools":[{"functionDeclarations":[{"parameters":{}}]}]}',
            "tools[0].functionDeclarations[0]",
        ),
        (
            b'{"contents":[{"parts":[{"text":"a"}]}],"tools":[{"functionDeclarations":[{"name":"f","parameters":1}]}]}',
            "tools[0].functionDeclarations[0].parameters",
        ),
        (
            b'{"contents":[{"parts":[{"text":"a"}]}],"toolConfig":{"functionCallingConfig":{"mode":"SOME"}}}',
            "toolConfig.functionCallingConfig.mode",
        ),
        (
            b'{"contents":[{"parts":[{"text":"a"}]}],"generationConfig":{"thinkingConfig":{"thinkingLevel":"VERY"}}}',
            "generationConfig.thinkingConfig.thinkingLevel",
        ),
        (b'{"contents":[{"parts":[{"text":"a"}]}],"generationConfig":{"topK":"x"}}', "generationConfig.topK"),
        (
            b'{"contents":[{"parts":[{"inlineData":{"mimeType":"","data":"iVBORw0KGgo="}}]}]}',
            "contents[0].parts[0].inlineData.mimeType",
        ),
        (
            b'{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"not base64!!"}}]}]}',
            "contents[0].parts[0].inlineData.data",
        ),
        (b'{"contents":[{"parts":[{"text":"a"}]}],"serviceTier":"golden"}', "serviceTier"),
        (b'{"contents":[{"parts":[{"text":"\\ud800"}]}]}', "contents[0].parts[0].text"),
        (b'{"contents":[{"parts":[{"text":"\xff"}]}]}', None),
    ],
)
def test_what_is_wrong_is_named(body: bytes, field: str | None) -> None:
    with pytest.raises(RequestError) as caught:
        PROTOCOL.decode_request(body, Ledger())
    if field is not None:
        assert caught.value.failure.param == field
        assert f"`{field}" in caught.value.failure.message


def test_a_count_is_of_contents_or_of_a_whole_request() -> None:
    assert PROTOCOL.decode_count is not None
    whole = {"contents": [HELLO], "systemInstruction": {"parts": [{"text": "Be brief."}]}, "model": "models/x"}
    for body, has_system in (({"contents": [HELLO]}, False), ({"generateContentRequest": whole}, True), (whole, True)):
        request = PROTOCOL.decode_count(json.dumps(body).encode(), Ledger())
        assert request.messages[0].blocks == (Text("Hello"),)
        assert bool(request.system) is has_system


@pytest.mark.parametrize(
    ("inner", "field"),
    [
        (5, "generateContentRequest"),
        ({"contents": [{"parts": [{"text": 5}]}]}, "generateContentRequest.contents[0].parts[0].text"),
        ({}, "generateContentRequest.contents"),
        ({"contents": [HELLO], "generationConfig": {"topK": "x"}}, "generateContentRequest.generationConfig.topK"),
        ({"contents": [HELLO], "\ud800": 1}, "generateContentRequest"),
    ],
)
def test_what_is_wrong_with_a_request_to_be_counted_is_named_from_the_body_on(inner: Any, field: str) -> None:
    assert PROTOCOL.decode_count is not None
    with pytest.raises(RequestError) as caught:
        PROTOCOL.decode_count(json.dumps({"generateContentRequest": inner}).encode(), Ledger())
    assert caught.value.failure.param == field
    assert f"`{field}`" in caught.value.failure.message


@pytest.mark.parametrize(
    "body",
    [
        (
            b'{"contents":[{"parts":[{"text":"hi"}]}],"tools":[{"functionDeclarations":[{"name":"look",'
            b'"parametersJsonSchema":{"type":"object","properties":{"\x80city":{"type":"string"}}}}]}]}'
        ),
        b'{"contents":[{"parts":[{"text":"hi","thoughtSignature":"DRAGOMAN\x80"}]}]}',
    ],
)
def test_what_is_no_utf_8_is_refused_wherever_it_stands(body: bytes) -> None:
    """Also where it is only carried: a schema's property, a signature."""
    with pytest.raises(RequestError, match="not valid UTF-8"):
        PROTOCOL.decode_request(body, Ledger())
    assert PROTOCOL.decode_count is not None
    with pytest.raises(RequestError, match="not valid UTF-8"):
        PROTOCOL.decode_count(body, Ledger())
    if b"DRAGOMAN" in body:
        with pytest.raises(RequestError, match="not valid UTF-8"):
            PROTOCOL.unseal(body, Target("provider", "model"), Ledger())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("maxOutputTokens", -1),
        ("maxOutputTokens", 2**31),
        ("topK", -1),
        ("candidateCount", -2),
        ("temperature", 2.1),
        ("topK", 40.5),
        ("seed", 2**31),
        ("seed", 1e300),
        ("logprobs", 10**30),
        ("presencePenalty", 5),
        ("frequencyPenalty", -5),
    ],
)
def test_a_number_that_google_refuses_is_refused_here(field: str, value: float) -> None:
    with pytest.raises(RequestError, match=rf"generationConfig\.{field}"):
        decoded(generationConfig={field: value})


def test_numbers_may_be_written_as_text() -> None:
    """As protobuf reads JSON, but what such a number says is held to the same bounds."""
    config = {"maxOutputTokens": "64", "temperature": "0.5", "topK": "7.0", "candidateCount": "1", "logprobs": "3"}
    request = decoded(generationConfig={**config, "thinkingConfig": {"thinkingBudget": "-1"}})
    assert (request.max_tokens, request.sampling.temperature, request.sampling.top_k) == (64, 0.5, 7)
    assert request.reasoning.mode == "adaptive"


@pytest.mark.parametrize(
    ("field", "value"),
    [("maxOutputTokens", "x"), ("maxOutputTokens", "-1"), ("topK", "1.5"), ("temperature", "nan"), ("logprobs", "x")],
)
def test_text_that_is_no_such_number_is_refused(field: str, value: str) -> None:
    with pytest.raises(RequestError, match=rf"generationConfig\.{field}"):
        decoded(generationConfig={field: value})


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"toolConfig": {"functionCallingConfig": {"mode": 9}}}, "toolConfig.functionCallingConfig.mode"),
        ({"serviceTier": 2}, "serviceTier"),
    ],
)
def test_a_number_of_which_no_word_is_known_is_refused(fields: Any, path: str) -> None:
    with pytest.raises(RequestError) as refused:
        decoded(**fields)
    assert refused.value.failure.param == path
