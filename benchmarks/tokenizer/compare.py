"""One folder, both ways: what hfcheck says of its tokens, and what `AutoTokenizer` makes of it.

Code of a repository is never trusted, and no chat template is rendered.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

from hfcheck.facts import units
from hfcheck.repository import scan
from hfcheck.tokens.table import NAMED, TokenTable


@dataclass(frozen=True)
class Outcome:
    """`verdict` is "same", "differs", "both raise", "uncertain" or "no tokenizer"; `differences` say in what."""

    folder: str
    verdict: str
    class_name: str = ""
    differences: tuple[str, ...] = ()


def compare(folder: str) -> Outcome:
    """Both answers for one folder."""
    table = units(scan(folder))[0].tokens
    if table is None:
        return Outcome(folder, "no tokenizer")
    made, error = _made(folder)
    if not table.certain:
        name = type(made).__name__ if made is not None else "raises"
        return Outcome(folder, "uncertain", table.class_name, (table.why, f"AutoTokenizer: {name} {error}"))
    if made is None:
        if table.raises:
            return Outcome(folder, "both raise", table.class_name)
        return Outcome(folder, "differs", table.class_name, (f"AutoTokenizer raises {error}",))
    if table.raises:
        return Outcome(folder, "differs", table.class_name, (f"hfcheck: {table.raises}; AutoTokenizer makes it",))
    found = tuple(differences(table, made))
    return Outcome(folder, "differs" if found else "same", table.class_name, found)


def _made(folder: str) -> tuple[Any, str]:
    from transformers import AutoTokenizer  # noqa: PLC0415 - slow, and of no use to `hfcheck`

    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False), ""
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it raises is its answer, and a panic of Rust is no Exception
        return None, f"{type(error).__name__}: {str(error)[:200]}"


def differences(table: TokenTable, made: Any) -> Iterator[str]:  # noqa: ANN401 - a class of transformers
    """What the table has otherwise than the tokenizer."""
    if type(made).__name__ != table.class_name:
        yield f"class {table.class_name}, not {type(made).__name__}"
    if len(table) != len(made):
        yield f"{len(table)} tokens, not {len(made)}"
    vocabulary = made.get_vocab()
    ours = dict(table.items())
    if ours != vocabulary:
        wrong = sorted(token for token in ours.keys() | vocabulary.keys() if ours.get(token) != vocabulary.get(token))
        shown = [(token, ours.get(token), vocabulary.get(token)) for token in wrong[:3]]
        yield f"{len(wrong)} tokens with other ids: {shown}"
    added = {index: token.content for index, token in made.added_tokens_decoder.items()}
    mine = {index: token.content for index, token in table.added.items()}
    if mine != added:
        yield f"added tokens {_shown(mine, added)}"
    flags = {index: token.special for index, token in made.added_tokens_decoder.items()}
    if {index: token.special for index, token in table.added.items()} != flags:
        yield f"special flags {_shown({i: t.special for i, t in table.added.items()}, flags)}"
    for name in dict.fromkeys((*NAMED, *table.specials)):
        special = table.specials.get(name)
        theirs = made._special_tokens_map.get(name)  # noqa: SLF001
        if (special.content if special else None) != (str(theirs) if theirs is not None else None):
            yield f"{name} is {special.content if special else None!r}, not {theirs!r}"
        elif special is not None and special.id != (index := made.backend_tokenizer.token_to_id(special.content)):
            yield f"the id of {name} is {special.id}, not {index}"
    extra = [str(token) for token in made._extra_special_tokens]  # noqa: SLF001
    if [special.content for special in table.extra] != extra:
        yield f"extra special tokens {[s.content for s in table.extra][:3]}, not {extra[:3]}"


def _shown(mine: dict[int, Any], theirs: dict[int, Any]) -> list[tuple[int, Any, Any]]:
    wrong = sorted(index for index in mine.keys() | theirs.keys() if mine.get(index) != theirs.get(index))
    return [(index, mine.get(index), theirs.get(index)) for index in wrong[:3]]
