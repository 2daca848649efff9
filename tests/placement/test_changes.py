"""What would help is planned again, and nothing is suggested where all is well."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from hfcheck import testing
from hfcheck.example import Content, Example
from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.facts import units
from hfcheck.placement.device import Key, devices
from hfcheck.placement.result import DryRun
from hfcheck.placement.target import Target
from hfcheck.repository import scan

MODEL = repository(LLAMA, llama_tensors())
LARGE = repository(LLAMA, llama_tensors(), dtype="float32")


def run(folder: Path, target: Target, files: Mapping[str, Content] = MODEL) -> DryRun:
    testing.write(Example("", files), folder)
    return again(folder, target)


def again(folder: Path, target: Target) -> DryRun:
    found = replace(units(scan(str(folder)))[0], target=target).dry_run
    assert found is not None
    return found


def with_size(target: Target, key: Key | None, size: int | None) -> Target:
    return replace(
        target,
        devices=tuple(replace(device, size=size) if device.key == key else device for device in target.devices),
    )


def test_nothing_is_suggested_where_all_fits(tmp_path: Path) -> None:
    assert run(tmp_path, Target(devices(["0=4GiB", "cpu=4GiB"]))).changes == ()


@pytest.mark.parametrize("mode", ["auto", "sequential"])
def test_a_budget_that_is_suggested_is_enough(tmp_path: Path, mode: str) -> None:
    target = Target(devices(["0=2KB", "cpu=4GiB"]), mode="sequential" if mode == "sequential" else "auto")
    found = run(tmp_path, target)
    change = next(change for change in found.changes if change.size is not None)
    after = again(tmp_path, with_size(target, change.device, change.size))
    assert after.verdict == change.verdict == "fits"
    assert all(not use.weights for use in after.devices if not use.device.is_accelerator)


def test_a_smaller_type_is_suggested_where_it_helps(tmp_path: Path) -> None:
    found = run(tmp_path, Target(devices(["0=4KB", "cpu=4GiB"]), mode="sequential"), LARGE)
    for change in found.changes:
        assert change.verdict in ("fits", "tight")
    assert any("bfloat16" in change.words or change.size for change in found.changes)


def test_another_mode_is_suggested(tmp_path: Path) -> None:
    """Balanced budgets leave room that sequential ones use."""
    found = run(tmp_path, Target(devices(["0=3KB", "1=4KB", "cpu=4GiB"]), mode="balanced_low_0"))
    assert all(change.words for change in found.changes)


def test_the_disk_that_nobody_listed(tmp_path: Path) -> None:
    found = run(tmp_path, Target(devices(["0=2KB"]), mode="sequential"))
    assert found.verdict == "does-not-fit"
    assert any("--device disk" in change.words or change.size for change in found.changes)


def test_an_explicit_map_gets_no_other_budget(tmp_path: Path) -> None:
    found = run(tmp_path, Target(devices(["0=1KB", "cpu=4GiB"]), explicit={"": 0}))
    assert found.verdict == "does-not-fit"
    assert all(change.size is None for change in found.changes)
