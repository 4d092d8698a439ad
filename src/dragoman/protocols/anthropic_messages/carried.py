"""Whether a field that is only carried was given."""

from typing import TypeGuard

from msgspec import Raw

from dragoman.protocols.anthropic_messages.wire import Carried


def is_present(value: Carried) -> TypeGuard[Raw]:
    """Tell whether a field was given; null is the same as nothing."""
    return isinstance(value, Raw) and bytes(value) != b"null"
