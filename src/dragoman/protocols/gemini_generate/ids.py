"""Ids of calls that come without one."""

import re
from typing import Final

_NOT_IN_IDS: Final = re.compile("[^a-zA-Z0-9_-]")
_LENGTH: Final = 32


def made_up_id(reply_id: str, number: int) -> str:
    """Return an id for the call that is the reply's `number`th: the same for the same reply."""
    return f"call_{_NOT_IN_IDS.sub('', reply_id)[-_LENGTH:]}_{number}".replace("__", "_")
