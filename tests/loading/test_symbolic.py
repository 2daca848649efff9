"""What the interpreter of constructors makes of small models written here, one feature each."""

# mypy: disable-error-code="no-untyped-call"
# Subclassing a class of transformers calls its `__init_subclass__`, which has no types.

from typing import Any, ClassVar

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from torch import nn  # noqa: E402 — only where there is torch
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel  # noqa: E402 — as above

from tools.atlas.symbolic.models import model_entry  # noqa: E402 — as above

pytestmark = pytest.mark.loader


class Inner(PreTrainedConfig):
    model_type = "inner_of_a_test"
    width: int = 8


class Config(PreTrainedConfig):
    model_type = "of_a_test"
    sub_configs: ClassVar[Any] = {  # pyright: ignore[reportIncompatibleMethodOverride]  # a property in the base class
        "inner": Inner,
        "any": transformers.AutoConfig,
    }
    width: int = 4
    depth: int = 3
    bias: bool = True
    extra: int | None = None
    kind: str = "a"
    sizes: Any = None
    inner: Any = None
    any: Any = None


class Base(PreTrainedModel):
    config_class = Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.build(config)

    def build(self, config: Config) -> None:
        raise NotImplementedError


def entry(model: type[PreTrainedModel]) -> dict[str, Any]:
    model.__module__ = __name__
    return model_entry(model, Config, Config(inner=Inner()), interpreted=("transformers", __name__))


class Conditions(Base):
    def build(self, config: Config) -> None:
        self.line = nn.Linear(config.width, 2 * config.width, bias=config.bias)
        if config.extra is not None:
            self.more = nn.Embedding(config.extra, config.width)
        if config.kind == "a":
            self.norm = nn.LayerNorm(config.width)


def test_a_bool_an_optional_field_and_a_string_are_conditions() -> None:
    found = entry(Conditions)
    assert found["tensors"] == {
        "line.weight": {"shape": ["2 * width", "width"]},
        "line.bias": {"shape": ["2 * width"], "if": "bias"},
        "more.weight": {"shape": ["extra", "width"], "if": "extra != null"},
        "norm.weight": {"shape": ["width"], "if": "kind == 'a'"},
        "norm.bias": {"shape": ["width"], "if": "kind == 'a'"},
    }
    assert found["why_not"] == []


class Loops(Base):
    def build(self, config: Config) -> None:
        self.layers = nn.ModuleList([nn.Linear(config.width, i + 1, bias=False) for i in range(config.depth)])
        self.some = nn.ModuleList([nn.PReLU(1)])
        if config.bias:
            self.some.append(nn.PReLU(2))
        for i in range(config.depth):
            if i % 2 == 1:
                setattr(self, f"block{i}", nn.PReLU(config.width))
        self.sequence = nn.Sequential(nn.ReLU(), nn.PReLU(2))


def test_loops_give_templates_in_their_index() -> None:
    found = entry(Loops)
    assert found["counts"] == {"layers.": "depth", "some.": "1 + if(bias, 1, 0)", "block": "depth"}
    assert found["tensors"] == {
        "layers.{}.weight": {"shape": ["$0 + 1", "width"]},
        "block{}.weight": {"shape": ["width"], "if": "$0 % 2 == 1"},
        "some.0.weight": {"shape": ["1"]},
        "some.1.weight": {"shape": ["2"], "if": "bias"},
        "sequence.1.weight": {"shape": ["2"]},
    }


class Carried(Base):
    def build(self, config: Config) -> None:
        channels = config.width
        layers = []
        for size in config.sizes:
            layers.append(nn.Linear(channels, size, bias=False))
            channels = size
        self.layers = nn.ModuleList(layers)
        total = 0
        for size in config.sizes:
            total += size
        self.head = nn.PReLU(total)


def test_what_a_loop_carries_along_has_a_closed_form() -> None:
    tensors = entry(Carried)["tensors"]
    assert tensors["layers.{}.weight"] == {"shape": ["sizes[$0]", "if($0 == 0, width, sizes[$0 - 1])"]}
    assert tensors["head.weight"] == {"shape": ["sum(each($a, len(sizes), sizes[$a]))"]}


class Early(Base):
    def build(self, config: Config) -> None:
        if config.width % config.depth != 0:
            raise ValueError
        self.first = nn.PReLU(1)
        if config.bias:
            return
        self.second = nn.PReLU(2)


def test_an_early_return_is_a_condition_and_a_raise_is_a_check() -> None:
    found = entry(Early)
    assert found["checks"] == [{"require": "width % depth == 0", "raises": "ValueError"}]
    assert found["tensors"] == {
        "first.weight": {"shape": ["1"]},
        "second.weight": {"shape": ["2"], "if": "not bias"},
    }


class Parts(Base):
    _tied_weights_keys: Any = {"head.weight": "embed.weight"}  # noqa: RUF012 — as transformers has it

    def build(self, config: Config) -> None:
        self.embed = nn.Embedding(config.inner.width, 2)
        self.head = nn.Linear(2, config.inner.width, bias=False)
        self.tower = AutoModel.from_config(config.any)
        if config.bias:
            self._tied_weights_keys = None


def test_sub_configs_mounts_and_ties_under_a_condition() -> None:
    found = entry(Parts)
    assert found["tensors"]["head.weight"] == {"shape": ["inner.width", "2"]}
    assert [(mount["at"], mount["config"], mount["auto"]) for mount in found["mounts"]] == [
        ("tower", "any", "AutoModel")
    ]
    assert found["tied"] == [
        {"at": "", "config": "", "keys": {"head.weight": "embed.weight"}, "if": "not bias"},
    ]


class Unknown(Base):
    def build(self, config: Config) -> None:
        self.weight = nn.Parameter(torch.zeros(hash(config.width)))


def test_what_is_not_known_is_an_issue_and_no_template() -> None:
    found = entry(Unknown)
    assert found["tensors"]["weight"]["shape"] == ["unknown"]
    assert any("weight" in reason for reason in found["why_not"])
