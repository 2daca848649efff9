"""Tensors are of a dtype that older readers do not know.

## What it finds
safetensors files with dtypes that the library learned after version 0.4.0. One note for the folder, at the first
tensor of the dtype that asks for the newest version. The six-bit types, for which torch 2.13 has no counterpart, are
an error in weights that transformers opens.

## Why it matters
An older library refuses the whole file, whatever else is in it: `Dtype not understood: F8_E4M3`
(https://github.com/city96/ComfyUI-GGUF/issues/21), today `unknown variant`. Measured with the header of each version:
0.4.0 refuses F8_E4M3 and F8_E5M2, 0.4.1 takes them; 0.5.3 refuses F8_E8M0, F4, F6_E2M3 and F6_E3M2, 0.6.1 takes them;
0.6.2 refuses C64, 0.7.0 takes it; 0.7.0 refuses F8_E4M3FNUZ and F8_E5M2FNUZ, 0.8.0 takes them. transformers 5.23.0
with torch 2.13 stops at a six-bit tensor with `SafetensorError: Dtype not understood: F6_E2M3`.

## How to put it right
Say in the card which version of safetensors readers need. Six-bit data is stored packed, as `U8`.
"""

from collections.abc import Iterator

from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.safetensors import SafetensorsFacts
from hfcheck.rule import Example, Rule

CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}

FIRST_VERSION = {
    "F8_E4M3": "0.4.1", "F8_E5M2": "0.4.1",
    "F8_E8M0": "0.6.1", "F4": "0.6.1", "F6_E2M3": "0.6.1", "F6_E3M2": "0.6.1",
    "C64": "0.7.0",
    "F8_E4M3FNUZ": "0.8.0", "F8_E5M2FNUZ": "0.8.0",
}  # fmt: skip
"""The oldest safetensors on PyPI that takes a header with the dtype, where 0.4.0 does not."""

WITHOUT_TORCH = frozenset({"F6_E2M3", "F6_E3M2"})
"""safetensors 0.8.0 makes no torch tensor of these: torch 2.13 has no such dtype."""


class RecentDtype(Rule):
    id = "FMT016"
    name = "recent-dtype"
    severity = Severity.NOTE
    since = "0.1"
    hint = "Say in the card which version of safetensors readers need."
    bad = (
        Example(
            "eight bits",
            {"model.safetensors": {"a": ("BF16", [2]), "b": ("F8_E4M3", [2]), "c": ("F8_E4M3", [2])}},
            at=(At("model.safetensors", tensor="b"),),
        ),
        Example(
            "the newest counts, in whichever file it is",
            {"a.safetensors": {"a": ("F8_E4M3", [2])}, "b.safetensors": {"b": ("F8_E8M0", [2])}},
            at=(At("b.safetensors", tensor="b"),),
        ),
        Example(
            "six bits in what transformers opens",
            {"config.json": CONFIG, "model.safetensors": {"a": ("F6_E2M3", [4]), "b": ("F8_E4M3FNUZ", [2])}},
            at=(At("model.safetensors", tensor="a"), At("model.safetensors", tensor="b")),
        ),
    )
    good = (
        Example("BF16 is as old as the format", {"model.safetensors": {"a": ("BF16", [2])}}),
        Example("packed data in integers", {"model.safetensors": {"a.qweight": ("I32", [2])}}, near_miss=True),
        Example(
            "unsigned integers of all sizes",
            {"model.safetensors": {"a": ("U32", [2]), "b": ("U16", [2])}},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        first: dict[str, At] = {}
        for path, header in facts.all_of(SafetensorsFacts):
            for name, tensor in header.tensors.items():
                if tensor.dtype in FIRST_VERSION and tensor.dtype not in first:
                    first[tensor.dtype] = At(path, tensor=name)
        for dtype in sorted(first.keys() & WITHOUT_TORCH):
            if facts.claims_transformers and first[dtype].path in facts.loaded:
                message = f"torch has no dtype for {dtype}: transformers cannot load this file"
                yield self.finding(first.pop(dtype), message, severity=Severity.ERROR)
        if first:
            newest = max(first, key=FIRST_VERSION.__getitem__)
            message = f"the dtype {newest} needs safetensors {FIRST_VERSION[newest]} or later"
            yield self.finding(first[newest], message)
