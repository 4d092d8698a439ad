"""How servers say, in words, that a prompt does not fit the model: clients compact on it, so it has to be known."""

import re
from typing import Final

_TOO_LONG: Final = re.compile(
    r"prompt(?: is |_)too[ _]long|input is too long"
    r"|context[ _]length|context window|context limit (?:is )?exceeded|exceed context limit"
    r"|exceeds? (?:the |this |your )?(?:model'?s? )?(?:maximum |available )?(?:context|token)"
    r"|exceeds the maximum number of tokens allowed"  # Google
    r"|reduce the length of the (?:messages|prompt)"
    r"|maximum prompt length is \d"  # xAI
    r"|exceeded model token limit"  # Moonshot
    r"|prompt exceeds max length"  # GLM, code 1261
    r"|range of input length should be",  # Qwen
    re.IGNORECASE,
)


def says_too_long(message: str) -> bool:
    """Tell whether an error's `message` says so; it is to be asked only of errors that blame the request."""
    return _TOO_LONG.search(message) is not None
