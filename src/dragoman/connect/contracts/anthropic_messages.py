"""What Claude Code needs: https://code.claude.com/docs/en/llm-gateway-protocol."""

from typing import Any, Final

from dragoman.connect.contracts.asking import (
    BETWEEN,
    CALL,
    MODEL,
    OURS,
    SCHEMA,
    WORDS,
    Asker,
    Check,
    Contract,
    bearer,
    require,
)

_PATH: Final = "/v1/messages?beta=true"
_VERSION: Final = {"anthropic-version": "2023-06-01"}
_LARGE: Final = 8 * 2**20
_LIMITS: Final = (
    "`server.max_body_mib`, or a proxy in between, limits what may be sent: agents send the whole conversation"
)
_TOOLS: Final = [{"name": "look_up", "description": "Looks a word up", "input_schema": SCHEMA}]


def _body(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"model": MODEL, "max_tokens": 200, "messages": list(messages) or [_user(WORDS)], **more}


def _user(content: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"role": "user", "content": content}


def _stream(asker: Asker) -> None:
    events = asker.post(_PATH, _body(stream=True), _VERSION).events
    kinds = [event["type"] for event in events]
    for kind in ("message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"):
        require(kind in kinds, f"the stream has no `{kind}`")
    require(kinds[-1] == "message_stop", f"the stream ends with `{kinds[-1]}`")
    start, delta = events[0]["message"], events[kinds.index("message_delta")]
    require("usage" in start and "usage" in delta, "the stream does not tell its usage")
    require(start["model"] == MODEL, f"it is answered by `{start['model']}`, not by the name that was asked for")


def _whole(asker: Asker) -> None:
    reply = asker.post(_PATH, _body(), _VERSION).body
    require(reply["content"][0]["type"] == "text" and reply["stop_reason"], "the reply has no text, or no end")


def _tools(asker: Asker) -> None:
    first = asker.post(_PATH, _body(_user(CALL), tools=_TOOLS), _VERSION).body
    calls = [block for block in first["content"] if block["type"] == "tool_use"]
    require(len(calls) == 1 and calls[0]["input"] == {"word": "q"}, "the tool's call did not arrive as it was made")
    require(first["stop_reason"] == "tool_use", f"a reply with a call stops because of `{first['stop_reason']}`")
    result = {"type": "tool_result", "tool_use_id": calls[0]["id"], "content": "quokka"}
    turns = (_user(CALL), {"role": "assistant", "content": first["content"]}, _user([result]))
    second = asker.post(_PATH, _body(*turns, tools=_TOOLS), _VERSION)
    require("quokka" in second.text, "the tool's result did not reach the model")


def _thought(asker: Asker) -> None:
    asked = _user(f"Think, and {CALL}")
    thinks = {"tools": _TOOLS, "thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}
    first = asker.post(_PATH, _body(asked, **thinks), _VERSION).body["content"]
    sealed = [block for block in first if block["type"] == "thinking" and block.get("signature")]
    require(sealed, "thought does not come with its signature")
    call = next(block["id"] for block in first if block["type"] == "tool_use")
    result = _user([{"type": "tool_result", "tool_use_id": call, "content": "quokka"}])
    asker.post(_PATH, _body(asked, {"role": "assistant", "content": first}, result, **thinks), _VERSION)


def _deferred(asker: Asker) -> None:
    search = {"name": "ToolSearch", "input_schema": SCHEMA}
    use = {"type": "tool_use", "id": "toolu_1", "name": "ToolSearch", "input": {"word": "look"}}
    found = [{"type": "tool_reference", "tool_name": "look_up"}]
    turns = (
        _user(WORDS),
        {"role": "assistant", "content": [use]},
        _user([{"type": "tool_result", "tool_use_id": "toolu_1", "content": found}]),
        {"role": "assistant", "content": "Found."},
        _user(CALL),
    )
    tools = [search, *({**tool, "defer_loading": True} for tool in _TOOLS)]
    reply = asker.post(_PATH, _body(*turns, tools=tools), _VERSION).body
    called = [block["name"] for block in reply["content"] if block["type"] == "tool_use"]
    require(called == ["look_up"], f"a tool that was looked for is not offered: the model calls {called}")


def _auto_mode(asker: Asker) -> None:
    asked = _body(safeguards=[{"type": "dangerous_tool_use"}])
    told = asker.post(_PATH, asked, {**_VERSION, "anthropic-beta": "dangerous-tool-use-2026-09-03"}).body
    results = [(one["type"], one["status"]["type"]) for one in told.get("safeguard_results", ())]
    require(results == [("dangerous_tool_use", "unsupported")], f"who cannot judge a tool's call says {results}")


def _large(asker: Asker) -> None:
    asker.post(_PATH, _body(_user(WORDS + " " * _LARGE)), _VERSION)


def _system(asker: Asker) -> None:
    asker.post(_PATH, _body(_user(WORDS), {"role": "system", "content": "Be brief."}), _VERSION)


def _long_context(asker: Asker) -> None:
    asker.post(_PATH, _body() | {"model": f"{MODEL}[1m]"}, _VERSION)


def _count(asker: Asker) -> None:
    counted = asker.post("/v1/messages/count_tokens?beta=true", {"model": MODEL, "messages": [_user(WORDS)]}, _VERSION)
    require(counted.body.get("input_tokens", 0) > 0, "tokens are not counted")


def _models(asker: Asker) -> None:
    listed = asker.get("/v1/models?limit=1000", _VERSION).body.get("data", ())
    lost = [
        card["id"] for card in listed if "claude" not in card["id"].lower() and "anthropic" not in card["id"].lower()
    ]
    require(listed and not lost, f"it would pass over {lost[:3]}" if lost else "the list is empty")


def _probe(asker: Asker) -> None:
    answer = asker.get("/api/hello", method="HEAD")
    require(answer.status == 200, f"`HEAD /api/hello` was answered {answer.status}")


def _errors(asker: Asker) -> None:
    told = asker.post(_PATH, _body() | {"model": "demo/nobody"}, _VERSION, expects=404).body
    shape = (told.get("type"), told.get("error", {}).get("type"))
    require(shape == ("error", "not_found_error"), f"an unknown model is told as {shape}")


CONTRACT: Final = Contract(
    "Anthropic Messages",
    bearer,
    (
        Check("a stream has all of its events, and the model's name", _stream, BETWEEN),
        Check("a request without a stream is answered", _whole, OURS),
        Check("a tool's call and its result arrive", _tools, OURS),
        Check("thought comes back with its seal", _thought, OURS),
        Check("a tool that was deferred and looked for is offered", _deferred, OURS),
        Check("the safety of a tool's call is not made up in auto mode", _auto_mode, OURS),
        Check("a conversation of 8 MiB is taken", _large, _LIMITS),
        Check("a system message may stand in the middle", _system, OURS),
        Check("a name that ends in [1m] is understood", _long_context, OURS),
        Check("tokens are counted", _count, OURS),
        Check("every model is listed by a name that Claude Code keeps", _models, BETWEEN),
        Check("the connection can be warmed up", _probe, BETWEEN),
        Check("an unknown model is an error in its own words", _errors, BETWEEN),
    ),
)
