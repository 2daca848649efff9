"""Causes of loads, on a small Llama by hand: which cause it is, where, and that each name has exactly one."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck.example_models import LLAMA, QWEN3_MOE, Tensors, llama_layer, llama_tensors, qwen3_moe_tensors
from hfcheck.finding import MESSAGE
from hfcheck.loading.accept import accept
from hfcheck.loading.cause import Cause, Kind
from hfcheck.loading.evidence import Evidence
from hfcheck.loading.explain import explain
from hfcheck.loading.legal import is_leftover
from hfcheck.loading.spec import Shape, Spec, Submodel
from hfcheck.loading.templates import indices, shown, span, template

Shapes = dict[str, Shape]


def shapes_of(tensors: Tensors) -> Shapes:
    return {name: tuple(shape) for name, (_, shape) in tensors.items()}


STORED = shapes_of(llama_tensors())
SPEC = Spec(
    architecture="LlamaForCausalLM",
    model_type="llama",
    state=STORED,
    integers=frozenset(),
    base_prefix="model",
    submodels=(Submodel("", "LlamaForCausalLM", "llama", 2), Submodel("model", "LlamaModel", "llama", 2)),
    tied=(),
    ignore_missing=(),
    ignore_unexpected=(),
)
EXPERTS = shapes_of(qwen3_moe_tensors())
MIXTURE = replace(
    SPEC,
    architecture="Qwen3MoeForCausalLM",
    model_type="qwen3_moe",
    state={
        **{name: shape for name, shape in EXPERTS.items() if ".experts." not in name},
        "model.layers.0.mlp.experts.gate_up_proj": (2, 12, 8),
        "model.layers.0.mlp.experts.down_proj": (2, 8, 6),
    },
    submodels=(Submodel("", "Qwen3MoeForCausalLM", "qwen3_moe", 2), Submodel("model", "Qwen3MoeModel", "qwen3_moe", 2)),
)


def evidence(shapes: Mapping[str, Shape], spec: Spec = SPEC, **others: object) -> Evidence:
    config = LLAMA if spec is SPEC else QWEN3_MOE
    return replace(Evidence(spec, accept(spec, shapes), shapes, config), **others)  # type: ignore[arg-type]


def causes(shapes: Mapping[str, Shape], spec: Spec = SPEC) -> list[Kind]:
    return [cause.kind for cause in explain(evidence(shapes, spec))]


def without(part: str, shapes: Mapping[str, Shape] = STORED) -> Shapes:
    return {name: shape for name, shape in shapes.items() if part not in name}


def renamed(old: str, new: str, shapes: Mapping[str, Shape] = STORED) -> Shapes:
    return {name.replace(old, new): shape for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("shapes", "kinds"),
    [
        (STORED, []),
        ({}, [Kind.EMPTY]),
        ({"a.b": (1,), "c": (2,)}, [Kind.NOTHING]),
        ({f"module.{name}": shape for name, shape in STORED.items()}, [Kind.WRAPPER]),
        (renamed("layers.1.", "layers.1._orig_mod."), [Kind.WRAPPER]),
        (renamed("model.", "transformer."), [Kind.PREFIX]),
        (renamed("model.", "language_model.language_model."), [Kind.REPEATED]),
        (without("lm_head"), [Kind.UNTIED]),
        (without("layers.1."), [Kind.LAYERS]),
        (without("layers.0."), [Kind.GAP]),
        (renamed("layers.1.", "layers.4."), [Kind.GAP]),
        ({**STORED, **shapes_of(llama_layer(2))}, [Kind.LAYERS_UNUSED]),
        (renamed("q_proj", "q_prj"), [Kind.RENAMED]),
        (renamed("self_attn", "attention"), [Kind.RENAMED]),
        (renamed("q_proj", "q_prj", renamed("up_proj", "upp_proj")), [Kind.RENAMED, Kind.RENAMED]),
        (without("o_proj"), [Kind.MISSING]),
        ({**STORED, "model.norm.weight": (1, 8)}, [Kind.DIMENSIONS]),
        ({**STORED, "model.layers.0.mlp.up_proj.weight": (8, 12)}, [Kind.TRANSPOSED]),
        ({**STORED, "model.norm.weight": (7,)}, [Kind.SHAPE]),
        ({**STORED, "model.layers.0.mlp.up_proj.weight": (0,)}, [Kind.PLACEHOLDER]),
        ({**STORED, "model.layers.1.mlp.up_proj.weight": (1,)}, [Kind.PLACEHOLDER]),
        ({**STORED, "model.gate": (1,)}, [Kind.UNUSED]),
        ({**STORED, "score.weight": (2, 8)}, [Kind.UNUSED_HEAD]),
        ({**STORED, "mtp.layers.0.norm.weight": (8,)}, [Kind.LEFTOVER]),
        ({**STORED, "norm.weight": (8,)}, [Kind.SHADOWED]),
        ({**renamed("q_proj", "q_prj"), "model.norm.weight": (7,), "x": (1,)}, [Kind.RENAMED, Kind.SHAPE, Kind.UNUSED]),
    ],
)
def test_each_fault_has_its_cause(shapes: Shapes, kinds: list[Kind]) -> None:
    assert causes(shapes) == kinds


@pytest.mark.parametrize(
    ("shapes", "kinds"),
    [
        (EXPERTS, []),
        (without("experts.1.up_proj", EXPERTS), [Kind.EXPERT_PART]),
        (without("experts.1.", EXPERTS), [Kind.EXPERT_PART]),
        (without("up_proj", EXPERTS), [Kind.EXPERT_PART]),
        (renamed("experts.0.up_proj", "experts.0.up_prj", EXPERTS), [Kind.EXPERT_PART]),
        (without("experts.", EXPERTS), [Kind.MISSING]),
        ({**EXPERTS, "model.layers.0.mlp.experts.2.up_proj.weight": (6, 8)}, [Kind.CONVERSION]),
        ({**EXPERTS, "model.layers.0.mlp.experts.1.up_proj.weight": (8, 6)}, [Kind.CONVERSION]),
        ({f"base_model.model.{name}": shape for name, shape in EXPERTS.items()}, [Kind.WRAPPER]),
    ],
)
def test_experts_are_put_together(shapes: Shapes, kinds: list[Kind]) -> None:
    assert causes(shapes, MIXTURE) == kinds


def test_the_message_names_the_field_its_value_and_the_remedy() -> None:
    cause = explain(evidence(without("layers.1.")))[0]
    assert cause.pointer == "/num_hidden_layers"
    assert cause.message == (
        '"num_hidden_layers" is 2 and the files hold 1 of "model.layers.": '
        "9 parameters of layer 1 are filled with random numbers"
    )
    assert cause.hint == "Save the model with all its layers, or set num_hidden_layers to 1."


def test_a_changed_name_is_told_with_the_right_one() -> None:
    cause = explain(evidence(renamed("q_proj", "q_prj")))[0]
    assert cause.stored == "model.layers.0.self_attn.q_prj.weight"
    assert cause.message == (
        '"model.layers.{0-1}.self_attn.q_prj.weight" are not used and "model.layers.{0-1}.self_attn.q_proj.weight" are '
        'filled with random numbers; did you mean "q_proj"?'
    )


def test_a_tensor_of_which_the_index_speaks_is_no_second_finding() -> None:
    name = "model.norm.weight"
    assert causes(without(name)) == [Kind.MISSING]
    for shape in ((8,), ()):
        found = explain(evidence(without(name), elsewhere={name: shape}))
        assert [cause.kind for cause in found] == [Kind.ELSEWHERE]


def test_renames_of_the_loader_are_undone_in_messages() -> None:
    shapes = {**STORED, "model.extra.LayerNorm.gamma": (8,)}
    outcome = accept(SPEC, shapes)
    assert outcome.unexpected == ("model.extra.LayerNorm.weight",)
    cause = explain(evidence(shapes))[0]
    assert cause.stored == "model.extra.LayerNorm.gamma"
    assert '"model.extra.LayerNorm.gamma"' in cause.message


def test_precision() -> None:
    def kinds(dtypes: Mapping[str, str], **config: object) -> list[Kind]:
        found = evidence(STORED, dtypes={**dict.fromkeys(STORED, "F32"), **dtypes}, config={**LLAMA, **config})
        return [cause.kind for cause in explain(found)]

    assert kinds({}) == []
    assert kinds({"model.norm.weight": "I8"}) == [Kind.INTEGERS]
    assert kinds({"model.norm.weight": "F64"}) == [Kind.DOUBLE]
    assert kinds({}, torch_dtype="float16") == [Kind.WIDER]
    assert kinds({}, dtype="float32", torch_dtype="float16") == []
    assert kinds(dict.fromkeys(without("norm"), "BF16"), dtype="bfloat16") == []


@pytest.mark.parametrize(
    ("name", "shape", "legal"),
    [
        ("model.layers.0.self_attn.rotary_emb.inv_freq", (4,), True),
        ("bert.embeddings.position_ids", (1, 512), True),
        ("h.0.attn.masked_bias", (), True),
        ("h.0.attn.bias", (1, 1, 1024, 1024), True),
        ("h.0.attn.bias", (768,), False),
        ("layers.1.bn.num_batches_tracked", (), True),
        ("model.mtp.layers.0.mlp.up_proj.weight", (2, 2), True),
        ("model.layers.0.self_attn.k_scale", (1,), True),
        ("model.layers.0.self_attn.k_proj.weight_scale", (1,), False),
        ("position_ids_embedding.weight", (2, 2), False),
        ("smtp.weight", (2,), False),
    ],
)
def test_what_is_legal_to_leave_behind(name: str, shape: Shape, *, legal: bool) -> None:
    assert is_leftover(name, shape) is legal


def test_templates() -> None:
    names = [f"model.layers.{layer}.mlp.{expert}.w" for layer in (0, 1, 2, 5) for expert in (0, 1)]
    assert template(names[0]) == "model.layers.{}.mlp.{}.w"
    assert indices(names[-1]) == (5, 1)
    assert shown(names) == "model.layers.{0-2,5}.mlp.{0-1}.w"
    assert shown(names[:1]) == names[0]
    assert span((3, 1, 2, 7, 9, 11, 13)) == "1-3, 7, 9, 11, ..."
    assert template("conv1.weight") == "conv1.weight"
    assert template("0.weight") == "{}.weight"


Mutation = Callable[[Shapes], Shapes]

NAMES = sorted(STORED)
PARTS = st.sampled_from(["model.", "layers.1.", "q_proj", "mlp", "weight", "norm", "embed_tokens", "."])
MUTATIONS = st.one_of(
    st.builds(lambda part: lambda shapes: without(part, shapes), st.sampled_from(NAMES)),
    st.builds(
        lambda part: lambda shapes: without(part, shapes), st.sampled_from(["layers.1", "q_proj", "head", "norm"])
    ),
    st.builds(
        lambda old, new: lambda shapes: renamed(old, new, shapes), PARTS, st.sampled_from(["x", "module.", "1.", ""])
    ),
    st.builds(
        lambda name, shape: lambda shapes: {**shapes, name: shape},
        st.sampled_from(NAMES) | st.text(max_size=12),
        st.lists(st.integers(0, 20), max_size=3).map(tuple),
    ),
)


@settings(deadline=None, max_examples=150)
@given(st.lists(MUTATIONS, max_size=4), st.booleans())
def test_every_name_has_exactly_one_cause(mutations: list[Mutation], mixture: bool) -> None:  # noqa: FBT001 - a strategy
    shapes, spec = (EXPERTS, MIXTURE) if mixture else (STORED, SPEC)
    for mutation in mutations:
        shapes = mutation(shapes)
    case = evidence(shapes, spec)
    found = explain(case)
    assert found == explain(case)
    outcome = case.outcome
    assert _counted(found, lambda cause: cause.missing) == Counter(outcome.missing)
    assert _counted(found, lambda cause: cause.unexpected) == Counter(outcome.unexpected)
    assert _counted(found, lambda cause: cause.mismatched) == Counter(one.name for one in outcome.mismatched)
    assert _counted(found, lambda cause: cause.failed) == Counter(one.target for one in outcome.failed)
    assert _counted(found, lambda cause: cause.shadowed) == Counter(outcome.shadowed)
    silent = {Kind.LEFTOVER, Kind.ELSEWHERE, Kind.UNNAMED, Kind.EMPTY}
    for cause in found:
        assert bool(cause.message) == (cause.kind not in silent)
        assert len(cause.message) <= MESSAGE
        assert cause.stored is None or cause.stored in shapes


def _counted(found: tuple[Cause, ...], names: Callable[[Cause], tuple[str, ...]]) -> Counter[str]:
    return Counter(name for cause in found for name in names(cause))
