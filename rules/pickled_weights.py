"""The weights are here as a pickle alone.

## What it finds
A model whose loader opens a `.bin`, or the index of such files, because there are no safetensors beside it. One note
for the folder.

## Why it matters
Nothing is wrong with the file. But a pickle is a program, and every reader of it has to be told to run only the
harmless part: transformers since 4.52 refuses to load a `.bin` with torch before 2.6 (`ValueError: Due to a serious
vulnerability issue in torch.load ...`, https://nvd.nist.gov/vuln/detail/CVE-2025-32434), which has broken programs that
worked: https://github.com/autogluon/autogluon/pull/5270 , https://github.com/Gaius-Augustus/learnMSA/issues/21 . Many
who sign off a deployment take safetensors only.

## How to put it right
`hfcheck convert` writes the same tensors as safetensors beside the file, without unpickling it, and compares them.
"""

from collections.abc import Iterator

from hfcheck.example import TorchLegacy, TorchZip
from hfcheck.example_models import LLAMA, llama_tensors
from hfcheck.example_pickles import call, torch_zip
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.pickle_judged import is_loaded, judged_in
from hfcheck.pickle_tiers import Tier
from hfcheck.rule import Example, Rule

BIN, INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
SHARD = "pytorch_model-00001-of-00001.bin"
ADAPTER = {"peft_type": "LORA"}
F16 = ("F16", [2, 3])


class PickledWeights(Rule):
    id = "PKL032"
    name = "pickled-weights"
    severity = Severity.NOTE
    since = "0.1"
    confidence = "high"
    hint = "Run `hfcheck convert` on the folder, which writes safetensors without unpickling anything."
    bad = (
        Example("one file", {"config.json": LLAMA, BIN: TorchZip(llama_tensors())}, at=(At(BIN),)),
        Example("in the old format", {"config.json": LLAMA, BIN: TorchLegacy(llama_tensors())}, at=(At(BIN),)),
        Example(
            "an index and its shard",
            {
                "config.json": LLAMA,
                INDEX: {"metadata": {}, "weight_map": dict.fromkeys(llama_tensors(), SHARD)},
                SHARD: TorchZip(llama_tensors()),
            },
            at=(At(INDEX),),
        ),
        Example(
            "an adapter",
            {"adapter_config.json": ADAPTER, "adapter_model.bin": TorchZip({"a": F16})},
            at=(At("adapter_model.bin"),),
        ),
    )
    good = (
        Example("safetensors", {"config.json": LLAMA, "model.safetensors": llama_tensors()}),
        Example(
            "both: the loader takes the safetensors, and IDX013 speaks of the other",
            {"config.json": LLAMA, "model.safetensors": llama_tensors(), BIN: TorchZip(llama_tensors())},
            near_miss=True,
        ),
        Example(
            "the state of a training beside the weights",
            {"config.json": LLAMA, "model.safetensors": llama_tensors(), "optimizer.pt": TorchZip({"a": F16})},
            near_miss=True,
        ),
        Example(
            "a pickle that is more than data, of which PKL002 speaks",
            {"config.json": LLAMA, BIN: torch_zip(call("posix", "system", "echo hfcheck-marker"))},
            near_miss=True,
        ),
        Example("a file of another library under this name", {BIN: TorchZip({"a": F16})}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        paths = [path for path in facts.loaded if is_loaded(facts, path) and not path.endswith(".safetensors")]
        if paths and facts.opened is not None and all(_is_data(facts, path) for path in paths):
            count = f"in {len(paths)} pickles" if len(paths) > 1 else "in a pickle"
            yield self.finding(At(facts.opened), f"the weights are {count}, and there are no safetensors beside it")


def _is_data(facts: Facts, path: str) -> bool:
    """Whether a file holds tensors and nothing else that a pickle can hold: of all others, other rules speak."""
    reading = facts.reading(path)
    if reading is None or reading.pickled is None:
        return False
    pickles = judged_in(path, reading.pickled)
    return all(each.pickle.complete and all(use.tier is Tier.DATA for use in each.imports) for each in pickles)
