"""Puts another model name into a body or a stream and leaves every other byte as it was: the raw lane's only edits."""

import re
from contextlib import suppress
from typing import Any, Final

import msgspec

from dragoman.wire.reading import UNREADABLE

_fields_of: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class NameField:
    """The top-level field of a JSON object in which a protocol names the model: `model`, or Gemini's `modelVersion`.

    `inside` is the top-level field in whose object it stands, in events that hold more than the reply (Responses).
    """

    __slots__ = ("_decode", "_inside", "_key", "_opening", "key", "pattern")

    def __init__(self, key: str, inside: str | None = None) -> None:
        self.key = key
        self._inside = inside is not None
        self._key = b'"%b"' % key.encode()
        self._opening = self._key + b':"'
        self.pattern = re.compile(rb'("%b"\s*:\s*)"([^"\\]*(?:\\.[^"\\]*)*)"' % key.encode())
        named = msgspec.defstruct("Named", [("name", str, msgspec.field(name=key))], module=__name__)
        if inside is not None:
            named = msgspec.defstruct("Holder", [("holder", named, msgspec.field(name=inside))], module=__name__)
        self._decode = msgspec.json.Decoder(named).decode

    def read(self, body: bytes) -> str:
        """Return the name in `body`. Raises msgspec.DecodeError when there is none."""
        found: Any = self._decode(body)
        name: str = found.holder.name if self._inside else found.name
        return name

    def find(self, lines: bytes) -> re.Match[bytes] | None:
        """Return where the first event among `lines` names the model at its top level; what is inside may look the same."""
        for found in self.pattern.finditer(lines):
            end = lines.find(b"\n", found.end())
            event = lines[lines.rfind(b"\n", 0, found.start()) + 1 : end if end >= 0 else len(lines)]
            with suppress(*UNREADABLE):
                if self.read(event[event.find(b"{") :]) == msgspec.json.decode(b'"%b"' % found.group(2)):
                    return found
        return None

    def splice(self, body: bytes, model: str, beside: bytes = b"") -> bytes:
        """Return the JSON object `body` with `model` in this field, and behind it the JSON `beside` (`,"name":value`).

        The first place that looks right nearly always is; it is proved by reading the result. A body in which no place can be
        proved (the key is written with escapes) is put together anew from its fields' bytes.
        """
        name = msgspec.json.encode(model)
        written = name + beside
        place = self._first_place(body)
        if place is not None:
            start, end = place
            spliced = b"".join((body[:start], written, body[end:]))
            # A second one further down may belong to something inside, or be a duplicate: then it is the one that counts.
            if body.find(self._key, end) < 0 or self.read(spliced) == model:
                return spliced
        current = self.read(body)
        if current == model and not beside:
            return body
        for found in self.pattern.finditer(body):
            if msgspec.json.decode(b'"' + found.group(2) + b'"') != current:
                continue
            spliced = body[: found.start()] + found.group(1) + written + body[found.end() :]
            if self.read(spliced) == model:
                return spliced
        whole = msgspec.json.encode({self.key: msgspec.Raw(name)} | _fields_of(body) | {self.key: msgspec.Raw(name)})
        end = len(self._key) + len(name) + 2
        return whole[:end] + beside + whole[end:]

    def _first_place(self, body: bytes) -> tuple[int, int] | None:
        """Return where the first such field's value begins and ends, if only the body itself has been opened before it.

        (In a text the key's quotes would be escaped.)
        """
        place = body.find(self._key)
        if body.count(b"{", 0, place) != 1 or body.find(b"[", 0, place) >= 0:
            return None
        if body.startswith(self._opening, place):
            start = place + len(self._opening) - 1
            end = body.find(b'"', start + 1) + 1
            if body.find(b"\\", start, end) < 0:
                return start, end
        found = self.pattern.match(body, place)
        return (found.end(1), found.end()) if found else None


MODEL: Final = NameField("model")


def splice_model(body: bytes, model: str) -> bytes:
    """Return the JSON object `body` with `model` as its top-level `model`."""
    return MODEL.splice(body, model)


def echo_whole(body: bytes, model: str, field: NameField = MODEL) -> bytes:
    """Return a whole reply with the client's model name; what has no such top-level field comes back as it is."""
    try:
        return field.splice(body, model)
    except UNREADABLE:
        return body


class ModelEcho:
    """Puts the client's model name in place of the upstream's while a stream passes.

    The upstream's name is learned from the first event that has one and replaced from then on as bytes; inside JSON strings
    quotes are escaped, so no text can look like the field. `once`: only the first event names the model (Anthropic). An
    unfinished line waits for its end, which costs the client nothing: it could not read it either.
    """

    __slots__ = ("_field", "_held", "_is_through", "_name", "_new", "_once", "_written")

    def __init__(self, model: str, *, once: bool, field: NameField = MODEL) -> None:
        self._written = msgspec.json.encode(model)
        self._once = once
        self._name = field
        self._held: list[bytes] = []
        self._field = b""
        self._new = b""
        self._is_through = False

    def feed(self, batch: bytes) -> bytes:
        """Return the whole lines that are there, renamed."""
        if self._is_through:
            return batch
        if self._held:
            self._held.append(batch)
            if b"\n" not in batch:
                return b""
            batch = b"".join(self._held)
            self._held.clear()
        cut = batch.rfind(b"\n") + 1
        if cut < len(batch):
            self._held.append(batch[cut:])
            batch = batch[:cut]
        return self._renamed(batch)

    def flush(self) -> bytes:
        """Return what was held back."""
        rest = b"".join(self._held)
        self._held.clear()
        return self._renamed(rest)

    def _renamed(self, lines: bytes) -> bytes:
        if self._field:
            return lines.replace(self._field, self._new)
        found = self._name.pattern.search(lines) if self._once else self._name.find(lines)
        if found is None:
            return lines
        self._field = found.group(0)
        self._new = found.group(1) + self._written
        if self._once or self._field == self._new:
            self._is_through = True
            rest = b"".join(self._held)
            self._held.clear()
            return lines[: found.start()] + self._new + lines[found.end() :] + rest
        return lines.replace(self._field, self._new)
