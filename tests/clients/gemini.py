"""Gemini: ai.google.dev/api/generate-content, .../gemini-api/docs/function-calling and .../docs/thought-signatures."""

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile

import msgspec

from tests.clients.script import CACHED, FRESH, JSON, SPOKEN, Break, Fail, Fault, Say
from tests.clients.sockets import Asked
from tests.clients.speech import (
    Speech,
    Tool,
    Wanted,
    begins_with,
    differences,
    pieces,
    results_faults,
    same_but,
    text_of,
)
from tests.clients.story import Story

THOUGHT = 17
"""Tokens of an answer that has thoughts, which are theirs; Google counts them beside those of the words."""
OVERLOADED = {"error": {"code": 503, "message": "The model is overloaded (scripted).", "status": "UNAVAILABLE"}}
TOO_LONG = Fail(
    400,
    {
        "error": {
            "code": 400,
            "message": "The input token count (250000) exceeds the maximum number of tokens allowed (200000).",
            "status": "INVALID_ARGUMENT",
        }
    },
)
BAD_KEY = Fail(
    400,
    {
        "error": {
            "code": 400,
            "message": "API key not valid (scripted).",
            "status": "INVALID_ARGUMENT",
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "API_KEY_INVALID",
                    "domain": "googleapis.com",
                }
            ],
        }
    },
)
PLACEHOLDER = "skip_thought_signature_validator"
"""What may stand in place of a signature where the model has given none."""


# --- what the upstream says ---


def _parts(say: Say) -> Iterator[JSON]:
    yield from ({"text": piece, "thought": True} for piece in pieces(say.reasoning, 11))
    yield from ({"text": piece} for piece in pieces(say.text, 7))
    yield from _called(say)


def _called(say: Say) -> Iterator[JSON]:
    """Calls come whole. Of those made at once the first is signed."""
    for index, call in enumerate(say.calls):
        signature = {"thoughtSignature": say.signature} if say.signature and not index else {}
        yield {"functionCall": {"name": call.name, "args": call.arguments, "id": call.id}, **signature}


def _stream(say: Say, model: str) -> Iterator[bytes]:
    for part in _parts(say):
        yield _chunk(_reply([part], say, model))
    yield _chunk(_reply([{"text": ""}], say, model, finishReason="STOP"))


def _chunk(reply: JSON) -> bytes:
    return b"data: " + msgspec.json.encode(reply) + b"\r\n\r\n"


def _whole(say: Say, model: str) -> JSON:
    thought: list[JSON] = [{"text": say.reasoning, "thought": True}] if say.reasoning else []
    return _reply([*thought, {"text": say.text}, *_called(say)], say, model, finishReason="STOP")


def _reply(parts: Sequence[JSON], say: Say, model: str, **ending: str) -> JSON:
    thought = THOUGHT if say.reasoning else 0
    usage = {
        "promptTokenCount": FRESH + CACHED,
        "cachedContentTokenCount": CACHED,
        "candidatesTokenCount": SPOKEN - thought,
        "thoughtsTokenCount": thought,
        "totalTokenCount": FRESH + CACHED + SPOKEN,
    }
    candidate = {"content": {"parts": parts, "role": "model"}, **ending, "index": 0}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": model, "responseId": "scripted"}


def _break_off(broken: Break, model: str) -> Iterator[bytes]:
    yield from takewhile(lambda chunk: b"finishReason" not in chunk, _stream(Say(broken.text), model))
    if not broken.silently:
        yield _chunk(OVERLOADED)


# --- what it is asked ---


def _wanted(asked: Asked) -> Wanted | None:
    # The model's name may have slashes.
    found = re.fullmatch(r"/v1beta/models/(.+):(generateContent|streamGenerateContent)", asked.path)
    if asked.method != "POST" or found is None:
        return None
    return Wanted(found[1], found[2] == "streamGenerateContent")


