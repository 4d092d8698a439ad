"""The official SDKs, asked in one way whether the reply comes whole or as a stream."""

# ruff: noqa: ANN401 - what stands here for a body or a block is any JSON

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, NamedTuple, TypeVar

import anthropic
import openai
from anthropic.types.message import Message
from google import genai
from google.genai import types
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat.chat_completion import ChatCompletion

KEY = "sk-client-0123456789abcdef"
Reply = TypeVar("Reply")


class Told(NamedTuple, Generic[Reply]):
    """What the SDK made of a reply, and the reply's headers."""

    reply: Reply
    headers: Mapping[str, str]


@contextmanager
def anthropic_client(url: str, **options: Any) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=url, **{"api_key": KEY, "max_retries": 0, "timeout": 20, **options}) as client:
        yield client


@contextmanager
def openai_client(url: str, **options: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", **{"api_key": KEY, "max_retries": 0, "timeout": 20, **options}) as client:
        yield client


@contextmanager
def google_client(url: str, **options: Any) -> Iterator[genai.Client]:
    retries = types.HttpRetryOptions(attempts=1)
    with genai.Client(
        api_key=KEY, http_options=types.HttpOptions(base_url=url, timeout=20_000, retry_options=retries, **options)
    ) as client:
        yield client


def ask_messages(client: anthropic.Anthropic, *, streams: bool, **request: Any) -> Told[Message]:
    """Ask with the Anthropic SDK; a question is enough where nothing else matters."""
    request = {"max_tokens": 1000, "messages": [{"role": "user", "content": "Hello?"}], **request}
    if streams:
        with client.messages.stream(**request) as stream:
            return Told(stream.get_final_message(), stream.response.headers)
    raw = client.messages.with_raw_response.create(**request)
    return Told(raw.parse(), raw.headers)


def ask_chat(client: openai.OpenAI, *, streams: bool, **request: Any) -> Told[ChatCompletion]:
    """Ask with the OpenAI SDK; a question is enough where nothing else matters."""
    request = {"messages": [{"role": "user", "content": "Hello?"}], **request}
    if not streams:
        raw = client.chat.completions.with_raw_response.create(**request)
        return Told(raw.parse(), raw.headers)
    raw = client.chat.completions.with_raw_response.create(
        **request, stream=True, stream_options={"include_usage": True}
    )
    state: Any = ChatCompletionStreamState()
    for chunk in raw.parse():
        state.handle_chunk(chunk)
    return Told(state.current_completion_snapshot, raw.headers)


def ask_responses(client: openai.OpenAI, *, streams: bool, **request: Any) -> Told[Any]:
    """Ask with the OpenAI SDK's other API; a question is enough where nothing else matters. The reply is a `Response`.

    Of a stream that is not completed the SDK keeps nothing: the response is in its last event.
    """
    request = {"input": "Hello?", **request}
    if not streams:
        raw = client.responses.with_raw_response.create(**request)
        return Told(raw.parse(), raw.headers)
    last: Any = None
    with client.responses.stream(**request) as stream:
        for one in stream:
            last = one
        return Told(last.response, stream._response.headers)


class Content(NamedTuple):
    """What the Google SDK makes of a reply: all chunks of it, the only one of a reply that came whole."""

    chunks: list[types.GenerateContentResponse]

    @property
    def parts(self) -> list[types.Part]:
        """The parts that say something, those of words as they came."""
        parts = [part for content in self.contents for part in content.parts or []]
        return [part for part in parts if part != types.Part(text="")]

    @property
    def contents(self) -> list[types.Content]:
        """What the SDK's chats put into the history: a content for each chunk."""
        return [one.candidates[0].content for one in self.chunks if one.candidates and one.candidates[0].content]

    @property
    def last(self) -> types.GenerateContentResponse:
        """The chunk with the end and the figures in it."""
        return self.chunks[-1]

    @property
    def finish(self) -> str | None:
        """Why the reply ended."""
        reason = (self.last.candidates or [types.Candidate()])[0].finish_reason
        return reason.value if reason else None

    @property
    def text(self) -> str:
        """The words, thought left out."""
        return "".join(part.text or "" for part in self.parts if not part.thought)

    @property
    def thought(self) -> str:
        """The thought."""
        return "".join(part.text or "" for part in self.parts if part.thought)

    @property
    def calls(self) -> list[tuple[str | None, str | None, dict[str, Any] | None]]:
        """Id, name and arguments of each call."""
        calls = [part.function_call for part in self.parts if part.function_call]
        return [(call.id, call.name, call.args) for call in calls]


def ask_gemini(client: genai.Client, *, streams: bool, model: str, contents: Any = "Hello?", **config: Any) -> Content:
    """Ask with the Google SDK; a question is enough where nothing else matters."""
    settings = types.GenerateContentConfig(**config)
    if streams:
        return Content(list(client.models.generate_content_stream(model=model, contents=contents, config=settings)))
    return Content([client.models.generate_content(model=model, contents=contents, config=settings)])


def said(reply: Message) -> list[dict[str, Any]]:
    """Return the reply's blocks as the wire has them; the SDK's own fields and empty ones are left out."""
    return [block.model_dump(exclude_none=True, exclude={"parsed_output"}) for block in reply.content]


def calls_of(reply: ChatCompletion) -> list[tuple[str, str, str]]:
    """Return id, name and arguments of each tool call."""
    calls = reply.choices[0].message.tool_calls or []
    return [(call.id, call.function.name, call.function.arguments) for call in calls if call.type == "function"]
