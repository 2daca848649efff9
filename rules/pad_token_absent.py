"""There is no padding token, and texts of different lengths make no batch.

## What it finds
Models whose tokenizer has no padding token: a note, for many are made so and never need one. It stands at `pad_token`
or, where the config says `null` or a negative number too, at its `pad_token_id`.

A class that classifies by the last token of a text (`LlamaForSequenceClassification` and 64 others) whose config has no
padding id, whatever the tokenizer has: a warning.

## Why it matters
transformers 5.23.0 raises `ValueError: Asking to pad but the tokenizer does not have a padding token` where
`tokenizer(texts, padding=True)` is called, as trainers and pipelines with `batch_size` do:
https://github.com/huggingface/trl/issues/466 . The classifiers raise `ValueError: Cannot handle batch sizes > 1 if no
padding token is defined.`, and do so for a batch that is padded rightly as well, because they look for the end of each
text by the id in the config alone. Loaders of quantised weights ask for it too:
https://huggingface.co/Glavin001/tiny-puffed-llama-GPTQ/commit/f29df9fa2e0e1131d2e5755481d90deb980c5136 .

## How to put it right
Write a token that the model has as `pad_token` into tokenizer_config.json, the end of text for one, and its id as
`pad_token_id` into config.json. A new token needs a new row of the embedding.
"""

from collections.abc import Iterator
from posixpath import join
from typing import Any

from hfcheck.example import Content
from hfcheck.example_models import BERT, LLAMA, bert_tensors, llama_tensors, repository
from hfcheck.example_tokenizers import added_specials, tokenizer_json, vocab_txt, with_tokenizer
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading import atlas
from hfcheck.loading.draft import ConfigRaises, Resolved, Unresolvable
from hfcheck.loading.resolve import auto_type, resolve
from hfcheck.placement.fault import text
from hfcheck.rule import Example, Rule
from hfcheck.token_files import CONFIG, ROLES
from hfcheck.token_settings import LAST_TOKEN, architecture, id_at, is_known, settings

MODEL = repository(LLAMA, llama_tensors())
CLASSIFIER = {"architectures": ["LlamaForSequenceClassification"]}


def _llama(**fields: object) -> dict[str, Content]:
    return {**MODEL, "config.json": {**LLAMA, **fields}}


class PadTokenAbsent(Rule):
    id = "TOK023"
    name = "pad-token-absent"
    severity = Severity.NOTE
    since = "0.1"
    hint = "Name a token that the model has as pad_token, the end of text for one, and its id as pad_token_id."
    bad = (
        Example("no file gives one", with_tokenizer(MODEL), at=(At("tokenizer_config.json"),)),
        Example(
            "null in the settings of the tokenizer",
            with_tokenizer(MODEL, pad_token=None),
            at=(At("tokenizer_config.json", "/pad_token"),),
        ),
        Example(
            "null in the config too",
            with_tokenizer(_llama(pad_token_id=None)),
            at=(At("config.json", "/pad_token_id"),),
        ),
        Example(
            "a classifier by the last token, whose config has no padding id: a warning",
            with_tokenizer(_llama(**CLASSIFIER), pad_token="<unk>"),
            at=(At("config.json"),),
        ),
        Example(
            "the same with null, and a tokenizer without: one finding",
            with_tokenizer(_llama(**CLASSIFIER, pad_token_id=None)),
            at=(At("config.json", "/pad_token_id"),),
        ),
    )
    good = (
        Example("a padding token", with_tokenizer(MODEL, pad_token="<unk>")),
        Example("the end of text is the padding", with_tokenizer(MODEL, pad_token="</s>"), near_miss=True),
        Example(
            "one that the class brings along",
            {
                **repository(BERT, bert_tensors()),
                "vocab.txt": vocab_txt(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")),
                "tokenizer_config.json": {"tokenizer_class": "BertTokenizer"},
            },
            near_miss=True,
        ),
        Example(
            "a classifier of a type whose config has a padding id where none is given",
            with_tokenizer(
                {
                    "config.json": {
                        "model_type": "gemma",
                        "architectures": ["GemmaForSequenceClassification"],
                        "vocab_size": 16,
                    }
                },
                pad_token="<unk>",
            ),
            near_miss=True,
        ),
        Example(
            "a classifier that takes the first token and asks for no padding id",
            with_tokenizer(repository(BERT, bert_tensors(), pad_token_id=None), pad_token="<unk>"),
            near_miss=True,
        ),
        Example(
            "padding that only the padding of tokenizer.json names",
            with_tokenizer(
                MODEL,
                tokenizer_json(
                    None,
                    added_specials(),
                    padding={
                        "strategy": "BatchLongest",
                        "direction": "Right",
                        "pad_to_multiple_of": None,
                        "pad_id": 0,
                        "pad_type_id": 0,
                        "pad_token": "<unk>",
                    },
                ),
            ),
            near_miss=True,
        ),
        Example("a tokenizer without a model", with_tokenizer({}), near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if facts.config is None or not facts.claims_transformers:
            return
        given = id_at(facts, "pad")
        name = architecture(facts)
        if name in LAST_TOKEN and _has_no_id(facts.config):
            at = given[1] if given is not None else At(facts.inside("config.json"))
            message = f"the config has no pad_token_id, and {name} raises ValueError for more than one text at a time"
            yield self.finding(at, message, severity=Severity.WARNING)
            return
        table = facts.tokens
        if table is None or not is_known(table) or "pad_token" in table.specials or _is_skipped(facts):
            return
        said = given is not None and (given[0] is None or (isinstance(given[0], int) and given[0] < 0))
        message = "the tokenizer has no padding token, and raises ValueError where it is asked to pad texts to a batch"
        if said and given is not None:
            yield self.finding(given[1], f"the config has no pad_token_id either: {message}")
            return
        stated = "pad_token" in settings(facts, facts.folder)
        yield self.finding(_settings_at(facts, "/pad_token" if stated else None), message)


def _has_no_id(config: dict[str, Any]) -> bool:
    """Whether the config has no padding id once its class has set what the file does not; False where nobody knows."""
    kind = auto_type(config)
    if not isinstance(kind, str) or atlas.entry(kind) is None:
        return False
    try:
        resolved: Resolved = text(resolve(config, kind))
    except (ConfigRaises, Unresolvable):
        return False
    return resolved.get("pad_token_id") is None


def _is_skipped(facts: Facts) -> bool:
    """Whether special_tokens_map.json names a padding token that transformers does not look at: TOK013 says so."""
    document = facts.json(join(facts.folder, ROLES))
    return document is not None and type(document.value) is dict and document.value.get("pad_token") is not None


def _settings_at(facts: Facts, pointer: str | None) -> At:
    for name in (CONFIG, "tokenizer.json", "config.json"):
        if facts.has_file(facts.inside(name)):
            return At(facts.inside(name), pointer if name == CONFIG else None)
    return At(facts.inside("config.json"))
