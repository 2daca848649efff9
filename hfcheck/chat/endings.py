"""What can follow the content of an answer up to the end of its turn: the tree is followed, path by path.

A path keeps only what comes after the last text of the content. Where a condition is not known, both ways are taken.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from jinja2 import nodes

from hfcheck.chat.ending import UNKNOWN, Ending, Piece, Variable
from hfcheck.chat.names import MAX_DEPTH, SPECIAL, Kind, Names, assign, operands
from hfcheck.chat.parse import TemplateFault, walk
from hfcheck.chat.truth import truth

MAX_STEPS = 20_000
MAX_PATHS = 64
MAX_VALUES = 32
"""Values of one name that are followed; of one that has more, nothing is known."""
KEPT = 512
"""Characters of a piece of text that are kept, the last ones."""
PIECES = 16


@dataclass(frozen=True, slots=True)
class Path:
    """What was written since the content, if there was any yet."""

    seen: bool = False
    pieces: Ending = ()

    def plus(self, piece: Piece) -> "Path":
        if not self.seen or piece == "":
            return self
        last = self.pieces[-1] if self.pieces else None
        if isinstance(piece, str) and isinstance(last, str):
            return Path(seen=True, pieces=(*self.pieces[:-1], (last + piece)[-KEPT:]))
        return Path(seen=True, pieces=(*self.pieces[1 - PIECES :], piece[-KEPT:] if isinstance(piece, str) else piece))


Paths = frozenset[Path]
Value = nodes.Node | list[nodes.Node]
START = Path()


@dataclass
class Follow:
    """Follows the statements of one template; raises TemplateFault where that takes too long."""

    names: Names
    reached: Mapping[str, list[Value]] = field(default_factory=dict)
    """What is assigned to a name where an answer of the assistant comes by; others of its values are left out."""
    steps: int = 0
    left: set[Path] = field(default_factory=set)
    """Paths that left the body of a loop early."""
    calls: list[str] = field(default_factory=list)
    holds: dict[int, bool | None] = field(default_factory=dict)
    """Conditions that were judged already, by their `id`: the tree lives as long as this."""
    before: dict[str, list[Value]] = field(default_factory=dict)

    def body(self, paths: Paths, statements: Iterable[nodes.Node]) -> Paths:
        for statement in statements:
            if not paths:
                break
            paths = self._limited(self._statement(paths, statement))
        return paths

    def _limited(self, paths: Paths) -> Paths:
        self.steps += 1 + len(paths)
        if self.steps > MAX_STEPS or len(self.calls) > MAX_DEPTH:
            raise TemplateFault(f"more than {MAX_STEPS} steps", budget="template.steps")
        if len(paths) > MAX_PATHS:
            raise TemplateFault(f"more than {MAX_PATHS} ways through it", budget="template.paths")
        return paths

    def _statement(self, paths: Paths, node: nodes.Node) -> Paths:
        if isinstance(node, nodes.Output):
            for one in node.nodes:
                paths = self._limited(self.text(paths, one))
            return paths
        if isinstance(node, nodes.If):
            return self._if(paths, node)
        if isinstance(node, nodes.For):
            return self._for(paths, node)
        if isinstance(node, nodes.Break | nodes.Continue):
            self.left |= paths
            return frozenset()
        if isinstance(node, nodes.ExprStmt):
            return paths
        if isinstance(node, nodes.Macro | nodes.Assign | nodes.AssignBlock):
            return paths
        inner = getattr(node, "body", None)
        return self.body(paths, inner) if isinstance(inner, list) else paths

    def _if(self, paths: Paths, node: nodes.If) -> Paths:
        found: Paths = frozenset()
        for branch in (node, *node.elif_):
            holds = self._judged(branch.test)
            if holds is not False:
                found |= self.body(paths, branch.body)
            if holds is True:
                return found
        return found | self.body(paths, node.else_)

    def _for(self, paths: Paths, node: nodes.For) -> Paths:
        before, self.left = self.left, set()
        try:
            if self.names.kind(node.iter) is Kind.MESSAGES:
                answered = self.body(frozenset({START}), node.body) | self.left
                answered = frozenset(path for path in answered if path.seen)
                return answered or paths
            once = self.body(paths, node.body) | self.left
            self.left = set()
            return paths | once | self.body(frozenset(once), node.body) | self.left
        finally:
            self.left = before

    def text(self, paths: Paths, node: Value, depth: int = 0) -> Paths:
        """The paths after the value of an expression was written."""
        if depth > MAX_DEPTH:
            return self._known(paths, node)
        if isinstance(node, list):
            return self.body(paths, node)
        if isinstance(node, nodes.TemplateData | nodes.Const):
            return plus(paths, node.data if isinstance(node, nodes.TemplateData) else str(node.value))
        if isinstance(node, nodes.Add | nodes.Concat):
            for part in operands(node):
                paths = self._limited(self.text(paths, part, depth + 1))
            return paths
        if isinstance(node, nodes.CondExpr | nodes.Or | nodes.And):
            return self._choice(paths, node, depth)
        return self._value(paths, node, depth)

    def _choice(self, paths: Paths, node: nodes.CondExpr | nodes.Or | nodes.And, depth: int) -> Paths:
        if not isinstance(node, nodes.CondExpr):
            return self._any(paths, [node.left, node.right], depth)
        holds = self._judged(node.test)
        chosen = [node.expr1] if holds is not False else []
        chosen += [node.expr2] if holds is not True and node.expr2 is not None else []
        return self._any(paths, chosen, depth) if chosen else paths

    def _value(self, paths: Paths, node: nodes.Node, depth: int) -> Paths:
        if isinstance(node, nodes.Name):
            return self._name(paths, node, depth)
        if isinstance(node, nodes.Call):
            return self._call(paths, node, depth)
        if isinstance(node, nodes.Filter) and node.node is not None and node.name in ("trim", "safe", "string"):
            return self.text(paths, node.node, depth + 1)
        attribute = self.names.attribute(node)
        return self._assigned(paths, attribute, depth) if attribute is not None else self._known(paths, node)

    def _any(self, paths: Paths, choices: Iterable[Value], depth: int) -> Paths:
        found: Paths = frozenset()
        for choice in choices:
            found |= self._limited(self.text(paths, choice, depth + 1))
        return found

    def _name(self, paths: Paths, node: nodes.Name, depth: int) -> Paths:
        if node.name in self.names.assigned:
            return self._assigned(paths, node.name, depth)
        if node.name in SPECIAL:
            return plus(paths, Variable(node.name))
        return self._known(paths, node)

    def _assigned(self, paths: Paths, name: str, depth: int) -> Paths:
        values = self.reached.get(name) or self.names.assigned[name]
        if name in self.calls:  # `content = content + "</s>"`: the value before
            values = [] if self.calls.count(name) > 1 else self._before(name, values)
        if not 0 < len(values) <= MAX_VALUES:
            return self._known(paths, nodes.Name(name, "load"))
        self.calls.append(name)
        try:
            return self._any(paths, values, depth)
        finally:
            self.calls.pop()

    def _judged(self, test: nodes.Node) -> bool | None:
        if id(test) not in self.holds:
            self.holds[id(test)] = truth(self.names, test)
        return self.holds[id(test)]

    def _before(self, name: str, values: list[Value]) -> list[Value]:
        """The values of a name that are not made from itself."""
        if name not in self.before:
            few = values if len(values) <= MAX_VALUES else []
            self.before[name] = [value for value in few if not _speaks_of(value, name)]
        return self.before[name]

    def _call(self, paths: Paths, node: nodes.Call, depth: int) -> Paths:
        called = node.node
        if isinstance(called, nodes.Name):
            if called.name == "raise_exception":
                return frozenset()
            macro = self.names.macros.get(called.name)
            if macro is not None and called.name not in self.calls:
                self.calls.append(called.name)
                try:
                    return self.body(paths, macro.body)
                finally:
                    self.calls.pop()
        elif isinstance(called, nodes.Getattr) and called.attr in ("strip", "lstrip", "rstrip"):
            return self.text(paths, called.node, depth + 1)
        return self._known(paths, node)

    def _known(self, paths: Paths, node: Value) -> Paths:
        kind = self.names.kind(node) if isinstance(node, nodes.Node) else None
        if kind is Kind.CONTENT:
            return frozenset({Path(seen=True)})
        if kind is Kind.ABSENT:
            return paths
        return plus(paths, "assistant" if kind is Kind.ROLE else UNKNOWN)


def plus(paths: Paths, piece: Piece) -> Paths:
    """The paths with one more piece of text."""
    return frozenset(path.plus(piece) for path in paths)


def endings(tree: nodes.Template, names: Names) -> frozenset[Ending]:
    """What can follow the content of an answer; empty where the template shows none, or it is not known."""
    paths = Follow(names, reached(tree, names)).body(frozenset({START}), tree.body)
    return frozenset(path.pieces for path in paths if path.seen)


def reached(tree: nodes.Template, names: Names) -> dict[str, list[Value]]:
    """The values of the names that are assigned on a way that an answer of the assistant can take."""
    found = Names()
    for node in _ways(tree.body, names):
        if isinstance(node, nodes.Assign | nodes.AssignBlock):
            assign(found, node.target, node.node if isinstance(node, nodes.Assign) else node.body)
    own = {parameter.name for macro in names.macros.values() for parameter in macro.args}
    return {name: values for name, values in found.assigned.items() if name not in own}


def _ways(statements: Iterable[nodes.Node], names: Names) -> Iterator[nodes.Node]:
    pending = [*statements]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, nodes.If):
            for branch in (node, *node.elif_):
                holds = truth(names, branch.test)
                pending += branch.body if holds is not False else []
                if holds is True:
                    break
            else:
                pending += node.else_
        else:
            pending += [child for child in node.iter_child_nodes() if isinstance(child, nodes.Stmt)]


def _speaks_of(value: Value, name: str) -> bool:
    within = (node for one in (value if isinstance(value, list) else [value]) for node, _ in walk(one))
    return any(isinstance(node, nodes.Name) and node.name == name for node in within)
