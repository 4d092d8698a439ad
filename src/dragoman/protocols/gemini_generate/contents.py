"""A client's contents to messages. https://ai.google.dev/api/caching#Content.

What the model said comes back as it was streamed, a content for each chunk and a part for each piece: pieces are put together
again, up to the one that bears the signature.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw

from dragoman.ir.failures import RequestError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import Block, Foreign, Message, Reasoning, Role, Text, ToolCall, ToolResult
from dragoman.ir.seals import Seal
from dragoman.protocols.gemini_generate import sealing
from dragoman.protocols.gemini_generate.media import Seen, decode_blob, decode_file
from dragoman.protocols.gemini_generate.wire import (
    NAME,
    Content,
    FunctionCall,
    FunctionResponse,
    Instruction,
    Part,
    ResponsePart,
    is_given,
    read_shape,
)
from dragoman.wire.carried import OBJECT, checked, object_text, typed
from dragoman.wire.reading import read

_content: Final = msgspec.json.Decoder(Content)
_instruction: Final = msgspec.json.Decoder(Instruction)
_string: Final = msgspec.json.Decoder(str)
_items: Final = msgspec.json.Decoder(list[Raw])
_fields: Final = msgspec.json.Decoder(dict[str, Raw]).decode

_ROLES: Final = {"user": Role.USER, "model": Role.ASSISTANT, "function": Role.USER}
_ANSWERS: Final = frozenset({"output", "result", "error"})
"""What a function's response is by custom: one of these fields, and nothing beside it."""
_NAMED_ANSWER: Final = frozenset({"name", "content"})
"""What it is in Vercel's AI SDK: the function's name again, and what it answered."""


def decode_contents(items: Sequence[tuple[str, Raw]], ledger: Ledger) -> tuple[Message, ...]:
    """Return the messages that `items`, each with its path, are; contents of the model in a row are one message."""
    history = _History(ledger)
    for place, (path, raw) in enumerate(items):
        history.add(read_shape(_content, raw, path, ledger), place, path)
    return history.messages()


def decode_system(raw: Raw, ledger: Ledger) -> tuple[Text, ...]:
    """Return a system instruction in any of its forms: a content, a part, words, or a list of them."""
    if not is_given(raw):
        return ()
    start = bytes(raw).lstrip()[:1]
    path = "systemInstruction"
    if start == b'"':
        text = read(_string, raw, path, ledger)
        return (Text(text),) if text else ()
    items = read(_items, raw, path, ledger) if start == b"[" else None
    if items is not None:
        return tuple(block for item in items for block in decode_system(item, ledger))
    instruction = read_shape(_instruction, raw, path, ledger)
    texts = [Text(instruction.text)] if instruction.text else []
    for place, part in enumerate(_listed(instruction.parts)):
        if part.text is None:
            ledger.dropped(
                "system_media", f"{path}.parts[{place}]", "a system instruction holds words only", changes_meaning=True
            )
        elif part.text:
            texts.append(Text(part.text))
    return tuple(texts)


def _listed(parts: list[Part] | Part | None) -> list[Part]:
    return [] if parts is None else [parts] if isinstance(parts, Part) else parts


