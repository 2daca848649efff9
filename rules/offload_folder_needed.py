"""A load needs a folder for the weights that go to the disk.

## What it finds
A device map with the disk for which the loader writes files: how many bytes, and what it does without `offload_folder`.
transformers uses safetensors where they lie and writes only what it converts, such as the experts of a layer, and what
comes from another format. accelerate writes everything for the disk, as it is stored, and puts the part for the CPU
into the folder for temporary files meanwhile.

## Why it matters
accelerate 1.15.0 stops with `ValueError: At least one of the model submodule will be offloaded to disk, please pass
along an offload_folder`; transformers 5.23.0 stops in the middle of the load:
https://github.com/huggingface/accelerate/issues/1281 , https://github.com/databrickslabs/dolly/issues/46 . A map that
has nothing but the disk in it stops accelerate with or without a folder: safetensors knows no device of that name.

## How to put it right
Pass `offload_folder=` with a folder that has the room, or give the devices more memory.
"""

from collections.abc import Iterator

from hfcheck.example import TorchZip
from hfcheck.example_models import LLAMA, QWEN3_MOE, llama_tensors, qwen3_moe_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.placement.device import devices
from hfcheck.placement.size import size
from hfcheck.placement.target import Target
from hfcheck.rule import Example, Rule

DENSE = repository(LLAMA, llama_tensors())
MOE = repository(QWEN3_MOE, qwen3_moe_tensors())
DEVICES = devices(["0=1KB", "cpu=1GiB", "disk"])
LAST_ON_DISK = {"model.embed_tokens": "cpu", "model.layers": "cpu", "model.norm": "cpu", "lm_head": "disk"}


class OffloadFolderNeeded(Rule):
    id = "DEV007"
    name = "offload-folder-needed"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Pass offload_folder= with a folder that has the room, or give the devices more memory."
    bad = (
        Example(
            "experts are converted, so they are written",
            MOE,
            at=(At("model.safetensors", tensor="model.layers.0.mlp.experts.0.down_proj.weight"),),
            target=Target(DEVICES, explicit={"": "disk"}),
        ),
        Example(
            "weights that are no safetensors",
            {"config.json": dict(LLAMA), "pytorch_model.bin": TorchZip(llama_tensors())},
            at=(At("pytorch_model.bin", tensor="lm_head.weight"),),
            target=Target(DEVICES, explicit=LAST_ON_DISK),
        ),
        Example(
            "accelerate writes whatever is for the disk",
            DENSE,
            at=(At("model.safetensors", tensor="lm_head.weight"),),
            target=Target(DEVICES, explicit=LAST_ON_DISK, dialect="accelerate"),
        ),
        Example(
            "accelerate has no way to put everything on disk",
            DENSE,
            at=(At("model.safetensors"),),
            target=Target(DEVICES, explicit={"": "disk"}, dialect="accelerate"),
        ),
    )
    good = (
        Example("nothing is for the disk", MOE, target=Target(devices(["0=1GiB"]))),
        Example(
            "safetensors are read where they lie",
            DENSE,
            near_miss=True,
            target=Target(DEVICES, explicit=LAST_ON_DISK),
        ),
        Example(
            "what is converted is not for the disk",
            MOE,
            near_miss=True,
            target=Target(DEVICES, explicit=LAST_ON_DISK),
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        run = facts.dry_run
        written = run.offload if run is not None else None
        if run is None or run.model is None or written is None:
            return
        if written.breaks and run.target.explicit is None:
            return  # DEV017 says so of a map that is computed
        if written.breaks:
            yield self.finding(
                At(next(iter(facts.loaded_headers))),
                "the map has nothing but the disk in it, and accelerate asks safetensors for a device of that name,"
                " which is a SafetensorError with or without an offload_folder",
                severity=Severity.ERROR,
                hint="Let at least one module lie on the CPU.",
            )
        elif written.failure and written.written:
            first = written.written[0]
            source = next(iter(run.model.weights[first].sources), first)
            others = f" and {len(written.written) - 1} more" if len(written.written) > 1 else ""
            meanwhile = (
                f", and {size(written.temporary)} to the folder for temporary files" if written.temporary else ""
            )
            yield self.finding(
                At(facts.loaded_tensors.get(source, next(iter(facts.loaded_headers))), tensor=source),
                f"{quote(first)}{others} go to the disk: {size(written.folder)} are written to the offload"
                f" folder{meanwhile}; without one {written.failure}",
            )
