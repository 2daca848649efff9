"""The tree of a model from the atlas, a config and headers, against the real modules."""

from collections.abc import Mapping
from typing import Any

import pytest

from hfcheck.example_models import LLAMA, llama_tensors
from hfcheck.formats.tensor import Tensor
from hfcheck.loading.judge import Load, judge
from hfcheck.placement.model import Model, Module, walk
from hfcheck.placement.target import Target
from hfcheck.placement.tree import model_of

TYPES = (
    ("llama", "LlamaForCausalLM"), ("qwen3_moe", "Qwen3MoeForCausalLM"), ("deepseek_v3", "DeepseekV3ForCausalLM"),
    ("gemma3", "Gemma3ForConditionalGeneration"), ("mllama", "MllamaForConditionalGeneration"),
    ("qwen2_vl", "Qwen2VLForConditionalGeneration"), ("t5", "T5ForConditionalGeneration"),
    ("bart", "BartForConditionalGeneration"), ("m2m_100", "M2M100ForConditionalGeneration"),
    ("whisper", "WhisperForConditionalGeneration"), ("bert", "BertForPreTraining"), ("deberta", "DebertaForMaskedLM"),
    ("big_bird", "BigBirdForMaskedLM"), ("wav2vec2", "Wav2Vec2ForCTC"), ("hubert", "HubertForCTC"),
    ("swin", "SwinForImageClassification"), ("beit", "BeitModel"), ("clip", "CLIPModel"), ("mamba", "MambaForCausalLM"),
    ("jamba", "JambaForCausalLM"), ("bridgetower", "BridgeTowerModel"), ("convnextv2", "ConvNextV2Model"),
    ("ernie4_5_moe", "Ernie4_5_MoeForCausalLM"), ("gpt_neox", "GPTNeoXForCausalLM"), ("blip-2", "Blip2Model"),
)  # fmt: skip
"""Classes with mounts, ties of submodels, modules without tensors, choices between modules, tensors in float32."""


@pytest.mark.loader
@pytest.mark.parametrize(("model_type", "class_name"), TYPES)
def test_tree_is_that_of_the_real_model(model_type: str, class_name: str) -> None:
    pytest.importorskip("torch")
    from benchmarks.placement import trees  # noqa: PLC0415 - needs transformers

    assert list(trees.differences(model_type, class_name)) == []


def tensors(stored: Mapping[str, Any], dtype: str = "BF16") -> dict[str, Tensor]:
    return {name: Tensor(dtype, tuple(shape), 0, 0) for name, (_, shape) in stored.items()}


def tree(config: Mapping[str, Any], stored: Mapping[str, Tensor], **target: Any) -> tuple[Load, Model]:  # noqa: ANN401
    load = judge(config, stored, {})
    return load, model_of(load, config, stored, Target((), **target))


def test_modules_stand_in_the_order_of_the_class() -> None:
    load, model = tree(LLAMA, tensors(llama_tensors()))
    assert load.outcome == "loads"
    assert model.exact
    assert list(model.root.children) == ["model", "lm_head"]
    assert list(model.root.children["model"].children) == ["embed_tokens", "layers", "norm", "rotary_emb"]
    assert {module.kind for module in model.root.children["model"].children["layers"].children.values()} == {
        "LlamaDecoderLayer"
    }
    assert model.no_split == {"LlamaDecoderLayer"}


def test_buffers_are_counted_in_their_own_type() -> None:
    _, model = tree(LLAMA, tensors(llama_tensors()), dtype="bfloat16")
    _, other = tree(LLAMA, tensors(llama_tensors()), dtype="bfloat16", dialect="accelerate")
    rotary, halved = (one.root.children["model"].children["rotary_emb"].buffers for one in (model, other))
    assert rotary["inv_freq"] == 2 * halved["inv_freq"] > 0
    weight = model.weights["model.rotary_emb.inv_freq"]
    assert (weight.dtype, weight.is_buffer, weight.is_persistent, weight.sources) == ("F32", True, False, ())


