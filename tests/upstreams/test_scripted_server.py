"""The built-in model behind a real port: the official SDKs of each protocol take it for the real thing."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from dragoman.upstreams.scripted_server import ScriptedServer

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def served(protocol: str, use: Callable[[ScriptedServer], Awaitable[None]], api_key: str | None = None) -> None:
    async def run() -> None:
        async with ScriptedServer(protocol, api_key=api_key) as server:
            await use(server)

    asyncio.run(run())


def with_openai(use: Callable[[openai.AsyncOpenAI, ScriptedServer], Coroutine[None, None, None]]) -> None:
    async def run(server: ScriptedServer) -> None:
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="k1", max_retries=0) as client:
            await use(client, server)

    served("openai-chat", run)


def with_anthropic(use: Callable[[anthropic.AsyncAnthropic, ScriptedServer], Coroutine[None, None, None]]) -> None:
    async def run(server: ScriptedServer) -> None:
        async with anthropic.AsyncAnthropic(base_url=server.base_url, api_key="k1", max_retries=0) as client:
            await use(client, server)

    served("anthropic-messages", run)


def test_openai_holds_a_tool_loop() -> None:
    async def use(client: openai.AsyncOpenAI, server: ScriptedServer) -> None:
        messages: Any = [{"role": "user", "content": 'call get_weather with {"city": "Rome"}'}]
        tool: Any = {"type": "function", "function": {"name": "get_weather", "parameters": CITY}}
        first = await client.chat.completions.create(model="m1", messages=messages, tools=[tool])
        choice = first.choices[0]
        assert choice.finish_reason == "tool_calls"
        assert choice.message.tool_calls
        call = choice.message.tool_calls[0]
        assert call.type == "function"
        assert (call.function.name, call.function.arguments) == ("get_weather", '{"city": "Rome"}')
        messages += [choice.message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
        second = await client.chat.completions.create(model="m1", messages=messages, tools=[tool])
        assert second.choices[0].message.content == "The tool said: sunny (get_weather)"
        assert second.usage
        assert second.usage.prompt_tokens > 10
        assert [seen.json["model"] for seen in server.seen] == ["m1", "m1"]
        assert server.seen[0].headers["authorization"] == "Bearer k1"

    with_openai(use)


def test_openai_streams_reasoning_text_and_usage() -> None:
    async def use(client: openai.AsyncOpenAI, server: ScriptedServer) -> None:
        stream = await client.chat.completions.create(
            model="thinker",
            messages=[{"role": "user", "content": "say this in pieces"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
        deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
        text = [delta.content for delta in deltas if delta.content]
        assert text == ["say", " this", " in", " pieces"]
        assert any(getattr(delta, "reasoning_content", None) for delta in deltas)
        assert chunks[-1].usage
        assert chunks[-1].usage.completion_tokens

    with_openai(use)


def test_anthropic_holds_a_parallel_tool_loop_with_signed_thinking() -> None:
    async def use(client: anthropic.AsyncAnthropic, server: ScriptedServer) -> None:
        tools: Any = [{"name": name, "input_schema": CITY} for name in ("get_weather", "get_time")]
        messages: Any = [{"role": "user", "content": "think, then call all tools"}]

        async def turn() -> anthropic.types.Message:
            async with client.messages.stream(
                model="m1",
                max_tokens=5000,
                messages=messages,
                tools=tools,
            ) as stream:
                return await stream.get_final_message()

        first = await turn()
        assert first.stop_reason == "tool_use"
        assert [block.type for block in first.content] == ["thinking", "text", "tool_use", "tool_use"]
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": f"result {number}"}
            for number, block in enumerate(first.content)
            if block.type == "tool_use"
        ]
        messages += [
            {"role": "assistant", "content": [block.model_dump() for block in first.content]},
            {"role": "user", "content": results},
        ]
        second = await turn()
        thought, answer = second.content
        assert thought.type == "thinking"
        assert "1 came back with their seals" in thought.thinking
        assert answer.type == "text"
        assert answer.text == "The tool said: result 2 (get_weather)\nThe tool said: result 3 (get_time)"
        assert second.usage.input_tokens > first.usage.input_tokens
        assert server.seen[0].headers["authorization"] == "Bearer k1"

    with_anthropic(use)


def test_anthropic_sees_images_counts_and_lists() -> None:
    async def use(client: anthropic.AsyncAnthropic, server: ScriptedServer) -> None:
        picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
        messages: Any = [{"role": "user", "content": [picture, {"type": "text", "text": "look"}]}]
        reply = await client.messages.create(model="m1", max_tokens=100, messages=messages)
        assert reply.content[0].type == "text"
        assert reply.content[0].text == "look\nI see an image/png of 70 bytes."
        counted = await client.messages.count_tokens(model="m1", messages=messages)
        assert counted.input_tokens == reply.usage.input_tokens
        listed = [model.id async for model in await _models(client)]
        assert "echo" in listed

    with_anthropic(use)


async def _models(client: anthropic.AsyncAnthropic) -> AsyncIterator[anthropic.types.ModelInfo]:
    page = await client.models.list()
    return page.__aiter__()


@pytest.mark.parametrize("streams", [False, True])
def test_failures_before_a_reply_are_http_errors_in_the_protocols_form(streams: bool) -> None:
    async def chat(client: openai.AsyncOpenAI, server: ScriptedServer) -> None:
        with pytest.raises(openai.RateLimitError, match="fails with 429") as caught:
            await client.chat.completions.create(
                model="m1", messages=[{"role": "user", "content": "fail with 429"}], stream=streams
            )
        assert caught.value.response.headers["retry-after"] == "2"

    async def messages(client: anthropic.AsyncAnthropic, server: ScriptedServer) -> None:
        with pytest.raises(anthropic.APIStatusError, match="fails with 529") as caught:
            await client.messages.create(
                model="m1", max_tokens=9, messages=[{"role": "user", "content": "fail with 529"}], stream=streams
            )
        assert caught.value.status_code == 529
        assert caught.value.body["error"]["type"] == "overloaded_error"  # type: ignore[index]

    with_openai(chat)
    with_anthropic(messages)


@pytest.mark.parametrize("streams", [False, True])
def test_breaking_off_cuts_the_connection(streams: bool) -> None:
    async def use(server: ScriptedServer) -> None:
        body = {
            "model": "m1",
            "stream": streams,
            "messages": [{"role": "user", "content": "write 20 words, break off"}],
        }
        received = bytearray()
        async with (
            httpx2.AsyncClient() as client,
            client.stream("POST", f"{server.base_url}/chat/completions", json=body) as response,
        ):
            assert response.status_code == 200
            chunks = response.aiter_bytes()
            with pytest.raises(httpx2.RemoteProtocolError):
                await _read_into(received, chunks)
        assert b"[DONE]" not in received
        assert b'"finish_reason":"' not in received
        assert (b"gateway" in received) is streams

    served("openai-chat", use)


async def _read_into(received: bytearray, chunks: AsyncIterator[bytes]) -> None:
    async for chunk in chunks:
        received += chunk


def test_whoever_leaves_is_noticed() -> None:
    async def use(server: ScriptedServer) -> None:
        body = {
            "model": "m1",
            "stream": True,
            "messages": [{"role": "user", "content": "write 1000 words every 20 ms"}],
        }
        async with (
            httpx2.AsyncClient() as client,
            client.stream("POST", f"{server.base_url}/chat/completions", json=body) as response,
        ):
            async for _ in response.aiter_bytes():
                break
        await asyncio.wait_for(server.seen[0].done.wait(), 2)
        assert server.seen[0].is_abandoned

    served("openai-chat", use)


def test_bad_requests_unknown_paths_and_keys_are_answered_in_the_protocols_form() -> None:
    async def use(server: ScriptedServer) -> None:
        async with httpx2.AsyncClient(base_url=server.base_url.removesuffix("/v1")) as client:
            key = {"authorization": "Bearer right"}
            answers = [
                await client.post("/v1/chat/completions", content=b"{", headers=key),
                await client.get("/v1/nowhere?a=b", headers=key),
                await client.get("/v1/models", headers={"authorization": "Bearer wrong"}),
                await client.get("/v1/models/nobody", headers=key),
                await client.get("/v1/models/echo", headers=key),
            ]
            assert [answer.status_code for answer in answers] == [400, 404, 401, 404, 200]
            assert all(json.loads(answer.content)["error"]["message"] for answer in answers[:4])
        assert (server.seen[1].path, server.seen[1].query, server.seen[1].method) == ("/v1/nowhere", "a=b", "GET")

    served("openai-chat", use, api_key="right")


def test_the_base_url_is_what_each_protocols_sdk_takes() -> None:
    async def openai_chat(server: ScriptedServer) -> None:
        assert server.base_url == f"http://127.0.0.1:{server.port}/v1"

    async def anthropic_messages(server: ScriptedServer) -> None:
        assert server.base_url == f"http://127.0.0.1:{server.port}"

    served("openai-chat", openai_chat)
    served("anthropic-messages", anthropic_messages)
