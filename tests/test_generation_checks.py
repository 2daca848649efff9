"""What hfcheck says of generation configs, against the class itself and against the schema; more in benchmarks."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hfcheck.generation_calls import failing
from hfcheck.generation_checks import Verdict, verdict

ROOT = Path(__file__).resolve().parent.parent
SCHEMA: dict[str, Any] = json.loads((ROOT / "schemas" / "generation_config.schema.json").read_bytes())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.loader
def test_agrees_with_the_class(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from transformers import logging  # noqa: PLC0415

    from benchmarks.tokenizer.generation_configs import configs, outcome, said  # noqa: PLC0415

    before = logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for values in configs(500, seed=7):
                assert said(values) in {outcome(values, str(tmp_path)), None}, values
    finally:
        logging.set_verbosity(before)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(SCHEMA["properties"])), JSON, max_size=6))
def test_any_values(values: dict[str, Any]) -> None:
    found = verdict(values)
    assert isinstance(found, Verdict)
    assert found.refused is None or found.refused.why


@pytest.mark.parametrize(
    ("values", "is_valid"),
    [
        ({"bos_token_id": 1, "eos_token_id": [2, 3], "do_sample": True, "temperature": 0.6, "top_p": 0.9}, True),
        ({"_from_model_config": True, "eos_token_id": 2, "transformers_version": "4.31.0", "pad_token_id": None}, True),
        ({"num_beams": 4, "length_penalty": 2.0, "early_stopping": True, "no_repeat_ngram_size": 3}, True),
        ({"temperature": 1.0, "top_k": 50, "max_new_tokens": 5, "chat_format": "chatml"}, True),
        ({"return_dict_in_generate": True, "output_scores": True}, True),
        ({"temperature": 0.6}, False),
        ({"do_sample": False, "top_k": 1}, False),
        ({"early_stopping": True, "num_beams": 1}, False),
        ({"output_scores": True}, False),
        ({"use_cache": False, "cache_implementation": "static"}, False),
        ({"max_new_tokens": 0}, False),
        ({"pad_token_id": -1}, False),
        ({"eos_token_id": "2"}, False),
        ({"streamer": None}, False),
    ],
)
def test_schema(values: dict[str, Any], is_valid: bool) -> None:  # noqa: FBT001 - a column of the table
    assert Draft202012Validator(SCHEMA).is_valid(values) == is_valid
    found = verdict(values)
    assert found is not None
    assert is_valid or found.refused or found.unused or values == {"eos_token_id": "2"}, "generate alone refuses a text"


@pytest.mark.loader
def test_schema_is_that_of_the_installed_class() -> None:
    pytest.importorskip("transformers")
    from tools.atlas import generation_schema  # noqa: PLC0415

    table = generation_schema.found()
    assert table == json.loads(generation_schema.TABLE.read_bytes())
    assert generation_schema.text(generation_schema.schema(table)) == generation_schema.SCHEMA.read_text("utf-8")


CALLS: dict[str, tuple[Any, ...]] = {
    "temperature": (0, 0.0, -1.0, 1, 2, "1", True, 0.7), "top_p": (-0.1, 0, 1, 1.5, "0.5"), "min_p": (-1, 0, 1, 2, "a"),
    "top_k": (-1, 0, 5.0, "5", 1000), "typical_p": (0, 0.5, 1.0, 2), "repetition_penalty": (0, -1.0, 1, 1.1, "1.1", 2),
    "no_repeat_ngram_size": (-1, 0, 2, 2.0, "2"), "num_beams": (0, -1, 2.0, "2", 2), "bos_token_id": ("1", [1]),
    "eos_token_id": ("1", [], {}, ["1"], [1, 2], -1), "bad_words_ids": ([], [5], [[5]], "x"),
}  # fmt: skip


@pytest.mark.loader
def test_calls_that_raise() -> None:
    """A tiny model of our own, called with each of the values."""
    pytest.importorskip("transformers")
    import torch  # noqa: PLC0415
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM  # noqa: PLC0415

    sizes = {"vocab_size": 60, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    config = LlamaConfig(**sizes, num_attention_heads=1, num_key_value_heads=1, head_dim=8)  # type: ignore[arg-type]
    model: Any = LlamaForCausalLM(config)
    for key, values in CALLS.items():
        for value in values:
            given = {"do_sample": True, key: value}
            model.generation_config = GenerationConfig.from_dict(given)
            try:
                model.generate(torch.tensor([[3, 4]]), max_new_tokens=2)
                raised = False
            except Exception:  # noqa: BLE001 - whatever a value brings about
                raised = True
            assert bool([*failing(given)]) == raised, given
