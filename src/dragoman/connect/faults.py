"""What goes wrong with a client's files or programs."""


class ConnectError(Exception):
    """Nothing was changed: a file cannot be read, edited or written. `hint` says what to do."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem)
        self.hint = hint
