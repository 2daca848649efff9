"""What models keep between two tokens, against published figures and the caches of real models."""

from collections.abc import Mapping
from typing import Any

import pytest

from hfcheck.formats.tensor import Tensor
from hfcheck.loading import atlas
from hfcheck.loading.resolve import resolve
from hfcheck.placement.cache import Cache, Kept, Moment, Sequences, State, nbytes, total
from hfcheck.placement.cache_check import disagreements
from hfcheck.placement.cache_data import cache_classes
from hfcheck.placement.cache_rules import MAX_LAYERS, cache_of

GIB = 2**30
LONG = Sequences(32768)


def cache(class_name: str, **config: object) -> Cache:
    """The cache of a class under a config."""
    model_type = str(config["model_type"])
    entry = atlas.entry(model_type)
    assert entry is not None
    found = cache_of(entry, class_name, resolve(config, model_type))
    assert found is not None
    return found


def gib(found: Cache, moment: Moment) -> float:
    return round(total(found.kept, LONG, moment) / GIB, 2)


@pytest.mark.parametrize(
    ("class_name", "config", "prompt", "generating"),
    [
        ("LlamaForCausalLM", {"model_type": "llama", "num_key_value_heads": 8}, 4.0, 4.0),
        (
            "MistralForCausalLM",
            {"model_type": "mistral", "num_key_value_heads": 8, "sliding_window": 4096},
            4.0,
            0.5,
        ),
        (
            "Gemma3ForConditionalGeneration",
            {
                "model_type": "gemma3",
                "text_config": {
                    "hidden_size": 5376,
                    "num_hidden_layers": 62,
                    "num_attention_heads": 32,
                    "num_key_value_heads": 16,
                    "head_dim": 128,
                    "sliding_window": 1024,
                },
            },
            15.5,
            2.91,
        ),
        ("DeepseekV3ForCausalLM", {"model_type": "deepseek_v3"}, 2.14, 2.14),
    ],
)
def test_published_models(class_name: str, config: Mapping[str, Any], prompt: float, generating: float) -> None:
    found = cache(class_name, **config)
    assert (gib(found, Moment.PROMPT), gib(found, Moment.GENERATING)) == (prompt, generating)
    assert not found.unknown


def test_a_layer_that_shares_keeps_nothing() -> None:
    found = cache("Gemma3nForCausalLM", model_type="gemma3n_text", num_hidden_layers=10, num_kv_shared_layers=4)
    assert sorted(kept.path for kept in found.kept) == [f"model.layers.{index}" for index in range(6)]
    assert found.layers == {"model.layers.": 10}


def test_what_a_slot_holds_counts_and_not_what_it_was_made_for() -> None:
    text = {"model_type": "mistral", "num_hidden_layers": 2, "sliding_window": 16}
    found = cache("LlavaForConditionalGeneration", model_type="llava", text_config=text)
    assert [(kept.path, kept.kind, kept.window) for kept in found.kept] == [
        ("model.language_model.layers.0", "sliding", 16),
        ("model.language_model.layers.1", "sliding", 16),
    ]


def test_a_decoder_in_an_encoder_decoder_keeps_the_source_too() -> None:
    decoder = {"model_type": "gpt2", "n_layer": 1, "add_cross_attention": True}
    found = cache(
        "VisionEncoderDecoderModel",
        model_type="vision-encoder-decoder",
        encoder={"model_type": "vit"},
        decoder=decoder,
    )
    assert [(kept.path, kept.kind) for kept in found.kept] == [
        ("decoder.transformer.h.0", "attention"),
        ("decoder.transformer.h.0", "cross"),
    ]
    assert found.has_source


def test_states_have_types_of_their_own() -> None:
    found = cache("MambaForCausalLM", model_type="mamba", num_hidden_layers=1, hidden_size=8, state_size=4)
    assert [kept.states for kept in found.kept] == [(State(16 * 4), State(16 * 4, 4))]
    assert total(found.kept, Sequences(1000, batch=3), Moment.PROMPT) == 3 * (64 * 2 + 64 * 4)


@pytest.mark.parametrize(
    ("kept", "prompt", "generating"),
    [
        (Kept("", "attention", 10), 2000, 2000),
        (Kept("", "sliding", 10, 7), 2000, 140),
        (Kept("", "sliding", 10, 500), 2000, 2000),
        (Kept("", "cross", 10), 60, 60),
        (Kept("", "state", states=(State(5), State(5, 4))), 30, 30),
    ],
)
def test_moments(kept: Kept, prompt: int, generating: int) -> None:
    sequences = Sequences(100, itemsize=2, source=3)
    assert nbytes(kept, sequences, Moment.PROMPT) == prompt
    assert nbytes(kept, sequences, Moment.GENERATING) == generating


def test_a_class_that_does_not_generate_keeps_nothing() -> None:
    entry = atlas.entry("bert")
    assert entry is not None
    assert cache_of(entry, "BertForSequenceClassification", resolve({"model_type": "bert"}, "bert")) is None


def test_a_layer_of_which_nobody_knows_is_named() -> None:
    found = cache("XLSTMForCausalLM" if "XLSTMForCausalLM" in cache_classes("xlstm") else "xLSTMForCausalLM",
                  model_type="xlstm")  # fmt: skip
    assert found.unknown
    assert not found.kept


@pytest.mark.parametrize("layers", [MAX_LAYERS + 1, 10**9, 2**62])
def test_a_hostile_number_of_layers_is_no_work(layers: int) -> None:
    found = cache("LlamaForCausalLM", model_type="llama", num_hidden_layers=layers)
    assert not found.kept
    assert len(found.unknown) == 1


@pytest.mark.parametrize("name", ["../llama", "", "a" * 200, "LLAMA", "no-such-type"])
def test_no_file_for_a_name_that_is_no_type(name: str) -> None:
    assert cache_classes(name) == {}


def test_matrices_that_do_not_fit_the_config() -> None:
    found = cache(
        "LlamaForCausalLM",
        model_type="llama", num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
    )  # fmt: skip
    rows = {
        name: Tensor("F16", (16, 32), 0, 0) for name in (_name(0, "k"), _name(0, "v"), _name(1, "k"), _name(1, "v"))
    }
    assert not disagreements(found, rows)
    wrong = rows | {_name(1, "k"): Tensor("F16", (24, 32), 0, 0)}
    assert "model.layers.1" in disagreements(found, wrong)[0]
    packed = rows | {_name(1, "k"): Tensor("I32", (4, 32), 0, 0)}
    assert not disagreements(found, packed)


def _name(layer: int, letter: str) -> str:
    return f"model.layers.{layer}.self_attn.{letter}_proj.weight"


@pytest.mark.loader
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("model_type", "class_name"),
    [
        ("gemma2", "Gemma2ForCausalLM"),
        ("deepseek_v3", "DeepseekV3ForCausalLM"),
        ("t5", "T5ForConditionalGeneration"),
        ("jamba", "JambaForCausalLM"),
        ("llava", "LlavaForConditionalGeneration"),
    ],
)
def test_real_caches(model_type: str, class_name: str) -> None:
    caches = pytest.importorskip("benchmarks.placement.caches", reason="transformers is not here", exc_type=ImportError)
    results = caches.compared_runs(model_type, class_name, number=1, seed=1)
    assert {result.word for result in results} == {"exact"}
