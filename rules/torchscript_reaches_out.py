"""The code in a TorchScript archive does more than compute.

## What it finds
Files below `code/` that import, that read or write files (`torch.save`, `from_file`), or that use operators of
libraries beside torch and torchvision. The code is parsed and never run. One finding for each file of code.

## Why it matters
`torch.jit.load` compiles this code and runs what belongs to loading; the rest runs with the first batch. It needs no
Python to write a file: `torch.save` is an operator. No argument of `torch.jit.load` holds it back, and `weights_only`
is not asked (https://github.com/pytorch/pytorch/blob/main/SECURITY.md#untrusted-models).

## How to put it right
Read the code before you load the archive, or load weights that come without code. If it is yours, export it again
without these calls.
"""

from collections.abc import Iterator

from hfcheck.example import Archive, Example
from hfcheck.example_pickles import imports, pickle
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickled import OddityKind
from hfcheck.pickle_judged import oddities, others
from hfcheck.rule import Rule

COMPUTES = "class M(Module):\n  def forward(self, x: Tensor) -> Tensor:\n    return torch.add(x, x)\n"
SAVES = (
    'class M(Module):\n  def forward(self, x: Tensor) -> Tensor:\n    torch.save(x, "hfcheck-marker")\n    return x\n'
)


def _script(code: str) -> Archive:
    data = pickle("GLOBAL __torch__ M", "EMPTY_TUPLE", "NEWOBJ")
    members = {"data.pkl": data, "constants.pkl": pickle("EMPTY_TUPLE"), "code/__torch__.py": code, "version": b"3\n"}
    return Archive({f"m/{name}": content for name, content in members.items()})


class TorchscriptReachesOut(Rule):
    id = "PKL024"
    name = "torchscript-reaches-out"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "medium"
    hint = "Read this code before you load the archive."
    bad = (
        Example(
            "code that writes a file", {"m.pt": _script(SAVES)}, at=(At("m.pt", member="m/code/__torch__.py"),)
        ),
        Example(
            "code that imports", {"m.pt": _script("import os\n" + COMPUTES)},
            at=(At("m.pt", member="m/code/__torch__.py"),),
        ),
    )  # fmt: skip
    good = (
        Example("code that computes", {"m.pt": _script(COMPUTES)}),
        Example("its own classes", {"m.pt": _script("import __torch__.torch.nn\n" + COMPUTES)}, near_miss=True),
        Example("the word in a string", {"m.pt": _script(COMPUTES + "# import os, torch.save\n")}, near_miss=True),
        Example(
            "a pickle that names the classes of its code", {"m.pt": imports("collections OrderedDict")}, near_miss=True
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for at, found in oddities(facts, OddityKind.CODE):
            message = f"the file {OddityKind.CODE.value}{others(len(found))}: {found[0].detail}"
            yield self.finding(at, message)
