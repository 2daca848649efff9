"""Tensors have `gamma` or `beta` in their names, which older versions of transformers rename.

## What it finds
Weights that transformers opens with such a name. One note for the folder, at the first. `LayerNorm.gamma` and
`LayerNorm.beta` of old BERT files are left out: every version turns them into `weight` and `bias`.

## Why it matters
transformers up to 4.48 replaces `gamma` by `weight` and `beta` by `bias` in every name, and then reports the
parameter as newly initialised and the tensor as unexpected. It has cost people days:
https://github.com/huggingface/transformers/issues/29554 , https://github.com/2noise/ChatTTS/issues/732 . From 4.49 on
only the names of LayerNorm are changed.

## How to put it right
Nothing has to be done where all readers have transformers 4.49 or later. Else give the parameters another name:
`scale` and `shift`.
"""

from collections.abc import Iterator

from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.rule import Example, Rule

LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
BERT = {"model_type": "bert", "architectures": ["BertModel"]}
F16 = ("F16", [2])
RENAMED_BY_ALL = ("LayerNorm.gamma", "LayerNorm.beta")


class GammaBetaNames(Rule):
    id = "WGT004"
    name = "gamma-beta-names"
    severity = Severity.NOTE
    since = "0.1"
    hint = "Rename the parameters if readers with transformers before 4.49 matter."
    bad = (
        Example(
            "a parameter of a block: one note for two of them",
            {"config.json": LLAMA, "model.safetensors": {"blocks.0.beta": F16, "blocks.0.gamma": F16}},
            at=(At("model.safetensors", tensor="blocks.0.beta"),),
        ),
        Example(
            "the word as a part of the name is replaced as well",
            {"config.json": LLAMA, "model.safetensors": {"stage.0.ffn_gamma": F16}},
            at=(At("model.safetensors", tensor="stage.0.ffn_gamma"),),
        ),
    )
    good = (
        Example("weight and bias", {"config.json": LLAMA, "model.safetensors": {"norm.weight": F16, "norm.bias": F16}}),
        Example(
            "LayerNorm of an old BERT",
            {
                "config.json": BERT,
                "model.safetensors": {
                    "embeddings.LayerNorm.gamma": F16,
                    "embeddings.LayerNorm.beta": F16,
                },
            },
            near_miss=True,
        ),
        Example(
            "weights of another library",
            {"config.json": {"channels": 2}, "model.safetensors": {"blocks.0.gamma": F16}},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if not facts.claims_transformers:
            return
        homes = facts.loaded_tensors
        renamed = [name for name in homes if ("gamma" in name or "beta" in name) and not name.endswith(RENAMED_BY_ALL)]
        if renamed:
            others = f" (the first of {len(renamed)} such tensors)" if len(renamed) > 1 else ""
            message = f"transformers up to 4.48 gives this tensor another name{others}, and does not find it"
            yield self.finding(At(homes[renamed[0]], tensor=renamed[0]), message)
