"""Statements: constructors are run on symbols, both branches of what cannot be decided."""

import ast
import builtins
import contextlib
import importlib
import inspect
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

from tools.atlas.symbolic import terms
from tools.atlas.symbolic.frames import STAYED, Frame, Left
from tools.atlas.symbolic.journal import ite
from tools.atlas.symbolic.loops import Loops
from tools.atlas.symbolic.source import function_tree
from tools.atlas.symbolic.stops import Endless, Raised, Unsupported
from tools.atlas.symbolic.terms import FALSE, TRUE, Term
from tools.atlas.symbolic.values import (
    UNSET,
    Choice,
    Closure,
    Config,
    Dict,
    List,
    Obj,
    Opaque,
    Tensor,
)

MAX_DEPTH = 60


MAX_STEPS = 10_000
"""Statements: ordinary constructors take some hundreds, a few repeat themselves without end."""


class Interpreter(Loops):
    """Runs functions of transformers on symbols. One interpreter serves one construction."""

    def __init__(self, interpreted: tuple[str, ...] = ("transformers",)) -> None:
        super().__init__(interpreted)
        self.depth = 0
        self.steps_taken = 0

    def run_function(self, function: FunctionType, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        node = function_tree(function)
        function = inspect.unwrap(function)
        if node is None:
            return Opaque(f"no source of {function.__qualname__}")
        closed = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=False))
        variables: dict[Any, Any] = {}
        for name, cell in closed.items():
            with contextlib.suppress(ValueError):  # a cell that nothing was put into yet
                variables[name] = cell.cell_contents
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

    def statement(self, node: ast.stmt, frame: Frame) -> Left:
        self.steps_taken += 1
        if self.steps_taken > MAX_STEPS:
            raise Endless(f"it takes more than {MAX_STEPS} steps")
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
                    if node.handlers[0].name is not None:
                        self.journal.write(frame.variables, node.handlers[0].name, Opaque("an import that failed"))
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

    def _if(self, node: ast.If, frame: Frame) -> Left:
        condition = self.truth(self.evaluate(node.test, frame))
        if terms.is_const(condition):
            return self.block(node.body if condition[2] else node.orelse, frame)
        return self.merged(condition, node, frame)

    def merged(self, condition: Term, node: ast.If, frame: Frame) -> Left:
        """Both sides of an `if` that is not decided; a side that raises is a condition for the other."""
        a, b = self.either_way(condition, lambda: self.block(node.body, frame), lambda: self.block(node.orelse, frame))
        if isinstance(a, Raised) or isinstance(b, Raised):
            stayed = b if isinstance(a, Raised) else a
            assert isinstance(stayed, Left)  # noqa: S101 — where both raise, `either_way` does
            return stayed
        sides = ((a.returned, b.returned), (a.continued, b.continued), (a.broken, b.broken))
        return Left(*(terms.choose(condition, then, other) for then, other in sides))

    def assign(self, target: ast.expr, value: Any, frame: Frame) -> None:
        match target:
            case ast.Name():
                self.journal.write(frame.variables, target.id, value)
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

    def lookup(self, name: str, frame: Frame) -> Any:
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


def _as_load(target: ast.expr) -> ast.expr:
    match target:
        case ast.Name():
            return ast.Name(target.id, ast.Load())
        case ast.Attribute():
            return ast.Attribute(target.value, target.attr, ast.Load())
        case ast.Subscript():
            return ast.Subscript(target.value, target.slice, ast.Load())
    return target
