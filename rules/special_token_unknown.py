"""A special token is in no vocabulary, or text that has it is cut into pieces.

## What it finds
Special tokens with a role in `tokenizer_config.json` or `special_tokens_map.json` that no vocabulary and no list of
added tokens has, where the embedding has a row for the id that they get, which no token had when the model was trained.
A warning, and for padding a note.

Tokens like `<|im_end|>` and `<end_of_turn>` that a chat template writes, that the vocabulary has, and that are neither
added tokens nor special ones, where the tokenizer parts words from punctuation or no merge makes the token.

## Why it matters
transformers 5.23.0 adds a special token that it does not find, without a word, behind all others: the id is a row of
padding that was not trained for it, and as the end of text one that the model never gives: generation does not stop.
A token that is in the vocabulary alone is not looked for in text: `<|im_end|>` becomes `<`, `|`, `im`, `_`, `end`, `|`,
`>`, or `<unk>` for each of them, and the model sees no end of a turn.
https://github.com/QwenLM/Qwen3/issues/927 , https://github.com/hiyouga/LlamaFactory/issues/9338 .

## How to put it right
Name a token that the vocabulary has, or add the token in Python, train its row and save model and tokenizer together.
A token of the vocabulary becomes whole with `tokenizer.add_special_tokens` or an entry in `added_tokens`.
"""

import re
from collections.abc import Iterator

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.example_tokenizers import (
    SIZE,
    TOKENS,
    added,
    added_specials,
    bpe,
    decoder_entry,
    numbered,
    tokenizer_json,
    unigram,
    with_tokenizer,
    word_level,
)
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.rule import Example, Rule
from hfcheck.token_rows import fed
from hfcheck.token_settings import Full, fulls, is_from_files

CONTROL = re.compile(r"<[^<>\s]{1,60}>")
"""What may be a marker: of letters and signs, so that it is cut where words and punctuation are parted."""

ROLES = ("bos_token", "eos_token", "sep_token", "pad_token", "cls_token", "mask_token")

SPLITS = frozenset({"ByteLevel", "BertPreTokenizer", "Whitespace", "Punctuation"})
"""Pre-tokenizers that part words and punctuation."""

MOST = 1000
"""Pre-tokenizers within pre-tokenizers, and tokens of a template, that are looked at."""

MODEL = repository(LLAMA, llama_tensors())
CHAT = "{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}"
METASPACE = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
WITH_END = numbered((*TOKENS, "<|im_end|>"))


