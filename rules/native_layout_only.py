"""The weights are in the layout of their author's own code, and nothing is there for transformers.

## What it finds
`consolidated.safetensors` or `consolidated.00.pth` beside `params.json`, as Meta and Mistral ship them, in a folder
without `config.json`. Beside a `config.json`, or under `original/`, they are a second copy, and legal.

## Why it matters
`llama-models`, `mistral-inference` and vLLM with `--load-format mistral` load this folder. transformers 5.23.0 does
not: `Unrecognized model in ... Should have a `model_type` key in its config.json`. A user in front of exactly that:
https://github.com/meta-llama/llama-models/issues/159

## How to put it right
Convert it with the script of the architecture (`transformers/models/llama/convert_llama_weights_to_hf.py` and its
siblings), publish the result at the root and the native files under `original/`. If it is meant to be native only, say
so in the model card.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from posixpath import basename, dirname, join

from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.layout import CONFIG
from hfcheck.rule import Example, Rule

PARAMS = "params.json"
NATIVE = ("consolidated.safetensors", "consolidated.*.pth", "consolidated-*-of-*.safetensors")
F16 = ("F16", [2, 3])


class NativeLayoutOnly(Rule):
    id = "REP009"
    name = "native-layout-only"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Convert the weights to the layout of transformers, or say in the model card which program loads them."
    bad = (
        Example(
            "what Meta ships",
            {"consolidated.00.pth": "x", "consolidated.01.pth": "x", PARAMS: {"dim": 4096}, "tokenizer.model": "x"},
            at=(At("consolidated.00.pth"),),
        ),
        Example(
            "what Mistral ships",
            {"consolidated.safetensors": {"a": F16}, PARAMS: {"dim": 4096}, "tekken.json": {}},
            at=(At("consolidated.safetensors"),),
        ),
    )
    good = (
        Example(
            "beside the files of transformers",
            {"config.json": {"model_type": "mistral"}, "consolidated.safetensors": {"a": F16}, PARAMS: {}},
            near_miss=True,
        ),
        Example(
            "under original/", {"original/consolidated.00.pth": "x", f"original/{PARAMS}": {"dim": 8}}, near_miss=True
        ),
        Example("parameters of something else", {PARAMS: {"lr": 1}, "weights.pth": "x"}, near_miss=True),
        Example("a name alone", {"consolidated.txt": "x", PARAMS: {}}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if basename(facts.folder) == "original" or not facts.has_file(facts.inside(PARAMS)) or _has_config(facts):
            return
        for entry in facts.direct():
            if any(fnmatchcase(basename(entry.path), pattern) for pattern in NATIVE):
                message = (
                    "the weights are in the author's own layout, and without config.json transformers has no model"
                )
                yield self.finding(At(entry.path), message)
                return


def _has_config(facts: Facts) -> bool:
    """Whether this folder, or one around it, is a model of transformers, of which these files are a copy."""
    folder = facts.folder
    while folder and facts.entry(join(folder, CONFIG)) is None:
        folder = dirname(folder)
    return facts.entry(join(folder, CONFIG)) is not None