def _texts(request: JSON) -> Iterator[str]:
    for content in (request.get("systemInstruction", {}), *request["contents"]):
        for part in content.get("parts", []):
            if "functionResponse" in part:
                yield _result(part["functionResponse"])
            elif "text" in part and not part.get("thought"):
                yield part["text"]


def _result(answer: JSON) -> str:
    """Give what a function answered; the field's name is custom."""
    response = answer["response"]
    return next((response[name] for name in ("output", "error", "content") if name in response), "")


def _tools(request: JSON) -> Iterator[Tool]:
    for group in request.get("tools", []):
        for function in group.get("functionDeclarations", []):
            schema = function.get("parametersJsonSchema") or function.get("parameters") or {}
            yield Tool(function["name"], function.get("description", ""), schema)


def _request_faults(request: JSON) -> Iterator[Fault]:
    waiting: list[JSON] = []
    for place, content in enumerate(request["contents"]):
        path, parts = f"`contents[{place}]`", content["parts"]
        if content.get("role") not in ("user", "model"):
            yield f"{path} has the role `{content.get('role')}`"
        if not parts:
            yield f"{path} has no parts"
        answers = [part["functionResponse"] for part in parts if "functionResponse" in part]
        if [_names(answer) for answer in answers] != [_names(call) for call in waiting]:
            yield f"{path} has {len(answers)} results that are not those of the {len(waiting)} calls before it"
        calls = [part for part in parts if "functionCall" in part]
        waiting = [call["functionCall"] for call in calls]
    if waiting:
        yield f"the results of {len(waiting)} calls are missing"


def _names(call: JSON) -> tuple[str | None, str]:
    return call.get("id"), call["name"]


def _loop_faults(requests: Sequence[JSON], story: Story) -> Iterator[Fault]:
    """The second turn is the first, unchanged, with the model's own parts, signature included, and the results after it."""
    first, second = requests
    yield from same_but(("contents",), first, second)
    before, after = first["contents"], second["contents"]
    yield from begins_with(before, after)
    said, results = [*after[len(before) :], {}, {}][:2]
    yield from differences("the model's content", {"role": "model", **_returned(story)}, _said(said, story))
    answers = [part["functionResponse"] for part in results.get("parts", []) if "functionResponse" in part]
    yield from results_faults(story, _ids(answers, story), [_result(answer) for answer in answers])


def _returned(story: Story) -> JSON:
    signatures = [story.opening.signature, *[""] * len(story.calls)]
    calls = [
        (call.id, call.name, call.arguments, signed) for call, signed in zip(story.calls, signatures, strict=False)
    ]
    return {"text": story.opening.text, "calls": calls}


def _said(content: JSON, story: Story) -> JSON:
    """Give the model's content for comparison: its words may stand in several parts, its thoughts may be absent."""
    parts = content.get("parts", [])
    called = [(part["functionCall"], part.get("thoughtSignature", "")) for part in parts if "functionCall" in part]
    ids = _ids([call for call, _ in called], story)
    return {
        "role": content.get("role"),
        "text": text_of([part for part in parts if not part.get("thought")]),
        "calls": [
            (id, call["name"], call["args"], "" if signed == PLACEHOLDER else signed)
            for id, (call, signed) in zip(ids, called, strict=False)
        ],
    }


def _ids(calls: Sequence[JSON], story: Story) -> list[str | None]:
    """Give the ids of calls or results. Some clients return none: then their order has to tell."""
    ids: list[str | None] = [call.get("id") for call in calls]
    return ids if any(ids) else [call.id for call in story.calls[: len(ids)]]


GEMINI = Speech(
    protocol="gemini-generate",
    provider="gemini",
    model="thinker-1",
    base="/v1beta",
    key="sk-gemini-upstream-b1946ac92492d2347c62",
    key_header="x-goog-api-key",
    wanted=_wanted,
    stream=_stream,
    whole=_whole,
    break_off=_break_off,
    too_long=TOO_LONG,
    bad_key=BAD_KEY,
    texts=_texts,
    tools=_tools,
    request_faults=_request_faults,
    loop_faults=_loop_faults,
)
