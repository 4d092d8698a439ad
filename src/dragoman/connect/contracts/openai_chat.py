"""What OpenCode needs of Chat, and with it whatever else speaks that: https://opencode.ai/docs/providers/#custom-provider."""

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

_PATH: Final = "/v1/chat/completions"
_TOOLS: Final = [{"type": "function", "function": {"name": "look_up", "description": "Looks up", "parameters": SCHEMA}}]


def _body(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    turns = list(messages) or [{"role": "user", "content": WORDS}]
    return {"model": MODEL, "max_tokens": 200, "messages": turns, **more}


def _chunks(asker: Asker, body: dict[str, Any]) -> list[dict[str, Any]]:
    answer = asker.post(_PATH, body | {"stream": True, "stream_options": {"include_usage": True}})
    chunks = answer.events
    ends = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"] if choice.get("finish_reason")]
    require(len(ends) == 1, "the stream does not say why it ends: OpenCode would ask again without end")
    require(any(chunk.get("usage") for chunk in chunks), "the stream does not tell its usage")
    require("[DONE]" in answer.text, "the stream does not end with `[DONE]`")
    return chunks


def _stream(asker: Asker) -> None:
    said = "".join(
        choice["delta"].get("content") or "" for chunk in _chunks(asker, _body()) for choice in chunk["choices"]
    )
    require(WORDS in said, "the text did not arrive")


def _tools(asker: Asker) -> None:
    user = {"role": "user", "content": CALL}
    chunks = _chunks(asker, _body(user, tools=_TOOLS, tool_choice="auto"))
    parts = [
        part for chunk in chunks for choice in chunk["choices"] for part in choice["delta"].get("tool_calls") or ()
    ]
    require(parts and all("index" in part for part in parts), "a call's parts do not say which call they belong to")
    call = {"id": parts[0]["id"], "type": "function", "function": {"name": "look_up", "arguments": '{"word": "q"}'}}
    result = {"role": "tool", "tool_call_id": parts[0]["id"], "content": "quokka"}
    turns = (user, {"role": "assistant", "content": "", "tool_calls": [call]}, result)
    require(
        "quokka" in asker.post(_PATH, _body(*turns, tools=_TOOLS)).text, "the tool's result did not reach the model"
    )


def _messages(asker: Asker) -> None:
    body = {"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": WORDS}]}
    asker.post("/messages", body, {"anthropic-version": "2023-06-01"})


def _sessions(asker: Asker) -> None:
    told = {"x-opencode-session": "ses_doctor", "x-opencode-agent": "title", "x-opencode-agent-mode": "primary"}
    asker.post(_PATH, _body(), told)


CONTRACT: Final = Contract(
    "OpenAI Chat",
    bearer,
    (
        Check("a stream tells its text, usage and end", _stream, BETWEEN),
        Check("a tool's call and its result arrive", _tools, OURS),
        Check("requests that tell their session and agent are answered", _sessions, BETWEEN),
        Check("Messages are served without /v1, too", _messages, BETWEEN),
    ),
)