class SpecialTokenUnknown(Rule):
    id = "TOK020"
    name = "special-token-unknown"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Name a token that the vocabulary has, or add it, train its row and save model and tokenizer together."
    bad = (
        Example(
            "an end of text that is in no vocabulary",
            with_tokenizer(MODEL, eos_token="<|im_end|>"),
            at=(At("tokenizer_config.json", "/eos_token"),),
        ),
        Example(
            "padding that is in no vocabulary: a note",
            with_tokenizer(MODEL, pad_token="[PAD]"),
            at=(At("tokenizer_config.json", "/pad_token"),),
        ),
        Example(
            "no merge makes the token that the template writes",
            with_tokenizer(
                MODEL,
                tokenizer_json(bpe(numbered((*TOKENS, "<end_of_turn>"))), pre_tokenizer=METASPACE),
                chat_template="{{ messages[0].content }}<end_of_turn>",
            ),
            at=(At("tokenizer.json", "/model/vocab/<end_of_turn>"),),
        ),
        Example(
            "a vocabulary of words that has the token",
            with_tokenizer(MODEL, tokenizer_json(word_level(WITH_END)), chat_template=CHAT),
            at=(At("tokenizer.json", "/model/vocab/<|im_end|>"),),
        ),
        Example(
            "a template writes a token of the vocabulary that text is not searched for",
            with_tokenizer(MODEL, tokenizer_json(bpe(WITH_END)), chat_template=CHAT),
            at=(At("tokenizer.json", "/model/vocab/<|im_end|>"),),
        ),
    )
    good = (
        Example("each special token is an added token", with_tokenizer(MODEL)),
        Example(
            "a special token that is in the vocabulary alone: its role makes it whole",
            with_tokenizer(MODEL, tokenizer_json(bpe(WITH_END)), chat_template=CHAT, eos_token="<|im_end|>"),
            near_miss=True,
        ),
        Example(
            "an added token that is not special is whole too",
            with_tokenizer(
                MODEL,
                tokenizer_json(None, [*added_specials(), added("<|im_end|>", SIZE, special=False)]),
                chat_template=CHAT,
            ),
            near_miss=True,
        ),
        Example(
            "a template whose markers are words like any other: the model was trained so",
            with_tokenizer(MODEL, chat_template=CHAT),
            near_miss=True,
        ),
        Example(
            "a Unigram model, which takes a token of its vocabulary as a whole",
            with_tokenizer(
                MODEL,
                tokenizer_json(unigram((*TOKENS, "<|im_end|>")), pre_tokenizer=METASPACE),
                chat_template=CHAT,
            ),
            near_miss=True,
        ),
        Example(
            "merges make the token",
            with_tokenizer(
                MODEL,
                tokenizer_json(
                    bpe(numbered((*TOKENS, "<", ">", "<a", "<a>")), [("<", "a"), ("<a", ">")]),
                    pre_tokenizer=None,
                ),
                chat_template="{{ messages[0].content }}<a>",
            ),
            near_miss=True,
        ),
        Example(
            "an unknown token that is not in the vocabulary, which TOK018 speaks of",
            with_tokenizer(MODEL, unk_token="<none>"),
            near_miss=True,
        ),
        Example(
            "the model has a row for it, and none more: it was resized for the token",
            with_tokenizer(repository(LLAMA, {}, vocab_size=SIZE + 1), pad_token="[PAD]"),
            near_miss=True,
        ),
        Example(
            "an end of text that only the decoder of added tokens has",
            with_tokenizer(
                MODEL,
                eos_token="<|im_end|>",
                added_tokens_decoder={str(SIZE): decoder_entry("<|im_end|>")},
            ),
            near_miss=True,
        ),
        Example(
            "a token past the last row, which TOK001 speaks of",
            with_tokenizer(repository(LLAMA, {}, vocab_size=SIZE), eos_token="<|im_end|>"),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for one in fed(facts):
            rows = one.embedding.rows
            for name in ROLES:
                token = one.table.specials.get(name)
                if token is None or token.id is None or token.at is None or is_from_files(one.table, token):
                    continue
                if token.id < rows and rows != len(one.table):
                    severity = Severity.NOTE if name == "pad_token" else None
                    message = (
                        f"{quote(token.content)} is in no vocabulary: transformers adds it with the id {token.id}, "
                        f"whose row in {one.embedding.name} was not trained for it"
                    )
                    yield self.finding(token.at, message, severity=severity)
        for full in fulls(facts):
            yield from self._cut(full)

    def _cut(self, full: Full) -> Iterator[Finding]:
        table = full.table
        if table.vocabulary is None or table.vocabulary.kind not in ("BPE", "WordPiece", "WordLevel"):
            return
        splits = _splits(full)
        made = table.merges.made if table.vocabulary.kind == "BPE" and table.merges is not None else None
        if not splits and (made is None or _ignores_merges(full)):
            return
        whole = {token.content for token in table.added.values()}
        seen: set[str] = set()
        for template in table.templates:
            for match in list(CONTROL.finditer(template.text))[:MOST]:
                token = match.group()
                is_cut = splits or (made is not None and token not in made)
                if is_cut and token in table.base and token not in whole and token not in seen:
                    seen.add(token)
                    message = (
                        f"the chat template writes {quote(token)}, which is no added token: text that has it is cut "
                        f"into pieces, and the id {table.base[token]} is never reached"
                    )
                    hint = "Add the token with tokenizer.add_special_tokens and save the tokenizer."
                    yield self.finding(table.vocabulary.at(token), message, hint=hint)


def _ignores_merges(full: Full) -> bool:
    model = full.document.get("model")
    return type(model) is dict and model.get("ignore_merges") is True


def _splits(full: Full) -> bool:
    """Whether tokenizer.json parts words and punctuation before its model sees them."""
    pending = [full.document.get("pre_tokenizer")]
    for value in pending:
        if type(value) is not dict:
            continue
        kind = value.get("type")
        if kind == "ByteLevel" and value.get("use_regex", True) is not True:
            continue
        if isinstance(kind, str) and kind in SPLITS:
            return True
        nested = value.get("pretokenizers")
        pending.extend((nested if type(nested) is list else [])[: max(MOST - len(pending), 0)])
    return False
