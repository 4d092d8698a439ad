"""Blocks of a request, from the wire to the IR: one message at a time, each on its own."""

from typing import Final, assert_never

import msgspec
from msgspec import Raw

from dragoman.ir.failures import RequestError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import (
    Base64Data,
    Block,
    BlockContent,
    CacheBreakpoint,
    Citation,
    Document,
    FileId,
    Foreign,
    Image,
    Message,
    PlainText,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
    UrlData,
)
from dragoman.protocols.anthropic_messages import sealing, wire
from dragoman.protocols.anthropic_messages.carried import is_present
from dragoman.protocols.anthropic_messages.foreign import foreign
from dragoman.protocols.anthropic_messages.ids import original_id
from dragoman.protocols.anthropic_messages.wire import NAME
from dragoman.wire.carried import checked, object_text, typed
from dragoman.wire.media import decode_file, standard_base64, standard_type
from dragoman.wire.reading import UNREADABLE, read

_plain_message: Final = msgspec.json.Decoder(wire.PlainMessage).decode
_any_message: Final = msgspec.json.Decoder(wire.AnyMessage)
_block: Final = msgspec.json.Decoder(wire.RequestBlock)
_result_block: Final = msgspec.json.Decoder(wire.ResultBlock)
_text_block: Final = msgspec.json.Decoder(wire.TextBlock)
_tag: Final = msgspec.json.Decoder(wire.Tag)
_citation: Final = msgspec.json.Decoder(dict[str, object]).decode

_BLOCK_TYPES: Final = frozenset(
    {"text", "tool_use", "tool_result", "thinking", "image", "document", "redacted_thinking"}
)
_RESULT_TYPES: Final = frozenset({"text", "image", "document"})
_SYSTEM_TYPES: Final = frozenset({"text"})

_ROLES: Final[dict[wire.Role, Role]] = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}


def decode_message(raw: Raw, path: str, ledger: Ledger) -> tuple[Message, bool]:
    """Return the message and whether it is only shown until the next user message."""
    try:
        plain = _plain_message(raw)
    except UNREADABLE:
        return _decode_piecewise(raw, path, ledger)
    return Message(_ROLES[plain.role], _content(plain.content, path, ledger)), False


def _content(content: str | list[wire.RequestBlock], path: str, ledger: Ledger) -> tuple[Block, ...]:
    if isinstance(content, str):
        return (Text(content),) if content else ()
    return tuple([_to_block(block, path, place, ledger) for place, block in enumerate(content)])


def _decode_piecewise(raw: Raw, path: str, ledger: Ledger) -> tuple[Message, bool]:
    """Read a message in which something is unknown, or wrong, block by block."""
    message = read(_any_message, raw, path, ledger)
    if message.output_config:
        ledger.dropped(
            "turn_effort", f"{path}.output_config", "effort for one turn; only the request as a whole has one here"
        )
    content = message.content
    if content is None and message.role != "system":
        raise RequestError(f"`{path}.content`: Field required", param=f"{path}.content")
    if isinstance(content, str):
        blocks: tuple[Block, ...] = (Text(content),) if content else ()
    else:
        blocks = tuple(
            _block_of(item, f"{path}.content[{place}]", path, place, ledger) for place, item in enumerate(content or ())
        )
    return Message(_ROLES[message.role], blocks), message.clear_at == "next_user_message"


def _block_of(raw: Raw, where: str, path: str, place: int, ledger: Ledger) -> Block:
    kind = read(_tag, raw, where, ledger).type
    if kind not in _BLOCK_TYPES:
        return _to_foreign(kind, raw, where)
    return _to_block(read(_block, raw, where, ledger), path, place, ledger)


def decode_system(raw: wire.Carried, ledger: Ledger) -> tuple[Text | Foreign, ...]:
    """Return the system prompt, a string or blocks."""
    if not is_present(raw):
        return ()
    if bytes(raw).startswith(b'"'):
        text = read(_string, raw, "system", ledger)
        return (Text(text),) if text else ()
    items = read(_items, raw, "system", ledger)
    return tuple(_system_block(item, f"system[{place}]", ledger) for place, item in enumerate(items))


_string: Final = msgspec.json.Decoder(str)
_items: Final = msgspec.json.Decoder(list[Raw])


def _system_block(raw: Raw, where: str, ledger: Ledger) -> Text | Foreign:
    kind = read(_tag, raw, where, ledger).type
    if kind not in _SYSTEM_TYPES:
        return _to_foreign(kind, raw, where)
    return _to_text(read(_text_block, raw, where, ledger))


