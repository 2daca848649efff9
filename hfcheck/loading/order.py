"""Natural order of tensor names, which decides which of two names for one parameter is taken.

`dot_natural_key` of https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/core_model_loading.py
"""

from collections.abc import Iterable

_DIGITS = "0123456789"


def natural(names: Iterable[str]) -> list[str]:
    """Names in the order in which a checkpoint is gone through: layer 2 before layer 10."""
    known = _Parts()
    return sorted(names, key=lambda name: "\0".join(map(known.__getitem__, name.split("."))))


class _Parts(dict[str, str]):
    r"""For a part of a name a text that sorts as the part does, which is several times faster than tuples of upstream.

    Numbers come before text and go by value; so does the number at the end of a text, after the text without one. A
    number is its digits behind their count. \1 and \2 are above the \0 between parts, so that a name comes before the
    longer one that it begins.
    """

    def __missing__(self, part: str) -> str:
        if part.isdecimal():
            self[part] = "\1" + _number(part)
        else:
            text = part.rstrip(_DIGITS)
            self[part] = f"\2{text}\0" + (_number(part[len(text) :]) if text != part else "")
        return self[part]


def _number(digits: str) -> str:
    value = str(int(digits))
    return chr(len(value)) + value
