"""What the back end for OpenCode makes of requests, events, errors and files, without any OpenCode."""

# ruff: noqa: ANN401 - JSON is anything

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from dragoman.codec import Source, Target
from dragoman.ir.collecting import collect
from dragoman.ir.events import Event
from dragoman.ir.failures import DragomanError, FailureKind
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Finish, Usage
from dragoman.ir.request import (
    Base64Data,
    CustomTool,
    Document,
    Effort,
    FunctionTool,
    HostedTool,
    Image,
    Message,
    OutputFormat,
    PlainText,
    Reasoning,
    ReasoningControl,
    Request,
    Role,
    Sampling,
    Text,
    ToolCall,
    ToolChoice,
    ToolKind,
    ToolResult,
)
from dragoman.ir.seals import Seal
from dragoman.receiver import EventReceiver
from dragoman.routing.opencode_server import DIALECT
from dragoman.settings import OpenCode, Secret, Settings, SettingsError
from dragoman.upstreams.opencode_server.configuration import PLUGIN, furnish, plain_json, read_own, read_start
from dragoman.upstreams.opencode_server.models import Place, Shelf
from dragoman.upstreams.opencode_server.prompt import Prompt, reserved, write_prompt
from dragoman.upstreams.opencode_server.toolsets import Toolsets
from dragoman.upstreams.opencode_server.turn import TurnReader
from dragoman.upstreams.opencode_server.wire import Model, Provider, read_news, read_providers

SOURCE = Source("opencode", "up/m")
CHAT, ANTHROPIC = "@ai-sdk/openai-compatible", "@ai-sdk/anthropic"
SCHEMA = Raw(b'{"type":"object","properties":{"city":{"type":"string"}}}')


# --- events ----------------------------------------------------------------------------------------------------------------


def news(kind: str, **properties: Any) -> bytes:
    """Return an event as OpenCode 1.18.33 sends it."""
    payload = {"id": "evt_1", "type": kind, "properties": {"sessionID": "ses_1", **properties}}
    return json.dumps({"directory": "/d", "project": "global", "payload": payload}, separators=(",", ":")).encode()


def part(kind: str, id_: str = "prt_1", **fields: Any) -> bytes:
    return news("message.part.updated", part={"id": id_, "messageID": "msg_2", "type": kind, **fields})


def delta(text: str, id_: str = "prt_1") -> bytes:
    return news("message.part.delta", messageID="msg_2", partID=id_, field="text", delta=text)


def step_finish(reason: str = "stop") -> bytes:
    tokens = {"total": 20, "input": 7, "output": 4, "reasoning": 3, "cache": {"read": 5, "write": 1}}
    return part("step-finish", "prt_9", reason=reason, tokens=tokens, cost=0.25)


START = part("step-start", "prt_0")
FINISH = step_finish()
DONE = {"start": 1, "end": 2}


def read(*told: bytes, npm: str = CHAT, **options: Any) -> list[Event]:
    reader, receiver = TurnReader(SOURCE, npm, **options), EventReceiver()
    events: list[Event] = []
    for one in told:
        found = read_news(one)
        if found is not None:
            events += receiver.feed(reader.take(found))
    assert reader.is_done
    return events


def test_reasoning_words_and_calls_of_one_step() -> None:
    reply = collect(
        read(
            news("message.part.updated", part={"id": "prt_u", "messageID": "msg_1", "type": "text", "text": "."}),
            START,
            part("reasoning", "prt_1", text="", time={"start": 1}),
            delta("Hm", "prt_1"),
            part("reasoning", "prt_1", text="Hm", time=DONE, metadata={"anthropic": {"signature": "c2ln"}}),
            part("text", "prt_2", text="", time={"start": 1}),
            delta("Hel", "prt_2"),
            delta("lo", "prt_2"),
            part("text", "prt_2", text="Hello", time=DONE),
            part("tool", "prt_3", tool="Bash", callID="c1", state={"status": "pending", "input": {}, "raw": ""}),
            part("tool", "prt_3", tool="Bash", callID="c1", state={"status": "running", "input": {"a": 1}}),
            part("tool", "prt_3", tool="Bash", callID="c1", state={"status": "error", "input": {"a": 1}}),
            step_finish("tool-calls"),
        )
    )
    assert reply.blocks == (
        Reasoning(("Hm",), seal=Seal("opencode-server", '{"anthropic":{"signature":"c2ln"}}', "opencode", "up/m")),
        Text("Hello"),
        ToolCall("c1", "Bash", '{"a":1}'),
    )
    assert reply.finish is Finish.TOOL_CALLS
    assert reply.usage == Usage(7, 5, 1, 7, 3, cost=0.25)


