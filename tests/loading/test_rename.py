"""Names of stored tensors become names of parameters; a template gives what each of its names gives by itself."""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfcheck.loading import conversions, rename
from hfcheck.loading.conversions import Scoped, Transform, Unmodelled, listed
from hfcheck.loading.order import natural
from hfcheck.loading.rename import Renamer

LISTS = sorted({listed(name): name for name in sorted(conversions.names())}.values())
"""One name for each list."""

SCOPES = [("",), ("model.text.", "text.")]

Renamed = list[tuple[str, str | None]]


def examples(source: str) -> list[str]:
    """Names that a pattern matches, more or less."""
    text = re.sub(r"\(\?(?:!|<!)(?:[^()]|\([^()]*\))*\)", "", source)
    text = re.sub(r"\(\?:|\[([0-9])[^\]]*\]", r"\1", text)
    text = text.replace(r"\d+", "5").replace("*.", "3.").replace(".+", "block.2.x").replace(r"\.", ".").replace("^", "")
    branches = re.search(r"\(([^()]*\|[^()]*)\)", text)
    texts = [text.replace(branches[0], each) for each in branches[1].split("|")] if branches else [text]
    return [re.sub(r"[()]", "", each) for each in texts]


def names(transforms: Iterable[Transform]) -> list[str]:
    """What the patterns match, behind and before other parts, with different and with equal indices."""
    cores = [core for each in transforms for source in each.sources for core in examples(source)]
    heads = ("", "model.", "model.text.", "x.5.layers.11.")
    tails = ("", "weight", ".5.0.bias", "s.7", "_scale.12")
    return sorted({head + core + tail for core in cores for head, tail in product(heads, tails)})


def scoped(name: str, prefixes: tuple[str, ...]) -> list[Scoped]:
    return [Scoped(each, prefixes) for each in (*listed(name), *listed(conversions.LEGACY))]


def renamed(scope: Sequence[Scoped], stored: Sequence[str]) -> Renamed:
    return list(Renamer(scope).all(natural(stored)))


