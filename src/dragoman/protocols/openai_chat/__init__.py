"""OpenAI Chat Completions and the extensions that its many servers share.

https://platform.openai.com/docs/api-reference/chat
"""

from typing import Final

from dragoman.codec import Codec, Endpoint, Operation, Places
from dragoman.protocols.openai_chat.losses import LOSES
from dragoman.protocols.openai_chat.raw import (
    HideUsage,
    echo,
    is_finished,
    peek,
    read_usage,
    really,
    splice_asking,
    unseal,
)
from dragoman.protocols.openai_chat.reply_decoding import decode_reply
from dragoman.protocols.openai_chat.reply_encoding import encode_reply
from dragoman.protocols.openai_chat.request_decoding import decode_request
from dragoman.protocols.openai_chat.request_encoding import encode_request
from dragoman.protocols.openai_chat.stream_decoding import ChatStreamDecoder
from dragoman.protocols.openai_chat.stream_encoding import ChatStreamEncoder
from dragoman.protocols.openai_chat.wire import ORIGIN
from dragoman.vendors.openai.errors import decode_failure, encode_failure, encode_failure_event, failure_status
from dragoman.vendors.openai.models import encode_count, encode_model, encode_models
from dragoman.wire.splicing import echo_whole, splice_model
from dragoman.wire.sse import SseReader, comment

PROTOCOL: Final = Codec(
    name=ORIGIN,
    title="OpenAI Chat",
    endpoints=(
        Endpoint("POST", "/v1/chat/completions", Operation.GENERATE),
        Endpoint("POST", "/chat/completions", Operation.GENERATE),
        Endpoint("GET", "/v1/models", Operation.MODELS),
        Endpoint("GET", "/models", Operation.MODELS),
        Endpoint("GET", "/v1/models/{model}", Operation.MODEL),
    ),
    path=lambda _model, _streams: "/chat/completions",
    count_path=lambda _model: None,
    sign_in=lambda key: (("authorization", f"Bearer {key}"),),
    headers=lambda _dialect: (),
    encode_request=encode_request,
    decode_reply=decode_reply,
    stream_decoder=ChatStreamDecoder,
    framing=SseReader,
    decode_failure=decode_failure,
    decode_request=decode_request,
    encode_reply=encode_reply,
    stream_encoder=ChatStreamEncoder,
    encode_failure=encode_failure,
    failure_status=failure_status,
    encode_failure_event=encode_failure_event,
    encode_models=encode_models,
    encode_model=encode_model,
    encode_count=encode_count,
    heartbeat=comment("keepalive"),
    peek=peek,
    splice_model=splice_model,
    unseal=unseal,
    echo=echo,
    echo_whole=echo_whole,
    read_usage=read_usage,
    is_finished=is_finished,
    loses=LOSES,
    splice_asking=splice_asking,
    hide_usage=HideUsage,
    really=really,
    caches_by_key=True,
    places=Places(
        "messages",
        "content",
        {"schema": "response_format.json_schema.schema", "reasoning": "reasoning_effort"},
        answer="content",
    ),
)