def test_what_is_not_the_model_s_own_is_not_for_the_client() -> None:
    copy = {"type": "sync", "syncEvent": {"type": "message.part.updated.1", "data": {}}}
    assert read_news(json.dumps({"payload": copy}, separators=(",", ":")).encode()) is None
    assert read_news(news("session.updated", info={})) is None
    early = news("message.part.updated", part={"id": "prt_u", "messageID": "msg_1", "type": "text", "text": "prompt"})
    told = read(early, START, part("text", text="x", time=DONE), FINISH)
    assert collect(told).blocks == (Text("x"),)


def test_a_call_s_item_id_alone_is_no_seal() -> None:
    state = {"status": "running", "input": {}}
    one = part("tool", tool="a", callID="c", state=state, metadata={"openai": {"itemId": "fc_1"}})
    two = part("tool", "prt_2", tool="b", callID="d", state=state, metadata={"google": {"thoughtSignature": "s"}})
    blocks = collect(read(START, one, two, step_finish("tool-calls"))).blocks
    assert [block.seal is not None for block in blocks if isinstance(block, ToolCall)] == [False, True]


def test_an_answer_in_json_is_the_tool_s_arguments_and_not_the_words_beside_it() -> None:
    call = part("tool", "prt_2", tool="StructuredOutput", callID="c", state={"status": "running", "input": {"n": 1}})
    words = part("text", text="Here:", time=DONE)
    reply = collect(read(START, words, call, step_finish("tool-calls"), answers_in_json=True))
    assert (reply.blocks, reply.finish) == ((Text('{"n":1}'),), Finish.DONE)
    assert collect(read(START, words, FINISH, answers_in_json=True)).blocks == (Text("Here:"),)


@pytest.mark.parametrize(("arguments", "expected"), [("{", "{"), ([1], "[1]")])
def test_arguments_that_were_no_object(arguments: Any, expected: str) -> None:
    call = part("tool", tool="a", callID="c", state={"status": "running", "input": {"value": arguments}})
    told = [START, call, step_finish("tool-calls")]
    assert collect(read(*told)).blocks == (ToolCall("c", "a", expected),)
    wrapped = json.dumps({"value": arguments}, separators=(",", ":"))
    assert collect(read(*told, takes_value={"a"})).blocks == (ToolCall("c", "a", wrapped),)


@pytest.mark.parametrize(
    "last",
    [
        step_finish("unknown"),
        news("session.status", status={"type": "retry", "attempt": 1, "message": "terminated", "next": 1}),
        news("session.idle"),
    ],
    ids=["no reason", "wants to ask again", "idle"],
)
def test_what_breaks_off_never_looks_finished(last: bytes) -> None:
    with pytest.raises(DragomanError) as caught:
        read(START, part("text", text="", time={"start": 1}), delta("Hel"), last)
    assert caught.value.failure.kind is FailureKind.UPSTREAM_CUT


def seen(**fields: Any) -> bytes:
    told = base64.b64encode(json.dumps(fields).encode()).decode()
    data = {"message": "m", "statusCode": 400, "isRetryable": False, "responseHeaders": {"x-dragoman-failure": told}}
    return news("session.error", error={"name": "APIError", "data": data})


@pytest.mark.parametrize(
    ("npm", "error", "kind", "status"),
    [
        (
            CHAT,
            seen(status=429, headers={"retry-after": "7"}, body='{"error":{"message":"slow down"}}'),
            FailureKind.RATE_LIMITED,
            429,
        ),
        (
            ANTHROPIC,
            seen(
                status=529,
                headers={},
                body='{"type":"error","error":{"type":"overloaded_error","message":"busy"}}',
            ),
            FailureKind.OVERLOADED,
            529,
        ),
        (CHAT, seen(problem="unreachable", message="refused"), FailureKind.UPSTREAM_UNREACHABLE, 502),
        (
            CHAT,
            news("session.error", error={"name": "ProviderAuthError", "data": {"message": "no key"}}),
            FailureKind.AUTHENTICATION,
            401,
        ),
        (
            CHAT,
            news("session.error", error={"name": "ContextOverflowError", "data": {"message": "too long"}}),
            FailureKind.CONTEXT_TOO_LONG,
            400,
        ),
        (
            CHAT,
            news("session.error", error={"name": "APIError", "data": {"message": "no", "statusCode": 403}}),
            FailureKind.PERMISSION,
            403,
        ),
        (
            CHAT,
            news("session.error", error={"name": "UnknownError", "data": {"message": "what"}}),
            FailureKind.UPSTREAM_ERROR,
            500,
        ),
    ],
)
def test_errors_are_failures_with_a_status(npm: str, error: bytes, kind: FailureKind, status: int) -> None:
    with pytest.raises(DragomanError) as caught:
        read(error, npm=npm)
    failure = caught.value.failure
    assert (failure.kind, failure.http_status) == (kind, status)
    assert failure.retry_after == ("7" if status == 429 else None)


