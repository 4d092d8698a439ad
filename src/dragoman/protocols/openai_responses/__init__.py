"""OpenAI Responses, as clients and upstreams speak it. https://platform.openai.com/docs/api-reference/responses."""

from typing import Final

from dragoman.codec import Codec, Endpoint, Operation, Places, Storage
from dragoman.protocols.openai_responses.errors import encode_failure_event
from dragoman.protocols.openai_responses.losses import LOSES
from dragoman.protocols.openai_responses.raw import echo, is_finished, peek, read_usage, unseal
from dragoman.protocols.openai_responses.reply_decoding import decode_count_reply, decode_reply
from dragoman.protocols.openai_responses.reply_encoding import encode_reply
from dragoman.protocols.openai_responses.request_decoding import decode_count, decode_request
from dragoman.protocols.openai_responses.request_encoding import encode_count_request, encode_request
from dragoman.protocols.openai_responses.storage import (
    ENDS,
    encode_deleted,
    keeps,
    kept,
    linked,
    missing,
    references,
    spliced,
    unknown,
)
from dragoman.protocols.openai_responses.stream_decoding import ResponseStreamDecoder
from dragoman.protocols.openai_responses.stream_encoding import ResponseStreamEncoder
from dragoman.protocols.openai_responses.wire import ORIGIN
from dragoman.vendors.openai.errors import decode_failure, encode_failure, failure_status
from dragoman.vendors.openai.models import encode_count, encode_model, encode_models
from dragoman.wire.splicing import echo_whole, splice_model
from dragoman.wire.sse import SseReader, comment

_RESPONSES: Final = ("/v1/responses", "/responses")

PROTOCOL: Final = Codec(
    name=ORIGIN,
    title="OpenAI Responses",
    endpoints=(
        *(Endpoint("POST", path, Operation.GENERATE) for path in _RESPONSES),
        *(Endpoint("POST", f"{path}/input_tokens", Operation.COUNT, streams=False) for path in _RESPONSES),
        *(Endpoint("POST", f"{path}/compact", Operation.COMPACT, streams=False) for path in _RESPONSES),
        *(Endpoint("GET", f"{path}/{{id}}", Operation.RETRIEVE) for path in _RESPONSES),
        *(Endpoint("DELETE", f"{path}/{{id}}", Operation.DELETE) for path in _RESPONSES),
    ),
    path=lambda _model, _streams: "/responses",
    count_path=lambda _model: "/responses/input_tokens",
    sign_in=lambda key: (("authorization", f"Bearer {key}"),),
    headers=lambda _dialect: (),
    encode_request=encode_request,
    decode_reply=decode_reply,
    stream_decoder=ResponseStreamDecoder,
    framing=SseReader,
    decode_failure=decode_failure,
    decode_request=decode_request,
    encode_reply=encode_reply,
    stream_encoder=ResponseStreamEncoder,
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
    decode_count=decode_count,
    encode_count_request=encode_count_request,
    decode_count_reply=decode_count_reply,
    has_namespaces=True,
    caches_by_key=True,
    takes_stop=False,
    repeats_request=True,
    storage=Storage(
        references=references,
        spliced=spliced,
        linked=linked,
        keeps=keeps,
        kept=kept,
        ends=ENDS,
        missing=missing,
        unknown=unknown,
        encode_deleted=encode_deleted,
    ),
    compact_path="/responses/compact",
    places=Places(
        "input",
        "content",
        {
            "messages": "input",
            "system": "instructions",
            "max_tokens": "max_output_tokens",
            "response_format": "text.format",
            "schema": "text.format.schema",
        },
        answer="output",
    ),
)
