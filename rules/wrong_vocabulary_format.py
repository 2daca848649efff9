"""The vocabulary is in another format than its name says, or than its class takes.

## What it finds
- A `tokenizer.model` and its kin with something else than a model of SentencePiece: a web page, a text, ranks of
  tiktoken. An error where the tokenizer cannot be made because of it, a warning where a tokenizer.json beside it is
  taken and for ranks, and a note for these where no loader of transformers looks.
- A `tokenizer.json` that is none: a bare vocabulary, settings.
- A `tokenizer.json` whose model is of another type than the class of the tokenizer builds.
- A `vocab.txt` that is JSON, and a `vocab.json` that is a whole tokenizer.json.

Git LFS pointers are REP001, empty files FMT013, JSON that does not parse FMT020.

## Why it matters
sentencepiece 0.2 says `could not parse ModelProto from tokenizer.model` of any of them, and so do readers that build
on it (https://github.com/google/sentencepiece/issues/1054 : the file of Llama 3 is one of ranks). transformers 5.23.0
takes what is no model of SentencePiece for ranks. Measured with those of Llama 3 it makes the right tokenizer, whatever
the class is; without the package tiktoken, and of anything else, it raises `tiktoken is required to read a tiktoken
file` or `Error parsing line`, and the slow classes of 4.57.1 raise `object of type 'bool' has no len()`.
A `tokenizer.json` without a model ends in `KeyError: 'added_tokens'`. `T5Tokenizer` and its kin end
at a BPE model in `TypeError: 'dict' object is not an instance of 'Sequence'`; the other way round, `GPT2Tokenizer`
takes the tokens of any model and has no merges then: no error, and every word falls into letters. `BertTokenizer` makes
WordPiece of whatever tokens there are.

## How to put it right
Give the file the name of what it is, and save the tokenizer again: `tokenizer.save_pretrained` writes the
tokenizer.json that every loader of today takes.
"""

from collections.abc import Iterator
from posixpath import basename, join

from hfcheck.example import Pointer
from hfcheck.example_models import BERT, LLAMA, bert_tensors, llama_tensors, repository
from hfcheck.example_tokenizers import (
    bpe,
    merges_txt,
    numbered,
    sentencepiece,
    tokenizer_config,
    tokenizer_json,
    unigram,
    vocab_txt,
    with_tokenizer,
)
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.formats.json_ import JsonFacts
from hfcheck.formats.sniff import Content
from hfcheck.formats.tiktoken import TiktokenFacts
from hfcheck.formats.vocabulary import VocabularyFacts
from hfcheck.rule import Example, Rule
from hfcheck.shelf import Reading
from hfcheck.token_files import CONFIG, FULL, PIECES, class_of, is_from_code, is_readable, names
from hfcheck.tokens.sources import kind_of
from hfcheck.tokens.table import TokenTable

OUTCOMES = {
    "Unigram": "needs Unigram: transformers makes no tokenizer of it",
    "BPE": "makes a BPE model of its tokens, without merges: words fall into letters",
    "WordPiece": "makes a WordPiece model of its tokens: words are cut otherwise than they were in training",
}
"""What the classes of a type of model make of a tokenizer.json with a model of another type."""

ALIKE = {"WordPiece": ("WordLevel",)}
"""Types whose whole words a class of another type finds as well."""

MODEL = repository(LLAMA, llama_tensors())
RANKS = "YQ== 0\nYg== 1\nYw== 2\n"
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b")


