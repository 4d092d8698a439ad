"""What the CLI says of itself when a conversation is opened: the models it offers, and who is signed in."""

from typing import Any, Final

import msgspec
from msgspec import Raw

from dragoman.codec import ModelCard


class Offered(msgspec.Struct, rename="camel"):
    """A model of the CLI's: `value` is its nickname (`opus`), `resolved_model` the id it stands for."""

    value: str
    resolved_model: str | None = None
    display_name: str = ""


class Account(msgspec.Struct, rename="camel"):
    """How the CLI signs in. The subscription's kind is there with a plan's login only."""

    token_source: str | None = None
    api_key_source: str | None = None
    api_provider: str | None = None
    subscription_type: str | None = None


class About(msgspec.Struct):
    """The part of the answer that is of interest."""

    models: list[Offered] = []
    account: Account = msgspec.field(default_factory=Account)
    claude_code_version: str | None = None


_decode: Final = msgspec.json.Decoder(About).decode
_NONE: Final = (None, "none")
_DEFAULT: Final = "default"
"""The nickname of the model that the CLI would take by itself; most often it has one of its own, too."""


def read_about(raw: Raw) -> About:
    """Read the answer to `initialize`. Raises msgspec.DecodeError."""
    return _decode(raw)


def is_signed_in(account: Account) -> bool:
    """Tell whether the CLI has found something to sign in with; whether it is accepted only a request can tell."""
    is_cloud = account.api_provider not in (None, "firstParty")
    return is_cloud or account.token_source not in _NONE or account.api_key_source not in _NONE


def cards(about: About, owner: str) -> list[ModelCard]:
    """Return the models of the CLI under the ids that they stand for."""
    found: dict[str, ModelCard] = {}
    for model in sorted(about.models, key=lambda model: model.value == _DEFAULT):
        id = model.resolved_model or model.value
        found.setdefault(id, ModelCard(id, model.display_name or id, owner))
    return list(found.values())


def summary(about: About | None) -> dict[str, Any]:
    """Return what `/health` tells of the login. Names and addresses are not in it."""
    if about is None:
        return {"login": "not known yet"}
    account = about.account
    return {
        "login": "found" if is_signed_in(account) else "none",
        "token_source": account.token_source,
        "api_key_source": account.api_key_source,
        "api_provider": account.api_provider,
        "subscription": account.subscription_type,
        "cli_version": about.claude_code_version,
    }
