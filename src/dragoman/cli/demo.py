"""`dragoman demo`: the main job before your eyes. Two official SDKs hold tool loops against upstreams of the other protocol.

The scripted model stands behind real sockets, once speaking Chat and once Messages; the gateway stands between.
"""

import asyncio
import json
import textwrap
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from dragoman.cli.root import Root
from dragoman.settings import Key, Provider, Secret, Server, Settings
from dragoman.upstreams.scripted_server import ScriptedServer, Seen

KEY: Final = "sk-demo-0123456789abcdef"
PROMPT: Final = 'Think, then call get_weather with {"city": "Paris"} and get_time with {"zone": "Europe/Paris"}.'
RESULTS: Final = {"get_weather": "18 degrees, light rain", "get_time": "16:05"}
_PROPERTY: Final = {"get_weather": "city", "get_time": "zone"}
_WIDTH: Final = 58


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call as the SDK gave it."""

    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Conversation:
    """What came of a two-turn tool loop, in the SDK's own words."""

    title: str
    reasoning: str
    calls: Sequence[Call]
    answer: str
    deltas: int
    losses: Sequence[str]


def demo(root: Root) -> int:
    """Run the demo; return 0 when everything arrived that was sent, 1 otherwise."""
    try:
        import anthropic  # noqa: F401 - only whether they are there
        import openai  # noqa: F401
    except ImportError as error:
        print(f"demo: the official SDKs are needed: {error}\nhint: pip install anthropic openai")
        return 1
    faults = asyncio.run(_demo(root))
    for fault in faults:
        print(f"demo: {fault}")
    print("demo: failed" if faults else "demo: ok")
    return 1 if faults else 0


async def _demo(root: Root) -> list[str]:
    async with (
        ScriptedServer("openai-chat", api_key="sk-upstream") as chat,
        ScriptedServer("anthropic-messages", api_key="sk-upstream") as messages,
        _gateway(root, {"chat": chat, "messages": messages}) as url,
    ):
        faults: list[str] = []
        for hold, server in ((_with_anthropic, chat), (_with_openai, messages)):
            conversation = await hold(url)
            _show(conversation, server.seen)
            faults += _faults(conversation, server.seen)
        return faults


@asynccontextmanager
async def _gateway(root: Root, servers: dict[str, ScriptedServer]) -> AsyncIterator[str]:
    protocols = {"chat": "openai-chat", "messages": "anthropic-messages"}
    providers = {
        name: Provider(protocol=protocols[name], base_url=server.base_url, api_key=Secret("sk-upstream"))  # type: ignore[arg-type]
        for name, server in servers.items()
    }
    settings = Settings(server=Server(port=0, keys=(Key(key=Secret(KEY)),)), providers=providers)
    app = root.build(settings)
    listener = root.listen(settings.server.host, settings.server.port)
    server = root.make_server(app, settings)
    running = asyncio.ensure_future(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running
        await app.aclose()


async def _with_anthropic(url: str) -> Conversation:
    """Hold the loop with the official Anthropic SDK; the upstream speaks Chat."""
    import anthropic

    tools: list[Any] = [
        {"name": name, "description": f"Tells {name}", "input_schema": _schema(name)} for name in RESULTS
    ]
    conversation: list[Any] = [{"role": "user", "content": PROMPT}]
    losses: list[str] = []
    deltas = 0
    async with anthropic.AsyncAnthropic(base_url=url, api_key=KEY, max_retries=0) as client:
        turns = []
        for _ in range(2):
            stream_of_turn = client.messages.stream(
                model="chat/assistant", max_tokens=1000, system="Be brief.", tools=tools, messages=conversation
            )
            async with stream_of_turn as stream:
                losses.append(stream.response.headers["x-dragoman-loss"])
                async for event in stream:
                    deltas += event.type == "content_block_delta"
                turns.append(await stream.get_final_message())
            conversation.append({"role": "assistant", "content": turns[-1].content})
            results = [
                {"type": "tool_result", "tool_use_id": block.id, "content": RESULTS[block.name]}
                for block in turns[-1].content
                if block.type == "tool_use"
            ]
            conversation.append({"role": "user", "content": results})
    calls = [Call(block.id, block.name, dict(block.input)) for block in turns[0].content if block.type == "tool_use"]
    thought = "".join(block.thinking for block in turns[0].content if block.type == "thinking")
    answer = "".join(block.text for block in turns[1].content if block.type == "text")
    return Conversation("Anthropic SDK -> Messages -> gateway -> Chat upstream", thought, calls, answer, deltas, losses)


async def _with_openai(url: str) -> Conversation:
    """Hold the loop with the official OpenAI SDK; the upstream speaks Messages."""
    import openai

    tools: list[Any] = [
        {"type": "function", "function": {"name": name, "description": f"Tells {name}", "parameters": _schema(name)}}
        for name in RESULTS
    ]
    conversation: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PROMPT}]
    losses: list[str] = []
    thought = ""
    deltas = 0
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
        turns: list[Any] = []
        for _ in range(2):
            stream_of_turn = client.chat.completions.stream(
                model="messages/assistant", tools=tools, messages=conversation
            )
            async with stream_of_turn as stream:
                losses.append(stream._response.headers["x-dragoman-loss"])  # noqa: SLF001 - the SDK shows it nowhere else
                async for event in stream:
                    if event.type == "chunk":
                        deltas += 1
                        thought += _reasoning_of(event.chunk) if not turns else ""
                turns.append((await stream.get_final_completion()).choices[0].message)
            conversation.append(turns[-1].to_dict())
            conversation += [
                {"role": "tool", "tool_call_id": call.id, "content": RESULTS[call.function.name]}
                for call in turns[-1].tool_calls or ()
            ]
    calls = [
        Call(call.id, call.function.name, json.loads(call.function.arguments)) for call in turns[0].tool_calls or ()
    ]
    return Conversation(
        "OpenAI SDK -> Chat -> gateway -> Messages upstream", thought, calls, turns[1].content or "", deltas, losses
    )


