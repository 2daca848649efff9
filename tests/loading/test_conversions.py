"""The transforms of a checkpoint as data: nothing that the engine does not know, and the same as in transformers."""

import re
from pathlib import Path

import pytest

from hfcheck.loading import conversions, convert
from hfcheck.loading.conversions import LEGACY, Operation, Scoped, Transform, listed
from hfcheck.loading.spec import Spec, Submodel

ROOT = Path(__file__).parents[2]
LISTS = sorted(conversions.names())


def spec(*submodels: Submodel, model_type: str, base_prefix: str = "model") -> Spec:
    return Spec("", model_type, {}, frozenset(), base_prefix, submodels, (), (), ())


def chosen(given: Spec) -> tuple[Scoped, ...]:
    """Without the list that every model gets."""
    found = conversions.transforms(given)
    assert [each.transform for each in found[-len(listed(LEGACY)) :]] == list(listed(LEGACY))
    return found[: -len(listed(LEGACY))]


def test_every_operation_is_known() -> None:
    operations = {step.name for name in LISTS for each in listed(name) for step in each.operations}
    assert operations == convert.KNOWN


def test_every_list_says_something() -> None:
    assert all(listed(name) for name in LISTS)
    assert listed("Unheard") == ()


def test_a_list_that_equals_another_is_its_name() -> None:
    assert listed("minimax") == listed("mixtral") != ()


def test_a_pattern_asks_for_an_index_in_a_way_that_is_seen() -> None:
    """Templates are right only if no digit of a pattern can stand for an index, but where the renamer looks for it."""
    for name in LISTS:
        for source in (source for each in listed(name) for source in each.sources):
            seen = re.sub(r"\\d\+|(?<=\.)\d+(?=\\?\.|$)|\[0-9\]", "", source)
            word = re.sub(r"[A-Za-z_]\w*(\[123\])?", "", seen)
            assert not re.search(r"\d|\\d", word), (name, source)


def test_a_pattern_has_no_nested_repetition() -> None:
    """Time quadratic in the length of a name is the worst that a pattern may need."""
    for name in LISTS:
        for source in (source for each in listed(name) for source in each.sources):
            assert not re.search(r"[*+]\)[*+{]", source), (name, source)
            assert len(re.findall(r"\.[*+]|\*\.", source)) <= 1, (name, source)


def test_the_class_counts_before_the_type() -> None:
    found = chosen(spec(Submodel("", "LlavaModel", "mixtral"), model_type="mixtral"))
    assert [each.transform for each in found] == list(listed("LlavaModel"))


def test_the_type_in_the_file_counts_for_the_root() -> None:
    root = Submodel("", "MixtralForCausalLM", "mixtral")
    assert [each.transform for each in chosen(spec(root, model_type="mixtral"))] == list(listed("mixtral"))
    assert chosen(spec(root, model_type="llama")) == ()


def test_a_list_is_applied_once_on_the_way_down() -> None:
    root, inner = Submodel("", "MixtralForCausalLM", "mixtral"), Submodel("model", "MixtralModel", "mixtral")
    assert chosen(spec(root, inner, model_type="mixtral")) == chosen(spec(root, model_type="mixtral"))


def test_siblings_both_get_theirs() -> None:
    parts = (Submodel("", "Pair", "pair"), Submodel("model.a", "A", "mixtral"), Submodel("model.b", "B", "mixtral"))
    found = chosen(spec(*parts, model_type="pair"))
    assert {each.prefixes for each in found} == {("model.a.", "a."), ("model.b.", "b.")}


@pytest.mark.parametrize(
    ("at", "base_prefix", "prefixes"),
    [
        ("model.tower", "model", ("model.tower.", "tower.")),
        ("tower", "model", ("model.tower.", "tower.")),
        ("model", "model", ("model.", "")),
        ("models", "model", ("model.s.", "s.")),  # upstream cuts the text, whatever it ends at
        ("tower", "", ("tower.",)),
    ],
)
def test_a_scope_is_tried_with_and_without_the_base_prefix(
    at: str, base_prefix: str, prefixes: tuple[str, ...]
) -> None:
    root, inner = Submodel("", "Root", "root"), Submodel(at, "Inner", "mixtral")
    assert {each.prefixes for each in chosen(spec(root, inner, model_type="root", base_prefix=base_prefix))} == {
        prefixes
    }


def test_what_a_line_of_the_file_becomes() -> None:
    assert listed("qwen3_vl_moe")[-1].operations == (Operation("Transpose", 1, 2, unless_fits=True),)
    assert Transform((".weight_g",), (".parametrizations.weight.original0",)) in listed(LEGACY)
    assert [each.offset for each in listed("inkling2_text") if each.offset] == [1]
    assert [len(each.sources) for each in listed("kimi_k25") if each.group] == [2, 2]


@pytest.mark.loader
def test_the_file_is_what_transformers_has() -> None:
    pytest.importorskip("transformers")
    from tools.atlas.conversions import render  # noqa: PLC0415 - needs transformers

    assert (ROOT / "schemas" / "conversions.json").read_text(encoding="utf-8") == render()


@pytest.mark.loader
@pytest.mark.parametrize(
    "name",
    ["LlamaForCausalLM", "LlavaForConditionalGeneration", "MaskFormerModel", "PaliGemmaModel",
     "Qwen3MoeModel", "Qwen3VLMoeForConditionalGeneration", "Sam3VideoModel", "T5GemmaForConditionalGeneration"],
)  # fmt: skip
def test_a_model_gets_what_transformers_gives_it(name: str) -> None:
    transformers = pytest.importorskip("transformers")
    from transformers.conversion_mapping import get_model_conversion_mapping  # noqa: PLC0415

    from tools.atlas import reality, tiny  # noqa: PLC0415

    cls = getattr(transformers, name)
    config = tiny.tiny(cls.config_class.model_type, name)
    model = reality.built(cls, reality.resolved_config(cls, config, cls.config_class.model_type))
    expected = [
        (list(each.source_patterns), list(each.target_patterns), each.scope_prefix, each.base_model_prefix)
        for each in get_model_conversion_mapping(model)
    ]
    ours = conversions.transforms(reality.reality(name, config, cls.config_class.model_type).spec)
    assert [(sources, targets) for sources, targets, _, _ in expected] == [
        (list(each.transform.sources), list(each.transform.targets)) for each in ours
    ]
    for each, (_, _, scope, base) in zip(ours, expected, strict=True):
        scoped = f"{scope}." if scope else ""
        assert each.prefixes[0] == (f"{base}." if base else "") + scoped
        assert each.prefixes[-1] == scoped


def test_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is parsed once in a process."""
    first = listed("mixtral")
    monkeypatch.setattr(conversions, "files", None)
    assert listed("mixtral") is first
