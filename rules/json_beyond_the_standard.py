"""A JSON file has something in it that only some readers take.

## What it finds
In the files that loaders open by name: NaN and infinite numbers, lone surrogates in strings, a byte order mark. One
finding of each kind for a file.

## Why it matters
Python takes NaN, Infinity and half a surrogate pair; RFC 8259 does not have them, and readers in Rust, JavaScript and
Go refuse the file. `tokenizer.json` is read by Rust: transformers 5.23.0 stops with ``expected `,` or `}` at line
...``. A string with a lone surrogate cannot be saved again (`UnicodeEncodeError: surrogates not allowed`). With a
byte order mark it is Python that refuses: `Unexpected UTF-8 BOM`, or `It looks like the config file at ... is not a
valid JSON file`. Seen for the configs of models, tokenizers, processors and adapters and for indexes; a
`generation_config.json` with one is skipped without a word.

## How to put it right
Save the file as UTF-8 without a byte order mark. Write null for a number that is not there, and a large number for
infinity.
"""

from collections.abc import Iterator
from posixpath import basename

from hfcheck.facts import Facts, Kind
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.json_ import JsonFacts
from hfcheck.layout import CONFIG
from hfcheck.rule import Example, Rule

LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
BOM = "\ufeff"


class JsonBeyondTheStandard(Rule):
    id = "FMT022"
    name = "json-beyond-the-standard"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Write null or a finite number, whole characters, and UTF-8 without a byte order mark."
    bad = (
        Example(
            "numbers that JSON does not have",
            {"config.json": '{"a": {"b": NaN}, "c": [1, Infinity]}'},
            at=(At("config.json", "/a/b"),),
        ),
        Example(
            "an editor's byte order mark, in a config and in a tokenizer",
            {"config.json": BOM + '{"model_type": "llama"}', "tokenizer.json": BOM + "{}"},
            at=(At("config.json"), At("tokenizer.json")),
        ),
        Example(
            "half a surrogate pair, which Rust refuses",
            {"tokenizer.json": '{"model": {"vocab": {"a": 0}}, "x": "\\ud83d"}'},
            at=(At("tokenizer.json", "/x"),),
        ),
        Example(
            "a config of another library with a byte order mark: a warning",
            {"config.json": BOM + '{"sample_rate": 16000}'},
            at=(At("config.json"),),
        ),
    )
    good = (
        Example(
            "a config of some other tool", {"config.json": {}, "demo/config.json": b"\xef\xbb\xbf{}"}, near_miss=True
        ),
        Example("within the standard", {"config.json": LLAMA}),
        Example("a whole surrogate pair", {"config.json": '{"a": "\\ud83d\\ude00"}'}, near_miss=True),
        Example("the word in a string, and a large number", {"config.json": {"a": "NaN", "b": 1e30}}, near_miss=True),
        Example(
            "files that no loader opens",
            {"corpus/words.json": BOM + "[]", "eval/results.json": '{"loss": NaN}'},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for path, document in facts.all_of(JsonFacts):
            if not facts.is_opened_by_name(path):
                continue
            if document.bom:
                severity = Severity.ERROR if _python_refuses(facts, path) else Severity.WARNING
                yield self.finding(At(path, offset=0), "the file begins with a byte order mark", severity=severity)
            severity = Severity.ERROR if basename(path) == "tokenizer.json" else Severity.WARNING
            for places, what in (
                (document.nonfinite, "a number that JSON does not have (NaN or infinite)"),
                (document.surrogates, "half a surrogate pair, which is no character"),
            ):
                more = f" (the first of {len(places)} such places)" if len(places) > 1 else ""
                for place in places[:1]:
                    yield self.finding(At(path, place), f"here is {what}{more}", severity=severity)


def _python_refuses(facts: Facts, path: str) -> bool:
    """Whether the loader of this file is known, and refuses a byte order mark.

    vocab.json is opened only where there is no tokenizer.json, and config.json belongs to other libraries too.
    """
    if basename(path) == CONFIG:
        return facts.claims_transformers or facts.kind is Kind.DIFFUSERS
    return basename(path) != "vocab.json"