# --- requests --------------------------------------------------------------------------------------------------------------


def place(npm: str = CHAT, id_: str = "m", variants: Sequence[str] = ("low", "high"), **sees: bool) -> Place:
    told = {
        "id": id_,
        "api": {"id": id_, "npm": npm},
        "capabilities": {"reasoning": True, "input": {"image": True, "pdf": True, **sees}},
        "variants": {word: {"thinking": {"type": "enabled", "budgetTokens": 3000}} for word in variants},
    }
    return Place("up", msgspec.json.decode(json.dumps(told), type=Model))


def told_by(request: Request, where: Place) -> tuple[Prompt, dict[str, Any], Ledger]:
    ledger = Ledger()
    prompt = write_prompt(request, where, Target("opencode", where.id, DIALECT), ledger, "h-1")
    return prompt, json.loads(prompt.message), ledger


def turn_of(message: dict[str, Any]) -> dict[str, Any]:
    turn: dict[str, Any] = message["parts"][0]["metadata"]["dragoman"]
    return turn


def codes(ledger: Ledger) -> list[str]:
    return [loss.code for loss in ledger]


def asked(*blocks: Any, **fields: Any) -> Request:
    return Request("up/m", (Message(Role.USER, blocks or (Text("Hello"),)),), **fields)


def test_a_history_in_opencode_s_own_shapes() -> None:
    seal = Seal("opencode-server", '{"anthropic":{"signature":"c2ln"}}', "opencode", "up/m")
    png = Image(Base64Data("image/png", "aaaa"))
    request = Request(
        "up/m",
        (
            Message(Role.USER, (Text("Look"), png)),
            Message(Role.ASSISTANT, (Reasoning(("Hm",), seal=seal), ToolCall("c1", "Read", '{"n":1}'))),
            Message(Role.USER, (ToolResult("c1", (Text("seen"), png)), Text("Go on"))),
        ),
        (Text("Be brief."),),
    )
    _, message, ledger = told_by(request, place(ANTHROPIC))
    turn = turn_of(message)
    file = {"type": "file", "mime": "image/png", "filename": "image", "url": "data:image/png;base64,aaaa"}
    assert turn["system"] == ["Be brief."]
    assert [said["info"]["role"] for said in turn["messages"]] == ["user", "assistant", "user"]
    assert turn["messages"][0]["parts"] == [{"type": "text", "text": "Look"}, file]
    thought, call = turn["messages"][1]["parts"]
    assert thought["metadata"] == {"anthropic": {"signature": "c2ln"}}
    assert (call["tool"], call["callID"], call["state"]["status"]) == ("Read", "c1", "completed")
    assert (call["state"]["input"], call["state"]["output"], call["state"]["attachments"]) == ({"n": 1}, "seen", [file])
    assert turn["messages"][2]["parts"] == [{"type": "text", "text": "Go on"}]
    assert codes(ledger) == []


def test_thought_of_others_is_words_where_words_will_do_and_else_lost() -> None:
    thought = Reasoning(("Hm",), seal=Seal("gemini-generate", "s", "google", "g"))
    request = Request(
        "up/m",
        (Message(Role.USER, (Text("a"),)), Message(Role.ASSISTANT, (thought,)), Message(Role.USER, (Text("b"),))),
    )
    _, message, ledger = told_by(request, place(CHAT))
    assert turn_of(message)["messages"][1]["parts"][0]["text"] == "Hm"
    assert codes(ledger) == []
    _, message, ledger = told_by(request, place(ANTHROPIC))
    assert len(turn_of(message)["messages"]) == 2
    assert codes(ledger) == ["foreign_reasoning"]


