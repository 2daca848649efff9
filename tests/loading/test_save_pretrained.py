"""What `save_pretrained` writes is in order: nothing but notes about it, for many architectures and three layouts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfcheck import engine, registry
from hfcheck.config import Settings
from hfcheck.finding import Severity
from hfcheck.report import RepositoryReport

pytestmark = pytest.mark.loader

SMALL: dict[str, Any] = {
    "vocab_size": 64, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 4, "n_embd": 16, "n_layer": 2, "n_head": 4,
    "d_model": 16, "d_ff": 32, "d_kv": 4, "num_layers": 2, "num_heads": 4, "encoder_layers": 2,
    "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32, "ffn_dim": 32, "dim": 16, "hidden_dim": 32, "n_heads": 4, "n_layers": 2,
    "embedding_size": 16, "max_position_embeddings": 64, "n_positions": 64, "num_experts": 4,
    "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "image_size": 16,
    "patch_size": 8, "num_mel_bins": 8, "state_size": 4, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2, "hidden_sizes": [8, 16], "depths": [1, 1], "n_routed_experts": 4, "q_lora_rank": 8,
    "kv_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 4, "n_group": 1,
    "topk_group": 1,
}  # fmt: skip
"""Sizes under the names that configs use; each takes those it knows."""

ARCHITECTURES = [
    "albert", "bart", "bert", "bloom", "clip_text_model", "convbert", "deberta-v2", "deepseek_v3", "deit",
    "dinov2", "distilbert", "electra", "falcon", "gemma2", "gpt2", "gpt_neox", "granite", "gpt_oss",
    "llama", "m2m_100", "mistral", "mixtral", "modernbert", "mpnet", "nomic_bert", "olmo2", "opt", "phi3",
    "qwen2", "qwen3", "qwen3_moe", "rembert", "roberta", "smollm3", "stablelm", "starcoder2", "t5",
    "videomae", "vit", "vit_mae", "xglm", "xlm-roberta",
]  # fmt: skip

Checked = Callable[[Path], RepositoryReport]
Build = Callable[[str], Any]


@pytest.fixture(scope="module")
def built() -> Build:
    """A tiny model with random weights: the causal-LM class of a type, or the next best one."""
    transformers = pytest.importorskip("transformers")
    auto = pytest.importorskip("transformers.models.auto.modeling_auto")
    kinds = ("CAUSAL_LM", "SEQ_TO_SEQ_CAUSAL_LM", "MASKED_LM")

    def build(model_type: str) -> Any:  # noqa: ANN401 - a model; transformers is imported only in the fixture
        config_class = transformers.CONFIG_MAPPING[model_type]
        known = config_class().to_dict()
        config = config_class(**{key: value for key, value in SMALL.items() if key in known})
        mappings = [*(getattr(auto, f"MODEL_FOR_{kind}_MAPPING") for kind in kinds), auto.MODEL_MAPPING]
        model_class = next(mapping[config_class] for mapping in mappings if config_class in mapping)
        return model_class(config)

    return build


@pytest.fixture(scope="module")
def checked() -> Checked:
    rules = registry.load()
    return lambda folder: engine.check(".", str(folder), rules, Settings())


def worst(report: RepositoryReport) -> list[str]:
    """Findings above a note, as a failing test should show them."""
    return [
        f"{located.finding.id} {located.finding.at}: {located.finding.message}"
        for located in report.findings
        if located.finding.severity is not Severity.NOTE
    ]


@pytest.mark.parametrize("model_type", ARCHITECTURES)
def test_saved_whole_and_in_shards(tmp_path: Path, built: Build, checked: Checked, model_type: str) -> None:
    model = built(model_type)
    for name, size in (("single", "5GB"), ("shards", "20KB")):
        model.save_pretrained(tmp_path / name, max_shard_size=size)
        report = checked(tmp_path / name)
        assert worst(report) == []
        assert not [skipped for skipped in report.skipped if skipped.reason.incomplete]
        assert report.kind.value == "transformers"
    assert (tmp_path / "single" / "model.safetensors").exists()


@pytest.mark.parametrize("model_type", ["bert", "gpt2", "llama"])
def test_saved_as_pickles(tmp_path: Path, built: Build, checked: Checked, model_type: str) -> None:
    """The older layout, which transformers 5 reads and no longer writes: shards of torch and their index."""
    hub = pytest.importorskip("huggingface_hub")
    model = built(model_type)
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(tmp_path)
    hub.save_torch_state_dict(model.state_dict(), tmp_path, safe_serialization=False, max_shard_size="20KB")
    index = json.loads((tmp_path / "pytorch_model.bin.index.json").read_text())
    report = checked(tmp_path)
    assert worst(report) == []
    assert len(set(index["weight_map"].values())) > 1
    assert not report.incomplete, "every shard was followed to its end"
