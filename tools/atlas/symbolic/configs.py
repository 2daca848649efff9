"""What a config class derives from its fields, and what it refuses: `__post_init__` and the class validators."""

import ast
from collections.abc import Callable, Iterator, Sequence
from types import BuiltinMethodType, FunctionType
from typing import Any

from transformers import PreTrainedConfig
from transformers.backbone_utils import BackboneConfigMixin, consolidate_backbone_kwargs_to_config
from transformers.configuration_utils import SubConfigSpec

from tools.atlas.symbolic import terms
from tools.atlas.symbolic.access import field as field_symbol
from tools.atlas.symbolic.calls import symbolic_value
from tools.atlas.symbolic.interpreter import STAYED, Check, Frame, Interpreter, Left
from tools.atlas.symbolic.journal import ite
from tools.atlas.symbolic.kinds import field_kinds
from tools.atlas.symbolic.pending import PREFIX, Pending, filled, presence
from tools.atlas.symbolic.stops import Raised, Unsupported
from tools.atlas.symbolic.terms import FALSE, TRUE, Term
from tools.atlas.symbolic.values import (
    ANY,
    UNSET,
    Choice,
    Config,
    Dict,
    Item,
    List,
    Loop,
    Maybe,
    Opaque,
    Plain,
    Sym,
    new_list,
    term_of,
)

BASE_STEP, ALIGN = "@base", "@out_features"
REMOVED = "-"
"""Begins the name of a step that takes a key away where its expression is true."""

DICT, LISTS = frozenset({"dict"}), frozenset({"list"})