def test_documents_that_are_words_are_told_as_words() -> None:
    text = base64.b64encode(b"from a file").decode()
    blocks = (Document(PlainText("plain"), title="T"), Document(Base64Data("text/plain", text)))
    _, message, _ = told_by(asked(*blocks), place())
    assert [one["text"] for one in turn_of(message)["messages"][0]["parts"]] == ["T\nplain", "from a file"]


def test_settings_for_a_server_of_chat() -> None:
    sampling = Sampling(0.5, 0.9, 40, ("zz",), 7, 0.1, 0.2)
    request = asked(
        sampling=sampling, max_tokens=99, user="u", cache_key="k", tools=(FunctionTool("a"),), parallel_tools=False
    )
    prompt, message, ledger = told_by(request, place())
    turn = turn_of(message)
    assert turn["params"] == {"temperature": 0.5, "topP": 0.9, "topK": None, "maxOutputTokens": 99}
    assert turn["options"] == {
        "seed": 7,
        "stop": ["zz"],
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "user": "u",
        "prompt_cache_key": "k",
        "parallel_tool_calls": False,
    }
    assert prompt.stops == ()
    assert sorted(codes(ledger)) == ["sampling"]


def test_settings_for_anthropic() -> None:
    request = asked(
        sampling=Sampling(stop=("zz",), seed=1, top_k=40),
        max_tokens=4000,
        user="u",
        service_tier="priority",
        reasoning=ReasoningControl("enabled", 1024),
    )
    prompt, message, ledger = told_by(request, place(ANTHROPIC))
    turn = turn_of(message)
    assert turn["params"]["maxOutputTokens"] == 4000 - 1024, "the package adds the budget up"
    assert turn["params"]["topK"] is None, "the package leaves it out beside thought"
    assert turn["options"] == {"thinking": {"type": "enabled", "budgetTokens": 1024}}
    assert prompt.stops == ("zz",), "the gateway ends the reply"
    assert codes(ledger) == ["sampling", "user", "service_tier", "sampling"]
    assert "maxOutputTokens" not in turn_of(told_by(asked(), place(ANTHROPIC))[1])["params"], "OpenCode sets its own"


@pytest.mark.parametrize(
    ("effort", "variants", "variant", "lost"),
    [
        (Effort.HIGH, ("low", "high"), "high", []),
        (Effort.MEDIUM, ("low", "high"), "low", ["effort"]),
        (Effort.NONE, ("low", "high"), None, ["reasoning_control"]),
    ],
)
def test_effort_is_one_of_opencode_s_variants(
    effort: Effort, variants: tuple[str, ...], variant: str | None, lost: list[str]
) -> None:
    request = asked(reasoning=ReasoningControl(effort=effort))
    _, message, ledger = told_by(request, place("@ai-sdk/openai", variants=variants))
    assert message.get("variant") == variant
    assert codes(ledger) == lost


@pytest.mark.parametrize(
    ("npm", "id_", "control", "is_told"),
    [
        (CHAT, "gpt-5", ReasoningControl(effort=Effort.HIGH), True),
        (ANTHROPIC, "claude-sonnet-4-6", ReasoningControl(), True),
        (ANTHROPIC, "claude-sonnet-4-6", ReasoningControl(effort=Effort.HIGH), False),
        (ANTHROPIC, "claude-sonnet-5-5", ReasoningControl(), False),
        ("@ai-sdk/openai", "gpt-5", ReasoningControl(), False),
        ("@ai-sdk/google", "gemini-3.5-flash", ReasoningControl(effort=Effort.HIGH), True),
    ],
)
def test_sampling_that_a_package_leaves_out_is_a_loss(
    npm: str, id_: str, control: ReasoningControl, is_told: bool
) -> None:
    request = asked(sampling=Sampling(0.5, 0.9), reasoning=control)
    _, message, ledger = told_by(request, place(npm, id_=id_, variants=("high",)))
    assert (turn_of(message)["params"]["temperature"] == 0.5) is is_told
    assert (turn_of(message)["params"]["topP"] == 0.9) is is_told
    assert codes(ledger) == ([] if is_told else ["sampling", "sampling"])


def test_an_answer_that_thought_leaves_no_room_for_is_a_loss() -> None:
    request = asked(max_tokens=1000, reasoning=ReasoningControl("enabled", 1024))
    _, message, ledger = told_by(request, place(ANTHROPIC))
    assert turn_of(message)["params"]["maxOutputTokens"] == 1
    assert [(loss.code, loss.reason) for loss in ledger] == [
        ("max_tokens", "`1000` becomes `1025`: thought alone may take `1024`")
    ]


