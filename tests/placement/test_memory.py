"""The memory of devices: what lies where, what is executed where, and terms that add up."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from hfcheck.placement.cache import Cache, Kept, Sequences, State
from hfcheck.placement.device import Device, Key, devices
from hfcheck.placement.dimensions import Sizes, context_of, source_of
from hfcheck.placement.generation import Generation
from hfcheck.placement.layers import layers_of
from hfcheck.placement.memory import Run, device_use, main_device, occupancies
from hfcheck.placement.model import Model, Module, Weight
from hfcheck.placement.result import DeviceUse
from hfcheck.placement.target import Target

GIB, MIB = 2**30, 2**20
SIZES = Sizes(hidden=8, vocabulary=100, heads=2, kv_heads=1, positions=64, generates=True)
LAYERS = ("model.layers.0", "model.layers.1")
SHAPES = {
    "model.embed_tokens.weight": (100, 8),
    **{f"{layer}.self_attn.k_proj.weight": (4, 8) for layer in LAYERS},
    **{f"{layer}.mlp.up_proj.weight": (32, 8) for layer in LAYERS},
    "lm_head.weight": (100, 8),
}
CACHE = Cache(
    (
        Kept(LAYERS[0], "attention", 8),
        Kept(LAYERS[1], "sliding", 8, 4),
        Kept(LAYERS[1], "state", states=(State(5, 4),)),
    ),
    {"model.layers.": 2},
)


def model(**changes: object) -> Model:
    weights = {name: Weight(name, 2 * shape[0] * shape[1], "BF16", (name,)) for name, shape in SHAPES.items()}
    weights["model.rope"] = Weight("model.rope", 16, "F32", is_buffer=True)
    root = Module()
    for name, weight in weights.items():
        *path, last = name.split(".")
        module = root
        for part in path:
            module = module.children.setdefault(part, Module())
        module.parameters[last] = weight.nbytes
    for layer in root.children["model"].children["layers"].children.values():
        layer.kind = "Layer"
    found = Model("LlamaForCausalLM", root, weights, {}, frozenset({"Layer"}), frozenset(), "BF16", exact=True)
    return replace(found, **changes)  # type: ignore[arg-type]


def uses(
    device_map: Mapping[str, Key],
    texts: list[str],
    sequences: Sequences,
    cache: Cache | None = CACHE,
    **changes: object,
) -> dict[Key, DeviceUse]:
    whole = model(**changes)

    def at(name: str) -> Key | None:
        while name:
            if name in device_map:
                return device_map[name]
            name = name.rpartition(".")[0]
        return device_map.get("")

    placed = {name: at(name) for name in whole.weights}
    run = Run(
        whole, placed, device_map, devices(texts), cache, SIZES, layers_of(whole, Generation(cache, SIZES), SHAPES)
    )
    return {one.device.key: device_use(one, SIZES, sequences) for one in occupancies(run)}


def exact(use: DeviceUse) -> dict[str, int]:
    return {term.name: term.low for term in use.terms if term.low == term.high}


def test_one_device_has_everything() -> None:
    use = uses({"": 0}, ["0=1GiB"], Sequences(10))[0]
    assert use.weights == 2 * (800 + 800 + 2 * (32 + 256))
    assert use.buffers == 16
    assert use.kv_cache == 10 * 8 * 2 + 4 * 8 * 2
    assert use.states == 20
    assert use.prompt_peak == 2 * 10 * 8 * 2 + 20
    assert exact(use) == {"weights": use.weights, "buffers": 16, "kv-cache": 320, "states": 20}
    assert use.modules == ("",)


def test_terms_add_up() -> None:
    use = uses({"": 0}, ["0=1GiB"], Sequences(50, batch=3))[0]
    assert use.low == sum(term.low for term in use.terms)
    assert use.high == sum(term.high for term in use.terms)
    assert all(term.low <= term.high for term in use.terms)
    assert {"activations", "logits", "mask", "cache-copy", "runtime", "workspaces", "rounding"} < {
        term.name for term in use.terms
    }


def test_each_layer_keeps_its_cache_where_it_is() -> None:
    split = {"model.embed_tokens": 0, LAYERS[0]: 0, LAYERS[1]: 1, "model.rope": 1, "lm_head": 1}
    found = uses(split, ["0=1GiB", "1=1GiB"], Sequences(10))
    assert exact(found[0])["kv-cache"] == 160
    assert exact(found[1])["kv-cache"] == 160
    assert (found[0].states, found[1].states) == (0, 20)


def test_a_layer_that_is_split_keeps_it_where_it_attends() -> None:
    split = {"model.embed_tokens": 0, LAYERS[0]: 0, f"{LAYERS[1]}.self_attn": 1, f"{LAYERS[1]}.mlp": 0, "lm_head": 1}
    found = uses(split, ["0=1GiB", "1=1GiB"], Sequences(10))
    assert (found[0].states, found[1].states) == (0, 20)


def test_what_is_offloaded_runs_on_the_main_device() -> None:
    far: dict[str, Key] = {"model.embed_tokens": "cpu", "model.layers": "disk", "model.rope": "cpu", "lm_head": 1}
    found = uses(far, ["0=1GiB", "1=1GiB", "cpu=1GiB", "disk"], Sequences(10))
    assert found[1].onload == 1600
    assert exact(found[1]) == {"weights": 1600, "buffers": 16, "kv-cache": 320, "states": 20, "onload": 1600}
    assert exact(found["cpu"]) == {"weights": 1600}
    assert exact(found["disk"]) == {"weights": found["disk"].weights}
    assert not found[0].terms
    assert main_device(far) == 1


def test_the_processor_runs_what_is_alone_there() -> None:
    found = uses({"": "cpu"}, ["cpu=8GiB"], Sequences(10))["cpu"]
    assert exact(found)["kv-cache"] == 320
    assert not found.onload
    assert "workspaces" not in {term.name for term in found.terms}
    assert main_device({"a": "cpu", "b": "disk"}) == "cpu"


def test_a_device_that_nobody_listed_takes_nothing() -> None:
    found = uses({"model": 0, "lm_head": 7}, ["0=1GiB"], Sequences(10))
    assert not found[7].is_listed
    assert found[7].fit == "does-not-fit"


def test_a_tied_tensor_counts_once_on_its_device() -> None:
    ties = {"lm_head.weight": "model.embed_tokens.weight"}
    together = uses({"": 0}, ["0=1GiB"], Sequences(1), ties=ties)
    apart = uses({"model": 0, "lm_head": 1}, ["0=1GiB", "1=1GiB"], Sequences(1), ties=ties)
    assert together[0].weights == 2 * (800 + 2 * (32 + 256))
    assert apart[1].weights == 1600


def test_layers_that_nobody_knows_widen_the_interval() -> None:
    unknown = Cache((), {"model.layers.": 2}, ("model.layers.0: nobody knows",), LAYERS)
    use = uses({"": 0}, ["0=1GiB"], Sequences(10), unknown)[0]
    term = next(term for term in use.terms if term.name == "unknown-cache")
    assert (term.low, term.high) == (0, 2 * 2 * 10 * 8 * 2)
    assert not use.kv_cache


def test_a_model_that_does_not_generate_has_no_cache() -> None:
    use = uses({"": 0}, ["0=1GiB"], Sequences(10), None)[0]
    assert "kv-cache" not in exact(use)
    assert not use.prompt_peak


@pytest.mark.parametrize(
    ("size", "fit"), [(None, "fits"), (2 * GIB, "fits"), (10 * MIB, "tight"), (1000, "does-not-fit")]
)
def test_fits_or_not(size: int | None, fit: str) -> None:
    use = uses({"": 0}, ["0=1GiB"], Sequences(10))[0]
    assert replace(use, device=Device(0, size)).fit == fit


def test_contexts_that_nobody_gave() -> None:
    target = Target(devices(["0=1GiB"]))
    assert context_of(target, SIZES) == 64
    assert context_of(target, replace(SIZES, positions=10**9)) == 4096
    assert context_of(replace(target, context=9999), SIZES) == 9999
    assert source_of(SIZES, 10) == 0
    assert source_of(replace(SIZES, is_encoder_decoder=True), 10) == 10
    assert source_of(replace(SIZES, is_encoder_decoder=True, source_positions=1500), 10) == 1500


@pytest.mark.parametrize("tokens", [1, 10**6, 2**62])
def test_hostile_numbers_are_only_multiplied(tokens: int) -> None:
    use = uses({"": 0}, ["0=1GiB"], Sequences(tokens, batch=2**40))[0]
    assert use.high > use.low > 0
