"""Reads a client's JSON into typed structs: strictly and fast when it fits, field by field when it does not.

The wire structs forbid unknown fields. When a body has some, they are taken out one by one and reported, so that nothing is
lost silently and nothing unknown is forwarded; what has the wrong type is an error that names the field.
"""

import json
import re
import types
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, TypeVar, Union, get_args, get_origin

import msgspec

from dragoman.ir.failures import RequestError
from dragoman.ir.losses import Ledger

T = TypeVar("T")
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading JSON raises for bytes that are none: not JSON or of another type, not UTF-8, nested too deeply."""
_AT: Final = re.compile(r" - at `\$(.*)`$")
_TOKEN: Final = re.compile(r'"(?P<name>[^"\\]*+(?:\\.[^"\\]*+)*+)(?:"(?P<is_name>\s*+:)?|\\?\Z)|[\[\]{}]', re.DOTALL)
_DEEP: Final = 200
"""How deep a place is that makes JSON nested too deeply; parsers give up somewhat below."""
_SEARCHED: Final = 256 * 1024
"""How much of such JSON is looked through for the place, in bytes: 50 ms at the most."""
_fields_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items_of = msgspec.json.Decoder(list[msgspec.Raw]).decode


Spelling = Callable[[str], str]
"""(a field's name as it came) -> the name that it may stand for: `mime_type` -> `mimeType`."""


def read(
    decoder: msgspec.json.Decoder[T],
    data: bytes | msgspec.Raw,
    path: str,
    ledger: Ledger,
    spelling: Spelling | None = None,
) -> T:
    """Return `data` as the decoder's type. `path` names it for errors and losses (`messages[2]`; `""` for the body).

    Unknown fields are dropped and recorded as `unknown_field`, unless they are known in another `spelling`. Raises
    RequestError naming the field that is wrong.
    """
    try:
        return decoder.decode(data)
    except UNREADABLE:
        pass

    def unknown(where: str, _: msgspec.Raw) -> None:
        ledger.dropped(
            "unknown_field", where, "the gateway does not know this field, so no other protocol can carry it"
        )

    return read_with(decoder, data, path, unknown, spelling)


def read_with(
    decoder: msgspec.json.Decoder[T],
    data: bytes | msgspec.Raw,
    path: str,
    unknown: Callable[[str, msgspec.Raw], None],
    spelling: Spelling | None = None,
    lenient: msgspec.json.Decoder[T] | None = None,
) -> T:
    """Like `read`; `unknown` is told the path and the value of each field that the type does not have.

    What does not fit is read by the `lenient` decoder of the same type, if there is one.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        pass
    except UNREADABLE as error:
        raise malformed(data, path, error) from None
    try:
        return (lenient or decoder).decode(_Pruner(unknown, spelling).pruned(data, decoder.type, path))
    except msgspec.ValidationError as error:
        raise invalid(error, path) from None
    except UNREADABLE as error:
        raise malformed(data, path, error) from None


def check_text(body: bytes) -> None:
    """Raise UnicodeDecodeError when `body` is not UTF-8, also where a field of it is only carried and never read."""
    if not body.isascii():
        body.decode()


def require_text(body: bytes) -> None:
    """Raise RequestError when a client's `body` is not UTF-8."""
    try:
        check_text(body)
    except UnicodeDecodeError as error:
        raise RequestError(f"the body is not valid UTF-8: {error}") from None


def invalid(error: msgspec.ValidationError, path: str) -> RequestError:
    """Return the error for a value of the wrong type, named by its whole path."""
    words = str(error)
    found = _AT.search(words)
    field = join(path, found.group(1) if found else "")
    return RequestError(f"`{field or 'body'}`: {_AT.sub('', words)}", param=field or None)


def malformed(data: bytes | msgspec.Raw, path: str, error: Exception) -> RequestError:
    """Return the error for what is not JSON, or is JSON that no program should take (lone surrogates, deep nesting)."""
    if isinstance(error, RecursionError):
        where = join(path, _deep_field(bytes(data)))
        return RequestError(f"`{where or 'body'}` is nested too deeply", param=where or None)
    field = _surrogate_path(bytes(data))
    if field is not None:
        where = join(path, field)
        problem = "contains a lone surrogate, which is not valid Unicode"
        return RequestError(f"`{where or 'body'}` {problem}", param=where or None)
    if not bytes(data).strip():
        return RequestError(f"`{path or 'body'}` is empty", param=path or None)
    return RequestError(f"`{path or 'body'}` is not valid JSON: {error}", param=path or None)


def join(path: str, rest: str) -> str:
    """Return `rest` (`.a[0]`, `[1].b`, `a`) below `path`."""
    rest = rest.removeprefix(".")
    if not path or not rest or rest.startswith("["):
        return path + rest
    return f"{path}.{rest}"


def _deep_field(data: bytes) -> str:
    """Return the field of an object in which JSON is nested deeply; `""`: it is no object, or its beginning does not tell.

    No parser gets through such JSON, not even to tell its fields apart.
    """
    field, depth = "", 0
    beginning = data[:_SEARCHED].decode(errors="replace").lstrip()
    for token in _TOKEN.finditer(beginning) if beginning.startswith("{") else ():
        match token[0][0]:
            case '"' if depth == 1 and token["is_name"]:
                field = token["name"]
            case "{" | "[":
                depth += 1
                if depth == _DEEP:
                    return field
            case "}" | "]":
                depth -= 1
            case _:
                pass
    return ""


def _surrogate_path(data: bytes) -> str | None:
    """Return where the first string with a lone surrogate stands; None when that is not what is wrong."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    todo: list[tuple[str, Any]] = [("", value)]
    while todo:
        path, value = todo.pop()
        if isinstance(value, str):
            if any("\ud800" <= character <= "\udfff" for character in value):
                return path
        elif isinstance(value, dict):
            for key, item in value.items():
                if any("\ud800" <= character <= "\udfff" for character in key):
                    return path
                todo.append((join(path, key), item))
        elif isinstance(value, list):
            todo.extend((f"{path}[{index}]", item) for index, item in enumerate(value))
    return None


class _Pruner:
    """Takes out the fields that a type does not have; everything else keeps its bytes."""

    def __init__(self, unknown: Callable[[str, msgspec.Raw], None], spelling: Spelling | None) -> None:
        self._unknown = unknown
        self._spelling = spelling

    def pruned(self, data: bytes | msgspec.Raw, kind: object, path: str) -> bytes | msgspec.Raw:
        """Return `data` without the fields that `kind` does not have, the others under their own names."""
        text = bytes(data).lstrip()
        if text.startswith(b"{"):
            return self._object(data, kind, path)
        item_kind = _item_type(kind) if text.startswith(b"[") else None
        if item_kind is None:
            return data
        items = [
            msgspec.Raw(self.pruned(item, item_kind, f"{path}[{index}]")) for index, item in enumerate(_items_of(data))
        ]
        return msgspec.json.encode(items)

    def _object(self, data: bytes | msgspec.Raw, kind: object, path: str) -> bytes | msgspec.Raw:
        fields = _fields_of(data)
        struct = _struct_for(kind, fields)
        if struct is None:
            return data
        types_by_name = _types_by_name(struct)
        tag = struct.__struct_config__.tag_field
        kept: dict[str, bytes | msgspec.Raw] = {}
        for written, value in fields.items():
            name = self._spelling(written) if self._spelling and written not in types_by_name else written
            where = join(path, written or '""')
            if name in types_by_name:
                kept[name] = msgspec.Raw(self.pruned(value, types_by_name[name], where))
            elif name == tag:
                kept[name] = value
            else:
                self._unknown(where, value)
        return msgspec.json.encode(kept)


@cache
def _types_by_name(struct: type[msgspec.Struct]) -> Mapping[str, object]:
    """Return the types of a struct's fields. To ask for them takes longer than all else that is done with an object."""
    return {field.encode_name: field.type for field in msgspec.structs.fields(struct)}


def _alternatives(kind: object) -> tuple[object, ...]:
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _struct_for(kind: object, fields: dict[str, msgspec.Raw]) -> type[msgspec.Struct] | None:
    """Return the struct among the alternatives of `kind` that these fields are meant for."""
    structs = [one for one in _alternatives(kind) if isinstance(one, type) and issubclass(one, msgspec.Struct)]
    for struct in structs:
        config = struct.__struct_config__
        if config.tag_field is None:
            return struct
        if config.tag_field in fields and bytes(fields[config.tag_field]) == msgspec.json.encode(config.tag):
            return struct
    return None


def _item_type(kind: object) -> object:
    for one in _alternatives(kind):
        if get_origin(one) in (list, tuple):
            item: object = get_args(one)[0]
            return item
    return None
