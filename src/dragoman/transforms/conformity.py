"""Holds a model's answer to the form that its request asked for: what the policy `strict` promises, whoever enforced it.

Only an answer that ended normally is looked at: one that was cut off, refused, or calls a tool is not what was asked for anyway.
Patterns are not checked: a client may write one that takes for ever to match. This module is imported when it is first needed: the
library takes a while.
"""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final
from urllib.parse import unquote

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import UnknownDialect, specification_with

from dragoman.ir.events import BlockStart, Event, ReplyEnd, ReplyFailed, TextDelta
from dragoman.ir.failures import DragomanError, Failure, FailureKind, RequestError
from dragoman.ir.reply import Finish, Reply
from dragoman.ir.request import OutputFormat, Text
from dragoman.wire.schemas import Schema, children, mapped

_LONGEST: Final = 200
_ANY_OBJECT: Final = b'{"type":"object"}'
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_DATA: Final = frozenset({"const", "enum"})
"""What answers are compared with: no schema is made of it, because patterns would be taken out of it, too."""
_IDENTITIES: Final = ("$id", "id", "$anchor", "$dynamicAnchor", "$recursiveAnchor")
_HERE: Final = (".allOf", ".anyOf", ".oneOf", ".not", ".if", ".then", ".else", ".dependentSchemas")
"""Steps to the schemas that hold the very value that theirs holds: a reference from there back to it would never end."""
_UNCHECKED: Final = frozenset({"pattern", "patternProperties", "dependencies", "extends", "disallow"})
"""Patterns, and what in older drafts holds schemas at places where nothing else is looked for: there may be patterns in them."""


class Conformity:
    """Tells whether an answer has the form that was asked for."""

    def __init__(self, output: OutputFormat) -> None:
        """Raise RequestError for a schema that is none."""
        self._validator = _validator(_ANY_OBJECT if output.schema is None else bytes(output.schema))

    def fault(self, text: str) -> Failure | None:
        """Return what is wrong with an answer's whole text; None when nothing is."""
        try:
            error = best_match(self._validator.iter_errors(json.loads(text, parse_constant=_refuse)))
        except RecursionError:
            return _failure("it is nested too deeply to be checked")
        except ValueError as broken:
            return _failure(f"it is no JSON: {broken}")
        return None if error is None else _failure(f"`{error.json_path}`: {error.message[:_LONGEST]}")

    def require(self, reply: Reply) -> None:
        """Raise DragomanError for a whole reply that ended normally and does not have the form."""
        if reply.finish is not Finish.DONE:
            return
        failure = self.fault("".join(block.text for block in reply.blocks if isinstance(block, Text)))
        if failure is not None:
            raise DragomanError(failure)

    def check(self) -> "CheckOutput":
        """Return what checks one streamed reply."""
        return CheckOutput(self)


class CheckOutput:
    """The same while a reply streams: every event passes at once, but the end of an answer without the form is a failure."""

    __slots__ = ("_conformity", "_texts", "_words")

    def __init__(self, conformity: Conformity) -> None:
        self._conformity = conformity
        self._texts: set[int] = set()
        self._words: list[str] = []

    def feed(self, batch: Sequence[Event]) -> Sequence[Event]:
        """Return the batch, its end perhaps another one."""
        for event in batch:
            match event:
                case TextDelta(index, text) if index in self._texts:
                    self._words.append(text)
                case BlockStart(index, Text(text)):
                    self._texts.add(index)
                    self._words.append(text)
                case ReplyEnd(Finish.DONE):
                    failure = self._conformity.fault("".join(self._words))
                    return batch if failure is None else [*batch[:-1], ReplyFailed(failure)]
                case _:
                    pass
        return batch

    def flush(self) -> Sequence[Event]:
        """Nothing is ever held back."""
        return []


def _failure(reason: str) -> Failure:
    return Failure(
        FailureKind.UPSTREAM_INVALID,
        f"the model's answer does not fit the schema that was asked for: {reason}",
        code="schema_mismatch",
        hint='the loss policy is `strict`; with `losses = "warn"` the answer would be passed on unchecked',
    )


def _refuse(constant: str) -> object:
    raise ValueError(f"`{constant}`")


@lru_cache(128)
def _validator(schema: bytes) -> Validator:
    """Return what checks against `schema`. References out of it are never followed: the registry is empty."""
    try:
        root = msgspec.json.decode(schema)
        kind: Any = validator_for(root, default=Draft202012Validator)
        kind.check_schema(root)
        held = mapped(root, lambda one, _path: _without_patterns(one))
        _check_references(held, kind)
        validator: Validator = kind(held, registry=Registry())
    except SchemaError as error:
        raise _no_schema(f"`{error.json_path}`: {error.message[:_LONGEST]}") from None
    except RecursionError:
        raise _no_schema("it is nested too deeply") from None
    return validator


