"""Numbered shards lie in the folder, and the index that leads a loader to them does not.

## What it finds
Files like `model-00001-of-00002.safetensors`, `pytorch_model-1-of-3.bin` or `diffusion_pytorch_model-*` in a folder
where the loader finds neither a single weight file nor an index. One finding, at the first shard. Shards of a variant
(`model.fp16-*`) beside other weights are a warning: only `variant="fp16"` asks for them. So are shards without any
`config.json`, which no loader of models was meant to open. Names that transformers and diffusers do not look for
(`consolidated-*`, bloom's `model_00001-of-00072`, splits of GGUF) are left alone.

## Why it matters
transformers 5.23.0 looks for four names and for no pattern: `OSError: Error no file named model.safetensors, or
pytorch_model.bin, found in directory ...`, while all the weights are there. 49 shards without their index:
https://huggingface.co/NaiveAI/Naive-N0.5-Flash/discussions/1 . The same of another model:
https://github.com/shuaijiang/Ke-Omni-R/issues/4 .

## How to put it right
Upload the `.index.json` that was saved together with the shards, or save the model again. All that it says is in the
shards.
"""

from collections.abc import Iterator
from posixpath import basename

from hfcheck import layout
from hfcheck.example import Pointer
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.layout import IndexName
from hfcheck.rule import Example, Rule

CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
INDEX = "model.safetensors.index.json"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
FP16 = "model.fp16-00001-of-00002.safetensors"
F16 = ("F16", [2, 3])


class IndexAbsent(Rule):
    id = "IDX002"
    name = "index-absent"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Upload the index that was saved together with the shards, or save the model again."
    bad = (
        Example(
            "two shards and no index",
            {"config.json": CONFIG, ONE: {"a": F16}, TWO: {"b": F16}},
            at=(At(ONE),),
        ),
        Example(
            "the spelling without zeros, fetched as pointers",
            {"config.json": CONFIG, "pytorch_model-1-of-3.bin": Pointer(4096), "pytorch_model-2-of-3.bin": Pointer(9)},
            at=(At("pytorch_model-1-of-3.bin"),),
        ),
        Example(
            "numbers from zero, in a component of a pipeline",
            {
                "unet/config.json": {"_class_name": "UNet2DConditionModel"},
                "unet/diffusion_pytorch_model-00000-of-00001.safetensors": {"a": F16},
            },
            at=(At("unet/diffusion_pytorch_model-00000-of-00001.safetensors"),),
        ),
        Example(
            "a variant whose index was forgotten: only who asks for it sees the error",
            {"config.json": CONFIG, "model.safetensors": {"a": F16}, FP16: {"a": F16}},
            at=(At(FP16),),
        ),
        Example("shards without config and index", {ONE: {"a": F16}, TWO: {"b": F16}}, at=(At(ONE),)),
    )
    good = (
        Example(
            "shards with their index",
            {"config.json": CONFIG, INDEX: {"metadata": {}, "weight_map": {"a": ONE}}, ONE: {"a": F16}},
        ),
        Example(
            "a variant with its index",
            {
                "config.json": CONFIG,
                "model.safetensors": {"a": F16},
                "model.safetensors.index.fp16.json": {"metadata": {}, "weight_map": {"a": FP16}},
                FP16: {"a": F16},
            },
            near_miss=True,
        ),
        Example(
            "a variant as diffusers wrote it before, with its index",
            {
                "unet/config.json": {"_class_name": "UNet2DConditionModel"},
                "unet/diffusion_pytorch_model.safetensors": {"a": F16},
                "unet/diffusion_pytorch_model.safetensors.fp16.index.json": {
                    "metadata": {},
                    "weight_map": {"a": "diffusion_pytorch_model-00001-of-00001.fp16.safetensors"},
                },
                "unet/diffusion_pytorch_model-00001-of-00001.fp16.safetensors": {"a": F16},
            },
            near_miss=True,
        ),
        Example(
            "numbered files of another library's naming",
            {
                "config.json": CONFIG,
                "consolidated-00001-of-00002.safetensors": {"a": F16},
                "model_00001-of-00072.safetensors": {"a": F16},
                "llama-00001-of-00002.gguf": b"GGUF",
                "IgFold/igfold_1.safetensors": {"a": F16},
            },
            near_miss=True,
        ),
        Example(
            "shards left over beside the single file that the loader takes",
            {"config.json": CONFIG, "model.safetensors": {"a": F16}, ONE: {"a": F16}},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if "transformers_weights" in (facts.config or {}):  # the config names the file to load, and nothing else is
            return
        names = {basename(entry.path) for entry in facts.direct()}
        present = {index for name in names if (index := layout.index_name(name)) is not None}
        shards: dict[IndexName, list[str]] = {}
        for entry in facts.direct():
            index = layout.index_for(entry.path)
            if index is not None and index not in present and index.single not in names:
                shards.setdefault(index, []).append(entry.path)
        for index, paths in shards.items():
            if index.variant is not None or facts.opened is None:
                yield self._absent(facts, index, paths)
                return

    def _absent(self, facts: Facts, index: IndexName, paths: list[str]) -> Finding:
        """What to say of shards that need this index. Without any weights that load, it is an error."""
        lost = facts.opened is None and facts.has_file(facts.inside(layout.CONFIG))
        variant = f".{index.variant}" if index.variant else ""
        wanted = quote(f"{index.stem}{index.suffix}.index{variant}.json")
        shards = "this shard lies" if len(paths) == 1 else f"these {len(paths)} shards lie"
        message = f"{shards} here without the index {wanted}, and a loader finds shards by their index alone"
        return self.finding(At(paths[0]), message, severity=None if lost else Severity.WARNING)
