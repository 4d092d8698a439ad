"""Google's generateContent, as clients and upstreams speak it. https://ai.google.dev/api/generate-content."""

from typing import Final
from urllib.parse import quote

from dragoman.codec import Codec, Endpoint, Operation, Places
from dragoman.protocols.gemini_generate.errors import (
    decode_failure,
    encode_failure,
    encode_failure_event,
    failure_status,
)
from dragoman.protocols.gemini_generate.listing import (
    decode_count_reply,
    encode_count,
    encode_model,
    encode_models,
    encode_page,
)
from dragoman.protocols.gemini_generate.losses import LOSES
from dragoman.protocols.gemini_generate.raw import (
    echo,
    echo_whole,
    is_finished,
    peek,
    read_usage,
    splice_model,
    unseal,
)
from dragoman.protocols.gemini_generate.reply import decode_reply, encode_reply
from dragoman.protocols.gemini_generate.request import decode_count, decode_request
from dragoman.protocols.gemini_generate.request_encoder import encode_count_request, encode_request
from dragoman.protocols.gemini_generate.stream_decoder import ContentDecoder
from dragoman.protocols.gemini_generate.stream_encoder import ContentEncoder
from dragoman.protocols.gemini_generate.wire import NAME
from dragoman.wire.json_array import JsonArray
from dragoman.wire.sse import SseReader

_VERSIONS: Final = ("/v1beta", "/v1")
_UNSERVED: Final = ("embedContent", "batchEmbedContents", "batchGenerateContent", "predict", "predictLongRunning")
_COLLECTIONS: Final = ("models/", "tunedModels/")


def _endpoints(version: str) -> tuple[Endpoint, ...]:
    models = f"{version}/models"
    return (
        *_turns(models),
        Endpoint("GET", models, Operation.MODELS),
        Endpoint("GET", f"{models}/{{model}}", Operation.MODEL),
        *(Endpoint("POST", f"{models}/{{model}}:{name}", Operation.UNSERVED) for name in _UNSERVED),
        # @ai-sdk/google takes an id with a slash for a whole place, as `tunedModels/x` is one, and leaves out the collection.
        *_turns(version),
    )


def _turns(collection: str) -> tuple[Endpoint, ...]:
    return (
        Endpoint("POST", f"{collection}/{{model}}:generateContent", Operation.GENERATE, streams=False),
        Endpoint("POST", f"{collection}/{{model}}:streamGenerateContent", Operation.GENERATE, streams=True),
        Endpoint("POST", f"{collection}/{{model}}:countTokens", Operation.COUNT, streams=False),
    )


def _place(model: str) -> str:
    """Return where a model stands; its id may name the collection itself, and hold slashes."""
    collection = "" if model.startswith(_COLLECTIONS) else _COLLECTIONS[0]
    return f"/{collection}{quote(model, safe='/@')}"


def _path(model: str, streams: bool) -> str:  # noqa: FBT001 - the record's form
    method = "streamGenerateContent?alt=sse" if streams else "generateContent"
    return f"{_place(model)}:{method}"


def _count_path(model: str) -> str:
    return f"{_place(model)}:countTokens"


def _sign_in(key: str) -> tuple[tuple[str, str], ...]:
    return (("x-goog-api-key", key),)


PROTOCOL: Final = Codec(
    name=NAME,
    title="Gemini",
    endpoints=tuple(endpoint for version in _VERSIONS for endpoint in _endpoints(version)),
    path=_path,
    count_path=_count_path,
    sign_in=_sign_in,
    headers=lambda _dialect: (),
    encode_request=encode_request,
    decode_reply=decode_reply,
    stream_decoder=ContentDecoder,
    framing=SseReader,
    decode_failure=decode_failure,
    decode_request=decode_request,
    encode_reply=encode_reply,
    stream_encoder=ContentEncoder,
    encode_failure=encode_failure,
    failure_status=failure_status,
    encode_failure_event=encode_failure_event,
    encode_models=encode_models,
    encode_model=encode_model,
    encode_page=encode_page,
    encode_count=encode_count,
    heartbeat=b"",
    peek=peek,
    splice_model=splice_model,
    unseal=unseal,
    echo=echo,
    echo_whole=echo_whole,
    read_usage=read_usage,
    is_finished=is_finished,
    loses=LOSES,
    decode_count=decode_count,
    encode_count_request=encode_count_request,
    decode_count_reply=decode_count_reply,
    marks=("x-goog-api-key", "x-goog-api-client"),
    tool_names_begin_with_letter=True,
    array_of=JsonArray,
    places=Places(
        "contents",
        "parts",
        {
            "messages": "contents",
            "system": "systemInstruction",
            "tool_choice": "toolConfig.functionCallingConfig",
            "n": "generationConfig.candidateCount",
            "max_tokens": "generationConfig.maxOutputTokens",
            "temperature": "generationConfig.temperature",
            "top_p": "generationConfig.topP",
            "top_k": "generationConfig.topK",
            "stop": "generationConfig.stopSequences",
            "seed": "generationConfig.seed",
            "frequency_penalty": "generationConfig.frequencyPenalty",
            "presence_penalty": "generationConfig.presencePenalty",
            "reasoning": "generationConfig.thinkingConfig",
            "response_format": "generationConfig.responseJsonSchema",
            "schema": "generationConfig.responseJsonSchema",
        },
    ),
)
