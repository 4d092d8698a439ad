"""What Codex CLI needs: https://developers.openai.com/codex/config-reference."""

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

_PATH: Final = "/v1/responses"
_TOOL: Final = {
    "type": "function",
    "name": "look_up",
    "description": "Looks a word up",
    "parameters": SCHEMA,
    "strict": False,
}


def _body(*items: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {
        "model": MODEL,
        "input": list(items) or [_user(WORDS)],
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        **more,
    }


def _user(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def _items(asker: Asker, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the items that are done, of a stream that has to end as it should."""
    events = asker.post(_PATH, body).events
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    require(done, "no item is told as done: Codex would take the turn for an empty one")
    require(events[-1]["type"] == "response.completed", f"the stream ends with `{events[-1]['type']}`")
    require(events[-1]["response"].get("usage"), "the stream does not tell its usage")
    return done


def _stream(asker: Asker) -> None:
    require(_items(asker, _body())[-1]["type"] == "message", "there is no message")


def _tools(asker: Asker) -> None:
    calls = [item for item in _items(asker, _body(_user(CALL), tools=[_TOOL])) if item["type"] == "function_call"]
    require(len(calls) == 1 and calls[0]["name"] == "look_up", "the tool's call did not arrive as it was made")
    result = {"type": "function_call_output", "call_id": calls[0]["call_id"], "output": "quokka"}
    second = _items(asker, _body(_user(CALL), calls[0], result, tools=[_TOOL]))
    require("quokka" in str(second), "the tool's result did not reach the model")


def _namespaces(asker: Asker) -> None:
    tools = [{"type": "namespace", "name": "words", "description": "Words", "tools": [_TOOL]}]
    calls = [item for item in _items(asker, _body(_user("call all tools"), tools=tools)) if "call" in item["type"]]
    require(calls and calls[0].get("namespace") == "words", "a call into a namespace came back without it")


def _upgrade(asker: Asker) -> None:
    wanted = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "ZHJhZ29tYW4tZG9jdG9yIQ==",
    }
    status = asker.get(_PATH, wanted).status
    require(status == 426, f"a WebSocket was answered {status}: Codex would try it again and again")


CONTRACT: Final = Contract(
    "OpenAI Responses",
    bearer,
    (
        Check("a stream tells every item, and its end", _stream, BETWEEN),
        Check("a tool's call and its result arrive", _tools, OURS),
        Check("a call into a namespace keeps it", _namespaces, OURS),
        Check("a WebSocket is declined with 426", _upgrade, BETWEEN),
    ),
)
