"""The syntax tree of a chat template, by jinja2's parser alone: nothing is compiled and nothing rendered.

The environment is that of transformers 5.23 (`utils/chat_template_utils.py`). jinja2's parser recurses, so brackets and
blocks are counted over its tokens before, which it makes one after the other.
"""

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment, nodes

MAX_CHARACTERS = 128 * 1024
"""The longest published chat template has 30 KB."""

MAX_TOKENS = 40_000
MAX_BRACKETS = 30
MAX_BLOCKS = 40
MAX_RUN = 30
"""Signs or `not` one behind the other, and `else` in one tag: the parser recurses for each."""

MAX_NODES = 50_000

OPENING = frozenset({"for", "if", "macro", "call", "filter", "with", "autoescape", "block", "generation"})


class TemplateFault(Exception):
    """No tree: what jinja2 says of the text, and its line. With a `budget` it is a limit of ours that was exceeded."""

    def __init__(self, message: str, line: int = 1, budget: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.budget = budget


def parse(text: str) -> "nodes.Template":
    """The tree of a template; raises TemplateFault."""
    from jinja2 import TemplateSyntaxError  # noqa: PLC0415 - only where there is a template
    from jinja2.parser import Parser  # noqa: PLC0415

    if len(text) > MAX_CHARACTERS:
        raise TemplateFault(f"more than {MAX_CHARACTERS} characters", budget="template.characters")
    try:
        _bounded(text)
        # `Environment.parse` is the same, and would make code for a traceback that nobody reads.
        tree = Parser(environment(), text).parse()
    except TemplateSyntaxError as error:
        raise TemplateFault(error.message or "", error.lineno) from None
    except RecursionError:
        raise TemplateFault("too deep", budget="template.depth") from None
    except (ValueError, OverflowError, UnicodeError, MemoryError) as error:  # a literal that Python does not take
        raise TemplateFault(str(error)) from None
    _known(tree)
    return tree


@cache
def environment() -> "Environment":
    """The environment in which transformers compiles chat templates, as far as a parser looks at it."""
    from jinja2 import Environment, nodes  # noqa: PLC0415
    from jinja2.ext import Extension, loopcontrols  # noqa: PLC0415
    from jinja2.parser import Parser  # noqa: PLC0415

    class Generation(Extension):
        """`{% generation %}`: the block around what the model has written itself."""

        tags = {"generation"}  # noqa: RUF012 - so says jinja2

        def parse(self, parser: Parser) -> nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.CallBlock(self.call_method("_generation_support"), [], [], body).set_lineno(line)

    return Environment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])  # noqa: S701


def walk(tree: "nodes.Node") -> Iterator[tuple["nodes.Node", bool]]:
    """Every node, without recursion, and whether it is in a branch that need not be taken."""
    pending = [(tree, False)]
    count = 0
    while pending:
        node, is_soft = pending.pop()
        if (count := count + 1) > MAX_NODES:
            raise TemplateFault(f"more than {MAX_NODES} nodes", budget="template.nodes")
        yield node, is_soft
        fields = reversed([*node.iter_fields()])
        pending.extend(
            (child, _is_soft(node, name, is_soft=is_soft)) for name, value in fields for child in _nodes(value)
        )


def _is_soft(node: "nodes.Node", field: str, *, is_soft: bool) -> bool:
    """Whether the compiler puts off what it does not know in this field: in a condition, up to the next scope."""
    from jinja2 import nodes  # noqa: PLC0415

    if isinstance(node, nodes.If | nodes.CondExpr):
        return True
    if isinstance(node, nodes.For | nodes.With | nodes.CallBlock):
        return is_soft and field in ("iter", "values", "targets", "target", "call")
    scopes = (nodes.Macro, nodes.FilterBlock, nodes.AssignBlock, nodes.Block, nodes.Scope)
    return is_soft and not isinstance(node, scopes)


def _nodes(value: object) -> list["nodes.Node"]:
    """The nodes in the value of a field, the last one first."""
    from jinja2 import nodes  # noqa: PLC0415

    return [one for one in reversed(value if isinstance(value, list) else [value]) if isinstance(one, nodes.Node)]


def _known(tree: "nodes.Node") -> None:
    """Raise where jinja2's compiler refuses a filter or a test: outside of a condition it has to know each of them."""
    from jinja2 import nodes  # noqa: PLC0415

    known = environment()
    for node, is_soft in walk(tree):
        if isinstance(node, nodes.Filter) and node.name not in known.filters and not is_soft:
            raise TemplateFault(f"No filter named {node.name!r}.", node.lineno)
        if isinstance(node, nodes.Test) and node.name not in known.tests and not is_soft:
            raise TemplateFault(f"No test named {node.name!r}.", node.lineno)


def _bounded(text: str) -> None:
    brackets = blocks = run = alternatives = count = 0
    begins = is_set = False
    for line, kind, value in environment().lex(text):
        if kind in ("whitespace", "data"):
            continue
        if (count := count + 1) > MAX_TOKENS:
            raise TemplateFault(f"more than {MAX_TOKENS} tokens", line, "template.tokens")
        if kind in ("block_begin", "variable_begin"):
            begins, is_set, run, alternatives = kind == "block_begin", False, 0, 0
            continue
        if kind == "name":
            if begins:
                blocks += (value in OPENING) - value.startswith("end")
                is_set = value == "set"
            alternatives += value == "else"
        elif kind == "block_end" and is_set:
            blocks += 1  # until an assignment was seen, it may be a block
        brackets += (kind == "operator" and value in "([{") - (kind == "operator" and value in ")]}")
        is_set = is_set and not (kind == "operator" and value == "=" and not brackets)
        run = run + 1 if value in ("-", "+", "not") else 0
        begins = False
        if brackets > MAX_BRACKETS or blocks > MAX_BLOCKS or max(run, alternatives) > MAX_RUN:
            raise TemplateFault("too deep", line, "template.depth")
