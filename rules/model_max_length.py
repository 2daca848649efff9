"""The length that the tokenizer cuts texts to is none, or more than the model has positions for.

## What it finds
`model_max_length` in a `tokenizer_config.json` that is a string, a list or an object, which is an error; that is
negative, zero, a boolean or a number with a decimal point; or that is larger than the positions of a model with a table
of them, as BERT, RoBERTa, GPT-2, OPT and BART have one. Lengths of about 1e30 mean that there is none, and are legal,
and so are lengths below that of the model, and any length of a model with rotary or relative positions.

## Why it matters
Measured with transformers 5.23.0. A string: each text is `TypeError: '>' not supported between instances of 'int' and
'str'`. With `truncation=True` a negative number is `OverflowError: can't convert negative int to unsigned`, 512.0 is
`TypeError: 'float' object cannot be interpreted as an integer`, and 0 cuts each text to nothing. Where a text is cut to
more than the model has positions for, the long ones raise `IndexError: index out of range in self`, or `RuntimeError:
The expanded size of the tensor (11) must match the existing size (10)`, on a GPU a device-side assert; short ones work.
RoBERTa has two positions fewer than rows: its 514 are 512. https://github.com/huggingface/transformers/issues/5611 .

## How to put it right
Write the number of positions that the model has for text.
"""

from collections.abc import Iterator, Mapping
from posixpath import join
from typing import Any

from hfcheck.example_models import BERT, LLAMA, bert_tensors, llama_tensors, repository
from hfcheck.example_tokenizers import with_tokenizer
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.json_ import type_of
from hfcheck.loading.draft import ConfigRaises, Unresolvable
from hfcheck.loading.resolve import auto_type, resolve
from hfcheck.placement.fault import text
from hfcheck.rule import Example, Rule
from hfcheck.token_files import CONFIG
from hfcheck.token_settings import is_known, settings

UNLIMITED = 10**20
"""From here on a length means that there is none (`LARGE_INTEGER` of transformers)."""

POSITIONS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "bert", "electra", "ernie", "big_bird", "mobilebert", "megatron-bert", "rembert", "roc_bert", "convbert",
            "nystromformer", "layoutlm", "splinter", "squeezebert", "visual_bert", "albert", "bert-generation", "fnet",
            "distilbert", "gpt_neo", "opt", "biogpt", "bart", "mbart", "blenderbot", "pegasus", "plbart", "mvp",
            "marian", "bigbird_pegasus", "blenderbot-small", "clip_text_model",
        ),
        "max_position_embeddings",
    ),
    **dict.fromkeys(("gpt2", "openai-gpt", "gpt_bigcode", "ctrl", "gptj"), "n_positions"),
    "led": "max_encoder_position_embeddings",
}  # fmt: skip
"""Types of models with a table of positions, and the field that has their number."""

FROM_PADDING = frozenset((
    "roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "roberta-prelayernorm", "data2vec-text", "longformer",
    "ibert", "luke", "mpnet",
))  # fmt: skip
"""Types that count positions from behind the padding id, and have that many fewer."""

MODEL = repository(LLAMA, llama_tensors())
PLACE = At("tokenizer_config.json", "/model_max_length")
ROBERTA = {"config.json": {"model_type": "roberta", "max_position_embeddings": 514, "vocab_size": 16}}


