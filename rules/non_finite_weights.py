"""Weights hold NaN or infinity.

## What it finds
Tensors that become part of the model and in which a value is no number, seen by a rehearsal (`hfcheck dry-run
--rehearse`). One finding for each group of names that differ in their indices alone. Infinities are left out where they
mean what they say: in buffers and bounds, and -inf in a mask or a bias. A NaN in a buffer is a note.

## Why it matters
The load goes well: transformers 5.23.0 checks no value. A NaN in a matrix makes each output NaN that it is multiplied
into, and with it all that follows; `generate` then stops with `RuntimeError: probability tensor contains either inf,
nan or element < 0`, or gives one token again and again. It comes from training that diverged, or from a conversion to
float16 of values above 65504: https://github.com/ICTMCG/Make-Your-Anchor/issues/9 . That is a warning and no error,
because a row that is never used does no harm, and hfcheck cannot tell which those are.

## How to put it right
Take the weights of an earlier checkpoint, or convert them again from a type with the range of float32, which bfloat16
has and float16 has not.
"""

import struct
from collections.abc import Iterator

from hfcheck.example import Content, Replace
from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.loading.templates import shown
from hfcheck.rule import Example, Rule

FILE = "model.safetensors"
EMBEDDING, UP = "model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight"
NAN, INFINITE, NEGATIVE = (struct.pack("<f", float(word)) for word in ("nan", "inf", "-inf"))


def beginning(value: bytes, files: dict[str, Content]) -> dict[str, Content]:
    """The model with another first value: that of the embedding, of zeros like all the others."""
    zeros = bytes(256)
    return {**files, FILE: Replace(files[FILE], zeros, value + zeros[len(value) :])}


class NonFiniteWeights(Rule):
    id = "DEV060"
    name = "non-finite-weights"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Take an earlier checkpoint, or convert the weights again from a type that has their range."
    bad = (
        Example(
            "a NaN in the embedding",
            beginning(NAN, repository(LLAMA, llama_tensors())),
            at=(At(FILE, tensor=EMBEDDING),),
            rehearsal=True,
        ),
        Example(
            "an infinity in float16",
            beginning(b"\x00\x7c", repository(LLAMA, {**llama_tensors(), EMBEDDING: ("F16", [16, 8])})),
            at=(At(FILE, tensor=EMBEDDING),),
            rehearsal=True,
        ),
        Example(
            "a weight of FP8, which has one NaN of either sign and no infinity",
            beginning(
                b"\xff",
                repository(
                    LLAMA,
                    {
                        UP: ("F8_E4M3", [12, 8]),
                        f"{UP}_scale_inv": ("F32", [1, 1]),
                        **{name: tensor for name, tensor in llama_tensors().items() if name != UP},
                    },
                    quantization_config={"quant_method": "fp8", "weight_block_size": [128, 128]},
                ),
            ),
            at=(At(FILE, tensor=UP),),
            rehearsal=True,
        ),
        Example(
            "in a model that hfcheck does not know",
            beginning(NEGATIVE, {"config.json": {"model_type": "unheard-of"}, FILE: {"a.weight": ("F32", [8, 8])}}),
            at=(At(FILE, tensor="a.weight"),),
            rehearsal=True,
        ),
    )
    good = (
        Example("nothing but numbers", repository(LLAMA, llama_tensors()), rehearsal=True),
        Example("nobody looked", beginning(NAN, repository(LLAMA, llama_tensors()))),
        Example(
            "-inf in a mask that is stored",
            beginning(
                NEGATIVE, {"config.json": {"model_type": "unheard-of"}, FILE: {"h.0.attn.mask": ("F32", [8, 8])}}
            ),
            near_miss=True,
            rehearsal=True,
        ),
        Example(
            "a bound that there is none",
            beginning(INFINITE, {"config.json": {"model_type": "unheard-of"}, FILE: {"h.0.input_max": ("F32", [64])}}),
            near_miss=True,
            rehearsal=True,
        ),
        Example(
            "a NaN in a tensor that the model does not take",
            beginning(NAN, repository(LLAMA, {"model.old.weight": ("F32", [8, 8]), **llama_tensors()})),
            near_miss=True,
            rehearsal=True,
        ),
        Example(
            "the largest number of float16, and whole numbers whose bits would be a NaN",
            {
                "config.json": {"model_type": "unheard-of"},
                FILE: Replace(
                    {"a.index": ("I32", [64]), "a.weight": ("F16", [8, 8])}, bytes(258), b"\xff" * 257 + b"\x7b"
                ),
            },
            near_miss=True,
            rehearsal=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if facts.rehearsed is None:
            return
        model = facts.dry_run.model if facts.dry_run is not None else None
        for suspect in facts.rehearsed.non_finite(facts.load, model):
            if (seen := suspect.seen) is None:
                continue
            counts = ((seen.nan, "NaN"), (seen.inf, "inf"), (seen.negative_inf, "-inf"))
            what = ", ".join(f"{count} {word}" for count, word in counts if count)
            where = f"the first at index {seen.first}, byte {seen.offset} of the file"
            message = f"{quote(seen.tensor)} holds {what} among {seen.elements} values, {where}"
            if len(suspect.names) > 1:
                message += f"; {len(suspect.names)} tensors do: {quote(shown(suspect.names))}"
            severity = Severity.NOTE if suspect.is_buffer else None
            yield self.finding(At(suspect.path, tensor=seen.tensor, offset=seen.offset), message, severity=severity)
