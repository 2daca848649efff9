"""A config file becomes what transformers makes of it: by small entries first, then side by side with transformers."""

import random
from collections.abc import Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hfcheck.loading.draft import About, ConfigRaises, Resolved, Unresolvable
from hfcheck.loading.names import ABSENT, UNKNOWN
from hfcheck.loading.resolve import auto_type, resolve

AGREE = Path(__file__).parents[2] / "tools" / "atlas" / "agree.py"
INT: dict[str, Any] = {"type": ["int"], "default": 8}


def entry(name: str, fields: Mapping[str, Any], **more: object) -> dict[str, Any]:
    own = {"class": name, "model_type": name.lower(), "fields": fields, "aliases": {}, "sub_configs": {}, "nested": {}}
    return own | more


TEXT = entry("Text", {"hidden_size": INT, "num_hidden_layers": INT, "layer_types": {"type": ["any"], "default": None}})
ROPE = entry("Rope", {"rope_parameters": {"type": ["null", "dict"], "default": None}, "max_position_embeddings": INT})
WHOLE = entry(
    "Whole",
    {name: {"type": ["null", "dict"], "default": None} for name in ("text_config", "open_config", "maybe_config")},
    sub_configs={
        "text_config": {"type": "text", "class": "Text", "open": False, "optional": False, "default": {}},
        "open_config": {
            "type": "text",
            "class": "Text",
            "open": True,
            "optional": False,
            "default": {"hidden_size": 2},
        },
        "maybe_config": {"type": "text", "class": "Text", "open": False, "optional": True, "default": {}},
    },
)
ENTRIES = {"text": TEXT, "rope": ROPE, "whole": WHOLE}


def of(data: Mapping[str, Any], config: Mapping[str, Any]) -> Resolved:
    return resolve(config, data["model_type"], (ENTRIES | {data["model_type"]: data}).get)


def refusal(data: Mapping[str, Any], config: Mapping[str, Any]) -> ConfigRaises:
    with pytest.raises(ConfigRaises) as caught:
        of(data, config)
    return caught.value


def test_takes_the_file_over_the_default() -> None:
    resolved = of(TEXT, {"hidden_size": 16, "own": [1]})

    assert [resolved.get(name) for name in ("hidden_size", "num_hidden_layers", "own")] == [16, 8, [1]]
    assert resolved.get("nope") is ABSENT
    assert resolved.given == {"hidden_size", "own"}


def test_undeclared_keys_come_last_and_through_aliases() -> None:
    data = TEXT | {"aliases": {"d_model": "hidden_size"}}

    assert of(data, {"hidden_size": 16, "d_model": "unchecked"}).get("hidden_size") == "unchecked"
    assert of(data, {"hidden_size": 16}).get("d_model") == 16


def test_derives_all_steps_of_a_batch_from_the_values_before_it() -> None:
    steps = [["hidden_size", "num_hidden_layers"], ["num_hidden_layers", "hidden_size * 2"], "@base", ["after", "own"]]
    resolved = of(TEXT | {"derive": steps}, {"hidden_size": 3, "own": 1})

    assert [resolved.get(name) for name in ("hidden_size", "num_hidden_layers", "after")] == [8, 6, 1]


def test_keys_that_are_used_up_become_no_attribute() -> None:
    data = TEXT | {"derive": [["hidden_size", "wide * 2"], "@base"], "consumes": ["wide"]}
    resolved = of(data, {"wide": 4})

    assert (resolved.get("hidden_size"), resolved.get("wide")) == (8, ABSENT)


def test_what_cannot_be_computed_is_unknown() -> None:
    assert of(TEXT | {"derive": [["hidden_size", "unknown"], "@base"]}, {}).get("hidden_size") is UNKNOWN


def test_a_class_that_derives_something_nobody_wrote_down() -> None:
    with pytest.raises(Unresolvable):
        of(TEXT | {"replaced": ["__post_init__"]}, {})


def test_refuses_every_field_of_the_wrong_type() -> None:
    error = refusal(TEXT, {"num_hidden_layers": True, "hidden_size": 8.0})

    assert [found.pointer for found in (error, *error.also)] == ["/hidden_size", "/num_hidden_layers"]
    assert error.message == "Text expects an integer for hidden_size, and here is 8.0"


def test_builds_sub_configs() -> None:
    resolved = of(WHOLE, {"text_config": {"hidden_size": 4, "model_type": "whatever"}})

    assert resolved.get("text_config").get("hidden_size") == 4
    assert resolved.get("open_config").get("hidden_size") == 2
    assert resolved.get("maybe_config") is None


