"""A model of which only the names of its tensors are known."""

from hypothesis import given
from hypothesis import strategies as st

from hfcheck.example_models import llama_tensors
from hfcheck.formats.tensor import Tensor
from hfcheck.placement.approximate import approximate
from hfcheck.placement.arrange import MAX_DEPTH
from hfcheck.placement.model import Model, walk


def guessed(*names: str, dtype: str = "F32") -> Model:
    return approximate("Own", {name: Tensor(dtype, (4, 2), 0, 32) for name in names}, "BF16", "transformers", "why")


def order(model: Model, *path: str) -> list[str]:
    module = model.root
    for part in path:
        module = module.children[part]
    return list(module.children)


def test_a_decoder_has_the_usual_order() -> None:
    model = guessed(*llama_tensors(), "lm_head.weight", "model.layers.10.mlp.up_proj.weight")
    assert order(model) == ["model", "lm_head"]
    assert order(model, "model") == ["embed_tokens", "layers", "norm"]
    assert order(model, "model", "layers")[-1] == "10"
    assert model.no_split == {"model.layers.*"}
    assert model.root.children["model"].children["layers"].children["10"].kind == "model.layers.*"
    assert not model.exact
    assert model.inexact.endswith("why")


def test_only_the_outermost_blocks_are_whole() -> None:
    model = guessed("h.0.experts.0.up.weight", "h.0.experts.1.up.weight")
    assert model.no_split == {"h.*"}


def test_numbered_modules_without_modules_are_no_blocks() -> None:
    assert guessed("mlp.0.weight", "mlp.2.weight").no_split == frozenset()


def test_towers_stand_before_the_language_model() -> None:
    names = [
        "language_model.layers.0.a.weight",
        "multi_modal_projector.a.weight",
        "vision_tower.a.weight",
        "lm_head.weight",
    ]
    assert order(guessed(*names)) == ["vision_tower", "multi_modal_projector", "language_model", "lm_head"]


def test_two_encoders_side_by_side() -> None:
    names = [
        "logit_scale",
        "vision_model.a.weight",
        "text_model.a.weight",
        "text_projection.weight",
        "visual_projection.weight",
    ]
    assert order(guessed(*names))[:2] == ["text_model", "vision_model"]


def test_floats_are_cast_and_integers_are_not() -> None:
    assert guessed("a.weight").weights["a.weight"].nbytes == 16
    assert guessed("a.weight", dtype="I64").weights["a.weight"].nbytes == 64


def test_booleans_count_as_the_planner_counts_them() -> None:
    stored = {"a.mask": Tensor("BOOL", (8,), 0, 8)}
    ours, theirs = (approximate("", stored, "F32", dialect, "") for dialect in ("transformers", "accelerate"))
    assert (ours.root.children["a"].parameters["mask"], theirs.root.children["a"].parameters["mask"]) == (8, 1)


def test_a_name_made_to_nest_without_end() -> None:
    name = ".".join(["a"] * 100_000)
    model = guessed(name, "a.weight")
    assert len(list(walk(model.root))) <= MAX_DEPTH
    assert set(model.weights) == {name, "a.weight"}


@given(st.lists(st.text(st.sampled_from("ab.0"), max_size=12), max_size=8))
def test_every_tensor_is_somewhere(names: list[str]) -> None:
    model = guessed(*names)
    found = [f"{path}.{name}" if path else name for path, module in walk(model.root) for name in module.parameters]
    assert len(found) == len(set(names)) == len(model.weights)
