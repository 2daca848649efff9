"""Entries of the atlas by hand: heads over backbones, mounts by type, ties by flag, and where parameters come from."""

import time
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest

from hfcheck.loading import atlas, origin
from hfcheck.loading.atlas import Entry, NotCertain, Part, TooMany, from_data, parts, spec, violated
from hfcheck.loading.draft import Resolved
from hfcheck.loading.names import ABSENT, UNKNOWN
from hfcheck.loading.spec import Submodel, TiedKeys

LAYER = {
    "self_attn.q_proj.weight": ["num_attention_heads * head_dim", "hidden_size"],
    "self_attn.k_proj.weight": ["num_key_value_heads * head_dim", "hidden_size"],
    "self_attn.v_proj.weight": ["num_key_value_heads * head_dim", "hidden_size"],
    "self_attn.o_proj.weight": ["hidden_size", "num_attention_heads * head_dim"],
    "mlp.gate_proj.weight": ["intermediate_size", "hidden_size"],
    "mlp.up_proj.weight": ["intermediate_size", "hidden_size"],
    "mlp.down_proj.weight": ["hidden_size", "intermediate_size"],
    "input_layernorm.weight": ["hidden_size"],
    "post_attention_layernorm.weight": ["hidden_size"],
}
BACKBONE = {
    "base_prefix": "model",
    "certified": True,
    "counts": {"layers.": "num_hidden_layers"},
    "tensors": {
        "embed_tokens.weight": {"shape": ["vocab_size", "hidden_size"]},
        "norm.weight": {"shape": ["hidden_size"]},
        **{f"layers.{{}}.{name}": {"shape": shape} for name, shape in LAYER.items()},
        "layers.{}.self_attn.q_proj.bias": {"shape": ["num_attention_heads * head_dim"], "if": "attention_bias"},
    },
    "buffers": {"rotary_emb.inv_freq": {"shape": ["head_dim // 2"], "dtype": "F32"}},
    "ignore_unexpected": ["old$"],
    "checks": [{"name": "padding", "require": "pad_token_id == null or pad_token_id < vocab_size", "raises": "A"}],
}
LLAMA: dict[str, Any] = {
    "schema_version": 1,
    "model_type": "llama",
    "config": {"class": "LlamaConfig", "fields": {}, "aliases": {}, "sub_configs": {}},
    "auto": {"AutoModel": "LlamaModel", "AutoModelForCausalLM": "LlamaForCausalLM"},
    "classes": {
        "LlamaModel": BACKBONE,
        "LlamaForCausalLM": {
            "backbone": "LlamaModel",
            "at": "model",
            "tensors": {"lm_head.weight": {"shape": ["vocab_size", "hidden_size"]}},
            "tied": [{"at": "", "keys": {"lm_head.weight": "model.embed_tokens.weight"}, "config": ""}],
            "ignore_missing": ["head"],
            "checks": [{"name": "labels", "require": "num_labels > 0", "raises": "ValueError"}],
        },
        "LlamaStump": {"backbone": "LlamaModel", "at": "", "drop": ["layers.", "norm.weight", "rotary_emb."]},
        "LlamaForMore": {"backbone": "LlamaForCausalLM", "at": "inner", "drop": ["inner.lm_head."]},
    },
}
VALUES: dict[str, Any] = {
    "model_type": "llama",
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "attention_bias": False,
    "tie_word_embeddings": True,
    "pad_token_id": None,
    "num_labels": 2,
    "id2label": {0: "a", 1: "b"},
}


def config(**values: object) -> Resolved:
    return Resolved("llama", "LlamaConfig", {**VALUES, **values}, {}, frozenset(values))


@pytest.fixture
def llama() -> Entry:
    return from_data(LLAMA)


def test_a_head_over_its_backbone(llama: Entry) -> None:
    found = spec(llama, "LlamaForCausalLM", config())
    assert len(found.state) == 2 * len(LAYER) + 3
    assert found.state["model.layers.1.self_attn.k_proj.weight"] == (32, 64)
    assert found.state["lm_head.weight"] == (320, 64)
    assert (found.architecture, found.model_type, found.base_prefix) == ("LlamaForCausalLM", "llama", "model")
    assert found.submodels == (
        Submodel("", "LlamaForCausalLM", "llama", 4),
        Submodel("model", "LlamaModel", "llama", 4),
    )
    assert found.tied == (TiedKeys("", {"lm_head.weight": "model.embed_tokens.weight"}),)
    assert found.ignore_missing == ("head",)
    assert found.ignore_unexpected == ("old$", r"rotary_emb\.inv_freq")
    assert found.integers == frozenset()


