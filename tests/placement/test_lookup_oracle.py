"""Device maps that were written by hand, given to both libraries for a tiny model, and what we say of them."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("accelerate")

import torch
from accelerate import init_empty_weights, load_checkpoint_and_dispatch  # type: ignore[import-untyped]
from accelerate.utils import modeling  # type: ignore[import-untyped]
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.integrations.accelerate import expand_device_map

from benchmarks.placement.oracle import model_of
from hfcheck.placement.device import devices
from hfcheck.placement.expression import Expression
from hfcheck.placement.lookup import Lookup, looked_up
from hfcheck.placement.model import Model, Module, Weight
from hfcheck.placement.target import Dialect, Target

pytestmark = [pytest.mark.loader, pytest.mark.filterwarnings("ignore")]

GIVEN = devices(["0=1GiB", "cpu=1GiB", "disk"])
names = st.text("ab.1_", max_size=9)
CONFIG = LlamaConfig(
    vocab_size=16,
    hidden_size=8,
    intermediate_size=12,
    num_hidden_layers=12,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=4,
)
with torch.device("meta"):
    EMPTY = LlamaForCausalLM(CONFIG)

MAPS: tuple[Mapping[str, Any], ...] = (
    {},
    {"": "cpu"},
    {"": "disk"},
    {"": -1},
    {"": True},
    {"": None},
    {"": [1]},
    {"": 0.5},
    {"": "gpu"},
    {"model": "cpu"},
    {"model": "disk"},
    {"model": "cpu", "lm_head": "disk"},
    {"model": "cpu", "lm_head.weight": "disk"},
    {"model": "cpu", "lm_head": "gpu"},
    {"model": "cpu", "lm.head": "cpu"},
    {"model": "cpu", "lm_hea": "cpu"},
    {"model.layers.1": "cpu", "model.layers.2": "cpu:0"},
    {"model.layers.1": "disk", "": "cpu"},
    {"model.layers.1": "disk", "model.layers.10": "cpu", "": "cpu"},
    {"model": "cpu", "model.layers.1": "disk", "": "cpu"},
    {"(": "cpu", "": "cpu"},
    {"mXdel": "cpu"},
    {"": "disk", "lm_head": "cpu"},
    {"": "cpu", "lm_head": "disk"},
    {"": "cpu", "lm_head.weight": "disk"},
    {"model": "disk", "model.norm": "cpu", "lm_head": "cpu"},
    {"model": "cpu", "model.norm": "disk", "lm_head": "cpu"},
)
OF_ACCELERATE: tuple[Mapping[str, Any], ...] = (
    {},
    {"": "cpu"},
    {"": "disk"},
    {"": -1},
    {"": None},
    {"": 0.5},
    {"": "gpu"},
    {"model": "cpu"},
    {"model": "cpu", "lm_head": "disk"},
    {"model": "cpu", "lm.head": "cpu", "lm_hea": "cpu", "(": "cpu"},
    {"": "cpu", "model.norm": "disk"},
    {"": "disk", "model.norm": "cpu"},
)
"""Fewer: accelerate takes its time."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llama")
    LlamaForCausalLM(CONFIG).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model() -> Model:
    return model_of(EMPTY, "transformers")


def looked(model: Model, explicit: Mapping[str, Any], dialect: Dialect) -> Lookup:
    return looked_up(model, None, Target(GIVEN, explicit=explicit, dialect=dialect))


def agrees(found: Lookup, load: Iterator[torch.nn.Module]) -> None:
    """The load raises as we say, or its parameters lie where we say: those on the disk are on the meta device."""
    name: str | None = None
    try:
        loaded: torch.nn.Module | None = next(load)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what we should have said
        loaded, name = None, "re.error" if isinstance(error, re.error) else type(error).__name__
    ours = found.raises.error if found.raises is not None else None
    assert ("SafetensorError" if found.is_all_on_disk else ours) == name, found.raises
    if loaded is not None:
        real = {name: "disk" if one.device.type == "meta" else "cpu" for name, one in loaded.named_parameters()}
        assert real == {name: found.devices[name] for name in real}


