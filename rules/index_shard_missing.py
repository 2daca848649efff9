"""A shard that the weight index names is not in the repository.

## What it finds
The index that the loader opens maps tensors to a file that does not exist. One finding for each missing file, at the
first tensor that needs it. Where the whole index speaks of another set of shards, IDX003 says so instead; where the
file is there under another case, IDX004 does. It is a warning where none of the shards is there and the weights of
another runtime are: quantisers for ExLlama leave the index of the model they began with.

## Why it matters
transformers 5.23.0 opens the shards in turn and stops with `FileNotFoundError: No such file or directory:
.../model-00002-of-00005.safetensors`. An engine that lists the folder instead has dropped the shard in silence and
served uninitialised weights: https://github.com/sgl-project/sglang/pull/32279 . A local copy that lacked its first
shard: https://github.com/hiyouga/LlamaFactory/issues/3340 .

## How to put it right
Upload the file that is named. If the weights were saved again in another number of shards, the index is left over
from before: commit the one that was saved together with these shards.
"""

from collections.abc import Iterator

from hfcheck.example import Pointer
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer, quote
from hfcheck.rule import Example, Rule
from hfcheck.runtimes import is_of_another

INDEX = "model.safetensors.index.json"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
F16 = ("F16", [2, 3])


LEFT_OVER = "Remove the index: the weights were converted for another runtime, and transformers stops at it."


class IndexShardMissing(Rule):
    id = "IDX001"
    name = "index-shard-missing"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Upload the shard, or commit the index that was saved together with the shards that are here."
    bad = (
        Example(
            "the second shard was not uploaded: two tensors need it, one finding says so",
            {INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": TWO, "c": TWO}}, ONE: {"a": F16}},
            at=(At(INDEX, "/weight_map/b"),),
        ),
        Example(
            "the index that was left over from before a conversion: one finding, a warning",
            {INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": TWO}}, "output.safetensors": {"a.q_weight": F16}},
            at=(At(INDEX, "/weight_map/a"),),
        ),
        Example(
            "a slash in a tensor name is escaped in the pointer",
            {INDEX: {"metadata": {}, "weight_map": {"dense/kernel": ONE}}},
            at=(At(INDEX, "/weight_map/dense~1kernel"),),
        ),
        Example(
            "a component of a pipeline has its own folder",
            {f"unet/diffusion_pytorch_{INDEX}": {"metadata": {}, "weight_map": {"a": ONE}}},
            at=(At(f"unet/diffusion_pytorch_{INDEX}", "/weight_map/a"),),
        ),
    )
    good = (
        Example("whole", {INDEX: {"metadata": {}, "weight_map": {"a": ONE}}, ONE: {"a": F16}}),
        Example(
            "an index beside model.safetensors: the loader takes the single file and never opens the index",
            {"model.safetensors": {"a": F16}, INDEX: {"metadata": {}, "weight_map": {"a": ONE}}},
            near_miss=True,
        ),
        Example(
            "a shard in a subfolder: odd, and it loads",
            {INDEX: {"metadata": {}, "weight_map": {"a": f"part/{ONE}"}}, f"part/{ONE}": {"a": F16}},
            near_miss=True,
        ),
        Example(
            "a shard that is a Git LFS pointer is there",
            {INDEX: {"metadata": {}, "weight_map": {"a": ONE}}, ONE: Pointer(4096)},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        index = facts.index  # None where the loader opens a single file, whatever else lies beside it
        if index is None:
            return
        missing = facts.missing_shards(index)
        converted = next((entry.path for entry in facts.direct() if is_of_another(entry.path)), None)
        if converted is not None and missing.keys() == index.tensors_by_shard().keys():
            at = At(index.path, pointer("weight_map", next(iter(missing.values()))[0]))
            message = f"none of the shards of this index is here, while {quote(converted)} is: the index was left over"
            yield self.finding(at, message, severity=Severity.WARNING, hint=LEFT_OVER)
            return
        for shard, tensors in missing.items():
            if facts.same_but_case(shard) or facts.other_shard_set(shard):
                continue
            # One fault, one finding: a lost shard of a large model would otherwise be hundreds of lines.
            at = At(index.path, pointer("weight_map", tensors[0]))
            lost = "1 tensor" if len(tensors) == 1 else f"{len(tensors)} tensors"
            yield self.finding(at, f"the shard {quote(shard)} is missing, and with it {lost}")
