"""The schemas of configs are schemas, and take what the config classes of transformers write themselves."""

import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

FOLDER = resources.files("hfcheck_schemas") / "config"
NAMES = sorted(path.name for path in FOLDER.iterdir() if path.name.endswith(".schema.json"))
SAMPLE = (
    "llama", "qwen3_moe", "deepseek_v3", "gemma3", "gpt_oss", "bert", "t5", "whisper", "vit", "llava", "clip", "bark",
    "mamba", "bamba", "xlm-roberta", "qwen2_5_vl", "convnext", "sam",
)  # fmt: skip


@cache
def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return found


@cache
def registry() -> Registry[Any]:
    found: Registry[Any] = Registry()
    return found.with_resources((name, Resource.from_contents(schema(name), DRAFT202012)) for name in NAMES)


def faults(model_type: str, config: dict[str, Any]) -> list[str]:
    validator = Draft202012Validator(schema(f"{model_type}.schema.json"), registry=registry())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(config)]


@pytest.mark.parametrize("name", NAMES[::23])
def test_is_a_schema(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))


def test_every_reference_leads_somewhere() -> None:
    referred = {ref.split("#")[0] for name in NAMES for ref in _references(schema(name))} - {""}

    assert referred <= set(NAMES)


def test_names_the_field_that_is_wrong() -> None:
    assert faults("llama", {"model_type": "llama", "hidden_size": "4096"}) == [
        "$.hidden_size: '4096' is not of type 'integer'"
    ]


def test_keeps_what_json_schema_cannot_say() -> None:
    eps = schema("llama.schema.json")["$defs"]["config"]["properties"]["rms_norm_eps"]

    assert faults("llama", {"model_type": "llama", "rms_norm_eps": 1}) == []
    assert eps["x-python"] == ["float"]


def test_looks_into_a_sub_config() -> None:
    config = {"model_type": "clip", "text_config": {"hidden_size": "512"}}

    assert len(faults("clip", config)) == 1


@pytest.mark.loader
@pytest.mark.parametrize("model_type", SAMPLE)
def test_accepts_the_default_config(model_type: str) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.AutoConfig.for_model(model_type)

    for use_diff in (True, False):
        assert faults(model_type, json.loads(config.to_json_string(use_diff=use_diff))) == []


@pytest.mark.loader
@pytest.mark.parametrize("model_type", SAMPLE)
def test_is_what_the_generator_writes(model_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    monkeypatch.syspath_prepend(Path(__file__).parents[1])
    from tools.atlas import config_schema  # noqa: PLC0415 - needs transformers

    written = (FOLDER / f"{model_type}.schema.json").read_text(encoding="utf-8")
    assert config_schema.text(config_schema.schema(model_type)) == written


def _references(value: object) -> list[str]:
    if isinstance(value, list):
        return [ref for item in value for ref in _references(item)]
    if not isinstance(value, dict):
        return []
    own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
    return own + [ref for item in value.values() for ref in _references(item)]
