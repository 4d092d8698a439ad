"""A program that stands in for `opencode serve` where the real one is not installed: quick, and of the same words.

It has the routes that the gateway uses and the events that OpenCode 1.18.33 was recorded to send for them, and does with the turn
what our plugin makes the real one do: one request to a Chat upstream, and nothing run. The same tests run before both (`make
test-opencode`), which is what keeps it true.
"""

# ruff: noqa: ANN401 - a program for tests; JSON is anything

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx2
import uvicorn

Json = dict[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
VERSION = os.environ.get("STAND_IN_VERSION", "1.18.33")
CONFIG: Json = json.loads(os.environ["OPENCODE_CONFIG_CONTENT"])
PASSWORD = os.environ["OPENCODE_SERVER_PASSWORD"]
REASONS = {"stop": "stop", "length": "length", "tool_calls": "tool-calls", "content_filter": "content-filter"}
numbers = count(1)


class Session:
    def __init__(self, directory: str, permission: list[Json]) -> None:
        self.id = f"ses_{next(numbers):06}"
        self.directory = directory
        self.permission = permission
        self.task: asyncio.Task[None] | None = None


class Server:
    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.listeners: set[asyncio.Queue[bytes]] = set()
        self.asked: dict[str, asyncio.Future[str]] = {}

    # --- HTTP ---

    async def __call__(self, scope: Json, receive: Callable[[], Awaitable[Json]], send: Send) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        token = base64.b64encode(f"opencode:{PASSWORD}".encode()).decode()
        if headers.get("authorization") != f"Basic {token}":
            await answer(send, 401, b"")
            return
        directory = unquote(headers.get("x-opencode-directory", str(Path.cwd())))
        match scope["method"], scope["path"].strip("/").split("/"):
            case "GET", ["global", "event"]:
                await self.tell_events(send)
            case "GET", ["global", "health"]:
                await answer(send, 200, {"healthy": True, "version": VERSION})
            case "GET", ["config", "providers"]:
                await answer(send, 200, {"providers": [provider(*one) for one in CONFIG["provider"].items()]})
            case "GET", ["agent"]:
                names = ["build", *(["dragoman"] if CONFIG.get("plugin") else [])]
                await answer(send, 200, [{"name": name} for name in names])
            case "GET", ["session"]:
                await answer(send, 200, [{"id": session.id} for session in self.sessions.values()])
            case "POST", ["session"]:
                session = Session(directory, json.loads(body)["permission"])
                self.sessions[session.id] = session
                self.publish(session, "session.created", {"info": {"id": session.id}})
                await answer(send, 200, {"id": session.id})
            case "POST", ["session", id_, "prompt_async"]:
                session = self.sessions[id_]
                session.task = asyncio.ensure_future(self.run(session, json.loads(body)))
                await answer(send, 204, b"")
            case "POST", ["session", id_, "abort"]:
                session = self.sessions[id_]
                if session.task is not None:
                    session.task.cancel()
                await answer(send, 200, True)
            case "DELETE", ["session", id_]:
                session = self.sessions.pop(id_)
                self.publish(session, "session.deleted", {"info": {"id": session.id}})
                await answer(send, 200, True)
            case "POST", ["permission", id_, "reply"]:
                self.asked[id_].set_result(json.loads(body)["reply"])
                await answer(send, 200, True)
            case "POST", ["instance", "dispose"]:
                await answer(send, 200, True)
            case _:
                await answer(send, 404, {"name": "NotFoundError"})

    async def tell_events(self, send: Send) -> None:
        events: asyncio.Queue[bytes] = asyncio.Queue()
        self.listeners.add(events)
        head = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        connected = {"payload": {"type": "server.connected", "properties": {}}}
        events.put_nowait(b"data: " + json.dumps(connected).encode() + b"\n\n")
        while True:
            await send({"type": "http.response.body", "body": await events.get(), "more_body": True})

    def publish(self, session: Session, kind: str, properties: Json) -> None:
        """Tell everybody, and what is stored once more in the form for other servers."""
        properties = {"sessionID": session.id, **properties}
        id_ = f"evt_{next(numbers):06}"
        head = {"directory": session.directory, "project": "global"}
        told = [{**head, "payload": {"id": id_, "type": kind, "properties": properties}}]
        if kind.startswith(("session.c", "session.d", "message.updated", "message.part.updated")):
            copy = {"id": id_, "type": f"{kind}.1", "seq": 1, "data": properties}
            told.append({**head, "payload": {"type": "sync", "syncEvent": copy, "id": id_}})
        for one in told:
            data = b"data: " + json.dumps(one, separators=(",", ":")).encode() + b"\n\n"
            for listener in self.listeners:
                listener.put_nowait(data)

    # --- a turn ---

    async def run(self, session: Session, asked: Json) -> None:
        self.publish(session, "session.status", {"status": {"type": "busy"}})
        user = f"msg_{next(numbers):06}"
        part = {"type": "text", "text": ".", "messageID": user, "id": f"prt_{next(numbers):06}"}
        self.publish(session, "message.part.updated", {"part": part})
        try:
            await Turn(self, session, asked).run()
        except httpx2.HTTPError as error:
            self.fail(session, {"problem": "unreachable", "message": str(error)})
        self.publish(session, "session.status", {"status": {"type": "idle"}})
        self.publish(session, "session.idle", {})

    def fail(self, session: Session, seen: Json) -> None:
        told = base64.b64encode(json.dumps(seen).encode()).decode()
        data = {
            "message": "the model call failed",
            "statusCode": 400,
            "isRetryable": False,
            "responseHeaders": {"content-type": "application/json", "x-dragoman-failure": told},
        }
        self.publish(session, "session.error", {"error": {"name": "APIError", "data": data}})


class Turn:
    """One step of the model, as the real one tells it."""

    def __init__(self, server: Server, session: Session, asked: Json) -> None:
        self.server = server
        self.session = session
        self.turn = asked["parts"][0]["metadata"]["dragoman"]
        self.model = asked["model"]["modelID"]
        self.effort = asked.get("variant")
        self.options = CONFIG["provider"][asked["model"]["providerID"]]["options"]
        self.message = f"msg_{next(numbers):06}"
        file = Path(session.directory) / "dragoman-tools.json"
        self.tools: list[Json] = json.loads(file.read_text()) if file.exists() else []
        self.open: Json | None = None
        self.calls: dict[int, Json] = {}

    def part(self, kind: str, **fields: Any) -> Json:
        part = {"id": f"prt_{next(numbers):06}", "messageID": self.message, "type": kind, **fields}
        self.update(part)
        return part

    def update(self, part: Json) -> None:
        self.server.publish(self.session, "message.part.updated", {"part": {**part, "sessionID": self.session.id}})

    async def run(self) -> None:
        headers = {"authorization": f"Bearer {self.options['apiKey']}", **self.turn["headers"]}
        reason = "unknown"
        usage: Json = {}
        async with httpx2.AsyncClient(timeout=60) as client:
            url = f"{self.options['baseURL']}/chat/completions"
            async with client.stream("POST", url, json=self.body(), headers=headers) as reply:
                if reply.status_code >= 400:
                    text = (await reply.aread()).decode()
                    seen = {"status": reply.status_code, "headers": dict(reply.headers), "body": text}
                    self.server.fail(self.session, seen)
                    return
                self.part("step-start")
                async for chunk in chunks(reply):
                    usage = chunk.get("usage") or usage
                    for choice in chunk["choices"]:
                        self.take(choice["delta"])
                        reason = REASONS.get(choice.get("finish_reason") or "", reason)
        self.close()
        await asyncio.gather(*(self.call(call) for call in self.calls.values()))
        self.finish(reason, usage)

    def body(self) -> Json:
        turn, params = self.turn, self.turn["params"]
        system = [{"role": "system", "content": text} for text in turn["system"]]
        said = [line for message in turn["messages"] for line in chat_lines(message)]
        tools = sorted(self.tools, key=lambda tool: str(tool["name"]))
        functions = [{"name": t["name"], "description": t["description"], "parameters": t["schema"]} for t in tools]
        fields = {
            "max_tokens": params.get("maxOutputTokens"),
            "temperature": params["temperature"],
            "top_p": params["topP"],
            "reasoning_effort": self.effort,
            "tools": [{"type": "function", "function": function} for function in functions] or None,
            **{"reasoning_effort" if name == "reasoningEffort" else name: v for name, v in turn["options"].items()},
        }
        kept = {name: value for name, value in fields.items() if value is not None}
        usage = {"stream_options": {"include_usage": True}}
        return {"model": self.model, "messages": [*system, *said], "stream": True, **usage, **kept}

    def take(self, delta: Json) -> None:
        if delta.get("reasoning_content"):
            self.say("reasoning", delta["reasoning_content"])
        if delta.get("content"):
            self.say("text", delta["content"])
        for call in delta.get("tool_calls") or ():
            known = self.calls.setdefault(call["index"], {"id": call.get("id"), "name": "", "arguments": ""})
            known["name"] += call["function"].get("name") or ""
            known["arguments"] += call["function"].get("arguments") or ""

    def say(self, kind: str, words: str) -> None:
        if self.open is None or self.open["type"] != kind:
            self.close()
            self.open = self.part(kind, text="", time={"start": 1})
        self.open["text"] += words
        told = {"messageID": self.message, "partID": self.open["id"], "field": "text", "delta": words}
        self.server.publish(self.session, "message.part.delta", told)

    def close(self) -> None:
        if self.open is not None:
            self.update({**self.open, "time": {"start": 1, "end": 2}})
        self.open = None

    async def call(self, call: Json) -> None:
        name, said = call["name"], {"callID": call["id"], "tool": call["name"]}
        arguments = read_arguments(call["arguments"])
        part = self.part("tool", **said, state={"status": "pending", "input": {}, "raw": ""})
        self.update({**part, "state": running(arguments)})
        if name not in [tool["name"] for tool in self.tools]:
            problem = "Model tried to call unavailable tool 'invalid'."
            self.update({**part, "state": {**running(arguments), "status": "error", "error": problem}})
            return
        request = f"per_{next(numbers):06}"
        replied = self.server.asked[request] = asyncio.get_running_loop().create_future()
        self.server.publish(self.session, "permission.asked", {"id": request, "permission": name})
        reply = await replied
        self.update({**part, "state": {**running(arguments), "status": "error", "error": reply}})

    def finish(self, reason: str, usage: Json) -> None:
        details = usage.get("completion_tokens_details") or {}
        thought = details.get("reasoning_tokens") or 0
        tokens = {
            "input": usage.get("prompt_tokens", 0),
            "output": usage.get("completion_tokens", 0) - thought,
            "reasoning": thought,
            "cache": {"read": 0, "write": 0},
        }
        cost = (tokens["input"] + 2 * (tokens["output"] + thought)) / 1e6
        self.part("step-finish", reason=reason, tokens=tokens, cost=cost)


def read_arguments(text: str) -> Json:
    """Return a call's arguments as the real one tells them: what is no object goes below `value`."""
    try:
        said = json.loads(text or "{}")
    except ValueError:
        return {"value": text}
    return said if isinstance(said, dict) else {"value": said}


def running(arguments: Any) -> Json:
    return {"status": "running", "input": arguments, "time": {"start": 1}}


def chat_lines(message: Json) -> list[Json]:
    """Return what OpenCode's package makes of one of its messages."""
    parts = message["parts"]
    if message["info"]["role"] == "user":
        content = [
            {"type": "text", "text": part["text"]}
            if part["type"] == "text"
            else {"type": "image_url", "image_url": {"url": part["url"]}}
            for part in parts
        ]
        return [{"role": "user", "content": content}]
    calls = [part for part in parts if part["type"] == "tool"]
    line: Json = {"role": "assistant", "content": "".join(p["text"] for p in parts if p["type"] == "text")}
    if thought := "".join(part["text"] for part in parts if part["type"] == "reasoning"):
        line["reasoning_content"] = thought
    if calls:
        line["tool_calls"] = [
            {
                "id": call["callID"],
                "type": "function",
                "function": {"name": call["tool"], "arguments": json.dumps(call["state"]["input"])},
            }
            for call in calls
        ]
    results = [
        {
            "role": "tool",
            "tool_call_id": call["callID"],
            "content": call["state"].get("output", call["state"].get("error")),
        }
        for call in calls
    ]
    return [line, *results]


async def chunks(reply: httpx2.Response) -> AsyncIterator[Json]:
    async for line in reply.aiter_lines():
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))


