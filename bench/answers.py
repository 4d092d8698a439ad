"""One checked request before anything is measured: a gateway that loses words is not fast."""

import http.client
import json
import re
from dataclasses import dataclass
from typing import Any

from bench.workloads import CALLS, PATHS, REPLY_BYTES, TOOLS, Lane, Protocol, Workload, request_bytes

INPUT_TOKENS = 12


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
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    status, reply = exchange(port, "POST", PATHS[lane.client], body, headers)
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
        seen = json.loads(exchange(upstream_port, "GET", "/last")[1])
        if (counts := (len(seen["tools"]), count_results(seen["messages"]))) != (TOOLS, CALLS):
            raise WrongAnswerError(f"the upstream saw {counts} tools and results instead of {(TOOLS, CALLS)}")


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
    finish = "stop" if protocol == Protocol.CHAT else "end_turn"
    if not workload.deltas:
        lorem = "lorem ipsum dolor sit amet consectetur "
        return Answer((lorem * REPLY_BYTES)[:REPLY_BYTES], finish, INPUT_TOKENS, REPLY_BYTES // 4)
    text = "".join(f"@@ tok{number} " for number in range(1, workload.deltas + 1))
    return Answer(text, finish, INPUT_TOKENS, workload.deltas)


def read_answer(reply: str, protocol: Protocol, *, streamed: bool) -> Answer:
    """Stamps (`@<when>@`) are read as `@@`."""
    match protocol, streamed:
        case Protocol.CHAT, False:
            answer = read_chat(json.loads(reply))
        case Protocol.CHAT, True:
            answer = read_chat_stream(reply)
        case _, False:
            answer = read_message(json.loads(reply))
        case _:
            answer = read_message_stream(reply)
    text = re.sub(r"@\d{15}@", "@@", answer.text)
    return Answer(text, answer.finish, answer.input_tokens, answer.output_tokens)


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


def data_lines(reply: str) -> list[str]:
    return [line.removeprefix("data:").strip() for line in reply.splitlines() if line.startswith("data:")]


def count_results(messages: list[dict[str, Any]]) -> int:
    """Tool results of a request: messages in Chat, blocks of messages in Messages."""
    blocks = [block for each in messages if isinstance(each["content"], list) for block in each["content"]]
    kinds = [each["role"] for each in messages] + [block["type"] for block in blocks]
    return kinds.count("tool") + kinds.count("tool_result")
