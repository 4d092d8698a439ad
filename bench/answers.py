"""One checked request before anything is measured: a gateway that loses words is not fast."""

import http.client
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from bench.agent import CALLS, TOOLS, Counts, counts
from bench.protocols import Lane, Protocol
from bench.workloads import REPLY_BYTES, Workload, request_bytes

INPUT_TOKENS: Final = 12
FINISH: Final = {
    Protocol.CHAT: "stop",
    Protocol.MESSAGES: "end_turn",
    Protocol.RESPONSES: "completed",
    Protocol.GEMINI: "STOP",
}


class WrongAnswerError(Exception):
    """What came through the gateway is not what the upstream said."""


@dataclass(frozen=True)
class Answer:
    """A reply as its client understands it."""

    text: str
    finish: str | None
    input_tokens: int | None
    output_tokens: int | None


def check_lane(port: int, upstream_port: int, workload: Workload, lane: Lane) -> None:
    """Send one request and compare: the text, its end, the usage, and how much of the request arrived upstream."""
    head, _, body = request_bytes(workload, lane, port).partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    method, path, _ = first.split(" ")
    headers = dict(field.split(": ", 1) for field in fields)
    status, reply = exchange(port, method, path, body, headers)
    if status != 200:
        raise WrongAnswerError(f"status {status}: {reply[:500].decode(errors='replace')}")
    expected = expected_answer(workload, lane.client)
    try:
        answer = read_answer(reply.decode(), lane.client, streamed=bool(workload.deltas))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise WrongAnswerError(f"unreadable ({error!r}): {reply[:500].decode(errors='replace')}") from error
    if answer != expected:
        raise WrongAnswerError(f"expected {expected}, got {answer}")
    if workload.is_agent:
        check_arrival(json.loads(exchange(upstream_port, "GET", "/last")[1]), lane.upstream)


def check_arrival(body: dict[str, Any], protocol: Protocol) -> None:
    """Compare what of an agent's request the upstream saw with what was sent."""
    try:
        seen = counts(body, protocol)
    except (KeyError, TypeError) as error:
        raise WrongAnswerError(f"the upstream saw an unreadable request ({error!r})") from error
    if seen != (sent := Counts(TOOLS, CALLS, CALLS)):
        raise WrongAnswerError(f"the upstream saw {seen} instead of {sent}")


