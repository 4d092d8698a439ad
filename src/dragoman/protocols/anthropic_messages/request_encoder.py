"""Requests from the IR to the wire. https://platform.claude.com/docs/en/api/messages/create."""

import base64
from typing import Any, Final, assert_never

import msgspec
from msgspec import Raw

from dragoman.codec import Target
from dragoman.ir.failures import UnsupportedError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import (
    Audio,
    Base64Data,
    Block,
    BlockContent,
    CacheBreakpoint,
    Document,
    FileId,
    Foreign,
    FunctionTool,
    HostedTool,
    Image,
    OutputFormat,
    PlainText,
    Reasoning,
    Refusal,
    Request,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
    UrlData,
)
from dragoman.protocols.anthropic_messages import sealing, wire
from dragoman.protocols.anthropic_messages.history import Item, Turn, arrange, is_blank, told
from dragoman.protocols.anthropic_messages.schemas import fitted
from dragoman.protocols.anthropic_messages.settings import encode_sampling, encode_tier, plan_limits
from dragoman.protocols.anthropic_messages.tools import cache_control, encode_choice, encode_tools
from dragoman.protocols.anthropic_messages.wire import NAME
from dragoman.wire.arguments import as_object

_json: Final = msgspec.json.encode
_MAX_BREAKPOINTS: Final = 4
_MEDIA_TYPES: Final = {"image/jpg": "image/jpeg"}
"""Names that clients use and the API refuses. https://platform.claude.com/docs/en/build-with-claude/vision"""
_COUNTED: Final = frozenset({"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config"})
_JSON_OBJECT: Final = "Answer with one valid JSON object and nothing else."
_JSON_SCHEMA: Final = "Answer with JSON that fits this JSON Schema and with nothing else, no code fence either:\n"

Written = (
    wire.TextBlock
    | wire.ImageBlock
    | wire.DocumentBlock
    | wire.ToolUseBlock
    | wire.ToolResultBlock
    | wire.ThinkingBlock
    | wire.RedactedThinkingBlock
    | Raw
)


def encode_request(request: Request, target: Target, ledger: Ledger) -> bytes:
    """Return the request as `target` takes it. Raises UnsupportedError for what may not be left out silently."""
    if request.sampling.candidates > 1:
        raise UnsupportedError("Anthropic Messages gives one answer, not several", param="n")
    system, turns = arrange(request, target.dialect, ledger)
    writer = _Writer(target, ledger, _excess(request, system, turns))
    messages = [{"role": turn.role, "content": writer.write(turn)} for turn in turns]
    tools = encode_tools(request, target, ledger) if request.tools or request.tool_choice else []
    choice = encode_choice(request, target, ledger, has_tools=bool(tools))
    limits = plan_limits(request, target, ledger, obstacle=_obstacle(choice, messages, target))
    body: dict[str, Any] = {"model": target.model, "max_tokens": limits.max_tokens}
    if request.stream:
        body["stream"] = True
    if limits.thinking is not None:
        body["thinking"] = dict(limits.thinking)
    prompt = [_system_block(block) for block in system]
    output_config = {"effort": limits.effort} if limits.effort else {}
    if request.output is not None:
        output_config |= _format(request.output, target, prompt, ledger)
    if output_config:
        body["output_config"] = output_config
    if request.user:
        body["metadata"] = {"user_id": request.user}
    if tier := encode_tier(request, ledger):
        body["service_tier"] = tier
    if request.cache:
        body["cache_control"] = cache_control(request.cache)
    body.update(encode_sampling(request.sampling, target, ledger, thinks=limits.thinks))
    _add_extras(body, request, ledger)
    if request.cache_key is not None:
        ledger.dropped("cache_key", "prompt_cache_key", "the cache is keyed by the prompt itself")
    if choice is not None:
        body["tool_choice"] = choice
    if tools:
        body["tools"] = tools
    if prompt:
        body["system"] = prompt
    body["messages"] = messages  # last, so that a longer history is a longer body with the same beginning
    return _json(body)


