"""Messages of the IR to the items of an upstream's input.

https://platform.openai.com/docs/api-reference/responses/create#responses-create-input. An item has an id only where the upstream
gave it one: reasoning that it encrypted itself. The same history always gives the same items.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any, Final, assert_never

from dragoman.codec import Target
from dragoman.ir.failures import UnsupportedError
from dragoman.ir.request import (
    ATTRIBUTION,
    Audio,
    Base64Data,
    BlockContent,
    Document,
    FileId,
    Foreign,
    Image,
    Message,
    PlainText,
    Reasoning,
    Refusal,
    Request,
    Role,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
    UrlData,
)
from dragoman.protocols.openai_responses.losses import Notes
from dragoman.protocols.openai_responses.native import encode_call, native_kinds
from dragoman.protocols.openai_responses.sealing import phase_of, returnable
from dragoman.protocols.openai_responses.wire import ORIGIN
from dragoman.vendors.openai.files import data_url, file_name
from dragoman.vendors.openai.messages import nothing_to_send, require_messages
from dragoman.wire.arguments import as_object
from dragoman.wire.media import plain_text

Wire = dict[str, Any]
_Item = Reasoning | ToolCall | ToolResult | Foreign | Document | Image | Audio

_ERROR: Final = "Error: "
_LONGEST_ID: Final = 64
_HASH_LENGTH: Final = 8
_USER_TYPES: Final = ("function_call_output", "custom_tool_call_output")


def encode_system(request: Request, notes: Notes) -> str | None:
    """Return the system prompt as the request's instructions; None when there is none."""
    texts: list[str] = []
    for place, block in enumerate(request.system):
        path = f"system[{place}]"
        if isinstance(block, Foreign):
            texts += _foreign_text(block, path, notes)
        elif place == 0 and block.text.startswith(ATTRIBUTION):
            notes.add("attribution_block", path)
            continue
        elif block.text.strip():
            texts.append(block.text)
        if block.cache:
            notes.add("cache_control", path)
    return "\n\n".join(texts) or None


def encode_items(request: Request, target: Target, notes: Notes) -> list[Any]:
    """Return the items. Raises RequestError when there are none, UnsupportedError for a block that cannot be sent."""
    require_messages(request)
    written = _Writer(request, target, notes).write()
    if not written:
        raise nothing_to_send(request)
    return written


