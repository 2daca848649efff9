"""From the tree of modules that a constructor built to templates of tensor names, with conditions and shapes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import PreTrainedModel

from tools.atlas.symbolic import terms
from tools.atlas.symbolic.interpreter import Interpreter
from tools.atlas.symbolic.terms import FALSE, TRUE, Term
from tools.atlas.symbolic.values import (
    Choice,
    Dict,
    Item,
    List,
    Loop,
    Maybe,
    Mount,
    Obj,
    Plain,
    Sym,
    Tensor,
    plain_values,
)

Substitution = Mapping[Term, Term]

_NO_ATTRIBUTES = frozenset({"_items", "training", "config", "_unknown", "_class"})


@dataclass(frozen=True, slots=True)
class Variant:
    """A tensor of one name under one condition."""

    condition: Term
    shape: tuple[Term, ...] | None
    dtype: str | None
    buffer: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where the walk is: the name so far, the condition, what stands for the indices of the loops around."""

    name: str = ""
    condition: Term = TRUE
    indices: Substitution = field(default_factory=dict)

    def child(self, name: str) -> "Place":
        return Place(f"{self.name}.{name}" if self.name else name, self.condition, self.indices)

    def given(self, condition: Term) -> "Place":
        return Place(self.name, terms.both(self.condition, condition), self.indices)


@dataclass(slots=True)
class Tree:
    """What was found in a tree of modules."""

    tensors: dict[str, list[Variant]] = field(default_factory=dict)
    buffers: dict[str, list[Variant]] = field(default_factory=dict)
    counts: dict[str, Term] = field(default_factory=dict)
    children: dict[str, dict[str, None]] = field(default_factory=dict)
    classes: dict[str, dict[str, Term]] = field(default_factory=dict)
    """Of each module the classes that it may be, with the conditions under which it is there as one."""
    present: dict[str, Term] = field(default_factory=dict)
    """When there is a module, of whatever class."""
    submodels: list[tuple[Place, Obj]] = field(default_factory=list)
    mounts: list[tuple[Place, Mount]] = field(default_factory=list)
    issues: dict[str, None] = field(default_factory=dict)