@pytest.mark.parametrize(
    ("npm", "id_", "put_back", "lost"),
    [
        (CHAT, "up", [], []),
        (ANTHROPIC, "up", [], []),
        ("@ai-sdk/openai", "up", ["a"], []),
        ("@ai-sdk/google", "gemini-3.5-flash", ["a"], []),
        (CHAT, "Kimi-K3", [], ["tool_schema"]),
        (CHAT, "google/gemini-3.5-flash", [], ["tool_schema"]),
    ],
)
def test_schemas_that_are_cut_down_are_put_back_or_a_loss(
    npm: str, id_: str, put_back: list[str], lost: list[str]
) -> None:
    _, message, ledger = told_by(asked(tools=(FunctionTool("a", schema=SCHEMA),)), place(npm, id_=id_))
    assert turn_of(message)["schemas"] == dict.fromkeys(put_back, json.loads(bytes(SCHEMA)))
    assert codes(ledger) == lost


def test_a_form_of_the_answer() -> None:
    request = asked(output=OutputFormat(SCHEMA, "place", strict=True))
    _, message, ledger = told_by(request, place())
    assert turn_of(message)["options"]["response_format"]["json_schema"]["strict"] is True
    assert codes(ledger) == []
    prompt, message, ledger = told_by(request, place(ANTHROPIC))
    assert message["format"]["type"] == "json_schema"
    assert prompt.answers_in_json
    assert codes(ledger) == ["json_by_tool"]


@pytest.mark.parametrize(
    ("choice", "names", "lost"),
    [
        (ToolChoice("auto"), ["a", "b"], []),
        (ToolChoice("none"), [], []),
        (ToolChoice("any"), ["a", "b"], ["tool_choice"]),
        (ToolChoice("tool", "b"), ["b"], ["tool_choice"]),
        (ToolChoice("auto", allowed=("a",)), ["a"], ["allowed_tools"]),
    ],
)
def test_a_tool_choice_is_made_by_what_is_offered(choice: ToolChoice, names: list[str], lost: list[str]) -> None:
    request = asked(tools=(FunctionTool("a"), FunctionTool("b", schema=SCHEMA)), tool_choice=choice)
    prompt, _, ledger = told_by(request, place())
    assert [tool["name"] for tool in json.loads(prompt.tools or b"[]")] == names
    permission = json.loads(prompt.session)["permission"]
    assert permission[0] == {"permission": "*", "pattern": "*", "action": "deny"}
    assert [(one["permission"], one["action"]) for one in permission[1:]] == [(name, "ask") for name in names]
    assert codes(ledger) == lost


def test_tools_of_other_kinds() -> None:
    hosted = HostedTool("openai-responses", "web_search", "web_search", Raw(b"{}"))
    call = ToolCall("c1", "patch", "*** Begin", ToolKind.CUSTOM)
    request = Request(
        "up/m",
        (Message(Role.USER, (Text("a"),)), Message(Role.ASSISTANT, (call,)), Message(Role.USER, (ToolResult("c1"),))),
        tools=(CustomTool("patch", "Patches."), hosted),
    )
    prompt, message, ledger = told_by(request, place())
    assert [tool["name"] for tool in json.loads(prompt.tools)] == ["patch"]
    assert turn_of(message)["messages"][1]["parts"][0]["state"]["input"] == {"input": "*** Begin"}
    assert codes(ledger) == ["custom_tool", "hosted_tool"]


def test_names_that_opencode_treats_in_a_way_of_its_own() -> None:
    assert reserved(asked(), place()).keys() >= {"task", "websearch", "apply_patch"}
    assert "edit" not in reserved(asked(), place())
    assert {"edit", "write"} <= reserved(asked(), place(id_="gpt-5")).keys()
    assert "apply_patch" not in reserved(asked(), place(id_="gpt-5"))


def test_a_conversation_keeps_its_name_at_the_provider() -> None:
    assert turn_of(told_by(asked(), place())[1])["headers"] == {"x-session-affinity": "h-1", "X-Session-Id": "h-1"}
    zen = Place("opencode", place().model)
    assert turn_of(told_by(asked(), zen)[1])["headers"] == {"x-opencode-session": "h-1"}


# --- models, folders, configuration ----------------------------------------------------------------------------------------


def test_names_of_models() -> None:
    one, other = place().model, msgspec.structs.replace(place().model, id="n")
    shelf = Shelf("opencode", [Provider("up", models={"m": one, "n": other}), Provider("opencode", models={"m": one})])
    found = [shelf.find(name) for name in ("up/m", "n", "m", "nobody")]
    assert [where and where.id for where in found] == ["up/m", "up/n", "opencode/m", None]
    with pytest.raises(DragomanError, match="up/mm"):
        raise shelf.missing("up/mm")