@pytest.mark.parametrize(
    ("config", "about", "pointer"),
    [
        ({"text_config": {"hidden_size": "4"}}, About.FIELD, "/text_config/hidden_size"),
        ({"text_config": 5}, About.FIELD, "/text_config"),
        ({"open_config": {"model_type": "nope"}}, About.TYPE, "/open_config"),
        ({"open_config": {"torch_dtype": "bf16"}}, About.DTYPE, "/open_config/torch_dtype"),
        ({"use_return_dict": True}, About.CLASS, "/use_return_dict"),
        ({"num_labels": None}, About.CLASS, "/num_labels"),
    ],
)
def test_says_where_it_is_refused(config: dict[str, Any], about: About, pointer: str) -> None:
    error = refusal(WHOLE, config)

    assert (error.about, error.pointer) == (about, pointer)


def test_counts_labels() -> None:
    assert of(TEXT, {}).get("num_labels") == 2
    assert of(TEXT, {"num_labels": 5}).get("id2label")[4] == "LABEL_4"
    assert of(TEXT, {"id2label": {"0": "a"}, "num_labels": 3}).get("num_labels") == 3
    assert of(TEXT, {"id2label": {"0": "a"}}).get("id2label") == {0: "a"}


def test_layer_types() -> None:
    config = {"num_hidden_layers": 2, "layer_types": ["mamba", "full_attention"]}

    assert of(TEXT, config).get("layer_types") == ["linear_attention", "full_attention"]
    assert refusal(TEXT, {**config, "num_hidden_layers": 3}).about is About.LAYERS
    assert refusal(TEXT, {**config, "layer_types": ["x", "y"]}).about is About.LAYERS


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        ({}, {"rope_theta": 10000.0, "rope_type": "default"}),
        ({"rope_theta": 5, "rope_scaling": None}, {"rope_theta": 5, "rope_type": "default"}),
        (
            {"rope_scaling": {"type": "linear", "factor": 2.0}},
            {"type": "linear", "factor": 2.0, "rope_theta": 10000.0, "rope_type": "linear"},
        ),
        (
            {"rope_theta": 5.0, "rope_parameters": {"rope_type": "default", "rope_theta": 7.0}},
            {"rope_type": "default", "rope_theta": 7.0},
        ),
    ],
)
def test_rotary_parameters_have_one_form(config: dict[str, Any], parameters: dict[str, Any]) -> None:
    assert of(ROPE, config).get("rope_parameters") == parameters
    assert of(ROPE, config).get("rope_theta") is ABSENT


def test_rotary_parameters_that_lack_a_key() -> None:
    error = refusal(ROPE, {"rope_scaling": {"type": "dynamic"}})

    assert (error.error, error.about, error.pointer) == ("KeyError", About.ROPE, "/rope_scaling")


def test_checks_of_the_class_name_the_values() -> None:
    check = {"name": "validate_architecture", "require": "hidden_size % num_hidden_layers == 0", "raises": "ValueError"}
    error = refusal(TEXT | {"checks": [check]}, {"hidden_size": 9})

    assert error.pointer == "/hidden_size"
    assert error.message.endswith(
        "hidden_size % num_hidden_layers == 0, and here hidden_size is 9, num_hidden_layers is 8"
    )


def test_leaves_the_file_as_it_is() -> None:
    config = {"rope_scaling": {"type": "linear", "factor": 2.0}}
    of(ROPE, config)

    assert config == {"rope_scaling": {"type": "linear", "factor": 2.0}}


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({"model_type": "llama"}, "llama"),
        ({"model_type": "mistral", "layer_types": []}, "ministral"),
        ({"pretrained_cfg": {}}, "timm_wrapper"),
        ({}, ABSENT),
    ],
)
def test_type_that_an_auto_class_takes(config: dict[str, Any], found: object) -> None:
    assert auto_type(config) == found


@pytest.fixture(scope="module")
def agree() -> ModuleType:
    pytest.importorskip("transformers")
    spec = spec_from_file_location("agree", AGREE)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.loader
@pytest.mark.filterwarnings("ignore")  # transformers warns of many of these configs, and loads them
@pytest.mark.parametrize(
    "model_type",
    [
        "llama", "mistral", "qwen2_moe", "qwen3", "gemma2", "gpt2", "gpt_neox", "bert", "xlm-roberta", "t5", "whisper",
        "vit", "siglip", "llava", "mamba", "deepseek_v3",
    ],
)  # fmt: skip
def test_agrees_with_transformers(agree: ModuleType, model_type: str) -> None:
    chance = random.Random(model_type)

    found = [agree.verdict(config) for config in agree.cases(model_type, chance, 25)]

    assert set(found) <= {"equal", "raises", "untold"}
    assert found.count("untold") <= 2, "what divides by zero is refused there, and unknown here"
