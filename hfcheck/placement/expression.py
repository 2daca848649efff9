"""The keys of a device map as transformers matches them: one regular expression in which nothing is escaped."""

import re
import warnings
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

SYNTAX = frozenset("\\^$*+?{}[]|()")
"""Characters that mean something else to `re` than themselves, the dot apart."""

MAX_COMPILED = 10_000
"""Characters of keys that are handed to `re`, which only parses them here."""

MAX_STATES = 64
"""Places in the keys at once: more would be keys that differ in nothing but their dots."""

MAX_NODES = 300_000

_Node: TypeAlias = "dict[str, _Node | int]"
_END = ""


class TooCostly(Exception):
    """The keys are such that to match them would take time out of proportion."""


class _State(NamedTuple):
    """Where a beginning of a name has led to: places in the tree of keys, and the best key so far.

    Of the keys that match, that with most dots counts, and of these the longest; (-1, -1) is none.
    """

    nodes: tuple[_Node, ...]
    dots: int
    length: int


class Expression:
    """Matches names against keys as `re.match` would, of which a dot stands for any character but a line break.

    `expand_device_map` of transformers 5.23.0 (integrations/accelerate.py). Keys with `SYNTAX` are left out: they are
    never run as an expression. Time is in proportion to names and keys, not to their product. Raises TooCostly.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        root: _Node = {}
        best, nodes = (-1, -1), 0
        for key in keys:
            if not SYNTAX.isdisjoint(key):
                continue
            if not key:
                best = (0, 0)
                continue
            node = root
            for char in key:
                below = node.get(char)
                if not isinstance(below, dict):
                    nodes += 1
                    below = node[char] = {}
                node = below
            node[_END] = key.count(".")
            if nodes > MAX_NODES:
                raise TooCostly
        self._known = {"": _State((root,), *best)}

    def matched(self, name: str) -> str | None:
        """The part of a name that the expression matches; None where it does not."""
        parent = name.rpartition(".")[0]
        state = self._known.get(parent) or self._at(parent)
        if state.nodes:
            state = self._advanced(state, name[len(parent) :], len(parent))
        return name[: state.length] if state.length >= 0 else None

    def is_alone(self, key: str) -> bool:
        """Whether this key is what matches every name under it: no other one goes on there, or matches more."""
        state = self._advanced(self._at(key), ".", len(key))
        return not state.nodes and state.length == len(key)

    def _at(self, path: str) -> _State:
        """The state behind a path, kept for all names in it."""
        ends = [len(path)]
        while path[: ends[-1]] not in self._known:
            ends.append(max(path.rfind(".", 0, ends[-1]), 0))
        state, begin = self._known[path[: ends[-1]]], ends.pop()
        while ends:
            end = ends.pop()
            state = self._known[path[:end]] = self._advanced(state, path[begin:end], begin)
            begin = end
        return state

    @staticmethod
    def _advanced(state: _State, text: str, length: int) -> _State:
        nodes, dots, longest = state
        for char in text:
            if not nodes:
                break
            length += 1
            following: list[_Node] = []
            for node in nodes:
                for edge in (char,) if char in ".\n" else (char, "."):
                    below = node.get(edge)
                    if isinstance(below, dict):
                        following.append(below)
                        end = below.get(_END)
                        if isinstance(end, int) and (end, length) > (dots, longest):
                            dots, longest = end, length
            if len(following) > MAX_STATES:
                raise TooCostly
            nodes = tuple(following)
        return _State(nodes, dots, longest)


def compile_error(keys: Iterable[str]) -> str | None:
    """What `re` says of the keys with syntax; None where it takes them, or they are too long to ask."""
    odd = [key for key in keys if not SYNTAX.isdisjoint(key)]
    if not odd or sum(map(len, odd)) > MAX_COMPILED:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile("|".join(f"({key})" for key in odd))
    except (re.error, OverflowError, RecursionError) as error:
        return str(error) or type(error).__name__
    return None