class WrongVocabularyFormat(Rule):
    id = "TOK016"
    name = "wrong-vocabulary-format"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Give the file the name of what it is, or save the tokenizer again."
    bad = (
        Example(
            "ranks of tiktoken as tokenizer.model, and nothing else: a warning",
            {**MODEL, "tokenizer.model": RANKS, "tokenizer_config.json": tokenizer_config("LlamaTokenizer")},
            at=(At("tokenizer.model"),),
        ),
        Example(
            "the same beside a tokenizer.json: a warning",
            {**with_tokenizer(MODEL), "tokenizer.model": RANKS},
            at=(At("tokenizer.model"),),
        ),
        Example(
            "the same in the layout of the publisher: a note",
            {"params.json": {"dim": 4096}, "tokenizer.model": RANKS},
            at=(At("tokenizer.model"),),
        ),
        Example(
            "a web page",
            {
                **MODEL,
                "tokenizer.model": "<!DOCTYPE html><html><title>404</title></html>",
                "tokenizer_config.json": tokenizer_config("LlamaTokenizer"),
            },
            at=(At("tokenizer.model"),),
        ),
        Example(
            "a bare vocabulary as tokenizer.json",
            {**MODEL, "tokenizer.json": numbered(), "tokenizer_config.json": tokenizer_config()},
            at=(At("tokenizer.json"),),
        ),
        Example(
            "a BPE model for a class that needs Unigram",
            {
                "config.json": {"model_type": "t5"},
                "tokenizer.json": tokenizer_json(bpe()),
                "tokenizer_config.json": {"tokenizer_class": "T5Tokenizer"},
            },
            at=(At("tokenizer.json", "/model/type"),),
        ),
        Example(
            "a Unigram model for a class that builds BPE: its merges are not there",
            with_tokenizer(MODEL, tokenizer_json(unigram()), tokenizer_class="GPT2Tokenizer"),
            at=(At("tokenizer.json", "/model/type"),),
        ),
        Example(
            "a byte-level model for the class of BERT",
            {
                **repository(BERT, bert_tensors()),
                "tokenizer.json": tokenizer_json(bpe(numbered((*WORDS, "ab")), [("a", "b")]), []),
                "tokenizer_config.json": {"tokenizer_class": "BertTokenizer"},
            },
            at=(At("tokenizer.json", "/model/type"),),
        ),
        Example(
            "JSON as vocab.txt",
            {
                **repository(BERT, bert_tensors()),
                "vocab.txt": numbered(WORDS),
                "tokenizer_config.json": {"tokenizer_class": "BertTokenizer"},
            },
            at=(At("vocab.txt"),),
        ),
        Example(
            "a whole tokenizer.json as vocab.json",
            {
                **MODEL,
                "vocab.json": tokenizer_json(bpe()),
                "merges.txt": merges_txt(),
                "tokenizer_config.json": tokenizer_config("GPT2Tokenizer"),
            },
            at=(At("vocab.json"),),
        ),
    )
    good = (
        Example(
            "a model of SentencePiece",
            {**MODEL, "tokenizer.model": sentencepiece(), "tokenizer_config.json": tokenizer_config("LlamaTokenizer")},
        ),
        Example(
            "ranks under a name of their own",
            {**with_tokenizer(MODEL), "qwen.tiktoken": RANKS, "tiktoken.model": RANKS},
            near_miss=True,
        ),
        Example(
            "a model of something else under a name that promises nothing",
            {"config.json": {}, "crf.model": "a 0\n", "data/my.model": b"\x00"},
            near_miss=True,
        ),
        Example(
            "pointers and empty files, of which others speak",
            {
                **MODEL,
                "tokenizer.model": Pointer(500_000),
                "spiece.model": "",
                "tokenizer_config.json": tokenizer_config("LlamaTokenizer"),
            },
            near_miss=True,
        ),
        Example(
            "the class that takes any model",
            with_tokenizer(MODEL, tokenizer_json(unigram())),
            near_miss=True,
        ),
        Example(
            "a vocabulary whose first token is a brace",
            {
                **repository(BERT, bert_tensors()),
                "vocab.txt": vocab_txt(("{", *WORDS)),
                "tokenizer_config.json": {"tokenizer_class": "BertTokenizer"},
            },
            near_miss=True,
        ),
        Example(
            "a file of a demonstration, which is no tokenizer's",
            {"config.json": {}, "demo/tokenizer.json": {"a": 1}},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for reading in facts.readings():
            if basename(reading.path) in PIECES:
                yield from self._model(facts, reading)
        for folder, table in facts.token_tables.items():
            if is_readable(facts, folder) and not is_from_code(facts, folder):
                yield from self._full(facts, folder, table)
                yield from self._texts(facts, folder, table)

    def _model(self, facts: Facts, reading: Reading) -> Iterator[Finding]:
        """What a SentencePiece model is where it is none."""
        folder = reading.path.removesuffix(basename(reading.path)).rstrip("/")
        found = names(facts, folder)
        is_tokenizer = CONFIG in found or (folder == facts.folder and facts.claims_transformers)
        ranks = isinstance(reading.facts, TiktokenFacts)
        if not ranks and (reading.invalid is None or reading.exceeded or reading.content is Content.POINTER):
            return
        what = "ranks of tiktoken" if ranks else "neither that nor ranks of tiktoken"
        message = f"the name promises a model of SentencePiece, and the content is {what}"
        if FULL in found and is_tokenizer:
            severity, then = Severity.WARNING, "transformers takes the tokenizer.json beside it, and other readers fail"
        elif is_tokenizer and ranks:
            severity, then = Severity.WARNING, "transformers reads it with tiktoken installed, and other readers fail"
        elif is_tokenizer:
            severity, then = Severity.ERROR, "transformers makes no tokenizer of it"
        elif ranks:
            severity, then = Severity.NOTE, "sentencepiece cannot parse it"
        else:
            severity, then = Severity.WARNING, "sentencepiece cannot parse it"
        yield self.finding(At(reading.path), f"{message}: {then}", severity=severity)

    def _full(self, facts: Facts, folder: str, table: TokenTable) -> Iterator[Finding]:
        document = facts.json(join(folder, FULL))
        is_tokenizer = CONFIG in names(facts, folder) or (folder == facts.folder and facts.claims_transformers)
        if document is None or type(document.value) is not dict or not is_tokenizer:
            return  # CFG001 says that it is no object
        model = document.value.get("model")
        if type(model) is not dict or "vocab" not in model:
            message = "this is no tokenizer.json: it has no model with a vocabulary, and transformers raises KeyError"
            yield self.finding(At(join(folder, FULL)), message)
            return
        found, kind = class_of(table), kind_of(model)
        if found is None or not found.builds or not found.known:
            return
        needed = found.model or "Unigram"  # Barthez, Camembert and mLUKE name none, and take a list
        if needed in OUTCOMES and kind not in (needed, *ALIKE.get(needed, ())):
            at = At(join(folder, FULL), "/model/type" if "type" in model else "/model")
            message = f"the model is of the type {quote(kind)}, and {quote(found.name)} {OUTCOMES[needed]}"
            yield self.finding(at, message)

    def _texts(self, facts: Facts, folder: str, table: TokenTable) -> Iterator[Finding]:
        """Text files of a class that is made from them."""
        found = class_of(table)
        read = set(found.files.values()) if found is not None and FULL not in names(facts, folder) else set()
        lines = facts.of(join(folder, "vocab.txt"), VocabularyFacts)
        if "vocab.txt" in read and lines is not None and _is_json(lines):
            message = "the name promises a token a line, and the content is JSON: each of its lines becomes a token"
            yield self.finding(At(join(folder, "vocab.txt")), message)
        document = facts.of(join(folder, "vocab.json"), JsonFacts)
        value = document.value if document is not None else None
        if "vocab.json" in read and document is not None and _is_no_vocabulary(value):
            message = "the name promises tokens with their ids, and the content is something else: transformers raises"
            yield self.finding(At(join(folder, "vocab.json")), message)


def _is_json(lines: VocabularyFacts) -> bool:
    """Whether the lines of a vocabulary are those of an object: all begin with a quote but for its braces."""
    inner = lines.lines[1:-1][:1000]
    if lines.lines[:1] == ("{",):
        return lines.lines[-1] == "}" and bool(inner) and all(line.lstrip().startswith('"') for line in inner)
    return len(lines.lines) == 1 and lines.lines[0].startswith("{") and lines.lines[0].endswith("}")


def _is_no_vocabulary(value: object) -> bool:
    return type(value) is not dict or type(value.get("model")) is dict
