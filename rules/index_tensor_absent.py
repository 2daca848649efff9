"""The weight index maps a tensor to a shard, and none of its shards stores that tensor.

## What it finds
Tensors of the `weight_map` that are in none of the files it names, all of which were read. One finding for all of
them, at the first. It is a warning where nothing need be lost: an embedding or a head that a tied model takes from
the other one, unless the config says `tie_word_embeddings: false`; and names that the shards store under a kindred
name (`q_proj.weight` as `q_proj.weight_packed`, `model.norm.weight` as `norm.weight`).

## Why it matters
The author's tool believed the tensor was saved. A model that needs it gets random values: transformers 5.23.0 prints
a report and exits with 0. One tensor of 1,199 was lost: https://github.com/huggingface/huggingface_hub/issues/4725 .
In a repack the scales of 43 layers were, and the output was wrong without any error:
https://github.com/vllm-project/vllm/pull/57108 .

## How to put it right
Save the model again, from a process that holds all tensors. If the tensor is not part of the model any more, take its
entry out of the index.
"""

from collections.abc import Iterator

from hfcheck.example import Pointer
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer, quote
from hfcheck.rule import Example, Rule
from hfcheck.tying import explained, says_untied

INDEX = "model.safetensors.index.json"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
F16 = ("F16", [2, 3])
NAMED = 3


class IndexTensorAbsent(Rule):
    id = "IDX005"
    name = "index-tensor-absent"
    severity = Severity.ERROR
    since = "0.1"
    hint = (
        "Save the model again with all its tensors, or take the entry out of the index if the model has no such tensor."
    )
    bad = (
        Example(
            "an extra head was mapped and not written",
            {
                INDEX: {"metadata": {}, "weight_map": {"a": ONE, "mtp.fc.weight": TWO, "b": TWO}},
                ONE: {"a": F16},
                TWO: {"b": F16},
            },
            at=(At(INDEX, "/weight_map/mtp.fc.weight"),),
        ),
        Example(
            "a head that is absent from a model whose config says that it is not tied",
            {
                "config.json": {"model_type": "x", "text_config": {"tie_word_embeddings": False}},
                INDEX: {"metadata": {}, "weight_map": {"lm_head.weight": ONE, "model.embed_tokens.weight": ONE}},
                ONE: {"model.embed_tokens.weight": F16},
            },
            at=(At(INDEX, "/weight_map/lm_head.weight"),),
        ),
        Example(
            "the head of a model that may be tied: a warning",
            {
                "config.json": {"model_type": "x"},
                INDEX: {"metadata": {}, "weight_map": {"lm_head.weight": ONE, "model.embed_tokens.weight": ONE}},
                ONE: {"model.embed_tokens.weight": F16},
            },
            at=(At(INDEX, "/weight_map/lm_head.weight"),),
        ),
        Example(
            "the shards were quantised, the index was not: a warning",
            {
                INDEX: {"metadata": {}, "weight_map": {"a.weight": ONE}},
                ONE: {"a.weight_packed": F16, "a.weight_scale": F16},
            },
            at=(At(INDEX, "/weight_map/a.weight"),),
        ),
    )
    good = (
        Example(
            "each tensor in its shard",
            {INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": TWO}}, ONE: {"a": F16}, TWO: {"b": F16}},
        ),
        Example(
            "a tied model that does not map its head either",
            {
                INDEX: {"metadata": {}, "weight_map": {"model.embed_tokens.weight": ONE}},
                ONE: {"model.embed_tokens.weight": F16},
            },
            near_miss=True,
        ),
        Example(
            "a shard is a pointer: what it stores is not known",
            {INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": TWO}}, ONE: {"a": F16}, TWO: Pointer(4096)},
            near_miss=True,
        ),
        Example(
            "the shard of the tensor is missing: IDX001 says so",
            {INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": TWO}}, ONE: {"a": F16}},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if facts.index is None or facts.comparison is None:
            return
        absent, renamed = facts.comparison.absent, facts.comparison.renamed
        stored = {tensor for header in facts.loaded_headers.values() for tensor in header.tensors} if absent else set()
        tied = set() if says_untied(facts.config) else explained(absent, stored)
        lost = [tensor for tensor in absent if tensor not in tied]
        for tensors, reason, severity in (
            (lost, "", Severity.ERROR),
            (renamed, "; kindred names are there in their place", Severity.WARNING),
            (absent, "; a tied model takes it from the other of embedding and head", Severity.WARNING),
        ):
            if tensors:
                at = At(facts.index.path, pointer("weight_map", tensors[0]))
                named = ", ".join(quote(tensor, 60) for tensor in tensors[:NAMED])
                more = f" and {len(tensors) - NAMED} more" if len(tensors) > NAMED else ""
                verb = "is" if len(tensors) == 1 else "are"
                yield self.finding(
                    at, f"no shard stores {named}{more}, which {verb} mapped here{reason}", severity=severity
                )
                return