def by_itself(scope: Sequence[Scoped], stored: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> Renamed:
    with monkeypatch.context() as patch:
        patch.setattr(Renamer, "_templates", lambda _, given: [None] * len(given))
        return renamed(scope, stored)


def test_a_template_gives_what_its_names_give(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LISTS:
        stored = names(listed(name))
        scope = scoped(name, ("model.", ""))
        assert renamed(scope, stored) == by_itself(scope, stored, monkeypatch), name


@pytest.mark.loader
@pytest.mark.parametrize("prefixes", SCOPES)
def test_renames_as_transformers_does(prefixes: tuple[str, ...]) -> None:
    pytest.importorskip("transformers")
    from transformers import conversion_mapping  # noqa: PLC0415
    from transformers.core_model_loading import WeightConverter, rename_source_key  # noqa: PLC0415

    upstream: Callable[[str], list[Any]] = vars(conversion_mapping)["get_checkpoint_conversion_mapping"]
    for name in LISTS:
        transforms: list[Any] = [each for key in (name, conversions.LEGACY) for each in upstream(key)]
        for each in transforms if prefixes != ("",) else ():
            each.scope_prefix, each.base_model_prefix = "text", "model"
        converters = [each for each in transforms if isinstance(each, WeightConverter)]
        renamings = [each for each in transforms if not isinstance(each, WeightConverter)]
        stored = natural(names(listed(name)))
        assert renamed(scoped(name, prefixes), stored) == [
            rename_source_key(each, renamings, converters) for each in stored
        ], name


@pytest.mark.loader
@given(st.lists(st.text("ab.0129_ÿ٣", max_size=12)))
def test_sorts_as_transformers_does(stored: list[str]) -> None:
    pytest.importorskip("transformers")
    from transformers.core_model_loading import dot_natural_key  # noqa: PLC0415

    assert natural(stored) == sorted(stored, key=dot_natural_key)


def test_natural_order() -> None:
    shuffled = ["b.10.w", "b.2.w10", "b", "b.2.w", "b.w", "b.2.w2", "a.11", "a.9.x"]
    assert natural(shuffled) == ["a.9.x", "a.11", "b", "b.2.w", "b.2.w2", "b.2.w10", "b.10.w", "b.w"]


def test_a_superscript_is_no_number() -> None:
    assert natural(["a.²", "a.3"]) == ["a.3", "a.²"]


def test_experts_lead_to_one_parameter() -> None:
    stored = [
        f"model.layers.{layer}.mlp.experts.{expert}.down_proj.weight" for layer in (3, 11) for expert in range(12)
    ]
    assert renamed(scoped("qwen2_moe", ("",)), stored) == [
        (f"model.layers.{layer}.mlp.experts.down_proj", "mlp.experts.*.down_proj.weight")
        for layer in (3, 11)
        for _ in range(12)
    ]


def test_a_pattern_may_ask_for_an_index() -> None:
    scope = [Scoped(Transform((r"net\.0\.",), ("first.",)))]
    assert renamed(scope, ["net.0.w", "net.1.w", "net.00.w", "net.10.w"]) == [
        ("first.w", None), ("net.00.w", None), ("net.1.w", None), ("net.10.w", None),
    ]  # fmt: skip


def test_the_first_occurrence_is_replaced_wherever_the_match_is() -> None:
    scope = [Scoped(Transform((r"(?<!first\.)block\.\d+\.",), ("b.",)))]
    stored = ["first.block.1.block.1.w", "first.block.1.block.2.w"]
    assert renamed(scope, stored) == [("first.b.block.1.w", None), ("first.block.1.b.w", None)]


def test_an_offset_moves_the_index() -> None:
    scope = [Scoped(Transform((r"queries\.(\d+)",), (r"layers.\1.query",), offset=1))]
    assert renamed(scope, ["queries.9.w", "queries.10.w"]) == [("layers.10.query.w", None), ("layers.11.query.w", None)]


def test_a_group_waits_for_its_first_pattern() -> None:
    transform = Transform((r"b\.(\d+)\.norm0", r"b\.(\d+)\.norm1"), (r"b.\1.norm1", r"b.\1.norm2"), group=True)
    assert renamed([Scoped(transform)], ["b.0.norm1", "b.3.norm1"]) == [("b.0.norm1", None), ("b.3.norm1", None)]
    assert renamed([Scoped(transform)], ["b.0.norm1", "b.1.norm0", "b.1.norm1"]) == [
        ("b.0.norm1", None), ("b.1.norm1", None), ("b.1.norm2", None),
    ]  # fmt: skip


def test_names_that_no_template_may_hold() -> None:
    scope = [Scoped(Transform((r"b\.(\d+)\.",), (r"c.\1.%s.",)))]
    odd = ["b.٣.w", "b.{}.w", "b.1.w\nb.2.w", "%d.b.4.w", "b.7.ÿ"]
    assert dict(zip(natural(odd), renamed(scope, odd), strict=True)) == {
        "b.٣.w": ("c.٣.%s.w", None), "b.{}.w": ("b.{}.w", None), "b.1.w\nb.2.w": ("c.1.%s.w\nb.2.w", None),
        "%d.b.4.w": ("%d.c.4.%s.w", None), "b.7.ÿ": ("c.7.%s.ÿ", None),
    }  # fmt: skip


def test_more_forms_of_names_than_any_checkpoint_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rename, "MOST", 100)
    assert len(renamed([], [f"layers.{index}.w" for index in range(1000)])) == 1000
    for stored in ([f"layer{index}" for index in range(1000)], [f"ÿ.{index}.w" for index in range(1000)]):
        with pytest.raises(Unmodelled, match="more than 100"):
            renamed([], stored)
