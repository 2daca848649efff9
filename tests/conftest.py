"""Shuts out the rules of other installed packages: what a test sees depends on this checkout alone."""

import importlib.metadata
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest

PATCH = pytest.MonkeyPatch()


def pytest_configure() -> None:
    """In a hook and not in a fixture: rules are discovered while tests are collected."""
    real = importlib.metadata.entry_points

    def own(**selection: Any) -> EntryPoints:
        found = real(**selection)
        if selection.get("group") != "hfcheck.rules":
            return found
        return EntryPoints(point for point in found if _is_own(point))

    PATCH.setattr(importlib.metadata, "entry_points", own)
    PATCH.setattr("hfcheck.registry.entry_points", own)


def pytest_unconfigure() -> None:
    PATCH.undo()


def _is_own(point: EntryPoint) -> bool:
    return point.value == "hfcheck_rules"


@pytest.fixture(autouse=True)
def _no_ci_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("CI", "GITHUB_ACTIONS", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "PRE_COMMIT"):
        monkeypatch.delenv(name, raising=False)
    yield