class ConfigInterpreter(Interpreter):
    """Runs the methods of a config class; its own base class is one step, which the resolver knows.

    A list or an object of the file can be changed in place; as a term it cannot. Where an item is set, what holds the
    list gets the changed one, and so does what else holds the same.
    """

    def __init__(self, cls: type, default: Any) -> None:
        super().__init__()
        self.config = Config(cls, "", default)
        self.pending = Pending(field_kinds(cls))
        self.steps: list[Any] = []
        self.consumed: dict[str, None] = {}
        self.based = False
        self.made_early: dict[str, Term] = {}
        self.untold: list[Term] = []
        self.why_not: dict[str, None] = {}

    def _sub_config(self, config: Config, name: str, cls: type | None, default: Any) -> Any:
        if not self.based and config is self.config:  # before the base has run it is what the file holds
            return Sym(("v", name), frozenset({"dict", "null"}))
        return super()._sub_config(config, name, cls, default)

    def run_function(self, function: FunctionType, args: Any, kwargs: dict[str, Any]) -> Any:
        if function is PreTrainedConfig.__post_init__:
            self.base(kwargs)
            return None
        if function is BackboneConfigMixin.set_output_features_output_indices:
            self.features(*args[1:], **kwargs)
            return None
        if function is SubConfigSpec.create_subconfig:
            return self.sub_config(*args, kwargs)
        if function is consolidate_backbone_kwargs_to_config:
            return self.backbone(*args, **kwargs)
        return super().run_function(function, args, kwargs)

    def base(self, kwargs: dict[str, Any]) -> None:
        """`super().__post_init__(**kwargs)` of the base class."""
        if self.path:
            raise Unsupported("the base class is called under a condition")
        for key, value in kwargs.items():
            if key != "**":
                self.pending.cell[key] = value
        self.flush("__post_init__")
        for key, condition in self.pending.removals().items():
            if condition in {TRUE, terms.call("has", terms.const(f"{PREFIX}{key}"))}:
                self.consumed[key] = None
            else:
                self.steps.append([f"{REMOVED}{key}", self.text(condition, key)])
        self.pending.cell.clear()
        self.steps.append(BASE_STEP)
        self.based = True

    def features(self, out_features: Any = None, out_indices: Any = None) -> None:
        """Which stages a backbone returns: the base step aligns the two keys, as all backbones do."""
        for name, value in (("out_features", out_features), ("out_indices", out_indices)):
            if term_of(value) != term_of(Pending(()).value(name, None)):
                self.journal.write(self.pending.cell, name, value)
        if not self.path:
            self.flush("__post_init__")
            self.pending.cell.clear()
            self.steps.append(ALIGN)

    def sub_config(self, spec: SubConfigSpec, key: str, value: Any, kwargs: dict[str, Any]) -> Any:
        """A sub-config that the class makes before the base class does: what is not given has the defaults."""
        if key == "backbone_config":
            return self.backbone(value, None, spec.model_type, spec.init_kwargs, **kwargs)
        default = symbolic_value({**spec.init_kwargs, "model_type": spec.model_type})
        made = self.when(terms.compare("==", term_of(value), terms.NULL), lambda: default, lambda: value)
        return made, kwargs.get("**")

    def backbone(
        self,
        backbone_config: Any,
        default_backbone: Any = None,
        default_config_type: Any = None,
        default_config_kwargs: Any = None,
        timm_default_kwargs: Any = None,
        **kwargs: Any,
    ) -> Any:
        """The same for a backbone, which may also be the name of a repository elsewhere."""
        if default_backbone is not None or timm_default_kwargs is not None or default_config_type is None:
            return Opaque("a backbone that may be in another repository"), kwargs.get("**")
        given = self.journal.resolve(default_config_kwargs)
        cell = given.cell if isinstance(given, Dict) else given or {}
        default = Dict({"model_type": default_config_type, **{k: symbolic_value(v) for k, v in cell.items()}})
        named = terms.negate(terms.compare("==", term_of(self.pending.value("backbone", None)), terms.NULL))
        default = ite(self.journal.simplify(named), Opaque("a backbone in another repository"), default)
        absent = self.journal.simplify(terms.compare("==", term_of(backbone_config), terms.NULL))
        return self.when(absent, lambda: default, lambda: backbone_config), kwargs.get("**")

    def early(self, cls: type, value: Any) -> Any:
        """A config that the class makes of a field itself: for a slot of this class it is what the base class makes."""
        subs = getattr(self.config.cls, "sub_configs", None) or {}
        name = next((name for name, slot in subs.items() if slot is cls), None)
        fits = value is None or (isinstance(value, Sym) and value.term == ("v", name))
        if self.based or name is None or not fits:
            return Opaque(f"a {cls.__name__}")
        self.made_early[name] = terms.either(self.made_early.get(name, FALSE), terms.conjunction(self.path))
        default = vars(self.config.default).get(name)
        return super()._sub_config(self.config, name, cls, default if isinstance(default, cls) else cls())

    # What is changed in place

    def assign(self, target: ast.expr, value: Any, frame: Frame) -> None:
        if isinstance(target, ast.Subscript):
            owner = self.journal.resolve(self.evaluate(target.value, frame))
            key = self.evaluate(target.slice, frame)
            if isinstance(owner, Sym) or (isinstance(owner, List) and not _settable(owner, key)):
                changed = terms.call("put", term_of(owner), term_of(key), term_of(value))
                self.replace(target.value, owner, self.once(changed, owner), frame)
                return
        super().assign(target, value, frame)

    def delete(self, target: ast.expr, frame: Frame) -> None:
        if isinstance(target, ast.Subscript):
            owner = self.journal.resolve(self.evaluate(target.value, frame))
            key = self.evaluate(target.slice, frame)
            if isinstance(owner, Pending):
                self.call_method(owner, "pop", key)
                return
            if isinstance(owner, Sym):
                self.replace(target.value, owner, self.once(self.without(owner.term, key), owner), frame)
                return
        super().delete(target, frame)

    def once(self, term: Term, owner: Any) -> Any:
        """What was changed in place; in a loop over symbols it is changed many times."""
        return Opaque("an item that a loop sets") if self.loops else Sym(term, _container(owner))

    def _for(self, node: ast.For, frame: Frame) -> Left:
        """A loop that sets items of a list under a condition, and does nothing else, is one expression."""
        place, test = _item_set(node)
        if place is None:
            return super()._for(node, frame)
        items = self.iterate(self.evaluate(node.iter, frame))
        owner = self.journal.resolve(self.evaluate(place.targets[0].value, frame))  # type: ignore[attr-defined]  # a subscript
        loop = items[0] if len(items) == 1 else None
        if not isinstance(loop, Loop) or len(loop.items) != 1 or not isinstance(owner, (Sym, List)):
            return super()._for(node, frame)
        target = place.targets[0]
        assert isinstance(target, ast.Subscript)  # noqa: S101 — so it was chosen

        def parts() -> tuple[Term, Term, Term]:
            value = loop.items[0]
            assert isinstance(value, Plain)  # noqa: S101 — a loop over a list or a range
            self.assign(node.target, value.value, frame)
            condition = TRUE if test is None else self.truth(self.evaluate(test, frame))
            key, value = self.evaluate(target.slice, frame), self.evaluate(place.value, frame)
            return condition, term_of(key), term_of(value)

        (condition, key, value), _ = self.journal.attempt(parts)
        old, place_ = term_of(owner), ("i", self.new_number())
        index: Term = ("i", loop.index)
        if key == index:
            renamed = {index: place_}
            hit = terms.both(terms.compare("<", place_, loop.count), terms.substitute(condition, renamed))
            value = terms.substitute(value, renamed)
        elif index in terms.parts(value):
            return super()._for(node, frame)
        else:
            one = terms.both(terms.compare("==", key, place_), condition)
            hit = terms.call("any", ("each", loop.index, loop.count, one))
        body = terms.choose(hit, value, terms.item(old, place_))
        changed = ("each", place_[1], terms.call("len", old), body)
        self.replace(target.value, owner, Sym(changed, LISTS), frame)
        return STAYED

    def replace(self, place: ast.expr, old: Any, new: Any, frame: Frame) -> None:
        """Let what holds a list or an object hold the changed one."""
        self.assign(place, new, frame)
        if isinstance(place, ast.Subscript):
            return
        for name, value in [*frame.variables.items()]:
            if self.is_same(value, old):
                self.journal.write(frame.variables, name, new)
        for name in {**self.config.attrs, **field_kinds(self.config.cls)}:
            if isinstance(place, ast.Attribute) and name == place.attr:
                continue
            if name in self.config.attrs or (isinstance(old, Sym) and old.term == ("v", name)):
                if self.is_same(self.get_attribute(self.config, name), old):
                    self.set_attribute(self.config, name, new)

    def is_same(self, value: Any, old: Any) -> bool:
        value = self.journal.resolve(value)
        return value is old or (isinstance(value, Sym) and isinstance(old, Sym) and value.term == old.term)

    def without(self, term: Term, key: Any) -> Term:
        bound = self.new_number()
        other = terms.negate(terms.compare("==", ("at", ("i", bound), terms.ZERO), term_of(key)))
        return terms.call("from_pairs", ("filter", bound, terms.call("pairs", term), other))

    def _call(self, node: ast.Call, frame: Frame) -> Any:
        if isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
            owner = self.journal.resolve(self.evaluate(node.func.value, frame))
            if isinstance(owner, Sym):
                args = [self.evaluate(arg, frame) for arg in node.args]
                named = {str(k.arg): self.evaluate(k.value, frame) for k in node.keywords if k.arg is not None}
                value, term = CHANGES[node.func.attr](self, owner.term, *args, **named)
                self.replace(node.func.value, owner, self.once(term, owner), frame)
                return value
        if isinstance(node.func, (ast.Name, ast.Attribute)) and not node.args and len(node.keywords) <= 1:
            cls = self.evaluate(node.func, frame)
            spread = [self.evaluate(k.value, frame) for k in node.keywords if k.arg is None]
            if isinstance(cls, type) and issubclass(cls, PreTrainedConfig) and len(spread) == len(node.keywords):
                return self.early(cls, self.journal.resolve(spread[0]) if spread else None)
        return super()._call(node, frame)

    def call(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if isinstance(function, BuiltinMethodType) and isinstance(function.__self__, dict):
            key = self.journal.resolve(args[0]) if args else None
            if function.__name__ == "get" and isinstance(key, Sym):
                return self.chosen(function.__self__, key, args[1] if len(args) > 1 else None)
        return super().call(function, args, kwargs)

    def chosen(self, table: dict[Any, Any], key: Sym, default: Any) -> Any:
        """`table.get(key, default)`."""
        result = default
        for name, value in reversed(table.items()):
            same = self.journal.simplify(terms.compare("==", key.term, terms.const(name)))
            result = ite(same, symbolic_value(value), result)
        return result

    def get_item(self, owner: Any, key: Any) -> Any:
        resolved = self.journal.resolve(owner)
        if isinstance(resolved, Pending) and isinstance(key, str):
            return self.journal.resolve(resolved.value(key, Opaque("a key that is not there")))
        return super().get_item(owner, key)

    def _if(self, node: ast.If, frame: Frame) -> Left:
        """As always; but a side that cannot be followed is one of which nothing is told."""
        condition = self.truth(self.evaluate(node.test, frame))
        if terms.is_const(condition):
            return self.block(node.body if condition[2] else node.orelse, frame)
        checks, based = len(self.checks), self.based
        try:
            return self.merged(condition, node, frame)
        except Unsupported:
            del self.checks[checks:]
            if based != self.based:
                raise
            holds = self.follows(condition, node, frame)
            self.untold.append(terms.conjunction([*self.path, terms.negate(condition) if holds else condition]))
            self.journal.learn(condition, holds=holds)
            return self.block(node.body if holds else node.orelse, frame)

    def merged(self, condition: Term, node: ast.If, frame: Frame) -> Left:
        a, b = self.either_way(condition, lambda: self.block(node.body, frame), lambda: self.block(node.orelse, frame))
        if isinstance(a, Raised) or isinstance(b, Raised):
            stayed: Left = b if isinstance(a, Raised) else a
            return stayed
        sides = ((a.returned, b.returned), (a.continued, b.continued), (a.broken, b.broken))
        return Left(*(terms.choose(condition, then, other) for then, other in sides))

    def follows(self, condition: Term, node: ast.If, frame: Frame) -> bool:
        """Which side of a condition can be followed, if it is one of the two."""
        checks = len(self.checks)
        try:
            self._side(condition, holds=False, run=lambda: self.block(node.orelse, frame))
        except Unsupported:
            return True
        finally:
            del self.checks[checks:]
        return False

    def iterate(self, value: Any) -> tuple[Item, ...]:
        value = self.journal.resolve(value)
        if isinstance(value, (Opaque, Pending)):  # what the class then makes is not known, and not the empty list
            raise Unsupported(f"a loop over what is not known: {getattr(value, 'reason', 'the keys of the file')}")
        return super().iterate(value)

    def operate(self, op: ast.operator, left: Any, right: Any) -> Any:
        if isinstance(op, (ast.BitOr, ast.Sub)) and isinstance(left, List) and isinstance(right, (List, tuple)):
            mine, theirs = ([i.value for i in self.iterate(side) if isinstance(i, Plain)] for side in (left, right))
            if len(mine) == len(left.items) and len(theirs) == len(self.iterate(right)):
                joined = [*mine, *theirs] if isinstance(op, ast.BitOr) else [x for x in mine if x not in theirs]
                return new_list([Plain(item) for item in dict.fromkeys(joined)])
        return super().operate(op, left, right)

    def over_keys(self, generator: ast.comprehension, frame: Frame) -> ast.comprehension:
        """`for key in kwargs if key in names`: the same as `for key in names if key in kwargs`."""
        over, test = generator.iter, generator.ifs[0] if len(generator.ifs) == 1 else None
        if isinstance(over, ast.Call) and isinstance(over.func, ast.Name) and over.func.id == "list":
            over = over.args[0]
        known = isinstance(over, ast.Name) and isinstance(self.lookup(over.id, frame), Pending)
        if known and isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.In):
            there = ast.Compare(test.left, test.ops, [over])
            return ast.comprehension(generator.target, test.comparators[0], [there], 0)
        return generator

    def _dict_comprehension(self, node: ast.DictComp, frame: Frame) -> Any:
        items = self._comprehend(
            [self.over_keys(generator, frame) for generator in node.generators], frame, lambda: (self.evaluate(node.key, frame), self.evaluate(node.value, frame))
        )
        made: dict[Any, Any] = {}
        for item in items:
            pair, condition = _alone(item)
            if pair is None or isinstance(pair[0], (Sym, List, Dict, Opaque)):
                return Sym(terms.call("from_pairs", term_of(new_list(items))), DICT)
            made[pair[0]] = ite(condition, pair[1], made.get(pair[0], UNSET))
        return Dict(made)

    # What is written

    def flush(self, name: str) -> None:
        """Write what was required and set so far; from here on names mean the values after that."""
        self.steps += [{"untold": self.text(self.settled(condition), "what is untold")} for condition in self.untold]
        for slot, condition in self.made_early.items():
            self.steps.append([f"@{slot}", self.text(self.settled(condition), slot)])
        self.untold.clear()
        self.made_early.clear()
        self.steps += _checks(self, name)
        for attribute, value in [*self.config.attrs.items()]:
            self.write(str(attribute), value, declared=attribute in self.pending.declared)
        for inner in self._configs_made.values():
            for attribute, value in inner.attrs.items():
                self.write(f"{inner.path}{attribute}", value, declared=True)
            inner.attrs.clear()
        if not self.based:
            for key, value in self.pending.cell.items():
                self.write(f"{PREFIX}{key}", value, declared=False)
        self.config.attrs.clear()

    def write(self, name: str, value: Any, *, declared: bool) -> None:
        """A step that sets a name; one that may not be there before is set under its condition."""
        value = _unless_made(value, name)
        if value is UNSET:
            return
        there = presence(value)
        known = Sym(("v", name), ANY)
        term = self.term(name, filled(value, known if declared or there == TRUE else Opaque("not set")))
        if term is None:
            return
        step = [name, term]
        if there != TRUE and not declared:
            step.append(self.text(there, name))
        self.steps.append(step)

    def term(self, name: str, value: Any) -> str | None:
        term = self.settled(term_of(value))
        return None if term[:2] == ("v", name) else self.text(term, name)

    def text(self, term: Term, name: str) -> str:
        try:
            return terms.text(term, {})
        except (ValueError, KeyError):
            reasons = [part[1] for part in terms.parts(term) if part[0] == "opaque"]
            self.why_not[f"{name}: {reasons[0] if reasons else 'not an expression'}"] = None
            return "unknown"


