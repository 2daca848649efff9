"""A token has an id for which the embedding has no row.

## What it finds
Tokens of the tokenizer, as `AutoTokenizer` builds it, with ids from the number of rows on that the embedding of the
text model has in the weights, or in the config where there are none. One finding for a tokenizer, at the token that is
reached first. An error where plain text reaches it, where the tokenizer or the chat template puts it into texts, or
where it begins or ends them; a warning where only padding does or a text that spells an added token out; a note on a
placeholder of images or sound, of which a tokenizer that is shared with a larger model may have some.

More rows than tokens are legal, and said nothing about here.

## Why it matters
transformers 5.23.0 and AutoTokenizer load both without a word. The first use is `IndexError: index out of range in
self`, which names no token; on a GPU it is `device-side assert triggered`, and the process is lost. The most frequent
way there is a padding token that was added to the tokenizer alone, as the first id past the embedding: single texts are
right then, and each batch that is padded fails. https://github.com/huggingface/transformers/issues/26714 ,
https://github.com/meta-llama/llama/issues/446 , https://github.com/huggingface/tokenizers/issues/1609 .

## How to put it right
Call `model.resize_token_embeddings(len(tokenizer))` and save the model again, or take the token out of the tokenizer.
To pad, a token that the model has will do as well, the end of text for one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hfcheck.example_models import BERT, LLAMA, bert_tensors, llama_tensors, repository
from hfcheck.example_tokenizers import (
    SIZE,
    TOKENS,
    added,
    added_specials,
    decoder_entry,
    merges_txt,
    numbered,
    tokenizer_config,
    tokenizer_json,
    vocab_txt,
    with_tokenizer,
    word_level,
)
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.rule import Example, Rule
from hfcheck.token_rows import Fed, fed
from hfcheck.tokens.table import TokenTable

MEDIA = re.compile(r"image|audio|video|vision|speech|sound|(?:^|_)(?:boi|eoi|boa|eoa)(?:_|$)", re.IGNORECASE)
PAD = re.compile(r"[^a-z]*pad[^a-z]*", re.IGNORECASE)
ENDS = ("bos_token", "eos_token", "cls_token", "sep_token", "class cls_token", "class sep_token")
"""Roles that begin and end texts; those that a class brings along where no file gives them, of encoders alone."""

MOST_TEXT, MOST_TOKENS = 100_000, 1000
"""Of chat templates and added tokens as much is looked at as any model has."""

RAISES = "raises IndexError in the embedding, on a GPU a device-side assert"


@dataclass(frozen=True, slots=True)
class Reach:
    """How a token gets into the input of a model; `rank` is lower for what happens sooner."""

    rank: int
    severity: Severity
    then: str


TEXT = Reach(0, Severity.ERROR, f"text that has it {RAISES}")
INSERTED = Reach(1, Severity.ERROR, f"the tokenizer puts it into texts, and that {RAISES}")
CHAT = Reach(2, Severity.ERROR, f"the chat template writes it, and such a chat {RAISES}")
BOUND = Reach(3, Severity.ERROR, f"it begins or ends texts, and such a text {RAISES}")
PADDING = Reach(4, Severity.WARNING, f"a batch that is padded with it {RAISES}; a single text does not need it")
SPELT = Reach(5, Severity.WARNING, f"a text that spells it out {RAISES}")
PLACEHOLDER = Reach(6, Severity.NOTE, f"a text that spells it out {RAISES}, and nothing else uses it here")

PAD_HINT = "Name a token that the model has as pad_token, or resize the embedding and save the model again."

ROWS = 16
BEYOND = [*added_specials(), added("<pad>", SIZE), added("<x>", SIZE + 1), added("<|im_end|>", ROWS)]
"""Added tokens of which the last has the first id past the embedding."""

FULL = At("tokenizer.json", "/added_tokens/5")


def _llama(full: object = None, **fields: object) -> dict[str, object]:
    model = repository(LLAMA, llama_tensors())
    return with_tokenizer(model, full if isinstance(full, dict) else None, **fields)


class TokenIdWithoutRow(Rule):
    id = "TOK001"
    name = "token-id-without-row"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Call model.resize_token_embeddings(len(tokenizer)) and save the model again, or take the token out."
    bad = (
        Example(
            "a chat template writes a token that was added to the tokenizer alone",
            _llama(
                tokenizer_json(None, BEYOND),
                chat_template="{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}",
            ),
            at=(FULL,),
        ),
        Example(
            "the vocabulary is larger than the embedding",
            {
                **repository(LLAMA, llama_tensors()),
                "vocab.json": numbered((*TOKENS, *"jklm")),
                "merges.txt": merges_txt(),
                "tokenizer_config.json": tokenizer_config("GPT2Tokenizer"),
            },
            at=(At("vocab.json", "/l"),),
        ),
        Example(
            "a word that was added to the tokenizer alone",
            _llama(tokenizer_json(None, [*BEYOND[:5], added("resize", ROWS, special=False)])),
            at=(FULL,),
        ),
        Example(
            "a padding token, the first id past the embedding: a warning",
            _llama(tokenizer_json(None, [*BEYOND[:5], added("[PAD]", ROWS)]), pad_token="[PAD]"),
            at=(FULL,),
        ),
        Example(
            "only the config tells how many rows there are: a warning on what pads",
            {
                "config.json": {**LLAMA, "vocab_size": SIZE},
                "tokenizer.json": tokenizer_json(),
                "tokenizer_config.json": tokenizer_config(),
                "added_tokens.json": {"<pad>": SIZE},
                "special_tokens_map.json": {"pad_token": "<pad>"},
            },
            at=(At("added_tokens.json", "/<pad>"),),
        ),
        Example(
            "the text encoder of a pipeline, whose tokenizer lies beside it",
            {
                "model_index.json": {
                    "_class_name": "DiffusionPipeline",
                    "tokenizer": ["transformers", "BertTokenizer"],
                },
                "text_encoder/config.json": {**BERT, "vocab_size": SIZE},
                "tokenizer/vocab.txt": vocab_txt(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *TOKENS)),
                "tokenizer/tokenizer_config.json": {"tokenizer_class": "BertTokenizer"},
            },
            at=(At("tokenizer/vocab.txt"),),
        ),
        Example(
            "a placeholder for images that a larger model has rows for: a note",
            _llama(tokenizer_json(None, [*BEYOND[:5], added("<image_soft_token>", ROWS)])),
            at=(FULL,),
        ),
    )
    good = (
        Example("each token has a row", _llama()),
        Example(
            "the last row is that of the last token",
            _llama(tokenizer_json(None, BEYOND[:5])),
            near_miss=True,
        ),
        Example(
            "a decoder lists an id past the embedding, and the tokenizer gives the token a lower one",
            _llama(added_tokens_decoder={"16": decoder_entry("<x>")}),
            near_miss=True,
        ),
        Example(
            "the tokens of a text model whose vocabulary the nested config gives",
            {
                "config.json": {"model_type": "llava", "vocab_size": 4, "text_config": {"vocab_size": ROWS}},
                "tokenizer.json": tokenizer_json(),
                "tokenizer_config.json": tokenizer_config(),
            },
            near_miss=True,
        ),
        Example(
            "an adapter that has the config of its base, and a token more",
            {
                "adapter_config.json": {"peft_type": "LORA", "base_model_name_or_path": "a/b"},
                "config.json": {**LLAMA, "vocab_size": SIZE},
                "tokenizer.json": tokenizer_json(None, [*added_specials(), added("<pad>", SIZE)]),
                "tokenizer_config.json": tokenizer_config(),
            },
            near_miss=True,
        ),
        Example("a model without a tokenizer", repository(BERT, bert_tensors()), near_miss=True),
        Example(
            "letters that a speech model gives as answers, and does not read",
            {
                "config.json": {"model_type": "wav2vec2", "architectures": ["Wav2Vec2ForCTC"], "vocab_size": 4},
                "tokenizer.json": tokenizer_json(word_level()),
                "tokenizer_config.json": tokenizer_config(),
            },
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for one in fed(facts):
            rows = one.embedding.rows
            beyond = [(token, index) for token, index in one.table.items() if index >= rows]
            if beyond:
                yield self._judged(one, beyond)

    def _judged(self, one: Fed, beyond: list[tuple[str, int]]) -> Finding:
        reaches = _Reaches(one.table, beyond)
        reach, index, token = min(
            ((reaches.of(token, index), index, token) for token, index in beyond),
            key=lambda found: (found[0].rank, found[1]),
        )
        others = f", one of {len(beyond)} tokens beyond it" if len(beyond) > 1 else ""
        message = f"the token {quote(token)} has the id {index}, past the end of {one.rows}{others}: {reach.then}"
        hint = PAD_HINT if reach is PADDING else None
        return self.finding(_place(one, token), message, severity=reach.severity, hint=hint)


class _Reaches:
    """How the tokens of one tokenizer are reached."""

    def __init__(self, table: TokenTable, beyond: list[tuple[str, int]]) -> None:
        self.table = table
        text = "".join(template.text for template in table.templates)[:MOST_TEXT]
        first = sorted((index, token) for token, index in beyond if index in table.added)[:MOST_TOKENS]
        self.written = {token for _, token in first if token in text}
        self.inserted = {special.content for special in table.post_processor}
        self.given: dict[str, set[str]] = {}
        for special in (*table.specials.values(), *table.extra):
            name = special.name if special.at is not None else f"class {special.name}"
            self.given.setdefault(special.content, set()).add(name)

    def of(self, token: str, index: int) -> Reach:
        """How a token is reached."""
        roles = self.given.get(token, set())
        if token in self.inserted:
            return INSERTED
        if roles.intersection(ENDS):
            return BOUND
        added_token = self.table.added.get(index)
        if added_token is None or (not added_token.special and token.strip().isalnum()):
            return TEXT
        if "pad_token" in roles or PAD.fullmatch(token):
            return PADDING
        if any(MEDIA.search(name) for name in (token, *roles)):
            return PLACEHOLDER
        if token in self.written:
            return CHAT
        return SPELT


def _place(one: Fed, token: str) -> At:
    """Where the token comes from; the embedding where the class brings it along."""
    at = one.table.origin(token)
    return at if at is not None and at.path else one.embedding.at