def _reasoning_of(chunk: Any) -> str:  # noqa: ANN401 - a field that the SDK's types do not name
    if not chunk.choices:
        return ""
    return getattr(chunk.choices[0].delta, "reasoning_content", None) or ""


def _schema(name: str) -> dict[str, Any]:
    field = _PROPERTY[name]
    return {"type": "object", "properties": {field: {"type": "string"}}, "required": [field]}


# --- what is checked, and shown --------------------------------------------------------------------------------------------


def _faults(conversation: Conversation, seen: Sequence[Seen]) -> list[str]:
    """Return what did not arrive as it was sent."""
    wanted = [("get_weather", {"city": "Paris"}), ("get_time", {"zone": "Europe/Paris"})]
    called = [(call.name, call.arguments) for call in conversation.calls]
    second = seen[-1].body.decode() if seen else ""
    checks = {
        f"two requests upstream, not {len(seen)}": len(seen) == 2,
        "the reasoning arrived": bool(conversation.reasoning),
        f"the calls arrived as they were made, not as {called}": called == wanted,
        "each call came with an id of its own": len({call.id for call in conversation.calls}) == len(wanted),
        "the answer names both results": all(result in conversation.answer for result in RESULTS.values()),
        "both results went up": all(result in second for result in RESULTS.values()),
        "the calls went up again with their ids": all(second.count(call.id) == 2 for call in conversation.calls),
        "the reply came in pieces": conversation.deltas > 10,
        f"nothing was lost, as the headers say, not {conversation.losses}": set(conversation.losses) == {"0"},
    }
    return [f"{conversation.title}: expected: {what}" for what, holds in checks.items() if not holds]


def _show(conversation: Conversation, seen: Sequence[Seen]) -> None:
    print(f"\n=== {conversation.title} ===")
    client = [
        f"user       {PROMPT}",
        f"reasoning  {conversation.reasoning}",
        *(f"tool call  {call.name} {json.dumps(call.arguments)}" for call in conversation.calls),
        *(f"result     {RESULTS[call.name]}" for call in conversation.calls),
        f"assistant  {conversation.answer}",
        f"(streamed in {conversation.deltas} pieces; losses per turn: {' | '.join(conversation.losses)})",
    ]
    upstream = _went_up(seen[-1]) if seen else []
    for left, right in _side_by_side(["the client", *client], ["what the upstream saw on the second turn", *upstream]):
        print(f"{left:{_WIDTH}} | {right}".rstrip())


def _went_up(request: Seen) -> list[str]:
    """Return what the upstream saw, a line a message; Messages has its system prompt beside them."""
    body = request.json
    system = [f"system     {json.dumps(body['system'], ensure_ascii=False)}"] if "system" in body else []
    return [f"POST {request.path}", *system, *(_line(message) for message in body["messages"])]


def _line(message: dict[str, Any]) -> str:
    rest = {name: value for name, value in message.items() if name != "role" and value is not None}
    return f"{message['role']:10} {json.dumps(rest, ensure_ascii=False)}"


def _side_by_side(left: Sequence[str], right: Sequence[str]) -> list[tuple[str, str]]:
    """Return the lines of two columns, each wrapped to its width."""
    columns = [
        [part for line in side for part in textwrap.wrap(line, _WIDTH, subsequent_indent="  ")]
        for side in (left, right)
    ]
    height = max(len(column) for column in columns)
    padded = [column + [""] * (height - len(column)) for column in columns]
    return list(zip(*padded, strict=True))
