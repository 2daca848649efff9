"""The ids of special tokens in the config are not those of the tokenizer.

## What it finds
`bos_token_id`, `pad_token_id`, `unk_token_id`, `sep_token_id`, `cls_token_id` and `mask_token_id` of a `config.json`
that are not the id of the tokenizer's token with that role, and `eos_token_id` where the class does not generate: for
those that do, GEN004 compares all that can end a text. One finding for each.

A warning where the class of the model works with the id: a class that classifies by the last token that is no padding,
an encoder that counts positions from the padding on, a classifier that takes the state at the end of text; and where
the ids of begin and end are exchanged. Else a note. In a config of several parts the one of the text model is compared.

## Why it matters
transformers 5.23.0 compares nothing. With another `pad_token_id` the classifier of a Llama takes the state of padding
for that of the text, for all but the longest of a batch, and RoBERTa gives each token other positions: the results
are wrong, and no message comes. With another `eos_token_id` the classifiers of BART and T5 raise `ValueError: Each
example must contain at least one <eos> token`. `bos_token_id` is what `generate` begins with where it has no input.
https://github.com/huggingface/transformers/issues/22239 , https://github.com/haotian-liu/LLaVA/issues/69 .

## How to put it right
Write the ids that the tokenizer has into config.json, unless the model was trained with the others.
"""

from collections.abc import Iterator

from hfcheck.example import Content
from hfcheck.example_models import BERT, LLAMA, bert_tensors, llama_tensors, repository
from hfcheck.example_tokenizers import added, added_specials, tokenizer_json, with_tokenizer
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.rule import Example, Rule
from hfcheck.token_settings import LAST_TOKEN, architecture, id_at, is_from_files, is_known
from hfcheck.tokens.table import TokenTable

ROLES = ("bos", "eos", "pad", "unk", "sep", "cls", "mask")

POSITIONS = frozenset((
    "roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "roberta-prelayernorm", "data2vec-text", "longformer",
    "ibert", "luke", "mluke", "mpnet", "xmod", "lilt", "layoutlmv3", "markuplm",
))  # fmt: skip
"""Types whose models count positions from the padding id on, and give padding none."""

END = frozenset(
    f"{name}ForSequenceClassification"
    for name in ("Bart", "MBart", "PLBart", "Mvp", "BigBirdPegasus", "T5", "MT5", "UMT5")
)
"""Classes that classify by the state at the end of text."""

GENERATES = ("ForCausalLM", "ForConditionalGeneration", "LMHeadModel", "ForSpeechSeq2Seq", "ForVision2Seq")

UNLIKE = ("clip", "siglip", "owl", "altclip", "groupvit", "xclip", "chinese_clip", "align", "blip")
"""How types begin whose text config has ids by default that nothing reads."""


def _llama(**fields: object) -> dict[str, Content]:
    return repository({**LLAMA, "bos_token_id": 1, "eos_token_id": 2}, llama_tensors(), **fields)