def _unless_made(value: Any, name: str) -> Any:
    """A value without the config of the slot, which is set by the step that makes it."""
    if isinstance(value, Choice):
        return ite(value.condition, _unless_made(value.then, name), _unless_made(value.other, name))
    return UNSET if isinstance(value, Config) and value.path == f"{name}." else value


def _item_set(node: ast.For) -> tuple[ast.Assign | None, ast.expr | None]:
    """The only statement of a loop, if it sets an item, and its condition."""
    body, test = node.body, None
    if len(body) == 1 and isinstance(body[0], ast.If) and not body[0].orelse:
        test, body = body[0].test, body[0].body
    alone = body[0] if len(body) == 1 else None
    if isinstance(alone, ast.Assign) and len(alone.targets) == 1 and isinstance(alone.targets[0], ast.Subscript):
        return alone, test
    return None, None


def _settable(owner: List, key: Any) -> bool:
    return isinstance(key, int) and all(isinstance(item, Plain) for item in owner.items)


def _container(owner: Any) -> frozenset[str]:
    return (owner.kinds & {"dict", "list"} or ANY) if isinstance(owner, Sym) else LISTS


def _alone(item: Item) -> tuple[Any, Term]:
    """The one element of an item and the condition under which it is there; None for several."""
    if isinstance(item, Plain):
        return item.value, TRUE
    if isinstance(item, Maybe) and len(item.items) == 1:
        value, condition = _alone(item.items[0])
        return value, terms.both(item.condition, condition)
    return None, TRUE


