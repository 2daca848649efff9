"""Classes as a backbone and a difference: nothing is lost, and the reader of hfcheck takes them as they were."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck.loading.classes import ModelClass, model_class
from tools.atlas.compress import compress, expand, normal

TYPE = "toy"
EMBED, UP = {"shape": ["vocab_size", "hidden_size"]}, {"shape": ["inner", "hidden_size"], "if": "$0 > 1"}
VECTOR = {"shape": ["hidden_size"]}


def root(name: str) -> dict[str, str]:
    return {"at": "", "class": name, "type": TYPE, "config": ""}


def base() -> dict[str, Any]:
    return {
        "base_prefix": "model",
        "certified": True,
        "counts": {"encoder.layers.": "num_layers", "decoder.layers.": "num_layers"},
        "tensors": {
            "embed.weight": EMBED,
            "encoder.layers.{}.up.weight": UP,
            "decoder.layers.{}.up.weight": UP,
            "pooler.weight": VECTOR,
        },
        "buffers": {"decoder.rotary.inv_freq": {"shape": None, "dtype": "F32"}},
        "order": {"": ["embed", "encoder", "decoder", "pooler"], "encoder": ["layers"], "decoder": ["layers"]},
        "no_split": {"encoder.layers.{}": "ToyLayer", "decoder.layers.{}": "ToyLayer"},
        "tp": {"encoder.layers.*.up": "colwise", "decoder.layers.*.up": "colwise"},
        "pp": ["embed", "encoder", "decoder"],
        "submodels": [root("ToyModel"), {"at": "encoder", "class": "ToyEncoder", "type": TYPE, "config": ""}],
        "ignore_missing": ["rotary"],
        "checks": [{"require": "hidden_size > 0", "raises": "ValueError", "name": "ToyModel"}],
        "kv": [{"layers": "decoder.layers.", "kind": "attention"}],
    }


def head() -> dict[str, Any]:
    """The base below `model` without its pooler, with a head that is tied to the embedding."""
    below = base()
    return {
        "base_prefix": "model",
        "certified": False,
        "why_not": ["a reason"],
        "counts": {f"model.{key}": count for key, count in below["counts"].items()},
        "tensors": {f"model.{name}": form for name, form in below["tensors"].items() if name != "pooler.weight"}
        | {"lm_head.weight": EMBED},
        "buffers": {f"model.{name}": form for name, form in below["buffers"].items()},
        "order": {
            "": ["model", "lm_head"],
            "model": ["embed", "encoder", "decoder"],
            "model.encoder": ["layers"],
            "model.decoder": ["layers"],
        },
        "no_split": {f"model.{key}": name for key, name in below["no_split"].items()},
        "tp": {f"model.{key}": style for key, style in below["tp"].items()} | {"lm_head": "colwise_gather_output"},
        "pp": ["lm_head", "model.embed", "model.encoder", "model.decoder"],
        "submodels": [
            root("ToyForCausalLM"),
            {"at": "model", "class": "ToyModel", "type": TYPE, "config": ""},
            {"at": "model.encoder", "class": "ToyEncoder", "type": TYPE, "config": ""},
        ],
        "tied": [{"at": "", "keys": {"lm_head.weight": "model.embed.weight"}, "config": ""}],
        "ignore_missing": ["lm_head", "rotary"],
        "checks": below["checks"],
        "kv": [{"layers": "model.decoder.layers.", "kind": "attention"}],
    }


def encoder() -> dict[str, Any]:
    """The base in the same place, without its decoder, and with a matrix of another shape."""
    below = base()
    return {
        "base_prefix": "model",
        "counts": {"encoder.layers.": "num_layers"},
        "tensors": {
            "embed.weight": EMBED,
            "encoder.layers.{}.up.weight": UP,
            "pooler.weight": {"shape": ["num_labels", "hidden_size"]},
        },
        "order": {"": ["embed", "encoder", "pooler"], "encoder": ["layers"]},
        "no_split": {"encoder.layers.{}": "ToyLayer"},
        "tp": {"encoder.layers.*.up": "colwise"},
        "submodels": [root("ToyEncoderModel"), below["submodels"][1]],
        "ignore_missing": ["rotary"],
        "checks": below["checks"],
    }


CLASSES = {"ToyModel": base(), "ToyForCausalLM": head(), "ToyEncoderModel": encoder()}


def test_a_head_says_only_what_differs() -> None:
    small = compress(CLASSES, TYPE)
    assert "backbone" not in small["ToyModel"]
    assert small["ToyForCausalLM"] == {
        "backbone": "ToyModel",
        "at": "model",
        "drop": ["model.pooler."],
        "certified": False,
        "why_not": ["a reason"],
        "tensors": {"lm_head.weight": EMBED},
        "order": {"": ["model", "lm_head"], "model": ["embed", "encoder", "decoder"]},
        "tp": {"lm_head": "colwise_gather_output"},
        "tied": head()["tied"],
        "ignore_missing": ["lm_head"],
        "pp": ["lm_head", "model.embed", "model.encoder", "model.decoder"],
    }
    assert small["ToyEncoderModel"]["at"] == ""
    assert small["ToyEncoderModel"]["drop"] == ["decoder."]
    assert len(json.dumps(small)) < 0.7 * len(json.dumps(CLASSES))


def test_a_class_that_shares_nothing_stays_whole() -> None:
    other = {"tensors": {"x.weight": VECTOR}}
    assert compress({"ToyModel": base(), "Other": other}, TYPE)["Other"] == normal("Other", other, TYPE)


def test_what_cannot_be_taken_away_is_not_inherited() -> None:
    bare = encoder() | {"ignore_missing": []}  # the backbone's list would come back
    assert "backbone" not in compress({"ToyModel": base(), "Bare": bare}, TYPE)["Bare"]


NAMES = st.sampled_from(["a.", "a.{}.", "a.{}.b.", "a.b.", "c.", ""])
LEAVES = st.sampled_from(["w", "v"])
TENSORS = st.dictionaries(st.builds(str.__add__, NAMES, LEAVES), st.sampled_from([EMBED, UP, VECTOR]), max_size=6)
PATHS = st.sampled_from(["", "a", "a.{}", "a.b", "c", "m", "m.a"])
PREFIXED = st.sampled_from(["", "m."])


@st.composite
def whole(draw: st.DrawFn) -> dict[str, Any]:
    prefix = draw(PREFIXED)
    tensors = {prefix + name: form for name, form in draw(TENSORS).items()}
    counts = {prefix + "a.": draw(st.sampled_from(["n", "m"]))} if any("{}" in name for name in tensors) else {}
    inner = draw(st.lists(PATHS.filter(bool), unique=True, max_size=2))
    submodels = [{"at": at, "class": draw(st.sampled_from("XYZ")), "type": TYPE, "config": ""} for at in inner]
    return {
        "base_prefix": draw(st.sampled_from(["", "m"])),
        "certified": draw(st.booleans()),
        "counts": counts,
        "tensors": tensors,
        "buffers": {prefix + name: form for name, form in draw(TENSORS).items() if prefix + name not in tensors},
        "order": draw(st.dictionaries(PATHS, st.lists(LEAVES, min_size=1), max_size=3)),
        "no_split": draw(st.dictionaries(PATHS, st.sampled_from("XY"), max_size=2)),
        "tp": draw(st.dictionaries(st.sampled_from(["a.*.w", "m.a.*.w", "c"]), st.just("colwise"), max_size=2)),
        "pp": draw(st.lists(LEAVES, max_size=2)),
        "submodels": submodels,
        "tied": draw(st.lists(st.builds(lambda at: {"at": at, "keys": {"x": "y"}, "config": ""}, PATHS), max_size=2)),
        "ignore_missing": draw(st.lists(LEAVES, max_size=2)),
        "checks": draw(st.lists(st.sampled_from([{"require": r, "raises": "ValueError"} for r in "pq"]), max_size=2)),
        "kv": draw(st.lists(st.just({"layers": "a.", "kind": "attention"}), max_size=1)),
    }


@st.composite
def entries(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """Classes that have the root among their submodels, as the generator writes them, and share a good deal."""
    found = draw(st.dictionaries(st.sampled_from("XYZ"), whole(), min_size=1, max_size=3))
    for name, cls in found.items():
        cls["submodels"].insert(0, root(name))
        distinct = {json.dumps(check): check for check in cls["checks"]}
        cls["checks"] = list(distinct.values())
    return found


@settings(max_examples=150)
@given(entries())
def test_nothing_is_lost(classes: dict[str, dict[str, Any]]) -> None:
    small = compress(classes, TYPE)
    expected = {name: normal(name, cls, TYPE) for name, cls in classes.items()}
    assert expand(small, TYPE) == expected
    assert len(json.dumps(small)) <= len(json.dumps(expected))


def described(classes: dict[str, Any], name: str) -> tuple[Any, ...]:
    """A class as hfcheck reads it; counts that no name uses do not matter."""
    found: ModelClass = model_class(classes, name, TYPE)
    counts = {
        key: count for key, count in found.counts.items() if any(one.startswith(f"{key}{{}}") for one in found.tensors)
    }
    return (
        (found.name, found.base_prefix, found.certified, found.why_not, counts, found.tensors, found.buffers.keys()),
        (found.submodels, found.mounts, found.ties, found.ignore_missing, found.ignore_unexpected, found.checks),
    )


@settings(max_examples=150)
@given(entries())
def test_the_reader_makes_the_same_of_both(classes: dict[str, dict[str, Any]]) -> None:
    small = json.loads(json.dumps(compress(classes, TYPE)))
    for name in classes:
        assert described(small, name) == described(classes, name)


def test_the_reader_makes_the_same_of_the_toy() -> None:
    small = json.loads(json.dumps(compress(CLASSES, TYPE)))
    for name in CLASSES:
        assert described(small, name) == described(CLASSES, name)
