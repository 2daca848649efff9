"""The keys of a file that no field of the config takes: `**kwargs` of `__post_init__`.

Expressions call them `kwargs.name`, so that they are told from attributes of the same name.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from tools.atlas.symbolic import terms
from tools.atlas.symbolic.journal import ite
from tools.atlas.symbolic.state import Run
from tools.atlas.symbolic.terms import FALSE, TRUE, Term
from tools.atlas.symbolic.values import ANY, UNSET, Choice, Dict, Opaque, Sym

PREFIX = "kwargs."


class Pending:
    """What the class sets among them is in `cell`, what it takes away in `gone`; the journal watches both."""

    def __init__(self, declared: Collection[str]) -> None:
        self.declared = declared
        self.cell: dict[Any, Any] = {}
        self.gone: dict[Any, Any] = {}

    def present(self, key: str) -> Term:
        """The condition under which the key is there."""
        return terms.either(presence(self.cell.get(key, UNSET)), self._in_file(key))

    def value(self, key: str, default: Any) -> Any:
        """`kwargs.get(key, default)`."""
        from_file = ite(self._in_file(key), Sym(("v", f"{PREFIX}{key}"), ANY), default)
        return filled(self.cell.get(key, UNSET), from_file)

    def removals(self) -> Mapping[str, Term]:
        """What is taken away, and when; what is set again afterwards is not among them."""
        return {
            key: condition
            for key, value in self.gone.items()
            if (condition := terms.both(presence(value), terms.negate(presence(self.cell.get(key, UNSET))))) != FALSE
        }

    def _in_file(self, key: str) -> Term:
        if key in self.declared:
            return FALSE  # a declared field never is among the other keys
        there = terms.call("has", terms.const(f"{PREFIX}{key}"))
        return terms.both(terms.negate(presence(self.gone.get(key, UNSET))), there)


def presence(value: Any) -> Term:
    """The condition under which a value that was set under conditions is there."""
    if isinstance(value, Choice):
        return terms.choose(value.condition, presence(value.then), presence(value.other))
    return FALSE if value is UNSET else TRUE


def filled(value: Any, base: Any) -> Any:
    """A value that was set under conditions, and the one from before where it was not."""
    if value is UNSET:
        return base
    if isinstance(value, Choice):
        return ite(value.condition, filled(value.then, base), filled(value.other, base))
    return value


def _get(run: Run, owner: Pending, key: Any, default: Any = None) -> Any:
    return run.journal.resolve(owner.value(key, default)) if isinstance(key, str) else Opaque("a key by a symbol")


def _pop(run: Run, owner: Pending, key: Any, *default: Any) -> Any:
    value = _get(run, owner, key, default[0] if default else Opaque("a key that is not there"))
    if isinstance(key, str):
        run.journal.write(owner.cell, key, UNSET)
        run.journal.write(owner.gone, key, True)  # noqa: FBT003 — the value
    return value


def _setdefault(run: Run, owner: Pending, key: Any, default: Any = None) -> Any:
    value = _get(run, owner, key, default)
    if isinstance(key, str):
        run.journal.write(owner.cell, key, value)
    return value


def _update(run: Run, owner: Pending, other: Any = None, **named: Any) -> None:
    other = run.journal.resolve(other)
    for key, value in {**(other.cell if isinstance(other, Dict) else {}), **named}.items():
        run.journal.write(owner.cell, key, value)


METHODS: Mapping[str, Callable[..., Any]] = {
    "get": _get, "pop": _pop, "setdefault": _setdefault, "update": _update,
    "keys": lambda *_: Opaque("the keys of the file"), "items": lambda *_: Opaque("the keys of the file"),
}  # fmt: skip
