"""The computed device maps, and what is told about them."""

import time
from collections.abc import Mapping
from dataclasses import replace

import pytest

from hfcheck.placement.device import Key, devices
from hfcheck.placement.model import Model, Module
from hfcheck.placement.plan import Plan, PlannerRaises
from hfcheck.placement.planner import plan, plan_with
from hfcheck.placement.prepared import prepared
from hfcheck.placement.target import Dialect, Mode, Target

DIALECTS: tuple[Dialect, ...] = ("transformers", "accelerate")


def model(
    root: Module, ties: Mapping[str, str] | None = None, no_split: frozenset[str] = frozenset({"Layer"})
) -> Model:
    return Model("Toy", root, {}, ties or {}, no_split, frozenset(), "BF16", exact=True)


def leaf(nbytes: float) -> Module:
    return Module(parameters={"weight": nbytes})


def layers(count: int, nbytes: int = 400) -> Module:
    return Module(children={str(number): Module("Layer", children={"mlp": leaf(nbytes)}) for number in range(count)})


def toy(count: int = 4, head: int = 1000) -> Module:
    """A table of 1,000 bytes, layers of 400, and a head."""
    return Module(children={"embed": leaf(1000), "layers": layers(count), "head": leaf(head)})


def target(memory: Mapping[Key, int], mode: Mode = "sequential", dialect: Dialect = "transformers") -> Target:
    given = devices([f"{key}={nbytes / 1000}KB" for key, nbytes in memory.items()])
    return Target(given, mode=mode, dialect=dialect)


def planned(memory: Mapping[Key, int], mode: Mode = "sequential", dialect: Dialect = "transformers") -> Plan:
    return plan(model(toy()), target(memory, mode, dialect))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_fits_as_a_whole_is_one_key(dialect: Dialect) -> None:
    found = planned({0: 10_000}, dialect=dialect)
    assert dict(found.device_map) == {"": 0}
    assert found.used[0] == 3600
    assert not found.stops


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stop_says_what_did_not_fit_and_for_what_room_is_kept(dialect: Dialect) -> None:
    found = planned({0: 2500, 1: 10_000}, dialect=dialect)
    assert dict(found.device_map) == {"embed": 0, "layers.0": 0, "layers.1": 1, "layers.2": 1, "layers.3": 1, "head": 1}
    (stop,) = found.stops
    assert (stop.device, stop.module, stop.needs, stop.used, stop.budget) == (0, "layers.1", 400, 1400, 2500)
    assert (stop.reserve, stop.reserve_for) == (1000, "head")
    assert (stop.room, stop.short) == (100, 300)
    assert found.used == {0: 1400, 1: 2200, "disk": 0}


def test_a_device_that_stays_empty_has_a_minimum() -> None:
    found = planned({0: 1500, 1: 10_000})
    assert dict(found.device_map) == {"": 1}
    assert found.minimum == {0: 2000}
    assert found.stops[0].module == "embed"


def test_the_minimum_of_an_empty_device_is_enough() -> None:
    assert planned({0: 2000, 1: 10_000}).device_map["embed"] == 0


