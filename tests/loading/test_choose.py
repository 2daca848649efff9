"""Which class is judged: what the config says, what the type has, and what the real Auto classes take."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck.loading.choose import Choice, Refused, candidates, choose, index

KNOWN = index()

LLAMA = {"model_type": "llama", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "vocab_size": 8,
         "num_attention_heads": 2, "head_dim": 8}  # fmt: skip


def chosen(**config: object) -> tuple[str, str, str, str]:
    found = choose(config, KNOWN)
    assert isinstance(found, Choice), found
    return found.how, found.model_type, found.class_name, found.config


@pytest.mark.parametrize(
    ("model_type", "named"),
    [
        ("llama", "LlamaForTokenClassification"),
        ("gpt2", "GPT2DoubleHeadsModel"),  # in no auto map
        ("gpt-sw3", "GPT2LMHeadModel"),  # two types with one config class
        ("internlm3", "LlamaForCausalLM"),  # a class that belongs to another type
        ("clip_text_model", "CLIPTextModelWithProjection"),  # the type of a part, alone in its folder
        ("deit", "DeiTForImageClassificationWithTeacher"),  # the second of two in the map
        ("bert", "BertLMHeadModel"),
    ],
)
def test_architectures_decides_where_the_type_has_that_class(model_type: str, named: str) -> None:
    assert chosen(model_type=model_type, architectures=[named]) == ("named", model_type, named, "")


def test_only_the_first_architecture_counts() -> None:
    two = ["LlamaModel", "LlamaForCausalLM"]
    assert chosen(model_type="llama", architectures=two) == ("named", "llama", "LlamaModel", "")


def test_the_class_of_a_part_is_judged_with_the_config_of_the_part() -> None:
    fixed: dict[str, Any] = {"model_type": "gemma3", "text_config": {"model_type": "llama"}}
    expected = ("part", "gemma3_text", "Gemma3ForCausalLM", "text_config")  # the slot has a class, whatever is in it
    assert chosen(**fixed, architectures=["Gemma3ForCausalLM"]) == expected
    openly: dict[str, Any] = {"model_type": "llava", "text_config": {"model_type": "llama"}}
    assert chosen(**openly, architectures=["LlamaForCausalLM"]) == ("part", "llama", "LlamaForCausalLM", "text_config")


def test_a_class_of_another_type_stands_for_its_task() -> None:
    for named, own in (("MistralForCausalLM", "LlamaForCausalLM"), ("MistralModel", "LlamaModel")):
        assert chosen(model_type="llama", architectures=[named]) == ("counterpart", "llama", own, "")
    # Llama has no masked language model: what is left is what the type has.
    assert chosen(model_type="llama", architectures=["BertForMaskedLM"]) == ("default", "llama", "LlamaForCausalLM", "")


def test_layer_types_make_a_mistral_a_ministral() -> None:
    found = chosen(model_type="mistral", architectures=["MistralForCausalLM"], layer_types=["full_attention"])
    assert found == ("counterpart", "ministral", "MinistralForCausalLM", "")


@pytest.mark.parametrize("architectures", [None, [], "LlamaForCausalLM", [1], [""], {}, [None]])
def test_without_a_name_the_type_decides(architectures: object) -> None:
    assert chosen(model_type="llama", architectures=architectures) == ("default", "llama", "LlamaForCausalLM", "")


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"model_type": "whisper"}, "WhisperForConditionalGeneration"),  # and not its decoder alone
        ({"model_type": "bart"}, "BartForConditionalGeneration"),
        ({"model_type": "mllama"}, "MllamaForConditionalGeneration"),
        ({"model_type": "bert"}, "BertForPreTraining"),
        ({"model_type": "bert", "is_decoder": True}, "BertLMHeadModel"),
        ({"model_type": "siglip_text_model"}, "SiglipTextModel"),  # of a type that no auto map has
        ({"pretrained_cfg": {}}, "TimmWrapperModel"),  # timm writes no type
    ],
)
def test_defaults(config: dict[str, object], name: str) -> None:
    how, _, class_name, _ = chosen(**config)
    assert (how, class_name) == ("default", name)


def test_every_type_with_a_class_has_a_default() -> None:
    without = [known for known in KNOWN if isinstance(choose({"model_type": known}, KNOWN), Refused)]
    assert without == [known for known, entry in KNOWN.items() if not entry["classes"]]
    for known in KNOWN:
        assert set(KNOWN[known]["classes"]) <= set(candidates({}, known, KNOWN))


REMOTE = {"AutoConfig": "configuration_x.XConfig", "AutoModelForCausalLM": "somebody/x--modeling_x.XForCausalLM"}


@pytest.mark.parametrize(
    ("config", "outcome", "pointer"),
    [
        ({}, "raises", ""),
        ({"model_type": "nope"}, "raises", "/model_type"),
        ({"model_type": None}, "raises", "/model_type"),
        ({"model_type": ["llama"]}, "raises", "/model_type"),
        ({"model_type": "nope", "auto_map": {"AutoModel": "x.X"}}, "raises", "/model_type"),  # AutoConfig comes first
        ({"model_type": "nope", "auto_map": REMOTE}, "not-checked", "/auto_map/AutoConfig"),
        ({"auto_map": REMOTE}, "not-checked", "/auto_map/AutoConfig"),
        ({"model_type": "llama", "architectures": ["XForCausalLM"], "auto_map": REMOTE}, "not-checked",
         "/architectures/0"),
    ],
)  # fmt: skip
def test_refusals(config: dict[str, object], outcome: str, pointer: str) -> None:
    found = choose(config, KNOWN)
    assert isinstance(found, Refused)
    assert (found.outcome, found.pointer) == (outcome, pointer)


def test_code_of_the_repository_changes_nothing_for_a_class_of_transformers() -> None:
    found = chosen(model_type="deepseek_v3", architectures=["DeepseekV3ForCausalLM"], auto_map=REMOTE)
    assert found == ("named", "deepseek_v3", "DeepseekV3ForCausalLM", "")


KEYS = st.sampled_from(["model_type", "architectures", "auto_map", "AutoConfig", "text_config", "is_decoder"])
VALUES = st.one_of(st.none(), st.booleans(), st.text(max_size=4), st.sampled_from([*KNOWN][:20]), st.just("LlamaModel"))
DOCUMENTS = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=4))


@settings(max_examples=300)
@given(st.dictionaries(KEYS, DOCUMENTS))
def test_no_config_gets_through_to_a_class_that_is_not_there(config: dict[str, Any]) -> None:
    found = choose(config, KNOWN)
    if isinstance(found, Choice):
        assert found.class_name in KNOWN[found.model_type]["classes"]
        assert (found.how in ("named", "part")) == (found.named == found.class_name and not found.reason)


@pytest.mark.loader
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "config",
    [
        LLAMA | {"architectures": ["LlamaForCausalLM"]},
        LLAMA | {"architectures": ["MistralForCausalLM"]},
        LLAMA | {"architectures": ["NopeForCausalLM"]},
        LLAMA | {"architectures": ["LlamaForCausalLM"], "auto_map": REMOTE},
        LLAMA | {"model_type": "mistral", "architectures": ["MistralForCausalLM"], "layer_types": ["full_attention"]},
        LLAMA | {"model_type": "internlm3", "architectures": ["LlamaForCausalLM"]},
        LLAMA | {"model_type": "nope"},
        LLAMA | {"model_type": None},
        LLAMA | {"model_type": ["llama"]},
        {"hidden_size": 16},
    ],
)
def test_the_real_auto_class_takes_that_class(config: dict[str, Any], tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = choose(config, KNOWN)
    if isinstance(found, Refused):
        with pytest.raises((ValueError, TypeError)):
            transformers.AutoConfig.from_pretrained(tmp_path)
        return
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.from_pretrained(tmp_path))
    assert (type(model).__name__, model.config.model_type) == (found.class_name, found.model_type)


@pytest.mark.loader
@pytest.mark.filterwarnings("ignore")
def test_the_index_is_that_of_the_installed_release() -> None:
    transformers = pytest.importorskip("transformers")
    data = json.loads((Path(__file__).parents[2] / "schemas" / "auto.json").read_text())
    assert data["engine"]["transformers"] == transformers.__version__
    names = transformers.models.auto.configuration_auto.CONFIG_MAPPING_NAMES
    assert sorted(names) == list(data["types"])
    maps = vars(transformers.models.auto.modeling_auto)
    for known, name in maps["MODEL_FOR_CAUSAL_LM_MAPPING_NAMES"].items():
        assert data["types"][known]["auto"]["AutoModelForCausalLM"] == name
