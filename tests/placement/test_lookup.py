"""The device of every tensor under a map, and what is wrong with maps."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfcheck.placement.device import Key, devices
from hfcheck.placement.expression import Expression, TooCostly
from hfcheck.placement.lookup import Lookup, looked_up
from hfcheck.placement.map_value import value_of
from hfcheck.placement.model import Model, Module, Weight
from hfcheck.placement.planner import plan
from hfcheck.placement.target import Dialect, Target

DIALECTS: tuple[Dialect, ...] = ("transformers", "accelerate")
GIVEN = devices(["0-1=1GiB", "cpu=1GiB", "disk"])

STORED = "language_model.model."
INSIDE = "model.language_model."


def weights() -> dict[str, Weight]:
    """Twelve layers whose names change on the way in, two experts that become one, a head, and a buffer of none."""
    found = [
        Weight(f"{INSIDE}embed.weight", 8, "BF16", (f"{STORED}embed.weight",)),
        *(
            Weight(f"{INSIDE}layers.{number}.mlp.weight", 8, "BF16", (f"{STORED}layers.{number}.mlp.weight",))
            for number in range(12)
        ),
        Weight("lm_head.weight", 8, "BF16", ("language_model.lm_head.weight",)),
        Weight(
            f"{INSIDE}experts.up",
            16,
            "BF16",
            (f"{STORED}experts.0.up.weight", f"{STORED}experts.1.up.weight"),
            is_converted=True,
        ),
        Weight(f"{INSIDE}rotary.inv_freq", 4, "F32", is_buffer=True, is_persistent=False),
    ]
    return {weight.name: weight for weight in found}


def model(ties: Mapping[str, str] | None = None, no_placement: frozenset[str] = frozenset()) -> Model:
    root = Module()
    for weight in weights().values():
        module = root
        *path, name = weight.name.split(".")
        for part in path:
            module = module.children.setdefault(part, Module())
        (module.buffers if weight.is_buffer else module.parameters)[name] = weight.nbytes
    return Model("Toy", root, weights(), ties or {}, frozenset(), no_placement, "BF16", exact=True)


def looked(explicit: Mapping[str, Any], dialect: Dialect = "transformers", of: Model | None = None) -> Lookup:
    return looked_up(of or model(), None, Target(GIVEN, explicit=explicit, dialect=dialect))


def test_transformers_takes_layer_1_for_layer_10_and_forgets_the_rest() -> None:
    found = looked({f"{INSIDE}layers.1": 0, f"{INSIDE}layers.2": 1})
    assert found.devices[f"{INSIDE}layers.1.mlp.weight"] == 0
    assert found.devices[f"{INSIDE}layers.10.mlp.weight"] == 0
    assert found.devices[f"{INSIDE}layers.3.mlp.weight"] == "cpu"
    (trap,) = found.traps
    assert (trap.key, trap.raises) == (f"{INSIDE}layers.1", False)
    assert trap.modules == (f"{INSIDE}layers.10", f"{INSIDE}layers.11")


def test_accelerate_finds_no_device_there() -> None:
    found = looked({f"{INSIDE}layers.1": 0, f"{INSIDE}layers.2": 1}, "accelerate")
    assert found.devices[f"{INSIDE}layers.1.mlp.weight"] == 0
    assert found.devices[f"{INSIDE}layers.10.mlp.weight"] is None
    assert not found.traps


def test_the_longest_key_around_a_tensor_counts() -> None:
    explicit = {"": "disk", "model": 0, f"{INSIDE}layers": 1, f"{INSIDE}layers.3.mlp.weight": "cpu"}
    for dialect in DIALECTS:
        found = looked(explicit, dialect).devices
        assert found["lm_head.weight"] == "disk"
        assert found[f"{INSIDE}embed.weight"] == 0
        assert found[f"{INSIDE}layers.4.mlp.weight"] == 1
        assert found[f"{INSIDE}layers.3.mlp.weight"] == "cpu"


def test_a_dot_that_matches_something_else_raises() -> None:
    found = looked({"lm.head": 0, "model": 1})
    (trap,) = found.traps
    assert (trap.key, trap.matched, trap.names) == ("lm.head", "lm_head", ("lm_head.weight",))
    assert found.raises is not None
    assert found.raises.error == "KeyError"


def test_gaps_are_the_largest_modules_without_a_device() -> None:
    found = looked({f"{INSIDE}layers.0": 0, "lm_head": 1})
    layers = tuple(f"{INSIDE}layers.{number}" for number in range(1, 12))
    assert set(found.gaps) == {f"{INSIDE}embed", f"{INSIDE}experts", *layers}
    assert [weight.name for weight in found.dropped] == [f"{INSIDE}rotary.inv_freq"]
    assert len(found.uncovered) == 13


@pytest.mark.parametrize(
    ("explicit", "dialect", "error"),
    [
        ({"model": 0}, "transformers", None),
        ({"model": 0}, "accelerate", "ValueError"),
        ({"model": "disk"}, "transformers", "ValueError"),
        ({"model": 0, f"{INSIDE}embed": 1}, "transformers", "ValueError"),
        ({"model": 0, f"{INSIDE}embed": "cuda:0"}, "transformers", "ValueError"),
        ({"": 0}, "accelerate", None),
        ({}, "transformers", "KeyError"),
        ({}, "accelerate", "ValueError"),
    ],
)
def test_who_refuses_a_map_with_gaps(explicit: Mapping[str, Any], dialect: Dialect, error: str | None) -> None:
    raises = looked(explicit, dialect).raises
    assert (raises and raises.error) == error


def test_a_class_with_parameters_for_no_device_is_not_asked_for_all() -> None:
    odd = model(no_placement=frozenset({"up"}))
    assert looked({"model": "disk"}, of=odd).raises is None
    assert looked({"model": "disk"}, "accelerate", odd).raises is not None


@pytest.mark.parametrize(
    ("key", "meaning"),
    [
        (f"{STORED}layers.0", f"{INSIDE}layers.0"),
        (f"{STORED}layers", f"{INSIDE}layers"),
        ("language_model.model", "model.language_model"),
        ("language_model.lm_head", "lm_head"),
        (f"{STORED}experts.1", f"{INSIDE}experts"),
        (f"{STORED}embed.weight", f"{INSIDE}embed"),
        ("layers.3", f"{INSIDE}layers.3"),
        ("language_model.layers.3", f"{INSIDE}layers.3"),
        ("model.model.language_model", "model.language_model"),
        ("lm_heads", "lm_head"),
        (f"{INSIDE}layer", f"{INSIDE}layers"),
        (f"{INSIDE}layers.12", ""),
        ("something.else", ""),
        ("x" * 10_000, ""),
    ],
)
def test_unknown_keys_and_what_they_mean(key: str, meaning: str) -> None:
    found = looked({key: 0, "": 1})
    assert found.unknown == (key,)
    assert found.meant(key) == meaning


def test_keys_that_are_known() -> None:
    assert looked({"": 0, "model": 1, "lm_head.weight": 0, f"{INSIDE}rotary": 0}).unknown == ()


def test_keys_with_the_syntax_of_expressions_are_not_run() -> None:
    found = looked({f"{INSIDE}layers.(1|2)+x": 0, "": 1})
    assert found.syntax == (f"{INSIDE}layers.(1|2)+x",)
    assert found.invalid is None
    assert "regular expression" in found.incomplete
    broken = looked({"layers[": 0, "": 1})
    assert broken.raises is not None
    assert broken.raises.error == "re.error"
    assert looked({"layers[": 0, "": 1}, "accelerate").raises is None


@pytest.mark.parametrize("key", ["(" * 3000, "a{99999999999999999999}", "(a*)*" * 500, "[" * 20_000, "(?P<a>" * 900])
def test_hostile_expressions(key: str) -> None:
    found = looked({key: 0, "": 1})
    assert found.syntax == (key,)
    assert set(found.devices.values()) == {1}
    assert found.raises is None or found.raises.error == "re.error"


def test_keys_that_differ_in_nothing_but_dots_are_given_up() -> None:
    alike = {"".join(".a"[number >> bit & 1] for bit in range(12)): 0 for number in range(4096)}
    with pytest.raises(TooCostly):
        Expression(alike).matched("a" * 12)
    named = Weight("a" * 12, 1, "BF16")
    root = Module(parameters={named.name: 1})
    hostile = Model("Toy", root, {named.name: named}, {}, frozenset(), frozenset(), "BF16", exact=True)
    found = looked(alike, of=hostile)
    assert found.devices == {named.name: 0}
    assert "too much alike" in found.incomplete


def test_too_many_keys_are_given_up() -> None:
    with pytest.raises(TooCostly):
        Expression(f"{number}{'x' * 50}" for number in range(20_000))


@pytest.mark.parametrize(
    ("value", "device", "fault"),
    [
        (0, 0, ""),
        ("cpu", "cpu", ""),
        ("disk", "disk", ""),
        ("cuda:1", 1, ""),
        ("cuda", 0, ""),
        ("xpu:0", 0, ""),
        ("cpu:0", "cpu", ""),
        ("0", 0, "text"),
        (7, 7, "unlisted"),
        ("mps", "mps", "unlisted"),
        (10**40, 10**40, "unlisted"),
        (-1, None, "negative"),
        ("gpu", None, "unknown"),
        ("cuda:-1", None, "unknown"),
        ("cuda:01", None, "unknown"),
        ("\u0661", None, "unknown"),
        ("", None, "unknown"),
        ("meta", None, "unknown"),
        (True, None, "type"),
        (0.0, None, "fraction"),
        (None, None, "type"),
        ([0], None, "type"),
        ({}, None, "type"),
    ],
)
def test_values(value: object, device: object, fault: str) -> None:
    found = value_of(value, [0, 1, "cpu", "disk"])
    assert (found.device, found.fault) == (device, fault)
    assert found.is_refused == (device is None)


def test_refused_values_are_left_out_of_the_map() -> None:
    found = looked({"model": 0, "lm_head": "gpu"})
    assert found.device_map == {"model": 0}
    assert found.devices["lm_head.weight"] is None
    assert (found.gaps, found.unknown) == ((), ())
    assert found.raises is not None
    assert found.raises.error == "RuntimeError"
    assert found.shown("lm_head") == '"gpu"'


def test_tied_parameters_apart() -> None:
    tied = model({"lm_head.weight": f"{INSIDE}embed.weight"})
    assert looked({"model": 0, "lm_head": 1}, of=tied).apart == ((f"{INSIDE}embed.weight", "lm_head.weight"),)
    assert looked({"": 0}, of=tied).apart == ()


def test_nested_keys() -> None:
    found = looked({"": 1, "model": 0, f"{INSIDE}layers": 1, f"{INSIDE}layers.0": 1, f"{INSIDE}layers.1": 0})
    assert {(one.outer, one.inner, one.nbytes, one.raises) for one in found.nested} == {
        ("model", f"{INSIDE}layers", 80, False),
        (f"{INSIDE}layers", f"{INSIDE}layers.1", 8, False),
    }


@pytest.mark.parametrize(
    ("outer", "inner", "raises"),
    [
        (0, 1, False),
        (0, "cpu", False),
        (0, "disk", True),
        ("cpu", 0, True),
        ("disk", 0, True),
        ("cpu", "disk", True),
        ("disk", "cpu", True),
        (0, 0, False),
    ],
)
def test_nested_keys_of_which_one_is_offloaded(outer: Key, inner: Key, *, raises: bool) -> None:
    for explicit in ({"": outer, f"{INSIDE}layers.1": inner}, {"model": outer, f"{INSIDE}layers.1": inner, "": outer}):
        assert any(one.raises for one in looked(explicit).nested) is raises


def test_with_an_accelerator_in_the_map_what_is_on_the_cpu_is_offloaded_too() -> None:
    assert not any(one.raises for one in looked({"model": "cpu", f"{INSIDE}layers": "disk", "lm_head": 0}).nested)
    assert not any(one.raises for one in looked({"model": "disk", f"{INSIDE}layers": "cpu", "lm_head": 0}).nested)
    assert any(one.raises for one in looked({"model": "disk", f"{INSIDE}layers": "cpu", "lm_head": "cpu"}).nested)


def test_a_disk_below_further_out() -> None:
    found = looked({"": 0, "model": "cpu", f"{INSIDE}layers": "disk"})
    assert [(one.outer, one.inner) for one in found.nested if one.raises] == [("", f"{INSIDE}layers")]


def test_a_parameter_without_a_hook() -> None:
    assert looked({"model": 0, "lm_head.weight": 1}).unhooked == ("lm_head.weight",)
    assert looked({"": 0, "lm_head.weight": 1}).unhooked == ("lm_head.weight",)
    assert looked({"model": 0, "lm_head.weight": 0}).unhooked == ()
    assert looked({"": 1, "model": 0, "lm_head.weight": 1}).unhooked == ()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_buffer_that_a_split_forgets(dialect: Dialect) -> None:
    owner = Module(children={part: Module(parameters={"weight": 1000}) for part in "abc"})
    owner.buffers = {"scale": 8, "lost": 8}
    scale = Weight("owner.scale", 8, "F32", ("owner.scale",), is_buffer=True)
    lost = Weight("owner.lost", 8, "F32", is_buffer=True, is_persistent=False)
    both = {
        name: Weight(name, 1000, "BF16", (name,)) for name in ("owner.a.weight", "owner.b.weight", "owner.c.weight")
    }
    root = Module(children={"owner": owner})
    split = Model(
        "Toy", root, {**both, scale.name: scale, lost.name: lost}, {}, frozenset(), frozenset(), "", exact=True
    )
    small = Target(devices(["0=2.5KB", "1=5KB"]), mode="sequential", dialect=dialect)
    found = looked_up(split, plan(split, small), small)
    assert found.device_map == {"owner.a": 0, "owner.b": 1, "owner.c": 1}
    assert found.is_computed
    assert (found.uncovered, found.dropped) == ((scale,), (lost,))
    assert found.raises is not None
    assert found.devices["owner.lost"] == ("cpu" if dialect == "transformers" else None)
    large = Target(devices(["0=5KB"]), mode="sequential", dialect=dialect)
    whole = looked_up(split, plan(split, large), large)
    assert (whole.uncovered, whole.dropped, whole.raises) == ((), (), None)


names = st.text("ab.1_", max_size=9)


@given(
    st.dictionaries(
        st.one_of(names, st.text(max_size=5)), st.one_of(st.integers(), st.text(), st.none(), st.booleans())
    )
)
def test_any_map_is_looked_up(explicit: Mapping[str, Any]) -> None:
    for dialect in DIALECTS:
        found = looked(explicit, dialect)
        assert found.devices.keys() == weights().keys()
        for key in found.unknown:
            found.meant(key)
        assert found.gaps is not None
        assert found.traps is not None
        assert found.nested is not None
        assert found.apart == ()
        assert found.raises is None or found.raises.reason
        assert found.incomplete is not None
