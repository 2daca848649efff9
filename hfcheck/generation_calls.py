"""Settings with which a model loads and `generate` of transformers 5.23 raises at the first call, without arguments.

`generation/utils.py:_get_logits_processor` makes a processor for each setting that changes something, and the
processors check their values (`generation/logits_process.py`).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hfcheck.generation_checks import Refused, shown

Check = Callable[[Any], bool]


def _is_positive_float(value: object) -> bool:
    return value == 1 or (isinstance(value, float) and value > 0)  # 1 and true change nothing


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value > 0


def _are_ids(value: object) -> bool:
    ids = value if isinstance(value, list) else [value]
    return bool(ids) and not any(isinstance(one, str | dict) for one in ids)


SAMPLING: Mapping[str, tuple[Check, str]] = {
    "temperature": (_is_positive_float, "a number with a point, above 0"),
    "top_k": (lambda value: value == 0 or _is_count(value), "a whole number from 0 on"),
    "top_p": (lambda value: value >= 0, "a number from 0 on"),
    "min_p": (lambda value: 0 <= value <= 1, "a number from 0 to 1"),
    "typical_p": (lambda value: value > 0, "a number above 0"),
}
"""What they have to be where tokens are sampled."""

ALWAYS: Mapping[str, tuple[Check, str]] = {
    "repetition_penalty": (_is_positive_float, "a number with a point, above 0"),
    "no_repeat_ngram_size": (lambda value: value <= 0 or _is_count(value), "a whole number"),
    "num_beams": (_is_count, "a whole number above 0"),
    "eos_token_id": (_are_ids, "an id, or a list of some"),
    "bos_token_id": (lambda value: not isinstance(value, str | dict), "an id"),
    "bad_words_ids": (
        lambda value: isinstance(value, list) and bool(value) and all(isinstance(one, list) for one in value),
        "a list of lists of ids",
    ),
}


def failing(values: Mapping[str, Any]) -> Iterator[Refused]:
    """The settings for which a call raises, in the order of the file."""
    checks = {**ALWAYS, **(SAMPLING if values.get("do_sample") is True else {})}
    for key, value in values.items():
        if key not in checks or value is None:
            continue
        holds, wanted = checks[key]
        try:
            is_right = holds(value)
        except TypeError:
            is_right = False
        if not is_right:
            yield Refused(key, f"{key} is {shown(value)}, and has to be {wanted}")
