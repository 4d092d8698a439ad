"""Messages for an upstream, in the order that Chat wants them.

https://platform.openai.com/docs/api-reference/chat/create#chat-create-messages. Each run of assistant messages with calls is one
message; one `tool` message for each of its calls follows at once; then what their results hold beside text, then what
the user said. Texts of one system are joined by an empty line, those of a user's or a tool's message by a line break, those of an
assistant's by nothing, because a reply's texts are cut wherever a citation begins.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, assert_never

import msgspec

from dragoman.codec import Target
from dragoman.ir.request import (
    ATTRIBUTION,
    Audio,
    Block,
    Document,
    Foreign,
    Image,
    Message,
    Reasoning,
    Refusal,
    Request,
    Role,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
)
from dragoman.ir.seals import Seal, may_return
from dragoman.protocols.openai_chat.losses import Tally
from dragoman.protocols.openai_chat.part_encoding import PartWriter, Wire, text_part
from dragoman.protocols.openai_chat.reasoning import DETAILS, EXTRA_CONTENT, Detail, native_details, native_extra
from dragoman.protocols.openai_chat.wire import ORIGIN
from dragoman.vendors.openai.messages import nothing_to_send, require_messages
from dragoman.wire.arguments import as_object
from dragoman.wire.free_text import wrapped

_SYSTEM_MARKER: Final = "<system>\n{}\n</system>"
_ERROR: Final = "Error: "
_SEE_BELOW: Final = "(see what the user message after this one shows)"
_ATTACHED: Final = "(from the result of the tool call {})"


class _Placed(msgspec.Struct, frozen=True):
    """A message with its place in the request, for paths."""

    index: int
    message: Message

    @property
    def blocks(self) -> Iterator[tuple[str, Block]]:
        """The blocks, each with its path."""
        path = f"messages[{self.index}].content"
        return ((f"{path}[{place}]", block) for place, block in enumerate(self.message.blocks))


def encode_messages(request: Request, target: Target, tally: Tally) -> list[Wire]:
    """Return the messages. Raises RequestError when there are none, UnsupportedError for a block that cannot be sent."""
    require_messages(request)
    written = _Writer(target, tally).write(request)
    if not written:
        raise nothing_to_send(request)
    return written


class _Writer:
    """Writes one request's messages; `_out` grows."""

    __slots__ = ("_dialect", "_model", "_out", "_parts", "_provider", "_tally")

    def __init__(self, target: Target, tally: Tally) -> None:
        self._dialect = target.dialect
        self._model = target.model
        self._provider = target.provider
        self._tally = tally
        self._parts = PartWriter(target.dialect, tally)
        self._out: list[Wire] = []

    def write(self, request: Request) -> list[Wire]:
        if request.system:
            self._write_system(request.system)
        for assistants, others in _exchanges(request.messages):
            self._write_assistants(assistants)
            self._write_results(others)
            for placed in others:
                self._write_other(placed)
        return self._out

    # System

    def _write_system(self, system: Sequence[Text | Foreign]) -> None:
        texts: list[Text] = []
        for place, block in enumerate(system):
            path = f"system[{place}]"
            if isinstance(block, Foreign):
                texts += self._parts.foreign_text(block, path)
            elif place == 0 and block.text.startswith(ATTRIBUTION):
                self._tally.add("attribution_block", path)
            elif block.text.strip():
                texts.append(block)
        if texts:
            self._out.append({"role": "system", "content": self._parts.joined(texts, "\n\n", "system")})

    def _write_instructions(self, placed: _Placed) -> None:
        texts = list(self._texts_of_system(placed))
        is_first = all(message["role"] in ("system", "developer") for message in self._out)
        path = f"messages[{placed.index}]"
        if not texts or not any(text.text.strip() for text in texts):
            return
        if self._dialect.system_only_first and not is_first:
            self._tally.add("mid_system", path)
            marked = _SYSTEM_MARKER.format("\n".join(text.text for text in texts))
            self._out.append({"role": "user", "content": marked})
            return
        is_developer = placed.message.role is Role.DEVELOPER and self._dialect.developer_role
        role = "developer" if is_developer else "system"
        self._out.append(_named({"role": role, "content": self._parts.joined(texts, "\n", path)}, placed.message))

    def _texts_of_system(self, placed: _Placed) -> Iterator[Text]:
        for path, block in placed.blocks:
            match block:
                case Text():
                    yield block
                case Foreign():
                    yield from self._parts.foreign_text(block, path)
                case Image() | Audio():
                    self._tally.add("system_media", path)
                case Document():
                    yield from self._parts.document_texts(block, path, "system_media")
                case Reasoning() | Refusal() | ToolCall() | ToolResult():
                    self._tally.add("misplaced_block", path)
                case _:
                    assert_never(block)

    # Assistant

    def _write_assistants(self, assistants: Sequence[_Placed]) -> None:
        """Write a run of assistant messages, as one when there are calls in it: their results must follow it."""
        if not assistants:
            return
        has_calls = any(_is_call(block) for placed in assistants for block in placed.message.blocks)
        runs = [assistants] if has_calls else [(placed,) for placed in assistants]
        self._out += (self._assistant(run) for run in runs)

    def _assistant(self, run: Sequence[_Placed]) -> Wire:
        texts: list[Text] = []
        thoughts: list[tuple[str, Reasoning]] = []
        calls: list[Wire] = []
        carried: Seal | None = None
        fields: Wire = {}
        for placed in run:
            for path, block in placed.blocks:
                match block:
                    case Text():
                        texts.append(block)
                        self._parts.note_text(block, path)
                    case Reasoning(seal=Seal(form=form) as seal) if form == EXTRA_CONTENT:
                        carried = seal  # of the call behind it: not every client's calls have a field for it
                    case Reasoning():
                        thoughts.append((path, block))
                    case ToolCall():
                        calls += self._call(block, block.seal or carried, path)
                        carried = None
                    case Refusal():
                        fields["refusal"] = fields.get("refusal", "") + block.text
                    case Foreign(origin=origin, type="audio") if origin == ORIGIN:
                        fields["audio"] = block.raw
                    case Foreign():
                        texts += self._parts.foreign_text(block, path)
                    case Document():
                        texts += self._parts.document_texts(block, path, "assistant_media")
                    case Image() | Audio():
                        self._tally.add("assistant_media", path)
                    case ToolResult():
                        self._tally.add("misplaced_block", path)
                    case _:
                        assert_never(block)
        path = f"messages[{run[0].index}]"
        if carried is not None:
            self._tally.add("reasoning_not_returned", path)
        message: Wire = {"role": "assistant", "content": self._assistant_content(texts, path, calls or fields)}
        message |= self._reasoning_fields(thoughts, has_calls=bool(calls)) | fields
        if calls:
            message["tool_calls"] = calls
        return _named(message, run[0].message)

    def _assistant_content(self, texts: Sequence[Text], path: str, others: object) -> str | list[Wire] | None:
        """Return the words; null rather than `""` beside calls, because some servers refuse that."""
        content = self._parts.joined(texts, "", path)
        return content or (None if others else "")

    def _call(self, call: ToolCall, seal: Seal | None, path: str) -> Iterator[Wire]:
        if call.kind is ToolKind.HOSTED:
            self._tally.add("foreign_block_dropped", path, f"`{call.name}`")
            return
        if call.namespace:
            self._tally.add("tool_namespace", path)
        if call.cache:
            self._tally.add("cache_control", path)
        if call.kind is ToolKind.CUSTOM and self._dialect.custom_tools:
            written: Wire = {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
        else:
            said = wrapped(call.arguments) if call.kind is ToolKind.CUSTOM else call.arguments
            arguments, is_wrapped = as_object(said)
            if is_wrapped:
                self._tally.add("broken_arguments", path)
            function = {"name": call.name, "arguments": bytes(arguments).decode()}
            written = {"id": call.id, "type": "function", "function": function}
        if seal:
            # What stands there is Google's thought signature: it is good for the model alone that made it.
            returns = seal.form == EXTRA_CONTENT and may_return(seal, ORIGIN, self._provider, self._model)
            if returns and (extra := native_extra(seal)) is not None:
                written["extra_content"] = extra
            else:
                self._tally.add("foreign_reasoning", path)
        yield written

    def _reasoning_fields(self, thoughts: Sequence[tuple[str, Reasoning]], *, has_calls: bool) -> Wire:
        dialect, tally = self._dialect, self._tally
        details: list[Detail] = []
        texts: list[str] = []
        for path, thought in thoughts:
            seal = thought.seal
            if seal is None or not may_return(seal, ORIGIN, self._provider):
                tally.add("foreign_reasoning", path)
            elif seal.form == DETAILS and dialect.reasoning_details:
                details += native_details(seal)
            elif thought.text and dialect.reasoning_field:
                texts.append(thought.text)
            elif thought.text or seal.data:
                tally.add("reasoning_not_returned", path)
        fields: Wire = {}
        if dialect.reasoning_field and (texts or (has_calls and dialect.reasoning_required_with_tools)):
            fields[dialect.reasoning_field] = "\n\n".join(texts)
        if details:
            fields["reasoning_details"] = details
        return fields

    # Tool results

    def _write_results(self, others: Sequence[_Placed]) -> None:
        """Write what tools answered, before anything else that was said, and then what a tool message cannot hold."""
        attached: list[Wire] = []
        for placed in others:
            for place, result in enumerate(placed.message.blocks):
                if not isinstance(result, ToolResult) or result.kind is ToolKind.HOSTED:
                    continue
                path = f"messages[{placed.index}].content[{place}]"
                content, media = self._result_content(result, path)
                self._out.append({"role": "tool", "tool_call_id": result.call_id, "content": content})
                if media:
                    self._tally.add("tool_result_media", path)
                    attached += ({"type": "text", "text": _ATTACHED.format(result.call_id)}, *media)
        if attached:
            self._out.append({"role": "user", "content": attached})

    def _result_content(self, result: ToolResult, path: str) -> tuple[str | list[Wire], list[Wire]]:
        """Return what goes into the tool message, and what has to follow it."""
        texts: list[Text] = []
        media: list[Wire] = []
        for place, block in enumerate(result.blocks):
            for part in self._parts.of(block, f"{path}.content[{place}]"):
                if part["type"] == "text":
                    texts.append(Text(part["text"]))
                else:
                    media.append(part)
        prefix = _ERROR if result.is_error else ""
        if result.is_error:
            self._tally.add("tool_error_flag", path)
        text = prefix + "\n".join(block.text for block in texts)
        if media and self._dialect.images_in_tool_messages:
            return [*([text_part(text)] if text else []), *media], []
        if media and not texts:
            text += _SEE_BELOW
        return self._parts.joined([Text(text, cache=result.cache)], "", path), media

    # User

    def _write_other(self, placed: _Placed) -> None:
        if placed.message.role in (Role.SYSTEM, Role.DEVELOPER):
            self._write_instructions(placed)
            return
        content: str | list[Wire] | None = _plain_words(placed.message.blocks)
        if content is None:
            parts = [part for path, block in placed.blocks for part in self._user_parts(block, path)]
            content = _simplest(parts) if parts else None
        if content is not None:
            self._out.append(_named({"role": "user", "content": content}, placed.message))

    def _user_parts(self, block: Block, path: str) -> Iterator[Wire]:
        match block:
            case Text() | Image() | Document() | Audio() | Foreign():
                yield from self._parts.of(block, path)
            case Refusal(text=text):
                yield text_part(text)
            case Reasoning():
                self._tally.add("foreign_reasoning", path)
            case ToolResult(kind=ToolKind.HOSTED) | ToolCall():
                self._tally.add("misplaced_block", path)
            case ToolResult():
                pass  # it stands before everything else
            case _:
                assert_never(block)


def _exchanges(messages: Iterable[Message]) -> Iterator[tuple[list[_Placed], list[_Placed]]]:
    """Yield each run of assistant messages with what follows it up to the next one; the first run may be empty."""
    assistants: list[_Placed] = []
    others: list[_Placed] = []
    for index, message in enumerate(messages):
        if message.role is not Role.ASSISTANT:
            others.append(_Placed(index, message))
            continue
        if others:
            yield assistants, others
            assistants, others = [], []
        assistants.append(_Placed(index, message))
    yield assistants, others


def _is_call(block: Block) -> bool:
    return isinstance(block, ToolCall) and block.kind is not ToolKind.HOSTED


def _simplest(parts: Sequence[Wire]) -> str | list[Wire]:
    """Return parts that are only words as one string, which every server takes."""
    if all(len(part) == len(("type", "text")) and part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return list(parts)


def _plain_words(blocks: Iterable[Block]) -> str | None:
    """Return the words of a message that has nothing else in it, as most have: the short way to the same result."""
    words: list[str] = []
    for block in blocks:
        if type(block) is not Text or block.cache or block.citations or block.seal:
            return None
        words.append(block.text)
    return "\n".join(words)


def _named(message: Wire, source: Message) -> Wire:
    return {**message, "name": source.name} if source.name else message
