"""A pickle imports something that hfcheck does not know.

## What it finds
Names that a pickle imports and that are neither on torch's own list for weights, nor among the classes of libraries
whose construction was read, nor known to be dangerous. One finding for each package that they come from. So is a class
of a library that is called, where only the making of an empty object of it is known; and a pickle with so many names
that not all of them can be judged. A warning where only `pickle.load` would import it, from the arrays in a file of
joblib.

## Why it matters
To import a module already runs its code, and what is called may do anything: `pickle.load`, `joblib.load` and
`torch.load(weights_only=False)` ask nobody. Lists of what is forbidden have been got around again and again, by
modules that nobody had thought of: https://github.com/advisories/GHSA-f7qq-56ww-84cr ,
https://github.com/protectai/modelscan/issues/338 . So the verdict goes by the exact name and not by what is installed
here: the same bytes are judged alike on every machine.

## How to put it right
Save the weights alone, as safetensors or as a state dict. If the class is your own, publish its code and build the
object from plain data. Load the file only if you trust its author as you would trust a program of theirs.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from hfcheck.example import Example, TorchZip
from hfcheck.example_pickles import call, imports, joblib_array, pickle, torch_zip
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickle_values import How
from hfcheck.pickle_judged import FULL, INSTEAD, Imported, Judged, streams
from hfcheck.pickle_tiers import Tier
from hfcheck.pickle_wording import listed, rendered
from hfcheck.rule import Rule

SHOWN = 20
"""Packages of one pickle that have a finding of their own."""


class UnknownGlobal(Rule):
    id = "PKL001"
    name = "unknown-global"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = "Do not load the file unless you would run a program of its author; ask for the weights as safetensors."
    bad = (
        Example(
            "a call into a package of the author's",
            {"model.pkl": call("my_package.helpers", "greet", "hfcheck-marker")},
            at=(At("model.pkl"),),
        ),
        Example(
            "an import alone, in a file of torch.save",
            {"pytorch_model.bin": torch_zip(imports("my_package.net Net"))},
            at=(At("pytorch_model.bin", member="archive/data.pkl"),),
        ),
        Example(
            "names of two packages, several of one of them",
            {"a.pkl": imports("first Net", "first.layers Norm", "second Tokenizer")},
            at=(At("a.pkl"), At("a.pkl")),
        ),
        Example(
            "what looks like a name of a known library",
            {"a.pkl": imports("numpy.core.multiarray reconstruct")},
            at=(At("a.pkl"),),
        ),
        Example(
            "in the bytes of an array of joblib, which pickle.load takes for opcodes: a warning",
            {"a.joblib": pickle(*joblib_array(b"cmy_package\nNet\n"))},
            at=(At("a.joblib"),),
        ),
    )
    good = (
        Example("a state dict", {"pytorch_model.bin": TorchZip({"a": ("F16", [2, 3])})}),
        Example("a class of a library, which is PKL003", {"a.pkl": imports("collections defaultdict")}, near_miss=True),
        Example("a dangerous name, which is PKL002", {"a.pkl": call("os", "getcwd")}, near_miss=True),
        Example(
            "the names in strings", {"a.pkl": pickle("BINUNICODE my_package.helpers.greet", "TUPLE1")}, near_miss=True
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for pickles in streams(facts):
            packages = list(_packages(pickles).values())
            for uses in packages[:SHOWN]:
                found, offset = uses[0].found, uses[0].imported.use.offset
                yield self.finding(found.at(offset), f"{_message(uses)}, {found.where(offset)}")
            if len(packages) > SHOWN:
                found, offset = packages[SHOWN][0].found, packages[SHOWN][0].imported.use.offset
                more = f"{len(packages) - SHOWN} further packages that hfcheck does not know"
                message = f"{found.reader} imports names of {more}, {found.where(offset)}"
                yield self.finding(found.at(offset), message)
            yield from self._doubtful(pickles)
            for found in pickles:
                if found.is_full:
                    message = (
                        f"more than {FULL} different names are imported or called, and not all of them were judged"
                    )
                    yield self.finding(found.at(found.pickle.offset), message)

    def _doubtful(self, pickles: list[Judged]) -> Iterator[Finding]:
        """One warning: by chance the bytes of numbers look like an import now and then."""
        uses = [(found, imported) for found in pickles for imported in found.doubtful(Tier.UNKNOWN)]
        if uses:
            found, offset = uses[0][0], uses[0][1].use.offset
            names = listed(imported.name for _, imported in uses)
            message = f"{INSTEAD} imports {names}, and hfcheck knows nothing of it, {found.where(offset)}"
            yield self.finding(found.at(offset), message, severity=Severity.WARNING)


@dataclass(frozen=True, slots=True)
class _Use:
    found: Judged
    imported: Imported


def _packages(pickles: list[Judged]) -> dict[str, list[_Use]]:
    """What is not known, by package, each name once. A name with a dot and a computed one have rules of their own."""
    packages: dict[str, dict[str, _Use]] = {}
    for found in pickles:
        for imported in found.of(Tier.UNKNOWN):
            use = imported.use
            if use.how is not How.EXTENSION and imported.is_named and "." not in (use.name or ""):
                packages.setdefault(imported.package, {}).setdefault(imported.name, _Use(found, imported))
    return {package: list(uses.values()) for package, uses in packages.items()}


def _message(uses: list[_Use]) -> str:
    first, reader = uses[0].imported, uses[0].found.reader
    if len(uses) > 1:
        called = sum(use.imported.call is not None for use in uses)
        names = listed(use.imported.name for use in uses)
        return f"{reader} imports {names} and calls {called or 'none'} of them, and hfcheck knows nothing of these"
    if first.call is None:
        return f"{reader} imports {first.name}, and hfcheck knows nothing of it"
    call_ = rendered(first.call.call)
    if first.overstepped:
        return f"{reader} calls {call_}, and hfcheck only knows that an empty object of this class does no harm"
    return f"{reader} calls {call_}{first.today}, and hfcheck knows nothing of it"