def _setdefault(run: ConfigInterpreter, term: Term, key: Any, default: Any = None) -> tuple[Any, Term]:
    there = terms.compare("in", term_of(key), term)
    value = terms.choose(there, terms.item(term, term_of(key)), term_of(default))
    return run.scalar(value, ANY), terms.choose(there, term, terms.call("put", term, term_of(key), term_of(default)))


def _pop(run: ConfigInterpreter, term: Term, key: Any, *default: Any) -> tuple[Any, Term]:
    value = terms.call("get", term, term_of(key), term_of(default[0] if default else Opaque("no such key")))
    return run.scalar(value, ANY), run.without(term, key)


def _update(run: ConfigInterpreter, term: Term, other: Any = None, **named: Any) -> tuple[None, Term]:
    del run
    parts = [term_of(part) for part in (other, Dict(named) if named else None) if part is not None]
    return None, terms.call("merge", term, *parts)


def _append(run: ConfigInterpreter, term: Term, value: Any) -> tuple[None, Term]:
    del run
    return None, terms.call("concat", term, ("f", "list", term_of(value)))


def _extend(run: ConfigInterpreter, term: Term, values: Any) -> tuple[None, Term]:
    return None, terms.call("concat", term, term_of(run.journal.resolve(values)))


CHANGES: dict[str, Callable[..., tuple[Any, Term]]] = {
    "setdefault": _setdefault, "pop": _pop, "update": _update, "append": _append, "extend": _extend,
}  # fmt: skip
"""Methods that change an object or a list in place: what each returns, and the changed one."""


