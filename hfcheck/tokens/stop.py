"""How far the files of a tokenizer can be followed."""

from hfcheck.finding import At


class Stop(Exception):
    """The tokenizer is not built; the text is a sentence on why, `at` the entry that is refused, where it is one."""

    def __init__(self, text: str, at: At | None = None) -> None:
        super().__init__(text)
        self.at = at


class Unknown(Exception):
    """What becomes of these files is not known; the text is a sentence on why."""


class Without(Exception):
    """The class is made of its special tokens alone; the text is a sentence that says so."""