def test_keys_of_providers_are_not_read() -> None:
    told = b'{"providers":[{"id":"up","options":{"apiKey":"sk-secret"},"models":{}}]}'
    assert b"sk-secret" not in msgspec.json.encode(read_providers(told))


def test_folders_of_tools(tmp_path: Path) -> None:
    toolsets = Toolsets(tmp_path / "tools", 2)
    first, again = toolsets.take(b"[1]"), toolsets.take(b"[1]")
    assert first == again
    assert (Path(first) / "dragoman-tools.json").read_bytes() == b"[1]"
    second = toolsets.take(b"[2]")
    third = toolsets.take(b"")
    assert toolsets.leave(first) == [], "somebody still uses it"
    assert toolsets.leave(second) == [second], "one too many"
    assert toolsets.leave(third) == []
    assert not Path(second).exists()
    assert len(toolsets) == 2


def test_a_person_s_configuration_gives_its_providers_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "opencode.jsonc"
    file.write_text(
        """{
        // mine; "not this"
        "provider": {"up": {"options": {"apiKey": "{env:UP_KEY}", "baseURL": "http://h//v1", "x": "{file:./key}"}},},
        /* no */ "enabled_providers": ["up"],
        "mcp": {"evil": {}}, "plugin": ["evil"], "instructions": ["a.md"],
        }"""
    )
    settings = Settings(opencode=OpenCode(config=str(file)))
    own, variables = read_own(settings, {})
    assert own.keys() == {"provider", "enabled_providers"}
    assert own["provider"]["up"]["options"] == {
        "apiKey": "{env:UP_KEY}",
        "baseURL": "http://h//v1",
        "x": "{file:" + str(tmp_path / "key") + "}",
    }
    assert variables == ["UP_KEY"]


def test_comments_and_last_commas() -> None:
    assert json.loads(plain_json('{"a": "x // y, ]", /* b */ "c": [1, 2, ], // d\n}')) == {
        "a": "x // y, ]",
        "c": [1, 2],
    }


def test_the_environment_has_nothing_of_the_gateway_s_own(tmp_path: Path) -> None:
    program = tmp_path / "opencode"
    program.touch(0o755)
    environ = {"PATH": "/bin", "HOME": "/me", "ANTHROPIC_API_KEY": "sk-1", "OPENCODE_CONFIG": "/x", "LANG": "C"}
    settings = Settings(opencode=OpenCode(cli=str(program), config="", auth="", environment={"MY_KEY": Secret("sk-2")}))
    start = read_start(settings, environ)
    folder = tmp_path / "own"
    folder.mkdir()
    made = furnish(folder, start, Secret("pw"))
    assert "ANTHROPIC_API_KEY" not in made
    assert "OPENCODE_CONFIG" not in made
    assert made["MY_KEY"] == "sk-2"
    assert made["OPENCODE_DISABLE_DEFAULT_PLUGINS"] == "1"
    assert made["LANG"] == "C"
    assert {made[name] for name in ("HOME", "XDG_CONFIG_HOME")} == {str(folder / "home"), str(folder / "config")}
    assert json.loads(made["OPENCODE_CONFIG_CONTENT"])["plugin"] == [PLUGIN.as_uri()]
    assert PLUGIN.is_file()


def test_logins_are_linked_and_not_copied(tmp_path: Path) -> None:
    program, logins = tmp_path / "opencode", tmp_path / "auth.json"
    program.touch(0o755)
    logins.write_text("{}")
    start = read_start(Settings(opencode=OpenCode(cli=str(program), config="", auth=str(logins))), {})
    assert "OPENCODE_DISABLE_DEFAULT_PLUGINS" not in start.environment, "they are what renews a login"
    folder = tmp_path / "own"
    folder.mkdir()
    furnish(folder, start, Secret("pw"))
    assert (folder / "data" / "opencode" / "auth.json").readlink() == logins


def test_there_is_no_program() -> None:
    with pytest.raises(SettingsError, match="npm install -g opencode-ai"):
        read_start(Settings(opencode=OpenCode(config="")), {"PATH": "/nowhere"})
    with pytest.raises(SettingsError, match="is no program"):
        read_start(Settings(opencode=OpenCode(cli="/nowhere/opencode", config="")), {})
