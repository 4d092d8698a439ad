"""What `dragoman doctor` says of one thing that it looked at."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, and what is wrong with it (empty: nothing); `hint` is for when something is."""

    where: str
    what: str
    problem: str = ""
    hint: str = ""
