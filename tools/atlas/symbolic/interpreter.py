"""Statements: constructors are run on symbols, both branches of what cannot be decided."""

import ast
import builtins
import importlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

from tools.atlas.symbolic import terms
from tools.atlas.symbolic.expressions import Expressions
from tools.atlas.symbolic.journal import ite
from tools.atlas.symbolic.source import function_tree
from tools.atlas.symbolic.stops import Raised, Unsupported
from tools.atlas.symbolic.terms import FALSE, TRUE, Term
from tools.atlas.symbolic.values import (
    UNSET,
    Choice,
    Closure,
    Config,
    Dict,
    Item,
    List,
    Loop,
    Maybe,
    Obj,
    Opaque,
    Plain,
    Sym,
    Tensor,
    is_scalar,
    kinds_of,
    term_of,
)

MAX_DEPTH = 60


@dataclass(frozen=True, slots=True)
class Left:
    """The conditions under which a block was left early."""

    returned: Term = FALSE
    continued: Term = FALSE
    broken: Term = FALSE

    @property
    def any(self) -> Term:
        return terms.either(terms.either(self.returned, self.continued), self.broken)


STAYED = Left()


@dataclass(slots=True, eq=False)
class Frame:
    """A call that is being run."""

    variables: dict[Any, Any]
    scope: dict[str, Any]
    owner: type | None = None
    this: Any = None
    parent: "Frame | None" = None
    returns: list[tuple[Term, Any]] = field(default_factory=list)
    path: list[Term] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Check:
    """A condition that has to hold, or the constructor raises."""

    require: Term
    error: str
    loops: tuple[int, ...]