class _Writer:
    """Writes one request's items; `_out` grows."""

    __slots__ = ("_native", "_notes", "_out", "_request", "_target")

    def __init__(self, request: Request, target: Target, notes: Notes) -> None:
        self._request = request
        self._target = target
        self._notes = notes
        self._native = native_kinds(request)
        self._out: list[Any] = []

    def write(self) -> list[Any]:
        for place, message in enumerate(self._request.messages):
            if message.name:
                self._notes.add("message_name", f"messages[{place}].name")
            if message.role is Role.ASSISTANT:
                self._assistant(message, place)
            else:
                self._other(message, place)
        return self._without_lone_thoughts()

    def _without_lone_thoughts(self) -> list[Any]:
        """Return the items but for reasoning that leads to nothing."""
        out = self._out
        is_led_to = False
        kept: list[Any] = []
        for place in range(len(out) - 1, -1, -1):
            item = out[place]
            if not isinstance(item, dict):
                is_led_to = True
            elif item["type"] == "reasoning":
                if not is_led_to:
                    self._notes.add("reasoning_alone", f"input[{place}]")
                    continue
            else:
                is_led_to = item["type"] not in _USER_TYPES and item.get("role", "assistant") == "assistant"
            kept.append(item)
        kept.reverse()
        return kept

    # Assistant

    def _assistant(self, message: Message, index: int) -> None:
        content: list[Wire] = []
        phase: str | None = None
        for place, block in enumerate(message.blocks):
            path = f"messages[{index}].content[{place}]"
            if isinstance(block, Text):
                self._note_text(block, path)
                if phase_of(block.seal) != phase:
                    self._say(content, phase)
                    content, phase = [], phase_of(block.seal)
                if block.text:
                    content.append({"type": "output_text", "text": block.text})
            elif isinstance(block, Refusal):
                content.append({"type": "refusal", "refusal": block.text})
            else:
                self._say(content, phase)
                content = []
                self._assistant_item(block, path)
        self._say(content, phase)

    def _say(self, content: list[Wire], phase: str | None) -> None:
        if content:
            message: Wire = {"type": "message", "role": "assistant", "content": content}
            self._out.append({**message, "phase": phase} if phase else message)

    def _assistant_item(self, block: _Item, path: str) -> None:
        match block:
            case Reasoning():
                self._out += self._reasoning(block, path)
            case ToolCall():
                self._out += self._call(block, path)
            case Foreign(origin=origin, raw=raw) if origin == ORIGIN:
                self._out.append(raw)
            case Foreign():
                for text in _foreign_text(block, path, self._notes):
                    self._say([{"type": "output_text", "text": text}], None)
            case Document(source=PlainText(text=text)):
                self._say([{"type": "output_text", "text": text}], None)
            case Image() | Audio() | Document():
                self._notes.add("assistant_media", path)
            case ToolResult():
                self._notes.add("misplaced_block", path)
            case _:
                assert_never(block)

    def _reasoning(self, block: Reasoning, path: str) -> Iterator[Wire]:
        seal = block.seal
        if seal is None or not returnable(seal, self._target):
            self._notes.add("foreign_reasoning", path)
            return
        item: Wire = {"type": "reasoning"}
        if seal.form:
            item["id"] = seal.form
        if seal.data:
            item["summary"] = [{"type": "summary_text", "text": part} for part in block.parts]
            yield {**item, "encrypted_content": seal.data}
        elif self._target.dialect.plain_reasoning and block.text:
            yield {**item, "summary": [], "content": [{"type": "reasoning_text", "text": block.text}]}
        else:
            self._notes.add("foreign_reasoning", path)

    def _call(self, call: ToolCall, path: str) -> Iterator[Wire]:
        if call.seal:
            self._notes.add("foreign_reasoning", path)
        if call.cache:
            self._notes.add("cache_control", path)
        if call.kind is ToolKind.HOSTED:
            self._notes.add("foreign_block_dropped", path, f"`{call.name}`")
            return
        head: Wire = {"call_id": short_id(call.id), "name": call.name}
        if call.namespace:
            head["namespace"] = call.namespace
        if call.kind is ToolKind.CUSTOM:
            yield {"type": "custom_tool_call", **head, "input": call.arguments}
            return
        native = self._native.get(call.name) if not call.namespace else None
        item = encode_call(native, call, None) if native else None
        if item is not None:
            yield {**item, "call_id": head["call_id"]}
            return
        arguments, is_wrapped = as_object(call.arguments)
        if is_wrapped:
            self._notes.add("broken_arguments", path)
        yield {"type": "function_call", **head, "arguments": bytes(arguments).decode()}

    # Everybody else

    def _other(self, message: Message, index: int) -> None:
        is_user = message.role is Role.USER
        content: list[Wire] = []
        for place, block in enumerate(message.blocks):
            path = f"messages[{index}].content[{place}]"
            match block:
                case ToolResult() if is_user:
                    self._out += self._result(block, path)
                case Text():
                    self._note_text(block, path)
                    content.append(_input_text(block.text))
                case Refusal(text=text):
                    content.append(_input_text(text))
                case Foreign(origin=origin, raw=raw) if origin == ORIGIN and is_user:
                    self._out.append(raw)
                case Foreign() | Image() | Document() | Audio():
                    parts = self._parts(block, path)
                    if not is_user and any(part["type"] != "input_text" for part in parts):
                        self._notes.add("system_media", path)
                        parts = [part for part in parts if part["type"] == "input_text"]
                    content += parts
                case Reasoning():
                    self._notes.add("foreign_reasoning", path)
                case ToolCall() | ToolResult():
                    self._notes.add("misplaced_block", path)
                case _:
                    assert_never(block)
        if content:
            self._out.append({"type": "message", "role": str(message.role), "content": content})

    def _result(self, result: ToolResult, path: str) -> Iterator[Any]:
        if result.kind is ToolKind.HOSTED:
            self._notes.add("misplaced_block", path)
            return
        if result.cache:
            self._notes.add("cache_control", path)
        match result.blocks:
            case (Foreign(origin=origin, type="tool_search_output", raw=raw),) if origin == ORIGIN:
                yield raw
                return
            case _:
                pass
        parts = [
            part for place, block in enumerate(result.blocks) for part in self._parts(block, f"{path}.content[{place}]")
        ]
        if result.is_error:
            self._notes.add("tool_error_flag", path)
            parts = _as_error(parts)
        kind = "custom_tool_call_output" if result.kind is ToolKind.CUSTOM else "function_call_output"
        yield {"type": kind, "call_id": short_id(result.call_id), "output": _simplest(parts)}

    # Parts

    def _note_text(self, block: Text, path: str) -> None:
        if block.citations:
            self._notes.add("citations", path)
        if block.cache:
            self._notes.add("cache_control", path)
        if block.seal and phase_of(block.seal) is None:
            self._notes.add("foreign_reasoning", path)

    def _parts(self, block: Text | Image | Document | Audio | Foreign, path: str) -> list[Wire]:
        if not isinstance(block, Text | Audio) and block.cache:
            self._notes.add("cache_control", path)
        match block:
            case Text(text=text):
                self._note_text(block, path)
                return [_input_text(text)]
            case Image():
                return [_image_part(block, path)]
            case Document():
                return self._document_parts(block, path)
            case Foreign():
                return [_input_text(text) for text in _foreign_text(block, path, self._notes)]
            case Audio():
                raise UnsupportedError(f"`{path}` is sound, which Responses does not take", param=path)
            case _:
                assert_never(block)

    def _document_parts(self, document: Document, path: str) -> list[Wire]:
        """Return at least one part. There is no place for a document's context but in the words before it."""
        if document.citations:
            self._notes.add("citations", path)
        head = "\n".join(filter(None, (document.title, document.context)))
        file: Wire
        match document.source:
            case PlainText(text=text):
                return [_input_text(f"{head}\n{text}" if head else text)]
            case BlockContent(blocks=blocks):
                inner = [
                    part
                    for place, block in enumerate(blocks)
                    for part in self._parts(block, f"{path}.source.content[{place}]")
                ]
                return [_input_text(head), *inner] if head or not inner else inner
            case Base64Data() as source:
                if (words := plain_text(source)) is not None:
                    return [_input_text(f"{head}\n{words}" if head else words)]
                file = {"filename": file_name(document.title, source.media_type), "file_data": data_url(source)}
            case UrlData(url=url):
                file = {"file_url": url}
            case FileId(origin=origin, id=file_id) if origin == ORIGIN:
                file = {"file_id": file_id}
            case FileId():
                raise _uploaded_elsewhere(path)
            case _:
                assert_never(document.source)
        if not self._target.dialect.files:
            raise UnsupportedError(f"`{path}` is a file, and this model takes none", param=path)
        part: Wire = {"type": "input_file", **file}
        return [_input_text(document.context), part] if document.context else [part]


