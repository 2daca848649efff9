"""The one error of all format readers."""


class Invalid(ValueError):
    """The bytes are not what the format demands, or more than hfcheck is willing to read.

    `offset` counts bytes from the start of the file to the place where `expected` was not found; `expected` is a
    phrase that goes on after "expected". `budget` names the limit of hfcheck that was reached; None where the fault
    lies in the file. Every reader raises its own subclass and nothing else.
    """

    def __init__(self, offset: int, expected: str, *, budget: str | None = None) -> None:
        super().__init__(f"byte {offset}: expected {expected}")
        self.offset = offset
        self.expected = expected
        self.budget = budget