def config_entry(cls: type[PreTrainedConfig], default: Any) -> dict[str, Any]:
    """`derive`, `consumes`, `checks` and `why_not` of a config class."""
    run = ConfigInterpreter(cls, default)
    method = _defined(cls, "__post_init__")
    try:
        if method is not None:
            run.run_function(method, [run.config], {"**": run.pending})
        else:
            run.base({})
        if run.path:
            raise Unsupported("a path that does not end")
        run.flush("__post_init__")
    except (Unsupported, Raised) as reason:
        return {"derive": [], "consumes": [], "checks": [], "why_not": [f"__post_init__: {reason}"]}
    return {"derive": run.steps, "consumes": sorted(run.consumed), "checks": [*_validators(cls, default)],
            "why_not": [*run.why_not, *run.notes]}  # fmt: skip


def _defined(cls: type, name: str) -> FunctionType | None:
    for base in cls.__mro__:
        if base is PreTrainedConfig:
            return None
        if isinstance(vars(base).get(name), FunctionType):
            return vars(base)[name]  # type: ignore[no-any-return]
    return None


def _validators(cls: type, default: Any) -> Iterator[dict[str, str]]:
    names = sorted({n for base in cls.__mro__ for n in vars(base) if n.startswith("validate_")})
    for name in names:
        method = _defined(cls, name)
        if method is None:
            continue
        run = ConfigInterpreter(cls, default)
        run.based = True
        try:
            run.run_function(method, [run.config], {})
        except (Unsupported, Raised):
            continue
        yield from _checks(run, name)


def _checks(run: ConfigInterpreter, name: str) -> Sequence[dict[str, str]]:
    found = [written for check in run.checks if (written := _check(run, check, name)) is not None]
    run.checks.clear()
    return found


def _check(run: ConfigInterpreter, check: Check, name: str) -> dict[str, str] | None:
    """A check as data; None for one that cannot be said exactly."""
    term: Term = run.settled(check.require)
    for loop in check.loops:
        if ("i", loop) in terms.parts(term):
            term = ("f", "all", ("each", loop, run.counts[loop], term))
    if any(part[0] == "opaque" for part in terms.parts(term)):
        return None
    try:
        return {"name": name, "require": terms.text(term, {}), "raises": check.error}
    except (ValueError, KeyError):
        return None


__all__ = ["Choice", "Pending", "config_entry", "field_kinds", "field_symbol"]
