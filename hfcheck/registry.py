"""From entry points to rules. A duplicate id or a plugin that cannot be loaded is an error, never a shorter list."""

import importlib
import os
import pkgutil
import re
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from hfcheck.rule import Rule

GROUP = "hfcheck.rules"
_ID = re.compile(r"[A-Z]{3}[0-9]{3}")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class RegistryError(Exception):
    """The rules that are installed cannot all be used; the message says which and why."""


def load() -> tuple[Rule, ...]:
    """Every rule that is installed, sorted by id.

    An entry point of the group `hfcheck.rules` names a package; each module in it may hold rules. The working folder is
    taken off the path for this: whatever lies in it, or in a repository, is not installed.
    """
    path = sys.path
    here = os.path.realpath(_working_folder())
    sys.path = [entry for entry in path if entry and os.path.realpath(entry) != here]
    try:
        points = sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value))
        found = [rule for point in points for rule in _rules_of(point)]
    finally:
        sys.path = path
    return _checked(found)


def _working_folder() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # it was deleted
        return os.sep


def _rules_of(point: EntryPoint) -> Iterator[type[Rule]]:
    try:
        package = point.load()
        modules = [package, *_modules(package)]
    except (Exception, SystemExit) as error:  # or a plugin could end the run, with 0 for a code
        message = f"the rules of {point.name} ({point.value}) cannot be loaded: {type(error).__name__}: {error}"
        raise RegistryError(message) from error
    for module in modules:
        for value in vars(module).values():
            # The module first: the other question is slow to answer, for each class in each of the modules.
            if isinstance(value, type) and value.__module__ == module.__name__ and issubclass(value, Rule):
                yield value


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    for module in sorted(pkgutil.iter_modules(getattr(package, "__path__", [])), key=lambda module: module.name):
        yield importlib.import_module(f"{package.__name__}.{module.name}")


def _checked(rules: list[type[Rule]]) -> tuple[Rule, ...]:
    seen: dict[str, type[Rule]] = {}
    for rule in rules:
        where = f"{rule.__module__}.{rule.__qualname__}"
        for key, pattern in ((getattr(rule, "id", ""), _ID), (getattr(rule, "name", ""), _NAME)):
            if not isinstance(key, str) or not pattern.fullmatch(key):
                raise RegistryError(f"{where}: {key!r} is no id or name of a rule")
            if key in seen:
                other = f"{seen[key].__module__}.{seen[key].__qualname__}"
                raise RegistryError(f"{key} is claimed by {other} and by {where}")
            seen[key] = rule
    return tuple(rule() for rule in sorted(rules, key=lambda rule: rule.id))