def short_id(id: str) -> str:
    """Return a call's id in the length that OpenAI takes, the same each time."""
    if len(id) <= _LONGEST_ID:
        return id
    digest = sha256(id.encode(errors="surrogatepass")).hexdigest()[:_HASH_LENGTH]
    return f"{id[: _LONGEST_ID - _HASH_LENGTH - 1]}_{digest}"


def _input_text(text: str) -> Wire:
    return {"type": "input_text", "text": text}


def _image_part(image: Image, path: str) -> Wire:
    part: Wire = {"type": "input_image", "detail": image.detail or "auto"}
    match image.source:
        case Base64Data() as source:
            return {**part, "image_url": data_url(source)}
        case UrlData(url=url):
            return {**part, "image_url": url}
        case FileId(origin=origin, id=file_id) if origin == ORIGIN:
            return {**part, "file_id": file_id}
        case FileId():
            raise _uploaded_elsewhere(path)
        case _:
            assert_never(image.source)


def _uploaded_elsewhere(path: str) -> UnsupportedError:
    return UnsupportedError(f"`{path}` was uploaded to another vendor", param=path, hint="send its content")


def _foreign_text(block: Foreign, path: str, notes: Notes) -> Iterator[str]:
    if block.text is None:
        notes.add("foreign_block_dropped", path, f"`{block.type}`")
    else:
        notes.add("foreign_block", path, f"`{block.type}`")
        yield block.text


def _as_error(parts: Sequence[Wire]) -> list[Wire]:
    if parts and parts[0]["type"] == "input_text":
        return [_input_text(_ERROR + parts[0]["text"]), *parts[1:]]
    return [_input_text(_ERROR.rstrip()), *parts]


def _simplest(parts: Sequence[Wire]) -> str | list[Wire]:
    """Return a result that is one text, or none, as a string: every server takes that."""
    if not parts:
        return ""
    if len(parts) == 1 and parts[0]["type"] == "input_text":
        text: str = parts[0]["text"]
        return text
    return list(parts)
