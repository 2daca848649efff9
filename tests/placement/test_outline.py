"""The outline of a class: what it inherits from its backbone, as the tools that write the atlas put it."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hfcheck.loading import atlas
from hfcheck.loading.expand import NotCertain
from hfcheck.placement.outline import Buffer, Kind, Outline, outline, parameter_order
from tools.atlas import compress

ENTRIES = Path(__file__).parent.parent.parent / "schemas" / "architectures"
TYPES = ("llama", "gemma3", "whisper", "bart", "t5", "mllama", "wav2vec2", "deepseek_v3", "bert", "qwen2_vl", "rt_detr")


@cache
def whole(model_type: str) -> Mapping[str, Mapping[str, Any]]:
    data = json.loads((ENTRIES / f"{model_type}.json").read_text(encoding="utf-8"))
    return compress.expand(data["classes"], model_type)


@pytest.mark.parametrize("model_type", TYPES)
def test_every_class_is_what_the_tools_would_write_whole(model_type: str) -> None:
    entry = atlas.entry(model_type)
    assert entry is not None
    for name, data in whole(model_type).items():
        found = outline(entry, name)
        assert found.order == {path: tuple(names) for path, names in data.get("order", {}).items()}
        assert found.present == data.get("present", {})
        assert found.parameters == {path: tuple(names) for path, names in data.get("parameters", {}).items()}
        assert found.no_split.keys() == data.get("no_split", {}).keys()
        assert found.buffers.keys() == data.get("buffers", {}).keys()
        for key in ("keep_fp32", "keep_fp32_strict", "skip_keys", "no_placement"):
            assert getattr(found, key) == set(data.get(key, ()))
        assert (found.tp, found.ep, list(found.pp)) == (data.get("tp", {}), data.get("ep", {}), data.get("pp", []))


def toy(**classes: dict[str, Any]) -> atlas.Entry:
    return atlas.from_data({"model_type": "toy", "config": {}, "auto": {}, "classes": classes})


BASE: dict[str, Any] = {
    "order": {"": ["embed", "layers", "pooler"], "layers": ["{}"], "pooler": ["dense"]},
    "present": {"pooler": "use_pooler"},
    "no_split": {"layers.{}": "Block"},
    "buffers": {
        "rotary.inv_freq": {"shape": ["head_dim // 2"], "dtype": "F32"},
        "mask": {"shape": None, "if": "causal"},
    },
    "keep_fp32": ["norm"],
    "no_placement": ["experts"],
    "tp": {"layers.*.q": "colwise"},
    "pp": ["embed", "layers"],
}


def test_a_head_has_its_backbone_below_it() -> None:
    head = {
        "backbone": "Base",
        "at": "model",
        "drop": ["model.pooler."],
        "order": {"": ["model", "head"]},
        "tp": {"head": "colwise"},
    }
    found = outline(toy(Base=BASE, Head=head), "Head")
    assert found.order == {"": ("model", "head"), "model": ("embed", "layers", "pooler"), "model.layers": ("{}",)}
    assert found.no_split == {"model.layers.{}": (Kind("Block"),)}
    assert found.buffers == {
        "model.rotary.inv_freq": (Buffer(("head_dim // 2",), None, "F32"),),
        "model.mask": (Buffer(None, "causal"),),
    }
    assert found.tp == {"head": "colwise", "model.layers.*.q": "colwise"}
    assert found.pp == ("model.embed", "model.layers")
    assert found.keep_fp32 == {"norm"}


def test_what_is_never_inherited_and_what_is_taken_away() -> None:
    head = {"backbone": "Base", "at": "", "no_split": {"layers.{}": None}, "pp": []}
    found = outline(toy(Base=BASE, Head=head), "Head")
    assert found.no_placement == frozenset()
    assert found.no_split == {}
    assert found.pp == ()


def test_a_module_of_several_classes() -> None:
    kinds = [{"class": "Self", "if": "$0 % 2 == 0"}, {"class": "Cross", "if": "$0 % 2 == 1"}]
    found = outline(toy(Base={"no_split": {"layers.{}": kinds}}), "Base")
    assert found.no_split == {"layers.{}": (Kind("Self", "$0 % 2 == 0"), Kind("Cross", "$0 % 2 == 1"))}


def test_a_class_that_is_not_there() -> None:
    with pytest.raises(NotCertain):
        outline(toy(Base=BASE), "Other")


def test_backbones_in_a_circle() -> None:
    with pytest.raises(NotCertain):
        outline(toy(A={"backbone": "B"}, B={"backbone": "A"}), "A")


def test_a_class_that_says_nothing() -> None:
    assert outline(toy(Base={}), "Base").order == Outline().order


def test_a_weight_stands_before_its_bias() -> None:
    assert sorted(["bias", "weight"], key=parameter_order) == ["weight", "bias"]
    assert sorted(["in_proj_bias", "in_proj_weight", "gamma"], key=parameter_order) == [
        "gamma",
        "in_proj_weight",
        "in_proj_bias",
    ]
