"""An upstream's whole reply to the IR. https://platform.openai.com/docs/api-reference/responses/object."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec import Raw

from dragoman.codec import Source
from dragoman.ir.failures import DragomanError, RequestError, UpstreamProtocolError
from dragoman.ir.reply import Finish, Reply
from dragoman.ir.request import Audio, Block, Document, Reasoning, Refusal, Text, ToolCall, ToolKind, ToolResult
from dragoman.ir.seals import Seal
from dragoman.protocols.openai_responses.endings import decode_finish, decode_usage
from dragoman.protocols.openai_responses.item_decoding import ItemReader
from dragoman.protocols.openai_responses.sealing import issued
from dragoman.protocols.openai_responses.wire import is_given
from dragoman.protocols.openai_responses.wire_replies import WireResponse
from dragoman.vendors.openai.errors import decode_error
from dragoman.wire.arguments import as_object, is_object
from dragoman.wire.pages import page_failure
from dragoman.wire.reading import UNREADABLE, check_text


class _Count(msgspec.Struct):
    input_tokens: int


_count_of: Final = msgspec.json.Decoder(_Count).decode
_response_of: Final = msgspec.json.Decoder(WireResponse).decode
_UNFINISHED: Final = frozenset({"queued", "in_progress"})


def decode_reply(data: bytes, source: Source) -> Reply:
    """Return the reply in the IR. Raises DragomanError for an error that came with status 200, and for what is no reply."""
    try:
        check_text(data)
        response = _response_of(data)
    except msgspec.ValidationError as error:
        raise UpstreamProtocolError(f"the upstream's reply has an unexpected form: {error}") from None
    except UNREADABLE:
        raise DragomanError(page_failure(200, data)) from None
    if is_given(response.error):
        raise DragomanError(decode_error(response.error))
    if response.output is None:
        excerpt = data[:200].decode(errors="replace")
        raise UpstreamProtocolError(f"the upstream's reply has no `output`: `{excerpt}`")
    require_end(response)
    read = OutputReader(source).read
    said = (block for place, raw in enumerate(response.output) for block in read(raw, place))
    blocks = [block for block in said if says_something(block)]
    has_calls = any(isinstance(block, ToolCall) for block in blocks)
    has_refusal = any(isinstance(block, Refusal) for block in blocks)
    finish, word = decode_finish(response, has_calls=has_calls, has_refusal=has_refusal)
    return Reply(
        response.id or "",
        response.model or source.model,
        tuple(_finished(blocks, finish)),
        finish,
        decode_usage(response.usage),
        word,
    )


def require_end(response: WireResponse) -> None:
    """Raise UpstreamProtocolError for a response that is not over: nobody here waits for what goes on in the background."""
    if response.status in _UNFINISHED:
        raise UpstreamProtocolError(f"the upstream's response is still `{response.status}`")
    if response.status in ("failed", "cancelled"):
        raise UpstreamProtocolError(f"the upstream's response has `{response.status}`, and it does not say why")


class OutputReader:
    """Reads the items of an upstream's output."""

    __slots__ = ("_items",)

    def __init__(self, source: Source) -> None:
        def seal(encrypted: str | None, id: str | None) -> Seal:
            return issued(encrypted, id, source)

        self._items = ItemReader(lambda _path, _value: None, seal)

    def read(self, raw: Raw, place: int) -> Sequence[Block]:
        """Return the blocks of the item at `place`, empty ones included.

        Raises UpstreamProtocolError for one that cannot be read.
        """
        try:
            _, blocks = self._items.read(raw, f"output[{place}]")
        except RequestError as error:
            raise UpstreamProtocolError(f"the upstream's {error.failure.message}") from None
        return blocks


def says_something(block: Block) -> bool:
    """Tell whether there is anything in a block that a model may say."""
    match block:
        case Text(text=text, citations=citations):
            return bool(text or citations)
        case Refusal(text=text):
            return bool(text)
        case Reasoning(parts=parts, is_redacted=is_redacted):
            return bool(parts) or is_redacted
        case Document() | Audio() | ToolResult():
            return False  # nothing that a model says
        case _:
            return True


def _finished(blocks: Sequence[Block], finish: Finish) -> Iterable[Block]:
    """Yield the blocks, calls with whole arguments. What the token limit cut off is left out: nobody may run it."""
    for block in blocks:
        if not isinstance(block, ToolCall) or block.kind is ToolKind.CUSTOM:
            yield block
        elif finish is not Finish.LENGTH or is_object(block.arguments):
            arguments, _ = as_object(block.arguments)
            yield msgspec.structs.replace(block, arguments=bytes(arguments).decode())


def decode_count_reply(data: bytes) -> int:
    """Return the count in the answer to a token count. Raises msgspec.DecodeError when there is none."""
    return _count_of(data).input_tokens
