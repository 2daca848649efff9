"""The weights are stored in float32, and the config has the model loaded in 16 bits.

## What it finds
Checkpoints of which more than half of the numbers are F32 while `dtype` (or `torch_dtype`) in the config is `bfloat16`
or `float16`. One note, at the first such tensor. Norms in float32 are usual and far less than half.

## Why it matters
transformers 5.23.0 takes the type of the config and drops half of the bytes that everybody downloads. Training in mixed
precision leaves such files, which surprise with twice their size:
https://github.com/axolotl-ai-cloud/axolotl/issues/904 , https://github.com/huggingface/transformers/issues/33780 .

## How to put it right
Cast the model before saving it, `model.to(torch.bfloat16)`. If the precision counts, write `float32` into the config.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.example_models import LLAMA, Tensors, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.cause import Kind
from hfcheck.rule import Example, Rule

FIRST = At("model.safetensors", tensor="model.embed_tokens.weight")
HALF: Tensors = {name: ("F32" if "norm" in name else "BF16", shape) for name, (_, shape) in llama_tensors().items()}


class WiderThanDeclared(Rule):
    id = "WGT024"
    name = "wider-than-declared"
    severity = Severity.NOTE
    since = "0.1"
    hint = "Cast the model before saving it, or declare float32 if that precision counts."
    bad = (
        Example("bfloat16 in the config", repository(LLAMA, llama_tensors(), dtype="bfloat16"), at=(FIRST,)),
        Example("under the older name", repository(LLAMA, llama_tensors(), torch_dtype="float16"), at=(FIRST,)),
    )
    good = (
        Example("float32 in both", repository(LLAMA, llama_tensors(), dtype="float32")),
        Example("norms in float32", repository(LLAMA, HALF, dtype="bfloat16"), near_miss=True),
        Example(
            "a config without a type: the loader takes that of the file",
            repository(LLAMA, llama_tensors()),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for cause, at in diagnosed(facts, Kind.WIDER):
            yield self.finding(at, cause.message, hint=cause.hint)