@pytest.mark.parametrize("explicit", MAPS, ids=str)
def test_transformers(checkpoint: Path, model: Model, explicit: Mapping[str, Any], tmp_path: Path) -> None:
    def load() -> Iterator[torch.nn.Module]:
        yield LlamaForCausalLM.from_pretrained(checkpoint, device_map=dict(explicit), offload_folder=str(tmp_path))

    agrees(looked(model, explicit, "transformers"), load())


@pytest.mark.parametrize("explicit", OF_ACCELERATE, ids=str)
def test_accelerate(checkpoint: Path, model: Model, explicit: Mapping[str, Any], tmp_path: Path) -> None:
    def load() -> Iterator[torch.nn.Module]:
        with init_empty_weights():
            empty = LlamaForCausalLM(CONFIG)
        yield load_checkpoint_and_dispatch(empty, checkpoint, device_map=dict(explicit), offload_folder=str(tmp_path))

    agrees(looked(model, explicit, "accelerate"), load())


@given(st.dictionaries(names, st.integers(0, 3), max_size=6), names)
def test_the_expression_is_that_of_transformers(device_map: dict[str, int], name: str) -> None:
    matched = Expression(device_map).matched(name)
    try:
        real = expand_device_map(device_map, [name])[name]
    except KeyError:
        assert not device_map or matched not in device_map
    else:
        assert real == (device_map[matched] if matched is not None else device_map.get("", "cpu"))


@settings(max_examples=30)
@given(
    st.dictionaries(
        st.sampled_from(["model", "model.norm", "lm_head", "model.embed_tokens", "model.layers", ""]), st.just(0)
    )
)
def test_coverage_is_that_of_accelerate(device_map: dict[str, Any]) -> None:
    found = looked(model_of(EMPTY, "accelerate"), device_map, "accelerate")
    said = ""
    try:
        modeling.check_device_map(EMPTY, device_map)
    except ValueError as error:
        said = str(error).partition(": ")[2]
    assert said == ", ".join(weight.name for weight in found.uncovered)


paths = st.lists(st.sampled_from(["a", "b", "ab", "a_b", "1", "10", "x"]), min_size=1, max_size=4).map(".".join)


@given(
    st.lists(paths, min_size=1, max_size=8, unique=True),
    st.dictionaries(st.one_of(paths, st.just("")), st.integers(0, 1)),
)
def test_devices_are_those_of_transformers(tensors: list[str], device_map: dict[str, Any]) -> None:
    weights = {name: Weight(name, 1, "BF16") for name in tensors}
    model = Model("Toy", Module(), weights, {}, frozenset(), frozenset(), "BF16", exact=True)
    found = looked(model, device_map, "transformers")
    try:
        real = expand_device_map(device_map, tensors)
    except KeyError:
        assert found.raises is not None
        assert found.raises.error == "KeyError"
    else:
        assert found.devices == real
        assert {name for trap in found.traps for name in trap.names} >= {
            name
            for name, device in real.items()
            if found.owners[name] is not None and device_map[found.owners[name] or ""] != device
        }


@given(
    st.lists(paths, min_size=1, max_size=8, unique=True),
    st.dictionaries(st.one_of(paths, st.just("")), st.integers(0, 1)),
)
def test_owners_are_those_of_accelerate(tensors: list[str], device_map: dict[str, Any]) -> None:
    weights = {name: Weight(name, 1, "BF16") for name in tensors}
    model = Model("Toy", Module(), weights, {}, frozenset(), frozenset(), "BF16", exact=True)
    found = looked(model, device_map, "accelerate")
    for name in tensors:
        try:
            real = modeling._get_param_device(name, device_map)  # noqa: SLF001 - the rule without a load
        except ValueError:
            real = None
        assert found.devices[name] == real