def encode_count_request(request: Request, target: Target, ledger: Ledger) -> bytes:
    """Return the request for its tokens to be counted: without what only a reply is governed by, which is refused there.

    https://platform.claude.com/docs/en/api/messages-count-tokens
    """
    body = msgspec.json.decode(encode_request(request, target, ledger), type=dict[str, Raw])
    return _json({name: value for name, value in body.items() if name in _COUNTED})


def _system_block(block: Text | Foreign) -> wire.TextBlock | Raw:
    match block:
        case Foreign(origin=origin, raw=raw) if origin == NAME:
            return raw
        case Foreign(text=text, cache=cache):
            return wire.TextBlock(text or "", cache_control(cache) if cache else None)
        case Text(text, cache=cache):
            return wire.TextBlock(text, cache_control(cache) if cache else None)
        case _:
            assert_never(block)


def _format(output: OutputFormat, target: Target, prompt: list[wire.TextBlock | Raw], ledger: Ledger) -> dict[str, Any]:
    """Return the format of the answer; where the API has none, ask for it at the end of the system prompt."""
    if output.schema is None:
        ledger.emulated("json_object", "response_format", "asked for in the system prompt")
        prompt.append(wire.TextBlock(_JSON_OBJECT))
        return {}
    reason = "the model takes no schema"
    if target.dialect.structured_output:
        schema, lost = (output.schema, []) if output.origin == NAME else fitted(output.schema)
        if schema is not None:
            for loss in lost:
                path = f"response_format.schema{loss.path}.{loss.keyword}"
                ledger.degraded("json_schema_keyword", path, loss.reason)
            return {"format": {"type": "json_schema", "schema": schema}}
        reason = f"`schema{lost[0].path}`: {lost[0].reason}"
    ledger.emulated("json_schema", "response_format", f"asked for in the system prompt: {reason}")
    prompt.append(wire.TextBlock(_JSON_SCHEMA + str(output.schema, "utf-8")))
    return {}


def _add_extras(body: dict[str, Any], request: Request, ledger: Ledger) -> None:
    """Put Anthropic's own fields back where they were; `a.b` stood in `a`."""
    for extra in request.extras:
        if extra.origin != NAME:
            if extra.matters:
                raise UnsupportedError(f"`{extra.name}` has no counterpart in Anthropic Messages", param=extra.name)
            ledger.dropped("extra_field", extra.name, f"only {extra.origin} has it")
            continue
        *parents, name = extra.name.split(".")
        holder: Any = body
        for parent in parents:
            if isinstance(holder, dict):
                # Without thinking its details are of no use: they are not put back.
                holder = holder.get(parent) if parent == "thinking" else holder.setdefault(parent, {})
        if isinstance(holder, dict):
            holder[name] = extra.value


def _obstacle(choice: dict[str, Any] | None, messages: list[dict[str, Any]], target: Target) -> str | None:
    """Return why manual thinking would be refused, if it would."""
    if choice is not None and choice["type"] in ("any", "tool"):
        return "thinking does not go with a forced tool choice"
    if not target.dialect.signed_thinking:
        return None
    for message in reversed(messages):
        if message["role"] != "assistant":
            continue
        content = message["content"]
        calls = any(isinstance(block, wire.ToolUseBlock) for block in content)
        if calls and not isinstance(content[0], wire.ThinkingBlock | wire.RedactedThinkingBlock):
            return "the last turn with tool calls does not begin with this upstream's signed thinking"
        return None
    return None


# Cache breakpoints ----------------------------------------------------------------------------------------------------


