"""A pickle calls methods of an object that is no container.

## What it finds
The opcodes APPEND, APPENDS, SETITEM, SETITEMS and ADDITEMS on the result of a call of which hfcheck does not know that
it is a list, a dictionary or a set. One finding for each pickle and kind of object. A warning; an error where the
target was imported and not made, so that everybody shares it.

## Why it matters
The unpicklers call `append`, `extend`, `add` or `__setitem__` of whatever stands there, with what the file says: a
list of folders that Python imports from, the environment, a registry. The weights-only one of torch 2.13 does so for
lists and dictionaries only; that it once did not was https://github.com/advisories/GHSA-63cw-57p8-fm3p .

## How to put it right
Find out what wrote the file. Save plain lists and dictionaries.
"""

from collections.abc import Iterator

from hfcheck.example import Example
from hfcheck.example_pickles import pickle
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickle_facts import MethodUse
from hfcheck.formats.pickle_values import Call, Global
from hfcheck.pickle_assembler import opcode_name
from hfcheck.pickle_judged import Judged, is_loaded, judged
from hfcheck.pickle_tiers import Tier
from hfcheck.pickle_wording import rendered
from hfcheck.rule import Rule
from hfcheck.weights_only import TORCH

SHOWN = 20
BUILD = ord("b")

CONTAINERS = frozenset({
    ("__builtin__", "bytearray"), ("__builtin__", "dict"), ("__builtin__", "list"), ("__builtin__", "set"),
    ("builtins", "bytearray"), ("builtins", "dict"), ("builtins", "list"), ("builtins", "set"),
    ("collections", "Counter"), ("collections", "OrderedDict"), ("collections", "defaultdict"),
    ("collections", "deque"),
    ("sklearn.utils", "Bunch"), ("sklearn.utils._bunch", "Bunch"), ("torch", "Size"),
})  # fmt: skip
"""Lists, dictionaries, sets and classes derived from them."""

BASES = frozenset({"dict", "list", "set"})
"""Of `copyreg._reconstructor(class, base, state)`, with which protocols 0 and 1 make an object."""


class MethodOnResult(Rule):
    id = "PKL016"
    name = "method-on-result"
    severity = Severity.WARNING
    since = "0.1"
    confidence = "medium"
    hint = "Find out what wrote the file, and save plain lists and dictionaries."
    bad = (
        Example(
            "items for a date",
            {"a.pkl": pickle("GLOBAL datetime date", "EMPTY_TUPLE", "NEWOBJ", "NONE", "NONE", "SETITEM")},
            at=(At("a.pkl"),),
        ),
        Example(
            "something is added to a class, which is an error",
            {"a.pkl": pickle("GLOBAL collections OrderedDict", "NONE", "APPEND")},
            at=(At("a.pkl"),),
        ),
    )
    good = (
        Example("a list", {"a.pkl": pickle("EMPTY_LIST", "NONE", "APPEND")}),
        Example(
            "items of an ordered dictionary",
            {"a.pkl": pickle("GLOBAL collections OrderedDict", "EMPTY_TUPLE", "REDUCE", "NONE", "NONE", "SETITEM")},
            near_miss=True,
        ),
        Example(
            "a queue",
            {"a.pkl": pickle("GLOBAL collections deque", "EMPTY_TUPLE", "REDUCE", "MARK", "NONE", "APPENDS")},
            near_miss=True,
        ),
        Example(
            "a class that nobody knows is PKL001",
            {"a.pkl": pickle("GLOBAL my_package Items", "EMPTY_TUPLE", "NEWOBJ", "NONE", "APPEND")},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for found in judged(facts):
            loaded = found.pickle.consumer in TORCH and is_loaded(facts, found.path)
            uses = [use for use in found.pickle.methods if use.opcode != BUILD and _is_odd(use, found)]
            for use in uses[:SHOWN]:
                if loaded and not isinstance(use.target, Global):
                    continue  # PKL017: the weights are refused for it
                what = f"{rendered(use.target)}, by {opcode_name(use.opcode)} with {rendered(use.argument)}"
                message = f"{found.reader} puts something into what is no container, {found.where(use.offset)}: {what}"
                severity = Severity.ERROR if isinstance(use.target, Global) else Severity.WARNING
                yield self.finding(found.at(use.offset), message, severity=severity)


def _is_odd(use: MethodUse, found: Judged) -> bool:
    target = use.target
    if not isinstance(target, Call):
        return not (isinstance(target, Global) and target.doubtful)
    callee = target.callee
    if not isinstance(callee, Global) or _is_container(target, callee):
        return False  # PKL008 has those that call what is no import
    # Of what is not known PKL001 speaks, and of what is dangerous PKL002.
    return any(i.use.module == callee.module and i.use.name == callee.name for i in found.of(Tier.DATA, Tier.LIBRARY))


def _is_container(made: Call, callee: Global) -> bool:
    if callee.key in CONTAINERS:
        return True
    args = made.args if isinstance(made.args, tuple) else ()
    base = args[1] if callee.name == "_reconstructor" and len(args) > 1 else None
    return isinstance(base, Global) and base.name in BASES
