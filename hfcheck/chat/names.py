"""What the names in a template stand for: which are the messages, the message at hand, its role and its content.

Without regard to the order of the statements: a name stands for everything that is assigned to it anywhere.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from jinja2 import nodes

from hfcheck.chat.parse import walk

MAX_DEPTH = 40
"""How deep expressions are followed, names included."""

GIVEN_NOTHING = frozenset({"tools", "documents", "add_generation_prompt", "continue_final_message"})
"""Variables that are there and are false, or none, where a finished conversation is formatted."""

SPECIAL = frozenset({
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
})  # fmt: skip
GLOBALS = frozenset({
    "raise_exception", "strftime_now", "namespace", "dict", "range", "lipsum", "cycler", "joiner", "loop", "caller",
    "varargs", "kwargs", "self",
})  # fmt: skip
PREDICATES = frozenset(
    {"startswith", "endswith", "isdigit", "count", "find", "index", "items", "keys", "append", "pop"}
)


class Kind(Enum):
    """What an expression is about."""

    MESSAGES = "the conversation"
    MESSAGE = "the message at hand"
    FIRST = "a certain other message"
    ROLE = "its role"
    CONTENT = "text of its content"
    ABSENT = "a field that it does not have"


Body = list[nodes.Node]


@dataclass(frozen=True)
class Names:
    """`assigned` has the expressions, and the bodies of blocks, that give each name a value; `ns.x` is a name too."""

    assigned: dict[str, list[nodes.Node | Body]] = field(default_factory=dict)
    looped: dict[str, list[nodes.Node]] = field(default_factory=dict)
    macros: dict[str, nodes.Macro] = field(default_factory=dict)
    loaded: set[str] = field(default_factory=set)
    literals: list[str] = field(default_factory=list)
    known: dict[str, "frozenset[Any] | None"] = field(default_factory=dict)
    """The values of names that `hfcheck.chat.truth` has looked up."""
    _memory: dict[str, "Kind | None"] = field(default_factory=dict)

    @property
    def needed(self) -> frozenset[str]:
        """The variables that the template reads and does not set itself."""
        own = {*self.assigned, *self.looped, *self.macros}
        return frozenset(self.loaded - own - GLOBALS)

    def kind(self, node: nodes.Node, depth: int = 0) -> Kind | None:
        """What an expression is about; None for something else, or where it is not known."""
        if depth > MAX_DEPTH:
            return None
        if isinstance(node, nodes.Name):
            return self._of_name(node.name, depth)
        if isinstance(node, nodes.Getattr):
            return self._of_field(node.node, node.attr, depth)
        if isinstance(node, nodes.Getitem):
            key = node.arg
            if isinstance(key, nodes.Const) and isinstance(key.value, str):
                return self._of_field(node.node, key.value, depth)
            return self._of_item(node, depth)
        if isinstance(node, nodes.Call):
            return self._of_call(node, depth)
        if isinstance(node, nodes.Filter):
            inner = self.kind(node.node, depth + 1) if node.node is not None else None
            return None if node.name in ("length", "count") else inner
        parts = operands(node)
        kinds = {self.kind(part, depth + 1) for part in parts}
        return next((kind for kind in (Kind.CONTENT, Kind.MESSAGE, Kind.MESSAGES, Kind.ROLE) if kind in kinds), None)

    def attribute(self, node: nodes.Node) -> str | None:
        """The name of an attribute of a namespace, where the expression is one that is assigned somewhere."""
        if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
            name = f"{node.node.name}.{node.attr}"
            return name if name in self.assigned else None
        return None

    def _of_name(self, name: str, depth: int) -> Kind | None:
        if name == "messages":
            return Kind.MESSAGES
        if name in self._memory:
            return self._memory[name]
        self._memory[name] = None  # while it is looked up, and for a circle
        found: Kind | None = None
        for iterated in self.looped.get(name, ()):
            of = self.kind(iterated, depth + 1)
            found = found or {Kind.MESSAGES: Kind.MESSAGE, Kind.CONTENT: Kind.CONTENT}.get(of)  # type: ignore[arg-type]
        for value in self.assigned.get(name, ()):
            if isinstance(value, nodes.Node):
                found = found or self.kind(value, depth + 1)
        self._memory[name] = found
        return found

    def _of_field(self, base: nodes.Node, key: str, depth: int) -> Kind | None:
        if isinstance(base, nodes.Name) and f"{base.name}.{key}" in self.assigned:
            return self._of_name(f"{base.name}.{key}", depth)
        of = self.kind(base, depth + 1)
        if of is Kind.MESSAGE:
            return {"content": Kind.CONTENT, "role": Kind.ROLE}.get(key, Kind.ABSENT)
        return of if of in (Kind.CONTENT, Kind.ABSENT, Kind.FIRST) else None

    def _of_item(self, node: nodes.Getitem, depth: int) -> Kind | None:
        of = self.kind(node.node, depth + 1)
        if of is not Kind.MESSAGES:
            return of if of in (Kind.CONTENT, Kind.ABSENT) else None
        if isinstance(node.arg, nodes.Slice):
            return of
        return Kind.FIRST if isinstance(node.arg, nodes.Const | nodes.Neg) else Kind.MESSAGE

    def _of_call(self, node: nodes.Call, depth: int) -> Kind | None:
        called = node.node
        if isinstance(called, nodes.Getattr):
            if called.attr == "get" and node.args and isinstance(node.args[0], nodes.Const):
                return self._of_field(called.node, str(node.args[0].value), depth)
            return None if called.attr in PREDICATES else self.kind(called.node, depth + 1)
        if isinstance(called, nodes.Name) and called.name not in ("range", "raise_exception", "namespace"):
            kinds = {self.kind(argument, depth + 1) for argument in node.args}
            return Kind.CONTENT if kinds & {Kind.CONTENT, Kind.MESSAGE} else None
        return None


def operands(node: nodes.Node) -> list[nodes.Expr]:
    """The parts of a text that is put together, or of a choice between texts, in order; empty for any other."""
    if isinstance(node, nodes.Add):
        found: list[nodes.Expr] = []
        current: nodes.Expr = node
        while isinstance(current, nodes.Add):
            found.append(current.right)
            current = current.left
        return [current, *reversed(found)]
    if isinstance(node, nodes.Concat):
        return node.nodes
    if isinstance(node, nodes.CondExpr):
        return [node.expr1, *([node.expr2] if node.expr2 is not None else [])]
    if isinstance(node, nodes.Or | nodes.And):
        return [node.left, node.right]
    if isinstance(node, nodes.Mod):
        return [node.left, node.right]
    if isinstance(node, nodes.Tuple | nodes.List):
        return node.items
    return []


def names(tree: nodes.Template) -> Names:
    """The names of a template."""
    found = Names()
    calls: list[nodes.Call] = []
    for node, _ in walk(tree):
        _note(found, node)
        if isinstance(node, nodes.Call):
            calls.append(node)
    for call in calls:
        _bind(found, call)
    return found


def _note(found: Names, node: nodes.Node) -> None:
    if isinstance(node, nodes.Assign | nodes.AssignBlock):
        assign(found, node.target, node.node if isinstance(node, nodes.Assign) else node.body)
    elif isinstance(node, nodes.With):
        for target, value in zip(node.targets, node.values, strict=False):
            assign(found, target, value)
    elif isinstance(node, nodes.For):
        _loop(found, node)
    elif isinstance(node, nodes.Macro):
        found.macros[node.name] = node
    elif isinstance(node, nodes.Name) and node.ctx == "load":
        found.loaded.add(node.name)
    elif isinstance(node, nodes.TemplateData):
        found.literals.append(node.data)
    elif isinstance(node, nodes.Const) and isinstance(node.value, str):
        found.literals.append(node.value)


def _loop(found: Names, node: nodes.For) -> None:
    targets = node.target.items if isinstance(node.target, nodes.Tuple) else [node.target]
    for target in targets:
        if isinstance(target, nodes.Name):  # of several, nothing is known
            found.looped.setdefault(target.name, []).extend([node.iter] if len(targets) == 1 else [])


def assign(found: Names, target: nodes.Node, value: nodes.Node | Body) -> None:
    """Note what a statement assigns."""
    if isinstance(target, nodes.NSRef):
        found.assigned.setdefault(f"{target.name}.{target.attr}", []).append(value)
    elif isinstance(target, nodes.Name):
        found.assigned.setdefault(target.name, []).append(value)
        if isinstance(value, nodes.Call) and isinstance(value.node, nodes.Name) and value.node.name == "namespace":
            for keyword in value.kwargs:
                found.assigned.setdefault(f"{target.name}.{keyword.key}", []).append(keyword.value)
    elif isinstance(target, nodes.Tuple):
        values: list[nodes.Expr | None] = [None] * len(target.items)
        if isinstance(value, nodes.Tuple):
            values = [*value.items]
        for one, its in zip(target.items, values, strict=False):
            if isinstance(one, nodes.Name):
                found.assigned.setdefault(one.name, []).extend([its] if its is not None else [])


def _bind(found: Names, call: nodes.Call) -> None:
    """Parameters of a macro stand for the arguments of every call of it."""
    macro = found.macros.get(call.node.name) if isinstance(call.node, nodes.Name) else None
    if macro is None:
        return
    for parameter, argument in zip(macro.args, call.args, strict=False):
        found.assigned.setdefault(parameter.name, []).append(argument)
    for keyword in call.kwargs:
        found.assigned.setdefault(keyword.key, []).append(keyword.value)
    for parameter, default in zip(reversed(macro.args), reversed(macro.defaults), strict=False):
        found.assigned.setdefault(parameter.name, []).append(default)