def provider(name: str, configured: Json) -> Json:
    """Return a provider as the real one lists it, key and all."""
    models = {id_: model(name, id_, configured["npm"], told) for id_, told in configured["models"].items()}
    return {"id": name, "name": name, "source": "config", "options": configured["options"], "models": models}


def model(owner: str, id_: str, npm: str, told: Json) -> Json:
    sees = told["modalities"]["input"]
    inputs = {kind: kind in sees for kind in ("text", "audio", "image", "video", "pdf")}
    return {
        "id": id_,
        "providerID": owner,
        "api": {"id": id_, "url": "", "npm": npm},
        "name": told["name"],
        "capabilities": {
            "temperature": False,
            "reasoning": True,
            "attachment": True,
            "toolcall": True,
            "input": inputs,
        },
        "cost": {"input": 1, "output": 2, "cache": {"read": 0, "write": 0}},
        "limit": told["limit"],
        "status": "active",
        "options": {},
        "headers": {},
        "variants": {word: {"reasoningEffort": word} for word in ("low", "medium", "high")},
    }


async def answer(send: Send, status: int, body: Any) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": head if status != 204 else []})
    await send({"type": "http.response.body", "body": data})


class Uvicorn(uvicorn.Server):
    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        print(f"opencode server listening on http://127.0.0.1:{self.config.port}", flush=True)


def main(words: list[str]) -> None:
    if words[:1] != ["serve"]:
        sys.exit("this stands in for `opencode serve` alone")
    if told := os.environ.get("STAND_IN_WORDS"):
        sys.exit(told)
    port = int(words[words.index("--port") + 1])
    config = uvicorn.Config(Server(), port=port, lifespan="off", log_config=None, timeout_graceful_shutdown=0)
    Uvicorn(config).run()


if __name__ == "__main__":
    main(sys.argv[1:])
