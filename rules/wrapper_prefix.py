"""The tensors have the name of a wrapper in front of, or within, their own.

## What it finds
Weights that transformers opens where every name begins with `module.` (DataParallel, DDP), `_orig_mod.`
(torch.compile), `_fsdp_wrapped_module.`, `_checkpoint_wrapped_module.` or `base_model.model.` (peft), and names with
one of these wrappers of torch in the middle. Adapters have `base_model.model.` by right, and models with code of
their own may call a part `module`.

## Why it matters
transformers 5.23.0 finds none of its names in such a file. It loads without an error, lists every weight as missing
and every tensor as unexpected, and leaves the model random: tried with each prefix on a Llama of 21 tensors, 21
missing. None of the 1,773 model classes of transformers that were built for this check has such a name of its own.

## How to put it right
Save the model and not its wrapper: `accelerator.unwrap_model(model)`, `model.module`, `model._orig_mod`; with peft
`model.merge_and_unload()` for a whole model or `save_pretrained` for the adapter. Or rename the tensors in the files
and in the index.
"""

from collections.abc import Iterator
from posixpath import basename

from hfcheck.diagnoses import diagnosed
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer, quote
from hfcheck.layout import ADAPTER_CONFIG, SINGLE_WEIGHTS
from hfcheck.loading.cause import Kind
from hfcheck.loading.prefixes import WITHIN
from hfcheck.loading.prefixes import WRAPPERS as PREFIXES
from hfcheck.rule import Example, Rule

LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
F16 = ("F16", [2, 3])
NAMES = ("model.embed_tokens.weight", "model.norm.weight", "lm_head.weight")
INDEX = "model.safetensors.index.json"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"

OPENED = frozenset(name for single in SINGLE_WEIGHTS for name in (single, f"{single}.index.json"))


class WrapperPrefix(Rule):
    id = "WGT002"
    name = "wrapper-prefix"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Save the model and not its wrapper, or rename the tensors."
    bad = (
        *(
            Example(
                f"every name begins with {prefix}",
                {"config.json": LLAMA, "model.safetensors": {prefix + name: F16 for name in NAMES}},
                at=(At("model.safetensors", tensor=prefix + NAMES[0]),),
            )
            for prefix in PREFIXES
        ),
        Example(
            "two shards, and one finding",
            {
                "config.json": LLAMA,
                INDEX: {"metadata": {}, "weight_map": {"module.a": ONE, "module.b": TWO}},
                ONE: {"module.a": F16},
                TWO: {"module.b": F16},
            },
            at=(At(ONE, tensor="module.a"),),
        ),
        Example(
            "pickled shards: the index has the names",
            {
                "config.json": LLAMA,
                "pytorch_model.bin.index.json": {"metadata": {}, "weight_map": {"module.a": "one.bin"}},
            },
            at=(At("pytorch_model.bin.index.json", "/weight_map/module.a"),),
        ),
        Example(
            "each layer was compiled on its own",
            {
                "config.json": LLAMA,
                "model.safetensors": {
                    "model.embed_tokens.weight": F16,
                    "model.layers.0._orig_mod.mlp.up_proj.weight": F16,
                    "model.layers.1._orig_mod.mlp.up_proj.weight": F16,
                },
            },
            at=(At("model.safetensors", tensor="model.layers.0._orig_mod.mlp.up_proj.weight"),),
        ),
    )
    good = (
        Example("names of the model", {"config.json": LLAMA, "model.safetensors": dict.fromkeys(NAMES, F16)}),
        Example(
            "an adapter",
            {
                "adapter_config.json": {"peft_type": "LORA"},
                "adapter_model.safetensors": {"base_model.model.model.layers.0.mlp.up_proj.lora_A.weight": F16},
            },
            near_miss=True,
        ),
        Example(
            "a part of a model that is called module, and others that are not",
            {"config.json": LLAMA, "model.safetensors": {"module.weight": F16, "head.weight": F16}},
            near_miss=True,
        ),
        Example(
            "code of the repository, whose class may call its only part module",
            {
                "config.json": {**LLAMA, "auto_map": {"AutoModel": "modeling.Wrapper"}},
                "modeling.py": "class Wrapper: ...\n",
                "model.safetensors": {"module.weight": F16},
            },
            near_miss=True,
        ),
        Example(
            "weights of another library",
            {"config.json": {"sample_rate": 16000}, "model.safetensors": {"module.weight": F16}},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        judged = [self.finding(at, cause.message, hint=cause.hint) for cause, at in diagnosed(facts, Kind.WRAPPER)]
        if judged:
            yield from judged
            return
        homes = _homes(facts)
        if not homes or not facts.claims_transformers or "auto_map" in (facts.config or {}):
            return
        if basename(facts.opened or "") not in OPENED or facts.has_file(facts.inside(ADAPTER_CONFIG)):
            return
        prefix = next((prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in homes)), None)
        if prefix is not None:
            what = f"all {len(homes)} tensors have" if len(homes) > 1 else "the only tensor has"
            message = f"{what} {quote(prefix)} in front of the name: the loader finds none of its own names"
            yield self.finding(_at(facts, homes, next(iter(homes))), message)
            return
        # Counted before they are looked at one by one: 45,000 names are the rule, and a wrapper the exception.
        within = [name for name in homes if "_mod" in name and any(part in name for part in WITHIN)]
        if within:
            part = next(part for part in WITHIN if part in within[0])
            message = (
                f"{len(within)} of {len(homes)} tensors have {quote(part)} in the name: the loader does not find them"
            )
            yield self.finding(_at(facts, homes, within[0]), message)


def _homes(facts: Facts) -> dict[str, str]:
    """The tensors that the loader finds, each with its file; with the index where the shards cannot be read."""
    if facts.loaded and len(facts.loaded_headers) == len(facts.loaded):
        return facts.loaded_tensors
    return dict.fromkeys(facts.index.facts.weight_map, facts.index.path) if facts.index else {}


def _at(facts: Facts, homes: dict[str, str], name: str) -> At:
    path = homes[name]
    return At(path, pointer("weight_map", name)) if facts.index and path == facts.index.path else At(path, tensor=name)
