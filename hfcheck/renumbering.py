"""Added tokens that get another id than a file says, as rules report them: by file, with what other files say."""

from collections.abc import Iterator
from posixpath import basename

from hfcheck.finding import At, Severity, quote
from hfcheck.tokens.table import Renumbered, TokenTable


def renumbering(table: TokenTable, *names: str) -> Iterator[tuple[At, str, Severity]]:
    """For each of these files that states other ids: the place of its first one, a sentence and a severity.

    An error where no file states the id that the tokenizer gives, a warning where files contradict each other.
    """
    if not table.certain or table.raises is not None:
        return
    for name in names:
        found = [one for one in table.renumbered if basename(one.at.path) == name]
        for severity in (Severity.ERROR, Severity.WARNING):
            group = [one for one in found if (severity is Severity.WARNING) == _is_stated(table, one)]
            if group:
                yield group[0].at, _sentence(table, group), severity


def _is_stated(table: TokenTable, one: Renumbered) -> bool:
    """Whether some file says the id that the tokenizer gives."""
    return _says(table, one) is not None


def _says(table: TokenTable, one: Renumbered) -> str | None:
    """What says the id that the tokenizer gives."""
    if any(vocabulary.ids.get(one.content) == one.loaded for vocabulary in table.vocabularies):
        return "the vocabulary"
    stated = (token.at.path for token in table.declared if (token.content, token.id) == (one.content, one.loaded))
    return next(stated, None)


def _sentence(table: TokenTable, group: list[Renumbered]) -> str:
    first = group[0]
    others = f" ({len(group)} such tokens)" if len(group) > 1 else ""
    change = f"{quote(first.content)} is {first.stated} here, and the tokenizer gives it {first.loaded}"
    if (source := _says(table, first)) is not None:
        return f"{change}, as {source} says{others}"
    holder = next((token for token, index in table.base.items() if index == first.loaded), None)
    also = f", which {quote(holder)} of the vocabulary has too" if holder is not None else ""
    return f"{change}{also}{others}: added tokens are counted on, and text with it takes another row of the embedding"
