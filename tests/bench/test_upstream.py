"""The scripted upstream speaks as the vendors do: their own SDKs read it without a gateway."""

import pytest
from google import genai
from google.genai.types import FinishReason, HttpOptions

from bench.__main__ import Stand
from bench.workloads import WORKLOADS, Workload
from tests.support.sdks import KEY, anthropic_client, ask_chat, ask_messages, openai_client

SHAPES = pytest.mark.parametrize("workload", [WORKLOADS["json"], WORKLOADS["burst"]], ids=["whole", "streamed"])


@pytest.fixture
def url(stand: Stand) -> str:
    return f"http://127.0.0.1:{stand.upstream.port}"


def is_all(text: str | None, workload: Workload) -> bool:
    assert text is not None
    return text.count(" tok") == workload.deltas if workload.deltas else len(text) == 400


@SHAPES
def test_openais_sdk_reads_chat(url: str, workload: Workload) -> None:
    with openai_client(url) as client:
        reply, _ = ask_chat(client, streams=bool(workload.deltas), model=workload.model)
    assert is_all(reply.choices[0].message.content, workload)
    assert reply.usage is not None
    assert reply.usage.total_tokens == 12 + (workload.deltas or 100)


@SHAPES
def test_anthropics_sdk_reads_messages(url: str, workload: Workload) -> None:
    with anthropic_client(url) as client:
        reply, _ = ask_messages(client, streams=bool(workload.deltas), model=workload.model)
    (block,) = reply.content
    assert block.type == "text"
    assert is_all(block.text, workload)
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (12, workload.deltas or 100)


def test_openais_sdk_reads_a_whole_response(url: str) -> None:
    workload = WORKLOADS["json"]
    with openai_client(url) as client:
        reply = client.responses.create(model=workload.model, input="Hello?")
    assert is_all(reply.output_text, workload)
    assert reply.usage is not None
    assert reply.usage.total_tokens == 112


def test_openais_sdk_follows_a_response(url: str) -> None:
    """It raises on items that are not opened, closed or repeated as they should be."""
    workload = WORKLOADS["burst"]
    with openai_client(url) as client, client.responses.stream(model=workload.model, input="Hello?") as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        reply = stream.get_final_response()
    assert is_all(reply.output_text, workload)
    assert "".join(deltas) == reply.output_text
    assert reply.usage is not None
    assert reply.usage.total_tokens == 52


@SHAPES
def test_googles_sdk_reads_gemini(url: str, workload: Workload) -> None:
    with genai.Client(api_key=KEY, http_options=HttpOptions(base_url=url)) as client:
        if workload.deltas:
            chunks = list(client.models.generate_content_stream(model=workload.model, contents="Hello?"))
        else:
            chunks = [client.models.generate_content(model=workload.model, contents="Hello?")]
    assert is_all("".join(chunk.text or "" for chunk in chunks), workload)
    candidates, usage = chunks[-1].candidates, chunks[-1].usage_metadata
    assert candidates is not None
    assert candidates[0].finish_reason == FinishReason.STOP
    assert usage is not None
    assert usage.total_token_count == 12 + (workload.deltas or 100)
