"""A weight matrix is nothing but zeros.

## What it finds
Matrices that become part of the model and in which every value is zero, seen by a rehearsal (`hfcheck dry-run
--rehearse`). One finding for each group of names that differ in their indices alone. Vectors are left out, and so are
matrices that training begins with at zero: the second half of a LoRA, a zero convolution. The last projection of a
block is a note: a model is made deeper by blocks that add nothing.

## Why it matters
The load goes well, and what is multiplied by the matrix is zero, or one value for all where whole numbers are stored:
the answers are garbage. It is what is left of a file whose end was filled with zeros on its way, and was published so:
https://github.com/microsoft/BitNet/issues/608 .

## How to put it right
Compare the file with the one that was saved first, and upload or download it again.
"""

from collections.abc import Iterator

from hfcheck.example import Content, Replace, TorchZip
from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.loading.templates import shown
from hfcheck.rule import Example, Rule

FILE = "model.safetensors"
CONFIG = {"model_type": "unheard-of"}
SHAPE = ("F32", [8, 8])


def filled(tensors: dict[str, Content], tail: int) -> Replace:
    """A file in which all values but the last `tail` bytes are ones of a kind: no float of zero."""
    size = 256 * len(tensors)
    return Replace(tensors, bytes(size), b"\x01" * (size - tail) + bytes(tail))


class AllZeroWeights(Rule):
    id = "DEV065"
    name = "all-zero-weights"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Compare the file with the one that was saved first, and upload or download it again."
    bad = (
        Example(
            "one matrix of two",
            {"config.json": CONFIG, FILE: filled({"a.weight": SHAPE, "b.weight": SHAPE}, 256)},
            at=(At(FILE, tensor="b.weight"),),
            rehearsal=True,
        ),
        Example(
            "the same matrix of three layers: one finding",
            {"config.json": CONFIG, FILE: {f"h.{number}.up.weight": SHAPE for number in range(3)}},
            at=(At(FILE, tensor="h.0.up.weight"),),
            rehearsal=True,
        ),
        Example(
            "a matrix that is stored as whole numbers",
            {"config.json": CONFIG, FILE: {"a.qweight": ("I32", [8, 8]), "a.qzeros": ("I32", [1, 8])}},
            at=(At(FILE, tensor="a.qweight"),),
            rehearsal=True,
        ),
        Example(
            "the output of a block: a note",
            {"config.json": CONFIG, "pytorch_model.bin": TorchZip({"h.0.mlp.down_proj.weight": SHAPE})},
            at=(At("pytorch_model.bin", tensor="h.0.mlp.down_proj.weight"),),
            rehearsal=True,
        ),
    )
    good = (
        Example(
            "values everywhere",
            {"config.json": CONFIG, FILE: filled({"a.weight": SHAPE, "b.weight": SHAPE}, 0)},
            rehearsal=True,
        ),
        Example(
            "one value at the very end",
            {"config.json": CONFIG, FILE: Replace({"a.weight": SHAPE}, bytes(256), bytes(252) + b"\0\0\0\1")},
            near_miss=True,
            rehearsal=True,
        ),
        Example(
            "biases and norms that training never moved from zero",
            {"config.json": CONFIG, FILE: {"a.bias": ("F32", [64]), "norm.weight": ("F32", [64]), "b.bias": SHAPE}},
            near_miss=True,
            rehearsal=True,
        ),
        Example(
            "rows of padding",
            {"config.json": CONFIG, FILE: filled({"embed_tokens.weight": SHAPE}, 128)},
            near_miss=True,
            rehearsal=True,
        ),
        Example(
            "groups and zero points of whole numbers",
            {"config.json": CONFIG, FILE: {"a.qzeros": ("I32", [8, 8]), "a.g_idx": ("I32", [64])}},
            near_miss=True,
            rehearsal=True,
        ),
        Example(
            "the second half of a LoRA before its training",
            {"config.json": CONFIG, FILE: {"h.0.q_proj.lora_B.weight": SHAPE}},
            near_miss=True,
            rehearsal=True,
        ),
        Example("nobody looked", repository(LLAMA, llama_tensors()), near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if facts.rehearsed is None:
            return
        model = facts.dry_run.model if facts.dry_run is not None else None
        for suspect in facts.rehearsed.all_zero(facts.loaded_headers, facts.load, model):
            names = suspect.names
            many = f"; {len(names)} matrices are: {quote(shown(names))}" if len(names) > 1 else ""
            severity = Severity.NOTE if suspect.ends_a_block else None
            message = f"every value of {quote(names[0])} is zero{many}"
            yield self.finding(At(suspect.path, tensor=names[0]), message, severity=severity)
