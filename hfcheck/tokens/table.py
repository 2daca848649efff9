"""Tokens with their ids and where each of them comes from: as the files say it, and as the tokenizer would have it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from hfcheck.finding import At, pointer
from hfcheck.formats.tokenizer_json import Merges

NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
"""The special tokens that every tokenizer may have, in the order in which transformers adds them."""


@dataclass(frozen=True, slots=True)
class AddedToken:
    """A token beside the vocabulary of the model, as one file declares it. `id` is None where the file gives none."""

    content: str
    id: int | None
    at: At
    special: bool = False
    normalized: bool = True
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The base vocabulary in one file.

    `kind` is "BPE", "WordPiece", "Unigram", "WordLevel", "sentencepiece", "tiktoken", "tekken" or "gguf". `ids` maps a
    token to its id; of a token that stands there twice the last one counts. `count` is how many entries there are, more
    than `ids` where tokens come again. `unusual` are entries whose id is no whole number from 0 on.
    """

    path: str
    kind: str
    ids: Mapping[str, int]
    count: int
    unusual: tuple[At, ...] = ()
    base: str = ""
    """The pointer of the object or array with the tokens, and in a text file the offset of each line: for `at`."""
    starts: Sequence[int] = ()

    def at(self, token: str) -> At:
        """Where a token stands in the file, as exactly as its format allows."""
        if self.starts:
            return At(self.path, offset=self.starts[self.ids[token]] if token in self.ids else None)
        if self.kind in ("BPE", "WordPiece", "WordLevel"):
            return At(self.path, self.base + pointer(token))
        if self.kind == "Unigram" and token in self.ids:
            return At(self.path, self.base + pointer(self.ids[token]))
        return At(self.path)


@dataclass(frozen=True, slots=True)
class Special:
    """A token with a role: `name` is "eos_token", "image_token" or "extra". `id` is None where the tokenizer has none.

    `at` is where the role is given; None where the class of the tokenizer gives it by itself.
    """

    name: str
    content: str
    id: int | None
    at: At | None


@dataclass(frozen=True, slots=True)
class Renumbered:
    """A token that gets another id than the file says: the tokenizer counts added tokens on, and reads no id."""

    content: str
    stated: int
    loaded: int
    at: At


@dataclass(frozen=True, slots=True)
class Template:
    """A chat template. `name` is "default" where the file gives none; `at` is its home."""

    name: str
    text: str
    at: At


@dataclass(frozen=True, eq=False)
class TokenTable:
    """What `AutoTokenizer` builds from the files of a folder, and what each of the files says.

    Where `raises` is a sentence, it builds nothing, and `ids` has what the files say nevertheless. Where `certain` is
    false, `why` says why the outcome is not known, and no rule may call a fault by `added`, `specials` or `len`.
    `class_name` is the class that is made, `chosen` a phrase on what chose it.
    """

    class_name: str
    chosen: str
    certain: bool
    why: str = ""
    raises: str | None = None
    raises_at: At | None = None
    """The entry that is refused, where it is one that makes it raise."""
    without_vocabulary: bool = False
    """Whether `AutoTokenizer` makes, without a word, a tokenizer of its special tokens alone: a file is missing."""
    vocabulary: Vocabulary | None = None
    """The base vocabulary of the tokenizer; None where it has none of a file's."""
    base: Mapping[str, int] = field(default_factory=dict)
    """Its tokens and ids: those of `vocabulary`, or the few the class brings along without one."""
    added: Mapping[int, AddedToken] = field(default_factory=dict)
    """The added tokens by the id that they get. Those of them that are in `base` have their id there."""
    specials: Mapping[str, Special] = field(default_factory=dict)
    extra: tuple[Special, ...] = ()
    renumbered: tuple[Renumbered, ...] = ()
    lost: tuple[AddedToken, ...] = ()
    """Declared as an added token by a file, and not in the tokenizer."""
    merges: Merges | None = None
    merges_at: At | None = None
    vocabularies: tuple[Vocabulary, ...] = ()
    """Every file with a vocabulary, the one that is used first."""
    declared: tuple[AddedToken, ...] = ()
    """The added tokens of every file, also of those that are not used."""
    roles: tuple[Special, ...] = ()
    """The special tokens of every file, also where another file wins; their `id` is that of the tokenizer."""
    templates: tuple[Template, ...] = ()
    """The chat templates in every home; of those with the same name the first is used."""
    post_processor: tuple[Special, ...] = ()
    """Tokens that the post-processor of tokenizer.json inserts: `id` is the one that it writes."""

    def id_of(self, token: str) -> int | None:
        """The id of a token; None for one that the tokenizer does not have."""
        found = self._added_ids.get(token)
        return found if found is not None else self.base.get(token)

    def token_of(self, index: int) -> str | None:
        """The token with an id; where the vocabulary has several, the last."""
        found = self.added.get(index)
        return found.content if found is not None else self._base_tokens.get(index)

    def origin(self, token: str) -> At | None:
        """Where the tokenizer has a token from; None for one that no file brings."""
        index = self._added_ids.get(token)
        if self.vocabulary is not None and token in self.base:
            return self.vocabulary.at(token)
        return self.added[index].at if index is not None else None

    def items(self) -> Iterator[tuple[str, int]]:
        """Every token with its id."""
        yield from self.base.items()
        yield from ((token, index) for token, index in self._added_ids.items() if token not in self.base)

    def __len__(self) -> int:
        """`len(tokenizer)`: how many tokens there are, not the highest id."""
        return len(self.base) + sum(token not in self.base for token in self._added_ids)

    @property
    def highest(self) -> int:
        """The highest id; -1 where there is no token."""
        return max(max(self.base.values(), default=-1), max(self.added, default=-1))

    @cached_property
    def _added_ids(self) -> dict[str, int]:
        return {token.content: index for index, token in self.added.items()}

    @cached_property
    def _base_tokens(self) -> dict[int, str]:
        return {index: token for token, index in self.base.items()}