def _no_schema(reason: str) -> RequestError:
    return RequestError(f"`schema` is no JSON Schema: {reason}", param="schema")


def _without_patterns(schema: Schema) -> Schema:
    """Return a schema that is held to no pattern; where names of properties have one, other properties cannot be told."""
    left_out = set(_UNCHECKED)
    if "patternProperties" in schema:
        left_out |= {"additionalProperties", "unevaluatedProperties"}
    if isinstance(kinds := schema.get("type"), list) and any(isinstance(one, dict) for one in kinds):
        left_out.add("type")  # schemas, in draft 3
    return {name: value for name, value in schema.items() if name not in left_out}


# References -----------------------------------------------------------------------------------------------------------


def _check_references(root: Any, kind: Any) -> None:  # noqa: ANN401 - any JSON, and a class of validators
    """Raise RequestError for a reference that leads to no schema in `root`, or back to the one that it stands in.

    The model's answer would show it, too: after it has been paid for, and as if the model had made the mistake.
    """
    specification = specification_with(kind.META_SCHEMA["$schema"])
    references = _References(specification)
    try:
        references.enter(root, Registry().resolver_with_root(specification.create_resource(root)))
    except (AttributeError, TypeError, ValueError):
        raise _no_schema("a name in it is no URI") from None
    leads = references.resolved()
    for adopted in references.adopted.values():
        kind.check_schema(adopted)
    try:
        TopologicalSorter(leads).prepare()
    except CycleError:
        raise _no_schema("it refers to itself without end") from None


class _References:
    """Knows every schema of a document, also those that only a reference makes one (`#/components/schemas/a`).

    `adopted` are the outermost of the latter, by their identities: nobody has told yet whether they are valid.
    """

    def __init__(self, specification: Any) -> None:  # noqa: ANN401 - the library's generic
        self.adopted: dict[int, Schema] = {}
        self._specification = specification
        self._schemas: list[tuple[Schema, Any]] = []
        self._known: set[int] = set()

    def enter(self, root: Any, resolver: Any, change: Callable[[Schema], None] | None = None) -> None:  # noqa: ANN401 - any JSON
        """Add the schema `root` and all within it that are not known yet, each with `change` made to it."""
        entered = [(root, resolver)] if isinstance(root, dict) else []
        for schema, place in entered:  # it grows on the way
            self._known.add(id(schema))
            if change is not None:
                change(schema)
            for _, inner in children(schema):
                if id(inner) in self._known:
                    self.adopted.pop(id(inner), None)
                elif isinstance(inner, dict):
                    entered.append((inner, place.in_subresource(self._specification.create_resource(inner))))
        self._schemas += entered

    def resolved(self) -> dict[int, set[int]]:
        """Return which schemas hold the very value that another one holds, by their identities."""
        leads: dict[int, set[int]] = {}
        for schema, resolver in self._schemas:  # it grows on the way
            inner = {id(one) for step, one in children(schema) if step.startswith(_HERE)}
            leads[id(schema)] = inner | {self._target(schema[name], resolver) for name in _REFERENCES if name in schema}
        return leads

    def _target(self, reference: Any, resolver: Any) -> int:  # noqa: ANN401 - any JSON
        """Return the identity of the schema that `reference` leads to."""
        try:
            found = resolver.lookup(reference)
            target, place = found.contents, found.resolver
        except (Unresolvable, UnknownDialect, AttributeError, TypeError, ValueError):
            target = place = None
        if isinstance(target, bool) or id(target) in self._known:
            return id(target)
        if not isinstance(target, dict) or any(word in _DATA for word in unquote(reference).split("/")):
            raise _leads_nowhere(reference)

        def held(schema: Schema) -> None:
            if any(
                name in schema for name in _IDENTITIES
            ):  # a document of its own, which is looked for in schemas' places alone
                raise _leads_nowhere(reference)
            _strip(schema)

        self.enter(target, place, held)
        self.adopted[id(target)] = target
        return id(target)


def _leads_nowhere(reference: object) -> RequestError:
    return _no_schema(f"`{str(reference)[:_LONGEST]}` leads to no schema in it")


def _strip(schema: Schema) -> None:
    """Take a schema's patterns away where it stands: copies would not be found by reference."""
    left = _without_patterns(schema)
    for name in schema.keys() - left.keys():
        del schema[name]