def test_the_file_names_the_type_that_renames(llama: Entry) -> None:
    found = spec(llama, "LlamaForCausalLM", config(model_type="mistral"))
    assert found.model_type == "mistral"
    assert [submodel.model_type for submodel in found.submodels] == ["mistral", "mistral"]


@pytest.mark.parametrize("flag", [False, None, ABSENT])
def test_ties_go_by_the_flag(llama: Entry, flag: object) -> None:
    assert spec(llama, "LlamaForCausalLM", config(tie_word_embeddings=flag)).tied == ()


def test_an_unknown_flag_is_not_guessed(llama: Entry) -> None:
    with pytest.raises(NotCertain, match="tie_word_embeddings"):
        spec(llama, "LlamaForCausalLM", config(tie_word_embeddings=UNKNOWN))


def test_drop(llama: Entry) -> None:
    stump = spec(llama, "LlamaStump", config())
    assert set(stump.state) == {"embed_tokens.weight"}
    assert stump.ignore_unexpected == ("old$",)
    assert [submodel.class_name for submodel in stump.submodels] == ["LlamaStump"]
    more = spec(llama, "LlamaForMore", config())
    assert "inner.model.norm.weight" in more.state
    assert not [name for name in more.state if "lm_head" in name]
    assert [submodel.at for submodel in more.submodels] == ["", "inner", "inner.model"]
    assert more.tied[0].at == "inner"


def test_certified_is_not_inherited(llama: Entry) -> None:
    assert llama.certified("LlamaModel")
    assert not llama.certified("LlamaForCausalLM")
    assert not llama.certified("Llama")
    with pytest.raises(NotCertain):
        llama.model("Llama")


def test_what_the_constructor_requires(llama: Entry) -> None:
    assert violated(llama, "LlamaForCausalLM", config()) is None
    found = violated(llama, "LlamaForCausalLM", config(pad_token_id=320))
    assert found is not None
    assert (found.name, found.error) == ("padding", "A")
    # Nobody can tell: no reason to refuse.
    assert violated(llama, "LlamaForCausalLM", config(pad_token_id=UNKNOWN)) is None


def test_buffers() -> None:
    data = {
        "counts": {"bn.": "2"},
        "tensors": {
            "bn.{}.num_batches_tracked": {"shape": [], "dtype": "I64", "buffer": True},
            "embeddings.position_ids": {"shape": ["1", "8"], "dtype": "I64", "buffer": True, "if": "old"},
        },
        "buffers": {"{}.rotary_emb.inv_freq": {"shape": None}},
    }
    entry = from_data({**LLAMA, "classes": {"Toy": {**data, "counts": {"bn.": "2", "": "rotary"}}}})
    found = spec(entry, "Toy", config(old=True, rotary=0))
    assert found.integers == {"bn.0.num_batches_tracked", "bn.1.num_batches_tracked", "embeddings.position_ids"}
    assert found.ignore_unexpected == (r"(^|\.)position_ids$",)
    assert spec(entry, "Toy", config(old=False, rotary=1)).ignore_unexpected == (r"rotary_emb\.inv_freq",)


# A model with two towers whose types stand in the file. The towers' entries are put where `entry` looks them up.
LLAVA: dict[str, Any] = {
    **LLAMA,
    "model_type": "llava",
    "auto": {"AutoModel": "LlavaModel"},
    "classes": {
        "LlavaModel": {
            "tensors": {"projector.weight": {"shape": ["text_config.hidden_size", "vision_config.hidden_size"]}},
            "counts": {"extra.": "extras"},
            "submodels": [{"at": "", "class": "LlavaModel", "type": "llava", "config": ""}],
            "mounts": [
                {"at": "language_model", "config": "text_config", "auto": "AutoModelForCausalLM"},
                {
                    "at": "vision_tower",
                    "config": "vision_config",
                    "auto": "AutoModel",
                    "set": {"num_hidden_layers": "1"},
                },
                {"at": "extra.{}.tower", "config": "vision_config", "auto": "AutoModel", "if": "$0 == 1"},
            ],
            "tied": [],
        },
        "LlavaForAll": {"backbone": "LlavaModel", "at": "model"},
    },
}


ENTRIES = {"llava": from_data(LLAVA), "llama": from_data(LLAMA)}