class _History:
    """Puts the messages together, and gives calls without ids one that their results share."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._messages: list[Message] = []
        self._said: _Said | None = None
        self._unanswered: list[tuple[str, str]] = []

    def add(self, content: Content, place: int, path: str) -> None:
        """Take the content that stands at `place`."""
        role = _ROLES.get(content.role or "user")
        if role is None:
            raise RequestError(f"`{path}.role` is `{content.role}`", param=f"{path}.role", hint="`user` or `model`")
        if role is Role.ASSISTANT:
            if self._said is None:
                self._said = _Said()
                self._unanswered = []
            for number, part in enumerate(_listed(content.parts)):
                self._add_said(self._said, part, f"call_{place}_{number}", f"{path}.parts[{number}]")
            return
        self._close()
        blocks: list[Block] = []
        for number, part in enumerate(_listed(content.parts)):
            block = self._block(part, f"{place}_{number}", f"{path}.parts[{number}]")
            if block is not None:
                blocks.append(block)
        self._messages.append(Message(role, tuple(blocks)))

    def messages(self) -> tuple[Message, ...]:
        """Return all messages."""
        self._close()
        return tuple(self._messages)

    def _close(self) -> None:
        if self._said is not None:
            self._messages.append(Message(Role.ASSISTANT, self._said.blocks()))
            self._said = None

    # --- what the model said ---

    def _add_said(self, said: "_Said", part: Part, made_up_id: str, path: str) -> None:
        signature = part.thought_signature
        if part.function_call is not None:
            seal = sealing.received(signature, sealing.CALL)
            said.add_thoughts(sealing.thoughts_in(seal))
            call = self._call(part.function_call, made_up_id, path)
            is_call_seal = seal is not None and seal.form != sealing.CARRIED
            said.add(msgspec.structs.replace(call, seal=seal) if is_call_seal else call)
        elif part.text is not None or (signature and _is_bare(part)):
            is_thought = bool(part.thought)
            form = "" if is_thought else sealing.TEXT
            said.add_words(part.text or "", sealing.received(signature, form), is_thought=is_thought)
        else:
            block = self._block(part, made_up_id, path)
            if block is not None:
                said.add(block)

    def _call(self, call: FunctionCall, made_up_id: str, path: str) -> ToolCall:
        if is_given(call.partial_args):
            self._ledger.dropped(
                "partial_args", f"{path}.functionCall.partialArgs", "pieces of arguments have no place in a history"
            )
        id_ = call.id or made_up_id
        self._unanswered.append((id_, call.name))
        arguments = object_text(call.args, f"{path}.functionCall.args") if is_given(call.args) else "{}"
        return ToolCall(id_, call.name, arguments)

    # --- everything else ---

    def _block(self, part: Part, place: str, path: str) -> Block | None:
        if part.text is not None:
            return Text(part.text) if part.text else None
        if part.function_response is not None:
            return self._result(part.function_response, place, f"{path}.functionResponse")
        if part.inline_data is not None:
            self._note_name(part.inline_data.display_name, f"{path}.inlineData")
            return decode_blob(part.inline_data, f"{path}.inlineData")
        if part.file_data is not None:
            return decode_file(part.file_data)
        if part.function_call is not None:
            return self._call(part.function_call, f"call_{place}", path)
        return _foreign(part, path)

    def _note_name(self, name: str | None, path: str) -> None:
        if name is not None:
            self._ledger.degraded("display_name", f"{path}.displayName", "only documents have a name elsewhere")

    def _result(self, response: FunctionResponse, place: str, path: str) -> ToolResult:
        text, is_error = _answer(response, f"{path}.response")
        blocks: list[Text | Seen] = [Text(text)] if text else []
        parts = response.parts if isinstance(response.parts, list) else [response.parts] if response.parts else []
        for number, part in enumerate(parts):
            blocks += self._seen(part, f"{path}.parts[{number}]")
        return ToolResult(self._called(response, place), tuple(blocks), is_error)

    def _seen(self, part: ResponsePart, path: str) -> list[Seen]:
        if part.inline_data is not None:
            self._note_name(part.inline_data.display_name, f"{path}.inlineData")
            return [decode_blob(part.inline_data, f"{path}.inlineData")]
        return [decode_file(part.file_data)] if part.file_data is not None else []

    def _called(self, response: FunctionResponse, place: str) -> str:
        """Return the id of the call that a result answers: its own, or that of the first such call without an answer."""
        for number, (id_, name) in enumerate(self._unanswered):
            if id_ == response.id or (not response.id and response.name in ("", name)):
                del self._unanswered[number]
                return id_
        return response.id or f"result_{place}"


class _Said:
    """What the model said in one turn; pieces of words, or of a thought, are open until something else follows."""

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._pieces: list[str] = []
        self._is_open = False
        self._is_thought = False

    def add(self, block: Block) -> None:
        self._close(None)
        self._blocks.append(block)

    def add_words(self, text: str, seal: Seal | None, *, is_thought: bool) -> None:
        if self._is_open and self._is_thought is not is_thought:
            self._close(None)
        self._is_open, self._is_thought = True, is_thought
        self._pieces.append(text)
        if seal is not None:
            self._close(seal)

    def add_thoughts(self, thoughts: Sequence[Reasoning]) -> None:
        """Put thoughts that a call carries where they were, or in front of all that led to it.

        A client may have given them back, too: whole, or by their words alone (Vercel's AI SDK).
        """
        self._close(None)
        given = {block.text: place for place, block in enumerate(self._blocks) if isinstance(block, Reasoning)}
        missing: list[Block] = []
        for thought in thoughts:
            place = given.get(thought.text)
            if place is None:
                missing.append(thought)
            elif _bare_thought(self._blocks[place]) is not None:
                self._blocks[place] = thought
        if missing:
            words = "".join(thought.text for thought in thoughts)
            rest = (block for block in self._blocks if (text := _bare_thought(block)) is None or text not in words)
            self._blocks = [*missing, *rest]

    def blocks(self) -> tuple[Block, ...]:
        self._close(None)
        return tuple(self._blocks)

    def _close(self, seal: Seal | None) -> None:
        text = "".join(self._pieces)
        self._pieces.clear()
        if self._is_open and (text or seal):
            self._blocks.append(
                Reasoning((text,) if text else (), seal=seal) if self._is_thought else Text(text, seal=seal)
            )
        self._is_open = False


def _bare_thought(block: Block) -> str | None:
    """Return the words of a thought that came without what seals it; None: the block is something else."""
    return block.text if isinstance(block, Reasoning) and block.seal is None else None


def _is_bare(part: Part) -> bool:
    """Tell whether a part holds nothing but its signature."""
    return part == Part(thought=part.thought, thought_signature=part.thought_signature)


def _answer(response: FunctionResponse, path: str) -> tuple[str, bool]:
    """Return what a function answered as text, and whether it failed."""
    raw = response.response
    if not is_given(raw):
        return "", False
    text = object_text(raw, path)
    checked(raw, path)
    fields = {name: value for name, value in _fields(raw).items() if is_given(value)}
    if fields.keys() == _NAMED_ANSWER and bytes(fields["name"]) == msgspec.json.encode(response.name):
        del fields["name"]
    elif len(fields) != 1 or not fields.keys() <= _ANSWERS:
        return (text if fields else ""), "error" in fields
    (name, value), *_ = fields.items()
    is_text = bytes(value).startswith(b'"')
    return (_string.decode(value) if is_text else str(value, "utf-8")), name == "error"


OWN_PARTS: Final = {
    "executable_code": "executableCode",
    "code_execution_result": "codeExecutionResult",
    "tool_call": "toolCall",
    "tool_response": "toolResponse",
}
"""Parts that no other protocol has: our names and the wire's."""


def _foreign(part: Part, path: str) -> Foreign | None:
    """Return a part that only this protocol has; None when there is nothing in it."""
    for field, name in OWN_PARTS.items():
        value: Raw = getattr(part, field)
        if is_given(value):
            typed(value, OBJECT, f"{path}.{name}")
            return foreign(name, value, Raw(msgspec.json.encode(part)))
    return None


class _Code(msgspec.Struct):
    """What is readable in code that Google ran, or in what came of it."""

    code: str = ""
    language: str = ""
    output: str = ""


_code: Final = msgspec.json.Decoder(_Code).decode


def foreign(name: str, value: Raw, part: Raw) -> Foreign:
    """Return the block for `part`, whose field `name` is `value`: code and its output can be told in words."""
    try:
        code = _code(value)
    except msgspec.DecodeError:
        return Foreign(NAME, name, part)
    text = None
    if name == "executableCode" and code.code:
        text = f"```{code.language.lower()}\n{code.code}\n```"
    elif name == "codeExecutionResult" and code.output:
        text = "```\n{}\n```".format(code.output.removesuffix("\n"))
    return Foreign(NAME, name, part, text)