class SpecialIdsDisagree(Rule):
    id = "TOK022"
    name = "special-ids-disagree"
    severity = Severity.NOTE
    since = "0.1"
    hint = "Write the ids that the tokenizer has into config.json, unless the model was trained with the others."
    bad = (
        Example(
            "the begin of text is another token",
            with_tokenizer(_llama(bos_token_id=0)),
            at=(At("config.json", "/bos_token_id"),),
        ),
        Example(
            "begin and end are exchanged: a warning",
            with_tokenizer(_llama(bos_token_id=2, eos_token_id=1)),
            at=(At("config.json", "/bos_token_id"),),
        ),
        Example(
            "the padding of a classifier by the last token: a warning",
            with_tokenizer(_llama(architectures=["LlamaForSequenceClassification"], pad_token_id=2), pad_token="<unk>"),
            at=(At("config.json", "/pad_token_id"),),
        ),
        Example(
            "the padding that RoBERTa counts positions from: a warning",
            with_tokenizer(
                {"config.json": {"model_type": "roberta", "pad_token_id": 1, "vocab_size": 16}}, pad_token="<unk>"
            ),
            at=(At("config.json", "/pad_token_id"),),
        ),
        Example(
            "in the config of the text model",
            with_tokenizer(
                {
                    "config.json": {
                        "model_type": "llava",
                        "architectures": ["LlavaForConditionalGeneration"],
                        "text_config": {"model_type": "llama", "vocab_size": 16, "pad_token_id": 5},
                    }
                },
                pad_token="<unk>",
            ),
            at=(At("config.json", "/text_config/pad_token_id"),),
        ),
    )
    good = (
        Example("the same ids", with_tokenizer(_llama(pad_token_id=0), pad_token="<unk>")),
        Example(
            "a list of ids that end a text",
            with_tokenizer(_llama(eos_token_id=[2, 5])),
            near_miss=True,
        ),
        Example("padding is the end of text", with_tokenizer(_llama(pad_token_id=2), pad_token="</s>"), near_miss=True),
        Example("a role that the tokenizer has not", with_tokenizer(_llama(pad_token_id=7)), near_miss=True),
        Example(
            "no id in the config: transformers sets it to that of the tokenizer where it trains",
            with_tokenizer(_llama(pad_token_id=None), pad_token="<unk>"),
            near_miss=True,
        ),
        Example(
            "defaults at the top of a config whose text model has its own",
            with_tokenizer(
                {
                    "config.json": {
                        "model_type": "llava",
                        "pad_token_id": 5,
                        "bos_token_id": 9,
                        "text_config": {"model_type": "llama", "vocab_size": 16, "pad_token_id": 0},
                    }
                },
                pad_token="<unk>",
            ),
            near_miss=True,
        ),
        Example(
            "the text model of CLIP, whose config says 0, 1 and 2 and reads none of them",
            with_tokenizer(
                {
                    "config.json": {
                        "model_type": "clip_text_model",
                        "vocab_size": 16,
                        "bos_token_id": 0,
                        "eos_token_id": 2,
                        "pad_token_id": 1,
                    }
                },
                pad_token="<unk>",
            ),
            near_miss=True,
        ),
        Example("a row without a token: TOK005 says so", with_tokenizer(_llama(bos_token_id=15)), near_miss=True),
        Example(
            "a token of the tokenizer without a row, which TOK001 speaks of",
            with_tokenizer(
                _llama(pad_token_id=0),
                tokenizer_json(None, [*added_specials(), *(added(f"<{at}>", at) for at in range(14, 17))]),
                pad_token="<16>",
            ),
            near_miss=True,
        ),
        Example("an id without a row, which TOK006 speaks of", with_tokenizer(_llama(bos_token_id=16)), near_miss=True),
        Example(
            "another end of text than the tokenizer's: GEN004 speaks of it",
            with_tokenizer(_llama(eos_token_id=5)),
            near_miss=True,
        ),
        Example(
            "an encoder without any id in its config",
            with_tokenizer(repository(BERT, bert_tensors()), tokenizer_json(None, added_specials())),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        table = facts.tokens
        kind = str((facts.config or {}).get("model_type", ""))
        if table is None or not is_known(table) or not facts.claims_transformers or kind.startswith(UNLIKE):
            return
        if exchanged := _exchanged(facts, table):
            yield self.finding(exchanged[0], exchanged[1], severity=Severity.WARNING)
        rows = facts.embeddings.rows
        for role in ROLES:
            given = id_at(facts, role)
            token = table.specials.get(f"{role}_token")
            if given is None or token is None or token.id is None or not is_from_files(table, token):
                continue
            index, at = given
            if type(index) is not int or index < 0 or index == token.id:
                continue
            if rows is not None and max(index, token.id) >= rows:
                continue  # TOK006 speaks of the one, TOK001 of the other
            if role == "eos" and architecture(facts).endswith(GENERATES):
                continue
            if role in ("bos", "eos") and exchanged:
                continue
            other = table.token_of(index)
            if role == "bos" and other is None:
                continue  # a row without a token, which generation begins with: TOK005 says so
            has = f"that of {quote(other)}" if other is not None else "that of no token"
            message = (
                f"{role}_token_id is {index}, {has}, and the {role}_token of the tokenizer is "
                f"{quote(token.content)} with the id {token.id}"
            )
            then = _consequence(role, architecture(facts), kind)
            severity = Severity.WARNING if then else None
            yield self.finding(at, f"{message}{then and ': '}{then}", severity=severity)


def _exchanged(facts: Facts, table: TokenTable) -> tuple[At, str] | None:
    """Where the config has the ids of begin and end the other way round."""
    begin, end = table.specials.get("bos_token"), table.specials.get("eos_token")
    bos, eos = id_at(facts, "bos"), id_at(facts, "eos")
    if begin is None or end is None or bos is None or eos is None or begin.id == end.id or begin.id is None:
        return None
    if (bos[0], eos[0]) != (end.id, begin.id):
        return None
    message = (
        f"bos_token_id is {end.id} and eos_token_id {begin.id}, and in the tokenizer {quote(begin.content)} begins a "
        f"text with {begin.id} and {quote(end.content)} ends it with {end.id}: the two are exchanged"
    )
    return bos[1], message


def _consequence(role: str, name: str, kind: str) -> str:
    """What comes of a wrong id in a class that works with it; empty where none does."""
    if role == "pad" and name in LAST_TOKEN:
        return f"{name} takes the state of a padding token for that of the text"
    if role == "pad" and kind in POSITIONS:
        return "the model counts positions from this id on, and gives the tokens wrong ones"
    if role == "eos" and name in END:
        return f"{name} finds no end of text and raises ValueError"
    return ""