class Walk:
    """Walks a tree of modules once."""

    def __init__(self, run: Interpreter) -> None:
        self.run = run
        self.tree = Tree()

    def visit(self, value: Any, place: Place) -> None:
        condition = terms.both(place.condition, self._presence(value, place))
        if condition != FALSE:
            known = self.tree.present.get(place.name, FALSE)
            self.tree.present[place.name] = terms.either(known, condition) if known != FALSE else condition
        self._visit(value, place)

    def _presence(self, value: Any, place: Place) -> Term:
        """When a value is a module."""
        match value:
            case Choice():
                then, other = self._presence(value.then, place), self._presence(value.other, place)
                if then == other:
                    return then
                condition = self.term(value.condition, place)
                if then == FALSE:
                    return terms.both(terms.negate(condition), other)
                return terms.both(condition, then) if other == FALSE else terms.choose(condition, then, other)
            case Mount() | torch.nn.Module():  # the latter was made for real, and has no tensors
                return TRUE
            case Obj() if issubclass(value.cls, torch.nn.Module):
                return TRUE
        return FALSE

    def _visit(self, value: Any, place: Place) -> None:
        if place.condition == FALSE:
            return
        match value:
            case Choice():
                condition = self.term(value.condition, place)
                self._visit(value.then, place.given(condition))
                self._visit(value.other, place.given(terms.negate(condition)))
            case Tensor(role="parameter" | "buffer" | "transient"):
                self._tensor(value, place)
            case Mount():
                self.tree.mounts.append((place, value))
            case Obj() if issubclass(value.cls, torch.nn.Module):
                self._module(value, place)

    def term(self, term: Term, place: Place) -> Term:
        """A term in the indices of the template."""
        settled = self.run.settled(term)
        return terms.substitute(settled, place.indices) if place.indices else settled

    def _tensor(self, tensor: Tensor, place: Place) -> None:
        shape = None if tensor.shape is None else tuple(self.term(size, place) for size in tensor.shape)
        variant = Variant(place.condition, shape, tensor.dtype, tensor.role == "buffer")
        table = self.tree.buffers if tensor.role == "transient" else self.tree.tensors
        known = table.setdefault(place.name, [])
        if known and tensor.role == "transient":  # no loader asks for its shape: one form is enough
            condition = terms.either(known[0].condition, variant.condition)
            known[0] = Variant(condition, shape if known[0].shape == shape else None, tensor.dtype, buffer=False)
            return
        for number, other in enumerate(known):
            if (other.shape, other.dtype, other.buffer) == (variant.shape, variant.dtype, variant.buffer):
                condition = terms.either(other.condition, variant.condition)
                known[number] = Variant(condition, shape, tensor.dtype, variant.buffer)
                return
        known.append(variant)

    def _module(self, module: Obj, place: Place) -> None:
        if issubclass(module.cls, PreTrainedModel):
            self.tree.submodels.append((place, module))
        kinds = self.tree.classes.setdefault(place.name, {})
        renamed = self.run.journal.resolve(module.attrs.get("_class"))
        name = renamed if isinstance(renamed, str) else module.cls.__name__
        kinds[name] = terms.either(kinds[name], place.condition) if name in kinds else place.condition
        if "_unknown" in module.attrs:
            self.tree.issues[f"{place.name}: {getattr(module.attrs['_unknown'], 'reason', '')}"] = None
        inner = module.attrs.get("_items")
        inner = self.run.journal.resolve(inner)
        if isinstance(inner, Choice):
            condition = self.term(inner.condition, place)
            for side, holds in ((inner.then, condition), (inner.other, terms.negate(condition))):
                self._contents(side, place.given(holds))
        else:
            self._contents(inner, place)
        entries = [(k, v) for k, v in module.attrs.items() if k not in _NO_ATTRIBUTES]
        direct = [(k, v) for k, v in entries if _holds(v, Tensor)]
        modules = [(k, v) for k, v in entries if _holds(v, (Obj, Mount))]
        for key, value in (*direct, *modules):
            for below in self._named(key, place, value):
                if _holds(value, (Obj, Mount)):
                    self.tree.children.setdefault(place.name, {})[below.name.removeprefix(f"{place.name}.")] = None
                self.visit(value, below)

    def _contents(self, inner: Any, place: Place) -> None:
        if isinstance(inner, List):
            self._items(inner.items, place)
        elif isinstance(inner, Dict):
            for key, value in inner.cell.items():
                for below in self._named(key, place, value):
                    self.tree.children.setdefault(place.name, {})[below.name.removeprefix(f"{place.name}.")] = None
                    self.visit(value, below)

    def _named(self, key: Any, place: Place, value: Any) -> Iterable[Place]:
        """The place of an attribute; its name may hold indices of loops."""
        if not isinstance(key, Sym):
            return [place.child(str(key))]
        if key.term[0] == "at" and str(key.term[1][1]).endswith("out_features"):
            return self._stages(key.term, place)
        parts = key.term[1:] if key.term[0] == "fmt" else (key.term,)
        below = Place(f"{place.name}." if place.name else "", place.condition, place.indices)
        for part in parts:
            if isinstance(part, str):
                below = Place(below.name + part, below.condition, below.indices)
                continue
            placed = self._indexed(self.run.settled(part), below)
            if placed is None:
                if _is_stored(value):
                    self.tree.issues[f"{place.name}: a name made of {part}"] = None
                return []
            below = placed
        return [below]

    def _stages(self, key: Term, place: Place) -> list[Place]:
        """A name out of `out_features`: "stem" or "stage" and a number, as every backbone calls its stages."""
        features, index = key[1], key[2]
        name = f"{place.name}.stage" if place.name else "stage"
        slot: Term = ("i", -1 - name.count("{}"))
        stages: Term = ("v", features[1].rpartition("_out_features")[0] + "stage_names")
        self._count(Place(name, place.condition, place.indices), terms.call("len", stages))
        found = []
        for label, text in (("{}", ("fmt", "stage", slot)), ("", terms.const("stem"))):
            below = Place(name + label, place.condition, {**place.indices, index: terms.call("index", features, text)})
            if not label:
                below = Place(name.removesuffix("stage") + "stem", below.condition, below.indices)
            found.append(below.given(terms.compare("in", text, features)))
        return found

    def _indexed(self, part: Term, place: Place) -> Place | None:
        """`index + constant` inside a name."""
        offset = 0
        if part[0] in {"+", "-"} and terms.is_const(part[2]):
            part, offset = part[1], part[2][2] if part[0] == "+" else -part[2][2]
        if part[0] != "i":
            return None
        if part in place.indices:  # the loop has its place in the name already
            return None
        loop = part[1]
        slot: Term = ("i", -1 - place.name.count("{}"))
        count = terms.binary("+", self.term(self.run.counts[loop], place), terms.const(offset))
        condition = place.condition
        if offset > 0:
            condition = terms.both(condition, terms.compare(">=", slot, terms.const(offset)))
        self._count(place, count)
        value = terms.binary("-", slot, terms.const(offset))
        return Place(f"{place.name}{{}}", condition, {**place.indices, part: value})

    def _count(self, place: Place, count: Term) -> None:
        fields = [f"{part[1]}." for part in terms.parts(count) if part[0] == "v"]
        asked = [part[1] for part in terms.parts(place.condition) if part[0] == "==" and part[2] == terms.NULL]
        if any(name.startswith(f"{part[1]}.") for part in asked if part[0] == "v" for name in fields):
            count = terms.choose(place.condition, count, terms.ZERO)  # without its condition it has no value
        known = self.tree.counts.get(place.name)
        if known is None or known == count:
            self.tree.counts[place.name] = count
        else:
            self.tree.counts[place.name] = terms.choose(place.condition, count, known)

    def _items(self, items: tuple[Item, ...], place: Place) -> None:
        listed = f"{place.name}." if place.name else ""
        plain = plain_values(items)
        if plain is not None:
            for number, value in enumerate(plain):
                self.tree.children.setdefault(place.name, {})[str(number)] = None
                self.visit(value, place.child(str(number)))
            return
        total = terms.ZERO
        for item in items:
            total = terms.binary("+", total, self.term(self.run.count(item), place))
        inside = Place(listed, place.condition, place.indices)
        self._count(inside, total)
        self.tree.children.setdefault(place.name, {})["{}"] = None
        self._positioned(items, place, terms.ZERO, lambda slot, offset: [terms.compare("==", slot, offset)], {})

    def _positioned(
        self,
        items: tuple[Item, ...],
        place: Place,
        offset: Term,
        where: Callable[[Term, Term], list[Term]],
        loops: Mapping[int, Term],
    ) -> None:
        """Elements at their positions; `where` says which conditions put index `slot` at an offset."""
        slot: Term = ("i", -1 - place.name.count("{}"))
        for item in items:
            size = self.term(self.run.count(item), place)
            if isinstance(item, Plain):
                if terms.is_const(offset) and not loops:
                    self.visit(item.value, place.child(str(offset[2])))
                else:
                    below = place.child("{}")
                    for condition in where(slot, offset):
                        below = below.given(condition)
                    self.visit(item.value, Place(below.name, below.condition, {**below.indices, **_indices(loops)}))
            elif isinstance(item, Maybe):
                condition = self.term(item.condition, place)
                if any(("i", loop) in terms.parts(condition) for loop in loops):
                    self.tree.issues[f"{place.name}: an element of a loop with a condition"] = None
                there = terms.assume(offset, condition, holds=True)
                self._positioned(item.items, place.given(condition), there, where, loops)
            elif not loops:
                self._repeated(item, place, offset)
            else:
                self.tree.issues[f"{place.name}: a loop in a loop of one list"] = None
            offset = terms.binary("+", offset, size)

    def _repeated(self, loop: Loop, place: Place, offset: Term) -> None:
        slot: Term = ("i", -1 - place.name.count("{}"))
        width = terms.ZERO
        for item in loop.items:
            width = terms.binary("+", width, self.term(self.run.count(item), place))
        if ("i", loop.index) in terms.parts(width):
            self._ragged(loop, place, offset, width)
            return
        count = self.term(loop.count, place)
        start = offset
        end = terms.binary("+", offset, terms.binary("*", count, width))
        bounds = [] if start == terms.ZERO else [terms.compare(">=", slot, start)]
        if self.tree.counts.get(f"{place.name}." if place.name else "") != end:
            bounds.append(terms.compare("<", slot, end))
        relative = terms.binary("-", slot, start)
        inner = terms.ZERO
        for item in loop.items:
            conditions = list(bounds)
            steps = self.term(self.run.count(item), place)
            if width != terms.ONE:
                rest = terms.binary("%", relative, width)
                if isinstance(item, Loop):
                    conditions += [
                        terms.compare(">=", rest, inner),
                        terms.compare("<", rest, terms.binary("+", inner, steps)),
                    ]
                else:
                    conditions.append(terms.compare("==", rest, inner))
            index = terms.binary("//", relative, width)
            below = place.child("{}")
            for condition in conditions:
                below = below.given(condition)
            below = Place(below.name, below.condition, {**below.indices, ("i", loop.index): index})
            if isinstance(item, Plain):
                self.visit(item.value, below)
            elif isinstance(item, Maybe):
                guard = self.term(item.condition, below)
                if (
                    terms.assume(inner, self.run.settled(item.condition), holds=True) != terms.ZERO
                    and width == terms.ONE
                ):
                    self.tree.issues[f"{place.name}: elements of a loop with conditions"] = None
                if len(item.items) == 1 and isinstance(item.items[0], Plain):
                    self.visit(item.items[0].value, below.given(guard))
                else:
                    self.tree.issues[f"{place.name}: elements of a loop with a condition"] = None
            elif len(item.items) == 1 and isinstance(item.items[0], Plain):
                rest = terms.binary("-", terms.binary("%", relative, width), inner)
                value = item.items[0].value
                self.visit(value, Place(below.name, below.condition, {**below.indices, ("i", item.index): rest}))
            else:
                self.tree.issues[f"{place.name}: a loop of loops"] = None
            inner = terms.binary("+", inner, steps)

    def _ragged(self, loop: Loop, place: Place, offset: Term, width: Term) -> None:
        """A loop of loops that fill one list: round `i` adds `width(i)` elements, so a position is found by sums."""
        inner = loop.items[0]
        if len(loop.items) != 1 or not isinstance(inner, Loop) or not all(isinstance(i, Plain) for i in inner.items):
            self.tree.issues[f"{place.name}: a loop whose rounds add different numbers of elements"] = None
            return
        slot: Term = ("i", -1 - place.name.count("{}"))
        relative = terms.binary("-", slot, offset)
        count = self.term(loop.count, place)

        def before(rounds: Term) -> Term:
            """How many elements the rounds before this one add."""
            bound = self.run.new_number()
            body = terms.substitute(width, {("i", loop.index): ("i", bound)})
            return terms.call("sum", ("each", bound, rounds, body))

        bound = self.run.new_number()
        passed = terms.compare(">=", relative, before(terms.binary("+", ("i", bound), terms.ONE)))
        number = terms.call("sum", ("each", bound, count, terms.choose(passed, terms.ONE, terms.ZERO)))
        within = terms.binary("-", relative, before(number))
        below = place.child("{}")
        if offset != terms.ZERO:
            below = below.given(terms.compare(">=", slot, offset))
        for position, item in enumerate(inner.items):
            assert isinstance(item, Plain)  # noqa: S101 — said above
            there, step = below, terms.const(len(inner.items))
            if len(inner.items) > 1:
                there = below.given(terms.compare("==", terms.binary("%", within, step), terms.const(position)))
            indices = {
                **there.indices, ("i", loop.index): number, ("i", inner.index): terms.binary("//", within, step),
            }  # fmt: skip
            self.visit(item.value, Place(there.name, there.condition, indices))


def _indices(loops: Mapping[int, Term]) -> dict[Term, Term]:
    return {("i", loop): term for loop, term in loops.items()}


def _is_stored(value: Any) -> bool:
    """Whether a checkpoint holds it, or something in it."""
    if isinstance(value, Choice):
        return _is_stored(value.then) or _is_stored(value.other)
    if isinstance(value, (Tensor, torch.nn.Module)):
        return isinstance(value, Tensor) and value.role in {"parameter", "buffer"}
    return _holds(value, (Obj, Mount))


def _holds(value: Any, kinds: Any) -> bool:
    if isinstance(value, Choice):
        return _holds(value.then, kinds) or _holds(value.other, kinds)
    if isinstance(value, Obj) and kinds is not Tensor:
        return issubclass(value.cls, torch.nn.Module)
    if isinstance(value, torch.nn.Module):
        return kinds is not Tensor
    return isinstance(value, kinds)
