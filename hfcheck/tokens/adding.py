"""How the tokenizers library gives ids to added tokens: `tokenizer/added_vocabulary.rs:add_tokens` of 0.23.3.

It never reads the id that a file gives. A token of the vocabulary keeps its id there. The others are counted on: in
each call from behind the highest added token or, if that is more, from the size of the vocabulary, whatever its ids.
"""

from collections.abc import Iterable, Mapping

from hfcheck.tokens.table import AddedToken


class Adding:
    """Tokens that are added to a vocabulary of `size` entries."""

    def __init__(self, base: Mapping[str, int], size: int) -> None:
        self.base = base
        self.size = size
        self.ids: dict[str, int] = {}
        self.by_id: dict[int, AddedToken] = {}
        self.highest = -1

    def add(self, tokens: Iterable[AddedToken]) -> None:
        """One call with these tokens, in their order; an empty one is never added."""
        following = max(self.highest + 1, self.size)
        for token in tokens:
            if not token.content:
                continue
            index = self.ids.get(token.content)
            if index is None:
                index = self.base.get(token.content)
            if index is None:
                index, following = following, following + 1
            self.highest = max(self.highest, index)
            self.ids[token.content] = index
            self.by_id[index] = token
