"""Holds a model's answer to the form that its request asked for: what the policy `strict` promises, whoever enforced it.

Only an answer that ended normally is looked at: one that was cut off, refused, or calls a tool is not what was asked for anyway.
Patterns are not checked. A client may write one that takes for ever to match. This module is imported when it is first needed: the
library takes a while.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from dragoman.ir.events import BlockStart, Event, ReplyEnd, ReplyFailed, TextDelta
from dragoman.ir.failures import DragomanError, Failure, FailureKind, RequestError
from dragoman.ir.reply import Finish, Reply
from dragoman.ir.request import OutputFormat, Text
from dragoman.wire.schemas import Schema, mapped

_LONGEST: Final = 200
_ANY_OBJECT: Final = b'{"type":"object"}'


class Conformity:
    """Tells whether an answer has the form that was asked for."""

    def __init__(self, output: OutputFormat) -> None:
        """Raise RequestError for a schema that is none."""
        self._validator = _validator(_ANY_OBJECT if output.schema is None else bytes(output.schema))

    def fault(self, text: str) -> Failure | None:
        """Return what is wrong with an answer's whole text; None when nothing is."""
        try:
            error = best_match(self._validator.iter_errors(json.loads(text, parse_constant=_refuse)))
        except Unresolvable as unresolved:
            return _failure(f"its schema refers to `{unresolved.ref}`, which is not in it")
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
        validator: Validator = kind(mapped(root, lambda one, _path: _without_patterns(one)), registry=Registry())
    except SchemaError as error:
        raise _no_schema(f"`{error.json_path}`: {error.message[:_LONGEST]}") from None
    except RecursionError:
        raise _no_schema("it is nested too deeply") from None
    return validator


def _no_schema(reason: str) -> RequestError:
    return RequestError(f"the schema for the answer is no JSON Schema: {reason}", param="schema")


def _without_patterns(schema: Schema) -> Schema:
    """Return a schema that is held to no pattern; where names of properties have one, other properties cannot be told."""
    left_out = {"pattern", "patternProperties"}
    if "patternProperties" in schema:
        left_out |= {"additionalProperties", "unevaluatedProperties"}
    return {name: value for name, value in schema.items() if name not in left_out}