class ModelMaxLength(Rule):
    id = "TOK026"
    name = "model-max-length"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Write the number of positions that the model has for text as model_max_length."
    bad = (
        Example("a string: an error", with_tokenizer(MODEL, model_max_length="1024"), at=(PLACE,)),
        Example("a negative number", with_tokenizer(MODEL, model_max_length=-1), at=(PLACE,)),
        Example("a number with a decimal point", with_tokenizer(MODEL, model_max_length=512.0), at=(PLACE,)),
        Example("nothing is left of a text", with_tokenizer(MODEL, model_max_length=0), at=(PLACE,)),
        Example(
            "more than BERT has positions",
            with_tokenizer(repository(BERT, bert_tensors()), model_max_length=11),
            at=(PLACE,),
        ),
        Example(
            "the rows of RoBERTa, of which two are no positions",
            with_tokenizer(ROBERTA, model_max_length=514),
            at=(PLACE,),
        ),
    )
    good = (
        Example("as many as BERT has", with_tokenizer(repository(BERT, bert_tensors()), model_max_length=10)),
        Example(
            "a number that means none",
            with_tokenizer(repository(BERT, bert_tensors()), model_max_length=int(1e30)),
            near_miss=True,
        ),
        Example("the same with an exponent", with_tokenizer(ROBERTA, model_max_length=1e30), near_miss=True),
        Example("the positions of RoBERTa", with_tokenizer(ROBERTA, model_max_length=512), near_miss=True),
        Example(
            "more than a model with rotary positions was trained with",
            with_tokenizer(repository(LLAMA, llama_tensors(), max_position_embeddings=8), model_max_length=4096),
            near_miss=True,
        ),
        Example("fewer than the model has", with_tokenizer(ROBERTA, model_max_length=128), near_miss=True),
        Example("null, which means none", with_tokenizer(MODEL, model_max_length=None), near_miss=True),
        Example(
            "sentence-transformers, which cuts texts by a setting of its own",
            {
                **with_tokenizer(ROBERTA, model_max_length=514),
                "sentence_bert_config.json": {"max_seq_length": 256, "do_lower_case": False},
            },
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for folder, table in facts.token_tables.items():
            given = settings(facts, folder)
            length = given.get("model_max_length")
            if length is None or not is_known(table):
                continue
            at = At(join(folder, CONFIG), "/model_max_length")
            if isinstance(length, (str, list, dict)):
                message = f"model_max_length is {type_of(length)}, and each text raises TypeError"
                yield self.finding(at, message, severity=Severity.ERROR)
            elif (why := _useless(length)) is not None:
                yield self.finding(at, f"model_max_length is {_shown(length)}: where texts are to be cut, {why}")
            elif folder == facts.folder and (found := _positions(facts)) is not None and found[0] < length < UNLIMITED:
                positions, place = found
                message = (
                    f"model_max_length is {int(length)}, and the model has {positions} positions ({place}): a text "
                    "between the two raises an error in the model, though the tokenizer was asked to cut it"
                )
                yield self.finding(at, message)


def _useless(length: object) -> str | None:
    """What a length comes to where a text is cut to it; None where it does what it says."""
    if isinstance(length, bool):
        return "it is taken for a number" if length else "nothing is left of them"
    if isinstance(length, float) and length <= UNLIMITED:
        return "it raises TypeError for its decimal point"
    if isinstance(length, int) and length < 0:
        return "it raises OverflowError"
    return "nothing is left of them" if length == 0 else None


def _shown(length: object) -> str:
    return str(length).lower() if isinstance(length, bool) else str(length)


def _positions(facts: Facts) -> tuple[int, str] | None:
    """The positions that the model has for text, and the field that says so; None where it may have any number."""
    config: dict[str, Any] = facts.config or {}
    if not facts.claims_transformers or _cuts_by_itself(facts):
        return None
    kind = str(auto_type(config))
    name = POSITIONS.get(kind) or ("max_position_embeddings" if str(kind) in FROM_PADDING else None)
    if name is None:
        return None
    try:
        resolved = text(resolve(config, kind))
    except (ConfigRaises, Unresolvable):
        return None
    rows, pad = resolved.get(name), resolved.get("pad_token_id")
    if type(rows) is not int or rows <= 0:
        return None
    if kind not in FROM_PADDING:
        return rows, f"{name} {rows}"
    first = (pad if type(pad) is int and pad >= 0 else 1) + 1
    return max(rows - first, 0), f"{name} {rows}, which counts from behind the padding id"


def _cuts_by_itself(facts: Facts) -> bool:
    document = facts.json(join(facts.folder, "sentence_bert_config.json"))
    return document is not None and type(document.value) is dict and type(document.value.get("max_seq_length")) is int
