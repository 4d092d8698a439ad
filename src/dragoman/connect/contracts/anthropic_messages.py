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
        Check("a system message may stand in the middle", _system, OURS),
        Check("a name that ends in [1m] is understood", _long_context, OURS),
        Check("tokens are counted", _count, OURS),
        Check("every model is listed by a name that Claude Code keeps", _models, BETWEEN),
        Check("the connection can be warmed up", _probe, BETWEEN),
        Check("an unknown model is an error in its own words", _errors, BETWEEN),
    ),
)
