"""What a config class derives from its fields, and what it refuses: `__post_init__` and the class validators."""

import ast
from collections.abc import Iterator, Sequence
from types import FunctionType
from typing import Any

from transformers import PreTrainedConfig
from transformers.backbone_utils import BackboneConfigMixin, consolidate_backbone_kwargs_to_config
from transformers.configuration_utils import SubConfigSpec

from tools.atlas.symbolic import terms
from tools.atlas.symbolic.calls import symbolic_value
from tools.atlas.symbolic.frames import Check, Frame, Left
from tools.atlas.symbolic.inplace import DICT, InPlace
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


class ConfigInterpreter(InPlace):
    """Runs the methods of a config class; its own base class is one step, which the resolver knows."""

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
            return self.sub_config(args[0], args[1], args[2], kwargs)
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

    def delete(self, target: ast.expr, frame: Frame) -> None:
        owner = self.evaluate(target.value, frame) if isinstance(target, ast.Subscript) else None
        if isinstance(target, ast.Subscript) and isinstance(owner, Pending):
            self.call_method(owner, "pop", self.evaluate(target.slice, frame))
            return
        super().delete(target, frame)

    def replace(self, place: ast.expr, old: Any, new: Any, frame: Frame) -> None:
        super().replace(place, old, new, frame)
        if isinstance(place, ast.Subscript):
            return
        for name in {**self.config.attrs, **field_kinds(self.config.cls)}:
            if isinstance(place, ast.Attribute) and name == place.attr:
                continue
            held = name in self.config.attrs or (isinstance(old, Sym) and old.term == ("v", name))
            if held and self.is_same(self.get_attribute(self.config, name), old):
                self.set_attribute(self.config, name, new)

    def _for(self, node: ast.For, frame: Frame) -> Left:
        self.iterate(self.evaluate(node.iter, frame))  # raises for what is not known
        return super()._for(node, frame)

    def _call(self, node: ast.Call, frame: Frame) -> Any:
        if isinstance(node.func, (ast.Name, ast.Attribute)) and not node.args and len(node.keywords) <= 1:
            cls = self.evaluate(node.func, frame)
            spread = [self.evaluate(k.value, frame) for k in node.keywords if k.arg is None]
            if isinstance(cls, type) and issubclass(cls, PreTrainedConfig) and len(spread) == len(node.keywords):
                return self.early(cls, self.journal.resolve(spread[0]) if spread else None)
        result = super()._call(node, frame)
        if isinstance(result, Opaque) and result.reason.startswith("the method ") and _changeable(node, self, frame):
            raise Unsupported(result.reason)  # it may change what it is called on
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
            untold = self.settled(terms.conjunction([*self.path, terms.negate(condition) if holds else condition]))
            if not _has_text(untold):
                raise
            self.untold.append(untold)
            self.journal.learn(condition, holds=holds)
            return self.block(node.body if holds else node.orelse, frame)

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
            [self.over_keys(generator, frame) for generator in node.generators],
            frame,
            lambda: (self.evaluate(node.key, frame), self.evaluate(node.value, frame)),
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
        self.steps += [{"untold": terms.text(condition, {})} for condition in self.untold]
        for slot, condition in self.made_early.items():
            self.steps.append([f"@{slot}", self.text(self.settled(condition), slot)])
        self.untold.clear()
        self.made_early.clear()
        self.steps += _checks(self, name)
        for attribute, value in [*self.config.attrs.items()]:
            self.write(str(attribute), value, declared=attribute in self.pending.declared)
        for inner in self.configs_made.values():
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


def _has_text(term: Term) -> bool:
    try:
        return not any(part[0] == "opaque" for part in terms.parts(term)) and bool(terms.text(term, {}))
    except (ValueError, KeyError):
        return False


def _changeable(node: ast.Call, run: ConfigInterpreter, frame: Frame) -> bool:
    """Whether a method is called on a list or a dictionary."""
    owner = run.evaluate(node.func.value, frame) if isinstance(node.func, ast.Attribute) else None
    return isinstance(run.journal.resolve(owner), (List, Dict, Sym))


def _unless_made(value: Any, name: str) -> Any:
    """A value without the config of the slot, which is set by the step that makes it."""
    if isinstance(value, Choice):
        return ite(value.condition, _unless_made(value.then, name), _unless_made(value.other, name))
    return UNSET if isinstance(value, Config) and value.path == f"{name}." else value


def _alone(item: Item) -> tuple[Any, Term]:
    """The one element of an item and the condition under which it is there; None for several."""
    if isinstance(item, Plain):
        return item.value, TRUE
    if isinstance(item, Maybe) and len(item.items) == 1:
        value, condition = _alone(item.items[0])
        return value, terms.both(item.condition, condition)
    return None, TRUE


def config_entry(cls: type[PreTrainedConfig], default: Any) -> dict[str, Any]:
    """`derive`, `consumes`, `checks` and `why_not` of a config class."""
    run = ConfigInterpreter(cls, default)
    method = _defined(cls, "__post_init__")
    try:
        if method is not None:
            run.run_function(method, [run.config], {"**": run.pending})
        else:
            run.base({})
        run.flush("__post_init__")
    except (Unsupported, Raised) as reason:
        return {"derive": [], "consumes": [], "checks": [], "why_not": [f"__post_init__: {reason}"]}
    return {"derive": run.steps, "consumes": sorted(run.consumed), "checks": [*_validators(cls, default)],
            "why_not": [*run.why_not]}  # fmt: skip


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
    if not _has_text(term):
        return None
    return {"name": name, "require": terms.text(term, {}), "raises": check.error}