def test_a_missing_weight_is_in_the_tree_with_its_size() -> None:
    stored = tensors(llama_tensors())
    whole = tree(LLAMA, stored)[1]
    del stored["model.norm.weight"]
    load, model = tree(LLAMA, stored)
    assert load.outcome == "loads-reinitialised"
    assert model.exact
    assert model.weights["model.norm.weight"].sources == ()
    assert model.weights["model.norm.weight"].nbytes == whole.weights["model.norm.weight"].nbytes


def test_what_the_model_does_not_have_is_not_in_the_tree() -> None:
    stored = tensors(llama_tensors()) | {"visitor.weight": Tensor("F32", (4,), 0, 16)}
    _, model = tree(LLAMA, stored)
    assert "visitor.weight" not in model.weights
    assert "visitor" not in model.root.children


def test_ties_lead_from_target_to_source() -> None:
    stored = tensors(llama_tensors())
    del stored["lm_head.weight"]
    _, model = tree({**LLAMA, "tie_word_embeddings": True}, stored)
    assert model.ties == {"lm_head.weight": "model.embed_tokens.weight"}
    assert "lm_head" in model.root.children


def test_experts_are_made_of_their_parts() -> None:
    from hfcheck.example_models import qwen3_moe_tensors  # noqa: PLC0415

    config = {**LLAMA, "model_type": "qwen3_moe", "architectures": ["Qwen3MoeForCausalLM"]}
    load, model = tree(config, tensors(qwen3_moe_tensors()))
    if load.spec is None:
        pytest.skip("the example has a config of its own")
    made = [weight for weight in model.weights.values() if weight.is_converted]
    assert all(weight.sources for weight in made)


def test_what_stays_in_single_precision() -> None:
    from hfcheck.loading import atlas  # noqa: PLC0415
    from hfcheck.loading.resolve import resolve  # noqa: PLC0415

    config = {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "num_layers": 1}
    entry = atlas.entry("t5")
    assert entry is not None
    spec = atlas.spec(entry, "T5ForConditionalGeneration", resolve(config, "t5"))
    stored = {name: Tensor("F32", shape, 0, 0) for name, shape in spec.state.items()}
    kept = "decoder.block.0.layer.2.DenseReluDense.wo.weight"
    for dtype, spelled in (("float16", "F32"), ("bfloat16", "BF16")):
        _, model = tree(config, stored, dtype=dtype)
        assert model.weights[kept].dtype == spelled
        assert model.dtype == ("F16" if dtype == "float16" else "BF16")
    _, half = tree(config, stored, dtype="float16")
    place = half.root.children["decoder"].children["block"].children["0"].children["layer"].children["2"]
    planned = place.children["DenseReluDense"].children["wo"].parameters["weight"]
    assert half.weights[kept].nbytes == 2 * planned


def test_numbers_of_a_stranger_end_nothing() -> None:
    for number in (10**9, 10**15, -1):
        _, model = tree({**LLAMA, "num_hidden_layers": number}, tensors(llama_tensors()))
        assert len(list(walk(model.root))) < 1000


@pytest.mark.parametrize("kind", ["own", "../../etc/passwd", 5, None])
def test_a_class_that_nobody_knows_is_guessed_from_names(kind: object) -> None:
    load, model = tree({**LLAMA, "model_type": kind}, tensors(llama_tensors()))
    assert load.spec is None
    assert not model.exact
    assert model.inexact
    assert set(model.weights) == set(llama_tensors())


def test_every_tensor_of_the_tree_is_a_weight() -> None:
    _, model = tree(LLAMA, tensors(llama_tensors()))
    assert set(_names(model.root)) == set(model.weights)


def _names(root: Module) -> list[str]:
    return [
        f"{path}.{name}" if path else name
        for path, module in walk(root)
        for name in (*module.parameters, *module.buffers)
    ]
