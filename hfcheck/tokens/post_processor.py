"""The special tokens that the post-processor of a tokenizer.json puts around a text, with the ids that it writes."""

from collections.abc import Iterator, Mapping
from typing import Any

from hfcheck.finding import At, pointer
from hfcheck.tokens.table import Special

MOST = 1000
"""Processors within processors that are looked at."""


def inserted(document: Mapping[str, Any], path: str) -> Iterator[Special]:
    """The tokens of TemplateProcessing, BertProcessing and RobertaProcessing, also within a Sequence."""
    pending: list[tuple[Any, str]] = [(document.get("post_processor"), "/post_processor")]
    for value, at in pending:
        if type(value) is not dict:
            continue
        nested = value.get("processors")
        children = list(enumerate(nested if type(nested) is list else ()))[: max(MOST - len(pending), 0)]
        pending.extend((child, f"{at}/processors/{index}") for index, child in children)
        for name in ("sep", "cls"):
            match value.get(name):
                case [str(text), int(index)]:
                    yield Special(f"{name}_token", text, index, At(path, f"{at}/{name}"))
        tokens = value.get("special_tokens")
        for key, entry in tokens.items() if type(tokens) is dict else ():
            yield from _of_template(key, entry, At(path, f"{at}/special_tokens{pointer(key)}"))


def _of_template(_key: str, entry: object, at: At) -> Iterator[Special]:
    match entry:
        case {"ids": [*ids], "tokens": [*texts]}:
            for position, (text, index) in enumerate(zip(texts, ids, strict=False)):
                if type(text) is str and type(index) is int:
                    yield Special("post_processor", text, index, At(at.path, f"{at.pointer}/ids/{position}"))