class Interpreter(Expressions):
    """Runs functions of transformers on symbols. One interpreter serves one construction."""

    def __init__(self) -> None:
        super().__init__()
        self.path: list[Term] = []
        self.loops: list[int] = []
        self.counts: dict[int, Term] = {}
        self.carried: dict[int, tuple[int, Term]] = {}
        self.checks: list[Check] = []
        self.depth = 0
        self.notes: dict[str, None] = {}

    # Calls of functions that are interpreted

    def run_function(self, function: FunctionType, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        node = function_tree(function)
        function = inspect.unwrap(function)
        if node is None:
            return Opaque(f"no source of {function.__qualname__}")
        closed = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=False))
        variables: dict[Any, Any] = {}
        for name, cell in closed.items():
            try:
                variables[name] = cell.cell_contents
            except ValueError:
                continue
        owner = variables.get("__class__")
        frame = Frame(variables, function.__globals__, owner)
        defaults = inspect.signature(function).parameters
        return self._run(node, frame, args, kwargs, lambda name: defaults[name].default)

    def run_closure(self, closure: Closure, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        outer: Frame = closure.frame
        frame = Frame({}, outer.scope, outer.owner, outer.this, outer)
        node = closure.node
        names = [*node.args.posonlyargs, *node.args.args]
        positional = dict(zip(reversed([a.arg for a in names]), reversed(node.args.defaults), strict=False))
        keyword = {a.arg: d for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if d is not None}
        defaults = {**positional, **keyword}
        return self._run(node, frame, args, kwargs, lambda name: self.evaluate(defaults[name], outer))

    def _run(
        self, node: Any, frame: Frame, args: Sequence[Any], kwargs: dict[str, Any], default: Callable[[str], Any]
    ) -> Any:
        if self.depth > MAX_DEPTH:
            raise Unsupported("functions are nested too deeply")
        self._bind(node.args, frame, list(args), dict(kwargs), default)
        if node.args.posonlyargs or node.args.args:
            first = [*node.args.posonlyargs, *node.args.args][0].arg
            if frame.this is None:
                frame.this = frame.variables.get(first)
        self.depth += 1
        try:
            if isinstance(node, ast.Lambda):
                return self.evaluate(node.body, frame)
            frame.path = [*self.path]
            left = self.block(node.body, frame)
        finally:
            self.depth -= 1
        returns = list(frame.returns)
        result: Any = returns.pop()[1] if left.returned == TRUE and returns else None
        for condition, value in reversed(returns):
            result = ite(condition, value, result)
        return self.journal.resolve(result)

    def _bind(
        self, spec: ast.arguments, frame: Frame, args: list[Any], kwargs: dict[str, Any], default: Callable[[str], Any]
    ) -> None:
        variables = frame.variables
        names = [arg.arg for arg in (*spec.posonlyargs, *spec.args)]
        for name in names:
            if args:
                variables[name] = args.pop(0)
            elif name in kwargs:
                variables[name] = kwargs.pop(name)
            else:
                variables[name] = self._default(name, default)
        for arg in spec.kwonlyargs:
            variables[arg.arg] = kwargs.pop(arg.arg) if arg.arg in kwargs else self._default(arg.arg, default)
        if spec.vararg:
            variables[spec.vararg.arg] = tuple(args)
        if spec.kwarg:
            variables[spec.kwarg.arg] = kwargs.get("**") or Dict(dict(kwargs))

    def _default(self, name: str, default: Callable[[str], Any]) -> Any:
        try:
            value = default(name)
        except KeyError:
            value = inspect.Parameter.empty
        if value is inspect.Parameter.empty:
            raise Unsupported(f"no argument for {name}")
        return value

    # Statements

    def block(self, statements: Sequence[ast.stmt], frame: Frame) -> Left:
        for number, statement in enumerate(statements):
            left = self.statement(statement, frame)
            gone = left.any
            if gone == FALSE:
                continue
            rest = statements[number + 1 :]
            if gone == TRUE or not rest:
                return left
            later = self.under(terms.negate(gone), lambda: self.block(rest, frame))  # noqa: B023 — run at once
            stay = terms.negate(gone)
            return Left(
                terms.either(left.returned, terms.both(stay, later.returned)),
                terms.either(left.continued, terms.both(stay, later.continued)),
                terms.either(left.broken, terms.both(stay, later.broken)),
            )
        return STAYED

    def statement(self, node: ast.stmt, frame: Frame) -> Left:  # noqa: C901, PLR0912 — one branch per statement
        match node:
            case ast.Expr():
                self.evaluate(node.value, frame)
            case ast.Assign():
                value = self.evaluate(node.value, frame)
                for target in node.targets:
                    self.assign(target, value, frame)
            case ast.AnnAssign():
                if node.value is not None:
                    self.assign(node.target, self.evaluate(node.value, frame), frame)
            case ast.AugAssign():
                self._augmented(node, frame)
            case ast.Return():
                value = None if node.value is None else self.evaluate(node.value, frame)
                here = terms.conjunction(self.path[len(frame.path) :])
                frame.returns.append((here, value))
                return Left(returned=TRUE)
            case ast.If():
                return self._if(node, frame)
            case ast.For():
                return self._for(node, frame)
            case ast.While():
                return self._while(node, frame)
            case ast.Raise():
                raise Raised(ast.unparse(node.exc.func if isinstance(node.exc, ast.Call) else node.exc or node))
            case ast.Assert():
                self.require(self.truth(self.evaluate(node.test, frame)), "AssertionError")
            case ast.With():
                for item in node.items:
                    value = self.evaluate(item.context_expr, frame)
                    if item.optional_vars is not None:
                        self.assign(item.optional_vars, value, frame)
                return self.block(node.body, frame)
            case ast.Try():
                try:
                    return self.block([*node.body, *node.orelse, *node.finalbody], frame)
                except ImportError:
                    return self.block([*node.handlers[0].body, *node.finalbody], frame)
            case ast.Import() | ast.ImportFrom():
                self._import(node, frame)
            case ast.FunctionDef():
                self.journal.write(frame.variables, node.name, Closure(node, frame))
            case ast.Delete():
                for target in node.targets:
                    self.delete(target, frame)
            case ast.Continue():
                return Left(continued=TRUE)
            case ast.Break():
                return Left(broken=TRUE)
            case ast.Pass() | ast.Global() | ast.Nonlocal():
                pass
            case _:
                raise Unsupported(f"the statement {type(node).__name__}")
        return STAYED

    def require(self, condition: Term, error: str) -> None:
        """From here on the condition holds, because otherwise the constructor raises."""
        if condition == TRUE:
            return
        path = terms.conjunction(self.path)
        if condition == FALSE and path == TRUE:
            raise Raised(error)
        require = condition if path == TRUE else terms.either(terms.negate(path), condition)
        self.checks.append(Check(require, error, tuple(self.loops)))
        if condition == FALSE:
            raise Raised(error)
        self.journal.learn(condition, holds=True)

    def under(self, condition: Term, run: Callable[[], Any]) -> Any:
        """Run something whose effects count only under a condition; its result."""
        result, effects = self._side(condition, holds=True, run=run)
        if isinstance(result, Raised):
            self._never(condition, result)
            return STAYED
        self.journal.merge(condition, effects, {})
        return result

    def _side(self, condition: Term, *, holds: bool, run: Callable[[], Any]) -> tuple[Any, Any]:
        self.path.append(condition if holds else terms.negate(condition))

        def caught() -> Any:
            try:
                return run()
            except Raised as raised:
                return raised

        try:
            return self.journal.branch(condition, holds=holds, run=caught)
        finally:
            self.path.pop()

    def _never(self, condition: Term, raised: Raised) -> None:
        self.require(terms.negate(condition), str(raised))

    def either_way(self, condition: Term, then: Callable[[], Any], other: Callable[[], Any]) -> tuple[Any, Any]:
        """Run both sides of a condition and merge what they did; their results, a Raised for a side that raises."""
        a, effects_a = self._side(condition, holds=True, run=then)
        b, effects_b = self._side(condition, holds=False, run=other)
        if isinstance(a, Raised) and isinstance(b, Raised):
            raise a
        if isinstance(a, Raised):
            self._never(condition, a)
            self.journal.apply(effects_b)
        elif isinstance(b, Raised):
            self._never(terms.negate(condition), b)
            self.journal.apply(effects_a)
        else:
            self.journal.merge(condition, effects_a, effects_b)
        return a, b

    def _if(self, node: ast.If, frame: Frame) -> Left:
        condition = self.truth(self.evaluate(node.test, frame))
        if terms.is_const(condition):
            return self.block(node.body if condition[2] else node.orelse, frame)
        a, b = self.either_way(condition, lambda: self.block(node.body, frame), lambda: self.block(node.orelse, frame))
        if isinstance(a, Raised) or isinstance(b, Raised):
            stayed: Left = b if isinstance(a, Raised) else a
            return stayed
        return Left(
            terms.choose(condition, a.returned, b.returned),
            terms.choose(condition, a.continued, b.continued),
            terms.choose(condition, a.broken, b.broken),
        )

    def _while(self, node: ast.While, frame: Frame) -> Left:
        for _ in range(1000):
            condition = self.truth(self.evaluate(node.test, frame))
            if condition == FALSE:
                return STAYED
            if condition != TRUE:
                break
            left = self.block(node.body, frame)
            if left.any not in {TRUE, FALSE}:
                break
            if left.returned == TRUE or left.broken == TRUE:
                return Left(returned=left.returned)
        raise Unsupported("a loop that ends by a symbol")

    def _for(self, node: ast.For, frame: Frame) -> Left:
        over = self.journal.resolve(self.evaluate(node.iter, frame))
        if isinstance(over, Opaque):
            self.notes[f"a loop over what is not known: {over.reason}"] = None
            return STAYED
        items = self.iterate(over)
        return self._rounds(items, lambda value: self._round(node, value, frame), node.body, frame)

    def _round(self, node: ast.For, value: Any, frame: Frame) -> Left:
        self.assign(node.target, value, frame)
        return self.block(node.body, frame)

    def _rounds(
        self, items: Sequence[Item], run: Callable[[Any], Left], body: Sequence[ast.stmt], frame: Frame
    ) -> Left:
        for number, item in enumerate(items):
            if isinstance(item, Loop):
                self._symbolic_round(item, run, body, frame)
                continue
            if isinstance(item, Maybe):
                self.under(item.condition, lambda: self._rounds(item.items, run, body, frame))  # noqa: B023 — at once
                continue
            left = run(item.value)
            gone = terms.either(left.returned, left.broken)
            if gone == FALSE:
                continue
            if gone == TRUE:
                return Left(returned=left.returned)
            rest = items[number + 1 :]
            later = self.under(terms.negate(gone), lambda: self._rounds(rest, run, body, frame))  # noqa: B023 — at once
            stay = terms.negate(gone)
            return Left(returned=terms.either(left.returned, terms.both(stay, later.returned)))
        return STAYED

    def _symbolic_round(self, loop: Loop, run: Callable[[Any], Left], body: Sequence[ast.stmt], frame: Frame) -> None:
        self.counts[loop.index] = loop.count
        index: Term = ("i", loop.index)
        variables = frame.variables
        carried: dict[str, tuple[int, Any]] = {}
        for name in _assigned(body):
            if is_scalar(variables.get(name, UNSET)):
                number = self.new_number()
                carried[name] = (number, variables[name])

        def once() -> None:
            for name, (number, start) in carried.items():
                self.journal.write(
                    variables, name, Sym(("carry", number, index), kinds_of(start) - {"null"} or kinds_of(start))
                )
            left = self._rounds(loop.items, run, body, frame)
            if terms.either(left.returned, left.broken) != FALSE:
                raise Unsupported("a loop over symbols that is left early")

        self.loops.append(loop.index)
        try:
            _, effects = self.journal.attempt(once)
        finally:
            self.loops.pop()
        finals = self._settle(loop, carried, effects)
        for cell, key, value in effects.values():
            old = cell.get(key, UNSET)
            if cell is variables and key in finals:
                self.journal.write(cell, key, finals[key])
            elif key == "items" and isinstance(value, tuple):
                size = len(old) if old is not UNSET and value[: len(old)] == old else 0
                self.journal.write(cell, key, (*value[:size], Loop(loop.index, loop.count, value[size:])))
            elif _mentions(key, loop.index):
                self.journal.write(cell, key, value)
            else:
                last = self._last(value, loop)
                exists = terms.compare(">", loop.count, terms.ZERO)
                # A name that is set in a loop and read behind it is there: the loop had a round.
                self.journal.write(cell, key, last if old is UNSET else ite(exists, last, old))

    def _last(self, value: Any, loop: Loop) -> Any:
        if not is_scalar(value):
            return value
        last = terms.binary("-", loop.count, terms.ONE)
        term = terms.substitute(term_of(value), {("i", loop.index): last})
        return term[2] if terms.is_const(term) else Sym(term, kinds_of(value))

    def _settle(self, loop: Loop, carried: dict[str, tuple[int, Any]], effects: Any) -> dict[Any, Any]:
        """Closed forms of variables that go from one round of a loop into the next; their values after the loop."""
        index: Term = ("i", loop.index)
        values = {key: value for cell, key, value in effects.values() if not isinstance(key, tuple)}
        finals: dict[Any, Any] = {}
        for name, (number, start) in carried.items():
            value = values.get(name, UNSET)
            mine: Term = ("carry", number, index)
            if not is_scalar(value):
                finals[name] = value if not isinstance(value, Opaque) else value
                self.carried[number] = (loop.index, ("opaque", f"{name} in a loop"))
                continue
            begin, after = term_of(start), term_of(value)
            closed = _closed_form(begin, after, mine, index)
            self.carried[number] = (loop.index, closed or ("opaque", f"{name} in a loop"))
            at_end = terms.substitute(closed, {index: loop.count}) if closed else ("opaque", f"{name} after a loop")
            finals[name] = at_end[2] if terms.is_const(at_end) else Sym(at_end, kinds_of(value) | kinds_of(start))
        return finals

    def settled(self, term: Term) -> Term:
        """A term in which what loops carry along is replaced by its closed form."""
        if term[0] == "carry":
            index, closed = self.carried.get(term[1], (0, ("opaque", "a loop")))
            return self.settled(terms.substitute(closed, {("i", index): term[2]}))
        if term[0] in {"c", "v", "i", "opaque"}:
            return term
        return terms.rebuild(term, self.settled)

    # Targets

    def assign(self, target: ast.expr, value: Any, frame: Frame) -> None:
        match target:
            case ast.Name():
                owner = frame
                while target.id not in owner.variables and owner.parent is not None and _is_nonlocal(target.id, owner):
                    owner = owner.parent
                self.journal.write(owner.variables, target.id, value)
            case ast.Tuple() | ast.List():
                self._unpack(target.elts, value, frame)
            case ast.Attribute():
                self.set_attribute(self.evaluate(target.value, frame), target.attr, value)
            case ast.Subscript():
                self.set_item(self.evaluate(target.value, frame), self.evaluate(target.slice, frame), value)
            case ast.Starred():
                self.assign(target.value, value, frame)
            case _:
                raise Unsupported(f"the target {type(target).__name__}")

    def _unpack(self, targets: Sequence[ast.expr], value: Any, frame: Frame) -> None:
        value = self.journal.resolve(value)
        for position, target in enumerate(targets):
            if isinstance(value, Opaque):
                self.assign(target, value, frame)
            elif isinstance(value, Choice):
                picked = ite(value.condition, self.get_item(value.then, position), self.get_item(value.other, position))
                self.assign(target, picked, frame)
            else:
                self.assign(target, self.get_item(value, position), frame)

    def delete(self, target: ast.expr, frame: Frame) -> None:
        match target:
            case ast.Name():
                self.journal.write(frame.variables, target.id, UNSET)
            case ast.Attribute():
                owner = self.journal.resolve(self.evaluate(target.value, frame))
                if isinstance(owner, (Obj, Config)):
                    self.journal.write(owner.attrs, target.attr, UNSET)
            case ast.Subscript():
                container = self.journal.resolve(self.evaluate(target.value, frame))
                if not isinstance(container, Dict):
                    raise Unsupported("an item that is deleted")
                self.journal.write(container.cell, self.evaluate(target.slice, frame), UNSET)
            case _:
                raise Unsupported("del")

    def _augmented(self, node: ast.AugAssign, frame: Frame) -> None:
        current = self.evaluate(_as_load(node.target), frame)
        value = self.evaluate(node.value, frame)
        resolved = self.journal.resolve(current)
        if isinstance(resolved, List) and isinstance(node.op, ast.Add):
            self.extend(resolved, value)
            return
        if not isinstance(resolved, Tensor):  # torch adds in place: it stays the parameter or buffer that it was
            self.assign(node.target, self.operate(node.op, current, value), frame)

    def _import(self, node: ast.Import | ast.ImportFrom, frame: Frame) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                module = importlib.import_module(alias.name)
                name = alias.asname or alias.name.partition(".")[0]
                self.journal.write(frame.variables, name, module if alias.asname else importlib.import_module(name))
            return
        package = frame.scope.get("__package__", "")
        module = importlib.import_module("." * node.level + (node.module or ""), package if node.level else None)
        for alias in node.names:
            value = getattr(module, alias.name, UNSET)
            if value is UNSET:
                value = importlib.import_module(f"{module.__name__}.{alias.name}")
            self.journal.write(frame.variables, alias.asname or alias.name, value)

    def lookup(self, name: str, frame: Any) -> Any:
        scope: Frame | None = frame
        while scope is not None:
            if name in scope.variables:
                return self.journal.resolve(scope.variables[name])
            scope = scope.parent
        if name in frame.scope:
            return frame.scope[name]
        if hasattr(builtins, name):
            return getattr(builtins, name)
        raise Unsupported(f"the name {name} is not bound")


def _closed_form(begin: Term, after: Term, mine: Term, index: Term) -> Term | None:
    """What a variable holds when round `index` begins, from what it holds after a round; None where it is not known."""
    if after == mine:
        return begin
    if mine not in terms.parts(after):
        before = terms.substitute(after, {index: terms.binary("-", index, terms.ONE)})
        return terms.choose(terms.compare("==", index, terms.ZERO), begin, before)
    if after[0] in {"+", "-", "*", "//"} and after[1] == mine:
        step = after[2]
    elif after[0] in {"+", "*"} and after[2] == mine:
        step = after[1]
    else:
        return None
    if mine in terms.parts(step):
        return None
    free = index not in terms.parts(step) and not any(part[0] == "carry" for part in terms.parts(step))
    if after[0] in {"+", "-"}:
        if free:
            return terms.binary(after[0], begin, terms.binary("*", index, step))
        if any(part[0] == "carry" for part in terms.parts(step)):
            return None
        total = terms.call("sum", ("each", index[1], index, step))
        # The bound variable of `each` takes the place of the index, so the count needs a name of its own.
        return terms.binary(after[0], begin, _rename(total, index))
    return terms.binary(after[0], begin, terms.binary("**", step, index)) if free else None


_fresh = iter(range(1_000_000, 2_000_000))


def _rename(total: Term, index: Term) -> Term:
    _, name, (_, _, count, body) = total
    bound = next(_fresh)
    return ("f", name, ("each", bound, count, terms.substitute(body, {index: ("i", bound)})))


def _assigned(body: Sequence[ast.stmt]) -> list[str]:
    """Names of variables that a block sets, in order."""
    names = [
        node.id
        for statement in body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    return list(dict.fromkeys(names))


def _mentions(key: Any, index: int) -> bool:
    return isinstance(key, Sym) and ("i", index) in terms.parts(key.term)


def _is_nonlocal(name: str, frame: Frame) -> bool:
    del name, frame
    return False


def _as_load(target: ast.expr) -> ast.expr:
    match target:
        case ast.Name():
            return ast.Name(target.id, ast.Load())
        case ast.Attribute():
            return ast.Attribute(target.value, target.attr, ast.Load())
        case ast.Subscript():
            return ast.Subscript(target.value, target.slice, ast.Load())
    return target


__all__ = ["Check", "Frame", "Interpreter", "Plain", "Raised", "Unsupported"]
