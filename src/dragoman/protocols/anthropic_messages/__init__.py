"""Anthropic Messages, as clients and upstreams speak it. https://platform.claude.com/docs/en/api/messages."""

from typing import Final

from dragoman.codec import Codec, Endpoint, Operation, Places
from dragoman.dialects import Dialect
from dragoman.protocols.anthropic_messages.errors import (
    decode_failure,
    encode_failure,
    encode_failure_event,
    failure_status,
)
from dragoman.protocols.anthropic_messages.listing import (
    decode_count_reply,
    encode_count,
    encode_model,
    encode_models,
    encode_page,
)
from dragoman.protocols.anthropic_messages.losses import LOSES
from dragoman.protocols.anthropic_messages.raw import is_finished, peek, read_usage, unseal
from dragoman.protocols.anthropic_messages.reply import decode_reply, encode_reply
from dragoman.protocols.anthropic_messages.request import decode_count, decode_request
from dragoman.protocols.anthropic_messages.request_encoder import encode_count_request, encode_request
from dragoman.protocols.anthropic_messages.stream_decoder import MessageDecoder
from dragoman.protocols.anthropic_messages.stream_encoder import HEARTBEAT, MessageEncoder
from dragoman.protocols.anthropic_messages.wire import NAME
from dragoman.wire.splicing import ModelEcho, echo_whole, splice_model
from dragoman.wire.sse import SseReader

_MESSAGES: Final = ("/v1/messages", "/messages", "/anthropic/v1/messages")


def _path(_model: str, _streams: bool) -> str:  # noqa: FBT001 - the record's form
    return "/v1/messages"


def _count_path(_model: str) -> str:
    return "/v1/messages/count_tokens"


def _sign_in(key: str) -> tuple[tuple[str, str], ...]:
    return (("x-api-key", key),)


def _headers(dialect: Dialect) -> tuple[tuple[str, str], ...]:
    return (("anthropic-version", dialect.anthropic_version),)


def _echo(model: str) -> ModelEcho:
    return ModelEcho(model, once=True)


PROTOCOL: Final = Codec(
    name=NAME,
    title="Anthropic Messages",
    endpoints=(
        *(Endpoint("POST", path, Operation.GENERATE) for path in _MESSAGES),
        *(Endpoint("POST", f"{path}/count_tokens", Operation.COUNT, streams=False) for path in _MESSAGES),
        Endpoint("GET", "/v1/models", Operation.MODELS),
        Endpoint("GET", "/v1/models/{model}", Operation.MODEL),
    ),
    path=_path,
    count_path=_count_path,
    sign_in=_sign_in,
    headers=_headers,
    encode_request=encode_request,
    decode_reply=decode_reply,
    stream_decoder=MessageDecoder,
    framing=SseReader,
    decode_failure=decode_failure,
    decode_request=decode_request,
    encode_reply=encode_reply,
    stream_encoder=MessageEncoder,
    encode_failure=encode_failure,
    failure_status=failure_status,
    encode_failure_event=encode_failure_event,
    encode_models=encode_models,
    encode_model=encode_model,
    encode_count=encode_count,
    heartbeat=HEARTBEAT,
    peek=peek,
    splice_model=splice_model,
    unseal=unseal,
    echo=_echo,
    echo_whole=echo_whole,
    read_usage=read_usage,
    is_finished=is_finished,
    loses=LOSES,
    decode_count=decode_count,
    encode_count_request=encode_count_request,
    decode_count_reply=decode_count_reply,
    own_headers=("anthropic-beta",),
    caches_by_breakpoint=True,
    names_input_early=True,
    marks=("anthropic-version", "x-api-key"),
    lists_claude_shaped=True,
    encode_page=encode_page,
    places=Places(
        "messages",
        "content",
        {
            "stop": "stop_sequences",
            "response_format": "output_config.format",
            "schema": "output_config.format.schema",
            "reasoning": "thinking",
            "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
            "user": "metadata.user_id",
        },
        inner="content",
    ),
)