def llava(class_name: str, **values: object) -> tuple[Part, ...]:
    return tuple(parts(ENTRIES["llava"], class_name, llava_config(**values), entries=ENTRIES.get))


def llava_config(**values: object) -> Resolved:
    # An alias, and beside it the attribute that it hides.
    tower = {**VALUES, "hidden_size": 32, "depth": 3, "num_hidden_layers": 7}
    vision = Resolved("llama", "LlamaConfig", tower, {"num_hidden_layers": "depth"}, frozenset())
    return Resolved(
        "llava", "", {"text_config": config(), "vision_config": vision, "extras": 2, **values}, {}, frozenset()
    )


def test_mounts() -> None:
    found = spec(ENTRIES["llava"], "LlavaForAll", llava_config(), entries=ENTRIES.get)
    assert found.state["model.projector.weight"] == (64, 32)
    assert found.state["model.language_model.model.layers.1.input_layernorm.weight"] == (64,)
    assert found.state["model.language_model.lm_head.weight"] == (320, 64)
    assert found.state["model.vision_tower.layers.0.input_layernorm.weight"] == (32,)
    assert "model.vision_tower.layers.1.input_layernorm.weight" not in found.state
    assert "model.extra.1.tower.layers.2.input_layernorm.weight" in found.state
    assert not [name for name in found.state if ".extra.0." in name]
    assert [(one.at, one.class_name) for one in found.submodels] == [
        ("", "LlavaForAll"),
        ("model", "LlavaModel"),
        ("model.language_model", "LlamaForCausalLM"),
        ("model.language_model.model", "LlamaModel"),
        ("model.vision_tower", "LlamaModel"),
        ("model.extra.1.tower", "LlamaModel"),
    ]
    assert found.tied == (TiedKeys("model.language_model", {"lm_head.weight": "model.embed_tokens.weight"}),)
    assert found.ignore_missing == ("head",)
    whole = llava("LlavaForAll")
    assert [(part.prefix, part.path, part.model.name) for part in whole] == [
        ("", "", "LlavaForAll"),
        ("model.language_model.", "text_config", "LlamaForCausalLM"),
        ("model.vision_tower.", "vision_config", "LlamaModel"),
        ("model.extra.1.tower.", "vision_config", "LlamaModel"),
    ]


@pytest.mark.parametrize("text", [None, {"hidden_size": 64}, replace(config(), model_type="bert"), UNKNOWN])
def test_a_mount_without_an_entry(text: object) -> None:
    with pytest.raises(NotCertain):
        llava("LlavaModel", text_config=text)


@pytest.mark.parametrize("at", ["inner", "", "many.{}"])
def test_mounts_within_mounts_end(at: str) -> None:
    mounts = [{"at": at, "config": "", "auto": "AutoModel"}]
    endless = from_data(
        {
            **LLAMA,
            "auto": {"AutoModel": "Endless"},
            "classes": {"Endless": {"mounts": mounts, "counts": {"many.": "n"}}},
        }
    )
    started = time.process_time()
    with pytest.raises((NotCertain, TooMany)):
        spec(endless, "Endless", config(n=1000), entries={"llama": endless}.get)
    assert time.process_time() - started < 1


def test_origin() -> None:
    whole = llava("LlavaForAll")
    found = origin.origin(whole, "model.language_model.model.layers.1.self_attn.q_proj.weight")
    assert found is not None
    assert found.template == "model.language_model.model.layers.{}.self_attn.q_proj.weight"
    assert (found.indices, found.counts) == ((1,), ("num_hidden_layers",))
    assert found.shape == ("num_attention_heads * head_dim", "hidden_size")
    assert (found.exists, found.condition, found.path) == (True, None, "text_config")
    assert (found.model_type, found.class_name) == ("llama", "LlamaForCausalLM")
    assert found.fields == {
        "text_config.head_dim": 16,
        "text_config.hidden_size": 64,
        "text_config.num_attention_heads": 4,
        "text_config.num_hidden_layers": 2,
    }


@pytest.mark.parametrize(
    ("name", "exists"),
    [
        ("model.embed_tokens.weight", True),
        ("model.layers.1.norm.weight", None),
        ("model.layers.1.mlp.up_proj.weight", True),
        ("model.layers.2.mlp.up_proj.weight", False),
        ("model.layers.99999999999999999999.mlp.up_proj.weight", None),
        ("model.layers.0.self_attn.q_proj.bias", False),
        ("nothing", None),
    ],
)
def test_origin_of_what_is_not_there(llama: Entry, name: str, exists: bool | None) -> None:  # noqa: FBT001 - an outcome
    found = origin.origin(tuple(parts(llama, "LlamaForCausalLM", config())), name)
    assert (found.exists if found else None) is exists


