"""A tensor is unlike its neighbours, in a model of which hfcheck knows nothing more.

## What it finds
Only where the class is code of the repository, or one that hfcheck has no certain data for, and the weights are not
quantised: a gap in the layers, a tensor that all other layers have, a shape or a type of numbers that no other layer
has, a bias that does not fit its weight, embeddings and layers of which the config knows no such number.

## Why it matters
It may be right: real models have layers that differ. Where it is not, transformers fills what is missing with random
numbers and only logs it, or stops with a message about one tensor. The check is silent on a model of each of 585 types
of transformers 5.23; of 8,193 copies of them that were damaged in one of 19 ways, it remarked on 5,668. A missing head
or a layer that was cut in half at the end it does not see.

## How to put it right
Compare the tensor with those of the other layers; save the model again where it was not meant. `hfcheck check --deep`
asks the transformers that is installed, which may know the class and then says for certain.
"""

from collections.abc import Iterator

from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.formats.tensor import Tensor
from hfcheck.loading.prefixes import WRAPPERS
from hfcheck.loading.quantised import recognise
from hfcheck.loading.structural import oddities
from hfcheck.rule import Example, Rule

OWN = {"model_type": "my_net", "architectures": ["MyNet"], "auto_map": {"AutoConfig": "net.C", "AutoModel": "net.N"}}
SIZES = {"vocab_size": 16, "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 5}
LAYER = {"query.weight": [8, 8], "up.weight": [12, 8], "down.weight": [8, 12], "norm.weight": [8], "norm.bias": [8]}
NET = {
    "net.embed_tokens.weight": ("F32", [16, 8]),
    **{f"net.layers.{number}.{name}": ("F32", shape) for number in range(5) for name, shape in LAYER.items()},
}
QUERY, UP = "net.layers.2.query.weight", "net.layers.2.up.weight"
PLACEHOLDERS = ((0,), (1,))


class StructuralOddity(Rule):
    id = "WGT028"
    name = "structural-oddity"
    severity = Severity.NOTE
    since = "0.1"
    hint = "Compare the tensor with those of the other layers, or ask the installed transformers with `--deep`."
    bad = (
        Example(
            "a layer lacks a tensor",
            {
                "config.json": OWN | SIZES,
                "model.safetensors": {name: tensor for name, tensor in NET.items() if name != QUERY},
            },
            at=(At("model.safetensors", tensor=QUERY),),
        ),
        Example(
            "a shape that no other layer has",
            {"config.json": OWN | SIZES, "model.safetensors": {**NET, UP: ("F32", [8, 12])}},
            at=(At("model.safetensors", tensor=UP),),
        ),
        Example(
            "integers among floating-point numbers",
            {"config.json": OWN | SIZES, "model.safetensors": {**NET, UP: ("I8", [12, 8])}},
            at=(At("model.safetensors", tensor=UP),),
        ),
        Example(
            "a vocabulary of another size than the config says",
            {"config.json": OWN | SIZES | {"vocab_size": 21}, "model.safetensors": NET},
            at=(At("model.safetensors", tensor="net.embed_tokens.weight"),),
        ),
    )
    good = (
        Example("equal layers", {"config.json": OWN | SIZES, "model.safetensors": NET}),
        Example(
            "a last layer of another kind",
            {"config.json": OWN | SIZES, "model.safetensors": {**NET, "net.layers.4.gate.weight": ("F32", [1, 8])}},
            near_miss=True,
        ),
        Example(
            "packed weights of a quantised layer",
            {
                "config.json": {**OWN, **SIZES, "quantization_config": {"quant_method": "gptq", "bits": 4}},
                "model.safetensors": {
                    **{name: tensor for name, tensor in NET.items() if name != UP},
                    "net.layers.2.up.qweight": ("I32", [1, 12]),
                },
            },
            near_miss=True,
        ),
        Example(
            "a matrix that was not gathered: a rule of its own",
            {"config.json": OWN | SIZES, "model.safetensors": {**NET, UP: ("F32", [0])}},
            near_miss=True,
        ),
        Example(
            "a tensor that the index maps and no shard has: a rule of its own",
            {
                "config.json": OWN | SIZES,
                "model.safetensors.index.json": {
                    "metadata": {},
                    "weight_map": dict.fromkeys(NET, "model-00001-of-00001.safetensors"),
                },
                "model-00001-of-00001.safetensors": {name: tensor for name, tensor in NET.items() if name != QUERY},
            },
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if facts.load.gap is None or facts.config is None or facts.unlisted_shards:
            return
        tensors = facts.stored
        if recognise(facts.config, tensors) is not None:
            return
        mapped = facts.index.facts.weight_map if facts.index is not None else {}
        for oddity in oddities(tensors, facts.config):
            if oddity.place in mapped and oddity.place not in tensors:
                continue  # the finding is about the index
            if not _is_told(tensors.get(oddity.place), oddity.place, own_code="auto_map" in facts.config):
                at = At(facts.loaded_tensors.get(oddity.place, facts.opened or ""), tensor=oddity.place)
                place = quote(oddity.place)
                yield self.finding(at, f"not like the rest of the model: at {place}, expected {oddity.expectation}")


def _is_told(tensor: Tensor | None, name: str, *, own_code: bool) -> bool:
    """Whether `placeholder-tensor` or `wrapper-prefix` speaks of it: the latter not where the class is own code."""
    if tensor is None:
        return False
    return tensor.shape in PLACEHOLDERS or (not own_code and name.startswith(WRAPPERS))
