"""Tied parameters: which pairs a model ties, and what one side of them is good for."""

import pytest

from hfcheck.loading import tie
from hfcheck.loading.spec import Submodel, TiedKeys

ROOT = Submodel("", "Root", "root")
HEAD = {"lm_head.weight": "model.embed.weight"}
BOXES = {r"bbox\.(?![0])\d+": "bbox.0", "decoder.bbox": "bbox"}


def boxes(count: int) -> list[str]:
    return [
        f"{at}bbox.{layer}.{name}" for at in ("", "decoder.") for layer in range(count) for name in ("bias", "weight")
    ]


def test_names_stay_as_they_are() -> None:
    assert tie.pairs([TiedKeys("", HEAD)], [ROOT], ()) == HEAD


def test_pairs_of_a_sub_model_get_its_path() -> None:
    submodels = [ROOT, Submodel("text", "Text", "text")]
    assert tie.pairs([TiedKeys("text", HEAD)], submodels, ()) == {"text.lm_head.weight": "text.model.embed.weight"}


def test_a_module_that_is_no_model_does_not_pass_pairs_on() -> None:
    assert tie.pairs([TiedKeys("wrapper.text", HEAD)], [ROOT, Submodel("wrapper.text", "Text", "text")], ()) == {}


def test_patterns_and_modules() -> None:
    pairs = tie.pairs([TiedKeys("", BOXES)], [ROOT], boxes(3))
    assert pairs["bbox.2.weight"] == "bbox.0.weight"
    assert pairs["decoder.bbox.1.bias"] == "bbox.0.bias"
    assert set(pairs.values()) == {"bbox.0.bias", "bbox.0.weight"}
    assert len(pairs) == 10


def test_a_pattern_sees_its_own_sub_model_only() -> None:
    state = ["a.x.bias", "a.y.bias", "y.bias"]
    assert tie.pairs([TiedKeys("a", {"y": "x"})], [ROOT, Submodel("a", "A", "a")], state) == {"a.y.bias": "a.x.bias"}


def test_nothing_to_tie() -> None:
    with pytest.raises(tie.Untieable, match="0 parameters are to be tied to 1"):
        tie.pairs([TiedKeys("", {"y": "x"})], [ROOT], ["x.weight"])


@pytest.mark.parametrize(
    ("missing", "left"),
    [
        ({"lm_head.weight"}, set()),
        ({"model.embed.weight"}, set()),
        ({"lm_head.weight", "model.embed.weight"}, {"lm_head.weight", "model.embed.weight"}),
        ({"other.weight"}, {"other.weight"}),
    ],
)
def test_one_side_is_enough(missing: set[str], left: set[str]) -> None:
    assert tie.still_missing(missing, HEAD) == left


def test_any_of_three_is_enough() -> None:
    shared = {"encoder": "shared", "decoder": "shared", "head": "shared"}
    names = {"encoder", "decoder", "head", "shared"}
    assert tie.still_missing(names, shared) == names
    for name in names:
        assert tie.still_missing(names - {name}, shared) == set()


@pytest.mark.loader
@pytest.mark.parametrize(
    "name",
    ["BartForConditionalGeneration", "BertForPreTraining", "DFineForObjectDetection",
     "DeformableDetrForObjectDetection", "Kosmos2ForConditionalGeneration", "LlamaForCausalLM",
     "LongT5ForConditionalGeneration", "Sam3VideoModel", "SeamlessM4TModel", "T5ForConditionalGeneration"],
)  # fmt: skip
def test_ties_what_transformers_ties(name: str) -> None:
    transformers = pytest.importorskip("transformers")
    from tools.atlas import reality, tiny  # noqa: PLC0415 - needs transformers

    model_type = getattr(transformers, name).config_class.model_type
    real = reality.reality(name, tiny.tiny(model_type, name), model_type)
    assert list(tie.pairs(real.spec.tied, real.spec.submodels, real.spec.state).items()) == list(real.ties.items())