def _excess(request: Request, system: list[Text | Foreign], turns: list[Turn]) -> int:
    """Return how many breakpoints of the messages have to go: four are allowed, and the prompt's come first."""
    marked = 1 if request.cache else 0
    for prompt in system:
        marked += 1 if prompt.cache else 0
    for tool in request.tools:
        match tool:
            case FunctionTool(cache=cache):
                marked += 1 if cache else 0
            case HostedTool(origin=origin, raw=raw):
                marked += 1 if origin == NAME and b'"ephemeral"' in bytes(raw) else 0
            case _:
                pass
    for turn in turns:
        for item in turn.items:
            marked += _marks(item.block)
    return marked - _MAX_BREAKPOINTS


def _marks(block: Block) -> int:
    """Return how many breakpoints stand on `block` and within it."""
    # Every block of the history is looked at, so this asks for the field instead of telling the kinds apart.
    marks = 1 if getattr(block, "cache", None) else 0
    if type(block) is ToolResult:
        for inner in block.blocks:
            marks += 1 if getattr(inner, "cache", None) else 0
    return marks


# Blocks ---------------------------------------------------------------------------------------------------------------


class _Writer:
    """Writes the turns of one request, the first `excess` breakpoints without."""

    __slots__ = ("_excess", "_ledger", "_target")

    def __init__(self, target: Target, ledger: Ledger, excess: int) -> None:
        self._target = target
        self._ledger = ledger
        self._excess = excess

    def write(self, turn: Turn) -> list[Written]:
        """Return the blocks of one turn."""
        is_assistant = turn.role == "assistant"
        written = [block for item in turn.items if (block := self._block(item, is_assistant=is_assistant)) is not None]
        return written or [wire.TextBlock("(no content)")]

    def _block(self, item: Item, *, is_assistant: bool) -> Written | None:
        match item.block:
            case Text() as block:
                return self._text(block, item)
            case ToolCall() as block:
                return self._call(block, item)
            case ToolResult() as block:
                return self._result(block, item)
            case Reasoning() as block:
                return self._reasoning(block, item, is_assistant=is_assistant)
            case Image() | Document() as block if is_assistant:
                self._ledger.degraded("assistant_media", item.path, "only the user may send it", changes_meaning=True)
                return wire.TextBlock(f"[{type(block).__name__.lower()}]")
            case Image() as block:
                return self._image(block, item)
            case Document() as block:
                return self._document(block, item)
            case Refusal(text):
                return wire.TextBlock(text) if text.strip() else None
            case Foreign() as block:
                return self._foreign(block, item)
            case Audio():
                raise UnsupportedError(f"`{item.path}`: Anthropic Messages takes no audio", param=item.path)
            case _:
                assert_never(item.block)

    def _cache(self, cache: CacheBreakpoint | None, item: Item) -> wire.CacheControl | None:
        if cache is None:
            return None
        if self._excess > 0:
            self._excess -= 1
            self._ledger.dropped("cache_breakpoint", item.path, f"{_MAX_BREAKPOINTS} breakpoints are allowed")
            return None
        return cache_control(cache)

    def _text(self, block: Text, item: Item) -> wire.TextBlock:
        if block.cache is None and not block.citations:
            return wire.TextBlock(block.text)
        cited = [citation.raw for citation in block.citations if citation.origin == NAME]
        if len(cited) < len(block.citations):
            self._ledger.dropped("citations", item.path, "citations of another protocol")
        return wire.TextBlock(block.text, self._cache(block.cache, item), cited or None)

    def _call(self, block: ToolCall, item: Item) -> wire.ToolUseBlock:
        if block.namespace is not None:
            self._ledger.dropped("tool_namespace", item.path, "tools have no namespaces")
        if block.kind is ToolKind.CUSTOM:
            arguments, is_wrapped = Raw(_json({"input": block.arguments})), False
        else:
            arguments, is_wrapped = as_object(block.arguments)
        if is_wrapped:
            self._ledger.repaired("broken_arguments", item.path, "no JSON object: wrapped in `_raw`")
        return wire.ToolUseBlock(block.id, block.name, arguments, self._cache(block.cache, item))

    def _result(self, block: ToolResult, item: Item) -> wire.ToolResultBlock:
        content: str | list[Raw] | None
        match block.blocks:
            case ():
                content = None
            case (Text(text, citations=(), cache=None),):
                content = text or None
            case blocks:
                content = [
                    written if isinstance(written, Raw) else Raw(_json(written))
                    for inner in blocks
                    if (written := self._result_block(inner, item)) is not None
                ]
        return wire.ToolResultBlock(
            block.call_id, content or None, block.is_error or None, self._cache(block.cache, item)
        )

    def _result_block(self, block: Text | Image | Document | Audio | Foreign, item: Item) -> Written | None:
        if is_blank(block):
            return None
        return self._block(item.holding(block), is_assistant=False)

    def _reasoning(self, block: Reasoning, item: Item, *, is_assistant: bool) -> Written | None:
        seal = block.seal
        if seal is None or not is_assistant or not sealing.returnable(seal, self._target):
            self._ledger.dropped("foreign_reasoning", item.path, "it lacks this upstream's signature")
            return None
        if sealing.is_redacted(block):
            return wire.RedactedThinkingBlock(seal.data)
        return wire.ThinkingBlock(block.text, seal.data)

    def _image(self, block: Image, item: Item) -> wire.ImageBlock:
        if block.detail not in (None, "auto"):
            self._ledger.dropped("image_detail", item.path, "there is no such setting")
        return wire.ImageBlock(_source(block.source, item), self._cache(block.cache, item))

    def _document(self, block: Document, item: Item) -> wire.DocumentBlock:
        return wire.DocumentBlock(
            self._document_source(block, item),
            block.title,
            block.context,
            None if block.citations is None else wire.CitationsConfig(block.citations),
            self._cache(block.cache, item),
        )

    def _document_source(
        self, block: Document, item: Item
    ) -> wire.Base64Source | wire.UrlSource | wire.FileSource | wire.TextSource | wire.ContentSource:
        match block.source:
            case PlainText(text):
                return wire.TextSource(text)
            case BlockContent(blocks):
                inner = [self._block(item.holding(one), is_assistant=False) for one in blocks]
                return wire.ContentSource([one for one in inner if isinstance(one, wire.TextBlock | wire.ImageBlock)])
            case Base64Data(media_type, data) if media_type != "application/pdf":
                return wire.TextSource(_decoded(media_type, data, item))
            case Base64Data() | UrlData() | FileId() as source:
                return _source(source, item)
            case _:
                assert_never(block.source)

    def _foreign(self, block: Foreign, item: Item) -> wire.TextBlock | Raw | None:
        if block.origin == NAME:
            return block.raw
        text = told(block, item.path, self._ledger)
        return None if text is None else wire.TextBlock(text, self._cache(block.cache, item))


def _source(source: Base64Data | UrlData | FileId, item: Item) -> wire.Base64Source | wire.UrlSource | wire.FileSource:
    match source:
        case Base64Data(media_type, data):
            return wire.Base64Source(_MEDIA_TYPES.get(media_type, media_type), data)
        case UrlData(url):
            return wire.UrlSource(url)
        case FileId(origin, id) if origin == NAME:
            return wire.FileSource(id)
        case FileId(origin, id):
            raise UnsupportedError(f"`{item.path}`: the file `{id}` is only known to {origin}", param=item.path)
        case _:
            assert_never(source)


def _decoded(media_type: str, data: str, item: Item) -> str:
    """Return a file's text: of files in base64 the API takes PDF only."""
    if media_type.startswith("text/") or media_type in ("application/json", "application/xml"):
        try:
            return base64.b64decode(data).decode()
        except ValueError:
            raise UnsupportedError(
                f"`{item.path}`: the file of type `{media_type}` is no text in UTF-8, as Anthropic Messages needs it",
                param=item.path,
            ) from None
    raise UnsupportedError(f"`{item.path}`: Anthropic Messages takes no file of type `{media_type}`", param=item.path)
