"""What a variable may hold while a constructor is interpreted.

Python's own constants, classes, functions and modules stand for themselves, a tuple may hold any of these; the rest is
here. Whatever can be changed is a dictionary that the journal watches.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.atlas.symbolic.terms import Term, const, substitute

Kinds = frozenset[str]
SCALARS = (int, float, str, type(None))
ANY: Kinds = frozenset({"int", "float", "bool", "str", "null", "list", "dict"})
INT: Kinds = frozenset({"int"})
FLOAT: Kinds = frozenset({"float"})
BOOL: Kinds = frozenset({"bool"})
TEXT: Kinds = frozenset({"str"})
LIST: Kinds = frozenset({"list"})


class Unset:
    """An attribute or a variable that one branch did not set."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET = Unset()


@dataclass(frozen=True, slots=True)
class Sym:
    """A scalar, or a list or a dictionary of the config, that is known as a term; `kinds` are the types it may have."""

    term: Term
    kinds: Kinds = ANY


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value the interpreter does not know, and why."""

    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """One of two values, by a condition, where a term cannot say it."""

    condition: Term
    then: Any
    other: Any


@dataclass(slots=True, eq=False)
class Config:
    """A config object: fields are read from `path`; what the constructor sets is in `attrs`.

    `layer` is the number of the layer whose config it is, where layers may differ (`per_layer_config`).
    """

    cls: type
    path: str
    default: Any
    open: bool = False
    attrs: dict[Any, Any] = field(default_factory=dict)
    layer: Term | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """`config.per_layer_config`: a config for each layer."""

    config: Config


@dataclass(slots=True, eq=False)
class Obj:
    """An instance of a Python class that is interpreted; a torch module above all."""

    cls: type
    attrs: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plain:
    """One element of a list."""

    value: Any


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """Elements repeated for each value of an index, 0 up to `count`."""

    index: int
    count: Term
    items: tuple["Item", ...]


@dataclass(frozen=True, slots=True, eq=False)
class Maybe:
    """Elements that are there under a condition."""

    condition: Term
    items: tuple["Item", ...]


Item = Plain | Loop | Maybe


@dataclass(slots=True, eq=False)
class List:
    """A list, also that of a `ModuleList`; `cell["items"]` is a tuple of items."""

    cell: dict[Any, Any]

    @property
    def items(self) -> tuple[Item, ...]:
        return self.cell["items"]  # type: ignore[no-any-return]


def new_list(items: tuple[Item, ...] | list[Item] = ()) -> List:
    return List({"items": tuple(items)})


def plain_values(items: Sequence[Item]) -> list[Any] | None:
    """The elements of a list in which nothing is repeated or under a condition; None of another."""
    found = [item.value for item in items if isinstance(item, Plain)]
    return found if len(found) == len(items) else None


@dataclass(slots=True, eq=False)
class Dict:
    """A dictionary; its keys are constants or `Sym` with text."""

    cell: dict[Any, Any]


@dataclass(frozen=True, slots=True)
class Range:
    """A range with a symbol in it."""

    start: Term
    stop: Term
    step: Term


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A tensor: its shape as terms, None where that is not known; `role` says parameter, buffer or neither."""

    shape: tuple[Term, ...] | None
    dtype: str | None = None
    role: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Mount:
    """A model whose class the config chooses: `Auto...from_config(config)`."""

    auto: str
    config: Any


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """`*items` in a call, where some of the items are in loops or under conditions."""

    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """`module._modules`, through which children are replaced."""

    module: Obj


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A function with its first argument."""

    function: Any
    self: Any


@dataclass(frozen=True, slots=True, eq=False)
class Closure:
    """A function or lambda written inside another; `node` is its syntax tree."""

    node: Any
    frame: Any


@dataclass(frozen=True, slots=True, eq=False)
class Super:
    """`super()`: attributes of the classes after `after` in the order of resolution."""

    after: type
    self: Any


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """`functools.partial`."""

    function: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


def is_scalar(value: Any) -> bool:
    return isinstance(value, (Sym, *SCALARS))


def kinds_of(value: Any) -> Kinds:
    """The types that a scalar may have, by the names of JSON and Python."""
    if isinstance(value, Sym):
        return value.kinds
    return frozenset({"null" if value is None else type(value).__name__})


def term_of(value: Any) -> Term:
    """The term of a value; an opaque one where there is none."""
    if isinstance(value, Sym):
        return value.term
    if isinstance(value, SCALARS):
        return const(value)
    if isinstance(value, Opaque):
        return ("opaque", value.reason)
    if isinstance(value, (list, tuple)):
        return ("f", "list", *(term_of(item) for item in value))
    if isinstance(value, List):
        return _term_of_items(value.items)
    if isinstance(value, Choice):
        return ("f", "if", value.condition, term_of(value.then), term_of(value.other))
    if isinstance(value, (Dict, dict)):
        return _term_of_dict(value.cell if isinstance(value, Dict) else value)
    if isinstance(value, Range):
        return ("f", "range", value.start, value.stop, value.step)
    if isinstance(value, range):
        return ("f", "range", const(value.start), const(value.stop), const(value.step))
    return ("opaque", f"a {type(value).__name__}")


def _term_of_dict(cell: Mapping[Any, Any]) -> Term:
    """A dictionary; one with other keys than text, or with keys that may not be there, is put together."""
    if all(isinstance(key, str) for key in cell) and not any(_may_lack(item) for item in cell.values()):
        return ("f", "dict", *(part for key, item in cell.items() for part in (const(key), term_of(item))))
    return ("f", "merge", *(_term_of_entry(key, item) for key, item in cell.items()))


def _term_of_entry(key: Any, value: Any) -> Term:
    if value is UNSET:
        return ("f", "dict")
    if _may_lack(value):
        return ("f", "if", value.condition, _term_of_entry(key, value.then), _term_of_entry(key, value.other))
    if isinstance(key, str):
        return ("f", "dict", const(key), term_of(value))
    return ("f", "from_pairs", ("f", "list", ("f", "list", term_of(key), term_of(value))))


def _may_lack(value: Any) -> bool:
    if isinstance(value, Choice):
        return _may_lack(value.then) or _may_lack(value.other)
    return value is UNSET


def _term_of_items(items: tuple[Item, ...]) -> Term:
    if len(items) == 1 and isinstance(items[0], Loop):
        loop = items[0]
        if len(loop.items) != 1:
            return _term_of_loop(loop)
        if len(loop.items) == 1 and isinstance(loop.items[0], Plain):
            return ("each", loop.index, loop.count, term_of(loop.items[0].value))
        if len(loop.items) == 1 and isinstance(loop.items[0], Maybe) and len(loop.items[0].items) == 1:
            inner = loop.items[0]
            element = inner.items[0]
            if isinstance(element, Plain) and term_of(element.value) == ("i", loop.index):
                return ("filter", loop.index, ("f", "range", const(0), loop.count), inner.condition)
            if isinstance(element, Plain):
                kept = ("filter", loop.index, ("f", "range", const(0), loop.count), inner.condition)
                return ("map", loop.index, kept, term_of(element.value))
            return ("f", "flatten", ("each", loop.index, loop.count, _term_of_items(loop.items)))
    if all(isinstance(item, Plain) for item in items):
        return ("f", "list", *(term_of(item.value) for item in items if isinstance(item, Plain)))
    pieces = [_term_of_loop(item) if isinstance(item, Loop) else _piece(item) for item in items]
    return pieces[0] if len(pieces) == 1 else ("f", "concat", *pieces)


def _term_of_loop(loop: Loop) -> Term:
    if len(loop.items) == 1 and isinstance(loop.items[0], Plain):
        return _term_of_items((loop,))
    if not all(isinstance(item, Plain) for item in loop.items):
        return ("f", "flatten", ("each", loop.index, loop.count, _term_of_items(loop.items)))
    # A round adds several elements: position p belongs to round p // width.
    width = const(len(loop.items))
    index: Term = ("i", loop.index)
    row = ("f", "list", *(term_of(item.value) for item in loop.items if isinstance(item, Plain)))
    row = substitute(row, {index: ("//", index, width)})
    return ("each", loop.index, ("*", loop.count, width), ("at", row, ("%", index, width)))


def _piece(item: Item) -> Term:
    if isinstance(item, Plain):
        return ("f", "list", term_of(item.value))
    assert isinstance(item, Maybe)  # noqa: S101 — a loop is handled by the caller
    return ("f", "if", item.condition, _term_of_items(item.items), ("f", "list"))
