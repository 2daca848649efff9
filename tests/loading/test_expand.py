"""Templates become names: counts, indices, conditions and variants, and the bounds that a stranger's config meets."""

import time
from collections.abc import Mapping
from typing import Any

import pytest

from hfcheck.loading.classes import model_class
from hfcheck.loading.draft import Resolved
from hfcheck.loading.expand import Expansion, NegativeSize, NotCertain, TooMany
from hfcheck.loading.expression import MAX_STEPS, Scope
from hfcheck.loading.functions import Budget
from hfcheck.loading.spec import Shape


def names(**values: object) -> Resolved:
    return Resolved("toy", "ToyConfig", values, {}, frozenset(values))


def expansion(data: Mapping[str, Any], config: Resolved, prefix: str = "", limit: int = 1_000_000) -> Expansion:
    return Expansion(model_class({"Toy": data}, "Toy", "toy"), Scope(config, Budget(MAX_STEPS)), prefix, limit)


def state(
    tensors: Mapping[str, Any], counts: Mapping[str, str] | None = None, prefix: str = "", **values: object
) -> dict[str, Shape]:
    found: dict[str, Shape] = {}
    for _, some in expansion({"tensors": tensors, "counts": counts or {}}, names(**values), prefix).tensors():
        found.update(some)
    return found


def test_no_index() -> None:
    assert state({"norm.weight": {"shape": ["d"]}, "scale": {"shape": []}}, d=4, prefix="a.") == {
        "a.norm.weight": (4,),
        "a.scale": (),
    }


def test_indices_within_indices() -> None:
    tensors = {"layers.{}.experts.{}.up": {"shape": ["d", "2 * d"]}, "{}.x": {"shape": ["1"]}, "p{}": {"shape": ["2"]}}
    counts = {"layers.": "n", "layers.{}.experts.": "3", "": "1", "p": "2"}
    expected = {f"layers.{i}.experts.{j}.up": (4, 8) for i in range(2) for j in range(3)}
    assert state(tensors, counts, n=2, d=4) == {**expected, "0.x": (1,), "p0": (2,), "p1": (2,)}


def test_a_count_may_use_the_indices_outside() -> None:
    tensors = {"stages.{}.blocks.{}.w": {"shape": ["widths[$0]", "$1 + 1"]}}
    counts = {"stages.": "len(depths)", "stages.{}.blocks.": "depths[$0]"}
    assert state(tensors, counts, depths=[2, 0, 1], widths=[8, 16, 32]) == {
        "stages.0.blocks.0.w": (8, 1),
        "stages.0.blocks.1.w": (8, 2),
        "stages.2.blocks.0.w": (32, 1),
    }


def test_conditions_choose_instances() -> None:
    tensors = {
        "layers.{}.dense": {"shape": ["d"], "if": "$0 < k"},
        "layers.{}.sparse": {"shape": ["d"], "if": "$0 >= k"},
        "layers.{}.low": {"shape": ["rank"], "if": "rank != null"},
        "bias": {"shape": ["d"], "if": "use_bias"},
    }
    found = state(tensors, {"layers.": "3"}, k=1, d=4, rank=None, use_bias=False)
    assert sorted(found) == ["layers.0.dense", "layers.1.sparse", "layers.2.sparse"]


def test_the_first_variant_that_holds() -> None:
    forms = [{"if": "$0 == 0", "shape": ["1"]}, {"if": "wide", "shape": ["2"]}, {"shape": ["3"]}]
    found = state({"layers.{}.w": forms}, {"layers.": "2"}, wide=True)
    assert found == {"layers.0.w": (1,), "layers.1.w": (2,)}
    assert state({"layers.{}.w": forms}, {"layers.": "2"}, wide=False)["layers.1.w"] == (3,)


def test_nothing_is_evaluated_for_what_is_not_there() -> None:
    tensors = {"layers.{}.w": {"shape": ["unknown"], "if": "unknown"}, "low": {"shape": ["unknown"], "if": "false"}}
    assert state(tensors, {"layers.": "n"}, n=-1) == {}


@pytest.mark.parametrize(
    ("tensors", "counts", "expression", "reason"),
    [
        ({"w": {"shape": ["d", "none"]}}, {}, "none", "`none` is not known"),
        ({"w": {"shape": ["d"], "if": "none"}}, {}, "none", "`none` is not known"),
        ({"w": {"shape": ["d / 2"]}}, {}, "d / 2", "the size is no integer"),
        ({"w": {"shape": ["yes"]}}, {}, "yes", "the size is no integer"),
        ({"w": {"shape": ["text"]}}, {}, "text", "the size is no integer"),
        ({"w": {"shape": ["$0"]}}, {}, "$0", "there are fewer indices"),
        ({"w": {"shape": ["1"], "if": "$0"}}, {}, "$0", "there are fewer indices"),
        ({"w": {"shape": ["d +"]}}, {}, "d +", "the atlas has no expression there"),
        ({"l.{}.w": {"shape": ["d"]}}, {"l.": "text"}, "text", "the number of modules is no integer"),
        ({"l.{}.w": {"shape": ["d"]}}, {"l.": "none"}, "none", "`none` is not known"),
        ({"l.{}.w": {"shape": ["d"]}}, {}, "", "the atlas does not count l.{}"),
        ({"l.{}.w": {"shape": ["d"], "if": "sizes[$0]"}}, {"l.": "9"}, "sizes[$0]", "the index is out of range"),
    ],
)
def test_what_cannot_be_known(
    tensors: Mapping[str, Any], counts: Mapping[str, str], expression: str, reason: str
) -> None:
    with pytest.raises(NotCertain) as caught:
        state(tensors, counts, "a.", d=4, yes=True, text="4", sizes=[1])
    assert (caught.value.expression, caught.value.reason) == (expression, reason)
    assert caught.value.template.startswith("a.")


def test_a_negative_size_is_told_apart() -> None:
    with pytest.raises(NegativeSize):
        state({"w": {"shape": ["d"]}}, d=-4)


@pytest.mark.parametrize(
    "values",
    [
        {"n": 10**9, "m": 1}, {"n": 1, "m": 10**18}, {"n": 10**4, "m": 10**4}, {"n": 2**62, "m": 2**62},
        {"n": 999_999, "m": 2},
    ],
)  # fmt: skip
def test_absurd_counts_end_soon(values: Mapping[str, int]) -> None:
    tensors = {f"a.{{}}.b.{{}}.w{number}": {"shape": ["$0", "$1"], "if": "$1 < 0"} for number in range(50)}
    started = time.process_time()
    with pytest.raises(TooMany):
        state(tensors, {"a.": str(values["n"]), "a.{}.b.": str(values["m"])})
    assert time.process_time() - started < 2


def test_too_many_in_sum() -> None:
    tensors = {f"a.{{}}.w{number}": {"shape": ["1"]} for number in range(10)}
    with pytest.raises(TooMany):
        list(expansion({"tensors": tensors, "counts": {"a.": "20"}}, names(), limit=199).tensors())
    assert len(list(expansion({"tensors": tensors, "counts": {"a.": "20"}}, names(), limit=200).tensors())) == 10


def test_the_budget_is_that_of_the_whole() -> None:
    tensors = {f"a.{{}}.w{number}": {"shape": ["1"], "if": f"$0 < {number}"} for number in range(50)}
    started = time.process_time()
    with pytest.raises(NotCertain, match="too many steps"):
        state(tensors, {"a.": "900000"})
    assert time.process_time() - started < 4
