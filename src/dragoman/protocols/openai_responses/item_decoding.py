"""Items to blocks of the IR: those of a client's input and those of an upstream's output are the same.

https://platform.openai.com/docs/api-reference/responses/object
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar, assert_never

import msgspec
from msgspec import Raw

from dragoman.ir.failures import RequestError
from dragoman.ir.request import (
    Audio,
    Base64Data,
    Block,
    CacheBreakpoint,
    Citation,
    Document,
    FileId,
    Image,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
)
from dragoman.ir.seals import Seal
from dragoman.protocols.openai_responses.foreign import foreign, web_search
from dragoman.protocols.openai_responses.native import search_call, shell_call
from dragoman.protocols.openai_responses.sealing import phase_seal
from dragoman.protocols.openai_responses.wire import ORIGIN
from dragoman.protocols.openai_responses.wire_items import (
    ADDITIONAL_TOOLS,
    CALL_OUTPUT,
    CUSTOM_CALL,
    FUNCTION_CALL,
    KIND,
    LOCAL_SHELL_CALL,
    MESSAGE,
    REASONING,
    TOOL_SEARCH_CALL,
    TOOL_SEARCH_OUTPUT,
    CacheMark,
    CallOutputItem,
    ContentPart,
    InputAudio,
    InputFile,
    InputImage,
    InputText,
    MessageItem,
    OutputText,
    PlainText,
    ReasoningItem,
    RefusalPart,
    ResultPart,
    ThoughtPart,
)
from dragoman.vendors.openai.files import decode_file_data, decode_image_url, decode_url
from dragoman.wire.media import standard_base64
from dragoman.wire.reading import UNREADABLE, read_with

T = TypeVar("T")

NO_BLOCKS: Final[tuple[Block, ...]] = ()
_ROLES: Final = {role.value: role for role in Role}


class UrlCitation(msgspec.Struct, frozen=True, gc=False):
    """A page that the answer comes from."""

    type: str = ""
    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class GeneratedImage(msgspec.Struct, frozen=True, gc=False):
    """A picture that the model made."""

    result: str | None = None
    output_format: str | None = None


_citation_of: Final = msgspec.json.Decoder(UrlCitation).decode
_image_of: Final = msgspec.json.Decoder(GeneratedImage).decode


class ItemReader:
    """Reads the items of one list. `tools` are those that items bring along, each with its path.

    `unknown` is told of fields that the gateway does not know; `seal_of` makes a seal of `encrypted_content` and the item's id.
    """

    __slots__ = ("_call_ids", "_seal_of", "_unknown", "tools")

    def __init__(
        self, unknown: Callable[[str, Raw], None], seal_of: Callable[[str | None, str | None], Seal | None]
    ) -> None:
        self._unknown = unknown
        self._seal_of = seal_of
        self._call_ids: dict[str, str] = {}
        self.tools: list[tuple[Raw, str]] = []

    def read(self, raw: Raw, path: str) -> tuple[Role, tuple[Block, ...]]:
        """Return who says the item at `path`, and what. Raises RequestError naming the field that is wrong."""
        kind = read_with(KIND, raw, path, _ignore)
        match kind.type:
            case "message":
                return self._message(raw, path)
            case "function_call":
                call = self._as(FUNCTION_CALL, raw, path)
                return Role.ASSISTANT, (ToolCall(call.call_id, call.name, call.arguments, namespace=call.namespace),)
            case "function_call_output" | "local_shell_call_output":
                return Role.USER, (self._output(raw, path, ToolKind.FUNCTION),)
            case "reasoning":
                return Role.ASSISTANT, self._reasoning(self._as(REASONING, raw, path))
            case "custom_tool_call":
                custom = self._as(CUSTOM_CALL, raw, path)
                said = ToolCall(custom.call_id, custom.name, custom.input, ToolKind.CUSTOM, custom.namespace)
                return Role.ASSISTANT, (said,)
            case "custom_tool_call_output":
                return Role.USER, (self._output(raw, path, ToolKind.CUSTOM),)
            case None if kind.role is not None:
                return self._message(raw, path)
            case "item_reference" | None if kind.id is not None:
                raise not_found(kind.id, path)
            case None:
                raise RequestError(f"`{path}` has neither a `type` nor a `role`", param=f"{path}.type")
            case _:
                return self._other(kind.type, raw, path)

    def _as(self, decoder: msgspec.json.Decoder[T], raw: Raw, path: str) -> T:
        return read_with(decoder, raw, path, self._unknown)

    def _other(self, kind: str, raw: Raw, path: str) -> tuple[Role, tuple[Block, ...]]:
        """Return what is rarer."""
        match kind:
            case "local_shell_call":
                shell = self._as(LOCAL_SHELL_CALL, raw, path)
                call = shell_call(shell)
                self._call_ids[shell.id or ""] = call.id
                return Role.ASSISTANT, (call,)
            case "tool_search_call":
                search = self._as(TOOL_SEARCH_CALL, raw, path)
                if search.execution == "server":
                    return Role.ASSISTANT, (foreign(kind, raw),)
                return Role.ASSISTANT, (search_call(search),)
            case "tool_search_output":
                return self._found_tools(raw, path)
            case "additional_tools":
                item = self._as(ADDITIONAL_TOOLS, raw, path)
                self.tools += ((tool, f"{path}.tools[{place}]") for place, tool in enumerate(item.tools))
                return Role.DEVELOPER, NO_BLOCKS
            case "web_search_call":
                return Role.ASSISTANT, (web_search(raw),)
            case "image_generation_call":
                return Role.ASSISTANT, (_picture(raw),)
            case _ if kind.endswith(("_output", "_response")):
                return Role.USER, (foreign(kind, raw),)
            case _:
                return Role.ASSISTANT, (foreign(kind, raw),)

    # Messages

    def _message(self, raw: Raw, path: str) -> tuple[Role, tuple[Block, ...]]:
        message: MessageItem = self._as(MESSAGE, raw, path)
        content, seal = message.content, phase_seal(message.phase)
        if isinstance(content, str):
            return _ROLES[message.role], (Text(content, seal=seal),)
        where = f"{path}.content"
        blocks = tuple(decode_part(part, f"{where}[{place}]") for place, part in enumerate(content))
        if seal is not None:
            blocks = tuple(
                msgspec.structs.replace(block, seal=seal) if isinstance(block, Text) else block for block in blocks
            )
        return _ROLES[message.role], blocks

    # Reasoning

    def _reasoning(self, item: ReasoningItem) -> tuple[Block, ...]:
        words, is_summary = _texts(item.content), False
        if not words:
            words, is_summary = _texts(item.summary), True
        seal = self._seal_of(item.encrypted_content, item.id)
        if not words and (seal is None or not item.encrypted_content):
            return NO_BLOCKS
        # What another protocol's upstream sealed says by itself whether there were words.
        is_redacted = not words and seal is not None and seal.protocol == ORIGIN
        return (Reasoning(words, is_summary and bool(words), is_redacted, seal),)

    # What tools answer

    def _output(self, raw: Raw, path: str, kind: ToolKind) -> ToolResult:
        item: CallOutputItem = self._as(CALL_OUTPUT, raw, path)
        call_id = item.call_id or self._call_ids.get(item.id or "") or item.id
        if not call_id:
            raise RequestError(f"`{path}` does not say which call it answers", param=f"{path}.call_id")
        return ToolResult(call_id, decode_result(item.output, f"{path}.output"), kind=kind)

    def _found_tools(self, raw: Raw, path: str) -> tuple[Role, tuple[Block, ...]]:
        item = self._as(TOOL_SEARCH_OUTPUT, raw, path)
        self.tools += ((tool, f"{path}.tools[{place}]") for place, tool in enumerate(item.tools))
        block = foreign("tool_search_output", raw)
        if item.execution == "server" or item.call_id is None:
            return Role.ASSISTANT, (block,)
        return Role.USER, (ToolResult(item.call_id, (block,)),)


def decode_result(output: str | Sequence[ResultPart] | None, path: str) -> tuple[Text | Image | Document | Audio, ...]:
    """Return the blocks of what a tool answered; nothing has none."""
    if not output:
        return ()
    if isinstance(output, str):
        return (Text(output),)
    return tuple(_decode_result_part(part, f"{path}[{place}]") for place, part in enumerate(output))


def decode_part(part: ContentPart, path: str) -> Text | Image | Document | Audio | Refusal:
    """Return the block that the part at `path` is."""
    return Refusal(part.refusal) if isinstance(part, RefusalPart) else _decode_result_part(part, path)


def _decode_result_part(part: ResultPart, path: str) -> Text | Image | Document | Audio:
    cache = _cache(part.prompt_cache_breakpoint)
    match part:
        case InputText(text=text) | PlainText(text=text):
            return Text(text, cache=cache)
        case OutputText(text=text, annotations=annotations):
            return Text(text, tuple(map(decode_citation, annotations or ())), cache)
        case InputImage(image_url=str(url), detail=detail):
            return Image(decode_image_url(url, f"{path}.image_url"), detail, cache)
        case InputImage(file_id=str(file_id), detail=detail):
            return Image(FileId(ORIGIN, file_id), detail, cache)
        case InputImage():
            raise RequestError(f"`{path}` has neither `image_url` nor `file_id`", param=f"{path}.image_url")
        case InputFile():
            return _decode_file(part, path, cache)
        case InputAudio(input_audio=audio):
            return Audio(standard_base64(audio.data, f"{path}.input_audio.data"), audio.format)
        case _:
            assert_never(part)


def _decode_file(part: InputFile, path: str, cache: CacheBreakpoint | None) -> Document:
    if part.file_id is not None:
        return Document(FileId(ORIGIN, part.file_id), part.filename, cache=cache)
    if part.file_url is not None:
        return Document(decode_url(part.file_url, f"{path}.file_url"), part.filename, cache=cache)
    if part.file_data is None:
        raise RequestError(f"`{path}` has no `file_data`, `file_url` or `file_id`", param=f"{path}.file_data")
    source = decode_file_data(part.file_data, part.filename, f"{path}.file_data")
    return Document(source, part.filename, cache=cache)


def decode_citation(raw: Raw) -> Citation:
    """Return an annotation as a citation, with what is known of the page."""
    try:
        page = _citation_of(raw)
    except UNREADABLE:
        return Citation(ORIGIN, raw)
    return Citation(ORIGIN, raw, page.url, page.title, page.start_index, page.end_index)


def not_found(id: str, path: str) -> RequestError:
    """Return the error for an item that is only named, and that nobody remembers."""
    return RequestError(
        f"Item with id '{id}' not found.", param=path, hint="send the item itself: the gateway does not have it"
    )


def _texts(parts: Sequence[ThoughtPart] | None) -> tuple[str, ...]:
    texts = [part.text for part in parts or ()]
    while texts and not texts[-1]:
        texts.pop()
    return tuple(texts)


def _picture(raw: Raw) -> Block:
    try:
        image = _image_of(raw)
    except UNREADABLE:
        return foreign("image_generation_call", raw)
    if not image.result:
        return foreign("image_generation_call", raw)
    return Image(Base64Data(f"image/{image.output_format or 'png'}", image.result))


def _cache(mark: CacheMark | None) -> CacheBreakpoint | None:
    # The IR has Anthropic's two lifetimes, of which the longer one is the nearest.
    return None if mark is None else CacheBreakpoint("1h" if mark.ttl == "12h" else None)


def _ignore(_path: str, _value: Any) -> None:  # noqa: ANN401 - any JSON
    """The shape is read again by the item's own type."""
