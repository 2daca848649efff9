"""The class of the tokenizer is one that transformers does not have.

## What it finds
A `tokenizer_class`, in `tokenizer_config.json` or, where that gives none, in `config.json`, that names no class of
transformers 5.23 and that no code of the repository brings along. An error where nothing is loaded because of it, a
warning where a tokenizer.json or a tokenizer.model saves the load, and a note where the class was one of
transformers 4.

## Why it matters
transformers 4 stops: `ValueError: Tokenizer class LLamaTokenizer does not exist or is not currently imported`, measured
with 4.44.2 and 4.57.1, whatever files there are (https://github.com/CVI-SZU/Linly/issues/71 , where two capitals were
wrong). transformers 5.23.0 takes its generic class without a word. With a tokenizer.json that is made of the file as it
stands, and without what the class adds; with a tokenizer.model it is made of that; with `vocab.txt`, or `vocab.json`
and `merges.txt`, it is `Couldn't instantiate the backend tokenizer`, and the name is not in the message. An unknown
class in `config.json` ends in `'NoneType' object has no attribute 'from_pretrained'` in all cases. Of what
transformers 4 had, 5.23 has no `MT5Tokenizer`, `TransfoXLTokenizer`, `RealmTokenizer` and a few more: repositories
with nothing but a `spiece.model` for `MT5Tokenizer` do not load any more.

## How to put it right
Write the name as transformers does, `LlamaTokenizer`. For a tokenizer.json of your own it is `PreTrainedTokenizerFast`,
which both versions know.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from posixpath import join

from hfcheck.example_models import BERT, LLAMA, bert_tensors, llama_tensors, repository
from hfcheck.example_tokenizers import bpe, sentencepiece, tokenizer_config, tokenizer_json, vocab_txt
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.rule import Example, Rule
from hfcheck.token_files import CONFIG, is_from_code
from hfcheck.tokens.classes import classes

BEFORE = frozenset({
    "ErnieMTokenizer", "GPTSanJapaneseTokenizer", "JukeboxTokenizer", "MT5Tokenizer", "MT5TokenizerFast",
    "ParakeetCTCTokenizer", "RealmTokenizer", "RealmTokenizerFast", "RetriBertTokenizer", "RetriBertTokenizerFast",
    "Speech2Text2Tokenizer", "TapexTokenizer", "TransfoXLTokenizer", "XLMProphetNetTokenizer",
})  # fmt: skip
"""Classes that transformers 4.57.1 has and 5.23.0 does not."""

MODEL = repository(LLAMA, llama_tensors())
FULL = tokenizer_json(bpe())
CLASS = At("tokenizer_config.json", "/tokenizer_class")
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b")


class TokenizerClassUnknown(Rule):
    id = "TOK014"
    name = "tokenizer-class-unknown"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Write the name of the class as transformers does; for a tokenizer.json it may be PreTrainedTokenizerFast."
    bad = (
        Example(
            "two capitals are wrong",
            {**MODEL, "tokenizer.json": tokenizer_json(), "tokenizer_config.json": tokenizer_config("LLamaTokenizer")},
            at=(CLASS,),
        ),
        Example(
            "the same beside a model of SentencePiece",
            {**MODEL, "tokenizer.model": sentencepiece(), "tokenizer_config.json": tokenizer_config("LLamaTokenizer")},
            at=(CLASS,),
        ),
        Example(
            "nothing but a vocab.txt: an error",
            {
                **repository(BERT, bert_tensors()),
                "vocab.txt": vocab_txt(WORDS),
                "tokenizer_config.json": {"tokenizer_class": "BERTTokenizer"},
            },
            at=(CLASS,),
        ),
        Example(
            "the config of the model names it: an error",
            {
                **repository(LLAMA, llama_tensors(), tokenizer_class="LLamaTokenizer"),
                "tokenizer.json": tokenizer_json(),
            },
            at=(At("config.json", "/tokenizer_class"),),
        ),
        Example(
            "a class that only transformers 4 had, and its own file alone: an error",
            {
                "config.json": {"model_type": "mt5"},
                "tokenizer_config.json": {"tokenizer_class": "MT5Tokenizer"},
                "spiece.model": sentencepiece(model="unigram"),
            },
            at=(CLASS,),
        ),
        Example(
            "a class that only transformers 4 had, beside a tokenizer.json: a note",
            {
                "config.json": {"model_type": "transfo-xl"},
                "tokenizer_config.json": {"tokenizer_class": "TransfoXLTokenizer"},
                "tokenizer.json": tokenizer_json(),
            },
            at=(CLASS,),
        ),
    )
    good = (
        Example(
            "a class that is there",
            {**MODEL, "tokenizer.json": FULL, "tokenizer_config.json": tokenizer_config("LlamaTokenizer")},
        ),
        Example(
            "the fast class of before has another name today",
            {
                **repository(BERT, bert_tensors()),
                "vocab.txt": vocab_txt(WORDS),
                "tokenizer_config.json": {"tokenizer_class": "ElectraTokenizerFast"},
            },
            near_miss=True,
        ),
        Example(
            "code of the repository brings the class along",
            {
                **MODEL,
                "tokenizer_config.json": {
                    "tokenizer_class": "MyTokenizer",
                    "auto_map": {"AutoTokenizer": ["tokenization_my.MyTokenizer", None]},
                },
                "tokenization_my.py": "",
            },
            near_miss=True,
        ),
        Example(
            "an unknown class in config.json that nobody reads, because the tokenizer has its own",
            {
                **repository(LLAMA, llama_tensors(), tokenizer_class="LLamaTokenizer"),
                "tokenizer.json": FULL,
                "tokenizer_config.json": tokenizer_config("LlamaTokenizer"),
            },
            near_miss=True,
        ),
        Example(
            "the name that transformers 5 writes: TOK015 speaks of it",
            {
                **MODEL,
                "tokenizer.json": tokenizer_json(),
                "tokenizer_config.json": tokenizer_config("TokenizersBackend"),
            },
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for folder, table in facts.token_tables.items():
            at, name = _named(facts, folder)
            if name is None or classes().find(name) is not None or is_from_code(facts, folder):
                continue
            version = classes().transformers
            if name in BEFORE:
                text = f"{quote(name)} is a class of transformers 4 that {version} does not have"
            else:
                text = f"{quote(name)} is no class of transformers{_meant(name)}"
            if table.raises is not None:
                message = f"{text}: {version} makes no tokenizer of these files, and its error does not name the class"
                yield self.finding(at, message, severity=Severity.ERROR)
            elif name in BEFORE:
                message = f"{text}: it takes the tokenizer as its file has it, without what the class adds"
                yield self.finding(at, message, severity=Severity.NOTE)
            else:
                message = f"{text}: version 4 refuses to load, and {version} takes its generic class without a word"
                yield self.finding(at, message)


def _named(facts: Facts, folder: str) -> tuple[At, str | None]:
    """The class that counts, and where it is given."""
    for file in (CONFIG, "config.json"):
        document = facts.json(join(folder, file))
        value = document.value if document is not None else None
        name = value.get("tokenizer_class") if type(value) is dict else None
        if isinstance(name, str) and name:
            return At(join(folder, file), "/tokenizer_class"), name
    return At(folder), None


def _meant(name: str) -> str:
    """The class that was probably meant, for the message."""
    known = {one.lower(): one for one in (*classes().by_name, *classes().aliases)}
    close = get_close_matches(name.lower(), known, 1, 0.92) if len(name) < 100 else []  # noqa: PLR2004 - the longest of all has 32
    return f", {known[close[0]]} is one" if close else ""