def exchange(
    port: int, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def expected_answer(workload: Workload, protocol: Protocol) -> Answer:
    if not workload.deltas:
        lorem = "lorem ipsum dolor sit amet consectetur "
        return Answer((lorem * REPLY_BYTES)[:REPLY_BYTES], FINISH[protocol], INPUT_TOKENS, REPLY_BYTES // 4)
    text = "".join(f"@@ tok{number} " for number in range(1, workload.deltas + 1))
    return Answer(text, FINISH[protocol], INPUT_TOKENS, workload.deltas)


def read_answer(reply: str, protocol: Protocol, *, streamed: bool) -> Answer:
    """Stamps (`@<when>@`) are read as `@@`."""
    answer = STREAMS[protocol](reply) if streamed else WHOLES[protocol](json.loads(reply))
    return replace(answer, text=re.sub(r"@\d{15}@", "@@", answer.text))


# ---- one reader a protocol and form


def read_chat(reply: dict[str, Any]) -> Answer:
    choice, usage = reply["choices"][0], reply["usage"]
    return Answer(
        choice["message"]["content"], choice["finish_reason"], usage["prompt_tokens"], usage["completion_tokens"]
    )


def read_chat_stream(reply: str) -> Answer:
    *chunks, done = data_lines(reply)
    if done != "[DONE]":
        raise ValueError("the stream does not end with [DONE]")
    text, finish, usage = "", None, dict[str, int]()
    for chunk in map(json.loads, chunks):
        usage = chunk.get("usage") or usage
        for choice in chunk["choices"]:
            text += choice["delta"].get("content") or ""
            finish = choice["finish_reason"] or finish
    return Answer(text, finish, usage.get("prompt_tokens"), usage.get("completion_tokens"))


def read_message(reply: dict[str, Any]) -> Answer:
    text = "".join(block["text"] for block in reply["content"])
    return Answer(text, reply["stop_reason"], reply["usage"]["input_tokens"], reply["usage"]["output_tokens"])


def read_message_stream(reply: str) -> Answer:
    text, finish, usage, ended = "", None, dict[str, int](), False
    for event in map(json.loads, data_lines(reply)):
        match event["type"]:
            case "message_start":
                usage |= event["message"]["usage"]
            case "content_block_delta":
                text += event["delta"]["text"]
            case "message_delta":
                finish = event["delta"]["stop_reason"]
                usage |= event["usage"]
            case "message_stop":
                ended = True
            case _:
                pass  # blocks open and close, pings
    if not ended:
        raise ValueError("the stream does not end with message_stop")
    # Where the upstream tells its usage at the end, what message_start could say was an estimate.
    return Answer(text, finish, usage.get("input_tokens"), usage.get("output_tokens"))


def read_response(reply: dict[str, Any]) -> Answer:
    parts = [part for item in reply["output"] for part in item["content"]]
    text, usage = "".join(part["text"] for part in parts), reply["usage"]
    return Answer(text, reply["status"], usage["input_tokens"], usage["output_tokens"])


def read_response_stream(reply: str) -> Answer:
    """Clients take the text from the deltas or from the end: it has to be the same."""
    events = [json.loads(line) for line in data_lines(reply)]
    numbers = [event["sequence_number"] for event in events]
    if numbers != list(range(len(events))):
        raise ValueError(f"sequence numbers do not count from 0: {numbers}")
    if (first := events[0]["type"]) != "response.created":
        raise ValueError(f"the stream begins with {first}")
    if (last := events[-1]["type"]) != "response.completed":
        raise ValueError(f"the stream ends with {last}, not with response.completed")
    text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    answer = read_response(events[-1]["response"])
    if answer.text != text:
        raise ValueError(f"the deltas say {text!r}, the end says {answer.text!r}")
    return answer


def read_content(reply: dict[str, Any]) -> Answer:
    candidate, usage = reply["candidates"][0], reply.get("usageMetadata", {})
    text = "".join(part["text"] for part in candidate.get("content", {}).get("parts", ()))
    tokens = (usage.get("promptTokenCount"), usage.get("candidatesTokenCount"))
    return Answer(text, candidate.get("finishReason"), *tokens)


def read_content_stream(reply: str) -> Answer:
    """Google's SDK raises on every line that is neither data nor empty, and on [DONE]."""
    if strange := [line for line in reply.splitlines() if line and not line.startswith("data: {")]:
        raise ValueError(f"no line for Gemini's clients: {strange[0]}")
    *chunks, last = [read_content(json.loads(line)) for line in data_lines(reply)]
    if last.finish is None or any(chunk.finish for chunk in chunks):
        raise ValueError("the stream does not end with its only finishReason")
    return replace(last, text="".join(chunk.text for chunk in (*chunks, last)))


WHOLES: Final[Mapping[Protocol, Callable[[dict[str, Any]], Answer]]] = {
    Protocol.CHAT: read_chat,
    Protocol.MESSAGES: read_message,
    Protocol.RESPONSES: read_response,
    Protocol.GEMINI: read_content,
}
STREAMS: Final[Mapping[Protocol, Callable[[str], Answer]]] = {
    Protocol.CHAT: read_chat_stream,
    Protocol.MESSAGES: read_message_stream,
    Protocol.RESPONSES: read_response_stream,
    Protocol.GEMINI: read_content_stream,
}


def data_lines(reply: str) -> list[str]:
    return [line.removeprefix("data:").strip() for line in reply.splitlines() if line.startswith("data:")]
