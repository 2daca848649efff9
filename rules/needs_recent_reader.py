"""The tokenizer is written in a form that older readers do not know.

## What it finds
Three forms; one note for each tokenizer, at the key of the first of them:
- `extra_special_tokens` as a list, also as an empty one, in `tokenizer_config.json`,
- `tokenizer_class` with a name that transformers 5 introduced, `TokenizersBackend` and its kin,
- the merges of a `tokenizer.json` as pairs, `["a", "b"]`, where they were `"a b"` before.

## Why it matters
transformers 5 writes all three, and reads what was there before as well. Measured with tokenizers that were made for
it:
- 4.57.1 stops at the list with `AttributeError: 'list' object has no attribute 'keys'`, at an empty one too; 4.44.2
  does not look (https://github.com/ml-explore/mlx-lm/issues/661 , https://github.com/modelscope/ms-swift/issues/8186 ,
  https://github.com/gradients-ai/G.O.D/pull/1279).
- 4.44.2 and 4.57.1 stop at the class with `ValueError: Tokenizer class TokenizersBackend does not exist or is not
  currently imported` (https://github.com/jingyaogong/minimind/issues/578).
- tokenizers 0.19.1 stops at the pairs with `data did not match any variant of untagged enum ModelWrapper at line ...`,
  and the line is the last of the file; 0.22.2 reads them (https://github.com/allenai/open-instruct/issues/738 ,
  https://github.com/lllyasviel/FramePack/issues/147).

## How to put it right
Nothing, if your readers are recent; say in the card which version they need. Else write the list as an object of names
(`{"image_token": "<image>"}`) or under `additional_special_tokens`, name the class `PreTrainedTokenizerFast`, and save
the tokenizer with the tokenizers of your readers.
"""

from collections.abc import Iterator
from posixpath import join

from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.example_tokenizers import MERGES, bpe, tokenizer_json, with_tokenizer
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.rule import Example, Rule
from hfcheck.token_files import CONFIG, is_from_code
from hfcheck.tokens.table import TokenTable

MODEL = repository(LLAMA, llama_tensors())
RECENT = frozenset({"TokenizersBackend", "PythonBackend", "SentencePieceBackend", "MistralCommonBackend"})
"""Classes that transformers 5 has and 4 did not have."""

BEFORE = {**bpe(), "merges": [" ".join(merge) for merge in MERGES]}


class NeedsRecentReader(Rule):
    id = "TOK015"
    name = "needs-recent-reader"
    severity = Severity.NOTE
    since = "0.1"
    hint = "Say in the card which version readers need, or write the form that older ones know."
    bad = (
        Example(
            "special tokens in a list",
            with_tokenizer(MODEL, extra_special_tokens=["<a>", "<b>"]),
            at=(At("tokenizer_config.json", "/extra_special_tokens"),),
        ),
        Example(
            "an empty list",
            with_tokenizer(MODEL, extra_special_tokens=[]),
            at=(At("tokenizer_config.json", "/extra_special_tokens"),),
        ),
        Example(
            "the generic class under its new name",
            with_tokenizer(MODEL, tokenizer_class="TokenizersBackend"),
            at=(At("tokenizer_config.json", "/tokenizer_class"),),
        ),
        Example(
            "merges as pairs",
            with_tokenizer(MODEL, tokenizer_json(bpe())),
            at=(At("tokenizer.json", "/model/merges"),),
        ),
        Example(
            "all three, in a pipeline: one note",
            {
                "model_index.json": {
                    "_class_name": "DiffusionPipeline",
                    "tokenizer": ["transformers", "CLIPTokenizer"],
                },
                "tokenizer/tokenizer.json": tokenizer_json(bpe()),
                "tokenizer/tokenizer_config.json": {
                    "tokenizer_class": "TokenizersBackend",
                    "extra_special_tokens": ["<a>"],
                },
            },
            at=(At("tokenizer/tokenizer_config.json", "/extra_special_tokens"),),
        ),
    )
    good = (
        Example("none of them", with_tokenizer(MODEL)),
        Example(
            "special tokens by name: both versions read an object",
            with_tokenizer(MODEL, extra_special_tokens={"image_token": "<a>"}),
            near_miss=True,
        ),
        Example(
            "the list under its old name",
            with_tokenizer(MODEL, additional_special_tokens=["<a>"]),
            near_miss=True,
        ),
        Example("merges as they were before", with_tokenizer(MODEL, tokenizer_json(BEFORE)), near_miss=True),
        Example(
            "a model that has no merges",
            with_tokenizer(MODEL, tokenizer_json({**bpe(), "merges": []})),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for folder, table in facts.token_tables.items():
            forms = list(_forms(facts, folder, table))
            if forms:
                at, message = forms[0]
                others = len(forms) - 1
                more = f"; there {'is' if others == 1 else 'are'} {others} more such form{'s' if others > 1 else ''}"
                yield self.finding(at, message + more if others else message)


def _forms(facts: Facts, folder: str, table: TokenTable) -> Iterator[tuple[At, str]]:
    """The recent forms, with what older readers say: what fewer of them read comes first."""
    document = facts.json(join(folder, CONFIG))
    settings = document.value if document is not None and type(document.value) is dict else {}
    if isinstance(settings.get("extra_special_tokens"), list):
        said = (
            "extra_special_tokens is a list, which transformers from 5 on writes: "
            "4.57 stops at it with \"'list' object has no attribute 'keys'\""
        )
        yield At(join(folder, CONFIG), "/extra_special_tokens"), said
    name = settings.get("tokenizer_class")
    if isinstance(name, str) and name in RECENT and not is_from_code(facts, folder):
        said = f"{quote(name)} is a class of transformers from 5 on: version 4 says that it does not exist"
        yield At(join(folder, CONFIG), "/tokenizer_class"), said
    if table.merges is not None and table.merges.pairs and table.merges_at is not None:
        said = (
            "the merges are pairs, which tokenizers before 0.20 does not read: "
            'it stops with "data did not match any variant of untagged enum ModelWrapper"'
        )
        yield table.merges_at, said
