"""The certification of the atlas: tiny configs build, variations move what is read, the atlas agrees with the classes.

The whole of it takes 20 minutes: `python -m tools.atlas.validate`. This seed is not one that entries are certified by.
"""

import random
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("transformers")

from hfcheck.loading import atlas
from tools.atlas import classes, validate, vary
from tools.atlas.reality import reality
from tools.atlas.recorded import Reality, Refused, append, read
from tools.atlas.tiny import tiny

pytestmark = [pytest.mark.loader, pytest.mark.filterwarnings("ignore")]

SEED = 7000
TYPES = ("bert", "clip", "deepseek_v3", "gpt2", "llama", "llava", "mamba", "mixtral", "resnet", "t5", "vit", "whisper")


def truth(model_type: str, class_name: str) -> Reality:
    return reality(class_name, tiny(model_type), model_type)


@pytest.mark.parametrize("model_type", TYPES)
def test_a_tiny_config_builds_each_class_of_its_type_and_stays_tiny(model_type: str) -> None:
    for class_name in classes.classes(model_type):
        state = truth(model_type, class_name).spec.state
        sizes = [dimension for shape in state.values() for dimension in shape]
        assert state
        assert max(sizes) <= 512, class_name


def test_a_class_of_a_part_takes_its_part_of_the_file() -> None:
    names = truth("gemma3", "Gemma3ForCausalLM").spec.state
    assert "model.layers.0.self_attn.q_proj.weight" in names


def test_variations_move_every_field_that_the_constructor_reads() -> None:
    varied = vary.variations("deepseek_v3", "DeepseekV3ForCausalLM")
    moved = {move for case in vary.cases(varied, 5, SEED) if isinstance(case.truth, Reality) for move in case.moves}
    assert {"q_lora_rank", "first_k_dense_replace", "attention_bias", "tie_word_embeddings"} <= varied.moved
    assert varied.read <= varied.moved
    assert "q_lora_rank=null" in moved


def test_what_the_class_refuses_is_a_case_of_its_own() -> None:
    varied = vary.variations("bert", "BertModel")
    moves = [move for move in varied.moves if str(move) in {"num_attention_heads=5", "vocab_size=104"}]
    refused, valid = vary.settled(varied, moves)
    assert isinstance(refused.truth, Refused)
    assert (refused.moves, refused.truth.stage, refused.truth.error) == (
        *(("num_attention_heads=5",), "constructor", "ValueError"),
    )
    assert valid.moves == ("vocab_size=104",)


def test_the_same_seed_gives_the_same_config() -> None:
    configs = [vary.vary("llama", "LlamaModel", random.Random(SEED)) for _ in range(2)]
    assert configs[0] == configs[1] != tiny("llama")


def test_each_difference_is_seen() -> None:
    real = truth("llama", "LlamaForCausalLM")
    name = "model.layers.0.mlp.up_proj.weight"
    state = {**real.spec.state, name: (1, 2), "more": (1,)}
    del state["model.norm.weight"]
    wrong = replace(real.spec, state=state, base_prefix="", submodels=real.spec.submodels[:1], ignore_missing=("x",))
    found = list(validate.differences(wrong, {"lm_head.weight": "more"}, real))
    assert list(validate.differences(real.spec, real.ties, real)) == []
    assert [difference.split()[0] for difference in found] == [
        *("missing", "extra", "shape", "base", "submodels", "ties", "ignore_missing"),
    ]


def test_recorded_cases_are_read_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl.gz"
    known = validate.record("t5", "T5ForConditionalGeneration", 2, SEED)
    append(path, known)
    append(path, known)
    first, second = read(path)
    assert validate.certified(first, lambda _: None) == validate.certified(known, lambda _: None)
    for case, other in zip(known.cases, second.cases, strict=True):
        assert case.config == other.config
        if isinstance(case.truth, Reality):
            assert isinstance(other.truth, Reality)
            assert (case.truth.spec, case.truth.ties) == (other.truth.spec, other.truth.ties)


def test_a_type_without_an_entry_is_not_certified() -> None:
    said = validate.certify("llama", "LlamaModel", 0, SEED, lambda _: None)
    assert (said.ok, said.agree) == (False, 0)
    assert said.why_not[0] == "its tiny config is not certain: no entry for llama"


@pytest.mark.parametrize("model_type", TYPES)
def test_certified_classes_agree_under_configs_that_no_one_saw(model_type: str) -> None:
    entry = atlas.entry(model_type)
    assert entry is not None
    for class_name in filter(entry.certified, entry.classes):
        said = validate.certify(model_type, class_name, 2, SEED)
        wrong = [reason for reason in said.why_not if not reason.startswith("never moved")]
        assert not wrong, class_name
        assert said.agree >= said.cases / 2, "agreement is no merit of who says nothing"
