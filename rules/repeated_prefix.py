"""The names of a tower have its own name twice in a row.

## What it finds
Weights that transformers opens where every name that has `language_model.`, `text_model.` or `vision_model.` in it
has it twice in a row or more: `model.language_model.language_model.layers.0...`. An error where transformers finds
nothing under such names, a warning where it does or the class is not known.

## Why it matters
A part of a multimodal model was loaded through a class of its own and saved with the prefix of the whole in front of
the prefix it already had. No class of transformers has such a name: of 1,773 that were built for this check not one.
A Qwen2-VL with such names loads in transformers 5.23.0 with its whole text model random; where a conversion of names
hides the fault there, other engines fail: https://github.com/huggingface/transformers/pull/45314 .

## How to put it right
Save the model again through the class that the config declares, or take the second prefix out of the names.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.loading.cause import Kind
from hfcheck.loading.prefixes import TOWERS
from hfcheck.rule import Example, Rule

QWEN = {"model_type": "qwen2_vl", "architectures": ["Qwen2VLForConditionalGeneration"]}
F16 = ("F16", [2, 3])


class RepeatedPrefix(Rule):
    id = "WGT003"
    name = "repeated-prefix"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Save the model again through the class that the config declares."
    bad = (
        Example(
            "three times, and the vision tower as it should be",
            {
                "config.json": QWEN,
                "model.safetensors": {
                    "language_model.language_model.language_model.norm.weight": F16,
                    "model.visual.merger.ln_q.weight": F16,
                },
            },
            at=(At("model.safetensors", tensor="language_model.language_model.language_model.norm.weight"),),
        ),
        Example(
            "twice, behind another prefix",
            {"config.json": QWEN, "model.safetensors": {"model.language_model.language_model.norm.weight": F16}},
            at=(At("model.safetensors", tensor="model.language_model.language_model.norm.weight"),),
        ),
    )
    good = (
        Example("once", {"config.json": QWEN, "model.safetensors": {"model.language_model.norm.weight": F16}}),
        Example(
            "words that models do repeat",
            {
                "config.json": QWEN,
                "model.safetensors": {
                    "model.model.norm.weight": F16,
                    "encoder.encoder.layers.0.attention.attention.q.weight": F16,
                    "model.vision_tower.vision_tower.vision_model.norm.weight": F16,
                },
            },
            near_miss=True,
        ),
        Example(
            "a model within a model: the outer one has names of its own",
            {
                "config.json": QWEN,
                "model.safetensors": {
                    "language_model.language_model.norm.weight": F16,
                    "language_model.projector.weight": F16,
                },
            },
            near_miss=True,
        ),
        Example(
            "code of the repository",
            {
                "config.json": {**QWEN, "auto_map": {"AutoModel": "modeling.Model"}},
                "modeling.py": "class Model: ...\n",
                "model.safetensors": {"language_model.language_model.norm.weight": F16},
            },
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        judged = [
            self.finding(at, cause.message, hint=cause.hint, severity=Severity.ERROR)
            for cause, at in diagnosed(facts, Kind.REPEATED)
        ]
        if judged:
            yield from judged
            return
        if not facts.claims_transformers or "auto_map" in (facts.config or {}):
            return
        homes = facts.loaded_tensors
        for tower in TOWERS:
            own = [name for name in homes if tower in name]
            if own and all(f".{tower}{tower}" in f".{name}" for name in own):
                others = f" (the first of {len(own)} such tensors)" if len(own) > 1 else ""
                message = f"the name has {quote(tower)} more than once in a row{others}: no model class has such a name"
                yield self.finding(At(homes[own[0]], tensor=own[0]), message)
