"""The computed device maps and the sizes of devices against those of both libraries."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("accelerate")

import torch
from accelerate.utils.modeling import convert_file_size_to_int  # type: ignore[import-untyped]
from transformers import BitNetQuantConfig, LlamaConfig, LlamaForCausalLM
from transformers.integrations import accelerate as integration
from transformers.quantizers.quantizer_bitnet import BitNetHfQuantizer

from benchmarks.placement.oracle import differs, model_of, target_of
from benchmarks.placement.planners import cases_of
from benchmarks.placement.random_models import random_module, random_targets
from hfcheck.placement.device import MAX_SIZE, DeviceInvalid, Key, size_in_bytes
from hfcheck.placement.planner import plan
from hfcheck.placement.target import Dialect

pytestmark = pytest.mark.loader

DIALECTS: tuple[Dialect, ...] = ("transformers", "accelerate")
TYPES = (
    ("llama", "LlamaForCausalLM"),
    ("gpt2", "GPT2LMHeadModel"),
    ("bert", "BertForMaskedLM"),
    ("t5", "T5ForConditionalGeneration"),
    ("bart", "BartForConditionalGeneration"),
    ("gemma3", "Gemma3ForConditionalGeneration"),
)


@given(
    st.one_of(
        st.text(max_size=8),
        st.builds(
            "{}{}{}".format,
            st.one_of(st.floats(width=16).map(str), st.text("0123456789_.-+e ", max_size=5)),
            st.sampled_from(["", " "]),
            st.text("KMGTkmgtiIbB\u0131", max_size=3),
        ),
    )
)
def test_sizes_are_those_of_accelerate(text: str) -> None:
    try:
        real = convert_file_size_to_int(text)
    except (ValueError, OverflowError):
        real = None
    try:
        ours = size_in_bytes(text)
    except DeviceInvalid:
        ours = None
    assert ours == (real if real is None or real <= MAX_SIZE else None)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_random_trees_are_planned_alike(dialect: Dialect) -> None:
    for seed in range(25):
        random = Random(seed)
        module = random_module(random, dialect)
        nbytes = sum(one.numel() * one.element_size() for one in module.parameters())
        for one in random_targets(random, nbytes, dialect):
            assert differs(module, model_of(module, dialect), one) is None, (seed, one)


@pytest.mark.parametrize(("model_type", "name"), TYPES)
def test_models_are_planned_alike(model_type: str, name: str) -> None:
    for where, module, ours, one in cases_of(model_type, name):
        assert differs(module, ours, one) is None, (where, one)


def test_the_share_of_a_quantiser_is_the_real_one() -> None:
    sizes: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 6, "vocab_size": 200}
    with torch.device("meta"):
        module = LlamaForCausalLM(LlamaConfig(**sizes, num_attention_heads=4, num_key_value_heads=4)).bfloat16()
    quantiser = BitNetHfQuantizer(BitNetQuantConfig())
    total = sum(one.numel() * one.element_size() for one in module.parameters())
    ours = replace(model_of(module, "transformers"), budget_share=0.9)
    shares: set[Key] = set()
    for percent in range(20, 110, 3):
        memory: dict[Key, int] = {0: total * percent // 100, 1: total * percent // 100, 2: total * 2}
        budgets: Any = quantiser.adjust_max_memory(integration.get_max_memory(dict(memory)))
        real: Any = integration.infer_auto_device_map(
            module,
            budgets,
            no_split_module_classes=set(module._no_split_modules or ()),  # noqa: SLF001 - as they do
        )
        assert plan(ours, target_of(memory, "sequential", "transformers")).device_map == dict(real)
        shares.update(real.values())
    assert shares == {0, 1, 2}
