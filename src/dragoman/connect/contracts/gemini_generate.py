"""What Gemini CLI needs: https://ai.google.dev/api/generate-content."""

from collections.abc import Mapping
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
    require,
)

_PATH: Final = f"/v1beta/models/{MODEL}"
_TOOLS: Final = [
    {"functionDeclarations": [{"name": "look_up", "description": "Looks up", "parametersJsonSchema": SCHEMA}]}
]


def _sign_in(key: str) -> Mapping[str, str]:
    return {"x-goog-api-key": key}


def _body(*contents: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"contents": list(contents) or [_user({"text": WORDS})], **more}


def _user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


def _parts(asker: Asker, body: dict[str, Any]) -> list[dict[str, Any]]:
    chunks = asker.post(f"{_PATH}:streamGenerateContent?alt=sse", body).events
    require(chunks[-1]["candidates"][0].get("finishReason"), "the stream does not say why it ends")
    require(chunks[-1].get("usageMetadata"), "the stream does not tell its usage")
    return [part for chunk in chunks for part in chunk["candidates"][0].get("content", {}).get("parts", ())]


def _stream(asker: Asker) -> None:
    require(WORDS in "".join(part.get("text", "") for part in _parts(asker, _body())), "the text did not arrive")


def _whole(asker: Asker) -> None:
    asker.post(f"{_PATH}:generateContent", _body())


def _tools(asker: Asker) -> None:
    ask = _user({"text": CALL})
    calls = [part for part in _parts(asker, _body(ask, tools=_TOOLS)) if "functionCall" in part]
    require(
        len(calls) == 1 and calls[0]["functionCall"]["args"] == {"word": "q"}, "the call did not arrive as it was made"
    )
    result = {"functionResponse": {"name": "look_up", "response": {"output": "quokka"}}}
    turns = (ask, {"role": "model", "parts": calls}, _user(result))
    require("quokka" in str(_parts(asker, _body(*turns, tools=_TOOLS))), "the tool's result did not reach the model")


def _count(asker: Asker) -> None:
    require(asker.post(f"{_PATH}:countTokens", _body()).body.get("totalTokens", 0) > 0, "tokens are not counted")


def _models(asker: Asker) -> None:
    listed = asker.get("/v1beta/models").body.get("models")
    require(listed and all(card["name"].startswith("models/") for card in listed), "the list is not in Gemini's shape")


CONTRACT: Final = Contract(
    "Gemini generateContent",
    _sign_in,
    (
        Check("a stream tells its text, usage and end", _stream, BETWEEN),
        Check("a request without a stream is answered", _whole, OURS),
        Check("a tool's call and its result arrive", _tools, OURS),
        Check("tokens are counted", _count, OURS),
        Check("models are listed", _models, BETWEEN),
    ),
)
