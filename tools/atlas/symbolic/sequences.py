"""Functions of Python that make lists, tuples and dictionaries, or go through them."""

from typing import Any

from tools.atlas.symbolic import terms
from tools.atlas.symbolic.journal import ite
from tools.atlas.symbolic.state import Run
from tools.atlas.symbolic.terms import Term
from tools.atlas.symbolic.values import (
    INT,
    LIST,
    Choice,
    Dict,
    Item,
    List,
    Loop,
    Obj,
    Opaque,
    Plain,
    Range,
    Sym,
    new_list,
    plain_values,
    term_of,
)


def to_range(run: Run, *args: Any) -> Any:
    args = tuple(run.journal.resolve(arg) for arg in args)
    if all(isinstance(arg, int) for arg in args):
        return range(*args)
    start, stop, step = (terms.ZERO, term_of(args[0]), terms.ONE) if len(args) == 1 else (
        term_of(args[0]), term_of(args[1]), term_of(args[2]) if len(args) > 2 else terms.ONE)  # noqa: PLR2004  # fmt: skip
    return Range(start, stop, step)


def length(run: Run, value: Any) -> Any:
    value = run.journal.resolve(value)
    if isinstance(value, Obj):
        value = value.attrs.get("_items", Opaque("len"))
    if isinstance(value, Choice):
        return ite(value.condition, length(run, value.then), length(run, value.other))
    if isinstance(value, Sym):
        return run.scalar(terms.call("len", value.term), INT)
    if isinstance(value, List):
        total = terms.ZERO
        for item in value.items:
            total = terms.binary("+", total, run.count(item))
        return run.scalar(total, INT)
    if isinstance(value, Dict):
        return len(value.cell)
    if isinstance(value, Range):
        return run.scalar(terms.binary("-", value.stop, value.start), INT)
    try:
        return len(value)
    except TypeError:
        return Opaque("len")


def to_list(run: Run, value: Any = ()) -> Any:
    value = run.journal.resolve(value)
    if isinstance(value, (Sym, Opaque)):
        return value
    return new_list(run.iterate(value))


def to_set(run: Run, value: Any = ()) -> Any:
    """A set, as a list in which nothing stands twice: of its order nothing is known anyway."""
    made = to_list(run, value)
    if isinstance(made, List) and all(isinstance(i, Plain) and isinstance(i.value, (str, int)) for i in made.items):
        return new_list([Plain(item) for item in dict.fromkeys(i.value for i in made.items if isinstance(i, Plain))])
    term = term_of(made)
    return made if any(part[0] == "opaque" for part in terms.parts(term)) else Sym(terms.call("unique", term), LIST)


def to_tuple(run: Run, value: Any = ()) -> Any:
    value = run.journal.resolve(value)
    if isinstance(value, (Sym, Opaque, tuple)):
        return value
    items = run.iterate(value)
    plain = plain_values(items)
    return new_list(items) if plain is None else tuple(plain)


def to_dict(run: Run, value: Any = None, **kwargs: Any) -> Any:
    value = run.journal.resolve(value)
    if isinstance(value, Sym) and "dict" in value.kinds:
        return Sym(terms.call("merge", value.term, term_of(Dict(kwargs))), frozenset({"dict"})) if kwargs else value
    cell: dict[Any, Any] = {}
    if isinstance(value, Dict):
        cell |= value.cell
    elif isinstance(value, dict):
        cell |= value
    elif value is not None:
        for item in run.iterate(value):
            if not isinstance(item, Plain) or not isinstance(item.value, tuple):
                return Opaque("a dictionary")
            cell[item.value[0]] = item.value[1]
    return Dict({**cell, **kwargs})


def enumerated(run: Run, value: Any, start: Any = 0) -> Any:
    result: list[Item] = []
    position: Term = term_of(start)
    for item in run.iterate(value):
        result.append(numbered(run, item, position))
        position = terms.binary("+", position, run.count(item))
    return new_list(result)


