"""The config is valid, and yet the model class cannot be built from it.

## What it finds
What constructors of models in transformers 5.23 ask of a config beyond what its own class checks: a padding token
inside the vocabulary, heads that divide the width, channels that divide into groups, a quantisation that says how. The
requirements are read from the source of the constructors, and what cannot be decided is passed over.

## Why it matters
`from_pretrained` reads the config, builds the model and stops before any weight is read, with an error that seldom
names the field: `AssertionError: Padding_idx must be within num_embeddings`,
https://github.com/huggingface/transformers/issues/19296 . `AutoConfig` and the tokenizer load, so that the fault is
found late.

## How to put it right
Change one of the fields that the message names, so that what is required holds; for a padding token, add the token to
the tokenizer and resize the embedding, or set `pad_token_id` to an id that there is.
"""

from collections.abc import Iterator

from hfcheck import layout
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer
from hfcheck.rule import Example, Rule

LLAMA = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 16, "hidden_size": 8,
    "intermediate_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
}  # fmt: skip
WEIGHTS = {"model.safetensors": {"lm_head.weight": ("F32", [16, 8])}}


class ModelRefused(Rule):
    id = "CFG012"
    name = "model-refused"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Change one of the fields that the message names, so that what the class requires holds."
    bad = (
        Example(
            "a padding token that the embedding does not have",
            {"config.json": LLAMA | {"pad_token_id": 16}, **WEIGHTS},
            at=(At("config.json", "/pad_token_id"),),
        ),
    )
    good = (
        Example("the last token pads", {"config.json": LLAMA | {"pad_token_id": 15}}),
        Example("no token pads", {"config.json": LLAMA | {"pad_token_id": None}}, near_miss=True),
        Example("a token counted from the end", {"config.json": LLAMA | {"pad_token_id": -1}}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if facts.load.is_refused:
            paths = (path.split(".") for path in facts.load.asked)
            place = next((path for path in paths if _leads(facts.config, path)), ["architectures"])
            yield self.finding(At(facts.inside(layout.CONFIG), pointer(*place)), facts.load.reason)


def _leads(config: object, path: list[str]) -> bool:
    """Whether the fields that a dotted path names are all there."""
    for name in path:
        if not isinstance(config, dict) or name not in config:
            return False
        config = config[name]
    return True