def test_the_rest_goes_to_the_disk_though_nobody_asked_for_it() -> None:
    assert planned({0: 2500}).device_map["head"] == "disk"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_reserve_may_be_out_of_date(dialect: Dialect) -> None:
    """Room is kept for the head, which has found its place beside the embeddings, until its turn, which never comes."""
    head = Module(parameters={"weight": 100, "extra": 2000})
    root = Module(children={"embed": leaf(100), **layers(4).children, "head": head})
    found = plan(model(root, {"head.weight": "embed.weight"}), target({0: 5000, 1: 9000}, dialect=dialect))
    assert found.device_map["head"] == 0
    assert (found.stops[0].module, found.stops[0].reserve, found.stops[0].reserve_for) == ("2", 2000, "head")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_balanced_budgets(dialect: Dialect) -> None:
    found = planned({0: 10_000, 1: 10_000, "cpu": 50_000}, "balanced", dialect)
    largest = 1000 if dialect == "transformers" else max(400, int((1000 + 4 * 400 + 1000) / 6))
    assert found.budgets == {0: 3600 // 2 + int(1.25 * largest), 1: 10_000, "cpu": 50_000}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("mode", ["auto", "balanced", "sequential"])
def test_budgets_that_a_probe_gives(dialect: Dialect, mode: Mode) -> None:
    free = Target(devices(["0=10KB:free", "cpu=50KB:free"]), mode=mode, dialect=dialect)
    cpu = 45_000 if dialect == "transformers" else 50_000
    assert plan(model(toy()), free).budgets == {0: 10_000 if mode == "sequential" else 9_000, "cpu": cpu}


def test_a_quantiser_takes_a_share_of_every_budget() -> None:
    quantised = replace(model(toy()), budget_share=0.9)
    memory = target({0: 10_000, "cpu": 50_000})
    assert plan(quantised, memory).budgets == {0: 9_000, "cpu": 45_000}
    assert plan(quantised, replace(memory, dialect="accelerate")).budgets == {0: 10_000, "cpu": 50_000}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_low_0_wants_numbers_from_0(dialect: Dialect) -> None:
    with pytest.raises(PlannerRaises, match="there is no 0") as caught:
        planned({1: 5000, 2: 5000}, "balanced_low_0", dialect)
    assert caught.value.error == "KeyError"


def test_a_sized_disk_in_a_balanced_mode_of_accelerate() -> None:
    sized = Target(devices(["0=10KB", "disk=1GiB"]), dialect="accelerate")
    with pytest.raises(PlannerRaises, match="leave the size of the disk out"):
        plan(model(toy()), sized)
    assert plan(model(toy()), replace(sized, dialect="transformers"))
    assert plan(model(toy()), replace(sized, mode="sequential"))
    assert plan(model(toy()), Target(devices(["0=10KB", "disk"]), dialect="accelerate"))


def test_kinds_that_no_module_has() -> None:
    odd = model(toy(), no_split=frozenset({"Other"}))
    with pytest.raises(PlannerRaises, match="none of them") as caught:
        plan(odd, target({0: 5000}, "balanced"))
    assert caught.value.error == "ValueError"
    assert plan(odd, target({0: 5000}, "balanced", "accelerate"))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_tied_to_a_parameter_of_the_root(dialect: Dialect) -> None:
    root = toy()
    root.parameters["weight"] = 1000
    with pytest.raises(PlannerRaises, match="finds none") as caught:
        plan(model(root, {"head.weight": "weight"}), target({0: 5000}, dialect=dialect))
    assert caught.value.error == "IndexError"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_name_that_is_part_of_another_one_counts_as_around_it(dialect: Dialect) -> None:
    """`head.` is in `x_head.weight.`, so both seem to be inside of `head`, which is gone when `x_head` has its turn."""
    root = Module(children={"head": leaf(1000), "x_head": leaf(1000)})
    with pytest.raises(PlannerRaises, match="finds none"):
        plan(model(root, {"x_head.weight": "head.weight"}, frozenset()), target({0: 5000}, dialect=dialect))
    root = Module(children={"x_head": leaf(1000), "head": leaf(1000)})
    other = model(root, {"x_head.weight": "head.weight"}, frozenset())
    assert plan(other, target({0: 5000}, dialect=dialect)).device_map == {"": 0}


def test_many_entries_take_no_more_than_their_number() -> None:
    """Sizes that fall from one to the next have the largest layer worked out again for each."""
    root = Module(children={str(number): leaf(10**6 - number) for number in range(20_000)})
    many = prepared(model(root), "transformers")
    begin = time.process_time()
    found = plan_with(many, Target(devices(["0=10GB", "1=10GB", "cpu=10GB"]), mode="sequential"))
    assert time.process_time() - begin < 5
    assert len(found.device_map) == 20_000
