"""What upstreams answer, whole and in pieces. Lenient: only what is read is named, and nearly all of it may be missing.

https://ai.google.dev/api/generate-content#generatecontentresponse
"""

import msgspec
from msgspec import Raw

Number = int | float | None


class Lenient(msgspec.Struct, rename="camel", frozen=True):
    """The base of a reply's shapes."""


class Call(Lenient, frozen=True):
    """A function call; servers that stream its arguments send them by their paths."""

    name: str | None = None
    id: str | None = None
    args: Raw = Raw()
    partial_args: Raw = Raw()
    will_continue: bool | None = None


class Blob(Lenient, frozen=True, gc=False):
    """Bytes that the model made."""

    mime_type: str = ""
    data: str = ""


class FileData(Lenient, frozen=True, gc=False):
    """A file that the model made."""

    file_uri: str = ""
    mime_type: str = ""


class SaidPart(Lenient, frozen=True):
    """A piece of what the model says."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: Call | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    executable_code: Raw = Raw()
    code_execution_result: Raw = Raw()
    tool_call: Raw = Raw()
    tool_response: Raw = Raw()


class SaidContent(Lenient, frozen=True):
    """What the model says."""

    parts: list[SaidPart] | None = None


class Candidate(Lenient, frozen=True):
    """One of the answers; the first is the one that counts."""

    content: SaidContent | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    index: int | None = None
    citation_metadata: Raw = Raw()
    grounding_metadata: Raw = Raw()
    url_context_metadata: Raw = Raw()
    safety_ratings: Raw = Raw()
    logprobs_result: Raw = Raw()
    avg_logprobs: Raw = Raw()
    continuation_token: Raw = Raw()


class UsageMetadata(Lenient, frozen=True, gc=False):
    """Tokens: the prompt includes what was cached, the candidates exclude thought and tools' prompts stand apart."""

    prompt_token_count: Number = None
    cached_content_token_count: Number = None
    candidates_token_count: Number = None
    thoughts_token_count: Number = None
    tool_use_prompt_token_count: Number = None


class PromptFeedback(Lenient, frozen=True, gc=False):
    """Why a prompt got no answer."""

    block_reason: str | None = None
    block_reason_message: str | None = None


class Chunk(Lenient, frozen=True):
    """A whole reply, or a piece of one: their shape is the same."""

    candidates: list[Candidate] | None = None
    usage_metadata: UsageMetadata | None = None
    prompt_feedback: PromptFeedback | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Raw = Raw()


# Sources of an answer -------------------------------------------------------------------------------------------------


class WebChunk(Lenient, frozen=True, gc=False):
    """A page."""

    uri: str | None = None
    title: str | None = None


class GroundingChunk(Lenient, frozen=True, gc=False):
    """Something that the answer rests on."""

    web: WebChunk | None = None
    retrieved_context: WebChunk | None = None
    maps: WebChunk | None = None


class GroundingMetadata(Lenient, frozen=True):
    """What was found; `grounding_chunks` are the pages."""

    grounding_chunks: list[Raw] | None = None


class CitationMetadata(Lenient, frozen=True):
    """What was recited."""

    citations: list[Raw] | None = None
    citation_sources: list[Raw] | None = None


class CitedSource(Lenient, frozen=True, gc=False):
    """One source that was recited."""

    uri: str | None = None
    title: str | None = None