def _to_block(block: wire.RequestBlock, path: str, place: int, ledger: Ledger) -> Block:
    match block:
        case wire.TextBlock():
            return _to_text(block)
        case wire.ToolUseBlock(id, name, arguments, cache_control, caller):
            if caller is not None and caller.type != "direct":
                ledger.dropped(
                    "tool_caller", f"{path}.content[{place}].caller", "only Anthropic knows who else may call"
                )
            text = object_text(arguments, f"{path}.content[{place}].input") if isinstance(arguments, Raw) else "{}"
            return ToolCall(original_id(id), name, text, cache=to_breakpoint(cache_control))
        case wire.ToolResultBlock():
            return _to_result(block, f"{path}.content[{place}]", ledger)
        case wire.ThinkingBlock(thinking, signature):
            return Reasoning((thinking,) if thinking else (), seal=sealing.received(signature))
        case wire.RedactedThinkingBlock(data):
            return Reasoning(is_redacted=True, seal=sealing.received(data, sealing.REDACTED))
        case wire.ImageBlock():
            return _to_image(block, f"{path}.content[{place}]")
        case wire.DocumentBlock():
            return _to_document(block, f"{path}.content[{place}]")
        case _:
            assert_never(block)


def _to_foreign(kind: str, raw: Raw, where: str) -> Foreign:
    shape = wire.FOREIGN_BLOCKS.get(kind)
    return foreign(kind, checked(raw, where) if shape is None else typed(raw, shape, where))


def _to_result(block: wire.ToolResultBlock, where: str, ledger: Ledger) -> ToolResult:
    content = block.content
    blocks: tuple[Text | Image | Document | Foreign, ...]
    if isinstance(content, str):
        blocks = (Text(content),) if content else ()
    else:
        blocks = tuple(
            _to_result_block(item, f"{where}.content[{place}]", ledger) for place, item in enumerate(content or ())
        )
    return ToolResult(
        original_id(block.tool_use_id), blocks, bool(block.is_error), cache=to_breakpoint(block.cache_control)
    )


def _to_result_block(raw: Raw, where: str, ledger: Ledger) -> Text | Image | Document | Foreign:
    kind = read(_tag, raw, where, ledger).type
    if kind not in _RESULT_TYPES:
        return _to_foreign(kind, raw, where)
    block = read(_result_block, raw, where, ledger)
    match block:
        case wire.TextBlock():
            return _to_text(block)
        case wire.ImageBlock():
            return _to_image(block, where)
        case wire.DocumentBlock():
            return _to_document(block, where)
        case _:
            assert_never(block)


def _to_text(block: wire.TextBlock) -> Text:
    if block.cache_control is None and not block.citations:
        return Text(block.text)
    return Text(block.text, to_citations(block.citations), to_breakpoint(block.cache_control))


def _to_image(block: wire.ImageBlock, where: str) -> Image:
    source: Base64Data | UrlData | FileId
    match block.source:
        case wire.Base64Source(media_type, data):
            kind = standard_type(media_type, f"{where}.source.media_type", "image/")
            source = Base64Data(kind, standard_base64(data, f"{where}.source.data"))
        case wire.UrlSource() | wire.FileSource() as place:
            source = _to_place(place)
        case _:
            assert_never(block.source)
    return Image(source, cache=to_breakpoint(block.cache_control))


def _to_place(source: wire.UrlSource | wire.FileSource) -> UrlData | FileId:
    match source:
        case wire.UrlSource(url):
            return UrlData(url)
        case wire.FileSource(file_id):
            return FileId(NAME, file_id)
        case _:
            assert_never(source)


def _to_document(block: wire.DocumentBlock, where: str) -> Document:
    source: Base64Data | UrlData | FileId | PlainText | BlockContent
    match block.source:
        case wire.TextSource(data):
            source = PlainText(data)
        case wire.ContentSource(str(text)):
            source = BlockContent((Text(text),))
        case wire.ContentSource(list(blocks)):
            source = BlockContent(
                tuple(
                    _to_text(item)
                    if isinstance(item, wire.TextBlock)
                    else _to_image(item, f"{where}.source.content[{place}]")
                    for place, item in enumerate(blocks)
                )
            )
        case wire.ContentSource():
            source = BlockContent(())
        case wire.Base64Source(media_type, data):
            source = decode_file(media_type, data, f"{where}.source.data", f"{where}.source.media_type")
        case wire.UrlSource() | wire.FileSource() as file:
            source = _to_place(file)
        case _:
            assert_never(block.source)
    return Document(
        source,
        block.title,
        block.context,
        None if block.citations is None else block.citations.enabled,
        to_breakpoint(block.cache_control),
    )


def to_breakpoint(cache: wire.CacheControl | None) -> CacheBreakpoint | None:
    """Return the cache breakpoint that `cache_control` sets."""
    return None if cache is None else CacheBreakpoint(cache.ttl)


def to_citations(citations: list[Raw] | None) -> tuple[Citation, ...]:
    """Return the citations of a text, of a request or a reply."""
    return tuple(map(to_citation, citations)) if citations else ()


def to_citation(raw: Raw) -> Citation:
    """Return one citation: what it points at where that is known, and the whole as it came."""
    try:
        fields = _citation(raw)
    except (msgspec.DecodeError, RecursionError):
        return Citation(NAME, raw)
    url = fields.get("url") or fields.get("source")
    title = fields.get("title") or fields.get("document_title")
    index = fields.get("encrypted_index")
    known = sealing.received_citation(index) if isinstance(index, str) else None
    origin, own = (known.origin, known.raw) if known else (NAME, raw)
    return Citation(origin, own, url if isinstance(url, str) else None, title if isinstance(title, str) else None)
