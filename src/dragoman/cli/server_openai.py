"""`dragoman server-openai`: the gateway with one back end, OpenCode, and one kind of client."""

from typing import Final

import msgspec

from dragoman.routing.specs import OPENCODE_SERVER
from dragoman.settings import Provider, Routes, Settings

PROTOCOLS: Final = ("openai-chat",)
_NAME: Final = "opencode"


def only_opencode(settings: Settings) -> Settings:
    """Return the settings with nobody to ask but OpenCode: the configured provider of that kind, or else one by its name."""
    own = {name: one for name, one in settings.providers.items() if one.kind == OPENCODE_SERVER}
    providers = own or {_NAME: Provider(kind=OPENCODE_SERVER)}
    return msgspec.structs.replace(settings, providers=providers, aliases={}, alias_preset=None, routes=Routes())
