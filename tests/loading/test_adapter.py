"""An adapter beside the config of its base: there is nothing to compare."""

from pathlib import Path

from hfcheck.example import Example
from hfcheck.example_models import LLAMA
from hfcheck.facts import units
from hfcheck.repository import scan
from hfcheck.testing import write


def test_an_adapter_is_not_compared_with_the_class_of_its_base(tmp_path: Path) -> None:
    files = {
        "config.json": dict(LLAMA),
        "adapter_config.json": {"peft_type": "LORA", "base_model_name_or_path": "a/b", "target_modules": ["q_proj"]},
        "adapter_model.safetensors": {"base_model.model.model.layers.0.q_proj.lora_A.weight": ("F32", [2, 8])},
    }
    write(Example("", files), tmp_path)
    (facts,) = units(scan(str(tmp_path)))
    assert (facts.load.outcome, facts.load.causes) == ("not-checked", ())