def test_what_the_fields_decide(llama: Entry) -> None:
    whole = llava("LlavaForAll")
    name = "model.language_model.model.layers.1.self_attn.k_proj.weight"
    assert origin.sizes(whole, name, 0, 64) == {
        "text_config.num_key_value_heads": 4,
        "text_config.head_dim": 32,
    }
    assert origin.sizes(whole, name, 2, 64) == {}
    assert origin.counts(whole, "model.language_model.model.layers.") == ("text_config.num_hidden_layers",)
    assert origin.counts(whole, "model.extra.") == ("extras",)
    assert origin.counts(whole, "model.none.") == ()
    alone = tuple(parts(llama, "LlamaForCausalLM", config()))
    assert origin.switches(alone, "model.layers.0.self_attn.q_proj.bias") == ("attention_bias",)
    assert origin.switches(alone, "lm_head.weight") == ()


@pytest.mark.parametrize(
    ("text", "wanted", "expected"),
    [
        ("num_key_value_heads * head_dim", 1024, {"num_key_value_heads": 64, "head_dim": 512}),
        ("num_key_value_heads * head_dim", 33, {}),
        ("hidden_size // num_attention_heads", 8, {"hidden_size": 32, "num_attention_heads": 8}),
        ("vocab_size + 1", 400, {"vocab_size": 399}),
        ("2 * hidden_size + intermediate_size", 240, {"hidden_size": 72, "intermediate_size": 112}),
        ("(vocab_size + 63) // 64 * 64", 512, {"vocab_size": 512}),
        ("int(hidden_size * 2.5)", 320, {"hidden_size": 128}),
        ("hidden_size ** 2", 81, {"hidden_size": 9}),
        ("if(attention_bias, 1, hidden_size)", 65, {"hidden_size": 65}),
        ("hidden_size", 64, {}),
        ("head_dim * none", 64, {}),
        ("widths[$0] * head_dim", 48, {"head_dim": 6}),
        ("1", 2, {}),
    ],
)
def test_solve(text: str, wanted: int, expected: dict[str, int]) -> None:
    assert dict(origin.solve(text, config(widths=[4, 8]), wanted, (1,))) == expected


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../report.schema", "a/b", "a\\b", "/etc/passwd", "llama\n", "llama.json", "ll\x00ama", "a" * 81,
     "ä", "-a", "a..b", "~", "C:llama", "LLAMA"],
)  # fmt: skip
def test_a_type_is_never_a_path(name: str) -> None:
    assert atlas.entry(name) is None


WRITTEN = sorted(
    file.name.removesuffix(".json")
    for folder in files("hfcheck_schemas").iterdir()
    if folder.name == "architectures"
    for file in folder.iterdir()
)


@pytest.mark.parametrize("model_type", WRITTEN[::40])
def test_written_entries_are_read(model_type: str) -> None:
    entry = atlas.entry(model_type)
    assert entry is not None
    assert entry is atlas.entry(model_type)
    for name in entry.classes:
        model = entry.model(name)
        for tensor in model.tensors.values():
            assert tensor.variants


def test_speed_of_common_models(llama: Entry) -> None:
    big = config(num_hidden_layers=80)
    spec(llama, "LlamaForCausalLM", big)
    best = min(_seconds(llama, "LlamaForCausalLM", big) for _ in range(20))
    assert best < 0.005
    assert len(spec(llama, "LlamaForCausalLM", big).state) == 723


def test_speed_of_many_experts() -> None:
    data = {
        "counts": {"layers.": "61", "layers.{}.mlp.experts.": "256"},
        "tensors": {
            f"layers.{{}}.mlp.experts.{{}}.{name}.weight": {"shape": ["hidden_size", "head_dim"], "if": "$0 >= 3"}
            for name in ("gate_proj", "up_proj", "down_proj")
        },
    }
    entry = from_data({**LLAMA, "classes": {"Toy": data}})
    assert len(spec(entry, "Toy", config()).state) == 58 * 256 * 3
    assert min(_seconds(entry, "Toy", config()) for _ in range(3)) < 0.3


def _seconds(entry: Entry, name: str, values: Resolved) -> float:
    started = time.process_time()
    spec(entry, name, values)
    return time.process_time() - started
