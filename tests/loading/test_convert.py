"""Operations of converters on shapes: what torch makes of the tensors, or that it refuses."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck.loading import conversions
from hfcheck.loading.conversions import Operation, Transform, Unmodelled, listed
from hfcheck.loading.convert import Fails, Place, convert
from hfcheck.loading.spec import Shape

CONVERTERS = sorted(
    {each for name in conversions.names() for each in listed(name) if each.operations},
    key=lambda each: (each.sources, each.targets),
)
CHAINS = {tuple(step.name for step in each.operations): each for each in CONVERTERS}
SIZES = st.sampled_from((0, 1, 2, 3, 4, 6, 8))
SHAPES = st.lists(SIZES, max_size=3).map(tuple)

EXPERTS = Transform(
    ("e.*.gate", "e.*.up"), ("e.gate_up",), (Operation("MergeModulelist"), Operation("Concatenate", dim=1))
)
QKV = Transform(("qkv",), ("q", "k", "v"), (Operation("Chunk"),))


def place(target: str, heads: int = 2, state: Mapping[str, Shape] | None = None) -> Place:
    return Place(target, state or {}, lambda _: heads)


def test_experts_are_stacked_then_joined() -> None:
    parts = {"e.*.gate": [(4, 8)] * 3, "e.*.up": [(4, 8)] * 3}
    assert convert(EXPERTS, parts, place("layers.0.e.gate_up")) == {"layers.0.e.gate_up": (3, 8, 8)}


def test_a_missing_expert_part() -> None:
    with pytest.raises(Fails, match=r"cannot be joined: \[3, 4, 8\] and \[2, 4, 8\]"):
        convert(EXPERTS, {"e.*.gate": [(4, 8)] * 3, "e.*.up": [(4, 8)] * 2}, place("e.gate_up"))


def test_an_expert_of_another_shape() -> None:
    with pytest.raises(Fails, match=r"cannot be stacked: \[4, 8\] and \[8, 4\]"):
        convert(EXPERTS, {"e.*.gate": [(4, 8), (8, 4)], "e.*.up": [(4, 8)] * 2}, place("e.gate_up"))


def test_one_of_two_lists_gone() -> None:
    """The only list left is named after the target already when it is to be joined, so it is not found."""
    with pytest.raises(Fails, match="nothing to join"):
        convert(EXPERTS, {"e.*.gate": [(4, 8)] * 3}, place("e.gate_up"))


def test_chunks_are_as_equal_as_can_be() -> None:
    assert convert(QKV, {"qkv": [(7, 2)]}, place("a.q.w")) == {"a.q.w": (3, 2), "a.k.w": (3, 2), "a.v.w": (1, 2)}
    assert convert(QKV, {"qkv": [(4,)]}, place("q")) == {"q": (2,), "k": (2,)}


def test_a_split_follows_the_parameters() -> None:
    split = Transform(("qkv",), ("q", "k"), (Operation("Split"),))
    state = {"q": (6, 4), "k": (2, 4)}
    assert convert(split, {"qkv": [(8, 4)]}, place("q", state=state)) == state
    with pytest.raises(Fails, match=r"need 8 rows, \[9, 4\] has 9"):
        convert(split, {"qkv": [(9, 4)]}, place("q", state=state))


def test_rows_are_permuted_in_pairs_for_each_head() -> None:
    permute = Transform(("wq",), ("q",), (Operation("PermuteForRope", config="vision_config"),))
    assert convert(permute, {"wq": [(16, 4)]}, place("q", heads=4)) == {"q": (16, 4)}
    with pytest.raises(Fails, match="10 rows cannot be divided among 4 heads"):
        convert(permute, {"wq": [(10, 4)]}, place("q", heads=4))


def test_an_operation_of_a_later_release() -> None:
    with pytest.raises(Unmodelled, match="Fold"):
        convert(Transform(("a",), ("b",), (Operation("Fold"),)), {"a": [(1,)]}, place("b"))


@pytest.mark.loader
@pytest.mark.parametrize("transform", CHAINS.values(), ids=map("-".join, CHAINS))
def test_converts_as_transformers_does(transform: Transform) -> None:
    """With the same tensors on the meta device, for each chain of operations that some model uses."""
    pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    from transformers import conversion_mapping  # noqa: PLC0415

    upstream: Callable[[str], Any] = vars(conversion_mapping)["get_checkpoint_conversion_mapping"]
    name = next(name for name in sorted(conversions.names()) if transform in listed(name))
    index = list(listed(name)).index(transform)
    dotted = [each if each.startswith(".") else f".{each}" for each in transform.targets]
    target = "layers.3" + dotted[0]

    @given(
        st.lists(st.lists(SHAPES, min_size=1, max_size=3), min_size=1, max_size=len(transform.sources)),
        st.booleans(),
        st.tuples(SHAPES, SHAPES, SHAPES, SHAPES),
        st.tuples(st.integers(0, 4), st.integers(1, 4)),
    )
    @settings(max_examples=150, deadline=None)
    def agree(shapes: list[list[Shape]], uniform: bool, wanted: tuple[Shape, ...], heads: tuple[int, int]) -> None:  # noqa: FBT001 - drawn
        lists = [[shapes[0][0]] * len(each) for each in shapes] if uniform else shapes
        collected = dict(zip(transform.sources, lists, strict=False))
        state = dict(zip(("layers.3" + each for each in dotted), wanted, strict=False))

        class Model:
            def get_parameter(self, name: str) -> object:
                return torch.empty(state[name], device="meta")

        converter = upstream(name)[index]
        for source, each in collected.items():
            for shape in each:
                converter.add_tensor(target, "", source, torch.empty(shape, device="meta"))
        config = SimpleNamespace(
            num_attention_heads=heads[0], vision_config=SimpleNamespace(num_attention_heads=heads[1])
        )
        expected: dict[str, Shape] | None = None
        try:
            results = converter.convert(target, model=Model(), config=config)
        except Exception:  # noqa: BLE001 - upstream takes any for a conversion error
            expected = None
        else:
            values = {key: value[0] if isinstance(value, list) else value for key, value in results.items()}
            expected = {key: tuple(value.shape) for key, value in values.items()}
        where = Place(target, state, lambda part: heads[0] if part is None else heads[1])
        try:
            assert convert(transform, collected, where) == expected
        except Fails:
            assert expected is None

    agree()