def numbered(run: Run, item: Item, position: Term) -> Item:
    if isinstance(item, Plain):
        number = run.scalar(position, INT)
        return Plain((number, item.value))
    inner: list[Item] = []
    size = terms.ZERO
    for part in item.items:
        size = terms.binary("+", size, run.count(part))
    base = position
    if isinstance(item, Loop):
        base = terms.binary("+", position, terms.binary("*", ("i", item.index), size))
    for part in item.items:
        inner.append(numbered(run, part, base))
        base = terms.binary("+", base, run.count(part))
    return (
        Loop(item.index, item.count, tuple(inner))
        if isinstance(item, Loop)
        else type(item)(item.condition, tuple(inner))
    )


def zipped(run: Run, *values: Any, **_: Any) -> Any:
    columns = [run.iterate(value) for value in values]
    plain = [found for column in columns if (found := plain_values(column)) is not None]
    if len(plain) == len(columns):
        return new_list([Plain(row) for row in zip(*plain, strict=False)])
    loops = [column[0] for column in columns if len(column) == 1 and isinstance(column[0], Loop)]
    elements = [(loop, *(plain_values(loop.items) or ())) for loop in loops]
    if len(loops) == len(columns) and all(len(element) == 2 for element in elements):  # noqa: PLR2004 — with one value
        index = run.new_number()
        counts = list(dict.fromkeys(loop.count for loop in loops))
        count = counts[0] if len(counts) == 1 else terms.call("min", *counts)
        run.counts[index] = count
        row = tuple(_renamed(element, loop.index, index) for loop, element in elements)
        return new_list([Loop(index, count, (Plain(row),))])
    # A list whose length is known against one whose length is not: the shorter counts, and it is the known one
    # wherever the constructor goes through both.
    if not plain:
        return Opaque("zip")
    known = min(len(column) for column in plain)
    return new_list([Plain(tuple(run.get_item(value, number) for value in values)) for number in range(known)])


def _renamed(value: Any, old: int, new: int) -> Any:
    if isinstance(value, Sym):
        return Sym(terms.substitute(value.term, {("i", old): ("i", new)}), value.kinds)
    return tuple(_renamed(part, old, new) for part in value) if isinstance(value, tuple) else value


def backwards(run: Run, value: Any) -> Any:
    items = run.iterate(value)
    if all(isinstance(item, Plain) for item in items):
        return new_list(items[::-1])
    if len(items) == 1 and isinstance(items[0], Loop) and len(items[0].items) == 1:
        loop = items[0]
        index = run.new_number()
        run.counts[index] = loop.count
        back = terms.binary("-", terms.binary("-", loop.count, terms.ONE), ("i", index))
        inner = loop.items[0]
        if isinstance(inner, Plain):
            value = _at(inner.value, loop.index, back)
            return new_list([Loop(index, loop.count, (Plain(value),))])
    return Opaque("reversed")


def _at(value: Any, loop: int, index: Term) -> Any:
    if isinstance(value, Sym):
        return Sym(terms.substitute(value.term, {("i", loop): index}), value.kinds)
    return tuple(_at(part, loop, index) for part in value) if isinstance(value, tuple) else value


def each_mapped(run: Run, function: Any, values: Any) -> Any:
    return new_list(run.mapped(run.iterate(values), lambda value: (Plain(run.call(function, [value], {})),)))


def first(run: Run, values: Any, *_: Any) -> Any:
    items = run.iterate(values)
    return items[0].value if items and isinstance(items[0], Plain) else Opaque("next")


def in_order(run: Run, values: Any, **_: Any) -> Any:
    values = run.journal.resolve(values)
    if isinstance(values, Sym):
        return Sym(terms.call("sort", values.term), LIST)
    plain = plain_values(run.iterate(values))
    if plain is not None and all(isinstance(value, (int, str)) for value in plain):
        return new_list([Plain(value) for value in sorted(plain)])
    return Opaque("sorted")


def chained(run: Run, *values: Any) -> Any:
    return new_list([item for value in values for item in run.iterate(value)])
