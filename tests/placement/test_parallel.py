"""Parallel loads: the shares of ranks, and what transformers refuses or stops at, against transformers itself."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfcheck.example import Content, Example
from hfcheck.example_models import llama_of_heads
from hfcheck.facts import units
from hfcheck.loading.judge import Load
from hfcheck.placement.cut import Cut, cut
from hfcheck.placement.device import devices
from hfcheck.placement.grouping import target_faults
from hfcheck.placement.parallel import parallel
from hfcheck.placement.result import DryRun
from hfcheck.placement.stages import Stages
from hfcheck.placement.target import Target
from hfcheck.repository import scan
from hfcheck.testing import write

if TYPE_CHECKING:
    from benchmarks.placement.processes import Case

HOST = devices(["cpu=64GiB"])
LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "vocab_size": 96,
    "hidden_size": 64,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


@given(st.integers(0, 200), st.integers(1, 40), st.sampled_from([1, 2]))
def test_shares_are_the_whole(size: int, shares: int, halves: int) -> None:
    found = Cut(0, size, shares, halves)
    widths = [found.width(rank) for rank in range(shares)]
    assert sum(widths) == size
    assert set(found.widths()) == set(widths)
    assert found.is_even == (len(set(widths)) == 1 and size % halves == 0)


@given(st.integers(1, 10**18), st.integers(1, 10**9))
def test_a_strangers_sizes_cost_nothing(size: int, shares: int) -> None:
    assert len(Cut(0, size, shares).widths()) <= 3


@pytest.mark.parametrize(
    ("style", "name", "shape", "axis", "widths"),
    [
        ("colwise", "q_proj.weight", (65, 8), 0, (33, 32)),
        ("colwise", "q_proj.bias", (65,), 0, (33, 32)),
        ("rowwise", "o_proj.weight", (8, 65), 1, (33, 32)),
        ("rowwise", "o_proj.bias", (65,), None, ()),
        ("packed_colwise", "experts.gate_up_proj", (4, 130, 8), 1, (66, 64)),
        ("packed_rowwise", "experts.gate_up_proj", (4, 8, 130), 2, (66, 64)),
        ("embedding_rowwise", "embed_tokens.weight", (97, 8), 0, (49, 48)),
        ("embedding_colwise", "embed_tokens.weight", (97, 8), 1, (4,)),
        ("grouped_gemm", "experts.down_proj", (4, 8, 8), 0, (2,)),
        ("replicated_with_grad_allreduce", "q_norm.weight", (8,), None, ()),
        ("moe_tp_experts", "experts.down_proj", (4, 8, 8), None, ()),
        ("colwise", "scale", (), None, ()),
    ],
)
def test_styles(style: str, name: str, shape: tuple[int, ...], axis: int | None, widths: tuple[int, ...]) -> None:
    found = cut(style, name, shape, 2)
    assert (found.axis if found else None) == axis
    assert (found.widths() if found else ()) == widths


def test_stages() -> None:
    stages = Stages(3, "model", 32, is_tied=True)
    assert [stages.span(stage) for stage in range(3)] == [(0, 10), (10, 20), (20, 32)]
    assert stages.holders("model.layers.31.mlp.up_proj.weight") == (2,)
    assert stages.holders("model.embed_tokens.weight") == (0, 2)
    assert stages.holders("model.norm.weight") == stages.holders("lm_head.weight") == (2,)
    assert stages.holders("model.final_layernorm.weight") is None


@pytest.mark.parametrize("tp", [8, 3])
def test_heads_of_an_unknown_class(tp: int) -> None:
    config = {"model_type": "chatty", "text_config": {"num_attention_heads": 28, "num_key_value_heads": 4}}
    found = parallel(Load(None, "not-checked"), config, None, Target(devices(["0-7=80GiB"]), tp=tp))
    assert found.faults[0].message.startswith(
        f"num_attention_heads=28 is not divisible by tp={tp}; valid: 1, 2, 4, 7, 14, 28"
    )
    assert found.faults[0].pointer == "/text_config/num_attention_heads"
    assert found.faults[0].runs
    assert found.ranks == ()
    assert found.not_checked


@pytest.mark.parametrize("heads", [10**18 + 1, 0, -3, True, "28", None, [28], 1.5])
def test_hostile_heads(heads: object) -> None:
    config = {"model_type": "chatty", "num_attention_heads": heads, "num_key_value_heads": heads}
    found = parallel(Load(None, "not-checked"), config, None, Target(HOST, tp=8))
    assert [fault.kind for fault in found.faults] == (["heads", "kv-heads"] if heads == 10**18 + 1 else [])


def _run(folder: Path, target: Target, files: Mapping[str, Content]) -> DryRun:
    write(Example("a model", files), folder)
    found = replace(next(iter(units(scan(str(folder))))), target=target).dry_run
    assert found is not None
    return found


def test_each_rank_has_a_device(tmp_path: Path) -> None:
    listed = devices(["0-2=24GiB", "cpu=64GiB"])
    alone = _run(tmp_path, Target(listed[:1], context=100), llama_of_heads(4, 2))
    shared = _run(tmp_path, Target(listed, context=100, tp=2), llama_of_heads(4, 2))
    assert shared.parallel is not None
    norms = 5 * 16 * 4
    whole = alone.devices[0].weights
    assert [use.weights for use in shared.devices] == [(whole - norms) // 2 + norms] * 2 + [0, 0]
    assert [use.kv_cache for use in shared.devices] == [alone.devices[0].kv_cache // 2] * 2 + [0, 0]
    assert shared.parallel.shared == whole - norms
    assert shared.parallel.nbytes == whole


def test_stages_share_layers_and_their_cache(tmp_path: Path) -> None:
    listed = devices(["0-1=24GiB"])
    alone = _run(tmp_path, Target(listed[:1], context=100), llama_of_heads(4, 2))
    shared = _run(tmp_path, Target(listed, context=100, pp=2), llama_of_heads(4, 2))
    assert sum(use.weights for use in shared.devices) == alone.devices[0].weights
    assert [use.modules for use in shared.devices] == [("model.layers.0",), ("model.layers.1",)]
    assert [use.kv_cache for use in shared.devices] == [alone.devices[0].kv_cache // 2] * 2


def test_processes_on_one_cpu_add_up(tmp_path: Path) -> None:
    found = _run(tmp_path, Target(HOST, context=100, tp=2), llama_of_heads(4, 2))
    assert found.parallel is not None
    (host,) = found.devices
    assert host.weights == sum(rank.weights for rank in found.parallel.ranks)
    assert host.kv_cache == 2 * 2 * 2 * 4 * 100 * 2 // 2 * 4  # two ranks, two layers, keys and values of one head each


@pytest.fixture
def _apart() -> Iterator[None]:
    """A process group that is gone after the test."""
    yield
    import torch.distributed  # noqa: PLC0415 - not every test needs it

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _case(model_type: str, class_name: str, **sizes: int) -> "Case":
    pytest.importorskip("transformers")
    from benchmarks.placement.processes import Case  # noqa: PLC0415 - as above
    from tools.atlas.tiny import tiny  # noqa: PLC0415 - as above

    return Case(model_type, class_name, tiny(model_type, class_name), **sizes)


@pytest.mark.loader
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("_apart")
@pytest.mark.parametrize(
    ("model_type", "class_name"),
    [
        ("llama", "LlamaForCausalLM"),
        ("mixtral", "MixtralForCausalLM"),
        ("phi3", "Phi3ForCausalLM"),
        ("gpt_oss", "GptOssForCausalLM"),
        ("gpt_oss", "GptOssModel"),
        ("gpt_neox", "GPTNeoXForCausalLM"),
        ("deepseek_v3", "DeepseekV3ForCausalLM"),
        ("llama4", "Llama4ForConditionalGeneration"),
        ("qwen2_vl", "Qwen2VLForConditionalGeneration"),
        ("llava", "LlavaForConditionalGeneration"),
        ("t5", "T5ForConditionalGeneration"),
    ],
)
def test_shapes_on_each_rank(model_type: str, class_name: str) -> None:
    case = _case(model_type, class_name)
    from benchmarks.placement.parallel import compared, ours  # noqa: PLC0415 - as above
    from benchmarks.placement.processes import Case, as_rank  # noqa: PLC0415 - as above

    for sizes in ({"tp": 2}, {"tp": 3}, {"tp": 2, "ep": 2}):
        divided = Case(model_type, class_name, case.config, **sizes)
        found = ours(divided)
        assert not isinstance(found, str), found
        for rank in range(divided.ranks):
            assert compared(divided, found, as_rank(divided, rank), rank) == "same"


@pytest.mark.loader
@pytest.mark.filterwarnings("ignore")
def test_two_processes() -> None:
    """From a checkpoint to logits: uneven shares, a head that is cut through, experts, stages with a wrong output."""
    pytest.importorskip("transformers")
    from benchmarks.placement.parallel import compared, ours  # noqa: PLC0415 - as above
    from benchmarks.placement.processes import Case, in_processes  # noqa: PLC0415 - as above

    experts = {**LLAMA, "model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2}
    cases = [
        Case("llama", "LlamaForCausalLM", {**LLAMA, "intermediate_size": 65, "vocab_size": 97}, tp=2),
        Case("llama", "LlamaForCausalLM", {**LLAMA, "num_key_value_heads": 1}, tp=2),
        Case("mixtral", "MixtralForCausalLM", experts, tp=2, ep=2),
        Case("phi", "PhiForCausalLM", {**LLAMA, "model_type": "phi"}, pp=2),
    ]
    for case, seen, ends in zip(cases, in_processes(cases, 2), ["", "RuntimeError", "", "wrong"], strict=True):
        found = ours(case)
        assert not isinstance(found, str), found
        for rank, one in enumerate(seen):
            assert compared(case, found, one, rank) == "same"
            assert one.computes.partition(":")[0] == ends.replace("wrong", "")
            assert (one.difference > 1e-3) == (ends == "wrong")
            assert any(fault.when == "forward" for fault in found[0].faults) == bool(ends)


@pytest.mark.loader
@pytest.mark.filterwarnings("ignore")
def test_sizes_that_are_refused() -> None:
    pytest.importorskip("transformers")
    from transformers.distributed.configuration_utils import DistributedConfig  # noqa: PLC0415 - as above

    for tp in range(1, 7):
        for ep in range(1, 7):
            try:
                DistributedConfig(tp_size=tp, ep_size=ep)
                is_refused = False
            except ValueError:
                is_refused = True
            assert bool(list(target_faults(Target(HOST, tp=tp, ep=ep)))) == is_refused, (tp, ep)
